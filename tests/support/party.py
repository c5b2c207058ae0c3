"""Many devices in one object, in virtual time: real meshes, and of the rest as much as they look at.

A node relays what is said to all who are there. Connections are in memory. Who is killed is silent from then.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from types import SimpleNamespace
from typing import Any, Self, cast

from peergos_collab.codec.ids import DeviceId, RunId
from peergos_collab.errors import Offline
from peergos_collab.ports import Connection
from peergos_collab.ports.peers import PeerOptions
from peergos_collab.testing.transport import MemoryConnection, memory_pair
from peergos_collab.workspace.peers import PeerMesh
from peergos_collab.workspace.presence import GONE_SECONDS, HERE_SECONDS, PresenceBook, Present, Signal

OBJECT = b"o" * 32


class Guest:
    """A device at the party."""

    def __init__(self, party: Party, device: DeviceId) -> None:
        self.party = party
        self.device = device
        self.run = RunId(device[:16])
        self.open: dict[DeviceId, MemoryConnection] = {}
        self.opened = 0
        replica = SimpleNamespace(run=self.run, actor=SimpleNamespace(device=SimpleNamespace(public=device)))
        self.book = cast(
            PresenceBook,
            SimpleNamespace(
                live=SimpleNamespace(id=OBJECT, replica=replica),
                clock=lambda: 0,
                on_here=[],
                on_signal=[],
                on_removed=[],
                present={},
                signal=lambda content: party.relay(self, content),
            ),
        )
        transport = cast(Any, Transport(self))
        self.mesh = PeerMesh(self.book, transport, PeerOptions, self._serve, party.random.randbytes)
        self.mesh.start()

    def hear(self, other: Guest) -> None:
        """Another one greets."""
        now = asyncio.get_running_loop().time()
        for device, present in list(self.book.present.items()):
            if present.heard < now - GONE_SECONDS:
                del self.book.present[device]
        known = self.book.present.get(other.device)
        if known is None:
            known = self.book.present[other.device] = cast(
                Present, SimpleNamespace(device=other.device, run=other.run, webrtc=True)
            )
        known.heard = now
        for told in list(self.book.on_here):
            told(known)

    async def _serve(self, connection: Connection) -> None:
        end = cast(MemoryConnection, connection)
        device = cast(Any, end).other
        self.open[device] = end
        self.opened += 1
        try:
            await end.receive()
        finally:
            if self.open.get(device) is end:
                del self.open[device]
            await end.close()


class Transport:
    """Implements as much of ``ports.PeerTransport`` as a party needs: a description is a number."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    async def offer(self, options: PeerOptions) -> Offer:
        if self._guest.party.no_way:
            raise Offline("there is no way")
        return Offer(self._guest)

    async def answer(self, offer: bytes, options: PeerOptions, *, timeout: float) -> tuple[bytes, Any]:
        made = self._guest.party.offers.get(offer)
        if made is None:
            raise Offline("whoever offered is gone")
        ends = memory_pair()
        for end, other in zip(ends, (self._guest, made.guest), strict=True):
            cast(Any, end).other = other.device
        made.end = ends[0]
        opened: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        made.opened = opened
        cast(Any, opened).end = ends[1]
        return offer, SimpleNamespace(
            opened=lambda timeout: asyncio.wait_for(opened, timeout), close=_nothing
        )


class Offer:
    """Implements ``ports.PendingOffer``."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.end: MemoryConnection | None = None
        self.opened: asyncio.Future[Connection] | None = None
        self.description = guest.party.random.randbytes(16)
        guest.party.offers[self.description] = self

    async def accept(self, answer: bytes, *, timeout: float) -> Connection:
        if self.end is None or self.opened is None or self.opened.done():
            raise Offline("nobody answers any more")
        self.opened.set_result(cast(Any, self.opened).end)
        return self.end

    async def close(self) -> None:
        self.guest.party.offers.pop(self.description, None)


async def _nothing() -> None:
    pass


class Party:
    """All guests. Use as ``async with``."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.guests: dict[DeviceId, Guest] = {}
        self.offers: dict[bytes, Offer] = {}
        self.no_way = False
        self._greetings: dict[DeviceId, asyncio.Task[None]] = {}

    def come(self, count: int) -> None:
        for _ in range(count):
            guest = Guest(self, DeviceId(self.random.randbytes(32)))
            self.guests[guest.device] = guest
            self._greetings[guest.device] = asyncio.get_running_loop().create_task(self._greet(guest))

    async def go(self, devices: list[DeviceId]) -> None:
        """They are killed: nobody is told, connections break."""
        for device in devices:
            guest = self.guests.pop(device)
            self._greetings.pop(device).cancel()
            for end in list(guest.open.values()):
                end.cut()
            await guest.mesh.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go(list(self.guests))

    def relay(self, sender: Guest, content: bytes) -> None:
        now = int(asyncio.get_running_loop().time() * 1000)
        for guest in list(self.guests.values()):
            present = guest.book.present.get(sender.device)
            if guest is not sender and present is not None:
                for told in list(guest.book.on_signal):
                    told(Signal(present, content, now))

    async def _greet(self, guest: Guest) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for other in list(self.guests.values()):
                if other is not guest:
                    other.hear(guest)
            over = asyncio.Event()
            loop.call_later(HERE_SECONDS * self.random.uniform(0.7, 1.15), over.set)
            await over.wait()

    # -- what came of it --------------------------------------------------------------------------

    def degrees(self) -> list[int]:
        return [len(guest.open) for guest in self.guests.values()]

    def steps(self) -> int:
        """The longest of all shortest ways between two; a thousand where there is none."""
        longest = 0
        for start in self.guests:
            found, queue = {start: 0}, deque([start])
            while queue:
                at = queue.popleft()
                for device in self.guests[at].open:
                    if device in self.guests and device not in found:
                        found[device] = found[at] + 1
                        queue.append(device)
            longest = max(longest, max(found.values()) if len(found) == len(self.guests) else 1000)
        return longest
