"""A chat on the whole screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from peergos_collab.workspace.api import ChatHandle, Status, Unsubscribe

from ..textual_private import CommandsInOrder
from ..viewmodels.people import name_of
from ..viewmodels.status import bar
from ..widgets.chat_pane import ChatPane
from ..widgets.key_bar import KeyBar
from ..widgets.status_bar import StatusBar
from .base import FullScreen
from .chat_search import ChatSearch
from .members import Members
from .sharing import share


class Chatting(CommandsInOrder, FullScreen):
    """One chat, open."""

    WRITES = True

    PALETTE = (
        ("Search", "Look through the history", "search"),
        ("Share", "With a contact, or by a link", "share"),
        ("Members", "Who is in this chat", "members"),
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back"),
        Binding("ctrl+f", "search", "Search"),
        Binding("ctrl+l", "share", "Share"),
        Binding("ctrl+r", "members", "Members"),
        Binding("f1", "app.keys", "Help"),
    ]

    def __init__(self, handle: ChatHandle) -> None:
        super().__init__()
        self.handle = handle
        self.pane = ChatPane(handle)
        self._bar = StatusBar()
        self._unsubscribe: Unsubscribe | None = None

    def compose(self) -> ComposeResult:
        yield self.pane
        yield self._bar
        yield KeyBar()

    def on_mount(self) -> None:
        self._unsubscribe = self.handle.on_change(self._changed)
        self.pane.focus_box()
        self._show_bar()

    async def on_unmount(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        await self.handle.close()

    def _changed(self) -> None:
        self._show_bar()
        self.pgc.refresh_status()

    def status_changed(self, status: Status | None) -> None:
        self._show_bar()

    def _show_bar(self) -> None:
        names = [name_of(presence) for presence in self.handle.presences]
        stale = self.pgc.status_is_stale
        self._bar.show(
            bar(self.pgc.status, self.handle.path, names, stale=stale, can_write=self.handle.can_write)
        )

    async def on_chat_pane_send(self, event: ChatPane.Send) -> None:
        self.start(self.pgc.send(event))

    def action_search(self) -> None:
        self.start_asking(self._search())

    async def _search(self) -> None:
        index = await self.app.push_screen_wait(ChatSearch(self.workspace, self.handle))
        if index is not None:
            self.pane.log_view.show_message(index)

    def action_share(self) -> None:
        self.start(self._share())

    async def _share(self) -> None:
        self.app.push_screen(await share(self.workspace, self.handle.path))

    def action_members(self) -> None:
        self.app.push_screen(Members(self.workspace, self.handle.path))
