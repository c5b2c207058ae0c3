"""The recovery code, shown this once."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button

from .dialog import Dialog, words

FIRST_CODE = (
    "Write this down on paper now. It opens this home when the passphrase is forgotten, and with the address "
    "of a node it brings your account back when all devices are lost. "
    "It is shown this once, nobody else has it, and nobody can give it to you again."
)


class RecoveryCode(Dialog[bool]):
    """Shows it until it is written down. False where the user stops instead, if he may."""

    title_words = "Your recovery code"

    HELP = "Write the code down on paper, then say so. Keep it away from this device."

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stay", "Confirm first")]

    def __init__(self, code: str, note: str = FIRST_CODE, *, may_stop: bool = False) -> None:
        super().__init__()
        self._code = code
        self._note = note
        self._may_stop = may_stop

    def body(self) -> ComposeResult:
        yield words(self._note)
        yield words(self._code, classes="loud", id="code")
        with Horizontal(classes="buttons"):
            # The harmless one has the focus, so that an Enter too many does not take the code away.
            yield Button("Not yet", id="stay", compact=True)
            yield Button("I have written it down", variant="primary", id="ok", compact=True)
            if self._may_stop:
                yield Button("Stop, change nothing", id="stop", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "stay":
            self.action_stay()
        else:
            self.dismiss(event.button.id == "ok")

    def action_stay(self) -> None:
        self.show_error("Please confirm that you have written it down: there is no second chance.")
