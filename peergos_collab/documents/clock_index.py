"""Under which clock each byte of a text was typed, as far as that is known, found by its place."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate
from typing import Final

LARGEST: Final = 8192
"""Clocks in a chunk before it is cut in two: moving 32 KiB costs less than a function call."""
_NOT_KNOWN: Final = array("i", (-1,))


class ClockIndex:
    """Clocks of one client in the order of the text, in chunks; four bytes of memory for each byte.

    Args:
        length: bytes of the text, of which nothing is known.
    """

    __slots__ = ("_at", "_before", "_chunks")

    def __init__(self, length: int) -> None:
        self._chunks = [
            _NOT_KNOWN * min(LARGEST // 2, length - at) for at in range(0, length, LARGEST // 2)
        ] or [_NOT_KNOWN * 0]
        self._at = self._before = 0

    def insert(self, at: int, clock: int, length: int) -> None:
        """Bytes under clocks in a row, each one more than the one before it."""
        self._insert(at, array("i", (clock,) if length == 1 else range(clock, clock + length)))

    def insert_unknown(self, at: int, length: int) -> None:
        """Bytes of others, or of characters that take more than one."""
        self._insert(at, _NOT_KNOWN * length)

    def _insert(self, at: int, clocks: array[int]) -> None:
        inside = self._seek(at)
        chunk = self._chunks[self._at]
        chunk[inside:inside] = clocks
        if len(chunk) > LARGEST:
            half = LARGEST // 2
            self._chunks[self._at : self._at + 1] = [chunk[i : i + half] for i in range(0, len(chunk), half)]

    def erase(self, start: int, end: int) -> list[int] | None:
        """Takes bytes away; returns their clocks in the order of the text, or None if one is not known."""
        clocks: list[int] = []
        left = end - start
        while left:
            inside = self._seek(start)
            chunk = self._chunks[self._at]
            if inside == len(chunk):
                self._before += inside
                self._at += 1
                continue
            cut = chunk[inside : inside + left]
            clocks += cut
            del chunk[inside : inside + left]
            left -= len(cut)
            if not chunk and len(self._chunks) > 1:
                del self._chunks[self._at]
                self._jump(start)
        return None if -1 in clocks else clocks

    def _seek(self, at: int) -> int:
        """Goes to the chunk that holds a place, or ends there; returns the place within."""
        inside = at - self._before
        if not 0 <= inside <= len(self._chunks[self._at]):
            self._jump(at)
            inside = at - self._before
        return inside

    def _jump(self, at: int) -> None:
        ends = list(accumulate(map(len, self._chunks)))
        self._at = min(bisect_right(ends, at), len(ends) - 1)
        self._before = ends[self._at - 1] if self._at else 0
