"""Soft wrap: where the pieces of one line of text begin, for a width in cells.

A line is only laid out when it is looked at. Very long lines keep what was laid out before an
edit and after the place where old and new breaks meet again.
"""

from __future__ import annotations

from bisect import bisect_right

from peergos_collab.values import dataclass

from .cells import cell, plain, tab
from .clusters import cluster_end, cluster_ends

LONG = 2000
"""Code points from which on a line is not laid out anew where an earlier layout can serve."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A line and the code points at which its pieces start; the first is 0."""

    text: str
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.starts)

    def piece_of(self, column: int) -> int:
        """The piece that shows ``column``; the end of the line belongs to the last one."""
        return max(0, bisect_right(self.starts, column) - 1)

    def bounds(self, piece: int) -> tuple[int, int]:
        after = piece + 1
        return self.starts[piece], self.starts[after] if after < len(self.starts) else len(self.text)

    def piece(self, piece: int) -> str:
        start, end = self.bounds(piece)
        return self.text[start:end]

    def clusters(self, piece: int) -> list[int]:
        """Every cluster boundary of a piece, as columns of the line, with both its ends."""
        start, end = self.bounds(piece)
        return [start, *(start + stop for stop in cluster_ends(self.text[start:end]))]


def wrap(text: str, width: int, before: Wrapped | None = None) -> Wrapped:
    """Breaks after white space and between wide characters, else wherever the width ends.

    Args:
        text: one line, without its "\\n".
        width: cells per piece, at least 2.
        before: an earlier state of the same line at the same width, to save work.
    """
    if len(text) <= width and plain(text):
        return Wrapped(text, (0,))
    starts, shift, resume = _reusable(text, before)
    old = before.starts if before is not None else ()
    while True:
        following = _break_after(text, starts[-1], width)
        if following >= len(text):
            return Wrapped(text, tuple(starts))
        starts.append(following)
        if following >= resume:
            index = bisect_right(old, following - shift) - 1
            if index >= 0 and old[index] == following - shift:
                starts.extend(start + shift for start in old[index + 1 :])
                return Wrapped(text, tuple(starts))


def _reusable(text: str, before: Wrapped | None) -> tuple[list[int], int, int]:
    """Breaks before an edit, how far those after it moved, and from where they may be taken over."""
    if before is None or len(text) < LONG:
        return [0], 0, len(text) + 1
    same_head = _common(text, before.text)
    limit = min(len(text), len(before.text)) - same_head
    same_tail = _common_tail(text, before.text, limit)
    keep = max(1, bisect_right(before.starts, same_head) - 2)
    # A cluster may reach over the end of the edit, so the breaks just behind it are not trusted.
    return list(before.starts[:keep]), len(text) - len(before.text), len(text) - same_tail + 64


def _common(one: str, two: str) -> int:
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_tail(one: str, two: str, limit: int) -> int:
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == two[len(two) - middle : len(two) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _break_after(text: str, start: int, width: int) -> int:
    """Where the piece that begins at ``start`` ends."""
    window = text[start : start + width + 1]
    if plain(window):
        if len(window) <= width:
            return len(text)
        space = window.rfind(" ", 0, width)
        return start + (space + 1 if space > 0 else width)
    x = 0
    position = start
    best = 0
    while position < len(text):
        end = cluster_end(text, position)
        cluster = text[position:end]
        if cluster == "\r" and end == len(text):
            return end
        cells = tab(x)[1] if cluster == "\t" else cell(cluster)[1]
        if x + cells > width and position > start:
            return best or position
        x += cells
        position = end
        if cluster in (" ", "\t") or (cells == 2 and cluster[0] >= "\u2e80"):
            best = end
    return len(text)
