"""Which lines of the wrapped page are on screen. It knows the first one only, never the whole height."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .editing import TextModel, moved

if TYPE_CHECKING:
    from peergos_collab.documents import Change


class Viewport:
    """The window of ``height`` screen lines over a text; ``row`` and ``piece`` are its first line."""

    def __init__(self, model: TextModel) -> None:
        self._model = model
        self.height = 1
        self.row = 0
        self.piece = 0

    def resize(self, width: int, height: int) -> None:
        """Keeps the text at the top where it is."""
        offset = self.top_offset()
        self._model.set_width(width)
        self.height = max(1, height)
        self._set_top(offset)

    def top_offset(self) -> int:
        """The code point at which the first line begins."""
        self._clamp()
        return self._model.offset_of(self.row, self._model.layout(self.row).starts[self.piece])

    def follow(self, top: int, change: Change) -> None:
        """Stays on the same text through a change. ``top`` is ``top_offset`` from before it."""
        for start, end, inserted in change.edits:
            top = moved(top, start, end, len(inserted), after=False)
        self._set_top(top)

    def _set_top(self, offset: int) -> None:
        offset = min(offset, len(self._model.document))
        place = self._model.place(offset)
        self.row, self.piece = place.row, place.piece

    def _clamp(self) -> None:
        last = self._model.document.lines.count - 1
        if self.row > last:
            self.row, self.piece = last, 0
        self.piece = min(self.piece, len(self._model.layout(self.row)) - 1)

    def scroll(self, lines: int) -> None:
        """Up (negative) or down; at least one line of text stays in sight."""
        self._clamp()
        step = self._model.up_from if lines < 0 else self._model.down_from
        self.row, self.piece = step(self.row, self.piece, abs(lines))

    def scroll_to_share(self, share: float) -> None:
        """To a part of the document, 0.0 the start and 1.0 the end."""
        last = self._model.document.lines.count - 1
        self.row, self.piece = max(0, min(last, round(last * share))), 0

    def lines(self) -> list[tuple[int, int]]:
        """The (row, piece) of every line in sight, from the top."""
        self._clamp()
        found: list[tuple[int, int]] = []
        row, piece = self.row, self.piece
        count = self._model.document.lines.count
        while len(found) < self.height and row < count:
            pieces = len(self._model.layout(row))
            while piece < pieces and len(found) < self.height:
                found.append((row, piece))
                piece += 1
            row, piece = row + 1, 0
        return found

    def reveal(self, offset: int) -> None:
        """Scrolls as little as needed to have an offset in sight."""
        self._clamp()
        place = self._model.place(offset)
        target = (place.row, place.piece)
        if target < (self.row, self.piece):
            self.row, self.piece = target
            return
        if place.row - self.row < self.height and target in self.lines():
            return
        self.row, self.piece = self._model.up_from(*target, self.height - 1)
