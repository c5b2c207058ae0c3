"""Time and randomness are passed in, so that tests own both."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], int]
"""Wall-clock time in milliseconds since 1970. Never used to decide who is right."""

Random = Callable[[int], bytes]
"""``random(n)`` gives n unpredictable bytes; ``os.urandom`` outside tests."""
