"""Contact cards: showing one's own, and adding somebody by theirs."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Label, Static

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Contact, Workspace

from ..widgets.field import Field
from ..widgets.qr_code import QrCode
from .dialog import Dialog, words


class OwnCard(Dialog[None]):
    """Shows this account's card."""

    title_words = "Your contact card"

    HELP = """Give this to somebody who is to share with you: as text by any way, or as QR code.
It is no secret. c copies it, ctrl+r shows the QR code."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,c", "copy", "Copy the card"),
        Binding("ctrl+r", "picture", "QR code"),
    ]

    def __init__(self, card: str) -> None:
        super().__init__()
        self._card = card

    def body(self) -> ComposeResult:
        yield words(
            "Give it to people who are to share with you. It is no secret: whoever has it can ask to be a "
            "contact, and you decide."
        )
        yield Static(Text(self._card, overflow="fold"), id="card", classes="loud")
        with Horizontal(classes="buttons"):
            yield Button("Copy", variant="primary", id="copy", compact=True)
            yield Button("QR code", id="picture", compact=True)
            yield Button("Close", id="close", compact=True)
        yield QrCode()

    def on_mount(self) -> None:
        self.query_one("#copy").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "copy":
                self.action_copy()
            case "picture":
                self.action_picture()
            case _:
                self.dismiss(None)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._card)
        self.notify("The card was copied, if your terminal allows it.", markup=False)

    def action_picture(self) -> None:
        shown = self.query_one(QrCode).show(self._card)
        self.query_one("#card").display = not shown
        self.show_error("" if shown else QrCode.TOO_SMALL)


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
            self.run_worker(self._add(card), exit_on_error=False)

    async def _add(self, card: str) -> None:
        try:
            contact = await self._workspace.add_contact(card, self.field("name").strip())
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        finally:
            self._busy = False
        self.dismiss(contact)
