"""Where the next message of a chat is written: an editor of a few lines."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from peergos_collab.documents import Change, Document

from .editor import Editor

_MOST_LINES = 5
_SCRATCH = 1
"""The client id of a text that nobody else ever sees."""


class MessageBox(Editor):
    """Enter sends what is written, alt+enter begins a new line. Posts ``Sent``."""

    HELP = """Write a message and press Enter. It is saved on this device at once,
and sent when somebody can be reached.
Up goes to the messages, to copy one or to answer it.
Page up and page down scroll through the history; ctrl+f searches it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send"),
        Binding("alt+enter,ctrl+j", "new_line", "New line", show=False),
        Binding("up", "up_or_out", "Up, or to the messages", show=False),
        Binding("tab", "app.focus_next", "Next", show=False),
    ]

    class Sent(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class LeftUpwards(Message):
        """The cursor was on the first line and Up was pressed."""

    def __init__(self, *, can_write: bool) -> None:
        document = Document(_SCRATCH)
        super().__init__(document, can_write=can_write)
        document.track_undo()
        document.on_change(self._text_changed)
        self._placeholder = "Message" if can_write else "You can read here, not write."

    @property
    def text(self) -> str:
        return self.model.document.text

    def put(self, text: str) -> None:
        """Puts text where the cursor is."""
        self.model.insert(text)
        self._moved()

    def clear(self) -> None:
        self.model.select_all()
        self.model.insert("")
        self._moved()

    def action_send(self) -> None:
        text = self.text.strip("\n")
        if text.strip() and self.model.can_write:
            self.clear()
            self.post_message(self.Sent(text))

    def action_up_or_out(self) -> None:
        place = self.model.place(self.model.head)
        if (place.row, place.piece) == (0, 0):
            self.post_message(self.LeftUpwards())
        else:
            self.action_go("up")

    def _text_changed(self, change: Change) -> None:
        self.document_changed(change)
        self.call_later(self._fit)

    def _fit(self) -> None:
        """As many lines as the text takes, up to a few."""
        model = self.model
        rows = range(min(_MOST_LINES, model.document.lines.count))
        lines = min(_MOST_LINES, sum(len(model.layout(row)) for row in rows))
        if self.styles.height is None or self.styles.height.value != lines:
            self.styles.height = lines

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        strips = super().compose_strips(width, height)
        if len(self.model.document) or not strips:
            return strips
        style = self.base_style() + self.get_component_rich_style("editor--mark", partial=True)
        words = set_cell_size(self._placeholder, width)
        cursor = next(iter(strips[0])).style
        if not self.has_focus or cursor is None:
            return [Strip([Segment(words, style)], width), *strips[1:]]
        return [Strip([Segment(words[0], style + cursor), Segment(words[1:], style)], width), *strips[1:]]
