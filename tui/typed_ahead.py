"""What was typed before the text it is meant for was open: kept, and given to it in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from .textual_private import taken_from_queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.widget import Widget

Typed = events.Key | events.Paste
_QUIT = "ctrl+q"


class TypedAhead:
    """While it holds no key reaches a screen: on a list a letter is a command, and could remove something."""

    def __init__(self) -> None:
        self._held: list[Typed] | None = None

    def hold(self, widget: Widget) -> None:
        """From now on keys are kept; so are those that wait for ``widget``, which had them first."""
        if self._held is None:
            waiting: list[Typed] = taken_from_queue(widget, Typed)
            self._held = [_anew(event) for event in waiting]

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

    async def give(self, deal_with: Callable[[Typed], Awaitable[None]]) -> None:
        """Gives away what was kept, oldest first; what comes meanwhile is part of it."""
        while self._held:
            await deal_with(self._held.pop(0))
        self._held = None

    def drop(self) -> bool:
        """Forgets what was kept, for there is no text it could go to. Returns whether there was anything."""
        held, self._held = self._held, None
        return bool(held)


def _anew(event: Typed) -> Typed:
    """An event that is still to be sent somewhere: Textual sends each only once."""
    if isinstance(event, events.Key):
        return events.Key(event.key, event.character)
    return events.Paste(event.text)
