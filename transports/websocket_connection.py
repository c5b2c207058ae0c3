"""One WebSocket over TLS as a connection of the core: the I/O shell around the websockets protocol.

websockets' own asyncio connections send from a coroutine and keep a task each; this shell sends
synchronously, joins what one loop tick queued into one write, and keeps no task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from peergos_collab.errors import LocalProtocolError, Offline, PeergosCollabError, RemoteProtocolError

from .timers import Cancellable, Timers

MAX_MESSAGE: Final = 1024 * 1024
HIGH_WATER: Final = 256 * 1024
"""Bytes queued in either direction above which ``drain`` waits, or reading stops."""
LOW_WATER: Final = 64 * 1024

_MESSAGE_COST: Final = 64
"""Counted on top of each received message, so that a flood of empty ones is bounded too."""
_MAX_DEAF_PINGS: Final = 100
"""Pings taken from a peer that does not read: each queues an answer."""
_CLOSE_SECONDS: Final = 2.0


class WebSocketConnection(asyncio.Protocol):
    """Implements ``ports.Connection``, kind ``node`` or ``lan``.

    Args:
        protocol: the websockets state machine of this side.
        channel: the node's pin.
        peer: what messages call the other end.
        timers: the event loop outside tests.
        keepalive: seconds of silence after which the other end is asked for a sign of life; it
            has as long to give one.
        on_open: called once when the handshake is through.
    """

    __slots__ = (
        "_alive",
        "_closing",
        "_deaf_pings",
        "_drained",
        "_flush_scheduled",
        "_held",
        "_keepalive",
        "_loop",
        "_lost",
        "_messages",
        "_on_open",
        "_opened",
        "_partial",
        "_peer",
        "_ping_sent",
        "_protocol",
        "_queued",
        "_reading_paused",
        "_reason",
        "_receiver",
        "_timer",
        "_timers",
        "_transport",
        "_writing_paused",
        "channel",
        "kind",
    )

    def __init__(
        self,
        protocol: ClientProtocol | ServerProtocol,
        *,
        channel: bytes,
        peer: str,
        timers: Timers,
        keepalive: float,
        kind: str = "node",
        on_open: Callable[[WebSocketConnection], None] | None = None,
    ) -> None:
        self.channel = channel
        self.kind = kind
        self._protocol = protocol
        self._peer = peer
        self._timers = timers
        self._keepalive = keepalive
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._messages: deque[bytes] = deque()
        self._partial = bytearray()
        self._receiver: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._timer: Cancellable | None = None
        self._transport: asyncio.Transport | None = None
        self._held = self._queued = self._deaf_pings = 0
        self._alive = True
        self._closing = self._flush_scheduled = self._ping_sent = False
        self._reading_paused = self._writing_paused = False
        self._reason = f"The connection to {peer} was closed."

    # ports.Connection

    def send(self, message: bytes) -> None:
        if len(message) > MAX_MESSAGE:
            raise LocalProtocolError(f"a message has at most {MAX_MESSAGE} bytes, not {len(message)}")
        if self._closing or self._protocol.state is not State.OPEN:
            return
        self._protocol.send_binary(message)
        self._queued += len(message)
        self._schedule_flush()

    async def drain(self) -> None:
        if self._queued > HIGH_WATER:
            self._flush()
        while self._writing_paused and not self._lost.done():
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    async def receive(self) -> bytes:
        while not self._messages:
            if self._closing or self._lost.done():
                raise Offline(self._reason)
            if self._receiver is not None:
                raise LocalProtocolError("somebody else is receiving from this connection already")
            self._receiver = self._loop.create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        message = self._messages.popleft()
        self._held -= len(message) + _MESSAGE_COST
        if self._reading_paused and self._held < LOW_WATER:
            self._resume_reading()
        return message

    async def close(self) -> None:
        self._start_close()
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.shield(self._lost)
        except TimeoutError:
            self._transport.abort()
            await asyncio.shield(self._lost)

    # for the transport

    async def open(self) -> None:
        """Sends the client's upgrade request and waits until it is answered."""
        protocol = cast(ClientProtocol, self._protocol)
        protocol.send_request(protocol.connect())
        self._flush()
        await asyncio.shield(self._opened)

    @property
    def is_open(self) -> bool:
        """Whether the handshake is through."""
        return self._opened.done()

    def peer_certificate(self) -> bytes:
        """The certificate the other end showed, DER; empty bytes if none."""
        assert self._transport is not None
        tls = self._transport.get_extra_info("ssl_object")
        return cast(bytes, tls.getpeercert(binary_form=True) or b"")

    @property
    def peer_host(self) -> str:
        """The IP address of the other end; empty where it has none."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def abort(self, reason: str) -> None:
        """Cuts the connection at once; what is queued is lost."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self._timer = self._timers.call_later(self._keepalive, self._check_life)

    def data_received(self, data: bytes) -> None:
        self._alive = True
        if self._closing:
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame_received(event)
            elif isinstance(event, Request):
                self._answer_request(event)
            elif self._protocol.handshake_exc is None:
                self._handshake_done()
        # A client that sends broken frames along with its request fails before it is open.
        if self._protocol.state is not State.OPEN or self._protocol.parser_exc is not None:
            self._protocol_ended()
        elif self._protocol.writes:
            self._schedule_flush()

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        if self._timer is not None:
            self._timer.cancel()
        if not self._opened.done():
            self._opened.set_exception(self._opening_error())
            self._opened.exception()  # marked as seen: a server has nobody to tell
        if not self._lost.done():
            self._lost.set_result(None)
        self._writing_paused = False
        self._wake_drainers()
        self._wake_receiver()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._deaf_pings = 0
        self._wake_drainers()

    # incoming

    def _frame_received(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY or frame.opcode is Opcode.CONT:
            if frame.fin and not self._partial:
                self._message_received(bytes(frame.data))
                return
            self._partial += frame.data
            if frame.fin:
                message = bytes(self._partial)
                self._partial = bytearray()
                self._message_received(message)
        elif frame.opcode is Opcode.TEXT:
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA)
        elif frame.opcode is Opcode.PING and self._writing_paused:
            self._deaf_pings += 1
            if self._deaf_pings > _MAX_DEAF_PINGS:
                self.abort(f"{self._peer} floods without reading.")

    def _message_received(self, message: bytes) -> None:
        self._messages.append(message)
        self._held += len(message) + _MESSAGE_COST
        if self._held > HIGH_WATER and not self._reading_paused:
            self._reading_paused = True
            assert self._transport is not None
            self._transport.pause_reading()
        self._wake_receiver()

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if self._transport is not None and not self._lost.done():
            self._transport.resume_reading()

    def _answer_request(self, request: Request) -> None:
        protocol = cast(ServerProtocol, self._protocol)
        response = protocol.accept(request)
        if response.status_code != 101:
            response = protocol.reject(response.status_code, "")
        del response.headers["Date"]
        protocol.send_response(response)
        if response.status_code == 101:
            self._handshake_done()
        self._flush()

    def _handshake_done(self) -> None:
        self._opened.set_result(None)
        if self._on_open is not None:
            self._on_open(self)

    def _protocol_ended(self) -> None:
        """The peer closed, broke the rules, or the handshake failed: send the last bytes and end."""
        protocol = self._protocol
        if protocol.parser_exc is not None:
            self._reason = f"{self._peer} broke the rules of WebSocket: {protocol.parser_exc}."
        elif protocol.handshake_exc is not None:
            self._fail_opening()
        elif protocol.state is State.CONNECTING:
            return
        self._flush()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)

    def _fail_opening(self) -> None:
        if not self._opened.done():
            self._opened.set_exception(self._opening_error())
            self._opened.exception()

    def _opening_error(self) -> PeergosCollabError:
        problem = self._protocol.handshake_exc
        if problem is None or isinstance(problem.__cause__, EOFError):
            return Offline(self._reason)
        return RemoteProtocolError(f"{self._peer} does not answer as a node: {problem}.")

    # outgoing

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        self._queued = 0
        data = b"".join(self._protocol.data_to_send())
        if data and self._transport is not None and not self._lost.done():
            self._transport.write(data)

    def _start_close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._messages.clear()
        self._wake_receiver()
        if self._transport is None or self._lost.done():
            return
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        self._flush()
        if self._reading_paused:
            # The rest has to be read away, or TLS never sees the other end's goodbye.
            self._resume_reading()
        self._transport.close()

    def _check_life(self) -> None:
        """Runs each ``keepalive`` seconds; a paused reader cannot tell silence from its own pause."""
        if self._alive or self._reading_paused:
            self._ping_sent = False
        elif self._ping_sent:
            self.abort(f"{self._peer} gave no sign of life for {self._keepalive:g} s.")
            return
        else:
            self._ping_sent = True
            if self._protocol.state is State.OPEN:
                self._protocol.send_ping(b"")
                self._schedule_flush()
        self._alive = False
        self._timer = self._timers.call_later(self._keepalive, self._check_life)

    def _wake_receiver(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def _wake_drainers(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def __repr__(self) -> str:
        return f"WebSocketConnection({self._peer})"


__all__ = ["HIGH_WATER", "MAX_MESSAGE", "WebSocketConnection"]
