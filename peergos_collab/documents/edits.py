"""What an edit of a text is, how many go into one transaction, and what is told of them."""

from __future__ import annotations

from typing import Final

from ..values import dataclass

Edit = tuple[int, int, str]
"""(start, end, replacement) in code points."""

MOST_EDITS: Final = 2_000
"""In one transaction: beyond, colleagues could refuse the update, and the engine slows down steeply."""


@dataclass(frozen=True, slots=True)
class Change:
    """The text changed.

    Args:
        edits: (start, end, inserted) in code points, each relative to the text after the one before.
        local: made through this ``Document``, not received or replayed.
        undo: made by undo or redo.
    """

    edits: tuple[Edit, ...]
    local: bool
    undo: bool
