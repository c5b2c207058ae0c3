"""Sharing with a contact, or by a link."""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label, OptionList, RadioSet, Static
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Contact, Role, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.contacts import People, names_of
from ..viewmodels.members import may_manage
from ..viewmodels.sharing import (
    CAN,
    LASTING,
    LINK_IN_A_FILE,
    NOT_YOURS_TO_SHARE,
    ROLES,
    SINCE,
    contact_words,
    shared_words,
    warning,
)
from ..widgets.field import Field
from ..widgets.qr_code import QrCode
from ..widgets.toggles import Choice
from .dialog import words
from .pictured import Pictured

_LINK = "a link, for whoever has it"


async def share(workspace: Workspace, path: str) -> Share:
    """The dialog, with the contacts there are now."""
    contacts = People(tuple(await workspace.contacts())).known
    kinds = {entry.name: entry.kind for entry in await workspace.list_entries()}
    may = may_manage(await workspace.members(path))
    return Share(workspace, path, contacts, from_now=kinds.get(path) == "doc", may=may)


class Share(Pictured[None]):
    """Shares one object with a contact; or makes a link for it and shows that.

    Args:
        from_now: it can be shared from now on, without what was written before.
        may: this account is an admin of it, so that it can.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,c", "copy", "Copy the link")]

    BEHIND = ("link",)
    FILE = "link.png"
    PRIVATE = LINK_IN_A_FILE

    DEFAULT_CSS = """
    Share #with { max-height: 6; margin-bottom: 1; }
    Share #since { margin-top: 1; }
    Share #link { margin-top: 1; }
    Share #warning { margin: 0; }
    Share #for-link { height: auto; }
    Share #ends { height: 1; margin-top: 1; }
    Share #ends-label { width: auto; padding: 0 1 0 0; }
    Share #lasting { layout: horizontal; height: 1; }
    Share #lasting Choice { width: auto; margin-right: 2; }
    """

    HELP = """Choose with whom, and what they may do. A contact finds it on their list, also when they are
away now. From now on means: they get the text as it is, and nothing else that was written before; they do
see who is in it. A link opens it for whoever has it: c copies it, ctrl+r shows it as a QR code,
ctrl+s saves that as a picture."""

    def __init__(
        self,
        workspace: Workspace,
        path: str,
        contacts: Sequence[Contact] = (),
        *,
        from_now: bool = False,
        may: bool = True,
    ) -> None:
        super().__init__()
        self._workspace = workspace
        self._path = path
        self._contacts = contacts
        self._can_from_now = from_now
        self._may = may
        self._link = ""
        self.title_words = f"Share {shown(path, 50)}"

    def body(self) -> ComposeResult:
        if self._contacts:
            choices = [text for _, text in names_of(self._contacts)]
            yield OptionList(*(Option(Text(text)) for text in (*choices, _LINK)), id="with", compact=True)
        with RadioSet(id="role", compact=True):
            for number, role in enumerate(ROLES):
                yield Choice(Text(f"{role.value}: can {CAN[role]}"), value=number == 0)
        if self._can_from_now and self._contacts:
            with RadioSet(id="since", compact=True):
                for number, text in enumerate(SINCE):
                    yield Choice(Text(text), value=number == 0)
        yield words("", id="warning", classes="loud")
        with Vertical(id="for-link"):
            yield Label("A password for the link (may stay empty; tell it another way)")
            yield Field(id="password", password=True)
            with Horizontal(id="ends"):
                yield Static("The link ends", id="ends-label")
                with RadioSet(id="lasting", compact=True):
                    for number, (text, _) in enumerate(LASTING):
                        yield Choice(Text(text), value=number == 0)
        with Horizontal(classes="buttons"):
            yield Button("Make the link", variant="primary", id="make", compact=True)
            yield Button("Copy", id="copy", compact=True, disabled=True)
            yield from self.picture_buttons(disabled=True)
            yield Button("Close", id="close", compact=True)
        yield Static(id="link")
        yield QrCode()

    @property
    def pictured(self) -> str:
        return self._link

    def on_mount(self) -> None:
        if self._contacts:
            self.query_one("#with", OptionList).highlighted = 0
        self._show_choice()
        if not self._may:
            # At once, not after all was filled in.
            self.query_one("#make").disabled = True
            self.show_error(NOT_YOURS_TO_SHARE)

    # What is chosen

    @property
    def _contact(self) -> Contact | None:
        """With whom; None for a link."""
        if not self._contacts:
            return None
        at = self.query_one("#with", OptionList).highlighted
        return self._contacts[at] if at is not None and at < len(self._contacts) else None

    @property
    def _role(self) -> Role:
        return ROLES[max(0, self.query_one("#role", RadioSet).pressed_index)]

    @property
    def _from_now(self) -> bool:
        """Whether a contact gets nothing that was written before."""
        offered = self._can_from_now and self._contact is not None
        return offered and self.query_one("#since", RadioSet).pressed_index == 1

    @property
    def _expires(self) -> int | None:
        """In milliseconds since 1970."""
        _, lasting = LASTING[max(0, self.query_one("#lasting", RadioSet).pressed_index)]
        return None if lasting is None else int(time() * 1000) + lasting

    def _show_choice(self) -> None:
        contact, role = self._contact, self._role
        now = self._from_now
        text = contact_words(contact, role, from_now=now) if contact is not None else warning(role)
        self.query_one("#warning", Static).update(Text(text))
        self.query_one("#for-link").display = contact is None
        for since in self.query("#since"):
            since.display = contact is not None
        self.query_one("#make", Button).label = Text("Share" if contact is not None else "Make the link")
        for name in ("copy", "picture", "save"):
            self.query_one(f"#{name}").display = contact is None

    def on_radio_set_changed(self) -> None:
        self._show_choice()

    def on_option_list_option_highlighted(self) -> None:
        self._show_choice()

    def on_option_list_option_selected(self) -> None:
        self.query_one("#role").focus()

    # Doing it

    def on_input_submitted(self) -> None:
        self._make()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "make":
                self._make()
            case "copy":
                self.action_copy()
            case "close":
                self.dismiss(None)

    def _make(self) -> None:
        contact = self._contact
        self.show_error("Making the link…" if contact is None else "Making a key for them…")
        work = self._make_link() if contact is None else self._share_with(contact)
        self.begin(work, alone=True)

    async def _share_with(self, contact: Contact) -> None:
        try:
            name = await self._workspace.share_with(
                self._path, contact.name, self._role, from_now=self._from_now
            )
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.notify(shared_words(name, self._role), markup=False)
        self.dismiss(None)

    async def _make_link(self) -> None:
        try:
            self._link = await self._workspace.share_link(
                self._path, self._role, expires=self._expires, password=self.field("password")
            )
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.show_error("")
        self.query_one("#link", Static).update(Text(self._link, no_wrap=False, overflow="fold"))
        for name in ("copy", "picture", "save"):
            self.query_one(f"#{name}", Button).disabled = False
        self.query_one("#copy").focus()
        self.call_after_refresh(self.query_one("#link").scroll_visible, animate=False)

    def action_copy(self) -> None:
        if self._link:
            self.app.copy_to_clipboard(self._link)
            self.notify("The link was copied, if your terminal allows it.", markup=False)
