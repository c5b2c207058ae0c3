"""How long an edit took from one person's keyboard to the other's text, on this machine's one clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from ...values import dataclass

Sample = tuple[int, int]
"""(clock of the writer's CRDT client, monotonic ns)."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """In ms; ``count`` edits were timed."""

    count: int
    p50: float
    p90: float
    p99: float

    def fields(self) -> dict[str, float]:
        return {"count": self.count, "p50": self.p50, "p90": self.p90, "p99": self.p99}

    def line(self) -> str:
        if not self.count:
            return "nothing was timed"
        return (
            f"p50 {self.p50} ms, p90 {self.p90} ms, p99 {self.p99} ms from edit to edit ({self.count} timed)"
        )


def percentiles(reports: Sequence[dict[str, Any]]) -> Percentiles:
    """Of both directions together.

    Args:
        reports: of the two people: ``written`` and ``arrived`` samples each.
    """
    one, other = reports
    found = sorted(delays(one["written"], other["arrived"]) + delays(other["written"], one["arrived"]))
    return Percentiles(len(found), *(_at(found, share) for share in (0.5, 0.9, 0.99)))


def delays(written: Sequence[Sample], arrived: Sequence[Sample]) -> list[float]:
    """For each edit that added text, the ms until the other end had it.

    Edits that only delete do not advance a client's clock, and are left out.
    """
    clocks = [clock for clock, _ in arrived]
    found, before = [], -1
    for clock, at in written:
        place = bisect_left(clocks, clock)
        if clock > before >= 0 and place < len(arrived):
            found.append((arrived[place][1] - at) / 1e6)
        before = clock
    return found


def _at(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0
