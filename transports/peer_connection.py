"""A data channel as a connection of the core: fragments, credits and signs of life around a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from peergos_collab.errors import LocalProtocolError, Offline, RemoteProtocolError

from .fragments import BYE, MAX_FRAME, MAX_MESSAGE, PING, Inbox, Kind, Outbox, credit_frame
from .heartbeat import LOST_AFTER, Heartbeat, Verdict
from .timers import Cancellable, Timers

HIGH_WATER: Final = 256 * 1024
"""Bytes queued here above which ``drain`` waits."""
PIPE_HIGH: Final = 48 * 1024
"""Nothing more goes into SCTP above it: with one more frame that is 64 KiB, so pings stay quick."""
PIPE_LOW: Final = 16 * 1024

_FAREWELL_SECONDS: Final = 1.0


class Pipe(Protocol):
    """What carries frames: an ordered, reliable data channel."""

    @property
    def buffered(self) -> int:
        """Bytes that wait inside."""

    def send(self, frame: bytes) -> None:
        """Never raises: a broken pipe tells by ``PeerConnection.lost``."""


class PeerConnection:
    """Implements ``ports.Connection``, kind ``webrtc``. Messages keep their order, all of them.

    A small message never overtakes a big one, as that would break the order; callers who care
    about delay send big things in pieces of 64 KiB or less.

    Args:
        pipe: where frames go.
        tear_down: frees everything below; called once.
        timers: the event loop outside tests.
    """

    kind: Final = "webrtc"

    def __init__(self, pipe: Pipe, tear_down: Callable[[], Awaitable[None]], timers: Timers) -> None:
        self._pipe = pipe
        self._tear_down = tear_down
        self._timers = timers
        self._loop = asyncio.get_running_loop()
        self._channel = b""
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._heartbeat = Heartbeat(timers.time())
        self._timer: Cancellable | None = None
        self._receiver: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._closing = False
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._ending: asyncio.Task[None] | None = None
        self._bye_sent = False
        self._reason = "The connection to the peer was closed."

    @property
    def channel(self) -> bytes:
        return self._channel

    # ports.Connection

    def send(self, message: bytes) -> None:
        if len(message) > MAX_MESSAGE:
            raise LocalProtocolError(f"a message has at most {MAX_MESSAGE} bytes, not {len(message)}")
        if self._closing or self._over.done():
            return
        self._outbox.put(bytes(message))
        self.pump()

    async def drain(self) -> None:
        while self._outbox.queued > HIGH_WATER and not self._over.done():
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    async def receive(self) -> bytes:
        while not self._inbox:
            if self._closing or self._over.done():
                raise Offline(self._reason)
            if self._receiver is not None:
                raise LocalProtocolError("somebody else is receiving from this connection already")
            self._receiver = self._loop.create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        message, credit = self._inbox.take()
        if credit and not self._over.done():
            self._put(credit_frame(credit))
        return message

    async def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._inbox.clear()
            self._wake_receiver()
            if self._channel and not self._over.done():
                await self._say_goodbye()
        self.lost(self._reason)
        assert self._ending is not None
        await asyncio.shield(self._ending)

    async def _say_goodbye(self) -> None:
        self.pump()
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await asyncio.shield(self._over)
        except TimeoutError:
            pass  # the peer does not read, or is gone: what is queued goes out another way

    # events from below

    def opened(self, channel: bytes) -> None:
        """The pipe is open; ``channel`` was negotiated on it."""
        self._channel = channel
        now = self._timers.time()
        self._heartbeat.received(now)
        self._schedule()
        self.pump()

    def frame_received_untrusted(self, frame: object) -> None:
        self._heartbeat.received(self._timers.time())
        if self._over.done():
            return
        try:
            self._frame_untrusted(frame)
        except RemoteProtocolError as error:
            self.lost(f"The peer broke the rules of the channel: {error}.")

    def lost(self, reason: str) -> None:
        """Ends the connection; what was received whole can still be taken."""
        if self._ending is not None:
            return
        self._reason = reason
        if self._timer is not None:
            self._timer.cancel()
        if not self._over.done():
            self._over.set_result(None)
        self._ending = self._loop.create_task(self._end())
        self._wake_receiver()
        self._wake_drainers()

    def pump(self) -> None:
        """Moves frames into the pipe while it has room."""
        while self._pipe.buffered < PIPE_HIGH and not self._over.done():
            frame = self._outbox.next_frame()
            if frame is None:
                break
            self._put(frame)
        if self._outbox.queued <= HIGH_WATER:
            self._wake_drainers()
        if self._closing and self._outbox.empty and not self._bye_sent and not self._over.done():
            self._bye_sent = True
            self._put(BYE)

    # inside

    def _frame_untrusted(self, frame: object) -> None:
        if not isinstance(frame, bytes) or not 1 <= len(frame) <= MAX_FRAME:
            raise RemoteProtocolError("a frame is 1 byte to 16 KiB of binary data")
        kind, payload = frame[0], frame[1:]
        if kind in {Kind.PART, Kind.LAST}:
            self._inbox.fragment_untrusted(payload, last=kind == Kind.LAST)
            if self._closing:
                self._inbox.clear()
            elif kind == Kind.LAST:
                self._wake_receiver()
        elif kind == Kind.CREDIT:
            self._outbox.credit_untrusted(payload)
            self.pump()
        elif kind == Kind.BYE:
            if not self._bye_sent:
                self._put(BYE)
            self.lost(self._reason)
        elif kind != Kind.PING:
            raise RemoteProtocolError(f"frame kind {kind} is unknown")

    def _put(self, frame: bytes) -> None:
        self._heartbeat.sent(self._timers.time())
        self._pipe.send(frame)

    def _schedule(self) -> None:
        if self._over.done():
            return
        self._timer = self._timers.call_later(self._heartbeat.delay(self._timers.time()), self._tick)

    def _tick(self) -> None:
        verdict = self._heartbeat.tick(self._timers.time())
        if verdict is Verdict.LOST:
            self.lost(f"The peer gave no sign of life for {LOST_AFTER:g} s.")
        elif verdict is Verdict.PING:
            self._put(PING)
        self._schedule()

    async def _end(self) -> None:
        await self._tear_down()

    def _wake_receiver(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def _wake_drainers(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def __repr__(self) -> str:
        return "PeerConnection()"
