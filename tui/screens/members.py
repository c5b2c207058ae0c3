"""Who is in a document or a chat, and letting others in."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Member, ShareLink, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.members import (
    may_manage,
    member_lines,
    ordered,
    together_words,
)
from .dialog import Dialog, words
from .giving import Giving
from .sharing import share


class MadeLink(Giving):
    """A link that was made here before."""

    title_words = "A link you made"
    what = "link"
    note = "It is still good, and as secret as what it opens."


class Members(Dialog[None]):
    """Lists them; an admin shares, and sees links he made again."""

    HELP = """Who can read this, and who can change it. A name behind “says:” is what a guest
calls himself; nobody has verified it. An admin shares (s); Enter shows a link again that was made here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "share", "Share"),
        Binding("l", "link", "Show the link again"),
    ]

    def __init__(self, workspace: Workspace, path: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._path = path
        self._members: list[Member] = []
        self._links: dict[str, ShareLink] = {}
        self.title_words = f"Who is in {shown(path, 50)}"

    def body(self) -> ComposeResult:
        yield OptionList(id="members", compact=True)
        yield words("", id="together", classes="note")
        with Horizontal(classes="buttons"):
            yield Button("Share", variant="primary", id="share", compact=True)
            yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        self.begin(self._show())

    async def _show(self) -> None:
        try:
            members = await self._workspace.members(self._path)
            links = await self._workspace.links(self._path)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self._members = ordered(members)
        self._links = {link.id: link for link in links}
        listed = self.query_one(OptionList)
        before = listed.highlighted or 0
        listed.clear_options()
        listed.add_options([Option(Text(line, no_wrap=True)) for line in member_lines(members, links)])
        listed.highlighted = min(before, len(members) - 1) if members else None
        listed.focus()
        self.query_one("#share", Button).disabled = not may_manage(members)
        self.query_one("#together", Static).update(Text(together_words(members)))

    def _chosen(self) -> Member | None:
        at = self.query_one(OptionList).highlighted
        return self._members[at] if at is not None and at < len(self._members) else None

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "share":
                self.action_share()
            case _:
                self.dismiss(None)

    # Share

    def action_share(self) -> None:
        self.begin(self._share(), alone=True)

    async def _share(self) -> None:
        await self.app.push_screen_wait(await share(self._workspace, self._path))
        await self._show()

    def action_link(self) -> None:
        member = self._chosen()
        link = self._links.get(member.id) if member is not None else None
        if link is None:
            self.show_error("Choose a link that was made here: it can be shown again.")
        else:
            self.app.push_screen(MadeLink(link.text))

    def on_option_list_option_selected(self) -> None:
        member = self._chosen()
        if member is not None and member.id in self._links:
            self.action_link()
