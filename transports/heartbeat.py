"""When to give a sign of life and when to miss one: pure, time comes in as seconds."""

from __future__ import annotations

import enum
from typing import Final

PING_AFTER: Final = 1.0
"""Seconds without sending."""
LOST_AFTER: Final = 3.0
"""Seconds without receiving."""
STALL: Final = 1.0
"""A tick so much too late means that this process stood still, so silence proves nothing yet."""


class Verdict(enum.Enum):
    FINE = "fine"
    PING = "ping"
    LOST = "lost"


class Heartbeat:
    def __init__(self, now: float) -> None:
        self._sent = self._received = now
        self._due = now + PING_AFTER

    def sent(self, now: float) -> None:
        self._sent = now

    def received(self, now: float) -> None:
        self._received = now

    def delay(self, now: float) -> float:
        """Seconds until ``tick`` has to be called."""
        self._due = max(now, min(self._sent + PING_AFTER, self._received + LOST_AFTER))
        return self._due - now

    def tick(self, now: float) -> Verdict:
        if now - self._due > STALL:
            self._received = now
        # The clock's steps may put a timer a hair before its time.
        now += 0.001
        if now - self._received >= LOST_AFTER:
            return Verdict.LOST
        if now - self._sent >= PING_AFTER:
            return Verdict.PING
        return Verdict.FINE
