"""Offers and answers: what a peer has to know for one data channel, in a record short enough for a QR code.

    description = [1, setup, ICE user name, ICE password, fingerprint (32), [candidate …]]
    candidate   = [type, address (4 or 16), port]

SDP says the same in ten times as many bytes, most of which are the same for everybody.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import field
from typing import Final

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.shape import array, blob, many, number, some_bytes, string
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports.peers import MAX_DESCRIPTION
from peergos_collab.values import dataclass

VERSION: Final = 1
MAX_CANDIDATES: Final = 32
"""Each makes us send packets to an address the peer chose."""
SCTP_PORT: Final = 5000

_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")


class Setup(enum.IntEnum):
    """Who starts DTLS."""

    ACTPASS = 0
    """An offerer: whom the answer says."""
    ACTIVE = 1
    PASSIVE = 2


class CandidateType(enum.IntEnum):
    """How an address was found, the best first."""

    HOST = 0
    SRFLX = 1
    RELAY = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """One UDP address a peer may be reached at."""

    type: CandidateType
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """What a peer has to know to reach and recognise us.

    Args:
        ufrag: ICE user name fragment.
        password: ICE password; whoever knows it can only try to connect.
        fingerprint: SHA-256 of the DTLS certificate, 32 bytes.
        candidates: the best first.
    """

    ufrag: str
    password: str = field(repr=False)
    fingerprint: bytes
    setup: Setup
    candidates: tuple[Candidate, ...]

    def to_bytes(self) -> bytes:
        candidates = [[int(c.type), ipaddress.ip_address(c.ip).packed, c.port] for c in self.candidates]
        fields = [int(self.setup), self.ufrag, self.password, self.fingerprint, candidates]
        return encode([VERSION, *fields])

    @classmethod
    def parse_untrusted(cls, data: bytes) -> SessionDescription:
        """Raises ``RemoteProtocolError``. Addresses that are nobody's are left out."""
        fields = array(decode_untrusted(data, MAX_DESCRIPTION), 6, "description")
        number(fields[0], VERSION, VERSION, "description version")
        found = [_candidate_untrusted(item) for item in many(fields[5], MAX_CANDIDATES, "candidates")]
        return cls(
            ufrag=_matching(fields[2], _UFRAG, "ICE user name"),
            password=_matching(fields[3], _PASSWORD, "ICE password"),
            fingerprint=blob(fields[4], 32, "fingerprint"),
            setup=Setup(number(fields[1], min(Setup), max(Setup), "setup")),
            candidates=tuple(candidate for candidate in found if candidate is not None),
        )


def _matching(value: object, pattern: re.Pattern[str], what: str) -> str:
    text = string(value, 256, what)
    if not pattern.fullmatch(text):
        raise RemoteProtocolError(f"a description's {what} is malformed")
    return text


def _candidate_untrusted(value: object) -> Candidate | None:
    type_, packed, port = array(value, 3, "candidate")
    kind = CandidateType(number(type_, min(CandidateType), max(CandidateType), "candidate type"))
    packed = some_bytes(packed, 16, "address")
    if len(packed) not in {4, 16}:
        raise RemoteProtocolError("an address has 4 or 16 bytes")
    ip = ipaddress.ip_address(packed)
    port = number(port, 1, 65535, "port")
    if ip.is_multicast or ip.is_unspecified or packed == bytes([255] * 4):
        return None
    return Candidate(kind, str(ip), port)
