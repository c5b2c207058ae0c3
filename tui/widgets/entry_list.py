"""The list of documents and chats, with one chosen line."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from ..viewmodels.entries import Line
from .strip_pane import StripPane

_HEADS = ("Name", "Kind", "Connection", "Saved")


class EntryList(StripPane):
    """Shows ``Line``s in columns under a head line. Posts ``Opened``."""

    HELP = """Documents and chats of this home. Enter opens the chosen one.
n makes a document, c a chat, j takes a link somebody gave you, s shares the chosen one by link."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"entries--head", "entries--chosen"}

    DEFAULT_CSS = """
    EntryList .entries--head { color: $foreground 60%; text-style: bold; }
    EntryList .entries--chosen { background: $primary 60%; text-style: bold; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", show=False),
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "A page up", show=False),
        Binding("pagedown", "page(1)", "A page down", show=False),
        Binding("home", "move(-1000000000)", "First", show=False),
        Binding("end", "move(1000000000)", "Last", show=False),
    ]

    class Opened(Message):
        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []
        self._row = 0
        self._top = 0
        self._widths: list[int] = []

    @property
    def chosen(self) -> str | None:
        """The path of the chosen line; None in an empty list."""
        return self._lines[self._row].path if self._lines else None

    def show(self, lines: list[Line]) -> None:
        """Takes new lines; what was chosen stays chosen wherever it went."""
        if lines == self._lines:
            return
        chosen = self.chosen
        self._lines = lines
        self._widths = [
            max(map(cell_len, (head, *(line.cells[column] for line in lines))))
            for column, head in enumerate(_HEADS)
        ]
        self._row = max(0, min(self._row, len(lines) - 1))
        if chosen is not None:
            self.choose(chosen)
        self.repaint_soon()

    def choose(self, path: str) -> None:
        for row, line in enumerate(self._lines):
            if line.path == path:
                self._row = row
                self.repaint_soon()

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        base = self.base_style()
        room = max(1, height - 1)
        self._top = max(self._row - room + 1, min(self._top, self._row, max(0, len(self._lines) - room)))
        head = base + self.get_component_rich_style("entries--head", partial=True)
        chosen = base + self.get_component_rich_style("entries--chosen", partial=True)
        strips = [self._strip(_HEADS, head, width)]
        for row in range(self._top, min(len(self._lines), self._top + room)):
            style = chosen if row == self._row and self.has_focus else base
            strips.append(self._strip(self._lines[row].cells, style, width))
        return strips

    def _strip(self, cells: tuple[str, ...], style: Style, width: int) -> Strip:
        text = " " + "  ".join(
            cell + " " * (room - cell_len(cell)) for cell, room in zip(cells, self._widths, strict=False)
        )
        return Strip([Segment(text, style)], cell_len(text)).adjust_cell_length(width, style)

    def scroll_thumb(self, height: int) -> tuple[int, int]:
        count = len(self._lines) + 1
        if count <= height:
            return 0, 0
        size = max(1, height * height // count)
        return round((height - size) * self._top / max(1, count - height)), size

    def action_move(self, rows: int) -> None:
        self._row = max(0, min(self._row + rows, len(self._lines) - 1))
        self.repaint_now()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.size.height - 2))

    def action_open(self) -> None:
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))

    def on_click(self, event: events.Click) -> None:
        row = self._top + event.y - 1
        if event.y >= 1 and row < len(self._lines):
            self._row = row
            self.repaint()
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)
