"""Everything in this home: documents and chats, and how they are."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Entry, Status

from ..textual_private import CommandsInOrder
from ..viewmodels.entries import alarm_words, empty_words, lines_of, title_words
from ..viewmodels.faults import NOT_KEPT, error_words
from ..widgets.entry_list import EntryList
from ..widgets.key_bar import KeyBar
from .base import FullScreen
from .devices import Devices
from .dialog import AskName, Confirm
from .joining import Join
from .members import Members
from .nodes import Nodes
from .people import PeopleScreen
from .sharing import share


class Home(CommandsInOrder, FullScreen):
    """The list."""

    DEFAULT_CSS = """
    Home > #title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
    Home > #alarm { height: auto; max-height: 4; padding: 0 1; background: $error 40%; display: none; }
    Home.-alarm > #alarm { display: block; }
    Home > #empty { height: 1fr; padding: 2 4; display: none; }
    Home.-empty > #empty { display: block; }
    Home.-empty > EntryList { display: none; }
    Home > EntryList { height: 1fr; }
    """

    PALETTE = (
        ("New document", "Write something new", "new('doc')"),
        ("New chat", "Start a chat", "new('chat')"),
        ("Join", "With a link somebody gave you", "join"),
        ("Share", "With a contact, or by a link", "share"),
        ("Members", "Who is in the chosen entry", "members"),
        ("People", "Contacts, invitations, your own card", "people"),
        ("Devices", "The devices of this account; link one more", "devices"),
        ("Rename", "Give the chosen entry another name", "rename"),
        ("Remove", "Take the chosen entry off your list", "remove"),
        ("Nodes", "See, add and remove nodes", "nodes"),
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new('doc')", "Document"),
        Binding("c", "new('chat')", "Chat"),
        Binding("j", "join", "Join"),
        Binding("s", "share", "Share"),
        Binding("m", "members", "Members"),
        Binding("p", "people", "People"),
        Binding("r", "rename", "Rename", show=False),
        Binding("delete,d", "remove", "Remove", show=False),
        Binding("o", "nodes", "Nodes"),
        Binding("e", "devices", "Devices", show=False),
        Binding("question_mark,f1", "app.keys", "Help"),
        Binding("q", "app.leave", "Quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="alarm")
        yield EntryList()
        yield Static(Text(empty_words()), id="empty")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(EntryList).focus()
        self.pgc.refresh_status()

    def on_screen_resume(self) -> None:
        self.pgc.refresh_status()

    def entries_changed(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._show()

    def status_changed(self, status: Status | None) -> None:
        self._show()

    def _show(self) -> None:
        status = self.pgc.status
        self.query_one("#title", Static).update(Text(title_words(status, self.pgc.waiting), no_wrap=True))
        alarm = alarm_words(status)
        self.set_class(bool(alarm), "-alarm")
        self.query_one("#alarm", Static).update(Text(alarm))
        lines = lines_of(self._entries, status)
        self.set_class(not lines, "-empty")
        self.query_one(EntryList).show(lines)

    @property
    def chosen(self) -> str | None:
        """The path under the cursor."""
        return self.query_one(EntryList).chosen

    def _chosen_or_say(self) -> str | None:
        if self.chosen is None:
            self.notify("There is nothing here yet: n makes a document, c a chat.", markup=False)
        return self.chosen

    def choose(self, path: str) -> None:
        self.query_one(EntryList).choose(path)

    def on_line_list_opened(self, event: EntryList.Opened) -> None:
        self.start(self.pgc.open_entry(event.key))

    def action_new(self, kind: str) -> None:
        self.start_asking(self._new(kind))

    async def _new(self, kind: str) -> None:
        title = "New document" if kind == "doc" else "New chat"
        note = "Only you can see it until you share it."
        make = self.workspace.new_document if kind == "doc" else self.workspace.new_chat
        name = problem = ""
        while True:
            asked = AskName(title, note, "Make it", name, before_text=True, problem=problem)
            name = await self.app.push_screen_wait(asked) or ""
            if not name:
                return
            try:
                await make(name)
            except PeergosCollabError as wrong:
                problem = error_words(wrong)
                if self.pgc.ahead.drop():
                    problem += f" {NOT_KEPT}"
            else:
                break
        await self.pgc.open_entry(name)

    def action_join(self) -> None:
        self.start_asking(self._join())

    async def _join(self) -> None:
        path = await self.app.push_screen_wait(Join(self.workspace))
        if path:
            await self.pgc.update_status()
            self.choose(path)
            await self.pgc.open_entry(path)

    def action_share(self) -> None:
        if path := self._chosen_or_say():
            self.start(self._share(path))

    async def _share(self, path: str) -> None:
        self.app.push_screen(await share(self.workspace, path))

    def action_members(self) -> None:
        if path := self._chosen_or_say():
            self.app.push_screen(Members(self.workspace, path), lambda _: self.pgc.refresh_status())

    def action_rename(self) -> None:
        if path := self._chosen_or_say():
            self.start_asking(self._rename(path))

    async def _rename(self, path: str) -> None:
        note = "Only your own list changes; others keep their names for it."
        name = await self.app.push_screen_wait(AskName("Rename", note, "Rename", path))
        if name and name != path:
            await self.workspace.move(path, name)
            await self.pgc.update_status()
            self.choose(name)

    def action_remove(self) -> None:
        if path := self._chosen_or_say():
            self.start(self._remove(path))

    async def _remove(self, path: str) -> None:
        note = f"Take “{path}” off your list? Others who have it keep it."
        if await self.app.push_screen_wait(Confirm("Remove", note, "Remove")):
            await self.workspace.remove(path)
            await self.pgc.update_status()

    def action_people(self) -> None:
        self.app.push_screen(PeopleScreen())

    def action_devices(self) -> None:
        self.app.push_screen(Devices(self.workspace))

    def action_nodes(self) -> None:
        self.app.push_screen(Nodes(self.workspace), lambda _: self.pgc.refresh_status())
