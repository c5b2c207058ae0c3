"""Help on what has the focus: a few words, and every key that works there."""

from __future__ import annotations

import re

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from .dialog import Dialog, words


def keys_of(screen: Screen[object]) -> list[tuple[str, str]]:
    """(keys, what they do), each action once: those on the bar, of the screen, of what has the focus."""
    found: dict[str, list[str]] = {}
    by_use = sorted(
        screen.active_bindings.values(),
        key=lambda active: (not active.binding.show, active.node is not screen),
    )
    for active in by_use:
        if active.enabled and active.binding.description and _is_told(active):
            keys = found.setdefault(active.binding.description, [])
            name = screen.app.get_key_display(active.binding)
            if name not in keys:
                keys.append(name)
    return [(", ".join(keys), what) for what, keys in found.items()]


def _is_told(active: ActiveBinding) -> bool:
    """What every field and list can do, like moving the cursor left, would bury the rest."""
    own = (cls for cls in type(active.node).__mro__ if cls.__module__.startswith(__package__.split(".")[0]))
    return active.binding.show or any(_binds(cls, active.binding.action) for cls in own)


def _binds(cls: type, action: str) -> bool:
    return any(
        action == (bound.action if isinstance(bound, Binding) else bound[1])
        for bound in cls.__dict__.get("BINDINGS", ())
    )


def paragraphs(text: str) -> str:
    """Each sentence that ends a line ends a paragraph; all other breaks are those of the source."""
    return re.sub(r"(?<![.:])\n", " ", text)


def help_of(node: DOMNode | None) -> str:
    """The help text of the nearest widget around the focus that has one."""
    while node is not None:
        text = type(node).__dict__.get("HELP")
        if isinstance(text, str):
            return text
        node = node.parent
    return ""


class Keys(Dialog[None]):
    """Shows them."""

    title_words = "Help"

    def __init__(self, text: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._text = text
        self._keys = keys

    def body(self) -> ComposeResult:
        if self._text:
            yield words(paragraphs(self._text) + "\n")
        table = Table.grid(padding=(0, 2))
        for key, what in self._keys:
            table.add_row(Text(key, style="bold"), Text(what))
        yield Static(table)
        yield words("\nEscape closes this.", classes="note")
