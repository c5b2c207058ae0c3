"""Offers and answers as SDP."""

from __future__ import annotations

import pytest

from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports.peers import MAX_DESCRIPTION
from transports.session_description import Candidate, SessionDescription

HOST = Candidate("1", 2130706431, "192.0.2.7", 5000, "host")
DESCRIPTION = SessionDescription(
    ufrag="abcd", password="p" * 22, fingerprint=bytes(range(32)), setup="actpass", candidates=(HOST,)
)
TEXT = DESCRIPTION.to_bytes().decode()


def parse(text: str) -> SessionDescription:
    return SessionDescription.parse_untrusted(text.encode())


def test_it_tells_no_time_and_no_name() -> None:
    """The session line is the same for everybody."""
    assert "o=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n" in TEXT


def test_a_relayed_candidate_hides_where_it_comes_from() -> None:
    """The related address is written as nobody's."""
    relay = Candidate("2", 1, "198.51.100.1", 6000, "relay")
    text = SessionDescription("abcd", "p" * 22, bytes(32), "active", (relay,)).to_bytes().decode()

    assert "198.51.100.1 6000 typ relay raddr 0.0.0.0 rport 9" in text


@pytest.mark.parametrize(
    "line",
    [
        "a=candidate:1 1 udp 1 1f2e.local 5000 typ host",
        "a=candidate:1 1 udp 1 node.example.org 5000 typ host",
        "a=candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
        "a=candidate:1 2 udp 1 192.0.2.7 5000 typ host",
        "a=candidate:1 1 udp 1 192.0.2.7 5000 typ prflx",
        "a=candidate:1 1 udp 1 224.0.0.251 5353 typ host",
        "a=candidate:1 1 udp 1 255.255.255.255 5353 typ host",
        "a=candidate:1 1 udp 1 0.0.0.0 5353 typ host",
        "a=candidate:1 1 udp 1 fe80::1%eth0 5353 typ host",
    ],
)
def test_candidates_we_cannot_use_are_left_out(line: str) -> None:
    """No look-up, no multicast, no TCP: other software may offer them, and we stay silent."""
    assert parse(TEXT + line + "\r\n").candidates == (HOST,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=0", "v=1"),
        ("m=application", "m=audio"),
        ("m=application", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nm=application"),
        ("a=ice-ufrag:abcd", ""),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:abcd\r\na=ice-ufrag:abcd"),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:ab d"),
        ("a=ice-pwd:pp", "a=ice-pwd:p\u00e9"),
        ("pppp", ""),
        ("sha-256 00:", "sha-256 "),
        ("sha-256 00:", "sha-1 00:"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=sctp-port:5000", "a=sctp-port:0"),
        ("a=sctp-port:5000", "a=sctp-port:65536"),
        ("a=sctp-port:5000", "a=sctp-port:٥"),
        ("192.0.2.7 5000", "192.0.2.7 70000"),
        ("192.0.2.7 5000 typ", "192.0.2.7 5000"),
        ("a=mid:0", "a=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\n" * 33),
        ("a=mid:0", "a=" + "x" * MAX_DESCRIPTION),
    ],
)
def test_malformed_descriptions_are_refused(old: str, new: str) -> None:
    """Each rule of the format is kept."""
    assert old in TEXT

    with pytest.raises(RemoteProtocolError):
        parse(TEXT.replace(old, new, 1))
