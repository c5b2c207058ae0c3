"""Answers to those who ask: an invitation, or to be a contact."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Label

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Contact, Invitation, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.contacts import TITLE, invitation_words, request_words
from ..widgets.field import Field
from .dialog import Dialog, words


class AnswerInvitation(Dialog[str]):
    """Accepts under a name of one's own, or declines. Gives the path, or nothing."""

    title_words = "An invitation"

    HELP = "Accepting puts it on your list under the name in the field. Declining tells nobody anything."

    def __init__(
        self, workspace: Workspace, invitation: Invitation, *, known: bool, changed: Contact | None = None
    ) -> None:
        super().__init__()
        self._workspace = workspace
        self._invitation = invitation
        self._known = known
        self._changed = changed

    def body(self) -> ComposeResult:
        yield words(invitation_words(self._invitation, self._known, changed=self._changed))
        yield Label("Your name for it")
        yield Field(shown(self._invitation.path, TITLE), id="name")
        with Horizontal(classes="buttons"):
            # The harmless one has the focus, and none of the two is chosen by an Enter too many.
            yield Button("Later", id="later", compact=True)
            yield Button("Accept", variant="primary", id="ok", compact=True)
            yield Button("Decline", variant="warning", id="decline", compact=True)

    def on_mount(self) -> None:
        self.query_one("#later").focus(scroll_visible=False)

    def on_input_submitted(self) -> None:
        self._answer(accept=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "ok":
                self._answer(accept=True)
            case "decline":
                self._answer(accept=False)
            case _:
                self.dismiss(None)

    def _answer(self, *, accept: bool) -> None:
        self.show_error("Fetching it…" if accept else "")
        self.begin(self._answered(accept), alone=True)

    async def _answered(self, accept: bool) -> None:
        path = ""
        try:
            if accept:
                path = await self._workspace.accept_invitation(
                    self._invitation.id, self.field("name").strip()
                )
            else:
                await self._workspace.decline_invitation(self._invitation.id)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.dismiss(path)


class AnswerRequest(Dialog[bool]):
    """Somebody asks to be a contact, or is introduced: accept or decline. True once answered."""

    title_words = "A new contact?"

    def __init__(self, workspace: Workspace, contact: Contact) -> None:
        super().__init__()
        self._workspace = workspace
        self._contact = contact

    def body(self) -> ComposeResult:
        yield words(request_words(self._contact))
        with Horizontal(classes="buttons"):
            yield Button("Later", id="later", compact=True)
            yield Button("Accept", variant="primary", id="ok", compact=True)
            yield Button("Decline", variant="warning", id="decline", compact=True)

    def on_mount(self) -> None:
        self.query_one("#later").focus(scroll_visible=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "later":
            self.dismiss(False)
        else:
            self.begin(self._answer(event.button.id == "ok"), alone=True)

    async def _answer(self, accept: bool) -> None:
        try:
            if accept:
                await self._workspace.accept_contact(self._contact.name)
            else:
                await self._workspace.remove_contact(self._contact.name)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.dismiss(True)
