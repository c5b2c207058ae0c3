"""How a cluster looks in a terminal: which text, how many cells. Nothing foreign reaches it raw.

Controls, line separators that are not "\\n", and invisible formatting (which can make text read
other than it is) become visible marks one cell wide.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len

from .clusters import cluster_ends

TAB_WIDTH = 4

_MARKS = {"\u2028": "⏎", "\u2029": "¶", "\x85": "␤", "\x7f": "␡"}
_UNKNOWN = "␦"


@lru_cache(4096)
def cell(cluster: str) -> tuple[str, int]:
    """What is drawn for a cluster, and its width in cells, 1 or more. Tabs: see ``tab``."""
    first = cluster[0]
    if first < " ":
        return chr(0x2400 + ord(first)), 1
    if " " <= cluster <= "~" and len(cluster) == 1:
        return cluster, 1
    if first in _MARKS:
        return _MARKS[first], 1
    category = unicodedata.category(first)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and len(cluster) == 1):
        return _UNKNOWN, 1
    cluster = "".join(char for char in cluster if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"))
    width = cell_len(cluster)
    if width == 0:
        cluster = "◌" + cluster
        width = cell_len(cluster)
    return (cluster, width) if width else (_UNKNOWN, 1)


def is_mark(cluster: str) -> bool:
    """Whether a mark stands in for the cluster, to be drawn fainter than text."""
    return cluster == "\t" or (
        cell(cluster)[0] != cluster and not unicodedata.category(cluster[0]).startswith("M")
    )


def tab(x: int) -> tuple[str, int]:
    """A tab at cell ``x`` of its line: an arrow and the way to the next stop."""
    width = TAB_WIDTH - x % TAB_WIDTH
    return "→" + " " * (width - 1), width


def plain(text: str) -> bool:
    """Whether every character is one cell wide and drawn as itself."""
    return text.isascii() and text.isprintable()


def shown(text: str, limit: int = 10_000) -> str:
    """Foreign text made safe to show on one line: controls become marks, at most ``limit`` cells."""
    drawn: list[str] = []
    used = 0
    text = text[: limit * 4]
    start = 0
    for end in cluster_ends(text):
        look, width = (" ", 1) if text[start] == "\t" else cell(text[start:end])
        if used + width > limit:
            while drawn and used + 1 > limit:
                used -= cell_len(drawn.pop())
            return "".join(drawn) + "…" if limit > 0 else ""
        drawn.append(look)
        used += width
        start = end
    return "".join(drawn)
