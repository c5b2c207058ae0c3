"""What was typed before that is there which it is meant for: kept, and given to it in its order."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from textual import events

from .textual_private import taken_from_queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.widget import Widget

Typed = events.Key | events.Paste
_QUIT = "ctrl+q"


class Meant(Enum):
    """What it is for."""

    FIELD = "the next field of a dialog"
    TEXT = "a document or a chat"


class TypedAhead:
    """While it holds no key reaches a screen: on a list a letter is a command, and could remove something."""

    def __init__(self) -> None:
        self._held: list[Typed] | None = None
        self._meant = Meant.TEXT
        self._held_times = 0

    def hold(self, widget: Widget, meant: Meant) -> None:
        """From now on keys are kept; so are those that wait for ``widget``, which had them first."""
        waiting: list[Typed] = taken_from_queue(widget, Typed)
        self._held = [*(_anew(event) for event in waiting), *(self._held or ())]
        self._meant = meant
        self._held_times += 1

    def takes(self, event: events.Event) -> bool:
        """Whether a new event is kept for later."""
        if self._held is None or not isinstance(event, Typed) or event.is_forwarded:
            return False
        if isinstance(event, events.Key) and event.key == _QUIT and self._wants_to_quit():
            return False  # said twice: it may be that nothing ever opens
        self._held.append(event)
        return True

    def _wants_to_quit(self) -> bool:
        return any(isinstance(one, events.Key) and one.key == _QUIT for one in self._held or ())

    async def give(self, meant: Meant, deal_with: Callable[[Typed], Awaitable[None]]) -> None:
        """Gives away what was kept, if it is meant for this, oldest first, and what comes meanwhile.

        Stops where something given has keys held anew: what is left is for what comes then.
        """
        if meant is not self._meant:
            return
        times = self._held_times
        while self._held and times == self._held_times:
            await deal_with(self._held.pop(0))
        if times == self._held_times:
            self._held = None

    def drop(self, meant: Meant | None = None) -> bool:
        """Forgets what was kept, for this or for anything, that never came. Returns whether there was any."""
        if meant is not None and meant is not self._meant:
            return False
        held, self._held = self._held, None
        return bool(held)


def _anew(event: Typed) -> Typed:
    """An event that is still to be sent somewhere: Textual sends each only once."""
    if isinstance(event, events.Key):
        return events.Key(event.key, event.character)
    return events.Paste(event.text)
