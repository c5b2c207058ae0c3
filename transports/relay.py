"""Reaching nodes through an entry node of another operator, which sees no more than where the bytes go.

TLS with the store's own pin runs inside the tunnel, so the entry node can neither read nor change anything.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, Protocol

from peergos_collab.errors import Offline, PeergosCollabError, Refused, RemoteProtocolError, WrongPin
from peergos_collab.ports import Address, Connection, Listener, Transport
from peergos_collab.sync.frames import Frame, decode_frame_untrusted

from .carrying import PIECE, carry
from .tunnel_messages import Answer, encode_ask, parse_answer_untrusted
from .websocket import place_of

_MAX_WORDS: Final = 2
"""Messages before the answer: the entry node greets, as it does everybody."""


class SocketTransport(Transport, Protocol):
    """A transport that can also speak through a socket that is connected already."""

    async def connect_over(self, sock: socket.socket, address: Address, place: str) -> Connection:
        """As ``connect``, without a deadline. Takes over the socket. ``place`` is for messages."""


class TunnelTransport:
    """Implements ``ports.Transport``. Each connection has a tunnel and an entry connection of its own."""

    def __init__(self, entry: Address, transport: SocketTransport) -> None:
        self._entry = entry
        self._transport = transport

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        """See ``ports.Transport``.

        Raises:
            WrongPin: the entry, or the store, shows another certificate than its address names.
            Offline: one of the two cannot be reached, or the entry has no room.
            Refused: the entry does not relay, or not to there; or it is the store itself.
            RemoteProtocolError: the entry does not answer as a node, or alters bytes.
        """
        if address.pin == self._entry.pin:
            raise Refused(
                f"{place_of(address)} is the entry node itself, which would see both who you are and what "
                "you open; nothing was sent.",
                hint="Use an entry node of another operator than the nodes that store.",
            )
        deadline = asyncio.get_running_loop().time() + timeout
        outer = await self._enter(timeout)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._connect(outer, address)
        except TimeoutError as error:
            raise Offline(
                f"{place_of(address)} did not answer through the entry node {place_of(self._entry)} "
                f"within {timeout:g} s."
            ) from error

    async def _enter(self, timeout: float) -> Connection:
        try:
            return await self._transport.connect(self._entry, timeout=timeout)
        except (Offline, RemoteProtocolError) as error:
            raise Offline(
                f"The entry node cannot be reached; nothing is sent directly. {error.message}"
            ) from error
        except WrongPin as error:
            raise WrongPin(
                f"The entry node is not itself; nothing is sent directly. {error.message}"
            ) from error

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        """Listens as the transport below does: only what goes out takes the tunnel."""
        return await self._transport.listen(host, port, certificate, accept)

    async def _connect(self, outer: Connection, address: Address) -> Connection:
        try:
            await self._ask(outer, address)
            tunnel = await Tunnel.over(outer)
        except BaseException:
            await asyncio.shield(outer.close())
            raise
        place = f"{place_of(address)} through {place_of(self._entry)}"
        try:
            inner = await self._transport.connect_over(tunnel.socket, address, place)
        except BaseException:
            await asyncio.shield(tunnel.close())
            raise
        return RelayedConnection(inner, tunnel)

    async def _ask(self, outer: Connection, address: Address) -> None:
        outer.send(encode_ask(address))
        for _ in range(_MAX_WORDS):
            message = await outer.receive()
            if not _is_hello_untrusted(message, place_of(self._entry)):
                break
        else:
            raise RemoteProtocolError(f"the entry node {place_of(self._entry)} does not answer the request")
        answer = parse_answer_untrusted(message)
        if answer is not Answer.OPEN:
            _complain(answer, place_of(address), place_of(self._entry))


class Tunnel:
    """A socket whose bytes go through an open tunnel."""

    def __init__(self, near: socket.socket, carrying: asyncio.Task[None]) -> None:
        self.socket = near
        self._carrying = carrying

    @classmethod
    async def over(cls, outer: Connection) -> Tunnel:
        """Takes over ``outer``, on which the entry node has just said that the tunnel is open."""
        near, far = socket.socketpair()
        try:
            near.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=far, limit=PIECE)
        except BaseException:
            near.close()
            far.close()
            raise
        return cls(near, asyncio.get_running_loop().create_task(carry(outer, reader, writer)))

    async def close(self) -> None:
        """Ends it at once. Idempotent."""
        self._carrying.cancel()
        await self.ended()
        self.socket.close()

    async def ended(self) -> None:
        """Returns once everything is delivered and closed."""
        await asyncio.gather(self._carrying, return_exceptions=True)


class RelayedConnection:
    """Implements ``ports.Connection``: the one with the store, and the tunnel it runs in."""

    def __init__(self, inner: Connection, tunnel: Tunnel) -> None:
        self._inner = inner
        self._tunnel = tunnel

    @property
    def channel(self) -> bytes:
        return self._inner.channel

    @property
    def kind(self) -> str:
        return self._inner.kind

    def send(self, message: bytes) -> None:
        self._inner.send(message)

    async def drain(self) -> None:
        await self._inner.drain()

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def close(self) -> None:
        await self._inner.close()
        await self._tunnel.ended()
        await self._tunnel.close()


def _is_hello_untrusted(message: bytes, entry: str) -> bool:
    try:
        frame, _fields = decode_frame_untrusted(message)
    except RemoteProtocolError:
        return False
    if frame is Frame.REFUSED:
        raise Refused(
            f"{entry} does not relay for others; nothing was sent through it.",
            hint="Its operator can allow it: 'pgc node serve --relay'. Or use another entry node.",
        )
    return frame is Frame.HELLO


def _complain(answer: Answer, store: str, entry: str) -> NoReturn:
    complaints: dict[Answer, PeergosCollabError] = {
        Answer.NOT_ALLOWED: Refused(
            f"The entry node {entry} does not relay to {store}: that is no public address.",
            hint="For nodes in one local network its operator can allow it: --relay-private.",
        ),
        Answer.WRONG_PIN: WrongPin(
            f"{store} shows another certificate than its address names, the entry node {entry} says; "
            "nothing was sent to it."
        ),
        Answer.BUSY: Offline(f"The entry node {entry} has no room for another tunnel now."),
    }
    unreachable = Offline(f"The entry node {entry} cannot reach a node at {store}.")
    raise complaints.get(answer, unreachable)
