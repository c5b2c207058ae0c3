"""Everything in this home: documents and chats, and how they are."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from peergos_collab.workspace.api import Entry, Status

from ..viewmodels.entries import Line, empty_words, lines_of, title_words
from .base import FullScreen
from .dialog import AskName, Confirm
from .nodes import Nodes
from .sharing import Join, Share

_COLUMNS = ("name", "kind", "connection", "saved")


class EntryTable(DataTable[Text]):
    HELP = """Documents and chats of this home. Enter opens the chosen one.
n makes a document, c a chat, j takes a link somebody gave you, s shares the chosen one by link."""


class Home(FullScreen):
    """The list."""

    DEFAULT_CSS = """
    Home > #title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
    Home > #empty { height: 1fr; padding: 2 4; display: none; }
    Home.-empty > #empty { display: block; }
    Home.-empty > EntryTable { display: none; }
    Home > EntryTable { height: 1fr; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new('doc')", "Document"),
        Binding("c", "new('chat')", "Chat"),
        Binding("j", "join", "Join"),
        Binding("s", "share", "Share"),
        Binding("r", "rename", "Rename"),
        Binding("delete,d", "remove", "Remove"),
        Binding("o", "nodes", "Nodes"),
        Binding("question_mark,f1", "app.keys", "Help"),
        Binding("q", "app.leave", "Quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Entry] = []
        self._lines: list[Line] = []

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield EntryTable(id="entries", cursor_type="row", zebra_stripes=False)
        yield Static(Text(empty_words()), id="empty")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        table = self.query_one(EntryTable)
        for name, label in zip(_COLUMNS, ("Name", "Kind", "Connection", "Saved"), strict=True):
            table.add_column(label, key=name)
        table.focus()
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
        self.query_one("#title", Static).update(Text(title_words(status), no_wrap=True))
        lines = lines_of(self._entries, status)
        self.set_class(not lines, "-empty")
        if lines == self._lines:
            return
        table = self.query_one(EntryTable)
        if [line.path for line in lines] == [line.path for line in self._lines]:
            for line in lines:
                for column, text in zip(_COLUMNS, line.cells, strict=True):
                    table.update_cell(line.path, column, Text(text), update_width=True)
        else:
            chosen = self.chosen
            table.clear()
            for line in lines:
                table.add_row(*(Text(text) for text in line.cells), key=line.path)
            paths = [line.path for line in lines]
            if chosen in paths:
                table.move_cursor(row=paths.index(chosen))
            # As many rows as before and no move of the cursor: the table would see no reason to paint.
            table.refresh()
        self._lines = lines

    @property
    def chosen(self) -> str | None:
        """The path under the cursor."""
        row = self.query_one(EntryTable).cursor_row
        return self._lines[row].path if 0 <= row < len(self._lines) else None

    def _chosen_or_say(self) -> str | None:
        if self.chosen is None:
            self.notify("There is nothing here yet: n makes a document, c a chat.", markup=False)
        return self.chosen

    def choose(self, path: str) -> None:
        for row, line in enumerate(self._lines):
            if line.path == path:
                self.query_one(EntryTable).move_cursor(row=row)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.start(self.pgc.open_entry(event.row_key.value))

    def action_new(self, kind: str) -> None:
        self.start(self._new(kind))

    async def _new(self, kind: str) -> None:
        title = "New document" if kind == "doc" else "New chat"
        note = "Only you can see it until you share it."
        name = await self.app.push_screen_wait(AskName(title, note, "Make it"))
        if not name:
            return
        if kind == "doc":
            await self.workspace.new_document(name)
        else:
            await self.workspace.new_chat(name)
        await self.pgc.open_entry(name)

    def action_join(self) -> None:
        self.start(self._join())

    async def _join(self) -> None:
        path = await self.app.push_screen_wait(Join(self.workspace))
        if path:
            await self.pgc.update_status()
            self.choose(path)
            await self.pgc.open_entry(path)

    def action_share(self) -> None:
        if path := self._chosen_or_say():
            self.app.push_screen(Share(self.workspace, path))

    def action_rename(self) -> None:
        if path := self._chosen_or_say():
            self.start(self._rename(path))

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

    def action_nodes(self) -> None:
        self.app.push_screen(Nodes(self.workspace), lambda _: self.pgc.refresh_status())
