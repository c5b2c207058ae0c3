"""The text editor: a window on a live document, bound to it through its line index.

A key costs the lines in sight, not the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip

from ..textual_private import KeysInOrder
from ..viewmodels.authorship import Authors
from ..viewmodels.editing import TextModel
from ..viewmodels.finding import Matches, find_all
from ..viewmodels.people import Caret
from ..viewmodels.viewport import Viewport
from .editor_paint import GUTTER, Look, Painter
from .strip_pane import StripPane

if TYPE_CHECKING:
    from peergos_collab.documents import Change, Document

_WHEEL_LINES = 3


class Editor(KeysInOrder, StripPane):
    """Edits one document. Posts ``Edited``, ``CursorMoved``, ``Refused`` and, with authors, ``Painted``."""

    HELP = """Type to write; everything is saved on this device as you type.
Shift and an arrow key selects. Other people's cursors show in their colours, with their names.
F4 shows who wrote what: the colours of a line's authors to its left, and on what each wrote.
F7 shows what the text was at any time, and goes back to it.
Undo takes back what you wrote, never what others wrote."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "editor--selection",
        "editor--cursor",
        "editor--match",
        "editor--mark",
    }

    DEFAULT_CSS = """
    Editor .editor--selection { background: $primary 55%; }
    Editor .editor--cursor { text-style: reverse; }
    Editor .editor--match { background: $warning 40%; }
    Editor .editor--mark { color: $foreground 45%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "undo", "Undo", show=False),
        Binding("ctrl+y,ctrl+shift+z", "redo", "Redo", show=False),
        Binding("ctrl+c", "copy", "Copy", show=False),
        Binding("ctrl+x", "cut", "Cut", show=False),
        Binding("ctrl+v", "paste", "Paste what was copied here", show=False),
        Binding("ctrl+a", "select_all", "Select all", show=False),
        Binding("left", "go('left')", "Left", show=False),
        Binding("right", "go('right')", "Right", show=False),
        Binding("up", "go('up')", "Up", show=False),
        Binding("down", "go('down')", "Down", show=False),
        Binding("ctrl+left,alt+b", "go('word_left')", "To the word before", show=False),
        Binding("ctrl+right,alt+f", "go('word_right')", "Behind the next word", show=False),
        Binding("home", "go('home')", "Start of the line", show=False),
        Binding("end", "go('end')", "End of the line", show=False),
        Binding("pageup", "go('page_up')", "A page up", show=False),
        Binding("pagedown", "go('page_down')", "A page down", show=False),
        Binding("ctrl+home", "go('top')", "Start of the document", show=False),
        Binding("ctrl+end", "go('bottom')", "End of the document", show=False),
        Binding("shift+left", "go('left', True)", "Select left", show=False),
        Binding("shift+right", "go('right', True)", "Select right", show=False),
        Binding("shift+up", "go('up', True)", "Select up", show=False),
        Binding("shift+down", "go('down', True)", "Select down", show=False),
        Binding("ctrl+shift+left", "go('word_left', True)", "Select the word before", show=False),
        Binding("ctrl+shift+right", "go('word_right', True)", "Select the next word", show=False),
        Binding("shift+home", "go('home', True)", "Select to the start of the line", show=False),
        Binding("shift+end", "go('end', True)", "Select to the end of the line", show=False),
        Binding("shift+pageup", "go('page_up', True)", "Select a page up", show=False),
        Binding("shift+pagedown", "go('page_down', True)", "Select a page down", show=False),
        Binding("ctrl+shift+home", "go('top', True)", "Select to the start", show=False),
        Binding("ctrl+shift+end", "go('bottom', True)", "Select to the end", show=False),
        Binding("ctrl+up", "scroll_by(-1)", "Scroll up, cursor stays", show=False),
        Binding("ctrl+down", "scroll_by(1)", "Scroll down, cursor stays", show=False),
        Binding("backspace", "backspace", "Delete before the cursor", show=False),
        Binding("delete", "delete", "Delete behind the cursor", show=False),
        Binding(
            "ctrl+w,ctrl+backspace,alt+backspace", "delete_word_before", "Delete the word before", show=False
        ),
        Binding("ctrl+delete,alt+d", "delete_word_after", "Delete the next word", show=False),
        Binding("ctrl+k", "delete_line_end", "Delete to the end of the line", show=False),
        Binding("enter", "new_line", "New line", show=False),
        Binding("tab", "insert_tab", "Insert a tab", show=False),
    ]

    class Edited(Message):
        """The user changed the text."""

    class Painted(Message):
        """Lines came into sight, or changed, whose authors are to show."""

    class CursorMoved(Message):
        """Cursor or selection are somewhere else."""

        def __init__(self, anchor: int, head: int) -> None:
            super().__init__()
            self.anchor = anchor
            self.head = head

    class Refused(Message):
        """The user typed into a text he may not change; ``reason`` says more where that is known."""

        def __init__(self, reason: str = "") -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, document: Document, *, can_write: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self.model = TextModel(document, can_write=can_write)
        self.viewport = Viewport(self.model)
        self.matches = Matches()
        self.others: tuple[Caret, ...] = ()
        self.authors: Authors | None = None
        """Who wrote what, where that is to show."""
        self._reported = (0, 0)
        self._top = 0
        self._dragging = False
        self._bar_drag = False

    # --------------------------------------------------------------- the outside

    def show_authors(self, authors: Authors | None) -> None:
        """Shows or hides who wrote what."""
        self.authors = authors
        self.repaint_soon()

    def _margin(self) -> int:
        return GUTTER if self.authors is not None else 0

    def document_changed(self, change: Change) -> None:
        """Call it with every change of the document, its own edits included."""
        if self.authors is not None:
            self.authors.authorship.apply_change(change)
        if self.model.editing:
            return
        self.model.apply_change(change)
        self.viewport.follow(self._top, change)
        self._top = self.viewport.top_offset()
        self._report()
        self.repaint_soon()

    def show_others(self, others: tuple[Caret, ...]) -> None:
        """Other people's cursors, as of now."""
        if others != self.others:
            self.others = others
            self.repaint_soon()

    def find(self, query: str) -> Matches:
        """Marks every occurrence of a text; an empty one takes the marks away."""
        self.matches = find_all(self.model.document.text, query) if query else Matches()
        self.repaint_soon()
        return self.matches

    def select(self, start: int, end: int) -> None:
        """Selects a stretch and brings it into sight."""
        self.model.move_to(start)
        self.model.move_to(end, select=True)
        self._moved()

    # ------------------------------------------------------------------ painting

    def look(self) -> Look:
        base = self.base_style()

        def part(name: str) -> Style:
            return self.get_component_rich_style(f"editor--{name}", partial=True)

        return Look(base, part("selection"), part("cursor"), part("match"), part("mark"))

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        # One column stays free behind the text for a cursor at its end.
        room = max(2, width - self._margin())
        if (room - 1, height) != (self.model.width, self.viewport.height):
            self.viewport.resize(room - 1, height)
            self._top = self.viewport.top_offset()
        lines = self.viewport.lines()
        if self.authors is not None:
            self.authors.authorship.look_at(*self._stretch(lines))
            self.post_message(self.Painted())
        painter = Painter(
            self.model,
            self.look(),
            self.others,
            self.matches,
            cursor=self.has_focus,
            authors=self.authors,
        )
        strips = painter.strips(lines, room)
        self._show_terminal_cursor(lines)
        return strips

    def _stretch(self, lines: list[tuple[int, int]]) -> tuple[int, int]:
        """First and last code point in sight."""
        (first, piece), (last, last_piece) = lines[0], lines[-1]
        start = self.model.offset_of(first, self.model.layout(first).starts[piece])
        return start, self.model.offset_of(last, self.model.layout(last).bounds(last_piece)[1])

    def line_starts(self) -> list[int]:
        """Where the lines in sight begin."""
        return [
            self.model.offset_of(row, self.model.layout(row).starts[piece])
            for row, piece in self.viewport.lines()
        ]

    def _show_terminal_cursor(self, lines: list[tuple[int, int]]) -> None:
        """Input methods draw what they compose at the terminal's own cursor."""
        if not self.has_focus:
            return
        place = self.model.place(self.model.head)
        if (place.row, place.piece) in lines:
            x, y = self._margin() + self.model.cell_of(place), lines.index((place.row, place.piece))
            self.app.cursor_position = self.content_region.offset + Offset(x, y)

    def scroll_thumb(self, height: int) -> tuple[int, int]:
        count = self.model.document.lines.count
        if count <= height and self.viewport.row == 0 and self.viewport.piece == 0:
            return 0, 0
        size = max(1, min(height - 1, height * height // max(count, height)))
        top = round((height - size) * self.viewport.row / max(1, count - 1))
        return min(top, height - size), size

    # ---------------------------------------------------------------------- keys

    async def on_key(self, event: events.Key) -> None:
        character = event.character
        if character is None or len(character) != 1 or character < " " or "\x7f" <= character < "\xa0":
            return
        event.stop()
        event.prevent_default()
        self._edit(self.model.insert(character))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self._edit(self.model.paste(event.text))

    def action_go(self, where: str, select: bool = False) -> None:
        model = self.model
        page = max(1, self.viewport.height - 1)
        match where:
            case "left":
                model.move_left(select=select)
            case "right":
                model.move_right(select=select)
            case "up":
                model.move_lines(-1, select=select)
            case "down":
                model.move_lines(1, select=select)
            case "page_up":
                self.viewport.scroll(-page)
                model.move_lines(-page, select=select)
            case "page_down":
                self.viewport.scroll(page)
                model.move_lines(page, select=select)
            case "home":
                model.move_home(select=select)
            case "end":
                model.move_end(select=select)
            case "word_left":
                model.move_to(model.word_before(model.head), select=select)
            case "word_right":
                model.move_to(model.word_after(model.head), select=select)
            case "top":
                model.move_to(0, select=select)
            case "bottom":
                model.move_to(len(model.document), select=select)
        self._moved()

    def action_select_all(self) -> None:
        self.model.select_all()
        self._report()
        self.repaint_now()

    def action_scroll_by(self, lines: int) -> None:
        self.viewport.scroll(lines)
        self._top = self.viewport.top_offset()
        self.repaint_now()

    def action_undo(self) -> None:
        self._edit(self.model.undo())

    def action_redo(self) -> None:
        self._edit(self.model.redo())

    def action_copy(self) -> None:
        if self.model.selected:
            self.app.copy_to_clipboard(self.model.selected)

    def action_cut(self) -> None:
        if self.model.selected and self.model.can_write:
            self.app.copy_to_clipboard(self.model.selected)
            self._edit(self.model.insert(""))
        elif self.model.selected:
            self.post_message(self.Refused())

    def action_paste(self) -> None:
        if self.app.clipboard:
            self._edit(self.model.insert(self.app.clipboard))

    def action_backspace(self) -> None:
        self._edit(self.model.backspace())

    def action_delete(self) -> None:
        self._edit(self.model.delete())

    def action_delete_word_before(self) -> None:
        self._edit(self.model.delete_to(self.model.word_before))

    def action_delete_word_after(self) -> None:
        self._edit(self.model.delete_to(self.model.word_after))

    def action_delete_line_end(self) -> None:
        self._edit(self.model.delete_to(self.model.line_rest))

    def action_new_line(self) -> None:
        self._edit(self.model.new_line())

    def action_insert_tab(self) -> None:
        self._edit(self.model.insert("\t"))

    def _edit(self, allowed: bool) -> None:
        if allowed:
            self.post_message(self.Edited())
        else:
            self.post_message(self.Refused(self.model.refusal))
        self._moved()

    def _moved(self) -> None:
        self.viewport.reveal(self.model.head)
        self._top = self.viewport.top_offset()
        self._report()
        self.repaint_now()

    def _report(self) -> None:
        now = (self.model.anchor, self.model.head)
        if now != self._reported:
            self._reported = now
            self.post_message(self.CursorMoved(*now))

    # --------------------------------------------------------------------- mouse

    def _offset_under(self, event: events.MouseEvent) -> int:
        lines = self.viewport.lines()
        at = event.get_content_offset(self)
        x, y = (at.x, at.y) if at is not None else (event.x, event.y)
        x -= self._margin()
        if y < 0:
            return self.model.offset_at(*self.model.up_from(*lines[0], 1), max(0, x))
        if y >= len(lines):
            return self.model.offset_at(*self.model.down_from(*lines[-1], 1), max(0, x))
        return self.model.offset_at(*lines[y], max(0, x))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        if event.x >= self.size.width - 1:
            self._bar_drag = True
            self._scroll_to_pointer(event.y)
            return
        self._dragging = True
        self.model.move_to(self._offset_under(event), select=event.shift)
        self._moved()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._bar_drag:
            self._scroll_to_pointer(event.y)
        elif self._dragging:
            self.model.move_to(self._offset_under(event), select=True)
            self._moved()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._dragging = self._bar_drag = False
        self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.model.select_word(self._offset_under(event))
            self._moved()
        elif event.chain == 3:
            row = self.model.place(self._offset_under(event)).row
            self.model.move_to(self.model.offset_of(row, 0))
            self.model.move_to(self.model.offset_of(row, self.model.row_end(row)), select=True)
            self._moved()

    def _scroll_to_pointer(self, y: int) -> None:
        self.viewport.scroll_to_share(y / max(1, self.size.height - 1))
        self._top = self.viewport.top_offset()
        self.repaint()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll_by(-_WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll_by(_WHEEL_LINES)
