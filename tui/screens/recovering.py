"""The first minute of an account whose devices are lost or stolen: its recovery code brings it back here."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label

from peergos_collab.errors import PeergosCollabError
from peergos_collab.values import dataclass

from ..gate import Gate, Way
from ..viewmodels.recovering import GOES_ON, NEW_CODE, NOTHING_CHANGED, TELLING, outcome_words
from ..widgets.field import Field
from ..widgets.toggles import Tick
from .dialog import Accepting, Dialog, words
from .entry_field import entry_field
from .new_passphrase import PASSPHRASE, agree, passphrase_fields
from .recovery_code import RecoveryCode


@dataclass(frozen=True, slots=True)
class Recovered:
    """This is the account's only device now. The passphrase never shows in a representation."""

    passphrase: str | None

    def __repr__(self) -> str:
        return "Recovered()"


class _LeftAsItIs(Exception):
    """The new code was not written down, so the old one is to stay good."""


class RecoverAccount(Accepting[Recovered]):
    """Takes the code and the way to a node; shows the new code, then what came of it."""

    title_words = "Recover an account"

    HELP = """For when all devices of your account are lost or stolen. The code is the one you wrote on paper.
The node is one that your account uses: whoever runs it knows its address.
With an entry node the others are reached through that, now and later, and do not see your network address.
Every other device is removed, whoever has it: it opens nothing that is written from then on."""

    DEFAULT_CSS = """
    RecoverAccount Vertical { height: auto; }
    RecoverAccount #telling { display: none; }
    RecoverAccount.-taken #telling { display: block; }
    RecoverAccount.-taken #asking { display: none; }
    RecoverAccount Tick { border: none; padding: 0; margin-top: 1; background: $surface; }
    """

    FIELDS = ("code", "node", "entry", *PASSPHRASE)

    def __init__(self, gate: Gate) -> None:
        super().__init__(classes="-form")
        self._gate = gate
        self._busy = False

    def body(self) -> ComposeResult:
        with Vertical(id="asking"):
            yield words("When no device of yours is left. All of them are removed, whoever has them.")
            yield Label("Your recovery code")
            yield Field(id="code", placeholder="eight groups of five characters")
            yield Label("A node that your account uses")
            yield Field(id="node", placeholder="pgc://…@host:port")
            yield from entry_field()
            yield from passphrase_fields()
            yield Tick("End my links too: the old devices know them", id="links", compact=True)
            yield from self.buttons("Recover", "Back")
        with Vertical(id="telling"):
            yield words(TELLING)

    def on_mount(self) -> None:
        self.query_one("#code").focus(scroll_visible=False)

    def accept(self) -> None:
        missing = {"code": "Type your recovery code first.", "node": "The address of a node is missing."}
        for name, problem in missing.items():
            if not self.field(name).strip():
                self.show_error(problem)
                self.query_one(f"#{name}").focus()
                return
        if agree(self) and not self._busy:
            self._busy = True
            self.show_error("Looking for your account…")
            self.begin(self._recover())

    async def _recover(self) -> None:
        passphrase = self.field("passphrase") or None
        way = Way(self.field("node").strip(), self.field("entry").strip())
        end_links = self.query_one("#links", Tick).value
        try:
            back = await self._gate.recover(
                self.field("code"), self._keep, passphrase, way, end_links=end_links
            )
        except _LeftAsItIs:
            self.show_error(NOTHING_CHANGED)
            return
        except PeergosCollabError as problem:
            if not self._gate.exists():
                self.show_error(problem)
                return
            said = [problem.message, GOES_ON]
        else:
            said = outcome_words(back)
        finally:
            self._busy = False
        await self.app.push_screen_wait(TakenBack(said))
        self.dismiss(Recovered(passphrase))

    async def _keep(self, code: str) -> None:
        """Returns once the new code is written down. Until then nothing was changed."""
        if not await self.app.push_screen_wait(RecoveryCode(code, NEW_CODE, may_stop=True)):
            raise _LeftAsItIs
        self.show_error("")
        self.add_class("-taken")

    def action_leave(self) -> None:
        # What was begun has to be told: ended now, others would hear of it only later.
        if not self.has_class("-taken"):
            self.dismiss(None)


class TakenBack(Dialog[None]):
    """What came of it."""

    title_words = "Your account is back"

    DEFAULT_CSS = """
    TakenBack .said { margin-bottom: 1; }
    """

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def body(self) -> ComposeResult:
        for paragraph in self._said:
            yield words(paragraph, classes="said")
        with Horizontal(classes="buttons"):
            yield Button("Open it", variant="primary", id="ok", compact=True)

    def on_button_pressed(self) -> None:
        self.dismiss(None)
