"""The numbers of what a node signs: each is higher than all before it, across restarts too.

They follow the clock, so that a node which was set back to an older copy of its store goes on above what
it has signed since. Where the clock is wrong they just count on.
"""

from __future__ import annotations

from typing import Final

from ..errors import Damaged
from ..ports import Batch, Clock, PutValue, SegmentStore

NUMBERS: Final = "numbers"
AHEAD: Final = 100
"""Numbers set aside at once: ten small writes a second at most, and after a restart numbers are ahead of the
clock by less time than a restart takes."""


class Numbering:
    """See the module's text."""

    def __init__(self, store: SegmentStore, clock: Clock) -> None:
        self._clock = clock
        self._last = self._set_aside = _stored(store)

    def next(self) -> int:
        """For what is true of the node's books at this very moment."""
        self._last = max(self._last + 1, self._clock())
        return self._last

    def batch(self) -> Batch:
        """What has to be durable before the last number leaves the node."""
        if self._last <= self._set_aside:
            return []
        self._set_aside = self._last + AHEAD
        return [PutValue(NUMBERS, b"", self._set_aside.to_bytes(8, "big"))]


def _stored(store: SegmentStore) -> int:
    try:
        return int.from_bytes(store.value(NUMBERS, b"") or b"", "big")
    except Damaged:
        return 0  # the clock goes on from where it is
