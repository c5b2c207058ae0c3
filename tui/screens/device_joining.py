"""The first minute of a new device of an account that is elsewhere already."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label, Static

from peergos_collab.errors import PeergosCollabError
from peergos_collab.values import dataclass

from ..gate import Gate, Way
from ..viewmodels.devices import compare_words, digit_words
from ..widgets.field import Field
from .dialog import Accepting, words
from .entry_field import entry_field
from .new_passphrase import PASSPHRASE, agree, passphrase_fields


@dataclass(frozen=True, slots=True)
class Joined:
    """This device is one of the account now. The passphrase never shows in a representation."""

    passphrase: str | None

    def __repr__(self) -> str:
        return "Joined()"


class JoinDevice(Accepting[Joined]):
    """Takes the code, shows the digits, and makes the home."""

    title_words = "Another device of mine"

    HELP = """On a device that has your account: people (p), devices (e), "link one more". It shows a code.
Type or paste it here. Then both show six digits, which must be the same.
An entry node is only needed where your account uses one: so the node does not see this device's network
address even now."""

    DEFAULT_CSS = """
    JoinDevice Vertical { height: auto; }
    JoinDevice #comparing { display: none; }
    JoinDevice.-met #comparing { display: block; }
    JoinDevice.-met #asking { display: none; }
    """

    FIELDS = ("code", "node", "entry", *PASSPHRASE)

    def __init__(self, gate: Gate) -> None:
        super().__init__(classes="-form")
        self._gate = gate
        self._answer: asyncio.Future[bool] | None = None
        self._busy = False

    def body(self) -> ComposeResult:
        with Vertical(id="asking"):
            yield words("On your other device: p, then e, then “link one more”. It shows a code.")
            yield Label("The code, or its eight words")
            yield Field(id="code", placeholder="pgc-device://…")
            yield Label("The node, if you type words")
            yield Field(id="node", placeholder="pgc://…@host:port")
            yield from entry_field()
            yield from passphrase_fields()
            yield from self.buttons("Join", "Back")
        with Vertical(id="comparing"):
            yield Static(id="digits", classes="loud digits")
            yield words(compare_words("your other device"))
            with Horizontal(classes="buttons"):
                yield Button("Not the same", variant="warning", id="differ", compact=True)
                yield Button("The same", variant="primary", id="same", compact=True)

    def on_mount(self) -> None:
        self.query_one("#code").focus(scroll_visible=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id in ("same", "differ"):
            self._say(same=event.button.id == "same")

    def accept(self) -> None:
        if not self.field("code").strip():
            self.show_error("The code is missing: your other device shows it.")
            self.query_one("#code").focus()
        elif agree(self) and not self._busy:
            self._busy = True
            self.show_error("Looking for your other device…")
            self.begin(self._join())

    async def _join(self) -> None:
        passphrase = self.field("passphrase") or None
        way = Way(self.field("node").strip(), self.field("entry").strip())
        try:
            await self._gate.join(self.field("code").strip(), self._compare, passphrase, way)
        except PeergosCollabError as problem:
            self.remove_class("-met")
            self.show_error(problem)
            return
        finally:
            self._busy = False
        self.dismiss(Joined(passphrase))

    async def _compare(self, digits: str) -> bool:
        """Shows them, and returns what was said of them."""
        self.add_class("-met")
        self.show_error("")
        self.query_one("#digits", Static).update(Text(digit_words(digits)))
        # The harmless one has the focus, so that an Enter too many vouches for nothing.
        self.query_one("#differ").focus(scroll_visible=False)
        self.to_top()
        self._answer = asyncio.get_running_loop().create_future()
        return await self._answer

    def _say(self, *, same: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(same)
            self.show_error("Waiting for your other device…" if same else "")

    def action_leave(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._say(same=False)
        else:
            self.dismiss(None)
