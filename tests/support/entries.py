"""Entry nodes and stores as listeners, for tests of tunnels: real sockets, and of a node its hello alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from peergos_collab.crypto.certificates import NodeCertificate
from peergos_collab.errors import Offline, RemoteProtocolError
from peergos_collab.ports import Address, Connection, Listener, Transport
from peergos_collab.sync.frames import Frame, encode_frame
from transports.relay import TunnelTransport
from transports.tunnels import EntryTunnels, Limits
from transports.websocket import WebSocketTransport

HELLO = encode_frame(Frame.HELLO, 1, bytes(16), bytes(32), False)
SECONDS = 60.0

Accept = Callable[[Connection], Awaitable[None]]


class Store:
    """Greets as a node does, and counts who comes. Who speaks is handed to the test."""

    def __init__(self) -> None:
        self.came = 0
        self.spoken: asyncio.Queue[tuple[Connection, asyncio.Event]] = asyncio.Queue()

    async def accept(self, connection: Connection) -> None:
        self.came += 1
        connection.send(HELLO)
        await connection.receive()  # whoever only asks who this is goes without a word
        done = asyncio.Event()
        await self.spoken.put((connection, done))
        await done.wait()


class Entry:
    """What a node does with connections that ask for tunnels; the others are served nothing."""

    def __init__(self, tunnels: EntryTunnels) -> None:
        self.tunnels = tunnels
        self.asks: list[bytes] = []
        self.seen: list[bytes] = []
        """Every byte that went through, in pieces."""

    async def accept(self, connection: Connection) -> None:
        connection.send(HELLO)
        message = await connection.receive()
        self.asks.append(message)
        if not self.tunnels.is_asked_for(message):
            raise RemoteProtocolError("only tunnels here")
        await self.tunnels.serve_untrusted(Overheard(connection, self.seen), message)


class Overheard:
    """A connection whose messages are noted, both ways."""

    def __init__(self, connection: Connection, seen: list[bytes]) -> None:
        self._connection = connection
        self._seen = seen
        self.channel, self.kind = connection.channel, connection.kind
        self.peer_host = getattr(connection, "peer_host", "")

    def send(self, message: bytes) -> None:
        self._seen.append(message)
        self._connection.send(message)

    async def drain(self) -> None:
        await self._connection.drain()

    async def receive(self) -> bytes:
        message = await self._connection.receive()
        self._seen.append(message)
        return message

    async def close(self) -> None:
        await self._connection.close()


class TwoHops:
    """A store, an entry node before it, and the transport of a client that goes through both."""

    def __init__(self, certificate: NodeCertificate, tunnels: EntryTunnels) -> None:
        self.certificate = certificate
        self.store, self.entry = Store(), Entry(tunnels)
        self._listeners: list[Listener] = []
        self._held: list[asyncio.Event] = []
        self.store_address: Address
        self.entry_address: Address

    async def start(self) -> None:
        self.store_address = await self.listen(self.store.accept, self.certificate)
        self.entry_address = await self.listen(self.entry.accept, NodeCertificate.generate())

    async def listen(self, accept: Accept, certificate: NodeCertificate) -> Address:
        self._listeners.append(await WebSocketTransport().listen("127.0.0.1", 0, certificate, accept))
        return self._listeners[-1].address

    @property
    def transport(self) -> Transport:
        return TunnelTransport(self.entry_address, WebSocketTransport())

    async def pair(self) -> tuple[Connection, Connection]:
        """Both ends of a connection through the tunnel, what they say at first read away."""
        near = await self.transport.connect(self.store_address)
        async with asyncio.timeout(SECONDS):
            assert await near.receive() == HELLO
            near.send(b"first word")
            far, done = await self.store.spoken.get()
        self._held.append(done)
        return near, far

    async def close_entry(self) -> None:
        await self._listeners[1].close()

    async def close(self) -> None:
        for done in self._held:
            done.set()
        for listener in self._listeners:
            await listener.close()


@contextlib.asynccontextmanager
async def two_hops(
    *,
    private: bool = True,
    limits: Limits | None = None,
    certificate: NodeCertificate | None = None,
    **more: object,
) -> AsyncIterator[TwoHops]:
    tunnels = EntryTunnels(transport=WebSocketTransport(), private=private, limits=limits, **more)  # type: ignore[arg-type]
    made = TwoHops(certificate or NodeCertificate.generate(), tunnels)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def emptied(tunnels: EntryTunnels, left: int = 0) -> None:
    """Returns once only so many tunnels are open."""
    async with asyncio.timeout(SECONDS):
        while tunnels._open.total() > left:  # noqa: ASYNC110 it has no event for it
            await asyncio.sleep(0)


async def arrived(connection: Connection) -> int:
    """Bytes that come until the connection ends."""
    count = 0
    with contextlib.suppress(Offline):
        while True:
            count += len(await connection.receive())
    return count
