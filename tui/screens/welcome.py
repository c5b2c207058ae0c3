"""The first minute: a name and perhaps a passphrase; and unlocking later."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Label

from peergos_collab.codec.shown import name_problem
from peergos_collab.values import dataclass

from ..widgets.field import Field
from .dialog import Accepting, Dialog, words
from .new_passphrase import PASSPHRASE, agree, passphrase_fields


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What the first screen asks for. The passphrase never shows in a representation."""

    name: str
    passphrase: str | None

    def __repr__(self) -> str:
        return f"Newcomer({self.name!r})"


class Existing(Enum):
    """The answer that there is an account already: how it comes here."""

    LINKED = "another device has it"
    LOST = "only its recovery code is left"


class FirstRun(Accepting[Newcomer | Existing]):
    """Makes an account on this device; nothing is registered anywhere."""

    title_words = "Welcome to peergos_collab"

    HELP = """Give yourself a name and begin: nothing is registered anywhere, and it works offline.
If you have an account already, F2 makes this one more device of it. If all its devices are lost, F3
takes it back with the recovery code you wrote on paper."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Quit"),
        Binding("f2", "existing('LINKED')", "Another device of mine"),
        Binding("f3", "existing('LOST')", "Recover an account"),
    ]

    FIELDS = ("name", *PASSPHRASE)

    def body(self) -> ComposeResult:
        yield words(
            "Write and talk together. Everything lives encrypted on this device; no server can read it. "
            "Nothing is registered anywhere."
        )
        yield Label("Your name, as others will see it")
        yield Field(id="name", placeholder="any name", max_length=64)
        yield from passphrase_fields()
        yield from self.buttons("Begin", "Quit")
        yield Label("Do you have an account already?")
        with Horizontal(classes="choices"):
            yield Button("This is another device of mine", id="LINKED", compact=True)
            yield Button("Recover an account", id="LOST", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if (how := event.button.id) is not None and how in Existing.__members__:
            self.action_existing(how)

    def action_existing(self, how: str) -> None:
        self.dismiss(Existing[how])

    def accept(self) -> None:
        name = self.field("name").strip()
        if not name:
            self.show_error("Your name is missing. Any name will do.")
            self.query_one("#name").focus()
        elif (problem := name_problem(name)) is not None:
            self.show_error(f"Others could not be shown this name: {problem}.")
            self.query_one("#name").focus()
        elif agree(self):
            self.dismiss(Newcomer(name, self.field("passphrase") or None))


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
