"""The entry node's side: whom it connects to, how much it carries, and what it refuses."""

from __future__ import annotations

import asyncio

import pytest

from peergos_collab.crypto.certificates import NodeCertificate
from peergos_collab.errors import Offline, Refused, RemoteProtocolError
from peergos_collab.ports import Address, Connection
from peergos_collab.testing.timers import ManualTimers
from support.entries import HELLO, arrived, emptied, two_hops
from transports.carrying import PIECE
from transports.tunnel_messages import encode_ask
from transports.tunnels import Limits
from transports.websocket import WebSocketTransport


async def test_it_keeps_out_of_its_own_network() -> None:
    """Unless its operator allows it, a private or loopback target is refused and not even tried."""
    async with two_hops(private=False) as hops:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(Refused, match="no public address"):
                await hops.transport.connect(Address(hops.store_address.pin, host, hops.store_address.port))

        assert hops.store.came == 0


async def test_it_leads_to_nodes_only() -> None:
    """Whoever speaks TLS and WebSocket but is no node is not reached: this is no proxy for everything."""
    async with two_hops() as hops:
        came = []

        async def other_service(connection: Connection) -> None:
            came.append(connection)
            connection.send(b"220 mail.example ready")
            await connection.drain()

        certificate = NodeCertificate.generate()
        target = await hops.listen(other_service, certificate)

        with pytest.raises(Offline, match="cannot reach a node"):
            await hops.transport.connect(target)
        assert len(came) == 1  # the question who it is, and no tunnel


async def test_nobody_there_is_told() -> None:
    """A closed port and a name that does not exist have the same answer."""
    async with two_hops() as hops:
        for host, port in (("127.0.0.1", 1), ("no-such-host.invalid", 443), ("\u00fc..", 443)):
            with pytest.raises((Offline, RemoteProtocolError)):
                await hops.transport.connect(Address(bytes(32), host, port))


async def test_who_a_target_is_is_asked_once() -> None:
    """The store is not bothered with a question for each tunnel, until the answer is old."""
    timers = ManualTimers()
    async with two_hops(timers=timers) as hops:
        for _ in range(3):
            near, _ = await hops.pair()
            await near.close()
        assert hops.store.came == 4

        timers.advance(601)
        near, _ = await hops.pair()
        await near.close()

        assert hops.store.came == 6


@pytest.mark.parametrize("limits", [Limits(tunnels=2), Limits(per_client=2)])
async def test_there_is_room_for_so_many(limits: Limits) -> None:
    """One more is told that there is no room, the others go on; and who leaves makes room."""
    async with two_hops(limits=limits) as hops:
        (first, _), (second, far) = await hops.pair(), await hops.pair()
        with pytest.raises(Offline, match="no room"):
            await hops.transport.connect(hops.store_address)
        second.send(b"still here")
        assert await far.receive() == b"still here"

        await first.close()
        await emptied(hops.entry.tunnels, 1)
        third, _ = await hops.pair()

        await asyncio.gather(second.close(), third.close())


async def test_a_tunnel_carries_so_much() -> None:
    """Past its amount it ends at both ends, and what arrived is no more than that and what was on its way."""
    async with two_hops(limits=Limits(amount=1 << 20)) as hops:
        near, far = await hops.pair()

        async def flood() -> None:
            for _ in range(256):
                near.send(bytes(PIECE))
                await near.drain()

        flooding = asyncio.create_task(flood())
        came = await arrived(far)
        await flooding
        with pytest.raises(Offline):
            await near.receive()

        assert came <= (1 << 20) + 2 * PIECE
        await near.close()


async def test_a_silent_tunnel_ends() -> None:
    """A byte in time keeps it; then it is closed at both ends."""
    timers = ManualTimers()
    async with two_hops(limits=Limits(idle=60), timers=timers) as hops:
        near, far = await hops.pair()
        timers.advance(59)
        near.send(b"here")
        assert await far.receive() == b"here"
        timers.advance(59)
        far.send(b"here too")
        assert await near.receive() == b"here too"
        timers.advance(121)

        for end in (near, far):
            with pytest.raises(Offline):
                await end.receive()
        await near.close()


async def test_nothing_of_a_client_is_kept() -> None:
    """Once its tunnel is closed, the entry holds neither an address nor a count."""
    async with two_hops() as hops:
        near, _ = await hops.pair()
        assert dict(hops.entry.tunnels._open) == {"127.0.0.1": 1}
        await near.close()
        await emptied(hops.entry.tunnels)


async def test_a_malformed_request_ends_the_connection() -> None:
    """The right length and start do not help; no target is tried."""
    async with two_hops() as hops:
        ask = bytearray(encode_ask(hops.store_address))
        ask[3] = 9  # another version
        connection = await WebSocketTransport().connect(hops.entry_address)
        assert await connection.receive() == HELLO
        connection.send(bytes(ask))

        with pytest.raises(Offline):
            await connection.receive()
        assert hops.store.came == 0
        await connection.close()
