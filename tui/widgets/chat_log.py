"""The messages of a chat, drawn for the lines in sight only."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip

from ..viewmodels.timeline import ChatLine, Messages, Timeline
from .strip_pane import StripPane

_EMPTY = ("No messages yet.", "", "Write below and press Enter;", "it is saved on this device at once.")


class ChatLog(StripPane, can_focus=False):
    """A window over a timeline of any length."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chat--day",
        "chat--author",
        "chat--me",
        "chat--note",
        "chat--unread",
    }

    DEFAULT_CSS = """
    ChatLog .chat--day { color: $foreground 55%; }
    ChatLog .chat--author { color: $secondary; text-style: bold; }
    ChatLog .chat--me { color: $success; text-style: bold; }
    ChatLog .chat--note { color: $foreground 55%; }
    ChatLog .chat--unread { background: $primary; color: $text; }
    """

    def __init__(self, messages: Messages, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._messages = messages
        self.timeline = Timeline(messages)

    def messages_changed(self) -> None:
        self.timeline.changed()
        self.repaint_soon()

    def scroll_by(self, lines: int) -> None:
        self.timeline.scroll(lines)
        self.repaint_now()

    def page(self, pages: int) -> None:
        self.scroll_by(pages * max(1, self.timeline.height - 1))

    def to_top(self) -> None:
        self.timeline.to_top()
        self.repaint_now()

    def to_bottom(self) -> None:
        self.timeline.to_bottom()
        self.repaint_now()

    def show_message(self, index: int) -> None:
        self.timeline.show(index)
        self.repaint_now()

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        self.timeline.resize(width, height)
        base = self.base_style()
        if not len(self._messages):
            note = base + self._part("note")
            return [_line([(f" {text}", note)], width, base) for text in _EMPTY]
        lines = self.timeline.visible()
        strips = [self._strip(line, width, base) for line in lines]
        if self.timeline.unread:
            words = f" {self.timeline.unread} new below · ctrl+end "
            strips[-1] = _line([(words, base + self._part("unread"))], width, base)
        return strips

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"chat--{name}", partial=True)

    def _strip(self, line: ChatLine, width: int, base: Style) -> Strip:
        if line.kind == "day":
            words = f" {line.text} "
            side = max(0, (width - cell_len(words)) // 2)
            return _line([("─" * side + words + "─" * side, base + self._part("day"))], width, base)
        if line.kind == "head":
            name = base + self._part("me" if line.mine else "author")
            return _line(
                [(f" {line.text}", name), (f"  {line.note}", base + self._part("note"))], width, base
            )
        return _line([(f"  {line.text}", base)], width, base)

    def scroll_thumb(self, height: int) -> tuple[int, int]:
        count = len(self._messages)
        if not count or (self.timeline.following and self.timeline.index == 0 and self.timeline.line == 0):
            return 0, 0
        if self.timeline.following:
            return height - 1, 1
        return min(height - 1, round((height - 1) * self.timeline.index / max(1, count - 1))), 1

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_by(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_by(3)


def _line(parts: list[tuple[str, Style]], width: int, base: Style) -> Strip:
    segments = [Segment(text, style) for text, style in parts if text]
    used = sum(cell_len(text) for text, _ in parts)
    strip = Strip(segments, used)
    if used > width:
        return strip.crop(0, width)
    return Strip([*segments, Segment(" " * (width - used), base)], width)
