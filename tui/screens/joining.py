"""Joining by a link that somebody gave."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Label

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Workspace

from ..widgets.field import Field
from .dialog import Dialog


class Join(Dialog[str]):
    """Takes a link; gives the name under which the content is here."""

    title_words = "Join by link"

    HELP = """Paste the whole link, from 'pgc://' to its last character.
A name of your own and a password are only needed where you want one or were given one."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._busy = False

    def body(self) -> ComposeResult:
        yield Label("The link somebody gave you")
        yield Field(id="link", placeholder="pgc://…")
        yield Label("Your name for it (may stay empty)")
        yield Field(id="name")
        yield Label("Password of the link (if it has one)")
        yield Field(id="password", password=True)
        with Horizontal(classes="buttons"):
            yield Button("Join", variant="primary", id="ok", compact=True)
            yield Button("Cancel", id="cancel", compact=True)

    def on_input_submitted(self) -> None:
        self._accept()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self._accept()
        else:
            self.dismiss(None)

    def _accept(self) -> None:
        link = "".join(self.field("link").split())
        if not link:
            self.show_error("Paste the link first.")
        elif not self._busy:
            self._busy = True
            self.show_error("Joining… the content is fetched and checked.")
            self.begin(self._join(link))

    async def _join(self, link: str) -> None:
        try:
            path = await self._workspace.join(
                link, self.field("name").strip(), password=self.field("password")
            )
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        finally:
            self._busy = False
        self.dismiss(path)
