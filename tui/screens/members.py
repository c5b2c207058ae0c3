"""Who is in a document or a chat."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Static

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Workspace

from ..viewmodels.cells import shown
from ..viewmodels.members import member_lines, together_words
from .dialog import Dialog, words


class Members(Dialog[None]):
    """Lists them."""

    HELP = """Who can read this, and who can change it. A name behind “says:” is what a guest
calls himself; nobody has verified it."""

    def __init__(self, workspace: Workspace, path: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._path = path
        self.title_words = f"Who is in {shown(path, 50)}"

    def body(self) -> ComposeResult:
        yield Static(id="members")
        yield words("", id="together", classes="note")
        with Horizontal(classes="buttons"):
            yield Button("Close", variant="primary", id="close", compact=True)

    def on_mount(self) -> None:
        self.run_worker(self._show(), exit_on_error=False)

    async def _show(self) -> None:
        try:
            members = await self._workspace.members(self._path)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        table = Table.grid(padding=(0, 2))
        for who, role, note in member_lines(members):
            table.add_row(Text(who, no_wrap=True, overflow="ellipsis"), Text(role), Text(note, style="dim"))
        self.query_one("#members", Static).update(table)
        self.query_one("#together", Static).update(Text(together_words(members)))

    def on_button_pressed(self) -> None:
        self.dismiss(None)
