"""Contact cards: showing one's own, and adding somebody by theirs."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Label

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Contact, Workspace

from ..widgets.field import Field
from .dialog import Dialog
from .giving import Giving


class OwnCard(Giving):
    """Shows this account's card."""

    title_words = "Your contact card"
    what = "card"
    note = (
        "Give it to people who are to share with you. It is no secret: whoever has it can ask to be a "
        "contact, and you decide."
    )

    HELP = """Give this to somebody who is to share with you: as text by any way, or as QR code.
It is no secret. c copies it, ctrl+r shows the QR code."""


class AddContact(Dialog[Contact]):
    """Takes somebody's card; gives the new contact."""

    title_words = "Add a contact"

    HELP = """Paste the whole card that somebody gave you. The name is yours to choose; left empty, it is
the one on the card. Nothing proves yet whose card it is: compare words afterwards."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._busy = False

    def body(self) -> ComposeResult:
        yield Label("Their contact card")
        yield Field(id="card", placeholder="paste it here")
        yield Label("Your name for them (may stay empty)")
        yield Field(id="name")
        with Horizontal(classes="buttons"):
            yield Button("Add", variant="primary", id="ok", compact=True)
            yield Button("Cancel", id="cancel", compact=True)

    def on_input_submitted(self) -> None:
        self._accept()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self._accept()
        else:
            self.dismiss(None)

    def _accept(self) -> None:
        card = "".join(self.field("card").split())
        if not card:
            self.show_error("Paste their card first.")
        elif not self._busy:
            self._busy = True
            self.show_error("Checking the card…")
            self.begin(self._add(card))

    async def _add(self, card: str) -> None:
        try:
            contact = await self._workspace.add_contact(card, self.field("name").strip())
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        finally:
            self._busy = False
        self.dismiss(contact)
