"""A chat to read and write in: messages, who is typing, and a box for the next message."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static, TextArea

from peergos_collab.workspace.api import ChatHandle, Unsubscribe

from ..viewmodels.cells import shown
from ..viewmodels.people import typing_words
from .chat_log import ChatLog


class MessageBox(TextArea):
    """Where the next message is written. Enter sends it, alt+enter begins a new line."""

    HELP = """Write a message and press Enter. It is saved on this device at once,
and sent when somebody can be reached.
Page up and page down scroll through the history; ctrl+f searches it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send"),
        Binding("alt+enter,ctrl+j", "new_line", "New line", show=False),
    ]

    class Sent(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, can_write: bool) -> None:
        super().__init__(
            compact=True,
            soft_wrap=True,
            show_line_numbers=False,
            read_only=not can_write,
            highlight_cursor_line=False,
            tab_behavior="focus",
            placeholder="Message" if can_write else "You can read here, not write.",
        )

    def on_key(self, event: events.Key) -> None:
        if event.key in ("enter", "ctrl+j", "alt+enter"):
            # The text area would take them for itself before the bindings are asked.
            event.stop()
            event.prevent_default()
            if event.key == "enter":
                self.action_send()
            else:
                self.action_new_line()

    def action_send(self) -> None:
        text = self.text.strip("\n")
        if text.strip() and not self.read_only:
            self.post_message(self.Sent(text))
            self.clear()

    def action_new_line(self) -> None:
        if not self.read_only:
            self.insert("\n")


class ChatPane(Vertical):
    """One chat. Posts ``Send`` with what is to be sent."""

    DEFAULT_CSS = """
    ChatPane { width: 1fr; height: 1fr; }
    ChatPane > .chat-title { height: 1; padding: 0 1; background: $surface; text-style: bold; }
    ChatPane > .chat-typing { height: 1; padding: 0 1; color: $foreground 60%; }
    ChatPane > MessageBox {
        height: auto; min-height: 1; max-height: 5; padding: 0 1; background: $surface; border: none;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", "Older", priority=True, show=False),
        Binding("pagedown", "page(1)", "Newer", priority=True, show=False),
        Binding("ctrl+home", "top", "First message", priority=True, show=False),
        Binding("ctrl+end", "bottom", "Last message", priority=True, show=False),
    ]

    class Send(Message):
        def __init__(self, pane: ChatPane, text: str) -> None:
            super().__init__()
            self.pane = pane
            self.text = text

    def __init__(self, handle: ChatHandle, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.handle = handle
        self.log_view = ChatLog(handle)
        self.box = MessageBox(can_write=handle.can_write)
        self._typing = Static(classes="chat-typing")
        self._unsubscribe: Unsubscribe | None = None

    def compose(self) -> ComposeResult:
        yield Static(Text(shown(self.handle.path, 60)), classes="chat-title")
        yield self.log_view
        yield self._typing
        yield self.box

    def on_mount(self) -> None:
        self._unsubscribe = self.handle.on_change(self._changed)
        self._changed()

    def on_unmount(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _changed(self) -> None:
        self.log_view.messages_changed()
        self._typing.update(Text(typing_words(self.handle.presences)))

    def focus_box(self) -> None:
        self.box.focus()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        if self.box.text:
            self.handle.set_typing()

    def on_message_box_sent(self, event: MessageBox.Sent) -> None:
        event.stop()
        self.log_view.to_bottom()
        self.post_message(self.Send(self, event.text))

    def action_page(self, pages: int) -> None:
        self.log_view.page(pages)

    def action_top(self) -> None:
        self.log_view.to_top()

    def action_bottom(self) -> None:
        self.log_view.to_bottom()
