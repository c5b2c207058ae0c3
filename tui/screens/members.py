"""Who is in a document or a chat, and letting people in and out."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Member, Role, ShareLink, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.members import (
    guest_words,
    is_last_writer,
    leaving_words,
    may_manage,
    member_lines,
    ordered,
    removal_title,
    removal_words,
    removed_words,
    role_words,
    together_words,
)
from ..viewmodels.sharing import CAN, LINK_IN_A_FILE, ROLES
from .dialog import Choose, Confirm, Dialog, words
from .giving import Giving
from .sharing import share


class MadeLink(Giving):
    """A link that was made here before."""

    title_words = "A link you made"
    what = "link"
    FILE = "link.png"
    PRIVATE = LINK_IN_A_FILE
    note = "It is still good, and as secret as what it opens."


class Members(Dialog[None]):
    """Lists them; an admin changes who is in it. Gives nothing; after leaving the list is elsewhere."""

    HELP = """Who can read this, and who can change it. A name behind “says:” is what somebody
who is none of your contacts calls themselves; nobody has verified it. An admin shares (s), changes
roles (r) and removes (Delete).
Removed people can still see what they already saw; what is written afterwards has new keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "share", "Share"),
        Binding("l", "link", "Show the link again"),
        Binding("r", "role", "Change the role"),
        Binding("delete,d", "remove", "Remove"),
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
            yield Button("Role", id="role", compact=True)
            yield Button("Remove", id="remove", compact=True)
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
        manages = may_manage(members)
        for name in ("share", "role"):
            self.query_one(f"#{name}", Button).disabled = not manages
        self.query_one("#together", Static).update(Text(together_words(members)))

    def _chosen(self) -> Member | None:
        at = self.query_one(OptionList).highlighted
        return self._members[at] if at is not None and at < len(self._members) else None

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "share":
                self.action_share()
            case "role":
                self.action_role()
            case "remove":
                self.action_remove()
            case _:
                self.dismiss(None)

    def _managed(self) -> Member | None:
        """The chosen member, if one may change anything about it; otherwise says why not."""
        member = self._chosen()
        if member is None:
            return None
        if member.kind == "guest" and not member.me:
            self.show_error(guest_words())
            return None
        if not member.me and not may_manage(self._members):
            self.show_error("Only an admin can change who is in it.")
            return None
        return member

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

    # Roles

    def action_role(self) -> None:
        member = self._managed()
        if member is not None and member.me:
            self.show_error("Your own role is for another admin to change.")
        elif member is not None:
            self.begin(self._change_role(member), alone=True)

    async def _change_role(self, member: Member) -> None:
        roles = [(role.value, f"{role.value}: can {CAN[role]}") for role in ROLES if role is not member.role]
        chosen = await self.app.push_screen_wait(Choose("Change the role", roles, ""))
        if chosen and await self._changed(self._workspace.change_role(self._path, member.id, Role(chosen))):
            self.notify(role_words(member, Role(chosen)), markup=False)
            await self._show()

    # Removing

    def action_remove(self) -> None:
        if member := self._managed():
            leaves = member.me and member.kind == "account"
            self.begin(self._leave() if leaves else self._remove(member), alone=True)

    async def _remove(self, member: Member) -> None:
        asked = Confirm(
            removal_title(member), removal_words(member, self._path, self._members), removal_title(member)
        )
        if await self.app.push_screen_wait(asked) and await self._changed(
            self._workspace.unshare(self._path, member.id)
        ):
            self.notify(removed_words(member), markup=False)
            await self._show()

    async def _leave(self) -> None:
        last = is_last_writer(self._members)
        asked = Confirm("Leave", leaving_words(self._path, last=last), "Leave")
        if await self.app.push_screen_wait(asked) and await self._changed(
            self._workspace.leave(self._path, force=last)
        ):
            self.dismiss(None)

    async def _changed(self, change: Coroutine[Any, Any, None]) -> bool:
        """Whether it went through; an error is said in the dialog."""
        self.show_error("Making new keys…")
        try:
            await change
        except PeergosCollabError as problem:
            self.show_error(problem)
            return False
        self.show_error("")
        return True
