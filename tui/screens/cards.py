"""Contact cards: showing one's own, and adding somebody by theirs."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Label

from peergos_collab.workspace.api import Contact

from ..widgets.field import Field
from .giving import Giving
from .taking import Taking


class OwnCard(Giving):
    """Shows this account's card."""

    title_words = "Your contact card"
    what = "card"
    FILE = "contact-card.png"
    note = (
        "Give it to people who are to share with you. It is no secret: whoever has it can ask to be a "
        "contact, and you decide."
    )

    HELP = """Give this to somebody who is to share with you: as text by any way, or as QR code.
It is no secret. c copies it, ctrl+r shows the QR code, ctrl+s saves
that as a picture."""


class AddContact(Taking[Contact]):
    """Takes somebody's card; gives the new contact."""

    title_words = "Add a contact"

    HELP = """Paste the whole card that somebody gave you. The name is yours to choose; left empty, it is
the one on the card. Nothing proves yet whose card it is: compare words afterwards."""

    field_id = "card"
    missing = "Paste their card first."
    working = "Checking the card…"

    def body(self) -> ComposeResult:
        yield Label("Their contact card")
        yield Field(id="card", placeholder="paste it here")
        yield Label("Your name for them (may stay empty)")
        yield Field(id="name")
        yield from self.buttons("Add")

    async def take(self, text: str) -> Contact:
        return await self.workspace.add_contact(text, self.field("name").strip())
