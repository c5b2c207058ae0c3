"""The editor screen: a document, perhaps with a chat beside it."""

from __future__ import annotations

from pathlib import Path as FilePath
from time import monotonic
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Static

from peergos_collab.documents import Change
from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import DocumentHandle, Status, Unsubscribe

from ..textual_private import CommandsInOrder
from ..typed_ahead import Meant
from ..viewmodels.authorship import Authors, Authorship
from ..viewmodels.cells import shown
from ..viewmodels.people import Colours, carets, name_of
from ..viewmodels.status import bar, saved_words, state_of
from ..viewmodels.writers import Writers, character_meant
from ..widgets.chat_pane import ChatPane
from ..widgets.editor import Editor
from ..widgets.find_bar import FindBar
from ..widgets.key_bar import KeyBar
from ..widgets.status_bar import StatusBar
from .base import FullScreen
from .chat_search import ChatSearch
from .dialog import Choose
from .members import Members
from .past import Past
from .saving import save_as
from .sharing import share

_REST = 0.25
"""Seconds the cursor rests before the bar says who wrote the text under it."""
_SLICE = 0.004
"""Seconds of looking at who wrote what before keys have their turn again."""
_READ_ONLY = "You can read this document, not change it. Ask whoever shared it for a writer link."


class Writing(CommandsInOrder, FullScreen):
    """One document, open."""

    DEFAULT_CSS = """
    Writing > #title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
    Writing > #page { height: 1fr; }
    Writing Editor { padding: 0 0 0 1; }
    Writing ChatPane { width: 34; border-left: solid $panel; }
    Writing.-narrow > #page { layout: vertical; }
    Writing.-narrow ChatPane { width: 1fr; height: 40%; border-left: none; border-top: solid $panel; }
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-wide")]  # noqa: RUF012  declared so by textual

    WRITES = True

    PALETTE = (
        ("Find", "Look for text", "find"),
        ("Authors", "Show or hide who wrote what", "authors"),
        ("History", "What the text was, and who wrote it when", "history"),
        ("Export", "Write the text to a file", "export"),
        ("Share", "With a contact, or by a link", "share"),
        ("Members", "Who is in this document", "members"),
        ("Chat beside", "Show or hide a chat beside the text", "chat"),
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("ctrl+f", "find", "Find"),
        Binding("f3", "step(1)", "Next match", show=False),
        Binding("shift+f3", "step(-1)", "Previous match", show=False),
        Binding("f4", "authors", "Who wrote what", show=False),
        Binding("f7", "history", "History", show=False),
        Binding("ctrl+s", "saved", "Saved?", show=False),
        Binding("ctrl+e", "export", "Export", show=False, priority=True),
        Binding("ctrl+t", "chat", "Chat", priority=True),
        Binding("f6", "other_side", "Text or chat", show=False),
        Binding("ctrl+l", "share", "Share"),
        Binding("ctrl+r", "members", "Members"),
        Binding("f1", "app.keys", "Help"),
    ]

    def __init__(self, handle: DocumentHandle) -> None:
        super().__init__()
        self.handle = handle
        self.editor = Editor(handle.document, can_write=handle.can_write, id="editor")
        self._bar = StatusBar()
        self._colours = Colours()
        self._subscriptions: list[Unsubscribe] = []
        self._status: Status | None = None
        self._stale = False
        self._chat: ChatPane | None = None
        self._toggling = False
        self._writers = Writers()
        self._writer = ""
        self._rest: Timer | None = None
        self._authors: Authors | None = None
        self._learning = False
        self._shown_title: Text | None = None

    def compose(self) -> ComposeResult:
        yield Static(self._title(), id="title")
        with Horizontal(id="page"):
            yield self.editor
        yield FindBar()
        yield self._bar
        yield KeyBar()

    def on_mount(self) -> None:
        self.handle.document.track_undo()
        self._subscriptions = [
            self.handle.document.on_change(self._document_changed),
            self.handle.on_presence(self._show_people),
        ]
        self.editor.focus()
        self._status = self.pgc.status
        self._show_people()
        self.handle.set_cursor(0, 0)
        self._look_soon()

    async def on_unmount(self) -> None:
        for unsubscribe in self._subscriptions:
            unsubscribe()
        await self.handle.close()
        if self._chat is not None:
            await self._chat.handle.close()

    # What happens outside

    def _document_changed(self, change: Change) -> None:
        try:
            self.editor.document_changed(change)
            if change.local:
                self._mark_stale()
            self.pgc.refresh_status()
            if self.handle.presences:
                self.call_later(self._show_people)
            self._look_soon()
        except Exception as fault:  # noqa: BLE001  the document's other readers must not suffer
            self.pgc.show_fault(fault)

    def _mark_stale(self) -> None:
        """What the last status says about saving is no longer proved."""
        self.pgc.note_edit()
        if not self._stale:
            self._stale = True
            self._show_bar()

    def _show_people(self) -> None:
        wrote = self._authors.accounts() if self._authors is not None else frozenset()
        length = len(self.handle.document)
        self.editor.show_others(carets(self.handle.presences, self._colours, length, wrote))
        self._show_bar()

    def status_changed(self, status: Status | None) -> None:
        self._status = status
        # A role can change while one writes.
        self.editor.model.can_write = self.handle.can_write
        self._stale = self.pgc.status_is_stale
        self._show_bar()
        self._learn_soon()

    def _show_bar(self) -> None:
        names = [name_of(presence) for presence in self.handle.presences]
        can_write, stale = self.handle.can_write, self._stale
        self._bar.show(
            bar(self._status, self.handle.path, names, stale=stale, can_write=can_write, writer=self._writer)
        )

    # Who wrote what

    def _look_soon(self) -> None:
        """Looks once the cursor rests: no key waits for it."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_REST, lambda: self.start_here(self._look_who_wrote()))

    async def _look_who_wrote(self) -> None:
        offset = character_meant(self.editor.model)
        try:
            writer = await self.handle.writer_at(offset) if offset is not None else None
        except PeergosCollabError:
            return  # nobody asked for it, and what is wrong is said where it matters
        words = self._writers.words(writer)
        if words != self._writer:
            self._writer = words
            self._show_bar()

    def action_authors(self) -> None:
        if self._authors is None:
            self._authors = Authors(Authorship(self.handle.document), self._colours)
        else:
            self._authors = None
        self.editor.show_authors(self._authors)
        self._show_legend()

    def on_editor_painted(self) -> None:
        self._learn_soon()

    def _learn_soon(self) -> None:
        """Looks at who wrote what is in sight, a little at a time: keys come in between."""
        if self._authors is not None and not self._learning:
            self._learning = True
            self.call_later(self._learn)

    async def _learn(self) -> None:
        self._learning = False
        authors = self._authors
        if authors is None:
            return
        until = monotonic() + _SLICE
        before = authors.unknown()
        more = authors.authorship.learn(self.editor.line_starts(), lambda: monotonic() >= until)
        try:
            for client in authors.unknown():
                authors.name(client, await self.handle.writer_of(client))
        except PeergosCollabError:
            return  # what is wrong is said where it matters
        if more:
            self._learn_soon()
        if authors.authorship.news or before != authors.unknown():
            authors.authorship.news = False
            self.editor.repaint_soon()
        self._show_legend()

    def _title(self) -> Text:
        return Text(shown(self.handle.path, 200), no_wrap=True)

    def _show_legend(self) -> None:
        """The title, and who has which colour."""
        title = self._title()
        if self._authors is not None:
            title.append("  ·  by" if self._authors.legend() else "  ·  who wrote this is not known yet")
            for name, colour in self._authors.legend():
                title.append(" ▌" if colour else " ", Style(color=colour) if colour else "")
                title.append(name)
        if title != self._shown_title:
            self._shown_title = title
            self.query_one("#title", Static).update(title, layout=False)

    # What the editor says

    def on_editor_cursor_moved(self, event: Editor.CursorMoved) -> None:
        self.handle.set_cursor(event.anchor, event.head)
        self._look_soon()

    def on_editor_refused(self, event: Editor.Refused) -> None:
        state = state_of(self._status, self.handle.path)
        removed = state.removed if state is not None else ""
        self.pgc.say(removed or event.reason or _READ_ONLY, "warning")

    # Finding

    def action_find(self) -> None:
        if self._chat is not None and self.focused is self._chat.box:
            self.start_asking(self._search_chat(self._chat))
            return
        if self.focused is self.editor:
            self.pgc.ahead.hold(self.editor, Meant.FIELD)
        selected = self.editor.model.selected
        self.query_one(FindBar).open(selected if 0 < len(selected) < 100 and "\n" not in selected else "")

    async def _search_chat(self, pane: ChatPane) -> None:
        index = await self.app.push_screen_wait(ChatSearch(self.workspace, pane.handle))
        if index is not None:
            pane.log_view.show_message(index)

    def on_find_bar_changed(self, event: FindBar.Changed) -> None:
        found = self.editor.find(event.query)
        start = found.next(self.editor.model.selection[0])
        if start is not None:
            self.editor.select(start, start + found.length)
        self._show_count()

    def on_find_bar_step(self, event: FindBar.Step) -> None:
        self.action_step(event.direction)

    def on_find_bar_closed(self) -> None:
        self.editor.find("")
        self.editor.focus()

    def action_step(self, direction: int) -> None:
        finder = self.query_one(FindBar)
        if not finder.query_text:
            finder.open("")
            return
        # The text may have changed since the last look.
        found = self.editor.find(finder.query_text)
        here = self.editor.model.selection[0]
        start = found.next(here + 1) if direction > 0 else found.previous(here)
        if start is not None:
            self.editor.select(start, start + found.length)
        self._show_count()

    def _show_count(self) -> None:
        self.query_one(FindBar).show_count(self.editor.matches.words(self.editor.model.selection[0]))

    # Keys

    def action_back(self) -> None:
        finder = self.query_one(FindBar)
        if finder.is_open:
            finder.action_close()
        elif self.focused is not self.editor:
            self.editor.focus()
        else:
            self.dismiss()

    def action_saved(self) -> None:
        self.start(self._say_saved())

    async def _say_saved(self) -> None:
        await self.handle.saved()
        await self.pgc.update_status()
        words = saved_words(state_of(self.pgc.status, self.handle.path))
        self.notify(f"You need not save: it happens as you type. Now: {words}.", markup=False)

    def action_export(self) -> None:
        self.start(self._export())

    async def _export(self) -> None:
        plain = self.handle.path.rsplit("/", 1)[-1]
        suggestion = plain if "." in plain else plain + ".txt"
        note = "The text is written to a file on this computer, not encrypted."

        async def text(_: FilePath) -> bytes:
            return await self.workspace.export_document(self.handle.path, "text")

        await save_as(self, "Export", note, suggestion, text, safe="The document is unchanged.")

    def action_share(self) -> None:
        self.start(self._share())

    async def _share(self) -> None:
        self.app.push_screen(await share(self.workspace, self.handle.path))

    def action_history(self) -> None:
        self.app.push_screen(Past(self.handle.path, self._colours, can_write=self.handle.can_write))

    def action_members(self) -> None:
        self.app.push_screen(Members(self.workspace, self.handle.path))

    # The chat beside

    def action_chat(self) -> None:
        if not self._toggling:
            self._toggling = True
            self.start(self._toggle_chat())

    async def _toggle_chat(self) -> None:
        try:
            if self._chat is None:
                await self._choose_chat()
            else:
                pane, self._chat = self._chat, None
                await pane.remove()
                await pane.handle.close()
                self.editor.focus()
        finally:
            self._toggling = False

    async def _choose_chat(self) -> None:
        chats = [entry.name for entry in await self.workspace.list_entries() if entry.kind == "chat"]
        path: str | None = chats[0] if len(chats) == 1 else None
        if path is None:
            empty = "There is no chat yet. Go back to the list with Escape, then c makes one."
            listed = [(name, shown(name, 50)) for name in sorted(chats)]
            path = await self.app.push_screen_wait(Choose("Chat beside the text", listed, empty))
        if path:
            await self._show_chat(path)

    async def _show_chat(self, path: str) -> None:
        handle = await self.workspace.open_chat(path)
        if not self.is_attached:  # left meanwhile
            await handle.close()
            return
        self._chat = ChatPane(handle)
        await self.query_one("#page").mount(self._chat)
        self._chat.focus_box()

    async def on_chat_pane_send(self, event: ChatPane.Send) -> None:
        self.start(self.pgc.send(event))

    def action_other_side(self) -> None:
        if self._chat is not None and self.focused is self.editor:
            self._chat.focus_box()
        else:
            self.editor.focus()
