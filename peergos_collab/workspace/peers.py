"""Direct connections to other devices in an object: found by presence, opened with sealed signals.

To which ones ``rings`` says: to all while they are few.

    signal = [recipient device, recipient run, 0 offer | 1 answer, nonce, expires (ms), description]

The lower device id offers. A signal is sealed for members and signed by its device, over all of its
fields; the description holds the DTLS fingerprint, so a relay that swaps it is found out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import field
from functools import partial
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, RunId
from ..codec.shape import array, blob, number, some_bytes
from ..errors import PeergosCollabError, RemoteProtocolError
from ..ports import Connection, Random
from ..ports.peers import MAX_DESCRIPTION, PeerOptions, PeerTransport, PendingAnswer, PendingOffer
from ..values import dataclass
from .presence import PresenceBook, Present, Signal
from .rings import FULL, Rings

OFFER: Final = 0
ANSWER: Final = 1
SIGNAL_LIFETIME: Final = 24 * 3600 * 1000
"""Milliseconds. Long, because two devices' clocks may differ; the run and the nonce do the rest."""

OPEN_SECONDS: Final = 15.0
RETRY_SECONDS: Final = (1.0, 60.0)
"""First and longest pause before a new attempt to reach the same device."""

ANSWER_SECONDS: Final = 1.0
"""Between two answers to one device: each costs a certificate and a stack, while offers cost next to nothing.
Of the offers that came meanwhile the newest is answered."""

MAX_ATTEMPTS: Final = 64
"""Devices of which it is remembered how the last try ended."""

MAX_DEGREE: Final = FULL + 4
"""Connections, or tries, at once: a few more than are wanted, because others may see other devices here."""

SURPLUS_SECONDS: Final = 30.0
"""So long a connection stays that is not wanted any more: who went may come back."""


@dataclass(slots=True)
class _Attempt:
    """What is under way with one device. ``task`` runs until the connection has ended.

    Args:
        run: the process of that device which it is under way with.
        offered: when its newest offer was made, by its clock.
        answered: when an offer of that device was last answered, whichever its process.
        wanted: when it was last seen to be wanted.
        connected: whether the connection is open.
    """

    run: RunId
    task: asyncio.Task[None] | None = None
    nonce: bytes = b""
    offer: bytes = b""
    offered: int = 0
    answered: float = float("-inf")
    answer: asyncio.Future[bytes] | None = None
    failures: int = 0
    not_before: float = 0.0
    wanted: float = float("-inf")
    connected: bool = False


