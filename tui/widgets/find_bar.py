"""A line to search the text in front."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from .field import Field


class FindBar(Horizontal):
    """Posts ``Changed`` as the query is typed, ``Step`` for the next or previous match, ``Closed``."""

    DEFAULT_CSS = """
    FindBar { height: 1; background: $panel; display: none; }
    FindBar.-open { display: block; }
    FindBar > .find-label { width: auto; padding: 0 1; }
    FindBar > Input { width: 1fr; height: 1; border: none; padding: 0; background: $boost; }
    FindBar > #count { width: auto; min-width: 14; padding: 0 1; }
    """

    HELP = """Type what to look for; lower case finds both cases.
Enter goes to the next place, shift+enter or shift+f3 to the one before, Escape back to the text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "step(1)", "Next", show=False),
        Binding("shift+enter,up", "step(-1)", "Previous", show=False),
        Binding("escape", "close", "Close"),
    ]

    class Changed(Message):
        def __init__(self, query: str) -> None:
            super().__init__()
            self.query = query

    class Step(Message):
        def __init__(self, direction: int) -> None:
            super().__init__()
            self.direction = direction

    class Closed(Message):
        pass

    def compose(self) -> ComposeResult:
        yield Static("Find", classes="find-label")
        yield Field(id="query")
        yield Static(id="count")

    @property
    def query_text(self) -> str:
        return self.query_one("#query", Input).value

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, query: str) -> None:
        self.add_class("-open")
        field = self.query_one("#query", Input)
        if query:
            field.value = query
        field.focus()

    def show_count(self, words: str) -> None:
        self.query_one("#count", Static).update(Text(words))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Step(1))

    def action_step(self, direction: int) -> None:
        self.post_message(self.Step(direction))

    def action_close(self) -> None:
        self.remove_class("-open")
        self.post_message(self.Closed())
