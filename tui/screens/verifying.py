"""Making sure whose keys a contact has: the same 12 words at both ends."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Label, Static

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Contact, Workspace

from ..viewmodels.contacts import person
from ..viewmodels.verifying import differ_words, how_words, word_rows
from ..widgets.field import Field
from ..widgets.qr_code import QrCode
from .dialog import words
from .pictured import Pictured

_MARGIN = 12
"""Cells of the screen that a dialog does not have for its text."""


async def verify(workspace: Workspace, contact: Contact) -> Verify:
    """The dialog, with the words and the own card as they are now."""
    its_words = await workspace.contact_words(contact.name)
    return Verify(workspace, contact, its_words, await workspace.contact_card())


class Verify(Pictured[bool]):
    """Shows the words; true once they were said to be the same and the contact is verified."""

    HELP = """Read the words to each other. Or both show their card as QR code (ctrl+r) and scan the other's:
what the camera read is pasted into the field and compared for you."""

    FILE = "contact-card.png"

    DEFAULT_CSS = """
    Verify #words { text-style: bold; color: $accent; margin: 1 0 0 2; height: auto; }
    """

    def __init__(self, workspace: Workspace, contact: Contact, its_words: list[str], card: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._contact = contact
        self._words = its_words
        self._card = card
        self.title_words = f"Verify {person(contact.name)}"

    def body(self) -> ComposeResult:
        yield words(how_words(self._contact))
        yield Static(id="words")
        yield QrCode()
        with Horizontal(classes="buttons"):
            # The harmless one has the focus: an Enter too many must not vouch for anybody.
            yield Button("Later", id="later", compact=True)
            yield Button("All the same", variant="primary", id="same", compact=True)
            yield Button("Not the same", variant="warning", id="differ", compact=True)
        with Horizontal(classes="choices"):
            yield from self.picture_buttons()
        yield Label("Or their card, scanned from their screen: Enter compares")
        yield Field(id="theirs")

    @property
    def pictured(self) -> str:
        return self._card

    def on_mount(self) -> None:
        self._show_words()
        self.query_one("#later").focus(scroll_visible=False)

    def on_resize(self) -> None:
        self._show_words()

    def _show_words(self) -> None:
        rows = word_rows(self._words, min(72, self.size.width) - _MARGIN)
        self.query_one("#words", Static).update(Text("\n".join(rows), no_wrap=True))

    def on_input_submitted(self) -> None:
        card = "".join(self.field("theirs").split())
        if card:
            self._mark(card)
        else:
            self.show_error("Scan or paste their card first.")

    def _mark(self, card: str = "") -> None:
        self.begin(self._marked(card), alone=True)

    async def _marked(self, card: str) -> None:
        try:
            await self._workspace.mark_verified(self._contact.name, card, self._words)
        except PeergosCollabError as problem:
            self.show_error(problem)
            # They may be others by now, and those are to be compared next.
            self._words = await self._workspace.contact_words(self._contact.name)
            self._show_words()
            return
        self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "same":
                self._mark()
            case "differ":
                self.show_error(differ_words(self._contact))
            case "later":
                self.dismiss(False)
