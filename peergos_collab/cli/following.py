"""Which messages of a chat were not shown yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..workspace.api import Message


class Following:
    """Tells each message once, and again when it was edited.

    A message of one's own has no id until it is sealed, which happens when somebody else is met; it
    is told when it is written, and not again when it gets its id.

    Args:
        known: what needs no telling.
    """

    def __init__(self, known: Sequence[Message] = ()) -> None:
        self._told: set[tuple[str, str]] = set()
        self._waiting: Counter[str] = Counter()
        self.fresh(known)

    def fresh(self, messages: Sequence[Message]) -> list[Message]:
        """The messages among ``messages`` (the end of a chat, oldest first) that are to be told now."""
        found = [message for message in messages if message.id and self._is_fresh(message)]
        unsealed: Counter[str] = Counter()
        for message in messages:
            if not message.id:
                unsealed[message.text] += 1
                if unsealed[message.text] > self._waiting[message.text]:
                    self._waiting[message.text] += 1
                    found.append(message)
        return found

    def _is_fresh(self, message: Message) -> bool:
        identity = (message.id, message.text)
        if identity in self._told:
            return False
        self._told.add(identity)
        if message.mine and self._waiting[message.text]:
            self._waiting[message.text] -= 1
            return False
        return True
