"""The first minute: a name and perhaps a passphrase, the recovery code, and unlocking later."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label

from peergos_collab.values import dataclass

from ..widgets.field import Field
from .dialog import Dialog, words
from .new_passphrase import agree, passphrase_fields


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What the first screen asks for. The passphrase never shows in a representation."""

    name: str
    passphrase: str | None

    def __repr__(self) -> str:
        return f"Newcomer({self.name!r})"


class OtherDevice:
    """The answer that the account is on another device already."""


class FirstRun(Dialog[Newcomer | OtherDevice]):
    """Makes an account on this device; nothing is registered anywhere."""

    title_words = "Welcome to peergos_collab"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Quit"),
        Binding("f2", "other", "Another device of mine"),
    ]

    def body(self) -> ComposeResult:
        yield words(
            "Write and talk together. Everything lives encrypted on this device; no server can read it. "
            "Nothing is registered anywhere."
        )
        yield Label("Your name, as others will see it")
        yield Field(id="name", placeholder="any name", max_length=64)
        yield from passphrase_fields()
        with Horizontal(classes="buttons"):
            yield Button("Begin", variant="primary", id="ok", compact=True)
            yield Button("This is another device of mine", id="other", compact=True)
            yield Button("Quit", id="cancel", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        # By name, not "the next one": two quick presses of Enter must not skip a field.
        following = {"name": "#passphrase", "passphrase": "#again"}.get(event.input.id or "")
        if following is None:
            self._accept()
        else:
            self.query_one(following).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "ok":
                self._accept()
            case "other":
                self.action_other()
            case _:
                self.dismiss(None)

    def action_other(self) -> None:
        self.dismiss(OtherDevice())

    def _accept(self) -> None:
        name = self.field("name").strip()
        if not name:
            self.show_error("Your name is missing. Any name will do.")
            self.query_one("#name").focus()
        elif agree(self):
            self.dismiss(Newcomer(name, self.field("passphrase") or None))


class RecoveryCode(Dialog[bool]):
    """Shows the recovery code, once."""

    title_words = "Your recovery code"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stay", "Confirm first")]

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def body(self) -> ComposeResult:
        yield words(
            "Write this down on paper now. It opens this home when the passphrase is forgotten. "
            "It is shown this once, nobody else has it, and nobody can give it to you again."
        )
        yield words(self._code, classes="loud", id="code")
        with Horizontal(classes="buttons"):
            # The harmless one has the focus, so that an Enter too many does not take the code away.
            yield Button("Not yet", id="stay", compact=True)
            yield Button("I have written it down", variant="primary", id="ok", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self.dismiss(True)
        else:
            self.action_stay()

    def action_stay(self) -> None:
        self.show_error("Please confirm that you have written it down: there is no second chance.")


class Unlock(Dialog[str]):
    """Asks for the passphrase of this home."""

    title_words = "This home is locked"

    def __init__(self, problem: str = "") -> None:
        super().__init__()
        self._problem = problem

    def body(self) -> ComposeResult:
        yield Label("Passphrase")
        yield Field(id="passphrase", password=True)
        yield words("Enter opens, Escape quits.", classes="note")

    def on_mount(self) -> None:
        if self._problem:
            self.show_error(self._problem)

    def on_input_submitted(self) -> None:
        if self.field("passphrase"):
            self.dismiss(self.field("passphrase"))


class Stopped(Dialog[bool]):
    """The home could not be opened."""

    title_words = "This home cannot be opened"

    def __init__(self, problem: str) -> None:
        super().__init__()
        self._problem = problem

    def body(self) -> ComposeResult:
        yield words(self._problem)
        with Horizontal(classes="buttons"):
            yield Button("Try again", variant="primary", id="again", compact=True)
            yield Button("Quit", id="cancel", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "again")


class Waiting(Dialog[None]):
    """Something takes a moment."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def body(self) -> ComposeResult:
        yield words(self._text)

    def action_leave(self) -> None:
        return


class Fault(Dialog[bool]):
    """A fault of this program: says so, and that nothing is lost."""

    title_words = "Something in this program went wrong"

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def body(self) -> ComposeResult:
        yield words(
            "What you wrote is saved on this device. You can go on; if things look odd, quit and start again."
        )
        yield words(self._what, classes="note")
        with Horizontal(classes="buttons"):
            yield Button("Go on", variant="primary", id="on", compact=True)
            yield Button("Quit", id="quit", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "quit")
