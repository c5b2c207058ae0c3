"""The difference of two texts as a few edits, in bounded time.

Lines that are unique in both texts and keep their order hold the texts together (the patience
method); what lies between is compared word by word while a fixed budget lasts, and replaced whole after.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from .edits import MOST_EDITS, Edit

_WORDS: Final = re.compile(r"\w+|[^\S\n]+|.|\n", re.DOTALL)
_PAIR: Final = 10_000
"""Words of the old times words of the new text beyond which a gap is replaced whole: difflib is quadratic."""
_BUDGET: Final = 400_000
"""The same, summed over a call: about half a second at worst."""

Gap = tuple[int, int, int, int]
"""old[a:b] became new[c:d], as (a, b, c, d)."""


def difference(old: str, new: str) -> list[Edit]:
    """Edits that turn one text into another, for ``Document.edit_many``.

    Not the shortest, but small where little changed; O(n log n) in all.

    Returns:
        (start, end, replacement) in code points of ``old``, ascending, not touching, at most
        ``MOST_EDITS``.
    """
    budget = _BUDGET
    gaps: list[Gap] = []
    for gap in _line_gaps(old, new):
        words = _WORDS.findall(old[gap[0] : gap[1]]), _WORDS.findall(new[gap[2] : gap[3]])
        work = len(words[0]) * len(words[1])
        if 0 < work <= min(_PAIR, budget):
            budget -= work
            gaps += _word_gaps(gap, *words)
        else:
            gaps.append(gap)
    trimmed = (_trim(old, new, gap) for gap in gaps)
    return [(a, b, new[c:d]) for a, b, c, d in _fewer([gap for gap in trimmed if gap is not None])]


def _line_gaps(old: str, new: str) -> Iterator[Gap]:
    """Where lines differ, in code points."""
    head = _common_head(old, new)
    # Back to a whole line, so that an unchanged beginning of a line does not make it a new one.
    head = old.rfind("\n", 0, head) + 1
    old_lines, new_lines = _split(old[head:]), _split(new[head:])
    old_starts, new_starts = _starts(old_lines, head), _starts(new_lines, head)
    for a, b, c, d in _between(_anchors(old_lines, new_lines), old_lines, new_lines):
        if b - a == d - c:
            # As many lines as before: most likely each was changed in place.
            yield from (
                (old_starts[i], old_starts[i + 1], new_starts[j], new_starts[j + 1])
                for i, j in zip(range(a, b), range(c, d), strict=True)
                if old_lines[i] != new_lines[j]
            )
        else:
            yield old_starts[a], old_starts[b], new_starts[c], new_starts[d]


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:]


def _starts(lines: Sequence[str], at: int) -> list[int]:
    starts = [at]
    for line in lines:
        at += len(line)
        starts.append(at)
    return starts


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of equal lines that are unique in both texts: the longest series that rises in both."""
    old_counts, new_counts = Counter(old), Counter(new)
    where = {line: j for j, line in enumerate(new)}
    pairs = [
        (i, where[line]) for i, line in enumerate(old) if old_counts[line] == 1 == new_counts.get(line, 0)
    ]
    # Longest rising subsequence by patience sorting, with a way back through the piles.
    tops: list[int] = []
    piles: list[int] = []
    back: list[int] = []
    for at, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        if pile == len(tops):
            tops.append(j)
            piles.append(at)
        else:
            tops[pile] = j
            piles[pile] = at
        back.append(piles[pile - 1] if pile else -1)
    chosen = []
    at = piles[-1] if piles else -1
    while at >= 0:
        chosen.append(pairs[at])
        at = back[at]
    return chosen[::-1]


def _between(
    anchors: Sequence[tuple[int, int]], old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of lines between the anchors, without the equal lines at both of their ends."""
    a = c = 0
    for b, d in (*anchors, (len(old), len(new))):
        last_old, last_new = b, d
        while a < b and c < d and old[a] == new[c]:
            a, c = a + 1, c + 1
        while a < b and c < d and old[b - 1] == new[d - 1]:
            b, d = b - 1, d - 1
        if a < b or c < d:
            yield a, b, c, d
        a, c = last_old + 1, last_new + 1


def _word_gaps(gap: Gap, old: list[str], new: list[str]) -> Iterator[Gap]:
    from difflib import SequenceMatcher  # 5 ms that opening a document does not need

    old_starts, new_starts = _starts(old, gap[0]), _starts(new, gap[2])
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what != "equal":
            yield old_starts[a], old_starts[b], new_starts[c], new_starts[d]


def _trim(old: str, new: str, gap: Gap) -> Gap | None:
    """A gap without the characters that are equal at both of its ends; None if nothing is left."""
    a, b, c, d = gap
    head = _common_head(old[a:b], new[c:d])
    a, c = a + head, c + head
    tail = _common_head(old[a:b][::-1], new[c:d][::-1])
    b, d = b - tail, d - tail
    return (a, b, c, d) if a < b or c < d else None


def _fewer(gaps: list[Gap]) -> list[Gap]:
    """Joins gaps that touch, and more where one transaction could not hold them all."""
    joined: list[Gap] = []
    for gap in gaps:
        if joined and joined[-1][1] == gap[0] and joined[-1][3] == gap[2]:
            joined[-1] = (joined[-1][0], gap[1], joined[-1][2], gap[3])
        else:
            joined.append(gap)
    group = -(-len(joined) // MOST_EDITS) or 1
    runs = [joined[i : i + group] for i in range(0, len(joined), group)]
    return [(run[0][0], run[-1][1], run[0][2], run[-1][3]) for run in runs]


def _common_head(old: str, new: str) -> int:
    """Length of the common beginning, by halving: comparing slices runs at memory speed."""
    low, high = 0, min(len(old), len(new))
    if old[:high] == new[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle
    return low
