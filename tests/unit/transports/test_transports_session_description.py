"""Offers and answers as records."""

from __future__ import annotations

from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports.peers import MAX_DESCRIPTION
from transports.session_description import Candidate, CandidateType, SessionDescription, Setup

HOST = Candidate(CandidateType.HOST, "192.0.2.7", 5000)
DESCRIPTION = SessionDescription(
    ufrag="abcd", password="p" * 22, fingerprint=bytes(range(32)), setup=Setup.ACTPASS, candidates=(HOST,)
)
RAW = DESCRIPTION.to_bytes()


def changed(at: int, value: Any) -> bytes:
    fields = decode_untrusted(RAW, MAX_DESCRIPTION)
    fields[at] = value
    return encode(fields)


def test_the_record_of_the_specification() -> None:
    """What docs/spec/transports.md shows."""
    fingerprint = "".join(f"{byte:02x}" for byte in range(32))

    assert RAW.hex() == f"8601006461626364{'76' + '70' * 22}5820{fingerprint}81830044c0000207191388"


def test_it_is_short_enough_for_a_picture() -> None:
    """With eight addresses it still fits the text of a small QR code."""
    home = Candidate(CandidateType.HOST, "2001:db8:1:2:3:4:5:6", 60000)
    full = SessionDescription("abcd", "p" * 22, bytes(32), Setup.ACTIVE, (home,) * 8)

    assert len(full.to_bytes()) < 270


@pytest.mark.parametrize("address", ["224.0.0.251", "255.255.255.255", "0.0.0.0", "ff02::fb", "::"])
def test_addresses_of_nobody_are_left_out(address: str) -> None:
    """Nobody makes us send to all, or to ourselves by a wildcard."""
    many = SessionDescription(
        "abcd", "p" * 22, bytes(32), Setup.ACTIVE, (Candidate(CandidateType.HOST, address, 5353), HOST)
    )

    assert SessionDescription.parse_untrusted(many.to_bytes()).candidates == (HOST,)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (1, 3),
        (1, True),
        (2, "abc"),
        (2, "ab d"),
        (2, b"abcd"),
        (3, "p" * 21),
        (3, "p" * 257),
        (3, "p\u00e9" * 11),
        (4, bytes(31)),
        (5, [[0, bytes(4), 5000]] * 33),
        (5, [[3, bytes([192, 0, 2, 7]), 5000]]),
        (5, [[0, bytes([192, 0, 2]), 5000]]),
        (5, [[0, "192.0.2.7", 5000]]),
        (5, [[0, bytes([192, 0, 2, 7]), 0]]),
        (5, [[0, bytes([192, 0, 2, 7]), 65536]]),
        (5, [[0, bytes([192, 0, 2, 7])]]),
    ],
)
def test_malformed_descriptions_are_refused(at: int, value: Any) -> None:
    """Each rule of the format is kept."""
    with pytest.raises(RemoteProtocolError):
        SessionDescription.parse_untrusted(changed(at, value))


def test_nothing_follows_and_nothing_is_missing() -> None:
    """A longer or shorter record is none of this version."""
    for raw in (RAW + b"\0", RAW[:-1], b"", encode([1, 0])):
        with pytest.raises(RemoteProtocolError):
            SessionDescription.parse_untrusted(raw)
