"""Local events of a chat that have no place in the order yet, and the messages among them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from .events import ChatEvent, Message, Reply

Timed = tuple[int, ChatEvent]
"""When it was made, in ms since 1970, and what."""


class Waiting:
    """See the module's text. A message is counted, found and shown at no cost for the others."""

    def __init__(self) -> None:
        self.events: list[Timed] = []
        """All of them, in order; read it, never write it."""
        self.messages: list[tuple[int, Message | Reply]] = []
        """Those that are shown, likewise."""

    def __bool__(self) -> bool:
        return bool(self.events)

    def add(self, events: Iterable[Timed]) -> None:
        for time, event in events:
            self.events.append((time, event))
            if isinstance(event, Message | Reply):
                self.messages.append((time, event))

    def drop(self, count: int) -> None:
        """The first ones have their place."""
        shown = sum(isinstance(event, Message | Reply) for _, event in islice(self.events, count))
        del self.events[:count], self.messages[:shown]