@dataclass(slots=True)
class PeerMesh:
    """Keeps one direct connection to each device in an object that ``rings`` chooses.

    Args:
        options: asked at each try.
        serve: runs a connection until it ends.
        is_near: whether a device is connected directly already, for all objects.
    """

    presence: PresenceBook
    transport: PeerTransport
    options: Callable[[], PeerOptions]
    serve: Callable[[Connection], Awaitable[None]]
    random_bytes: Random
    is_near: Callable[[DeviceId], bool] = lambda _: False
    _attempts: dict[DeviceId, _Attempt] = field(default_factory=dict)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _rings: Rings = field(init=False)
    _closed: bool = False
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __post_init__(self) -> None:
        self._rings = Rings(self.presence.live.id, self._own)

    def start(self) -> None:
        self.presence.on_here.append(self._on_here)
        self.presence.on_signal.append(self._on_signal)
        self.presence.on_removed.append(self._on_removed)

    async def close(self) -> None:
        """Ends all attempts and connections; leaves no task."""
        self._closed = True
        if self._on_here in self.presence.on_here:
            self.presence.on_here.remove(self._on_here)
            self.presence.on_signal.remove(self._on_signal)
            self.presence.on_removed.remove(self._on_removed)
        for attempt in self._attempts.values():
            self._cancel(attempt)
        await asyncio.gather(*self._ending, return_exceptions=True)

    @property
    def _own(self) -> DeviceId:
        return DeviceId(self.presence.live.replica.actor.device.public)

    def _attempt(self, present: Present) -> _Attempt | None:
        """What is under way with this process of a device, or None where there is no room for more."""
        attempt = self._attempts.get(present.device)
        if attempt is not None and attempt.run == present.run:
            return attempt
        if attempt is not None:
            self._cancel(attempt)  # with a process that has ended
        elif len(self._attempts) >= MAX_ATTEMPTS:
            idle = next((device for device, other in self._attempts.items() if _is_idle(other)), None)
            if idle is None:
                return None
            del self._attempts[idle]
        fresh = self._attempts[present.device] = _Attempt(present.run)
        if attempt is not None:
            fresh.answered = attempt.answered
        return fresh

    def _start(self, attempt: _Attempt, opening: Callable[[], Awaitable[Connection]]) -> None:
        self._cancel(attempt)
        attempt.wanted, attempt.connected = self._loop.time(), False
        attempt.task = self._loop.create_task(self._run(attempt, opening))

    def _cancel(self, attempt: _Attempt) -> None:
        if attempt.task is not None and not attempt.task.done():
            attempt.task.cancel()
            self._ending.add(attempt.task)
            attempt.task.add_done_callback(self._ending.discard)

    def give_up_tries(self) -> None:
        """Ends what is not connected yet; it is tried again under the options of then."""
        for attempt in self._attempts.values():
            if not attempt.connected:
                self._cancel(attempt)

    def hurry(self) -> None:
        """What failed before may succeed now."""
        for attempt in list(self._attempts.values()):
            attempt.failures, attempt.not_before = 0, 0.0
            self._try_again(attempt)

    def _try_again(self, attempt: _Attempt) -> None:
        """As if the device greeted, if it is still taken to be here."""
        device = next((device for device, other in self._attempts.items() if other is attempt), None)
        present = self.presence.present.get(device) if device is not None else None
        if present is not None and not self._closed:
            self._on_here(present)

    def _is_wanted(self, device: DeviceId) -> bool:
        others = (each.device for each in self.presence.present.values() if each.webrtc)
        return device in self._rings.neighbours(others)

    def _has_room(self, device: DeviceId) -> bool:
        """Whether there is room for one more connection; for a wanted one, one that is not makes room."""
        busy = [other for other, attempt in self._attempts.items() if not _is_idle(attempt)]
        if len(busy) < MAX_DEGREE or device in busy:
            return True
        surplus = next((other for other in busy if not self._is_wanted(other)), None)
        if surplus is None or not self._is_wanted(device):
            return False
        self._cancel(self._attempts.pop(surplus))
        return True

    def _let_go(self, present: Present) -> None:
        """Ends a connection that has not been wanted for a while, or that a neighbour's does the work of."""
        attempt = self._attempts.get(present.device)
        if attempt is None or _is_idle(attempt):
            return
        if self._is_wanted(present.device) and not self.is_near(present.device):
            attempt.wanted = self._loop.time()
        elif self._loop.time() - attempt.wanted > SURPLUS_SECONDS:
            self._cancel(attempt)

    def _on_here(self, present: Present) -> None:
        self._let_go(present)
        if not present.webrtc or self._own >= present.device or self.is_near(present.device):
            return
        if not self._is_wanted(present.device) or not self._has_room(present.device):
            return
        attempt = self._attempt(present)
        if attempt is None:
            return
        if _is_idle(attempt) and self._loop.time() >= attempt.not_before:
            self._start(attempt, partial(self._offer, attempt, present))
        elif attempt.answer is not None and not attempt.answer.done():
            # When we offered, it may not have known us yet. A repetition changes nothing for who took it.
            self._signal(present, OFFER, attempt.nonce, attempt.offer)

    def _on_removed(self, device: DeviceId) -> None:
        """Its session would be given nothing more; the connection itself goes, too."""
        attempt = self._attempts.pop(device, None)
        if attempt is not None:
            self._cancel(attempt)

    def _on_signal(self, signal: Signal) -> None:
        try:
            fields = array(decode_untrusted(signal.content, MAX_DESCRIPTION + 256), 6, "signal")
            if fields[0] != self._own or fields[1] != self.presence.live.replica.run:
                return
            kind = number(fields[2], OFFER, ANSWER, "signal kind")
            nonce = blob(fields[3], 16, "nonce")
            expires = number(fields[4], 0, 2**53, "expiry")
            description = some_bytes(fields[5], MAX_DESCRIPTION, "description")
        except RemoteProtocolError:
            return
        if self._closed or self.presence.clock() > expires:
            return
        attempt = self._attempt(signal.sender)
        if attempt is None:
            return
        if kind == ANSWER:
            if attempt.answer is not None and attempt.nonce == nonce and not attempt.answer.done():
                attempt.answer.set_result(description)
        elif signal.sender.device < self._own:
            self._take_offer(attempt, signal, nonce, description)

    def _take_offer(self, attempt: _Attempt, signal: Signal, nonce: bytes, offer: bytes) -> None:
        if nonce == attempt.nonce or signal.time < attempt.offered:
            return  # the same offer again, over another path, or an old one that a node repeats
        if not self._has_room(signal.sender.device):
            return  # he sees others here than we do; soon both see the same
        attempt.nonce, attempt.offered = nonce, signal.time
        # What was there before is cancelled: the other side has given it up.
        self._start(attempt, partial(self._answer, attempt, signal.sender, nonce, offer))

    async def _run(self, attempt: _Attempt, opening: Callable[[], Awaitable[Connection]]) -> None:
        """Opens a connection and serves it to its end; decides when to try again."""
        try:
            connection = await opening()
            attempt.failures, attempt.connected = 0, True
            await self.serve(connection)
        except (PeergosCollabError, TimeoutError):
            attempt.failures += 1
        except Exception as error:  # noqa: BLE001 - whatever WebRTC meets, the node's way goes on
            attempt.failures += 1
            self._loop.call_exception_handler({"message": "a direct connection failed", "exception": error})
        first, longest = RETRY_SECONDS
        pause = min(longest, first * 2**attempt.failures)
        pause *= 0.5 + random.random()  # noqa: S311 - spreads retries, decides nothing
        attempt.not_before = self._loop.time() + pause
        self._loop.call_at(attempt.not_before, self._try_again, attempt)

    async def _offer(self, attempt: _Attempt, present: Present) -> Connection:
        pending: PendingOffer = await self.transport.offer(self.options())
        attempt.nonce, attempt.offer = self.random_bytes(16), pending.description
        attempt.answer = self._loop.create_future()
        try:
            self._signal(present, OFFER, attempt.nonce, attempt.offer)
            async with asyncio.timeout(OPEN_SECONDS):
                answer = await attempt.answer
            return await pending.accept(answer, timeout=OPEN_SECONDS)
        except BaseException:
            await pending.close()
            raise
        finally:
            attempt.answer = None

    async def _answer(self, attempt: _Attempt, sender: Present, nonce: bytes, offer: bytes) -> Connection:
        await asyncio.sleep(attempt.answered + ANSWER_SECONDS - self._loop.time())
        attempt.answered = self._loop.time()
        pending: PendingAnswer
        description, pending = await self.transport.answer(offer, self.options(), timeout=OPEN_SECONDS)
        try:
            self._signal(sender, ANSWER, nonce, description)
            return await pending.opened(timeout=OPEN_SECONDS)
        except BaseException:
            await pending.close()
            raise

    def _signal(self, to: Present, kind: int, nonce: bytes, description: bytes) -> None:
        expires = self.presence.clock() + SIGNAL_LIFETIME
        self.presence.signal(encode([to.device, to.run, kind, nonce, expires, description]))


def _is_idle(attempt: _Attempt) -> bool:
    return attempt.task is None or attempt.task.done()
