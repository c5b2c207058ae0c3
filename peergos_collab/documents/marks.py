"""A number for each place of a text, moving with it: a clock for each byte, a change for each character."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

LARGEST: Final = 8192
"""Marks in a chunk before it is cut: moving 32 KiB costs less than a function call."""
NO_MARK: Final = -1


def equal_marks(mark: int, length: int) -> array[int]:
    """The same mark for several places."""
    return array("i", (mark,)) * length


def rising_marks(first: int, length: int) -> array[int]:
    """Marks of which each is one more than the one before."""
    return array("i", (first,) if length == 1 else range(first, first + length))


class Marks:
    """Marks in the order of the text, in chunks; four bytes of memory for each.

    Args:
        length: of the text, whose places have ``NO_MARK`` at first.
    """

    __slots__ = ("_at", "_before", "_chunks")

    def __init__(self, length: int) -> None:
        chunk = LARGEST // 2
        self._chunks = [equal_marks(NO_MARK, min(chunk, length - at)) for at in range(0, length, chunk)]
        self._chunks = self._chunks or [array("i")]
        self._at = self._before = 0

    def __iter__(self) -> Iterator[int]:
        for chunk in self._chunks:
            yield from chunk

    def insert(self, at: int, marks: array[int]) -> None:
        """Puts marks before a place."""
        inside = self._seek(at)
        chunk = self._chunks[self._at]
        chunk[inside:inside] = marks
        if len(chunk) > LARGEST:
            half = LARGEST // 2
            self._chunks[self._at : self._at + 1] = [chunk[i : i + half] for i in range(0, len(chunk), half)]

    def erase(self, start: int, end: int) -> list[int]:
        """Takes places away; returns what marks they had."""
        erased: list[int] = []
        left = end - start
        while left:
            inside = self._seek(start)
            chunk = self._chunks[self._at]
            if inside == len(chunk):
                self._before += inside
                self._at += 1
                continue
            cut = chunk[inside : inside + left]
            erased += cut
            del chunk[inside : inside + left]
            left -= len(cut)
            if not chunk and len(self._chunks) > 1:
                del self._chunks[self._at]
                self._jump(start)
        return erased

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
