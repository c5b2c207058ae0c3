"""Pieces of wrapped lines as cells: what is drawn where, and which column a cell belongs to."""

from __future__ import annotations

from itertools import pairwise

from peergos_collab.values import dataclass

from .cells import cell, is_mark, plain, tab
from .wrap import Wrapped


@dataclass(frozen=True, slots=True)
class Drawn:
    """A cluster as drawn: its columns in the row, its cells in the piece, and its look."""

    start: int
    end: int
    x: int
    width: int
    look: str
    mark: bool


def drawn(layout: Wrapped, piece: int) -> list[Drawn]:
    """The clusters of a piece from left to right. A "\\r" at the end of the row takes no cell."""
    found: list[Drawn] = []
    columns = layout.clusters(piece)
    x = 0
    for start, end in pairwise(columns):
        cluster = layout.text[start:end]
        if cluster == "\r" and end == len(layout.text):
            look, width = "", 0
        elif cluster == "\t":
            look, width = tab(x)
        else:
            look, width = cell(cluster)
        found.append(Drawn(start, end, x, width, look, is_mark(cluster)))
        x += width
    return found


def cells_before(layout: Wrapped, piece: int, column: int) -> int:
    """The cell at which ``column`` is drawn; inside a cluster, the cluster's first."""
    start, end = layout.bounds(piece)
    if plain(layout.text[start:end]):
        return column - start
    x = 0
    for one in drawn(layout, piece):
        if column < one.end:
            return one.x
        x = one.x + one.width
    return x


def column_at(layout: Wrapped, piece: int, x: int) -> int:
    """The column of the cluster that covers cell ``x``, or the end of the piece."""
    start, end = layout.bounds(piece)
    if plain(layout.text[start:end]):
        return min(start + max(0, x), end)
    for one in drawn(layout, piece):
        if x < one.x + one.width:
            return one.start
    return end
