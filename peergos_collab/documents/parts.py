"""One update as several that do the same in order, where it would be too much at once.

Undo may bring back or take away what lies in thousands of pieces, and colleagues accept only so many in one
update. The engine, too, is quick only with few deleted ranges at a time, the last ones first: else it copies
the rest of a long item for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .structure import UpdateReader
from .varints import varint

MOST_PIECES: Final = 4_000
"""Structs or deleted ranges of one own update, so that several of them in a segment are not too many."""

FEW_RANGES: Final = 500
"""Deleted ranges that the engine takes at once."""

_LEAST_BYTES: Final = 2
"""No struct and no range takes fewer."""


def parts_of(update: bytes) -> list[bytes]:
    """An own update, of one client, as updates that colleagues accept."""
    if len(update) <= _LEAST_BYTES * MOST_PIECES:
        return [update]
    reader = UpdateReader(update)
    written = [part for _ in range(reader.number()) for part in _sections(reader, MOST_PIECES)]
    deleted = _deletions(reader, MOST_PIECES)
    return [*written, *deleted] if len(written) > 1 or len(deleted) > 1 else [update]


def deleting_apart(update: bytes) -> list[bytes]:
    """An update as what it writes, and little by little what it deletes."""
    reader = UpdateReader(update)
    reader.structs()
    return [update[: reader.at] + b"\x00", *_deletions(reader, FEW_RANGES)]


def _sections(reader: UpdateReader, most: int) -> Iterator[bytes]:
    """The structs of one client."""
    count, client, clock = reader.number(), reader.number(), reader.number()
    while count:
        first, start, taken = clock, reader.at, min(most, count)
        for _ in range(taken):
            clock += reader.struct(client, clock).length
        count -= taken
        raw = reader.data[start : reader.at]
        yield b"\x01" + varint(taken) + varint(client) + varint(first) + raw + b"\x00"


def _deletions(reader: UpdateReader, most: int) -> list[bytes]:
    """What is deleted: of each client the last first."""
    parts = []
    for _ in range(reader.number()):
        client, count = reader.number(), reader.number()
        ranges = [varint(reader.number()) + varint(reader.number()) for _ in range(count)]
        cut = [ranges[at : at + most] for at in range(0, count, most)]
        head = b"\x00\x01" + varint(client)
        parts += [head + varint(len(part)) + b"".join(part) for part in reversed(cut)]
    return parts
