"""A text that somebody gave: pasted, and worked on while the dialog stays and says how it goes."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Workspace

from .dialog import Dialog

Result = TypeVar("Result")


class Taking(Dialog[Result]):
    """Subclasses have a field for the text, name it, and say what is done with it."""

    field_id: ClassVar[str]
    missing: ClassVar[str]
    """Said where the field is empty."""
    working: ClassVar[str]
    """Said while it is worked on."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self._busy = False

    async def take(self, text: str) -> Result:
        """What comes of the text, which has no blanks any more: pasting breaks long lines."""
        raise NotImplementedError

    def buttons(self, accept: str) -> ComposeResult:
        with Horizontal(classes="buttons"):
            yield Button(accept, variant="primary", id="ok", compact=True)
            yield Button("Cancel", id="cancel", compact=True)

    def on_input_submitted(self) -> None:
        self._accept()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self._accept()
        else:
            self.dismiss(None)

    def _accept(self) -> None:
        text = "".join(self.field(self.field_id).split())
        if not text:
            self.show_error(self.missing)
        elif not self._busy:
            self._busy = True
            self.show_error(self.working)
            self.begin(self._taken(text))

    async def _taken(self, text: str) -> None:
        try:
            result = await self.take(text)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        finally:
            self._busy = False
        self.dismiss(result)
