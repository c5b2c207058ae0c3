"""Local edits written as updates here, where the ids of what they touch are known without a search.

The engine finds a position by walking the text's items from the first: 0.1 ms and more in a long document.
But typing goes on where it stopped, between neighbours that are known; and what was typed in this run of the
program has clocks that were seen. So the update that the engine would come to is written here, and the
engine takes it in by id.

An insertion names both its neighbours, deleted ones among them, and Yjs converges only if they were side by
side. So it is written here at one place only: the caret, behind the last insertion, with no change by others
since. Deleting puts nothing between two neighbours. A deletion names only what it deletes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .edits import Edit
from .marks import NO_MARK, Marks, equal_marks, rising_marks
from .varints import read_varint, varint

_INSERTS: Final = b"\x01\x01"
"""How an update with one item begins: one client, one struct."""
_DELETES: Final = b"\x00\x01"
"""How an update without items begins that deletes of one client."""
_STRING: Final = 4
_ORIGIN: Final = 0x80
_RIGHT_ORIGIN: Final = 0x40
_IN_ROOT: Final = b"\x01\x04text"
"""The parent of an item without neighbours: the root text."""


class OwnEdits:
    """What is known of the ids in a text, by which edits of one client become updates.

    Offsets are bytes.

    Args:
        client: whose edits.
        length: bytes of the text so far, of which nothing is known.
    """

    __slots__ = ("_caret", "_client", "_clocks", "_left", "_next", "_right")

    def __init__(self, client: int, length: int) -> None:
        self._client = varint(client)
        self._clocks = Marks(length)
        self._next = 0
        self._caret: int | None = None
        self._left = self._right = b""

    def insertion(self, at: int, text: str) -> bytes | None:
        """The update that inserts a text; None where the engine must search: then ``inserted`` follows."""
        if at != self._caret:
            return None
        left, right, encoded = self._left, self._right, text.encode()
        info = _STRING | (_ORIGIN if left else 0) | (_RIGHT_ORIGIN if right else 0)
        update = b"%b%b%b%c%b%b%b%b%b\x00" % (
            _INSERTS, self._client, varint(self._next), info, left, right,
            b"" if left or right else _IN_ROOT, varint(len(encoded)), encoded,
        )  # fmt: skip
        self._go_behind(text, at, len(encoded))
        return update

    def inserted(self, at: int, text: str, update: bytes) -> None:
        """Learns the ids of an insertion from the update that the engine gave for it."""
        own = len(_INSERTS) + len(self._client)
        if update[:own] != _INSERTS + self._client or update[-1]:
            self.changed(((at, at, text),))  # not the one item that it should be
            return
        self._next, place = read_varint(update, own)
        info = update[place]
        ids = [b"", b""]
        place += 1
        for side, flag in enumerate((_ORIGIN, _RIGHT_ORIGIN)):
            if info & flag:
                _, clock = read_varint(update, place)
                _, end = read_varint(update, clock)
                ids[side], place = update[place:end], end
        self._left, self._right = ids
        self._go_behind(text, at, len(text.encode()))

    def deletion(self, start: int, end: int) -> bytes | None:
        """The update that deletes a range; None where the engine must search."""
        clocks = self._clocks.erase(start, end)
        if self._caret is not None and self._caret > start:
            self._caret = max(start, self._caret - (end - start))
        if NO_MARK in clocks:
            return None
        ranges = _ranges(clocks)
        return b"%b%b%b%b" % (
            _DELETES, self._client, varint(len(ranges)),
            b"".join(varint(first) + varint(length) for first, length in ranges),
        )  # fmt: skip

    def changed(self, spans: Iterable[Edit]) -> None:
        """The text changed in any other way, each span relative to the text after the one before."""
        self._caret = None
        for start, end, text in spans:
            self._clocks.erase(start, end)
            self._clocks.insert(start, equal_marks(NO_MARK, len(text.encode())))

    def _go_behind(self, text: str, at: int, size: int) -> None:
        """Puts the caret behind a text inserted between ``left`` and ``right``."""
        if size == len(text):
            self._clocks.insert(at, rising_marks(self._next, size))
            self._next += size
        else:
            # A clock counts UTF-16 units, which are no bytes here.
            self._clocks.insert(at, equal_marks(NO_MARK, size))
            self._next += len(text.encode("utf-16-le")) // 2
        self._caret = at + size
        self._left = self._client + varint(self._next - 1)


def _ranges(clocks: list[int]) -> list[tuple[int, int]]:
    """Where each row of clocks begins and how long it is, from the lowest on."""
    if len(clocks) == 1:
        return [(clocks[0], 1)]
    ranges: list[tuple[int, int]] = []
    for clock in sorted(clocks):
        if ranges and clock == ranges[-1][0] + ranges[-1][1]:
            ranges[-1] = ranges[-1][0], ranges[-1][1] + 1
        else:
            ranges.append((clock, 1))
    return ranges
