"""The past of a document: its versions in a list, beside it what the text was, in its authors' colours."""

from __future__ import annotations

from asyncio import Lock
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from peergos_collab.documents import Document, difference
from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Event, Version

from ..textual_private import CommandsInOrder
from ..viewmodels.authorship import Authors
from ..viewmodels.cells import shown
from ..viewmodels.faults import error_words
from ..viewmodels.members import may_manage
from ..viewmodels.past import (
    Changes,
    authors_of,
    changed,
    forgetting_words,
    version_lines,
    version_words,
)
from ..viewmodels.people import Colours
from ..widgets.editor import Editor
from ..widgets.key_bar import KeyBar
from ..widgets.version_list import VersionList
from .base import FullScreen
from .dialog import AskName, Confirm

_NOTHING = "Nothing has been written here yet."
_NOTE = "The text becomes what it was then, for everybody here. What came since stays in the history."
_NAME_NOTE = "Everybody here sees it. What has a name stays what it was, whatever comes in late."
_UNNAME_NOTE = "The name goes for everybody here. The version stays."
_FORGET_NOTE = (
    "The text stays, and what came after this version, which becomes the oldest one. What led to it goes for "
    "good: earlier versions, what was written and taken away again, who wrote what, and names of versions, "
    "this one's too. It goes from the nodes and from the devices of everybody here, once they had time to "
    "object (a week, unless a node says otherwise). Until then all can be seen as before. It cannot be "
    "undone. Who kept a copy still has it."
)
_ONLY_ADMINS = "Only admins of this document can have its history forgotten."
_CLIENT = 1
"""Of a text that nobody else ever sees."""


