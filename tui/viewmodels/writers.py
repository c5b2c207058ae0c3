"""Who wrote what is under the cursor, in words."""

from __future__ import annotations

from peergos_collab.workspace.api import Writer

from .editing import TextModel
from .people import called


def character_meant(model: TextModel) -> int | None:
    """The offset of the character that the cursor or the selection points at; None in an empty text.

    At the end of a line that is the character before, since there one stopped writing.
    """
    start, end = model.selection
    row, column = model.document.lines.position(start)
    if start == end and column and column >= model.row_end(row):
        return start - 1
    if start < len(model.document):
        return start
    return start - 1 if start else None


def writer_words(writer: Writer | None) -> str:
    """``by Ana``."""
    if writer is None:
        return ""
    if writer.me:
        return "by you"
    return f"by {called(writer.name, unverified=writer.unverified)}"


class Writers:
    """Says who wrote, but not to somebody who is alone: that all is his own he knows."""

    def __init__(self) -> None:
        self._others = False

    def words(self, writer: Writer | None) -> str:
        self._others = self._others or (writer is not None and not writer.me)
        return writer_words(writer) if self._others else ""
