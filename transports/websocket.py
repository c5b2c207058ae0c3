"""Nodes over WebSocket and TLS 1.3, recognised by the pin of their certificate alone."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from peergos_collab.crypto.certificates import NodeCertificate, client_context, pin_of_untrusted
from peergos_collab.errors import (
    LocalProtocolError,
    Offline,
    PeergosCollabError,
    RemoteProtocolError,
    WrongPin,
)
from peergos_collab.ports.transport import Address, Connection, Transport
from peergos_collab.ports.tunnels import Tunnels

from .accepting import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS, Accepting
from .seats import SEATS, Seats, seats_here, whose
from .timers import Timers
from .websocket_connection import MAX_MESSAGE, WebSocketConnection

KEEPALIVE: Final = 20.0

_TLS_BUFFER: Final = 16 * 1024
"""One TLS record. asyncio's own 256 KiB would be held by each idle connection."""


class WebSocketTransport:
    """Implements ``ports.RelayTransport``.

    Args:
        keepalive: seconds of silence before a ping, and again before the other end counts as lost.
        timers: passed in by tests; the running event loop otherwise.
        kind: of its connections: ``node``, or ``lan``.
        seats: most connections that a listener serves.
    """

    def __init__(
        self,
        *,
        keepalive: float = KEEPALIVE,
        timers: Timers | None = None,
        kind: str = "node",
        seats: int = SEATS,
    ) -> None:
        self._kind = kind
        self._keepalive = keepalive
        self._timers = timers
        self._seats = seats

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        """See ``ports.Transport``. The pin is compared before anything but TLS is sent."""
        place = place_of(address)
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(address, place)
        except TimeoutError as error:
            raise Offline(f"{place} did not answer within {timeout:g} s.") from error

    async def connect_over(self, sock: socket.socket, address: Address, place: str) -> Connection:
        """As ``connect``, without a deadline, through a socket that is connected already.

        Args:
            sock: non-blocking; the connection takes it over.
            place: what messages call the other end.
        """
        return await self._connect(address, place, sock)

    def through(self, entry: Address) -> Transport:
        """See ``ports.RelayTransport``."""
        from .relay import TunnelTransport  # it is made of this

        return TunnelTransport(entry, self)

    def tunnels(self, *, private: bool) -> Tunnels:
        """See ``ports.RelayTransport``."""
        from .tunnels import EntryTunnels

        return EntryTunnels(private=private, transport=self)

    async def listen(
        self,
        host: str,
        port: int,
        certificate: object,
        accept: Callable[[Connection], Awaitable[None]],
    ) -> WebSocketListener:
        """Serves at ``host``; port 0 takes a free one.

        Raises:
            LocalProtocolError: ``certificate`` is no ``NodeCertificate``.
            Offline: the address cannot be used, for example because it is taken.
        """
        if not isinstance(certificate, NodeCertificate):
            raise LocalProtocolError("listening needs a NodeCertificate")
        listener = WebSocketListener(
            certificate, accept, self._timers, self._keepalive, self._kind, self._seats
        )
        await listener.start(host, port)
        return listener

    async def _connect(
        self, address: Address, place: str, sock: socket.socket | None = None
    ) -> WebSocketConnection:
        connection = await self._open_tls(address, place, sock)
        try:
            pin = pin_of_untrusted(connection.peer_certificate())
            if pin != address.pin:
                raise WrongPin(f"{place} shows another certificate than its address names; nothing was sent.")
            await connection.open()
        except BaseException:
            connection.abort("The connection was never opened.")
            await asyncio.shield(connection.close())
            raise
        return connection

    async def _open_tls(
        self, address: Address, place: str, sock: socket.socket | None
    ) -> WebSocketConnection:
        _shrink_tls_buffers()
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = (
            {"host": address.host, "port": address.port} if sock is None else {"sock": sock}
        )

        def factory() -> WebSocketConnection:
            uri = WebSocketURI(secure=True, host=address.host, port=address.port, path="/", query="")
            return WebSocketConnection(
                ClientProtocol(uri, max_size=MAX_MESSAGE),
                channel=address.pin,
                peer=place,
                timers=self._timers or loop,
                keepalive=self._keepalive,
                kind=self._kind,
            )

        try:
            transport, connection = await loop.create_connection(
                factory,
                **where,
                ssl=client_context(),
                server_hostname="",  # no SNI: the pin names the node, and nobody else needs to hear
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except TimeoutError:
            raise
        except ssl.SSLError as error:
            raise RemoteProtocolError(f"{place} does not speak TLS 1.3: {error.reason}.") from error
        except (OSError, UnicodeError) as error:
            raise Offline(f"{place} could not be reached: {_reason(error)}.") from error
        if sock is None:
            _no_delay(transport)
        return connection


class WebSocketListener:
    """Implements ``ports.Listener``."""

    def __init__(
        self,
        certificate: NodeCertificate,
        accept: Callable[[Connection], Awaitable[None]],
        timers: Timers | None,
        keepalive: float,
        kind: str,
        seats: int,
    ) -> None:
        self._kind = kind
        self._certificate = certificate
        self._accept = accept
        self._timers = timers
        self._keepalive = keepalive
        self._seats = Seats[WebSocketConnection](seats_here(seats))
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = Accepting(self._new_connection, certificate.server_context())
        self._address = Address(pin=certificate.pin, host="", port=0)

    @property
    def address(self) -> Address:
        return self._address

    async def start(self, host: str, port: int) -> None:
        """Listens there; a second time, there as well. Raises Offline."""
        _shrink_tls_buffers()
        try:
            real_port = await self._accepting.listen(await _one_address(host) if port == 0 else host, port)
        except (OSError, UnicodeError, OverflowError) as error:
            raise Offline(f"Cannot listen on {host} port {port}: {error}.") from error
        self._address = Address(pin=self._certificate.pin, host=host, port=real_port)

    async def close(self) -> None:
        """Idempotent. ``accept`` calls get ``Offline`` from their connections, then are cancelled."""
        await self._accepting.close()
        await asyncio.gather(*(connection.close() for connection in self._seats))
        if self._tasks:
            _, pending = await asyncio.wait(list(self._tasks), timeout=SHUTDOWN_SECONDS)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _new_connection(self) -> _ServedConnection:
        return _ServedConnection(
            ServerProtocol(max_size=MAX_MESSAGE),
            channel=self._certificate.pin,
            peer="the client",
            timers=self._timers or asyncio.get_running_loop(),
            keepalive=self._keepalive,
            kind=self._kind,
            on_open=self._serve,
            seats=self._seats,
        )

    def _serve(self, connection: WebSocketConnection) -> None:
        task = asyncio.get_running_loop().create_task(self._run(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, connection: WebSocketConnection) -> None:
        try:
            await self._accept(connection)
        except PeergosCollabError:
            pass  # the usual end: Offline, or a peer that broke the rules and is let go
        except Exception as error:  # noqa: BLE001 one connection's fault must not end the node
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection's handler failed", "exception": error}
            )
        finally:
            await connection.close()


class _ServedConnection(WebSocketConnection):
    """A connection that its listener knows of from the TLS handshake to loss, opened or not."""

    __slots__ = ("_deadline", "_host", "_seats")

    def __init__(self, protocol: ServerProtocol, *, seats: Seats[WebSocketConnection], **rest: Any) -> None:
        super().__init__(protocol, **rest)
        self._seats = seats
        self._host = ""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._host = whose(self.peer_host)
        given_up = self._seats.take(self._host, self)
        if given_up is not None:
            given_up.abort("The node has no room for one more connection from there.")
        _no_delay(transport)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._seats.leave(self._host, self)
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if not self.is_open:
            self.abort("The client never asked for a WebSocket.")


class _Shrinkable(Protocol):
    max_size: int


def _shrink_tls_buffers() -> None:
    protocol = cast(_Shrinkable, sslproto.SSLProtocol)
    protocol.max_size = min(protocol.max_size, _TLS_BUFFER)


def _no_delay(transport: asyncio.BaseTransport) -> None:
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _one_address(host: str) -> str:
    """A name may stand for several addresses, and each would take another free port."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return cast(str, found[0][4][0])


def place_of(address: Address) -> str:
    """Host and port, as messages name them."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def _reason(error: OSError | UnicodeError) -> str:
    """In the system's words: those of event loops differ."""
    number = getattr(error, "errno", None) or 0
    return os.strerror(number) if number > 0 else getattr(error, "strerror", None) or str(error)
