"""A node's answers to STUN binding requests, and to nothing else."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.errors import Offline, RemoteProtocolError
from peergos_collab.node import stun
from peergos_collab.node.stun import MAX_REQUEST, StunServer, answer_stun, answer_untrusted

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("000100002112a442") + TRANSACTION
HERE = ip_address("192.0.2.1")


def attribute(kind: int, value: bytes, length: int | None = None) -> bytes:
    padded = value + bytes(-len(value) % 4)
    return struct.pack("!HH", kind, len(value) if length is None else length) + padded


def request(*attributes: bytes, kind: int = 1, length: int | None = None, cookie: int = 0x2112A442) -> bytes:
    rest = b"".join(attributes)
    head = struct.pack("!HHI", kind, len(rest) if length is None else length, cookie)
    return head + TRANSACTION + rest


@pytest.mark.parametrize(
    ("address", "mapped"),
    [
        ("192.0.2.1", "0001a147e112a643"),
        ("2001:db8:1234:5678:11:2233:4455:6677", "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
    ],
)
def test_an_address_is_told_as_the_rfc_has_it(address: str, mapped: str) -> None:
    """The mapped addresses of RFC 5769, 2.2 and 2.3: port 32853, with that transaction id."""
    told = bytes.fromhex(mapped)
    head = bytes.fromhex("0101") + (4 + len(told)).to_bytes(2, "big") + bytes.fromhex("2112a442")

    answer = answer_untrusted(REQUEST, ip_address(address), 32853)

    assert answer == head + TRANSACTION + attribute(0x0020, told)


def test_what_may_be_passed_over_is() -> None:
    """Whatever attributes a request has that need not be understood, the answer is the same."""
    more = request(attribute(0x8022, b"a client"), attribute(0x8028, bytes(4)), attribute(0xFFFF, b"x"))

    assert answer_untrusted(more, HERE, 7) == answer_untrusted(REQUEST, HERE, 7)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        REQUEST[:-1],
        request(kind=0x0101),
        request(kind=0x0111),
        request(kind=0x0011),
        request(kind=0x0003),
        request(cookie=0x2112A443),
        request(length=4),
        REQUEST + bytes(4),
        request(b"\x80\x22\x00"),
        request(attribute(0x8022, b"")[:2] + b"\x00\x04"),
        request(attribute(0x8022, bytes(4), length=5)),
        request(attribute(0x0006, b"user")),
        request(attribute(0x8022, bytes(MAX_REQUEST - 20))),
    ],
    ids=[
        *("empty", "short", "an answer", "an error", "an indication", "another method", "another cookie"),
        *("too long a length", "too short a length", "an odd length", "an attribute without its value"),
        *("an attribute that is cut off", "one that has to be understood", "more than a packet"),
    ],
)
def test_nothing_else_is_answered(datagram: bytes) -> None:
    """An answer to an answer would let two servers talk for ever, one to much else help a flood."""
    with pytest.raises(RemoteProtocolError):
        answer_untrusted(datagram, HERE, 7)


@given(
    st.one_of(
        st.binary(max_size=600),
        st.builds(request, st.binary(max_size=600)),
        st.builds(request, *[st.builds(attribute, st.integers(0, 65535), st.binary())] * 2),
    ),
    st.ip_addresses(),
    st.integers(0, 65535),
)
def test_anything_is_answered_or_refused(datagram: bytes, address: Any, port: int) -> None:
    """An answer is at most 24 bytes longer than what was asked."""
    try:
        answer = answer_untrusted(datagram, address, port)
    except RemoteProtocolError:
        return
    assert len(answer) <= len(datagram) + 24


class Wire:
    """A socket that notes to whom something is sent."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def sendto(self, _: bytes, to: Any) -> None:
        self.told.append(to)


async def served(*senders: tuple[Any, ...]) -> list[Any]:
    """Who is answered, of those who ask within one second."""
    server, wire = StunServer(lambda: 5.0), Wire()
    server.connection_made(wire)  # type: ignore[arg-type]
    for sender in senders:
        server.datagram_received(REQUEST, sender)
    return wire.told


async def test_one_address_is_told_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders can be false: so nobody is sent many, whatever port is named. IPv6 counts by network."""
    monkeypatch.setattr(stun, "ANSWERS_TO_ONE", 2)
    ana, other = [("192.0.2.1", port) for port in (1, 2, 3)], ("192.0.2.2", 1)
    assert await served(*ana, other) == [*ana[:2], other]
    six, far = [(f"2001:db8::{port}", port, 0, 0) for port in (1, 2, 3)], ("2001:db8:0:1::1", 1, 0, 0)
    assert await served(*six, far) == [*six[:2], far]


async def test_all_together_are_told_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a second; the next one is another."""
    monkeypatch.setattr(stun, "ANSWERS", 3)
    assert len(await served(*((f"192.0.2.{host}", 1) for host in range(9)))) == 3
    now, wire = [5.9], Wire()
    server = StunServer(lambda: now[0])
    server.connection_made(wire)  # type: ignore[arg-type]
    for now[0] in (5.9, 5.9, 5.9, 5.9, 6.0):
        server.datagram_received(REQUEST, ("192.0.2.1", 1))
    assert len(wire.told) == 4


async def test_it_is_told_from_where_it_asked() -> None:
    """Over real sockets, on IPv4 and as an IPv4 address on an IPv6 socket. A port that is taken is named."""
    loop = asyncio.get_running_loop()
    for bound, asked in (("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1")):
        server = await answer_stun(bound, 0)
        port = server.get_extra_info("sockname")[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.bind(("127.0.0.1", 0))
            await loop.sock_sendto(client, b"nonsense", (asked, port))
            await loop.sock_sendto(client, REQUEST, (asked, port))
            async with asyncio.timeout(60):
                answer = await loop.sock_recv(client, 100)
            assert answer == answer_untrusted(REQUEST, ip_address("127.0.0.1"), client.getsockname()[1])
        with pytest.raises(Offline, match=f"UDP {bound} port {port}"):
            await answer_stun(bound, port)
        server.close()
