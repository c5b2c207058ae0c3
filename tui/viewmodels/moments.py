"""Days, as this place's calendar has them."""

from __future__ import annotations

from datetime import UTC, datetime

_LAST = 1 << 45
"""Milliseconds since 1970 that every clock and calendar can show."""


def day(milliseconds: int) -> str:
    """``3 December 2026``; empty where there is no such day."""
    if not 0 < milliseconds < _LAST:
        return ""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone()
    return f"{at.day} {at:%B %Y}"
