"""A field of one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.widgets import Input

from ..textual_private import KeysInOrder, Unbroken
from ..typed_ahead import Meant

if TYPE_CHECKING:
    from ..app import PgcApp


class Field(KeysInOrder, Unbroken, Input):
    """An ``Input`` without a frame, in which keys act in the order they were pressed.

    ``before_text``: Enter in it opens a text, and what is typed behind Enter is for that text.
    ``before_field``, set by its dialog: Enter goes to another field, as what is typed behind it does.
    """

    def __init__(
        self,
        value: str = "",
        *,
        id: str,
        placeholder: str = "",
        password: bool = False,
        max_length: int = 0,
        before_text: bool = False,
    ) -> None:
        super().__init__(value, placeholder, password=password, max_length=max_length, compact=True, id=id)
        self._before_text = before_text
        self.before_field = False

    async def action_submit(self) -> None:
        if self.before_field:
            cast("PgcApp", self.app).ahead.hold(self, Meant.FIELD)
        elif self._before_text and self.value.strip():
            cast("PgcApp", self.app).ahead.hold(self, Meant.TEXT)
        await super().action_submit()

    async def on_key(self, event: events.Key) -> None:
        if event.character == "\u200d":
            # Joins the parts of an emoji; the input below would drop it as not printable.
            event.stop()
            event.prevent_default()
            self.insert_text_at_cursor(event.character)
