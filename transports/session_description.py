"""Offers and answers: the part of SDP that a data channel needs, written and read strictly.

Written by hand instead of by a media library's parser: an offer comes from outside, and eight
attributes are all there is to understand.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports.peers import MAX_DESCRIPTION
from peergos_collab.values import dataclass

MAX_CANDIDATES: Final = 32
"""Each makes us send packets to an address the peer chose."""
SCTP_PORT: Final = 5000

_MEDIA: Final = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT: Final = re.compile(r"(?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")
_FOUNDATION: Final = re.compile(r"[A-Za-z0-9+/]{1,32}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_TYPES: Final = frozenset({"host", "srflx", "relay"})
_SETUPS: Final = frozenset({"actpass", "active", "passive"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One UDP address a peer may be reached at."""

    foundation: str
    priority: int
    ip: str
    port: int
    type: str


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """What a peer has to know to reach and recognise us.

    Args:
        ufrag: ICE user name fragment.
        password: ICE password; whoever knows it can only try to connect.
        fingerprint: SHA-256 of the DTLS certificate, 32 bytes.
        setup: who starts DTLS: ``actpass``, ``active`` or ``passive``.
    """

    ufrag: str
    password: str
    fingerprint: bytes
    setup: str
    candidates: tuple[Candidate, ...]
    sctp_port: int = SCTP_PORT

    def to_bytes(self) -> bytes:
        lines = [
            "v=0",
            "o=- 0 0 IN IP4 0.0.0.0",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            _MEDIA,
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {self.fingerprint.hex(':').upper()}",
            f"a=setup:{self.setup}",
            f"a=sctp-port:{self.sctp_port}",
            "a=max-message-size:65536",
        ]
        lines += [
            f"a=candidate:{c.foundation} 1 udp {c.priority} {c.ip} {c.port} typ {c.type}"
            + ("" if c.type == "host" else " raddr 0.0.0.0 rport 9")
            for c in self.candidates
        ]
        lines += ["a=end-of-candidates", ""]
        return "\r\n".join(lines).encode("ascii")

    @classmethod
    def parse_untrusted(cls, data: bytes) -> SessionDescription:
        """Raises ``RemoteProtocolError`` for anything that does not describe one data channel."""
        attributes = _attributes_untrusted(data)
        fingerprints = [
            value.split(" ")[-1]
            for value in attributes.get("fingerprint", [])
            if value.lower().startswith("sha-256 ")
        ]
        if len(fingerprints) != 1 or not _FINGERPRINT.fullmatch(fingerprints[0]):
            raise RemoteProtocolError("a description needs one sha-256 fingerprint")
        setup = _one(attributes, "setup")
        if setup not in _SETUPS:
            raise RemoteProtocolError("a description's setup is unknown")
        if len(attributes.get("candidate", [])) > MAX_CANDIDATES:
            raise RemoteProtocolError(f"a description has more than {MAX_CANDIDATES} candidates")
        found = (_candidate_untrusted(value) for value in attributes.get("candidate", []))
        return cls(
            ufrag=_matching(attributes, "ice-ufrag", _UFRAG),
            password=_matching(attributes, "ice-pwd", _PASSWORD),
            fingerprint=bytes.fromhex(fingerprints[0].replace(":", "")),
            setup=setup,
            candidates=tuple(candidate for candidate in found if candidate is not None),
            sctp_port=_number(_one(attributes, "sctp-port"), 65535),
        )


def _attributes_untrusted(data: bytes) -> dict[str, list[str]]:
    if len(data) > MAX_DESCRIPTION:
        raise RemoteProtocolError(f"a description has at most {MAX_DESCRIPTION} bytes")
    try:
        lines = data.decode("ascii").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("a description is ASCII") from error
    if lines[0] != "v=0" or [line for line in lines if line.startswith("m=")] != [_MEDIA]:
        # Browsers write another port into the media line once they have candidates.
        media = [line for line in lines if line.startswith("m=")]
        if lines[0] != "v=0" or len(media) != 1 or not _is_data_channel(media[0]):
            raise RemoteProtocolError("a description has exactly one data channel")
    attributes: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            attributes.setdefault(name, []).append(value)
    return attributes


def _is_data_channel(line: str) -> bool:
    return re.fullmatch(r"m=application [0-9]{1,5} UDP/DTLS/SCTP webrtc-datachannel", line) is not None


def _one(attributes: dict[str, list[str]], name: str) -> str:
    values = attributes.get(name, [])
    if len(values) != 1:
        raise RemoteProtocolError(f"a description has exactly one {name}")
    return values[0]


def _matching(attributes: dict[str, list[str]], name: str, pattern: re.Pattern[str]) -> str:
    value = _one(attributes, name)
    if not pattern.fullmatch(value):
        raise RemoteProtocolError(f"a description's {name} is malformed")
    return value


def _number(text: str, maximum: int) -> int:
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= maximum:
        raise RemoteProtocolError("a description has a number out of range")
    return int(text)


def _candidate_untrusted(text: str) -> Candidate | None:
    """None for a candidate of a kind we do not use: TCP, host names, addresses of nobody."""
    words = text.split(" ")
    if len(words) < 8 or words[6] != "typ" or not _FOUNDATION.fullmatch(words[0]):
        raise RemoteProtocolError("a candidate is malformed")
    priority, port = _number(words[3], 2**32 - 1), _number(words[5], 65535)
    if words[1] != "1" or words[2].lower() != "udp" or words[7] not in _TYPES:
        return None
    try:
        ip = ipaddress.ip_address(words[4])
    except ValueError:
        return None  # a name: looking it up would tell others whom we try to reach
    if "%" in words[4] or ip.is_multicast or ip.is_unspecified or str(ip) == "255.255.255.255":
        return None
    return Candidate(foundation=words[0], priority=priority, ip=str(ip), port=port, type=words[7])
