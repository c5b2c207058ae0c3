"""When a member makes a snapshot or a base of one object for others: in a pause, at a moment of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ..errors import Conflict
from ..objects.prunes import Forgets
from ..ports import Random
from ..sync.causal_order import CausalOrder
from ..sync.replica import Replica
from ..sync.sealing import Collected

SNAPSHOT_SEGMENTS: Final = 1000
"""A newcomer replays so many segments in a fraction of a second; beyond, a snapshot helps."""

SNAPSHOT_SHARE: Final = 50
"""Bytes of text for each segment before the next snapshot, which so adds about as much to each at most."""

QUIET_SECONDS: Final = 0.5
"""A snapshot costs time in proportion to the document, so it waits for a pause in typing."""

SNAPSHOT_SECONDS: Final = 2.0
"""Within which each who can, at a moment of its own, makes a snapshot that is due, if nobody has."""

BASE_SECONDS: Final = 1.0
"""Within which each who can, at a moment of its own, makes a base that is due, if nobody has: whoever waits
for it sees nothing new until then."""


class StatesDue:
    """See the module's text.

    Args:
        free: whether nothing is being appended, the disk takes writes and what is here is verified.
        append: makes what was collected durable, and sends it.
    """

    def __init__(
        self,
        replica: Replica,
        random: Random,
        free: Callable[[], bool],
        append: Callable[[Collected], None],
    ) -> None:
        self._replica = replica
        self._random = random
        self._free = free
        self._append = append
        self._loop = asyncio.get_running_loop()
        self._snapshot_timer: asyncio.TimerHandle | None = None
        self._base_timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def plan_snapshot(self) -> None:
        """A snapshot is due once enough came since the last one that its cost is small beside it.

        It waits for a pause, and a moment more: most likely somebody else makes it.
        """
        if self._stopped or not self._snapshot_is_due():
            return
        if self._snapshot_timer is not None:
            self._snapshot_timer.cancel()  # typing goes on: the pause begins anew
        moment = self._moment(SNAPSHOT_SECONDS)
        self._snapshot_timer = self._loop.call_later(QUIET_SECONDS + moment, self._snapshot_due)

    def _snapshot_is_due(self) -> bool:
        share = self._replica.fold.size // SNAPSHOT_SHARE
        return self._replica.order.snapshots.is_due(max(SNAPSHOT_SEGMENTS, share))

    def _snapshot_due(self) -> None:
        self._snapshot_timer = None
        if self._snapshot_is_due():
            self.snapshot()

    def snapshot(self) -> None:
        """Makes a snapshot, unless something is under way or the history is not verified."""
        if self._free():
            self._make(self._replica.make_snapshot)

    def plan_base(self) -> None:
        """A base is made after a moment where one is due: most likely somebody else makes it."""
        if self._base_timer is None and not self._stopped and self._replica.base_is_due:
            self._base_timer = self._loop.call_later(self._moment(BASE_SECONDS), self._base_due)

    def _base_due(self) -> None:
        self._base_timer = None
        if self._replica.base_is_due:
            try:
                self.base()
            except Conflict as error:
                words = f"somebody who was added from now on waits for it: {error.message}"
                if words not in self._replica.problems:
                    self._replica.problems.append(words)

    def base(self) -> bool:
        """Makes a base, unless something is under way: after that it is planned again. Raises Conflict."""
        return self._free() and self._make(self._replica.make_base)

    def base_for_all(self, past: CausalOrder | None) -> Forgets | None:
        """Makes a base that can stand for all, as ``base``; None where now is not the time."""
        made = self._replica.make_base_for_all(past) if self._free() else None
        if made is None:
            return None
        self._append(made[0])
        return made[1]

    def _make(self, collect: Callable[[], Collected | None]) -> bool:
        collected = collect()
        if collected is not None:
            self._append(collected)
        return collected is not None

    def _moment(self, seconds: float) -> float:
        return self._random(1)[0] / 255 * seconds

    def stop(self) -> None:
        """Plans nothing more."""
        self._stopped = True
        for timer in (self._snapshot_timer, self._base_timer):
            if timer is not None:
                timer.cancel()
        self._snapshot_timer = self._base_timer = None
