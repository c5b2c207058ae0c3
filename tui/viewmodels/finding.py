"""Finding text in a document: every match, and the next one from a place."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from peergos_collab.values import dataclass

MOST_MATCHES = 100_000


@dataclass(frozen=True, slots=True)
class Matches:
    """Where a query occurs: starts ascending, in code points; every match has ``length``."""

    query: str = ""
    starts: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        return len(self.query)

    def between(self, start: int, end: int) -> tuple[int, ...]:
        """Starts of the matches that touch ``start..end``."""
        first = bisect_right(self.starts, start - self.length)
        return self.starts[first : bisect_left(self.starts, end)]

    def next(self, offset: int) -> int | None:
        """The first match at or after an offset, going round."""
        if not self.starts:
            return None
        index = bisect_left(self.starts, offset)
        return self.starts[index % len(self.starts)]

    def previous(self, offset: int) -> int | None:
        """The last match that starts before an offset, going round."""
        if not self.starts:
            return None
        return self.starts[bisect_left(self.starts, offset) - 1]

    def words(self, offset: int) -> str:
        """``3 of 12``, or that there is none."""
        if not self.query:
            return ""
        if not self.starts:
            return "not found"
        count = f"{len(self.starts)}{'+' if len(self.starts) >= MOST_MATCHES else ''}"
        index = bisect_left(self.starts, offset)
        if index < len(self.starts) and self.starts[index] == offset:
            return f"{index + 1} of {count}"
        return f"{count} found"


def find_all(text: str, query: str) -> Matches:
    """All matches that do not overlap; upper and lower case are one, unless the query has upper case."""
    if not query:
        return Matches()
    flags = re.IGNORECASE if query == query.lower() else re.NOFLAG
    starts: list[int] = []
    for match in re.finditer(re.escape(query), text, flags):
        starts.append(match.start())
        if len(starts) >= MOST_MATCHES:
            break
    return Matches(query, tuple(starts))
