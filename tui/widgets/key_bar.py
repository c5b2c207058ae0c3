"""The keys that work here, on one line at the bottom.

One widget for the whole line: a widget for each key would be made anew whenever the focus moves,
which takes longer than opening a document.
"""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.screen import Screen
from textual.widgets import Static

_BETWEEN = 2
_PALETTE = "Commands"
KeyWords = tuple[str, str, str]
"""A key, how it is written, and what it does."""


class KeyBar(Static):
    """Shows as many keys as fit; a click on one presses it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key"}

    DEFAULT_CSS = """
    KeyBar { height: 1; padding: 0 1; background: $panel; color: $foreground; text-wrap: nowrap; }
    KeyBar .keys--key { color: $accent; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[KeyWords] = []
        self._ends: list[tuple[int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self._show()

    def on_resize(self) -> None:
        self._shown = []
        self._show()

    def _show(self) -> None:
        wanted = self._wanted()
        if wanted == self._shown or not self.size.width:
            return
        self._shown = wanted
        style = self.get_component_rich_style("keys--key", partial=True)
        text, at, self._ends = Text(no_wrap=True), 0, []
        for key, look, words in _fitting(wanted, self.size.width):
            text.append(look, style)
            text.append(f" {words}{' ' * _BETWEEN}")
            at += cell_len(look) + 1 + cell_len(words) + _BETWEEN
            self._ends.append((at, key))
        # Its height never changes: no new layout.
        self.update(text, layout=False)

    def _wanted(self) -> list[KeyWords]:
        """What may be shown, every action once, the palette at the end."""
        found: dict[str, KeyWords] = {}
        last: list[KeyWords] = []
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            look = self.app.get_key_display(binding)
            if key == self.app.COMMAND_PALETTE_BINDING:
                last = [(key, look, _PALETTE)]
            elif binding.show and active.enabled and binding.action not in found:
                found[binding.action] = (key, look, binding.description)
        return [*found.values(), *last]

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is not None:
            key = next((key for end, key in self._ends if at.x < end), None)
            if key is not None:
                self.app.simulate_key(key)


def _fitting(wanted: list[KeyWords], width: int) -> list[KeyWords]:
    """As many from the start as fit, and always the last: it leads to all others."""
    sizes = [cell_len(look) + 1 + cell_len(words) + _BETWEEN for _, look, words in wanted]
    room = width + _BETWEEN - sum(sizes[-1:])
    fitting = []
    for item, size in zip(wanted[:-1], sizes[:-1], strict=True):
        room -= size
        if room < 0:
            break
        fitting.append(item)
    return [*fitting, *wanted[-1:]]
