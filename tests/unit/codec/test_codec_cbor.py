"""The one encoding of records: what it takes, what it refuses, and that there is only one form."""

from __future__ import annotations

import datetime
import enum
from typing import Any

import cbor2
import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.cbor import BYTES, INTEGER, MAX_DEPTH, item_head
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError

LIMIT = 1 << 20


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-1, "20"),
        (-(2**63), "3b7fffffffffffffff"),
        (b"\x01\x02", "420102"),
        ("ü", "62c3bc"),
        (True, "f5"),
        (None, "f6"),
        ([1, [2, 3]], "8201820203"),
        ({"b": 1, "a": 2}, "a2616102616201"),
    ],
)
def test_known_encodings(value: object, raw: str) -> None:
    """Examples in the style of RFC 8949, appendix A, both ways."""
    assert encode(value).hex() == raw
    assert decode_untrusted(bytes.fromhex(raw), LIMIT) == value


def test_map_order_is_bytewise() -> None:
    """Keys sort by their encoding (RFC 8949 §4.2.1), not shorter first (RFC 7049)."""
    assert encode({-1: 2, 100: 1}).hex() == "a21864012002"

    with pytest.raises(RemoteProtocolError):
        decode_untrusted(bytes.fromhex("a22002186401"), LIMIT)


def test_map_order_of_the_rfc() -> None:
    """The order of keys that RFC 8949 §4.2.1 prints, as far as records allow these keys."""
    keys = [10, 100, -1, "z", "aa"]

    assert list(decode_untrusted(encode(dict.fromkeys(reversed(keys), 0)), LIMIT)) == keys


def test_tuples_and_enums_encode_as_their_values() -> None:
    """A tuple is an array, and an IntEnum or StrEnum is its value."""

    class Kind(enum.IntEnum):
        TWO = 2

    class Word(enum.StrEnum):
        X = "x"

    assert encode((Kind.TWO, Word.X)) == encode([2, "x"])


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        2**64,
        -(2**63) - 1,
        {1, 2},
        object(),
        bytearray(b"x"),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        "\ud800",
        {None: 1},
        {(1, 2): 1},
        {True: 1},
        [[[1.0]]],
        {"a": {"b": 2.0}},
        nested(MAX_DEPTH + 1),
    ],
)
def test_encode_refuses_what_cannot_come_back(value: object) -> None:
    """Whatever the decoder would refuse is refused when it is written."""
    with pytest.raises(LocalProtocolError):
        encode(value)


def test_encode_refuses_a_list_within_itself() -> None:
    """A cycle is found by its depth."""
    cycle: list[Any] = []
    cycle.append(cycle)

    with pytest.raises(LocalProtocolError):
        encode(cycle)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("", "nothing"),
        ("0000", "a trailing byte"),
        ("1800", "a long integer"),
        ("1900ff", "a longer integer"),
        ("1a0000ffff", "one longer still"),
        ("1b00000000ffffffff", "the longest"),
        ("3817", "a long negative integer"),
        ("5801aa", "a long length"),
        ("7801 61", "a long length of text"),
        ("9800", "a long length of an array"),
        ("b800", "a long length of a map"),
        ("a1180000", "a long integer as key"),
        ("9f01ff", "an indefinite array"),
        ("5f4101ff", "indefinite bytes"),
        ("bf6161 01ff", "an indefinite map"),
        ("a2616101616102", "a key twice"),
        ("a2616201616102", "keys out of order"),
        ("a1f600", "a null key"),
        ("a1f500", "a boolean key"),
        ("a1810100", "an array as key"),
        ("f93c00", "a half float"),
        ("fb3ff0000000000000", "a double"),
        ("f97e00", "not a number"),
        ("f7", "undefined"),
        ("f0", "a simple value"),
        ("c11a514b67b0", "a time"),
        ("c249010000000000000000", "a big number"),
        ("3bffffffffffffffff", "a negative integer below 64 bits"),
        ("d81c81d81d00", "a cycle of shared references"),
        ("d90102820102", "a set"),
        ("d9d9f700", "the tag that says CBOR"),
        ("61ff", "text that is not UTF-8"),
        ("63eda080", "a surrogate"),
        ("9b7fffffffffffffff", "an array without end"),
        ("5b00000000ffffffff", "bytes beyond the end"),
        ("ff", "a lone break"),
        ("1c", "a reserved length"),
    ],
)
def test_decode_refuses(raw: str, what: str) -> None:
    """Everything but the one canonical form of the allowed types is refused with the documented error."""
    with pytest.raises(RemoteProtocolError):
        decode_untrusted(bytes.fromhex(raw), LIMIT)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, (1 << 16) - 1, 1 << 16])
