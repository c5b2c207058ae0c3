"""A client's tunnels over real sockets: two TLS connections, each with its own pin."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import uvloop

from peergos_collab.crypto.certificates import NodeCertificate
from peergos_collab.errors import Offline, Refused, RemoteProtocolError, WrongPin
from peergos_collab.ports import Address, Connection
from peergos_collab.sync.frames import Frame, encode_frame
from peergos_collab.testing.transport import check_pairs
from support.entries import HELLO, SECONDS, arrived, emptied, two_hops
from transports.carrying import carry
from transports.relay import TunnelTransport
from transports.tunnel_messages import Answer, encode_answer, parse_ask_untrusted
from transports.websocket import WebSocketTransport

SECRET = b"what only the two ends may see"


async def _check() -> None:
    before = asyncio.all_tasks()
    async with two_hops() as hops:
        await check_pairs(hops.pair)
    async with asyncio.timeout(SECONDS):
        while asyncio.all_tasks() - before:  # noqa: ASYNC110 tasks tell nobody that they end
            await asyncio.sleep(0)


async def test_connections_through_a_tunnel_keep_the_promises() -> None:
    """Order, sizes, back-pressure through both hops, last words, and no task left at the end."""
    await _check()


def test_under_the_other_event_loop_too() -> None:
    """uvloop takes the socket pair as asyncio does."""
    uvloop.run(_check())


async def test_the_channel_is_the_stores_pin() -> None:
    """Proofs are bound to the store, not to the entry."""
    async with two_hops() as hops:
        near, far = await hops.pair()

        assert near.channel == far.channel == hops.store_address.pin
        assert near.kind == "node"

        await near.close()


async def test_the_entry_sees_ciphertext_only() -> None:
    """What is said in the tunnel is nowhere in the bytes that the entry node carries."""
    async with two_hops() as hops:
        near, far = await hops.pair()
        near.send(SECRET)
        assert await far.receive() == SECRET
        far.send(SECRET[::-1])
        assert await near.receive() == SECRET[::-1]
        await near.close()
        seen = b"".join(hops.entry.seen)

        assert len(seen) > len(SECRET) * 2
        assert SECRET not in seen
        assert SECRET[::-1] not in seen
        assert HELLO[-32:] not in seen


async def test_all_requests_look_alike() -> None:
    """A request has one length, whatever it asks for."""
    async with two_hops() as hops:
        near, _ = await hops.pair()
        with pytest.raises(Offline):
            await hops.transport.connect(Address(bytes(32), "a-much-longer-name.invalid", 65_535))
        await near.close()

        assert len({len(ask) for ask in hops.entry.asks}) == 1


async def test_the_entry_is_recognised_by_its_pin() -> None:
    """Another key at the entry's address gets no request, and the store hears nothing."""
    async with two_hops() as hops:
        other = replace(hops.entry_address, pin=bytes(32))

        with pytest.raises(WrongPin, match="nothing is sent directly"):
            await TunnelTransport(other, WebSocketTransport()).connect(hops.store_address)

        assert (hops.entry.asks, hops.store.came) == ([], 0)


async def test_an_honest_entry_says_that_the_store_is_another() -> None:
    """It has asked the target who it is, and the client hears which of the two is wrong."""
    async with two_hops() as hops:
        with pytest.raises(WrongPin, match=f"{hops.store_address.port} shows another certificate"):
            await hops.transport.connect(replace(hops.store_address, pin=bytes(32)))


async def test_a_lying_entry_cannot_put_another_in_the_stores_place() -> None:
    """It leads the tunnel to a node of its own: the client sees the wrong pin and says nothing."""
    async with two_hops() as hops:

        async def lie(connection: Connection) -> None:
            connection.send(HELLO)
            asked = parse_ask_untrusted(await connection.receive())
            raw = await asyncio.open_connection(asked.host, asked.port)
            connection.send(encode_answer(Answer.OPEN))
            await carry(connection, *raw)

        entry = await hops.listen(lie, NodeCertificate.generate())
        wanted = replace(hops.store_address, pin=b"\x07" * 32)

        with pytest.raises(WrongPin, match="through"):
            await TunnelTransport(entry, WebSocketTransport()).connect(wanted)

        assert hops.store.came == 0  # TLS, and not one byte of a request


