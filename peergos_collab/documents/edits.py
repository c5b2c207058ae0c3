"""What an edit of a text is, and how many go into one transaction."""

from __future__ import annotations

from typing import Final

Edit = tuple[int, int, str]
"""(start, end, replacement) in code points."""

MOST_EDITS: Final = 2_000
"""In one transaction: beyond, colleagues could refuse the update, and the engine slows down steeply."""
