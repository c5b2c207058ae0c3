"""The WebSocket transport over real TLS on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from peergos_collab.crypto.certificates import NodeCertificate, client_context
from peergos_collab.errors import LocalProtocolError, Offline, RemoteProtocolError, WrongPin
from peergos_collab.ports.transport import Address, Connection, Listener
from peergos_collab.testing.timers import ManualTimers
from peergos_collab.testing.transport import check_transport
from transports import accepting
from transports.websocket import WebSocketTransport

Serve = Callable[[Callable[[Connection], Awaitable[None]]], Awaitable[Listener]]


@pytest.fixture(scope="module")
def certificate() -> NodeCertificate:
    return NodeCertificate.generate()


@pytest.fixture
async def serve(certificate: NodeCertificate) -> AsyncIterator[Serve]:
    listeners: list[Listener] = []

    async def start(accept: Callable[[Connection], Awaitable[None]]) -> Listener:
        listeners.append(await WebSocketTransport().listen("127.0.0.1", 0, certificate, accept))
        return listeners[-1]

    yield start
    for listener in listeners:
        await listener.close()


async def echo(connection: Connection) -> None:
    while True:
        connection.send(await connection.receive())
        await connection.drain()


@contextlib.asynccontextmanager
async def raw_server(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    certificate: NodeCertificate | None,
) -> AsyncIterator[Address]:
    """A server that need not speak WebSocket."""
    handlers: list[asyncio.Task[None]] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
        await hang_up(writer)

    context = certificate.server_context() if certificate else None
    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
    pin = certificate.pin if certificate else bytes(32)
    async with server:
        yield Address(pin=pin, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    await asyncio.gather(*handlers)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def raw_client(listener: Listener) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", listener.address.port, ssl=client_context(), server_hostname=""
    )


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_is_a_transport(certificate: NodeCertificate) -> None:
    """It passes the acceptance test for transports."""
    await check_transport(WebSocketTransport(), certificate)


def test_is_a_transport_under_uvloop(certificate: NodeCertificate) -> None:
    """It passes the acceptance test on the other event loop too."""
    uvloop.run(check_transport(WebSocketTransport(), certificate))


async def test_listens_on_every_address(certificate: NodeCertificate) -> None:
    """0.0.0.0 is a place to listen, and loopback reaches it."""
    transport = WebSocketTransport()
    listener = await transport.listen("0.0.0.0", 0, certificate, echo)
    address = Address(pin=certificate.pin, host="127.0.0.1", port=listener.address.port)
    connection = await transport.connect(address)
    connection.send(b"hello")

    assert await connection.receive() == b"hello"

    await connection.close()
    await listener.close()


async def test_a_taken_port_is_offline(serve: Serve, certificate: NodeCertificate) -> None:
    """Listening where somebody listens says so."""
    listener = await serve(echo)

    with pytest.raises(Offline, match=f"port {listener.address.port}"):
        await WebSocketTransport().listen("127.0.0.1", listener.address.port, certificate, echo)


async def test_listening_needs_a_certificate() -> None:
    """Anything else is the caller's mistake."""
    with pytest.raises(LocalProtocolError):
        await WebSocketTransport().listen("127.0.0.1", 0, b"no certificate", echo)


