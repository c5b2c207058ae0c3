"""Announcements in the local network: what is taken of what anybody may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports.transport import Address
from transports.lan import announcement_untrusted, own_addresses

PIN = bytes(range(32))
TEXT: dict[bytes, bytes | None] = {b"p": PIN, b"0": bytes(248), b"1": bytes([1] * 16)}


def test_what_is_announced_is_read() -> None:
    """Marks of both strings, in order; addresses of this network."""
    found = announcement_untrusted(TEXT, 7000, ["fe80::1%3", "192.168.1.7", "8.8.8.8"])

    assert found.pin == PIN
    assert found.marks == (bytes(8),) * 31 + (bytes([1] * 8),) * 2
    assert found.addresses == (Address(PIN, "192.168.1.7", 7000), Address(PIN, "fe80::1%3", 7000))


@pytest.mark.parametrize(
    ("text", "port", "addresses"),
    [
        ({**TEXT, b"p": PIN[:31]}, 7000, ["10.0.0.1"]),
        ({**TEXT, b"p": None}, 7000, ["10.0.0.1"]),
        ({b"0": bytes(8)}, 7000, ["10.0.0.1"]),
        ({**TEXT, b"1": bytes(7)}, 7000, ["10.0.0.1"]),
        (TEXT, None, ["10.0.0.1"]),
        (TEXT, 0, ["10.0.0.1"]),
        (TEXT, 65536, ["10.0.0.1"]),
        (TEXT, 7000, []),
        (TEXT, 7000, ["8.8.8.8", "2606:4700::1111"]),
        (TEXT, 7000, ["fe80::1", "::ffff:8.8.8.8", "64:ff9b:1::808:808", "fd00::1"]),
    ],
)
def test_what_cannot_be_ours_is_refused(
    text: dict[bytes, bytes | None], port: int | None, addresses: list[str]
) -> None:
    """Nobody makes us call an address outside of this network, either."""
    with pytest.raises(RemoteProtocolError):
        announcement_untrusted(text, port, addresses)


@given(
    st.dictionaries(st.sampled_from([b"p", b"0", b"1", b"x"]), st.none() | st.binary(max_size=255)),
    st.none() | st.integers(0, 70_000),
    st.lists(st.one_of(st.ip_addresses().map(str), st.just("fe80::1%3")), max_size=9),
)
def test_anything_is_read_or_refused(
    text: dict[bytes, bytes | None], port: int | None, addresses: list[str]
) -> None:
    """Nothing else escapes."""
    try:
        found = announcement_untrusted(text, port, addresses)
    except RemoteProtocolError:
        return
    assert len(found.addresses) <= 6


def test_there_is_always_an_address() -> None:
    """On a machine without a network it is 127.0.0.1."""
    assert own_addresses()
