"""Data channels over real sockets, also on a machine whose only interface is loopback."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvloop
from aioice import stun

from peergos_collab.errors import Offline, RemoteProtocolError, UsageError, WrongPin
from peergos_collab.node.stun import answer_untrusted
from peergos_collab.ports import PeerOptions
from peergos_collab.ports.transport import Connection
from peergos_collab.testing.timers import ManualTimers
from peergos_collab.testing.transport import check_connections
from transports import ice, reflexive
from transports.peer_connection import PeerConnection
from transports.session_description import Candidate, CandidateType, SessionDescription
from transports.webrtc import WebRtcPeers

OPEN_FILES = Path("/proc/self/fd")
ROOT = Path(__file__).parents[2]


async def open_pair(peers: WebRtcPeers | None = None) -> tuple[PeerConnection, PeerConnection]:
    peers = peers or WebRtcPeers()
    offer = await peers.offer()
    answer, pending = await peers.answer(offer.description)
    left, right = await asyncio.gather(offer.accept(answer), pending.opened())
    return left, right


@pytest.fixture
async def pair() -> AsyncIterator[tuple[PeerConnection, PeerConnection]]:
    left, right = await open_pair()
    yield left, right
    await asyncio.gather(left.close(), right.close())


def sockets() -> int:
    count = 0
    for file in OPEN_FILES.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor that listed the folder
            count += "socket:" in str(file.readlink())
    return count


async def test_is_a_connection() -> None:
    """It passes the acceptance test for connections."""

    async def pair() -> tuple[Connection, Connection]:
        return await open_pair()

    await check_connections(pair)


def test_works_under_uvloop() -> None:
    """The other event loop opens, carries and closes as well."""

    async def main() -> bytes:
        left, right = await open_pair()
        left.send(bytes(100_000))
        received = await right.receive()
        await asyncio.gather(left.close(), right.close())
        return received

    assert uvloop.run(main()) == bytes(100_000)


async def test_the_channel_is_both_fingerprints(pair: tuple[PeerConnection, PeerConnection]) -> None:
    """Both ends name it the same, and no two connections share it."""
    left, right = pair
    other, another = await open_pair()

    assert left.channel == right.channel
    assert len(left.channel) == 64
    assert left.channel[:32] < left.channel[32:]
    assert other.channel != left.channel

    await asyncio.gather(other.close(), another.close())


async def test_a_swapped_fingerprint_is_refused() -> None:
    """Who passes the answer on with another fingerprint gets no connection out of it."""
    peers = WebRtcPeers()
    offer = await peers.offer()
    answer, pending = await peers.answer(offer.description)
    described = SessionDescription.parse_untrusted(answer)
    swapped = replace(described, fingerprint=bytes(32)).to_bytes()

    with pytest.raises(WrongPin):
        await offer.accept(swapped, timeout=5)

    await asyncio.gather(offer.close(), pending.close())


async def test_an_answerer_waits_for_the_offerer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long people take to carry the answer, ICE has not given up: it has not begun."""
    monkeypatch.setattr(stun, "RETRY_RTO", 0.001)  # it would give up after 0.1 s
    peers, loop = WebRtcPeers(), asyncio.get_running_loop()
    offer = await peers.offer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as firewall:
        firewall.bind(("127.0.0.1", 0))
        firewall.setblocking(False)
        candidate = Candidate(CandidateType.HOST, *firewall.getsockname())
        described = SessionDescription.parse_untrusted(offer.description)
        answer, pending = await peers.answer(replace(described, candidates=(candidate,)).to_bytes())
        knocks = [stun.parse_message(await loop.sock_recv(firewall, 2048)) for _ in range(2)]

    left, right = await asyncio.gather(offer.accept(answer), pending.opened())

    assert [knock.message_class for knock in knocks] == [stun.Class.INDICATION] * 2
    await asyncio.gather(left.close(), right.close())


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="this system does not list open files")
async def test_closing_leaves_nothing() -> None:
    """Neither task nor socket outlives its connection, opened, half open or only offered."""
    left, right = await open_pair()
    await asyncio.gather(left.close(), right.close())
    tasks, before = asyncio.all_tasks(), sockets()
    peers = WebRtcPeers()

    left, right = await open_pair(peers)
    left.send(bytes(1024 * 1024))
    await right.receive()
    await asyncio.gather(left.close(), right.close())
    offered = await peers.offer()
    offered_twice = await peers.offer()
    _, answered = await peers.answer(offered.description)
    await asyncio.gather(offered.close(), offered_twice.close(), answered.close())
    offered = await peers.offer()
    _, answered = await peers.answer(offered.description, timeout=0.05)
    with pytest.raises(Offline, match=r"within 0\.05 s"):
        await answered.opened()
    await offered.close()

    assert asyncio.all_tasks() == tasks
    assert sockets() == before