class Past(CommandsInOrder, FullScreen):
    """Goes through the versions of one document."""

    DEFAULT_CSS = """
    Past > #title {
        height: 2; padding: 0 1; background: $panel; text-style: bold;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    Past > #page { height: 1fr; }
    Past VersionList { width: 48; border-right: solid $panel; }
    Past Editor { padding: 0 0 0 1; }
    Past.-narrow > #page { layout: vertical; }
    Past.-narrow VersionList { width: 1fr; height: 40%; border-right: none; border-bottom: solid $panel; }
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]  # noqa: RUF012  declared so by textual

    PALETTE = (
        ("Name this version", "A name that everybody here sees", "name"),
        ("Take its name away", "The version stays", "unname"),
        ("What changed", "Shows what came and went since the version before", "changes"),
        ("Changes since this one", "Shows in others what came and went since it", "since"),
        ("Forget what came before", "For good, and for everybody here; the text stays", "forget"),
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "name", "Name it"),
        Binding("d", "changes", "What changed"),
        Binding("space", "since", "Changes since this one", show=False),
        Binding("j", "to_name(1)", "Older name"),
        Binding("k", "to_name(-1)", "Newer name", show=False),
        Binding("delete", "unname", "Take its name away", show=False),
        Binding("f", "forget", "Forget what came before", show=False),
        Binding("escape", "back", "Back"),
        Binding("f6", "other_side", "Versions or text"),
        Binding("question_mark,f1", "app.keys", "Help"),
    ]

    def __init__(self, path: str, colours: Colours, *, can_write: bool) -> None:
        super().__init__()
        self._path = path
        self._colours = colours
        self._can_write = can_write
        self._document = Document(_CLIENT)
        self._list = VersionList()
        self._text = Editor(self._document, can_write=False)
        self._versions: list[Version] = []
        self._busy = False
        self._reading = Lock()
        self._outdated = False
        self._compares = False
        self._since = ""

    def compose(self) -> ComposeResult:
        yield Static(self._title(), id="title")
        with Horizontal(id="page"):
            yield self._list
            yield self._text
        yield KeyBar()

    def on_mount(self) -> None:
        self._document.on_change(self._text.document_changed)
        self._list.focus()
        self.start_here(self._read())

    def heard(self, event: Event) -> None:
        if event.event == "name" and event.path == self._path:
            self.start_here(self._read())

    async def _read(self) -> None:
        """Shows the versions there are; many calls make few looks."""
        self._outdated = True
        async with self._reading:
            if not self._outdated:
                return
            self._outdated = False
            self._versions = await self.workspace.document_versions(self._path)
            self._list.show(version_lines(self._versions))
            if not self._versions:
                self.query_one("#title", Static).update(self._title(_NOTHING))

    # What is shown

    def on_line_list_moved(self) -> None:
        if not self._busy:
            self._busy = True
            self.start_here(self._show())

    async def _show(self) -> None:
        """Shows what is chosen, until that is what is shown: keys do not wait for it."""
        now = None
        try:
            while (wanted := self._wanted()) not in (None, now):
                now = wanted
                version, since, compares = wanted
                text = await self.workspace.document_at(self._path, version.id)
                if compares:
                    before = await self.workspace.document_at(self._path, since.id) if since else ""
                    text, marks = changed(before, text)
                    first = next((at for at, mark in enumerate(marks) if mark is not None), None)
                    self._take(text, first)
                    what = f"since {version_words(since)}" if since else "since it was empty"
                    self._tell(version, what, Changes(self._document, marks))
                else:
                    passages = await self.workspace.blame(self._path, version.id)
                    self._take(text)
                    self._tell(version, "text by", authors_of(self._document, passages, self._colours))
        finally:
            self._busy = False

    def _wanted(self) -> tuple[Version, Version | None, bool] | None:
        """The chosen version, what it is compared with, and whether it is."""
        version = self._chosen()
        if version is None:
            return None
        at = self._versions.index(version)
        since = next((each for each in self._versions if each.id == self._since), None)
        if since is None:
            since = next(iter(self._versions[at + 1 :]), None)
        return version, since, self._compares

    def _chosen(self) -> Version | None:
        return next((each for each in self._versions if each.id == self._list.chosen), None)

    def _take(self, text: str, at: int | None = None) -> None:
        """Becomes another text, with a place in sight: the first where they differ, if none is given."""
        edits = difference(self._document.text, text)
        self._text.show_authors(None)
        self._document.edit_each(edits)
        if at is None and edits:
            at = edits[0][0]
        if at is not None:
            self._text.select(at, at)

    def _tell(self, version: Version, what: str, authors: Authors) -> None:
        self._text.show_authors(authors)
        title = self._title(version_words(version))
        legend = authors.legend()
        if any(colour for _, colour in legend):
            title.append(f"\n{what}")
            for name, colour in legend:
                sign = authors.SIGNS.get(colour or "")
                mark = sign.letter if sign is not None else "▌"
                title.append(f" {mark}" if colour else " ", Style(color=colour) if colour else "")
                title.append(name, sign.look if sign is not None else "")
        self.query_one("#title", Static).update(title, layout=False)

    def _title(self, words: str = "") -> Text:
        title = Text(shown(self._path, 200), no_wrap=True)
        return title.append(f"  ·  {words}") if words else title

    # Keys

    def action_back(self) -> None:
        self.dismiss()

    def action_other_side(self) -> None:
        (self._text if self._list.has_focus else self._list).focus()

    def action_changes(self) -> None:
        self._compares, self._since = not self._compares, ""
        self.on_line_list_moved()

    def action_since(self) -> None:
        self._compares, self._since = True, self._list.chosen or ""
        self.on_line_list_moved()

    def action_to_name(self, step: int) -> None:
        """Goes to the next version that has a name; the list has the newest first."""
        ids = [each.id for each in self._versions]
        at = ids.index(self._list.chosen) if self._list.chosen in ids else 0
        rest = self._versions[at + 1 :] if step > 0 else self._versions[:at][::-1]
        named = next((each for each in rest if each.name), None)
        if named is None:
            self.pgc.say(
                f"No {'older' if step > 0 else 'newer'} version has a name. N gives this one a name."
            )
            return
        self._list.choose(named.id)
        self.on_line_list_moved()

    def on_editor_refused(self) -> None:
        self.pgc.say("This is what the text was. Escape goes back to what it is.", "warning")

    # What is done with a version

    def _to_change(self) -> Version | None:
        """The chosen one, where something may be done with it."""
        version = self._chosen()
        if version is not None and not self._can_write:
            self.pgc.say("You can read this document, not change it.", "warning")
            return None
        return version

    def on_line_list_opened(self) -> None:
        if version := self._to_change():
            self.start(self._restore(version))

    async def _restore(self, version: Version) -> None:
        title = f"Go back to {version_words(version)}"
        if await self.app.push_screen_wait(Confirm(title, _NOTE, "Go back")):
            await self.workspace.restore_document(self._path, version.id)
            self.dismiss()

    def action_name(self) -> None:
        if version := self._to_change():
            self.start_asking(self._ask_name(version))

    async def _ask_name(self, version: Version) -> None:
        title, name, problem = f"A name for {version_words(version)}", version.name, ""
        while True:
            asked = AskName(
                title, _NAME_NOTE, "Name it", name, placeholder="a name, like First draft", problem=problem
            )
            name = await self.app.push_screen_wait(asked) or ""
            if not name:
                return
            try:
                await self._give_name(version, name)
            except PeergosCollabError as wrong:
                problem = error_words(wrong)
            else:
                return

    def action_unname(self) -> None:
        version = self._to_change()
        if version is not None and version.name:
            self.start(self._unname(version))

    async def _unname(self, version: Version) -> None:
        if await self.app.push_screen_wait(
            Confirm(f"No more “{version.name}”", _UNNAME_NOTE, "Take it away")
        ):
            await self._give_name(version, "")

    async def _give_name(self, version: Version, name: str) -> None:
        id_ = await self.workspace.name_version(self._path, version.id, name)
        await self._read()
        self._list.choose(id_)
        self.on_line_list_moved()

    def action_forget(self) -> None:
        if version := self._chosen():
            self.start(self._forget(version))

    async def _forget(self, version: Version) -> None:
        members = await self.workspace.members(self._path)
        if self.app.screen is not self:
            return  # it was left meanwhile
        if not may_manage(members):
            self.pgc.say(_ONLY_ADMINS, "warning")
            return
        title = f"Forget what came before {version_words(version)}"
        if await self.app.push_screen_wait(Confirm(title, _FORGET_NOTE, "Forget it")):
            self.pgc.say("The nodes are asked…")
            self.pgc.say(forgetting_words(await self.workspace.forget_document(self._path, version.id)))
