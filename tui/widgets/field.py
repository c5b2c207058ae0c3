"""A field of one line."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from ..textual_private import KeysInOrder, Unbroken


class Field(KeysInOrder, Unbroken, Input):
    """An ``Input`` without a frame, in which keys act in the order they were pressed."""

    def __init__(
        self,
        value: str = "",
        *,
        id: str,
        placeholder: str = "",
        password: bool = False,
        max_length: int = 0,
    ) -> None:
        super().__init__(value, placeholder, password=password, max_length=max_length, compact=True, id=id)

    async def on_key(self, event: events.Key) -> None:
        if event.character == "\u200d":
            # Joins the parts of an emoji; the input below would drop it as not printable.
            event.stop()
            event.prevent_default()
            self.insert_text_at_cursor(event.character)