async def test_a_timer_that_fires_at_the_end_leaves_no_error_behind() -> None:
    """What SCTP sends again just as its connection ends goes nowhere, and nobody finds a lost exception."""
    lost: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    left, right = await open_pair()
    drop_datagrams(left)
    left.send(bytes(1000))
    await asyncio.sleep(0)
    sctp = left._pipe._sctp  # type: ignore[attr-defined]

    left.lost("the path is gone")
    sctp._t3_expired()
    await left.close()
    await right.close()
    gc.collect()

    assert lost == []


async def test_an_answer_is_no_second_offer() -> None:
    """Bytes from the other side that are no answer leave the offer open for one that is."""
    peers = WebRtcPeers()
    offer = await peers.offer()
    for wrong in (b"", b"v=0", bytes(20_000), offer.description):
        with pytest.raises(RemoteProtocolError):
            await offer.accept(wrong)
        if wrong is not offer.description:
            with pytest.raises(RemoteProtocolError):
                await peers.answer(wrong)
    answer, pending = await peers.answer(offer.description)
    left, right = await asyncio.gather(offer.accept(answer), pending.opened())
    left.send(b"hello")

    assert await right.receive() == b"hello"

    await asyncio.gather(left.close(), right.close())


async def test_a_dead_stun_server_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ICE server that never answers costs a second at most, not the 5 s of the library; and only once."""
    assert reflexive.GATHER_SECONDS <= 1
    monkeypatch.setattr(reflexive, "GATHER_SECONDS", 0.05)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.setblocking(False)
        peers = WebRtcPeers()
        options = PeerOptions(ice_servers=(f"stun:127.0.0.1:{silent.getsockname()[1]}",))
        start = loop.time()
        offer = await peers.offer(options)

        assert loop.time() - start < 5

        await offer.close()
        while True:
            try:
                silent.recv(2048)
            except BlockingIOError:
                break
        again = await peers.offer(options)
        with pytest.raises(BlockingIOError):
            silent.recv(2048)
        await again.close()


async def test_one_answer_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of this machine by which nobody is reached holds nobody up."""
    monkeypatch.setattr(reflexive, "GATHER_SECONDS", 1000)
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1", "127.0.0.2"])
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)

        async def answer() -> None:
            address = ("", 0)
            while address[0] != "127.0.0.1":
                raw, address = await loop.sock_recvfrom(server, 2048)
            await loop.sock_sendto(server, answer_untrusted(raw, ip_address("192.0.2.7"), 7), address)

        options = PeerOptions(ice_servers=(f"stun:127.0.0.1:{server.getsockname()[1]}",))
        async with asyncio.timeout(60):
            offer, _ = await asyncio.gather(WebRtcPeers().offer(options), answer())
        found = SessionDescription.parse_untrusted(offer.description).candidates
        assert Candidate(CandidateType.SRFLX, "192.0.2.7", 7) in found
        await offer.close()


