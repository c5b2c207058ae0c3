"""A text that somebody gave: pasted, and worked on while the dialog stays and says how it goes."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Workspace

from .dialog import Accepting

Result = TypeVar("Result")


class Taking(Accepting[Result]):
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

    def accept(self) -> None:
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