async def test_wrong_pin_sends_nothing(certificate: NodeCertificate) -> None:
    """A node with another key hears a TLS handshake and not one byte of the request."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.set_result(await reader.read(1))
        except ConnectionError:
            heard.set_result(b"")

    async with raw_server(listen, certificate) as address:
        other = Address(pin=bytes(32), host=address.host, port=address.port)

        with pytest.raises(WrongPin, match=str(address.port)):
            await WebSocketTransport().connect(other)
        assert await heard == b""


async def test_a_refused_connection_is_offline(certificate: NodeCertificate) -> None:
    """The message names the address."""
    with pytest.raises(Offline, match=r"127\.0\.0\.1:1 "):
        await WebSocketTransport().connect(Address(pin=certificate.pin, host="127.0.0.1", port=1))


async def test_a_name_that_leads_nowhere_is_offline_in_words() -> None:
    """No error numbers: those of name resolution are no system errors."""
    with pytest.raises(Offline) as caught:
        await WebSocketTransport().connect(Address(pin=bytes(32), host="nowhere.invalid", port=1))

    assert caught.value.message.startswith("nowhere.invalid:1 could not be reached: ")
    assert "Errno" not in caught.value.message


async def test_silence_is_offline(certificate: NodeCertificate) -> None:
    """Somebody who accepts and never speaks is given up after the timeout."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(say_nothing, None) as address:
        with pytest.raises(Offline, match=f"127.0.0.1:{address.port}"):
            await WebSocketTransport().connect(address, timeout=0.05)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", RemoteProtocolError),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", RemoteProtocolError),
        (b"\x00\xff\x00\xff not http\r\n\r\n", RemoteProtocolError),
        (b"A" * 20_000 + b"\r\n", RemoteProtocolError),
        (b"", Offline),
        (b"HTTP/1.1 101 Switch", Offline),
    ],
)
async def test_a_stranger_behind_the_pin(
    certificate: NodeCertificate, answer: bytes, error: type[Exception]
) -> None:
    """A server that answers something else ends in one of two errors."""

    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with raw_server(misbehave, certificate) as address:
        with pytest.raises(error, match=f"127.0.0.1:{address.port}"):
            await WebSocketTransport().connect(address)