async def test_an_offer_stays_reachable_behind_a_nat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is answered the STUN server is asked again and again, from the port that the offer names."""
    monkeypatch.setattr(ice, "MAPPING_SECONDS", 0.01)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)

        async def answer() -> tuple[str, int]:
            raw, address = await loop.sock_recvfrom(server, 2048)
            asked = stun.parse_message(raw)
            told = stun.Message(
                message_method=stun.Method.BINDING,
                message_class=stun.Class.RESPONSE,
                transaction_id=asked.transaction_id,
            )
            told.attributes["XOR-MAPPED-ADDRESS"] = address
            await loop.sock_sendto(server, bytes(told), address)
            return address

        options = PeerOptions(ice_servers=(f"stun:127.0.0.1:{server.getsockname()[1]}",))
        (offer, first) = await asyncio.gather(WebRtcPeers().offer(options), answer())
        again = [await answer() for _ in range(3)]
        assert again == [first] * 3
        await offer.close()


async def test_relay_only_names_no_address() -> None:
    """Without a relay there is nothing to tell, and nothing is told."""
    offer = await WebRtcPeers().offer(PeerOptions(relay_only=True))

    assert not SessionDescription.parse_untrusted(offer.description).candidates

    await offer.close()


@pytest.mark.parametrize("server", ["nonsense", "stun:user:secret@host", "turn:user@host", "http://host"])
async def test_an_unknown_ice_server_is_a_usage_error(server: str) -> None:
    """A typing error is named before anything opens."""
    with pytest.raises(UsageError, match="ICE server"):
        await WebRtcPeers().offer(PeerOptions(ice_servers=(server,)))


async def test_silent_loss_is_noticed() -> None:
    """A path that drops every packet, and tells neither side, ends in Offline after 3 s of its time."""
    timers = ManualTimers()
    left, right = await open_pair(WebRtcPeers(timers=timers))
    for end in (left, right):
        drop_datagrams(end)
    timers.advance(3.1)

    for end in (left, right):
        with pytest.raises(Offline, match="no sign of life for 3 s"):
            await end.receive()

    await asyncio.gather(left.close(), right.close())


def drop_datagrams(connection: PeerConnection) -> None:
    """The seam for a lossy path: from here on, what ICE sends goes nowhere."""
    for protocol in connection._pipe._ice._connection._protocols:  # type: ignore[attr-defined]
        protocol.transport = Nowhere(protocol.transport)


class Nowhere:
    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def sendto(self, data: bytes, address: object = None) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


async def test_a_flood_of_unfinished_data_is_cut_off() -> None:
    """A peer that sends SCTP beyond what was announced is let go before it fills the memory."""
    # Timers stand still: signs of life wait behind the flood, and would be missed first on a slow machine.
    left, right = await open_pair(WebRtcPeers(timers=ManualTimers()))
    sctp = left._pipe._sctp  # type: ignore[attr-defined]
    waiting = asyncio.create_task(right.receive())
    sent = 0
    while not waiting.done() and sent < 8 * 1024 * 1024:
        # One message that is announced and never ends: SCTP of the receiver would hold all of it.
        await sctp._send(0, 53, bytes(64 * 1024))
        for chunk in sctp._outbound_queue:
            chunk.flags &= ~0x01
        sent += 64 * 1024
        while sctp._outbound_queue and not waiting.done():  # noqa: ASYNC110 SCTP has no event for it
            await asyncio.sleep(0)

    with pytest.raises(Offline, match="floods"):
        await waiting
    assert sent < 3 * 1024 * 1024

    await asyncio.gather(left.close(), right.close())


ONE_SIDE = """
    import asyncio, sys

    from peergos_collab.errors import Offline
    from transports.webrtc import WebRtcPeers

    async def main(side):
        peers = WebRtcPeers()
        if side == "offer":
            pending = await peers.offer()
            print(pending.description.hex(), flush=True)
            connection = await pending.accept(bytes.fromhex(sys.stdin.readline()), timeout=60)
        else:
            offer = bytes.fromhex(sys.stdin.readline())
            answer, pending = await peers.answer(offer, timeout=60)
            print(answer.hex(), flush=True)
            connection = await pending.opened(timeout=60)
        connection.send(side.encode() * 20_000)
        print(len(await connection.receive()), flush=True)
        if sys.argv[2] == "loss":
            try:
                await connection.receive()
            except Offline as error:
                print(error, flush=True)
            await connection.close()
            return
        connection.send(b"done")
        await connection.receive()
        await connection.close()

    asyncio.run(main(sys.argv[1]))
"""

BOTH_SIDES = """
    import subprocess, sys

    def start(side):
        command = [sys.executable, "-c", sys.argv[1], side, sys.argv[2]]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    offerer, answerer = start("offer"), start("answer")
    offer = offerer.stdout.readline()
    answerer.stdin.write(offer)
    answerer.stdin.flush()
    offerer.stdin.write(answerer.stdout.readline())
    offerer.stdin.flush()
    print(offer)
    print(offerer.stdout.readline(), answerer.stdout.readline())
    if sys.argv[2] == "loss":
        # A queue of one byte: every packet is dropped, and nobody is told.
        subprocess.run("tc qdisc add dev lo root tbf rate 8bit burst 1 latency 1us", shell=True, check=True)
    print(offerer.stdout.read(), answerer.stdout.read())
    sys.exit(offerer.wait() or answerer.wait())
"""


def run_in_namespace(mode: str, *, probe: str) -> str:
    """Both sides in a network namespace with nothing but loopback; what they print."""
    namespace = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]
    try:
        ready = subprocess.run([*namespace, probe], check=False, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    if ready.returncode != 0:
        pytest.skip(f"not permitted or not there: {ready.stderr.strip()}")
    script, side = textwrap.dedent(BOTH_SIDES), textwrap.dedent(ONE_SIDE)
    command = 'ip link set lo up && exec "$0" -c "$1" "$2" "$3"'
    run = subprocess.run(
        [*namespace, command, sys.executable, script, side, mode],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_two_processes_on_a_machine_with_only_loopback() -> None:
    """Where 127.0.0.1 is the only address, two processes still find each other on it."""
    printed = run_in_namespace("talk", probe="ip link set lo up")

    assert bytes([127, 0, 0, 1]).hex() in printed
    assert "120000" in printed
    assert "100000" in printed


def test_a_network_that_drops_everything_is_noticed() -> None:
    """When the system itself drops every packet, both processes learn of it in seconds."""
    printed = run_in_namespace(
        "loss", probe="ip link set lo up && tc qdisc add dev lo root tbf rate 8bit burst 1 latency 1us"
    )

    assert printed.count("no sign of life for 3 s") == 2
