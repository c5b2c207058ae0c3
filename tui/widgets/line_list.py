"""A list of lines in columns, with one chosen line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from ..textual_private import CommandsInOrder, KeysInOrder
from ..viewmodels.lines import Line
from .strip_pane import StripPane


class LineList(KeysInOrder, StripPane):
    """Shows ``Line``s in columns under a head line. Posts ``Opened``."""

    HEADS: ClassVar[tuple[str, ...]] = ()

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--head",
        "lines--chosen",
        "lines--good",
        "lines--warn",
        "lines--call",
    }

    DEFAULT_CSS = """
    LineList .lines--head { color: $foreground 60%; text-style: bold; }
    LineList .lines--chosen { background: $primary 60%; text-style: bold; }
    LineList .lines--good { color: $text-success; }
    LineList .lines--warn { color: $text-warning; }
    LineList .lines--call { color: $text-accent; }
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
        """Enter or a double click on the line of this key."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """Another line is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[Line] = ()
        self._row = 0
        self._top = 0
        self._widths: list[int] = []

    async def on_key(self, event: events.Key) -> None:
        if isinstance(self.screen, CommandsInOrder):
            await self.screen.command(event)

    @property
    def chosen(self) -> str | None:
        """The key of the chosen line; None in an empty list."""
        return self._lines[self._row].key if self._lines else None

    def show(self, lines: Sequence[Line]) -> None:
        """Takes new lines; what was chosen stays chosen wherever it went."""
        if lines == self._lines:
            return
        chosen = self.chosen
        self._lines = lines
        self._widths = [
            max(map(cell_len, (head, *(line.cells[column] for line in lines))))
            for column, head in enumerate(self.HEADS)
        ]
        self._row = max(0, min(self._row, len(lines) - 1))
        if chosen is not None:
            self.choose(chosen)
        if self.chosen != chosen:
            self.post_message(self.Moved())
        self.repaint_soon()

    def choose(self, key: str) -> None:
        for row, line in enumerate(self._lines):
            if line.key == key:
                self._row = row
                self.repaint_soon()

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        base = self.base_style()
        room = max(1, height - 1)
        self._top = max(self._row - room + 1, min(self._top, self._row, max(0, len(self._lines) - room)))
        head = base + self.get_component_rich_style("lines--head", partial=True)
        chosen = base + self.get_component_rich_style("lines--chosen", partial=True)
        strips = [self._strip(self.HEADS, head, width)]
        for row in range(self._top, min(len(self._lines), self._top + room)):
            line, here = self._lines[row], row == self._row and self.has_focus
            tone = line.tone if not here else ""
            strips.append(self._strip(line.cells, chosen if here else base, width, tone))
        return strips

    def _strip(self, cells: tuple[str, ...], style: Style, width: int, tone: str = "") -> Strip:
        toned = style
        if tone:
            toned += self.get_component_rich_style(f"lines--{tone}", partial=True)
        segments = [Segment(" ", style)]
        for column, (cell, room) in enumerate(zip(cells, self._widths, strict=False)):
            segments.append(Segment(cell, toned if column == 1 else style))
            segments.append(Segment(" " * (room - cell_len(cell) + 2), style))
        return Strip(segments).adjust_cell_length(width, style)

    def scroll_thumb(self, height: int) -> tuple[int, int]:
        count = len(self._lines) + 1
        if count <= height:
            return 0, 0
        size = max(1, height * height // count)
        return round((height - size) * self._top / max(1, count - height)), size

    def action_move(self, rows: int) -> None:
        before, self._row = self._row, max(0, min(self._row + rows, len(self._lines) - 1))
        if self._row != before:
            self.post_message(self.Moved())
        self.repaint_now()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.size.height - 2))

    def action_open(self) -> None:
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))

    def on_click(self, event: events.Click) -> None:
        row = self._top + event.y - 1
        if event.y >= 1 and row < len(self._lines):
            self.action_move(row - self._row)
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)