async def test_plain_tcp_is_a_protocol_error() -> None:
    """A server without TLS is no node."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 welcome\r\n")
        await reader.read()

    async with raw_server(greet, None) as address:
        with pytest.raises(RemoteProtocolError, match=r"TLS 1\.3"):
            await WebSocketTransport().connect(address)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x81\0\0\0\0x",  # text
        b"\x82\x01x",  # not masked
        b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0",  # 1 MiB and a byte
        b"\x80\x80\0\0\0\0",  # the rest of nothing
        b"\xf2\x80\0\0\0\0",  # reserved bits
        b"\x8f\x80\0\0\0\0",  # unknown opcode
        b"\x02\x81\0\0\0\0x\x82\x81\0\0\0\0x",  # a message inside a message
    ],
)
async def test_a_malformed_client_is_let_go(serve: Serve, frame: bytes) -> None:
    """Broken frames end the connection with Offline and leave the node serving."""
    outcome: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def record(connection: Connection) -> None:
        try:
            await connection.receive()
        except Offline as error:
            outcome.set_result(error)

    listener = await serve(record)
    reader, writer = await raw_client(listener)
    writer.write(UPGRADE + frame)
    await reader.read()

    assert isinstance(await outcome, Offline)

    await hang_up(writer)


async def test_the_server_names_no_software(serve: Serve) -> None:
    """Neither version nor clock is in what a node answers, whether it accepts or refuses."""
    listener = await serve(echo)
    answers = b""
    for request in (UPGRADE, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        reader, writer = await raw_client(listener)
        writer.write(request)
        answers += await reader.readuntil(b"\r\n\r\n")
        await hang_up(writer)

    assert b"101 Switching" in answers
    assert b"426" in answers
    for word in (b"server:", b"date:", b"python", b"websockets/"):
        assert word not in answers.lower()


async def test_fragments_of_a_message_are_joined(serve: Serve) -> None:
    """Another client may cut a message into frames."""
    listener = await serve(echo)
    reader, writer = await raw_client(listener)
    writer.write(UPGRADE + b"\x02\x82\0\0\0\0ab" + b"\x00\x80\0\0\0\0" + b"\x80\x81\0\0\0\0c")
    await reader.readuntil(b"\r\n\r\n")

    assert await reader.readexactly(5) == b"\x82\x03abc"

    await hang_up(writer)


async def test_messages_of_one_tick_are_one_write(serve: Serve) -> None:
    """A burst costs one TLS record, not one for each message."""
    listener = await serve(echo)
    connection = await WebSocketTransport().connect(listener.address)
    writes: list[int] = []
    transport = connection._transport  # type: ignore[attr-defined]
    write = transport.write

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(transport, name)

        def write(self, data: bytes) -> None:
            writes.append(len(data))
            write(data)

    connection._transport = Counting()  # type: ignore[attr-defined]
    for number in range(50):
        connection.send(bytes([number]))
    received = [await connection.receive() for _ in range(50)]

    assert received == [bytes([number]) for number in range(50)]
    assert len(writes) == 1

    await connection.close()


async def test_silence_of_an_open_node_is_noticed(certificate: NodeCertificate) -> None:
    """A node that stops answering is asked once, then counts as lost."""
    timers = ManualTimers()
    stuck = asyncio.Event()

    async def freeze(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from websockets.server import ServerProtocol

        protocol = ServerProtocol()
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        protocol.send_response(protocol.accept(protocol.events_received()[0]))  # type: ignore[arg-type]
        writer.write(b"".join(protocol.data_to_send()))
        await stuck.wait()

    async with raw_server(freeze, certificate) as address:
        connection = await WebSocketTransport(keepalive=20, timers=timers).connect(address)
        timers.advance(61)

        with pytest.raises(Offline, match="no sign of life for 20 s"):
            await connection.receive()

        stuck.set()
        await connection.close()


async def test_an_answering_node_stays(serve: Serve) -> None:
    """Pings are answered, so a quiet connection lives on."""
    timers = ManualTimers()
    listener = await serve(echo)
    connection = await WebSocketTransport(keepalive=20, timers=timers).connect(listener.address)
    for _ in range(5):
        timers.advance(20)
        connection.send(b"x")
        await connection.receive()
        timers.advance(20)

    connection.send(b"there?")
    assert await connection.receive() == b"there?"

    await connection.close()


async def test_a_flood_of_connections_keeps_nobody_out(certificate: NodeCertificate) -> None:
    """Where all seats are taken, who has most of them gives up the newest, and a stranger is served."""
    transport = WebSocketTransport(seats=3)
    listener = await transport.listen("127.0.0.1", 0, certificate, echo)
    flood = [await transport.connect(listener.address) for _ in range(3)]
    socket_ = socket.create_connection(
        (listener.address.host, listener.address.port), source_address=("127.0.0.2", 0)
    )
    socket_.setblocking(False)
    stranger = await transport.connect_over(socket_, listener.address, "there")
    for connection in (*flood[:2], stranger):
        connection.send(b"still here")
        assert await connection.receive() == b"still here"
    with pytest.raises(Offline):
        await flood[2].receive()
    for connection in (*flood, stranger):
        await connection.close()
    await listener.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_connects_and_says_nothing_keeps_nobody_out(
    certificate: NodeCertificate,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """So many handshakes are under way, and the oldest is given up for another: also behind one address."""
    monkeypatch.setattr(accepting, "HANDSHAKES", 4)
    monkeypatch.setattr(accepting, "HANDSHAKE_SECONDS", 1000.0)

    async def flood() -> None:
        transport = WebSocketTransport()
        listener = await transport.listen("127.0.0.1", 0, certificate, echo)
        place = listener.address.host, listener.address.port
        silent = [await asyncio.open_connection(*place) for _ in range(12)]
        for reader, _ in silent[:8]:
            assert await reader.read() == b""
        honest = await transport.connect(listener.address)
        honest.send(b"here")
        assert await honest.receive() == b"here"

        await honest.close()
        await listener.close()
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()

    run(flood())


async def test_goes_on_once_there_are_open_files_again(
    certificate: NodeCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came meanwhile is served then."""
    paused, pause = asyncio.Event(), accepting.Accepting._pause
    monkeypatch.setattr(accepting.Accepting, "_pause", lambda *of: paused.set() or pause(*of))  # type: ignore[func-returns-value]
    monkeypatch.setattr(accepting, "RETRY_SECONDS", 0.01)
    transport = WebSocketTransport()
    listener = await transport.listen("127.0.0.1", 0, certificate, echo)
    waiting = socket.create_connection((listener.address.host, listener.address.port))
    waiting.setblocking(False)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        await paused.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    connection = await transport.connect_over(waiting, listener.address, "there")
    connection.send(b"hello")

    assert await connection.receive() == b"hello"
    await connection.close()
    await listener.close()