def test_each_length_of_a_head(size: int) -> None:
    """What is as long as a head of some length can say comes back, and what is longer by one."""
    for value in (bytes(size), "a" * size, "é" * size, [0] * size, dict.fromkeys(range(size)), size, ~size):
        raw = encode(value)

        assert decode_untrusted(raw, len(raw)) == value


@pytest.mark.parametrize("number", [(1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_long_integers(number: int) -> None:
    """Integers of up to 64 bits, and negative ones of up to 63, come back."""
    for value in (number, ~number)[: 1 if number >= 1 << 63 else 2]:
        assert decode_untrusted(encode(value), 9) == value


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 500, 100_000])
def test_depth_is_limited(depth: int) -> None:
    """Sixteen levels pass; more is refused, however deep, without a crash."""
    raw = b"\x81" * depth + b"\x00"
    if depth <= MAX_DEPTH:
        assert encode(decode_untrusted(raw, LIMIT)) == raw
    else:
        with pytest.raises(RemoteProtocolError):
            decode_untrusted(raw, LIMIT)


def test_length_is_limited_before_decoding() -> None:
    """A record longer than its type allows is refused; one of exactly that length is not."""
    raw = encode(b"x" * 100)

    assert decode_untrusted(raw, len(raw)) == b"x" * 100
    with pytest.raises(RemoteProtocolError):
        decode_untrusted(raw, len(raw) - 1)


def test_tags_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No built-in tag runs its decoder: a peer's regular expression is never compiled."""
    compiled: list[object] = []
    monkeypatch.setattr("re.compile", compiled.append)

    with pytest.raises(RemoteProtocolError):
        decode_untrusted(cbor2.dumps(cbor2.CBORTag(35, "(a*)*")), LIMIT)
    assert compiled == []


def test_every_small_tag_is_refused() -> None:
    """No tag number below 2,000 passes, whatever it holds."""
    for number in range(2_000):
        for content in (b"\x00", b"\x41\x01", b"\x61\x31", b"\x82\x01\x02"):
            head = cbor2.dumps(cbor2.CBORTag(number, 0))[:-1]
            with pytest.raises(RemoteProtocolError):
                decode_untrusted(head + content, LIMIT)


def test_small_items_are_counted_before_anything_is_made_of_them() -> None:
    """What strangers send has as many items as its bytes are worth; ids and segments are well within."""
    for item in ([], 0, b"", "", b"a", {}, 1 << 20, None):
        raw = encode([b"", [item] * 20_000])
        assert len(decode_untrusted(raw, 1 << 20)[1]) == 20_000
        with pytest.raises(RemoteProtocolError, match="items"):
            decode_untrusted(raw, 1 << 20, sparse=True)
    for fair in (
        [bytes(32)] * 12_000,
        [[bytes(32), 1 << 20, bytes(32)]] * 10_000,
        [0] * 500,
        [bytes(1 << 19)],
    ):
        assert decode_untrusted(encode(fair), 1 << 20, sparse=True) == fair


def test_whatever_is_in_strings_counts_as_one_item() -> None:
    """Bytes that look like lists are no lists; a length beyond the end is for the decoder to refuse."""
    lists = b"\x80" * 50_000
    assert decode_untrusted(encode(lists), 1 << 20, sparse=True) == lists
    for broken in (b"\x82\x5a\xff\xff\xff\xff" + bytes(600), b"\x1c" * 600, b"\x9f" + b"\x5f" * 600):
        with pytest.raises(RemoteProtocolError):
            decode_untrusted(broken, 1 << 20, sparse=True)


@pytest.mark.parametrize("length", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_how_an_item_begins_is_known_before(length: int) -> None:
    """Byte strings by their length, integers by themselves."""
    assert item_head(BYTES, length) + bytes(length) == encode(bytes(length))
    for value in (length, 2**32 - 1 - length, 2**32 + length, 2**64 - 1 - length):
        assert item_head(INTEGER, value) == encode(value)
