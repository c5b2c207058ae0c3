"""Multibase base58btc, the text form of ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.codec import from_multibase_untrusted, to_multibase
from peergos_collab.codec.bases import MAX_TEXT, from_base64url_untrusted, to_base64url
from peergos_collab.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "z"),
        (b"\0", "z1"),
        (b"\0\0\0", "z111"),
        (b"hello world", "zStV1DL6CwTryKyV"),
        (b"\0\0\x28\x7f\xb4\xcd", "z11233QC4"),
        (b"Hello World!", "z2NEpo7TZRRrLZSi2U"),
    ],
)
def test_known_texts(data: bytes, text: str) -> None:
    """Published base58btc vectors, both ways."""
    assert to_multibase(data) == text
    assert from_multibase_untrusted(text) == data


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff\xfe", "-__-")]
)
def test_base64url(data: bytes, text: str) -> None:
    """RFC 4648, section 10, without padding."""
    assert to_base64url(data) == text
    assert from_base64url_untrusted(text, 4) == data


@pytest.mark.parametrize("text", ["Z", "Zm 8", "Zm8\n", "\u00fc\u00fc", "Zm9vZg"])
def test_what_is_no_base64url(text: str) -> None:
    """Nothing is skipped, and the length is bounded."""
    with pytest.raises(RemoteProtocolError):
        from_base64url_untrusted(text, 4)


@given(st.binary(max_size=100))
def test_it_is_the_number_in_base_58(data: bytes) -> None:
    """Digit by digit, as the definition says, with a 1 for each leading zero byte."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    assert to_multibase(data) == "z" + "1" * zeros + digits
    assert from_multibase_untrusted(to_multibase(data)) == data


def test_an_id_of_32_bytes_keeps_its_zeros() -> None:
    """Leading zero bytes of an id survive."""
    data = bytes(3) + b"\x01" + bytes(28)

    assert from_multibase_untrusted(to_multibase(data)) == data


@pytest.mark.parametrize(
    "text",
    ["", "1", "Z1", "m1", "z0", "zO", "zI", "zl", "z+", "z1 ", "z\n", "zé", "z٣", "z" + "2" * MAX_TEXT],
)
def test_other_text_is_refused(text: str) -> None:
    """Wrong bases, look-alike characters, spaces and overlong texts are refused."""
    with pytest.raises(RemoteProtocolError):
        from_multibase_untrusted(text)
