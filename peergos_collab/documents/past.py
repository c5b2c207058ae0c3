"""The past of a text: the changes that made it, in order, and what the text was after each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..values import dataclass
from .edits import Edit
from .lines import LineIndex
from .marks import Marks, equal_marks


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of text that one change inserted.

    Args:
        start, end: code points.
        change: which one, counted from 0.
    """

    start: int
    end: int
    change: int


class Past:
    """A text from its begin on, change by change."""

    def __init__(self) -> None:
        self._changes: list[Sequence[Edit]] = []

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, edits: Sequence[Edit]) -> None:
        """The next change: (start, end, inserted), each relative to the text after the one before."""
        self._changes.append(edits)

    def text(self, count: int) -> str:
        """The text after the first ``count`` changes; O(log n) for each of their edits."""
        lines = LineIndex()
        for edits in self._changes[:count]:
            for edit in edits:
                lines.replace(*edit)
        return lines.text()

    def size(self, start: int, stop: int) -> tuple[int, int]:
        """Code points inserted and removed by some changes, those from ``start`` up to ``stop``."""
        edits = [edit for change in self._changes[start:stop] for edit in change]
        return sum(len(text) for _, _, text in edits), sum(end - begin for begin, end, _ in edits)

    def stretches(self, count: int) -> list[Stretch]:
        """Which of the first ``count`` changes the text after them comes from, piece by piece."""
        marks = Marks(0)
        for change, edits in enumerate(self._changes[:count]):
            for start, end, text in edits:
                marks.erase(start, end)
                if text:
                    marks.insert(start, equal_marks(change, len(text)))
        stretches: list[Stretch] = []
        start = 0
        for change, places in groupby(marks):
            end = start + sum(1 for _ in places)
            stretches.append(Stretch(start, end, change))
            start = end
        return stretches
