"""The past of a document: its versions in a list, beside it what the text was, in its authors' colours."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from peergos_collab.documents import Document, difference

from ..viewmodels.cells import shown
from ..viewmodels.past import authors_of, version_lines, when_words, who_words
from ..viewmodels.people import Colours
from ..widgets.editor import Editor
from ..widgets.key_bar import KeyBar
from ..widgets.version_list import VersionList
from .base import FullScreen
from .dialog import Confirm

_NOTHING = "Nothing has been written here yet."
_NOTE = "The text becomes what it was then, for everybody here. What came since stays in the history."
_CLIENT = 1
"""Of a text that nobody else ever sees."""


class Past(FullScreen):
    """Goes through the versions of one document."""

    DEFAULT_CSS = """
    Past > #title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
    Past > #page { height: 1fr; }
    Past VersionList { width: 42; border-right: solid $panel; }
    Past Editor { padding: 0 0 0 1; }
    Past.-narrow > #page { layout: vertical; }
    Past.-narrow VersionList { width: 1fr; height: 40%; border-right: none; border-bottom: solid $panel; }
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]  # noqa: RUF012  declared so by textual

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("f6", "other_side", "Versions or text"),
        Binding("f1", "app.keys", "Help"),
    ]

    def __init__(self, path: str, colours: Colours, *, can_write: bool) -> None:
        super().__init__()
        self._path = path
        self._colours = colours
        self._can_write = can_write
        self._document = Document(_CLIENT)
        self._versions = VersionList()
        self._text = Editor(self._document, can_write=False)
        self._busy = False
        self._told: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        yield Static(self._title(), id="title")
        with Horizontal(id="page"):
            yield self._versions
            yield self._text
        yield KeyBar()

    def on_mount(self) -> None:
        self._document.on_change(self._text.document_changed)
        self._versions.focus()
        self.start_here(self._list())

    async def _list(self) -> None:
        versions = await self.workspace.document_versions(self._path)
        self._told = {each.id: f"{when_words(each).strip()}, {who_words(each)}" for each in versions}
        self._versions.show(version_lines(versions))
        if not versions:
            self.query_one("#title", Static).update(self._title(_NOTHING))

    def on_line_list_moved(self) -> None:
        if not self._busy:
            self._busy = True
            self.start_here(self._show())

    async def _show(self) -> None:
        """Shows what is chosen, until that is what is shown: keys do not wait for it."""
        version = None
        try:
            while (chosen := self._versions.chosen) not in (None, version):
                version = chosen
                text = await self.workspace.document_at(self._path, version)
                passages = await self.workspace.blame(self._path, version)
                self._take(text)
                authors = authors_of(self._document, passages, self._colours)
                self._text.show_authors(authors)
                title = self._title(self._told[version])
                legend = authors.legend()
                if any(colour for _, colour in legend):
                    title.append("  ·  text by")
                    for name, colour in legend:
                        title.append(" ▌" if colour else " ", Style(color=colour) if colour else "")
                        title.append(name)
                self.query_one("#title", Static).update(title, layout=False)
        finally:
            self._busy = False

    def _take(self, text: str) -> None:
        """Becomes another text, with the first place in sight where they differ."""
        edits = difference(self._document.text, text)
        self._text.show_authors(None)
        self._document.edit_each(edits)
        if edits:
            self._text.select(edits[0][0], edits[0][0])

    def _title(self, words: str = "") -> Text:
        title = Text(shown(self._path, 200), no_wrap=True)
        return title.append(f"  ·  {words}") if words else title

    def action_back(self) -> None:
        self.dismiss()

    def action_other_side(self) -> None:
        (self._text if self._versions.has_focus else self._versions).focus()

    def on_line_list_opened(self) -> None:
        self.start(self._restore())

    def on_editor_refused(self) -> None:
        self.pgc.say("This is what the text was. Escape goes back to what it is.", "warning")

    async def _restore(self) -> None:
        version = self._versions.chosen
        if version is None:
            return
        if not self._can_write:
            self.pgc.say("You can read this document, not change it.", "warning")
            return
        title = f"Go back to {self._told[version]}"
        if await self.app.push_screen_wait(Confirm(title, _NOTE, "Go back")):
            await self.workspace.restore_document(self._path, version)
            self.dismiss()
