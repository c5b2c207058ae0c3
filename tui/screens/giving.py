"""A text to be given to somebody: shown, copied, drawn as a QR code."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Static

from ..viewmodels.sharing import beginning
from ..widgets.qr_code import QrCode
from .dialog import words
from .pictured import Pictured


class Giving(Pictured[None]):
    """Subclasses say what it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,c", "copy", "Copy it")]

    BEHIND = ("text",)

    what = "text"
    """What it is called in a sentence."""
    note = ""
    """What one should know before giving it away."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def body(self) -> ComposeResult:
        yield words(self.note)
        yield Static(Text(beginning(self._text), overflow="fold"), id="text", classes="loud")
        with Horizontal(classes="buttons"):
            yield Button("Copy", variant="primary", id="copy", compact=True)
            yield from self.picture_buttons()
            yield Button("Close", id="close", compact=True)
        yield QrCode()

    @property
    def pictured(self) -> str:
        return self._text

    def on_mount(self) -> None:
        self.query_one("#copy").focus(scroll_visible=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "copy":
                self.action_copy()
            case "close":
                self.dismiss(None)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._text)
        self.notify(f"The {self.what} was copied, if your terminal allows it.", markup=False)