async def test_nothing_goes_directly_when_the_entry_is_down() -> None:
    """The store, which would answer, sees no connection."""
    async with two_hops() as hops:
        await hops.close_entry()

        with pytest.raises(Offline, match="The entry node cannot be reached; nothing is sent directly"):
            await hops.transport.connect(hops.store_address)

        assert hops.store.came == 0


async def test_an_entry_that_never_answers_is_offline() -> None:
    """It is given up after the timeout."""
    async with two_hops() as hops:

        async def silent(connection: Connection) -> None:
            await connection.receive()
            await connection.receive()

        entry = await hops.listen(silent, NodeCertificate.generate())

        with pytest.raises(Offline, match="through the entry node"):
            await TunnelTransport(entry, WebSocketTransport()).connect(hops.store_address, timeout=0.3)


async def test_the_entry_may_not_be_the_store() -> None:
    """It would see both who asks and what for: the client does not even go there."""
    async with two_hops() as hops:
        with pytest.raises(Refused, match="is the entry node itself"):
            await hops.transport.connect(replace(hops.entry_address, host="localhost"))

        assert hops.entry.asks == []


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((encode_answer(Answer.BUSY),), Offline),
        ((encode_answer(Answer.UNREACHABLE),), Offline),
        ((encode_answer(Answer.NOT_ALLOWED),), Refused),
        ((HELLO, encode_frame(Frame.REFUSED, b"", "protocol", "no")), Refused),
        ((HELLO, HELLO), RemoteProtocolError),
        ((b"nonsense",), RemoteProtocolError),
        ((HELLO, b"\x82\x18\x21\x09"), RemoteProtocolError),
    ],
)
async def test_what_the_entry_answers_is_told(answers: tuple[bytes, ...], error: type[Exception]) -> None:
    """Each answer but OPEN has its error, and nothing else gets out."""
    async with two_hops() as hops:

        async def answer(connection: Connection) -> None:
            await connection.receive()
            for message in answers:
                connection.send(message)
            await connection.drain()

        entry = await hops.listen(answer, NodeCertificate.generate())

        with pytest.raises(error):
            await TunnelTransport(entry, WebSocketTransport()).connect(hops.store_address)

        assert hops.store.came == 0


async def test_an_entry_that_spoils_bytes_ends_the_connection() -> None:
    """TLS finds it out; the client is offline, and never sees what the store did not say."""
    async with two_hops() as hops:

        async def spoil(connection: Connection) -> None:
            connection.send(HELLO)
            asked = parse_ask_untrusted(await connection.receive())
            connection.send(encode_answer(Answer.OPEN))
            reader, writer = await asyncio.open_connection(asked.host, asked.port)
            writer.write(await connection.receive())
            piece = bytearray(await reader.read(1 << 15))
            piece[len(piece) // 2] ^= 1
            connection.send(bytes(piece))
            await arrived(connection)
            writer.close()
            await writer.wait_closed()

        entry = await hops.listen(spoil, NodeCertificate.generate())

        with pytest.raises((Offline, RemoteProtocolError)):
            await TunnelTransport(entry, WebSocketTransport()).connect(hops.store_address)


async def test_the_entry_goes_and_both_ends_hear_of_it() -> None:
    """A tunnel that breaks is a connection that ends."""
    async with two_hops() as hops:
        near, far = await hops.pair()
        await hops.close_entry()

        for end in (near, far):
            with pytest.raises(Offline):
                await end.receive()
        await near.close()


async def test_a_client_that_goes_is_gone_at_the_store() -> None:
    """Closing ends all four sockets."""
    async with two_hops() as hops:
        near, far = await hops.pair()
        await near.close()

        with pytest.raises(Offline):
            await far.receive()
        await emptied(hops.entry.tunnels)


async def test_it_listens_as_the_transport_below(certificate: NodeCertificate) -> None:
    """Only what goes out takes the tunnel."""
    async with two_hops() as hops:

        async def greet(connection: Connection) -> None:
            connection.send(HELLO)
            await connection.drain()

        listener = await hops.transport.listen("127.0.0.1", 0, certificate, greet)
        near = await WebSocketTransport().connect(listener.address)

        assert await near.receive() == HELLO

        await near.close()
        await listener.close()


@pytest.fixture(scope="module")
def certificate() -> NodeCertificate:
    return NodeCertificate.generate()
