"""A dialog with a text for somebody's camera: drawn as a QR code, or saved as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Button

from ..viewmodels.qr import picture
from ..widgets.qr_code import QrCode
from .dialog import Dialog
from .saving import save_as

Result = TypeVar("Result")


class Pictured(Dialog[Result]):
    """Subclasses yield a ``QrCode`` and ``picture_buttons``, and say what it is of."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "picture", "QR code"),
        Binding("ctrl+s", "save", "Save it as a picture"),
    ]

    BEHIND: ClassVar[tuple[str, ...]] = ()
    """Widgets that make room for the code."""
    FILE: ClassVar[str]
    """A name for the picture."""
    PRIVATE: ClassVar[str] = ""
    """What one should know before it lies in a file."""

    @property
    def pictured(self) -> str:
        """The text; empty while there is none."""
        raise NotImplementedError

    def picture_buttons(self, *, disabled: bool = False) -> ComposeResult:
        yield Button("QR code", id="picture", compact=True, disabled=disabled)
        yield Button("Save picture", id="save", compact=True, disabled=disabled)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "picture":
                self.action_picture()
            case "save":
                self.action_save()

    def action_picture(self) -> None:
        if not self.pictured:
            return
        problem = self.query_one(QrCode).show(self.pictured)
        for name in self.BEHIND:
            self.query_one(f"#{name}").display = bool(problem)
        self.show_error(problem)

    def action_save(self) -> None:
        if self.pictured:
            self.begin(self._save(self.pictured))

    async def _save(self, text: str) -> None:
        async def drawn(target: Path) -> bytes:
            ending = target.suffix.lower()
            return f"{text}\n".encode() if ending == ".txt" else picture(text, svg=ending == ".svg")

        note = (
            "A picture of the QR code, to show or to send: PNG. A name that ends in .svg or .txt gives that."
        )
        note = f"{note} {self.PRIVATE}".strip()
        await save_as(
            self, "Save picture", note, self.FILE, drawn, safe="Nothing was changed.", suffix=".png"
        )
