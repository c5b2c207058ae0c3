"""The list of documents and chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..typed_ahead import Meant
from .line_list import LineList

if TYPE_CHECKING:
    from ..app import PgcApp


class EntryList(LineList):
    """Its keys are paths."""

    HELP = """Documents and chats of this home. Enter opens the chosen one.
n makes a document, c a chat, j takes a link somebody gave you. s shares the chosen one with a contact
or by link, m shows who is in it, p shows the people you know."""

    HEADS = ("Name", "Kind", "Connection", "Saved")

    def action_open(self) -> None:
        if self.chosen is not None:
            cast("PgcApp", self.app).ahead.hold(self, Meant.TEXT)
        super().action_open()
