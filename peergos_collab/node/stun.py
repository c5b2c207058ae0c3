"""Tells whoever asks from which address he is seen: STUN (RFC 8489), binding requests and nothing else.

    request   00 01, length (2), 21 12 a4 42, transaction id (12); then attributes, which are passed over
    answer    01 01, length (2), the same 16 bytes; 00 20, length (2), 00, family, port and address as masked

Anybody can write any sender on a datagram. So an answer is at most 24 bytes longer than its request, one
address gets few of them, and what is no such request gets none: not even the error that the RFC has for
attributes which have to be understood.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from ..errors import Offline, RemoteProtocolError

_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_REQUEST: Final = 0x0001
_ANSWER: Final = 0x0101
_COOKIE: Final = 0x2112A442
_MAPPED: Final = 0x0020
_OPTIONAL: Final = 0x8000
"""From this type on an attribute may be passed over."""

MAX_REQUEST: Final = 548
"""Bytes that fit into one packet on any way (RFC 8489, 6.1)."""

ANSWERS_TO_ONE: Final = 64
"""In a second, to one address or IPv6 network of 64 bits: several devices that make a full mesh at once."""

ANSWERS: Final = 4096
"""In a second, to all: they cost a tenth of a processor."""


def answer_untrusted(request: bytes, address: IPv4Address | IPv6Address, port: int) -> bytes:
    """The answer to a binding request that came from there. Raises RemoteProtocolError for all else."""
    if not _HEADER.size <= len(request) <= MAX_REQUEST:
        raise RemoteProtocolError("no STUN message")
    kind, length, cookie, _ = _HEADER.unpack_from(request)
    if (kind, cookie) != (_REQUEST, _COOKIE) or length != len(request) - _HEADER.size or length % 4:
        raise RemoteProtocolError("no STUN binding request")
    at = _HEADER.size
    while at < len(request):
        kind, length = _ATTRIBUTE.unpack_from(request, at)
        if kind < _OPTIONAL:
            raise RemoteProtocolError("an attribute that has to be understood")
        at += _ATTRIBUTE.size + (length + 3 & ~3)
    if at != len(request):
        raise RemoteProtocolError("an attribute that is cut off")
    mask = request[4:20]
    place = bytes(map(int.__xor__, port.to_bytes(2, "big"), mask))
    place += bytes(map(int.__xor__, address.packed, mask))
    told = bytes([0, 1 if address.version == 4 else 2]) + place
    return _HEADER.pack(_ANSWER, _ATTRIBUTE.size + len(told), _COOKIE, request[8:20]) + (
        _ATTRIBUTE.pack(_MAPPED, len(told)) + told
    )


class StunServer(asyncio.DatagramProtocol):
    """See the module's text.

    Args:
        seconds: a clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._transport: asyncio.DatagramTransport | None = None
        self._second = 0
        self._answered = Counter[bytes]()
        self._answers = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """An IPv6 ``addr`` has two more fields, of which nothing is told."""
        address = ip_address(addr[0].partition("%")[0])
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        try:
            answer = answer_untrusted(data, address, addr[1])
        except RemoteProtocolError:
            return
        if self._transport is not None and self._may_answer(address.packed[:8]):
            self._transport.sendto(answer, addr)

    def _may_answer(self, whose: bytes) -> bool:
        second = int(self._seconds())
        if second != self._second:
            self._second, self._answered, self._answers = second, Counter(), 0
        if self._answered[whose] >= ANSWERS_TO_ONE or self._answers >= ANSWERS:
            return False
        self._answered[whose] += 1
        self._answers += 1
        return True


async def answer_stun(host: str, port: int) -> asyncio.DatagramTransport:
    """Answers at a UDP port until the transport is closed. Raises Offline where that is taken."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: StunServer(loop.time), local_addr=(host, port)
        )
    except (OSError, UnicodeError) as error:
        raise Offline(f"Cannot listen on UDP {host} port {port}: {error}.") from error
    return transport
