"""Deterministic CBOR (RFC 8949 §4.2.1), the one encoding of every record.

A record has exactly one byte string, so it can be signed, hashed and compared as bytes. The decoder
accepts bytes only if encoding the result would give the same bytes again. To know that it need not encode:
without tags and indefinite lengths, with maps in order, only the canonical form is as short as that.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import cbor2

from ..errors import LocalProtocolError, RemoteProtocolError

MAX_DEPTH: Final = 16
"""Deeper nesting has no use in any record, and every level costs a stack frame."""

_BUILT_IN_TAGS: Final = (
    *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004),
    *(43000, 55799),
)


INTEGER: Final = 0
BYTES: Final = 2
_TEXT: Final = 3
"""Major types."""

_STRINGS: Final = (BYTES, _TEXT)

_PLAIN: Final = frozenset({bytes, str, bool, type(None)})
_LEAST: Final = -(2**63)
_END: Final = 2**64


_FEW: Final = 512
"""Any record may have so many items, and one more for each 16 bytes: ids, of which most are made, have 32."""
_ITEM_BYTES: Final = 16


class _Unfit(ValueError):
    """A value that no record holds."""


def _refuse_tag(_: Any, *__: Any) -> NoReturn:
    raise _Unfit("a tag")


# cbor2 would otherwise compile regular expressions, parse mail and compute powers that a peer chose.
_TAG_DECODERS: Final = dict.fromkeys(_BUILT_IN_TAGS, _refuse_tag)


def encode(value: Any) -> bytes:
    """Encodes ints and IntEnums (64 bit), bytes, str, bool, None, lists, tuples and dicts of these.

    Raises:
        LocalProtocolError: the value holds something else, for instance a float, or nests too deep.
    """
    try:
        return cbor2.dumps(_ordered(value, MAX_DEPTH))
    except (_Unfit, UnicodeEncodeError) as error:
        raise LocalProtocolError(f"this value has no record form: {error}") from None


def item_head(kind: int, argument: int) -> bytes:
    """How an item of a major type begins, by its length; of an integer that is not negative it is all."""
    first = kind << 5
    if argument < 24:
        return bytes((first | argument,))
    if argument < 1 << 8:
        return bytes((first | 24, argument))
    if argument < 1 << 16:
        return bytes((first | 25, argument >> 8, argument & 0xFF))
    size = 4 if argument < 1 << 32 else 8
    return bytes((first | (26 if size == 4 else 27),)) + argument.to_bytes(size, "big")


def decode_untrusted(raw: bytes, limit: int, *, sparse: bool = False) -> Any:
    """Decodes bytes from a peer, a node or the disk.

    Args:
        raw: the whole record.
        limit: most bytes this type of record may have.
        sparse: most of it must be byte strings. For what strangers send: a value is made of each item, and a
            megabyte of empty lists would take seconds.

    Returns:
        ints (64 bit), bytes, str, bool, None, lists and dicts of these.

    Raises:
        RemoteProtocolError: too long, malformed, not canonical, with too many items, or with tags, floats or
            deep nesting.
    """
    if len(raw) > limit:
        raise RemoteProtocolError(f"a record of {len(raw)} bytes, where {limit} are allowed")
    if sparse and len(raw) > _FEW:
        _check_sparse(raw)
    try:
        value = cbor2.loads(
            raw,
            semantic_decoders=_TAG_DECODERS,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        length = _length((value,), MAX_DEPTH)
    except _Unfit as error:
        raise RemoteProtocolError(f"a record that holds {error}") from None
    except Exception as error:  # noqa: BLE001  whatever the decoder stumbles over, the bytes are at fault
        raise RemoteProtocolError(f"a record that is not CBOR: {type(error).__name__}") from None
    if length != len(raw):
        raise RemoteProtocolError("a record that is not in the one canonical form")
    return value


def _check_sparse(raw: bytes) -> None:
    """Goes over the heads of all items, before anything is made of them. The decoder judges the rest."""
    left = _FEW + len(raw) // _ITEM_BYTES
    at, end = 0, len(raw)
    while at < end:
        left -= 1
        if left < 0:
            raise RemoteProtocolError("a record of more items than its bytes are worth")
        head = raw[at]
        at += 1
        argument = head & 31
        if argument >= 24:
            size = 1 << (argument & 3)
            argument = int.from_bytes(raw[at : at + size])
            at += size
        if head >> 5 in _STRINGS:
            at += argument


def _length(items: Iterable[Any], depth: int) -> int:
    """Bytes that values have in the canonical form, one behind the other.

    Any other form of a value is in a tag, of indefinite length, in a map that is not in order, or longer.
    """
    if depth < 0:
        raise _Unfit(f"more than {MAX_DEPTH} levels")
    total = 0
    for item in items:
        kind = type(item)
        if kind is bytes:
            argument = len(item)
            total += argument
        elif kind is int and item >= _LEAST:
            argument = item if item >= 0 else ~item
        elif kind is bool or item is None:
            argument = 0
        elif kind is str:
            argument = len(item) if item.isascii() else len(item.encode())
            total += argument
        elif kind is list:
            argument = len(item)
            total += _length(item, depth - 1)
        elif kind is dict:
            argument = len(item)
            total += _keys_length(item) + _length(item.values(), depth - 1)
        else:
            raise _Unfit(f"a value of type {kind.__name__}")
        total += 1 if argument < 24 else 2 if argument < 1 << 8 else _long_head(argument)
    return total


def _long_head(argument: int) -> int:
    """Bytes that say a length or an integer of 256 or more."""
    return 3 if argument < 1 << 16 else 5 if argument < 1 << 32 else 9


def _keys_length(value: dict[Any, Any]) -> int:
    """Bytes of a map's keys, which must be in order."""
    keys = _encoded_keys(value)
    if keys != sorted(keys):
        raise _Unfit("a map that is not in order")
    return sum(map(len, keys))


def _encoded_keys(value: dict[Any, Any]) -> list[bytes]:
    if not all(type(key) in (int, str, bytes) for key in value):
        raise _Unfit("a key that is no integer, text or bytes")
    return [cbor2.dumps(_ordered(key, 0)) for key in value]


def _ordered(value: Any, depth: int) -> Any:
    """``value`` with every map in the order of RFC 8949 §4.2.1: by its encoded keys, byte for byte.

    cbor2's own ``canonical`` sorts shorter keys first, which is the order of the older RFC 7049.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:  # first, since asking whether a value is of an enum takes long
        if depth == 0:
            raise _Unfit(f"more than {MAX_DEPTH} levels")
        # A call for each plain item would be most of the time that decoding takes.
        return [
            item
            if (kind := type(item)) in _PLAIN or (kind is int and _LEAST <= item < _END)
            else _ordered(item, depth - 1)
            for item in value
        ]
    if kind is dict:
        if depth == 0:
            raise _Unfit(f"more than {MAX_DEPTH} levels")
        items = sorted(zip(_encoded_keys(value), value.items(), strict=True))
        return {key: _ordered(item, depth - 1) for _, (key, item) in items}
    if kind is int or isinstance(value, enum.IntEnum):
        if not _LEAST <= value < _END:
            raise _Unfit("an integer beyond 64 bits")
        return value
    if isinstance(value, enum.StrEnum):
        return value
    raise _Unfit(f"a value of type {kind.__name__}")
