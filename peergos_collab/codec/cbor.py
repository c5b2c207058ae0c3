"""Deterministic CBOR (RFC 8949 §4.2.1), the one encoding of every record.

A record has exactly one byte string, so it can be signed, hashed and compared as bytes. The decoder
accepts bytes only if encoding the result gives the same bytes again: that alone rejects long
integers, indefinite lengths, duplicate keys, unsorted maps and trailing bytes.
"""

from __future__ import annotations

from typing import Any, Final

import cbor2

from ..errors import LocalProtocolError, RemoteProtocolError

MAX_DEPTH: Final = 16
"""Deeper nesting has no use in any record, and every level costs a stack frame."""

_LEAVES: Final = frozenset({int, bytes, str, bool, type(None)})


def encode(value: Any) -> bytes:
    """Encodes ints, bytes, str, bool, None, lists, tuples and dicts of these.

    Raises:
        LocalProtocolError: the value holds something else, for instance a float.
    """
    try:
        return cbor2.dumps(value, canonical=True)
    except (cbor2.CBOREncodeError, UnicodeEncodeError, OverflowError) as error:
        raise LocalProtocolError(f"this value has no record form: {error}") from None


def decode_untrusted(raw: bytes, limit: int) -> Any:
    """Decodes bytes from a peer, a node or the disk.

    Args:
        raw: the whole record.
        limit: most bytes this type of record may have.

    Returns:
        ints (64 bit), bytes, str, bool, None, lists and dicts of these.

    Raises:
        RemoteProtocolError: too long, malformed, not canonical, or with tags, floats or deep nesting.
    """
    if len(raw) > limit:
        raise RemoteProtocolError(f"a record of {len(raw)} bytes, where {limit} are allowed")
    try:
        value = cbor2.loads(raw)
        _check_types(value, MAX_DEPTH)
        again = cbor2.dumps(value, canonical=True)
    except RemoteProtocolError:
        raise
    except Exception as error:  # cbor2's built-in tags raise whatever their types raise
        raise RemoteProtocolError(f"a record that is not CBOR: {type(error).__name__}") from None
    if again != raw:
        raise RemoteProtocolError("a record that is not in the one canonical form")
    return value


def _check_types(value: Any, depth: int) -> None:
    kind = type(value)
    if kind in _LEAVES:
        if kind is int and not -(2**63) <= value < 2**64:
            raise RemoteProtocolError("a record with an integer beyond 64 bits")
        return
    if depth == 0:
        raise RemoteProtocolError(f"a record nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        for item in value:
            _check_types(item, depth - 1)
    elif kind is dict:
        for key, item in value.items():
            if type(key) not in (int, str, bytes):
                raise RemoteProtocolError("a record with a key of a type that is not allowed")
            _check_types(item, depth - 1)
    else:
        raise RemoteProtocolError(f"a record with a value of type {kind.__name__}")
