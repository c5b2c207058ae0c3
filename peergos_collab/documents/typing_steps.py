"""Which edits undo takes back together: a word typed, or a run of characters erased."""

from __future__ import annotations

from typing import Final

PAUSE: Final = 500
"""Milliseconds without typing after which a new step of undo begins."""


class TypingSteps:
    """See the module's text."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._inserts: bool | None = None
        self._at = 0
        self._time: int | None = None
        self._after_space = False

    def goes_on(self, start: int, end: int, replacement: str, now: int | None) -> bool:
        """Whether this edit belongs to the step of the one before."""
        inserts = bool(replacement)
        together = self._inserts is inserts and self._in_time(now)
        if inserts:
            single = start == end and len(replacement) == 1
            space = replacement.isspace()
            together = together and single and start == self._at and not (self._after_space and not space)
            self._at = start + len(replacement)
            self._after_space = space
        else:
            # Backspace ends where the last one began; the delete key begins there.
            together = together and self._at in {start, end}
            self._at = start
        self._inserts, self._time = inserts, now
        return together

    def _in_time(self, now: int | None) -> bool:
        return now is None or self._time is None or 0 <= now - self._time < PAUSE
