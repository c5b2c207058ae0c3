"""Direct connections: what offers of another device cost here."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

from peergos_collab.codec import encode
from peergos_collab.codec.ids import DeviceId, RunId
from peergos_collab.ports.peers import PeerOptions, PendingAnswer
from peergos_collab.workspace.peers import ANSWER_SECONDS, OFFER, PeerMesh
from peergos_collab.workspace.presence import PresenceBook, Present, Signal
from support.jumping_loop import in_no_time, passing

OWN, OTHER = DeviceId(b"\xff" * 32), DeviceId(bytes(32))
RUN = RunId(bytes(16))


class Answering:
    """A transport that notes what it is to answer, and when; nothing ever opens."""

    def __init__(self) -> None:
        self.made: list[tuple[bytes, float]] = []

    async def answer(
        self, offer: bytes, options: PeerOptions, *, timeout: float
    ) -> tuple[bytes, PendingAnswer]:
        loop = asyncio.get_running_loop()
        self.made.append((offer, loop.time()))
        await loop.create_future()
        raise AssertionError


def here() -> PresenceBook:
    """As much of a book as a mesh looks at."""
    replica = SimpleNamespace(run=RUN, actor=SimpleNamespace(device=SimpleNamespace(public=OWN)))
    live = SimpleNamespace(replica=replica, id=bytes(32))
    book = SimpleNamespace(live=live, clock=lambda: 0, on_here=[], on_signal=[], on_removed=[], present={})
    return cast(PresenceBook, book)


def offer(number: int, run: int, device: DeviceId = OTHER) -> Signal:
    """An offer by another device, from a process of it."""
    sender = cast(Present, SimpleNamespace(device=device, run=RunId(bytes([run] * 16))))
    nonce = number.to_bytes(16, "big")
    return Signal(sender, encode([OWN, RUN, OFFER, nonce, 9, b"offer %d" % number]), number)


def test_a_flood_of_offers_makes_one_answer_a_second() -> None:
    """The first is answered at once, then the newest of each second, whichever process is said to offer."""

    async def flood() -> list[tuple[bytes, float]]:
        transport, presence = Answering(), here()
        mesh = PeerMesh(presence, cast(Any, transport), PeerOptions, cast(Any, None), bytes)
        mesh.start()
        for number in range(30):
            presence.on_signal[0](offer(number, number % 3))
            await passing(ANSWER_SECONDS / 10)
        await passing(ANSWER_SECONDS)
        await mesh.close()
        return transport.made

    made = in_no_time(flood())
    times = [time for _, time in made]

    assert (made[0][0], made[-1][0]) == (b"offer 0", b"offer 29")
    assert 3 <= len(made) <= 5
    assert all(later - one >= ANSWER_SECONDS - 1e-6 for one, later in pairwise(times))


class Opening(Answering):
    """One that opens what the first device offers, and nothing else."""

    ended = 0

    async def answer(
        self, offer: bytes, options: PeerOptions, *, timeout: float
    ) -> tuple[bytes, PendingAnswer]:
        if offer != b"offer 0":
            try:
                return await super().answer(offer, options, timeout=timeout)
            finally:
                self.ended += 1

        async def opened(timeout: float) -> None:
            return None

        return b"", cast(PendingAnswer, SimpleNamespace(opened=opened))


def test_what_is_not_connected_yet_can_be_given_up() -> None:
    """What is connected stays."""

    async def play() -> tuple[list[bool], int]:
        transport, presence = Opening(), here()
        presence.signal = lambda _: None  # type: ignore[method-assign]
        ends: list[asyncio.Future[None]] = []

        async def serve(_: object) -> None:
            ends.append(asyncio.get_running_loop().create_future())
            await ends[-1]

        mesh = PeerMesh(presence, cast(Any, transport), PeerOptions, serve, bytes)
        mesh.start()
        presence.on_signal[0](offer(0, 1))
        presence.on_signal[0](offer(1, 2, DeviceId(bytes([1] * 32))))
        await passing(ANSWER_SECONDS)
        assert transport.ended == 0
        mesh.give_up_tries()
        await passing(ANSWER_SECONDS)
        found = [end.done() for end in ends], transport.ended
        await mesh.close()
        return found

    assert in_no_time(play()) == ([False], 1)
