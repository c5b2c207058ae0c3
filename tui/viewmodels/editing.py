"""A cursor and a selection in a live document, and everything keys do with them.

Positions are code points of the document. ``head`` is where the cursor is and ``anchor`` where the
selection began; they are equal when nothing is selected.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from peergos_collab.errors import NoAccess
from peergos_collab.values import dataclass

from .page import cells_before, column_at
from .wrap import LONG, Wrapped, wrap

if TYPE_CHECKING:
    from peergos_collab.documents import Change, Document

_LAYOUTS_KEPT = 600


@dataclass(frozen=True, slots=True)
class Place:
    """A position on the wrapped page: document row, piece of that row, column in the row."""

    row: int
    piece: int
    column: int


def moved(offset: int, start: int, end: int, inserted: int, *, after: bool) -> int:
    """Where ``offset`` is once ``start..end`` became ``inserted`` code points.

    ``after`` says on which side of text inserted right at it the offset stays.
    """
    if offset < start or (offset == start == end and not after):
        return offset
    if offset > end or (offset == end and (after or start < end)):
        return offset + inserted - (end - start)
    return start + inserted if after else start


class TextModel:
    """What an editor edits. Call ``apply_change`` with every change of the document."""

    def __init__(self, document: Document, *, can_write: bool = True) -> None:
        self.document = document
        self.can_write = can_write
        self.refusal = ""
        """Why the last change was refused, where that came as a surprise."""
        self.anchor = 0
        self.head = 0
        self.width = 78
        self._goal: int | None = None
        self._layouts: OrderedDict[str, Wrapped] = OrderedDict()
        self._long: Wrapped | None = None
        self._rows: dict[int, Wrapped] = {}
        self.editing = False
        """True while an edit of this very editor runs; its changes are followed already."""

    # ------------------------------------------------------------------ the page

    def set_width(self, width: int) -> None:
        """Cells a piece of a line may take."""
        width = max(2, width)
        if width != self.width:
            self.width = width
            self._layouts.clear()
            self._rows.clear()
            self._long = None

    def row_text(self, row: int) -> str:
        return self.document.lines.line(row)

    def layout(self, row: int) -> Wrapped:
        """The pieces of a row. Costs nothing when the row was laid out before."""
        found = self._rows.get(row)
        if found is None:
            if len(self._rows) >= _LAYOUTS_KEPT:
                self._rows.clear()
            found = self._rows[row] = self._laid_out(self.row_text(row))
        return found

    def _laid_out(self, text: str) -> Wrapped:
        """Short rows are known by their text; of long ones only the last is kept, to lay it out faster."""
        if len(text) >= LONG:
            self._long = wrap(text, self.width, self._long)
            return self._long
        found = self._layouts.get(text)
        if found is None:
            found = self._layouts[text] = wrap(text, self.width)
            if len(self._layouts) > _LAYOUTS_KEPT:
                self._layouts.popitem(last=False)
        return found

    def row_end(self, row: int) -> int:
        """The last column a cursor can take in a row: before its line end, "\\n" or "\\r\\n"."""
        text = self.row_text(row)
        if text.endswith("\r") and row + 1 < self.document.lines.count:
            return len(text) - 1
        return len(text)

    def place(self, offset: int) -> Place:
        row, column = self.document.lines.position(offset)
        return Place(row, self.layout(row).piece_of(column), column)

    def offset_of(self, row: int, column: int) -> int:
        return self.document.lines.offset(row, column)

    def boundaries(self, row: int, piece: int) -> list[int]:
        """Columns a cursor can take in a piece, ascending; the end belongs to it only in the last piece."""
        layout = self.layout(row)
        columns = layout.clusters(piece)
        if piece + 1 < len(layout):
            columns.pop()
        else:
            end = self.row_end(row)
            columns = [column for column in columns if column <= end] or [layout.starts[piece]]
        return columns

    def up_from(self, row: int, piece: int, lines: int) -> tuple[int, int]:
        """The piece ``lines`` above, or the first."""
        while lines > piece:
            if row == 0:
                return 0, 0
            lines -= piece + 1
            row -= 1
            piece = len(self.layout(row)) - 1
        return row, piece - lines

    def down_from(self, row: int, piece: int, lines: int) -> tuple[int, int]:
        """The piece ``lines`` below, or the last."""
        count = self.document.lines.count
        pieces = len(self.layout(row))
        while piece + lines >= pieces:
            if row + 1 >= count:
                return row, pieces - 1
            lines -= pieces - piece
            row, piece = row + 1, 0
            pieces = len(self.layout(row))
        return row, piece + lines

    # -------------------------------------------------------------- cursor moves

    @property
    def selection(self) -> tuple[int, int]:
        """Start and end; equal when nothing is selected."""
        return min(self.anchor, self.head), max(self.anchor, self.head)

    @property
    def selected(self) -> str:
        start, end = self.selection
        return self.document.lines.slice(start, end) if start < end else ""

    def snap(self, offset: int) -> int:
        """The cluster boundary at or before an offset."""
        offset = max(0, min(offset, len(self.document)))
        row, column = self.document.lines.position(offset)
        layout = self.layout(row)
        if column > self.row_end(row):
            return self.offset_of(row, self.row_end(row))
        best = 0
        for candidate in layout.clusters(layout.piece_of(column)):
            if candidate <= column:
                best = candidate
        return offset - (column - best)

    def move_to(self, offset: int, *, select: bool = False, keep_goal: bool = False) -> None:
        self.head = self.snap(offset)
        if not select:
            self.anchor = self.head
        if not keep_goal:
            self._goal = None

    def select_all(self) -> None:
        self.anchor, self.head = 0, len(self.document)

    def after(self, offset: int) -> int:
        """The next cluster boundary."""
        row, column = self.document.lines.position(offset)
        if column >= self.row_end(row):
            return self.offset_of(row + 1, 0) if row + 1 < self.document.lines.count else offset
        layout = self.layout(row)
        piece = layout.piece_of(column)
        following = next(found for found in layout.clusters(piece) if found > column)
        return self.offset_of(row, following)

    def before(self, offset: int) -> int:
        """The cluster boundary before."""
        row, column = self.document.lines.position(offset)
        if column == 0:
            return self.offset_of(row - 1, self.row_end(row - 1)) if row else 0
        layout = self.layout(row)
        piece = layout.piece_of(column - 1)
        earlier = max(found for found in layout.clusters(piece) if found < column)
        return self.offset_of(row, min(earlier, self.row_end(row)))

    def move_right(self, *, select: bool = False) -> None:
        if self.anchor != self.head and not select:
            self.move_to(self.selection[1])
        else:
            self.move_to(self.after(self.head), select=select)

    def move_left(self, *, select: bool = False) -> None:
        if self.anchor != self.head and not select:
            self.move_to(self.selection[0])
        else:
            self.move_to(self.before(self.head), select=select)

    def move_lines(self, lines: int, *, select: bool = False) -> None:
        """Up (negative) or down on the wrapped page, keeping the cell column aimed at."""
        place = self.place(self.head)
        goal = self._goal if self._goal is not None else self.cell_of(place)
        if lines < 0:
            row, piece = self.up_from(place.row, place.piece, -lines)
            if (row, piece) == (place.row, place.piece):
                self.move_to(0, select=select)
                return
        else:
            row, piece = self.down_from(place.row, place.piece, lines)
            if (row, piece) == (place.row, place.piece):
                self.move_to(len(self.document), select=select)
                return
        self.move_to(self.offset_at(row, piece, goal), select=select, keep_goal=True)
        self._goal = goal

    def move_home(self, *, select: bool = False) -> None:
        """To the start of the piece; from there to the start of the row."""
        place = self.place(self.head)
        start = self.layout(place.row).starts[place.piece]
        self.move_to(self.offset_of(place.row, 0 if place.column == start else start), select=select)

    def move_end(self, *, select: bool = False) -> None:
        """To the end of the piece; from there to the end of the row."""
        place = self.place(self.head)
        last = self.boundaries(place.row, place.piece)[-1]
        column = self.row_end(place.row) if place.column == last else last
        self.move_to(self.offset_of(place.row, column), select=select)

    def word_after(self, offset: int) -> int:
        """Behind the next word."""
        row, column = self.document.lines.position(offset)
        end = self.row_end(row)
        if column >= end:
            return self.after(offset)
        text = self.row_text(row)
        while column < end and not _is_word(text[column]):
            column += 1
        while column < end and _is_word(text[column]):
            column += 1
        return self._snap_forward(row, column)

    def word_before(self, offset: int) -> int:
        """The start of the word before."""
        row, column = self.document.lines.position(offset)
        if column == 0:
            return self.before(offset)
        text = self.row_text(row)
        while column > 0 and not _is_word(text[column - 1]):
            column -= 1
        while column > 0 and _is_word(text[column - 1]):
            column -= 1
        return self.snap(self.offset_of(row, column))

    def line_rest(self, offset: int) -> int:
        """The end of the row; from there, behind its line end."""
        row, column = self.document.lines.position(offset)
        end = self.row_end(row)
        return self.after(offset) if column >= end else self.offset_of(row, end)

    def select_word(self, offset: int) -> None:
        row, column = self.document.lines.position(self.snap(offset))
        text, end = self.row_text(row), self.row_end(row)
        start = stop = column
        wanted = column < end and _is_word(text[column])
        while start > 0 and _is_word(text[start - 1]) == wanted:
            start -= 1
        while stop < end and _is_word(text[stop]) == wanted:
            stop += 1
        self.move_to(self.offset_of(row, start))
        self.move_to(self._snap_forward(row, stop), select=True)

    def _snap_forward(self, row: int, column: int) -> int:
        offset = self.offset_of(row, column)
        snapped = self.snap(offset)
        return offset if snapped == offset else self.after(snapped)

    # ------------------------------------------------------------ cells of a row

    def cell_of(self, place: Place) -> int:
        """The cell, from the left of its piece, at which a place is drawn."""
        return cells_before(self.layout(place.row), place.piece, place.column)

    def offset_at(self, row: int, piece: int, cell: int) -> int:
        """The cursor position nearest to a cell of a piece."""
        column = column_at(self.layout(row), piece, cell)
        allowed = self.boundaries(row, piece)
        return self.offset_of(row, min(column, allowed[-1]))

    # --------------------------------------------------------------------- edits

    def insert(self, text: str) -> bool:
        """Replaces the selection. False where the document is read-only."""
        start, end = self.selection
        if not self._edit(start, end, text):
            return False
        self.anchor = self.head = start + len(text)
        return True

    def new_line(self) -> bool:
        """A line end as its neighbours have it: "\\r\\n" in a CRLF text."""
        return self.insert(self.line_end())

    def line_end(self) -> str:
        lines = self.document.lines
        row, _ = lines.position(self.selection[0])
        near = row if row + 1 < lines.count else row - 1
        return "\r\n" if near >= 0 and lines.line(near).endswith("\r") else "\n"

    def paste(self, text: str) -> bool:
        """Text from the terminal, whose line ends are whatever it made of them."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return self.insert(text.replace("\n", self.line_end()))

    def delete_to(self, find: Callable[[int], int]) -> bool:
        """Deletes the selection, or from the cursor to where ``find`` says."""
        start, end = self.selection
        if start == end:
            target = find(self.head)
            start, end = min(self.head, target), max(self.head, target)
        if start == end:
            return self.can_write
        if not self._edit(start, end, ""):
            return False
        self.anchor = self.head = self.snap(start)
        return True

    def backspace(self) -> bool:
        return self.delete_to(self.before)

    def delete(self) -> bool:
        return self.delete_to(self.after)

    def undo(self) -> bool:
        return self._travel(self.document.undo)

    def redo(self) -> bool:
        return self._travel(self.document.redo)

    def _travel(self, step: Callable[[], bool]) -> bool:
        if not self.can_write:
            return False
        try:
            step()
        except NoAccess as refused:
            self.refusal = refused.message
            return False
        return True

    def _edit(self, start: int, end: int, text: str) -> bool:
        if not self.can_write:
            return False
        self._goal = None
        self.editing = True
        try:
            self.document.edit(start, end, text)
        except NoAccess as refused:
            self.refusal = refused.message
            return False
        finally:
            self.editing = False
            self._rows.clear()
        return True

    def apply_change(self, change: Change) -> None:
        """Follows a change of the document with cursor and selection; undo takes the cursor along."""
        if self.editing:
            return
        self._rows.clear()
        for start, end, inserted in change.edits:
            size = len(inserted)
            if change.local and change.undo:
                self.anchor = self.head = start + size
            else:
                self.anchor = moved(self.anchor, start, end, size, after=False)
                self.head = moved(self.head, start, end, size, after=False)
        self.anchor = self.snap(self.anchor)
        self.head = self.snap(self.head)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_" or char > "\u02ff"
