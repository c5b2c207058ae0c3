"""Being connected with somebody without a node: each gives the other a text."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, Static

from peergos_collab.errors import BadPairText, PeergosCollabError
from peergos_collab.workspace.api import Paired, PairOffer, Workspace

from ..viewmodels.contacts import ANSWER, OFFER
from ..widgets.field import Field
from ..widgets.qr_code import QrCode
from .dialog import words
from .pictured import Pictured


class Pair(Pictured[Paired]):
    """Shows an offer and takes the answer; or takes somebody's offer and shows the answer."""

    title_words = "Connect without a node"

    HELP = """You need no node to work with somebody who is there, too. Both open this. One of you gives the
other the text or QR code that is shown; the other pastes it, and gives back what is shown then. It names
nobody, and is good for ten minutes. Whoever could replace it on its way could sit in between: compare words
afterwards."""

    BEHIND = ("text",)
    FILE = "pairing.png"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._offer: PairOffer | None = None
        self._answer: PairOffer | None = None

    def body(self) -> ComposeResult:
        yield words(OFFER, id="what")
        yield Static(id="text", classes="loud")
        yield QrCode()
        yield Label("What they gave you", id="label")
        yield Field(id="theirs", placeholder="paste it here")
        with Horizontal(classes="buttons"):
            yield Button("Connect", variant="primary", id="connect", compact=True)
            yield Button("Copy", id="copy", compact=True)
            yield from self.picture_buttons()
            yield Button("Cancel", id="cancel", compact=True)

    @property
    def _shown(self) -> PairOffer | None:
        return self._answer or self._offer

    @property
    def pictured(self) -> str:
        return self._shown.text if self._shown is not None else ""

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Field).focus(scroll_visible=False)
        self.begin(self._begin())

    async def _begin(self) -> None:
        self._offer = await self._workspace.offer_pairing()
        self._show_text()

    def _show_text(self) -> None:
        self.query_one("#text", Static).update(Text(self.pictured, overflow="fold"))
        self.query_one(QrCode).remove_class("-shown")
        self.query_one("#text").display = True

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "connect":
                self._connect()
            case "copy":
                self.app.copy_to_clipboard(self.pictured)
                self.notify("The text was copied, if your terminal allows it.", markup=False)
            case "cancel":
                self.action_leave()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._connect()

    def _connect(self) -> None:
        text = "".join(self.query_one(Field).value.split())
        if not text:
            self.show_error("Paste what they gave you first.")
        elif self._answer is None:
            self.show_error("Connecting…")
            self.begin(self._connected(text), alone=True)

    async def _connected(self, text: str) -> None:
        try:
            self.dismiss(await self._finished(text))
        except PeergosCollabError as problem:
            self._answer = None
            self.show_error(problem)

    async def _finished(self, text: str) -> Paired:
        """Connected by an answer, or else by answering. Raises PeergosCollabError."""
        if self._offer is not None:
            try:
                return await self._workspace.finish_pairing(self._offer.id, text)
            except BadPairText:
                pass  # most likely it is their offer
        self._answer = await self._workspace.answer_pairing(text)
        for id_ in ("#label", "#theirs", "#connect"):
            self.query_one(id_).display = False
        self.query_one("#what", Static).update(Text(ANSWER))
        self.show_error("Waiting until they have put it in…")
        self._show_text()
        return await self._workspace.finish_pairing(self._answer.id)

    def action_leave(self) -> None:
        """Texts that are no longer shown are no longer good."""
        self.begin(self._leave(), alone=True)

    async def _leave(self) -> None:
        for shown in (self._offer, self._answer):
            if shown is not None:
                await self._workspace.end_pairing(shown.id)
        self.dismiss(None)
