"""Addresses of nodes as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.codec.address import format_address, parse_address
from peergos_collab.codec.bases import to_multibase
from peergos_collab.errors import UsageError
from peergos_collab.ports.transport import Address

PIN = bytes(range(32))
KEY = to_multibase(PIN)

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.lists(labels, min_size=2, max_size=4).map(".".join).filter(lambda name: name[-1].isalpha()),
)


@given(st.binary(min_size=32, max_size=32), hosts, st.integers(1, 65535))
def test_text_and_back(pin: bytes, host: str, port: int) -> None:
    """Every address survives being written down."""
    address = Address(pin=pin, host=host, port=port)

    assert parse_address(format_address(address)) == address


@pytest.mark.parametrize(
    ("place", "host", "port"),
    [
        ("127.0.0.1:8443", "127.0.0.1", 8443),
        ("[::1]:1", "::1", 1),
        ("[2001:DB8:0:0::1]:65535", "2001:db8::1", 65535),
        ("Node.Example.ORG.:443", "node.example.org", 443),
        ("localhost:80/", "localhost", 80),
    ],
)
def test_hosts_are_read_in_one_form(place: str, host: str, port: int) -> None:
    """One place has one spelling."""
    assert parse_address(f" pgc://{KEY}@{place}\n") == Address(pin=PIN, host=host, port=port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has to start with 'pgc://'"),
        (f"https://{KEY}@host:1", "has to start with 'pgc://'"),
        (f"pgc://{KEY}:1", "the '@'"),
        (f"pgc://{KEY}@host", "port is missing"),
        (f"pgc://{KEY}@host:0", "from 1 to 65535"),
        (f"pgc://{KEY}@host:65536", "from 1 to 65535"),
        (f"pgc://{KEY}@host:٣", "from 1 to 65535"),
        (f"pgc://{KEY}@host:-1", "from 1 to 65535"),
        (f"pgc://{KEY[:-4]}@host:1", "incomplete"),
        (f"pgc://{KEY}l@host:1", "not readable"),
        ("pgc://@host:1", "not readable"),
        (f"pgc://{KEY}@::1:1", "brackets"),
        (f"pgc://{KEY}@[::1:1", "brackets"),
        (f"pgc://{KEY}@[fe80::zz]:1", "not an IPv6 address"),
        (f"pgc://{KEY}@:1", "not a host name"),
        (f"pgc://{KEY}@ho st:1", "not a host name"),
        (f"pgc://{KEY}@host/path:1", "not a host name"),
        (f"pgc://{KEY}@{'a' * 64}.org:1", "not a host name"),
        (f"pgc://{KEY}@{'a.' * 300}org:1", "too long"),
    ],
)
def test_the_message_says_what_is_wrong(text: str, reason: str) -> None:
    """Each malformed address is refused with the part that is wrong."""
    with pytest.raises(UsageError, match="not the address of a node") as caught:
        parse_address(text)

    assert reason in caught.value.message


@given(st.text(max_size=60))
def test_any_other_text_is_a_usage_error(text: str) -> None:
    """Nothing else escapes, whatever is pasted."""
    for candidate in (text, f"pgc://{text}", f"pgc://{KEY}@{text}"):
        try:
            parse_address(candidate)
        except UsageError:
            pass
