"""A chat to read and write in: messages, who is typing, and a box for the next message."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from peergos_collab.workspace.api import ChatHandle, Unsubscribe
from peergos_collab.workspace.api import Message as ChatMessage

from ..viewmodels.cells import shown
from ..viewmodels.people import typing_words
from ..viewmodels.timeline import quote_words
from .chat_log import ChatLog
from .editor import Editor
from .message_box import MessageBox

_NOT_YET = "This message has no place in the chat yet. It can be answered once others were reached."


class ChatPane(Vertical):
    """One chat. Posts ``Send`` with what is to be sent."""

    DEFAULT_CSS = """
    ChatPane { width: 1fr; height: 1fr; }
    ChatPane > .chat-title { height: 1; padding: 0 1; background: $surface; text-style: bold; }
    ChatPane > .chat-typing { height: 1; padding: 0 1; color: $foreground 60%; }
    ChatPane > .chat-answer { height: 1; padding: 0 1; color: $text-primary; display: none; }
    ChatPane.-answering > .chat-answer { display: block; }
    ChatPane > MessageBox { height: 1; padding: 0 0 0 1; background: $surface; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", "Older", priority=True, show=False),
        Binding("pagedown", "page(1)", "Newer", priority=True, show=False),
        Binding("ctrl+home", "top", "First message", priority=True, show=False),
        Binding("ctrl+end", "bottom", "Last message", priority=True, show=False),
        Binding("escape", "answer_nothing", "No answer", show=False),
    ]

    class Send(Message):
        def __init__(self, pane: ChatPane, text: str, answered: ChatMessage | None) -> None:
            super().__init__()
            self.pane = pane
            self.text = text
            self.answered = answered

    def __init__(self, handle: ChatHandle, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.handle = handle
        self.log_view = ChatLog(handle)
        self.box = MessageBox(can_write=handle.can_write)
        self._typing = Static(classes="chat-typing")
        self._answer = Static(classes="chat-answer")
        self._answered: ChatMessage | None = None
        self._unsubscribe: Unsubscribe | None = None

    def compose(self) -> ComposeResult:
        yield Static(Text(shown(self.handle.path, 60)), classes="chat-title")
        yield self.log_view
        yield self._typing
        yield self._answer
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

    def answer(self, message: ChatMessage | None) -> None:
        """What is written now answers this message; None takes that back."""
        self._answered = message
        self.set_class(message is not None, "-answering")
        if message is not None:
            words = quote_words(message, max(2, self.size.width - 5))
            self._answer.update(Text(f"↳ {words}", no_wrap=True))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Escape leaves the answer first, and only then the screen.
        return self._answered is not None if action == "answer_nothing" else True

    def action_answer_nothing(self) -> None:
        self.answer(None)

    def on_chat_log_answer(self, event: ChatLog.Answer) -> None:
        event.stop()
        if not self.handle.can_write:
            return
        if event.message.id:
            self.answer(event.message)
            self.box.focus()
        else:
            self.notify(_NOT_YET, severity="warning", markup=False)

    def on_chat_log_left(self, event: ChatLog.Left) -> None:
        event.stop()
        self.box.focus()

    def on_message_box_left_upwards(self, event: MessageBox.LeftUpwards) -> None:
        event.stop()
        if len(self.handle):
            self.log_view.focus()

    # What the box says is not for the editor screen around this.

    def on_editor_edited(self, event: Editor.Edited) -> None:
        event.stop()
        if self.box.text:
            self.handle.set_typing()

    def on_editor_cursor_moved(self, event: Editor.CursorMoved) -> None:
        event.stop()

    def on_editor_refused(self, event: Editor.Refused) -> None:
        event.stop()
        self.notify("You can read this chat, not write in it.", severity="warning", markup=False)

    def on_message_box_sent(self, event: MessageBox.Sent) -> None:
        event.stop()
        self.log_view.to_bottom()
        self.post_message(self.Send(self, event.text, self._answered))
        self.answer(None)

    def action_page(self, pages: int) -> None:
        self.log_view.page(pages)

    def action_top(self) -> None:
        self.log_view.to_top()

    def action_bottom(self) -> None:
        self.log_view.to_bottom()
