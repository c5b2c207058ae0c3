"""Notices when this machine has slept, or has moved to another network.

No system's own notices are used: each has others, and a look costs microseconds. While a machine sleeps its
monotonic clock stands still and the wall clock goes on. A clock that is set looks the same, and costs no more
than a needless look at each connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from ..ports import Clock

LOOK_SECONDS: Final = 2.0
ASLEEP_SECONDS: Final = 5.0
"""Of wall clock beyond the loop's; a busy machine's timers are late by less, and on both clocks."""

_FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses of nobody. Nothing is sent there: the system only says by which address it would be."""


def own_addresses() -> tuple[str, ...]:
    """By which addresses this machine reaches the world, IPv4 and IPv6; empty where it does not."""
    found = []
    for family, far in _FAR:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            found.append("")
    return tuple(found)


class Surroundings:
    """See the module's text.

    Args:
        told: called after a sleep, and after a move; with whether it was a move.
    """

    def __init__(
        self, clock: Clock, told: Callable[[bool], None], addresses: Callable[[], object] = own_addresses
    ) -> None:
        self._clock = clock
        self._told = told
        self._addresses = addresses
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen: object = None
        self._apart = 0.0

    def start(self) -> None:
        if self._timer is None:
            self._seen, self._apart = self._addresses(), self._ahead()
            self._plan()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _ahead(self) -> float:
        """How far the wall clock is ahead of the loop's, in seconds."""
        return self._clock() / 1000 - self._loop.time()

    def _look(self) -> None:
        self._plan()
        seen, apart = self._addresses(), self._ahead()
        moved, slept = seen != self._seen, apart - self._apart > ASLEEP_SECONDS
        self._seen, self._apart = seen, apart
        if moved or slept:
            self._told(moved)
