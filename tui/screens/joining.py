"""Joining by a link that somebody gave."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Label

from ..widgets.field import Field
from .taking import Taking


class Join(Taking[str]):
    """Takes a link; gives the name under which the content is here."""

    title_words = "Join by link"

    HELP = """Paste the whole link, from 'pgc://' to its last character.
A name of your own and a password are only needed where you want one or were given one."""

    field_id = "link"
    missing = "Paste the link first."
    working = "Joining… the content is fetched and checked."

    def body(self) -> ComposeResult:
        yield Label("The link somebody gave you")
        yield Field(id="link", placeholder="pgc://…")
        yield Label("Your name for it (may stay empty)")
        yield Field(id="name")
        yield Label("Password of the link (if it has one)")
        yield Field(id="password", password=True)
        yield from self.buttons("Join")

    async def take(self, text: str) -> str:
        return await self.workspace.join(text, self.field("name").strip(), password=self.field("password"))
