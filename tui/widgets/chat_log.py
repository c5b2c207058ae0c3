"""The messages of a chat, drawn for the lines in sight only."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from peergos_collab.workspace.api import Message as ChatMessage

from ..textual_private import KeysInOrder
from ..viewmodels.timeline import ChatLine, Messages, Timeline
from .strip_pane import StripPane

_EMPTY = ("No messages yet.", "", "Write below and press Enter;", "it is saved on this device at once.")


class ChatLog(KeysInOrder, StripPane):
    """A window over a timeline of any length. With the focus, one message is chosen.

    Posts ``Answer`` for the message to be answered and ``Left`` when the focus is to go back.
    """

    HELP = """The arrow keys choose a message; c copies its text, r answers it.
Escape, or Down behind the last message, goes back to the box to write in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "The message before", show=False),
        Binding("down", "choose(1)", "The next message", show=False),
        Binding("c,ctrl+c", "copy", "Copy"),
        Binding("r,enter", "answer", "Answer"),
        Binding("escape", "leave", "Write"),
        Binding("tab", "leave", "Write", show=False),
    ]

    class Answer(Message):
        def __init__(self, message: ChatMessage) -> None:
            super().__init__()
            self.message = message

    class Left(Message):
        """Back to the box."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chat--day",
        "chat--author",
        "chat--me",
        "chat--note",
        "chat--unread",
        "chat--chosen",
    }

    DEFAULT_CSS = """
    ChatLog .chat--day { color: $foreground 55%; }
    ChatLog .chat--author { color: $text-primary; text-style: bold; }
    ChatLog .chat--me { color: $success; text-style: bold; }
    ChatLog .chat--note { color: $foreground 55%; }
    ChatLog .chat--unread { background: $primary; color: $text; }
    ChatLog .chat--chosen { background: $primary 40%; }
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

    def on_focus(self) -> None:
        if self.timeline.chosen is None:
            self.timeline.choose(len(self._messages) - 1)
        self.repaint_soon()

    def on_blur(self) -> None:
        self.timeline.choose(None)
        self.repaint_soon()

    def action_choose(self, step: int) -> None:
        chosen = self.timeline.chosen
        if chosen is None or chosen + step >= len(self._messages):
            self.post_message(self.Left())
            return
        self.timeline.choose(chosen + step)
        self.repaint_now()

    def action_copy(self) -> None:
        if (message := self.timeline.chosen_message) is not None:
            self.app.copy_to_clipboard(message.text)
            self.notify("The message was copied, if your terminal allows it.", markup=False)

    def action_answer(self) -> None:
        if (message := self.timeline.chosen_message) is not None:
            self.post_message(self.Answer(message))

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def on_click(self, event: events.Click) -> None:
        lines = self.timeline.lines()
        if 0 <= event.y < len(lines):
            self.timeline.choose(lines[event.y][0])
            self.repaint()

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        self.timeline.resize(width, height)
        base = self.base_style()
        if not len(self._messages):
            note = base + self._part("note")
            return [_line([(f" {text}", note)], width, base) for text in _EMPTY]
        chosen = self.timeline.chosen if self.has_focus else None
        marked = base + self._part("chosen")
        strips = [
            self._strip(line, width, marked if index == chosen and line.kind != "day" else base)
            for index, line in self.timeline.lines()
        ]
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
        style = base + self._part("note") if line.kind == "quote" else base
        return _line([(f"  {line.text}", style)], width, base)

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
