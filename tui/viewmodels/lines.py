"""A line of a list."""

from __future__ import annotations

from peergos_collab.values import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: what it is known by, and what is shown of it, made safe to show.

    ``tone`` colours the second cell: ``good``, ``warn``, ``call`` (it wants an answer), or nothing.
    """

    key: str
    cells: tuple[str, ...]
    tone: str = ""
