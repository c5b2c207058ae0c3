"""The people one knows: adding them, verifying them, answering those who ask."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from peergos_collab.workspace.api import Contact, Status

from ..textual_private import CommandsInOrder
from ..viewmodels.contacts import (
    People,
    about,
    added_words,
    empty_words,
    heading,
    introduced_words,
    names_of,
    paired_words,
    person,
    removal_words,
)
from ..viewmodels.verifying import verified_words
from ..widgets.key_bar import KeyBar
from ..widgets.people_list import PeopleList
from .answering import AnswerInvitation, AnswerRequest
from .base import FullScreen
from .cards import AddContact, OwnCard
from .devices import Devices
from .dialog import AskName, Choose, Confirm
from .pairing import Pair
from .verifying import verify


class PeopleScreen(CommandsInOrder, FullScreen):
    """The list of people, and a few words about the chosen one."""

    DEFAULT_CSS = """
    PeopleScreen > #title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
    PeopleScreen > #empty { height: 1fr; padding: 2 4; display: none; }
    PeopleScreen.-empty > #empty { display: block; }
    PeopleScreen.-empty > PeopleList, PeopleScreen.-empty > #about { display: none; }
    PeopleScreen > PeopleList { height: 1fr; }
    PeopleScreen > #about {
        height: auto; max-height: 4; padding: 0 1; border-top: solid $panel; color: $foreground 80%;
    }
    """

    PALETTE = (
        ("Add a contact", "By the card they gave you", "add"),
        ("My card", "Show your own card, as text or QR code", "card"),
        ("Verify", "Compare words with the chosen contact", "verify"),
        ("Introduce", "Send the card of the chosen contact to another", "introduce"),
        ("Connect without a node", "Both give the other a text, and are connected", "pair"),
        ("Devices", "The devices of this account; link one more", "devices"),
        ("Rename", "Your own name for the chosen contact", "rename"),
        ("Remove", "Take the chosen contact off your list", "remove"),
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back"),
        Binding("a", "add", "Add"),
        Binding("c", "card", "My card"),
        Binding("v", "verify", "Verify"),
        Binding("i", "introduce", "Introduce"),
        Binding("n", "pair", "Pair"),
        Binding("e", "devices", "Devices"),
        Binding("r", "rename", "Rename"),
        Binding("delete,d", "remove", "Remove"),
        Binding("question_mark,f1", "app.keys", "Help"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.people = People()
        self._loading = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield PeopleList()
        yield Static(Text(empty_words()), id="empty")
        yield Static(id="about")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(PeopleList).focus()

    def status_changed(self, status: Status | None) -> None:
        # Not under a document: whoever types there must not wait for a look at all contacts.
        if self.is_current:
            self.start_here(self.load())

    def on_screen_resume(self) -> None:
        self.start_here(self.load())

    async def load(self) -> None:
        """Looks at everybody again; what is chosen stays chosen."""
        if self._loading:
            return
        self._loading = True
        try:
            contacts, invitations = await self.workspace.contacts(), await self.workspace.invitations()
        finally:
            self._loading = False
        self.people = People(tuple(contacts), tuple(invitations))
        self.query_one("#title", Static).update(Text(heading(self.people), no_wrap=True))
        self.set_class(not (contacts or invitations), "-empty")
        self.query_one(PeopleList).show(self.people.lines())
        self._tell_about()

    def _tell_about(self) -> None:
        self.query_one("#about", Static).update(Text(about(self.people, self._key)))

    def on_line_list_moved(self) -> None:
        self._tell_about()

    @property
    def _key(self) -> str | None:
        return self.query_one(PeopleList).chosen

    def _contact(self) -> Contact | None:
        """The chosen contact; says so where there is none."""
        contact = self.people.contact(self._key)
        if contact is None:
            self.notify("Choose a contact first; a adds one by their card.", markup=False)
        return contact

    # Keys

    def action_back(self) -> None:
        self.dismiss()

    def on_line_list_opened(self) -> None:
        invitation, contact = self.people.invitation(self._key), self.people.contact(self._key)
        if invitation is not None:
            self.start(self._answer_invitation())
        elif contact is not None and contact.pending:
            self.start(self._answer_request(contact))
        elif contact is not None:
            self.start(self._verify(contact))

    def action_add(self) -> None:
        self.start_asking(self._add())

    async def _add(self) -> None:
        contact = await self.app.push_screen_wait(AddContact(self.workspace))
        if contact is not None:
            self.pgc.say(added_words(contact))
            self.start_here(self.load())

    def action_card(self) -> None:
        self.start(self._card())

    async def _card(self) -> None:
        self.app.push_screen(OwnCard(await self.workspace.contact_card()))

    def action_verify(self) -> None:
        if contact := self._contact():
            self.start(self._verify(contact))

    async def _verify(self, contact: Contact) -> None:
        if await self.app.push_screen_wait(await verify(self.workspace, contact)):
            self.pgc.say(verified_words(contact))
            self.start_here(self.load())

    def action_pair(self) -> None:
        self.start_asking(self._pair())

    async def _pair(self) -> None:
        paired = await self.app.push_screen_wait(Pair(self.workspace))
        if paired is not None:
            self.pgc.say(paired_words(paired))
            self.start_here(self.load())

    def action_devices(self) -> None:
        self.app.push_screen(Devices(self.workspace))

    def action_introduce(self) -> None:
        if contact := self._contact():
            self.start(self._introduce(contact))

    async def _introduce(self, contact: Contact) -> None:
        others = [one for one in self.people.known if one.account != contact.account]
        empty = "There is nobody else to introduce them to yet: a adds a contact."
        title = f"Introduce {person(contact.name)} to"
        chosen = await self.app.push_screen_wait(Choose(title, names_of(others), empty))
        if chosen:
            await self.workspace.introduce(contact.name, chosen)
            self.pgc.say(introduced_words(contact, chosen))

    def action_rename(self) -> None:
        if contact := self._contact():
            self.start_asking(self._rename(contact))

    async def _rename(self, contact: Contact) -> None:
        note = "This is your own name for them. Nobody else sees it."
        dialog = AskName("Rename", note, "Rename", contact.name, placeholder="a name")
        name = await self.app.push_screen_wait(dialog)
        if name and name != contact.name:
            await self.workspace.rename_contact(contact.name, name)
            self.start_here(self.load())

    def action_remove(self) -> None:
        if contact := self._contact():
            self.start(self._remove(contact))

    async def _remove(self, contact: Contact) -> None:
        title = f"Remove {person(contact.name)}"
        if await self.app.push_screen_wait(Confirm(title, removal_words(contact), "Remove")):
            await self.workspace.remove_contact(contact.name)
            self.start_here(self.load())

    # Answers

    async def _answer_request(self, contact: Contact) -> None:
        if await self.app.push_screen_wait(AnswerRequest(self.workspace, contact)):
            self.start_here(self.load())

    async def _answer_invitation(self) -> None:
        invitation = self.people.invitation(self._key)
        if invitation is None:
            return
        known, changed = self.people.knows(invitation.account), self.people.changed(invitation.account)
        asked = AnswerInvitation(self.workspace, invitation, known=known, changed=changed)
        path = await self.app.push_screen_wait(asked)
        if path:
            await self.pgc.open_entry(path)
        self.start_here(self.load())
