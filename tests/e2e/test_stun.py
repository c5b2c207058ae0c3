"""Nodes say how a device is seen from outside: only those that see its address anyway."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.ports.peers import PeerOptions
from peergos_collab.workspace import Options
from support.homes import DIRECT, RELAYED, Person, World, online, until, world
from support.ports import lasting_port
from transports import ice
from transports.session_description import Candidate, CandidateType, SessionDescription, Setup
from transports.webrtc import PendingPeer, WebRtcPeers


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


def asked(person: Person, path: str) -> tuple[str, ...]:
    """The servers that are asked how this device is seen, when somebody in an object is called."""
    options = person.engine.online.peer_options_in(person.opened(path).live)
    assert options is not None
    return options.ice_servers


def asked_nodes(person: Person, path: str) -> list[str]:
    """The nodes on which an object is open that say that they answer."""
    network = person.engine.online.network
    assert network is not None
    return list(network.stun_servers(person.opened(path).live.id))


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[PeerOptions]:
    """The options of each direct connection that is tried, by whomever."""
    found: list[PeerOptions] = []
    offer, answer = WebRtcPeers.offer, WebRtcPeers.answer

    async def offering(self: WebRtcPeers, options: PeerOptions) -> PendingPeer:
        found.append(options)
        return await offer(self, options)

    async def answering(
        self: WebRtcPeers, offer: bytes, options: PeerOptions, *, timeout: float
    ) -> tuple[bytes, PendingPeer]:
        found.append(options)
        return await answer(self, offer, options, timeout=timeout)

    monkeypatch.setattr(WebRtcPeers, "offer", offering)
    monkeypatch.setattr(WebRtcPeers, "answer", answering)
    return found


async def test_the_node_of_an_object_is_asked(made: World, tries: list[PeerOptions]) -> None:
    """No other one, and none that does not say that it answers. A server somebody named comes first."""
    node, silent = await made.node(stun=True), await made.node("silent")
    ana, ben = await made.pair(node.address)
    await ben.workspace.add_node(silent.address)
    await ben.workspace.new_document("alone")
    await online("notes", DIRECT, ana, ben)
    server = f"stun:127.0.0.1:{node.port}"
    assert {options.ice_servers for options in tries} == {(server,)}
    await until(lambda: ben.saved_on("alone", silent.address), ben)
    assert [asked(ben, "notes"), asked(ben, "alone")] == [(server,), ()]

    await ana.workspace.go_online(Options(stun=("stun:192.0.2.9:3478",)))
    assert asked(ana, "notes") == ("stun:192.0.2.9:3478",)


async def test_a_pairing_asks_a_node_of_the_account(made: World, tries: list[PeerOptions]) -> None:
    """Which need not be connected yet; one that is away holds nobody up for long."""
    node, away = await made.node(stun=True), await made.node("away", stun=True)
    ana = await made.person("Ana")
    for address in (away.address, node.address):
        await ana.workspace.add_node(address)
    await away.close()
    await ana.workspace.go_online(DIRECT)
    offer = await ana.workspace.offer_pairing()
    await ana.workspace.end_pairing(offer.id)
    assert [options.ice_servers for options in tries] == [(f"stun:127.0.0.1:{node.port}",)]


async def test_nobody_is_asked_by_who_hides(made: World) -> None:
    """Behind an entry node no datagram goes to the node that stores; nor with an address that is not to be
    shown."""
    node, entry = await made.node(stun=True), await made.node("entry", entry=True, stun=True)
    ana, ben = await made.pair(node.address)
    await online("notes", DIRECT, ana, ben)
    assert asked(ana, "notes")
    await ana.workspace.set_entry_node(entry.address)
    notes = ana.opened("notes")
    with ana.engine.online.holding(notes):
        await until(lambda: bool(asked_nodes(ana, "notes")), ana)
        options = ana.engine.online.peer_options_in(notes.live)
        assert options == PeerOptions(reflexive=False)

    await ben.workspace.go_online(Options(relay_only=True))
    assert asked(ben, "notes") == ()


async def test_where_a_server_led_the_peer_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server could name its own address. Who hides from it goes only where the peer itself says it is."""
    monkeypatch.setattr(ice, "KNOCK_SECONDS", (0.01, 0.01))
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as peer, socket.socket(type=socket.SOCK_DGRAM) as server:
        for each in (peer, server):
            each.setblocking(False)
            each.bind(("127.0.0.1", 0))
        told = [
            Candidate(CandidateType.SRFLX, *server.getsockname()),
            Candidate(CandidateType.HOST, *peer.getsockname()),
        ]
        offer = SessionDescription("user", "p" * 22, bytes(32), Setup.ACTPASS, tuple(told)).to_bytes()
        for reflexive in (False, True):
            _, pending = await WebRtcPeers().answer(offer, PeerOptions(reflexive=reflexive), timeout=60)
            async with asyncio.timeout(60):
                for _ in range(2):
                    await loop.sock_recv(peer, 2048)
                if reflexive:
                    await loop.sock_recv(server, 2048)
            if not reflexive:
                with pytest.raises(BlockingIOError):
                    server.recv(2048)
            await pending.close()


async def test_what_is_known_is_not_told_twice(made: World) -> None:
    """Behind no NAT the node says what the device knows: that adds nothing to an offer."""
    node = await made.node(stun=True)
    offer = await WebRtcPeers().offer(PeerOptions((f"stun:127.0.0.1:{node.port}",)))
    found = SessionDescription.parse_untrusted(offer.description).candidates
    assert len({(each.ip, each.port) for each in found}) == len(found) > 0
    await offer.close()


async def test_a_node_whose_udp_port_is_taken_serves_without(made: World) -> None:
    """It says so to whoever started it, and to no client that it answers."""
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        port = lasting_port()
        taken.bind(("127.0.0.1", port))
        node = await made.node(port=port, stun=True)
        ana, ben = await made.pair(node.address)
        await online("notes", RELAYED, ana, ben)
        assert (node.tells_addresses, node.port, asked_nodes(ana, "notes")) == (False, port, [])
