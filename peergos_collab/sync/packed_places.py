"""Places and ranges of a collection, as frames carry them: packed, since a list of so many items is refused.

place    = 3 bytes                      several: rising
range    = start (3) ‖ stop (3)         several: in order and apart
question = range ‖ fingerprint (16)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

from ..codec.shape import some_bytes
from ..errors import RemoteProtocolError
from .collections import MAX_OBJECTS, SUM, Range

_PLACE: Final = 3
_RANGE: Final = 2 * _PLACE
_QUESTION: Final = struct.Struct(f">{_RANGE}s{SUM}s")

MAX_RANGES: Final = 4_096
"""In one frame."""


def pack_places(places: Iterable[int]) -> bytes:
    return b"".join(place.to_bytes(_PLACE) for place in places)


def pack_ranges(ranges: Iterable[Range]) -> bytes:
    return pack_places(place for each in ranges for place in (each.start, each.stop))


def pack_questions(questions: Iterable[tuple[Range, bytes]]) -> bytes:
    return b"".join(_QUESTION.pack(pack_ranges([each]), expected) for each, expected in questions)


def places_untrusted(value: Any, most: int = MAX_OBJECTS) -> list[int]:
    """Raises RemoteProtocolError."""
    places = [int.from_bytes(piece) for piece in _pieces(value, most, _PLACE)]
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise RemoteProtocolError("places that do not rise")
    return places


def ranges_untrusted(value: Any, length: int = MAX_OBJECTS) -> list[Range]:
    """Ranges of a collection of so many objects. Raises RemoteProtocolError."""
    return _in_order(map(_range, _pieces(value, MAX_RANGES, _RANGE)), length)


def questions_untrusted(value: Any) -> list[tuple[Range, bytes]]:
    """Raises RemoteProtocolError."""
    pairs = [_QUESTION.unpack(piece) for piece in _pieces(value, MAX_RANGES, _QUESTION.size)]
    ranges = _in_order((_range(piece) for piece, _ in pairs), MAX_OBJECTS)
    return [(each, expected) for each, (_, expected) in zip(ranges, pairs, strict=True)]


def _pieces(value: Any, most: int, size: int) -> list[bytes]:
    raw = some_bytes(value, most * size, "places")
    if len(raw) % size:
        raise RemoteProtocolError("places of a wrong length")
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def _range(piece: bytes) -> Range:
    return Range(int.from_bytes(piece[:_PLACE]), int.from_bytes(piece[_PLACE:]))


def _in_order(ranges: Iterable[Range], length: int) -> list[Range]:
    """Each place is in one of them at most: else a short frame could have all hashed thousands of times."""
    found = list(ranges)
    if any(not each.start < each.stop <= length for each in found):
        raise RemoteProtocolError("a range that is empty, or beyond its collection")
    if any(later.start < earlier.stop for earlier, later in pairwise(found)):
        raise RemoteProtocolError("ranges that overlap, or are not in order")
    return found
