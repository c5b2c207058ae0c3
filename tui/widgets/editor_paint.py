"""Draws the lines of a text: own selection and cursor, other people's, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from peergos_collab.values import dataclass

from ..viewmodels.authorship import Authors
from ..viewmodels.cells import plain
from ..viewmodels.editing import TextModel
from ..viewmodels.finding import Matches
from ..viewmodels.page import Drawn, drawn
from ..viewmodels.people import Caret

TINT = 0.22
"""How much of a person's colour lies behind what he wrote: less than behind what he selects now."""
GUTTER = 3
"""Cells to the left of the text where authors show: two colours, and a blank."""


@dataclass(frozen=True, slots=True)
class Look:
    """The styles of an editor."""

    base: Style
    selection: Style
    cursor: Style
    match: Style
    mark: Style


@lru_cache(maxsize=256)
def _mix(colour: str, base: Style, share: float) -> Color:
    """A person's colour thinned into the background, to lie behind text."""
    tint = Color.parse(colour).get_truecolor()
    back = base.bgcolor.get_truecolor() if base.bgcolor is not None else (0, 0, 0)
    return Color.from_rgb(*(round(b + (t - b) * share) for t, b in zip(tint, back, strict=True)))


def caret_style(colour: str) -> Style:
    """A block in a person's colour, with the letter on it in black or white, whichever reads better."""
    red, green, blue = Color.parse(colour).get_truecolor()
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    return Style(color="#000000" if light else "#ffffff", bgcolor=colour, bold=True)


class Painter:
    """Paints one state of a text; made anew for every repaint."""

    def __init__(
        self,
        model: TextModel,
        look: Look,
        others: tuple[Caret, ...],
        matches: Matches,
        *,
        cursor: bool,
        authors: Authors | None = None,
    ) -> None:
        self._model = model
        self._look = look
        self._others = others
        self._matches = matches
        self._cursor = cursor
        self._authors = authors
        self._tints: dict[str | None, Style] = {}

    def strips(self, lines: Iterable[tuple[int, int]], width: int) -> list[Strip]:
        """One strip of ``width`` cells for each (row, piece); authors, where they show, come on top."""
        row_start = -1
        last_row = -1
        strips = []
        for row, piece in lines:
            if row != last_row:
                row_start = self._model.offset_of(row, 0)
                last_row = row
            strips.append(self._strip(row, piece, row_start, width))
        return strips

    def _strip(self, row: int, piece: int, row_start: int, width: int) -> Strip:
        layout = self._model.layout(row)
        start, end = layout.bounds(piece)
        first, last = row_start + start, row_start + end
        closes = piece + 1 == len(layout)
        text = layout.text[start:end]
        margin = self._margin(first, last)
        if plain(text) and not self._touched(first, last, closes):
            runs = self._plain(text, first)
            runs.append((" " * (width - len(text)), self._look.base))
        else:
            clusters = drawn(layout, piece)
            runs = [self._styled(one, row_start) for one in clusters]
            used = sum(one.width for one in clusters)
            runs.extend(self._behind_end(row_start + self._model.row_end(row), used, width, closes, first))
        return Strip(_joined([*margin, *runs]), width + (GUTTER if margin else 0))

    # Authors

    def _margin(self, first: int, last: int) -> list[tuple[str, Style]]:
        """The colours of those who wrote a line, of whoever wrote most of it first."""
        if self._authors is None:
            return []
        marks = self._authors.marks(first, last)[: GUTTER - 1]
        base = self._look.base
        cells = [(self._letter(colour), base + Style(color=colour)) for colour in marks]
        return [*cells, (" " * (GUTTER - len(marks)), base)]

    def _letter(self, colour: str) -> str:
        sign = self._authors.SIGNS.get(colour) if self._authors is not None else None
        return sign.letter if sign is not None else "▌"

    def _plain(self, text: str, first: int) -> list[tuple[str, Style]]:
        if self._authors is None:
            return [(text, self._look.base)]
        parts = self._authors.stretches(first, first + len(text))
        return [(text[one.start - first : one.end - first], self._tinted(one.colour)) for one in parts]

    def _tinted(self, colour: str | None) -> Style:
        if colour not in self._tints:
            self._tints[colour] = self._look.base if colour is None else self._tint(colour)
        return self._tints[colour]

    def _tint(self, colour: str) -> Style:
        base = self._look.base
        sign = self._authors.SIGNS.get(colour) if self._authors is not None else None
        look = Style.parse(sign.look) if sign is not None else Style()
        return base + look + Style(bgcolor=_mix(colour, base, TINT))

    # What lies on the text

    def _touched(self, first: int, last: int, closes: bool) -> bool:
        """Whether anything but text is in ``first..last``."""
        until = last + 1 if closes else last
        start, end = self._model.selection
        if (start < until and end > first) or (self._cursor and first <= self._model.head < until):
            return True
        if self._matches.starts and self._matches.between(first, until):
            return True
        return any(
            (one.start < until and one.end > first) or first <= one.head < until for one in self._others
        )

    def _styled(self, one: Drawn, row_start: int) -> tuple[str, Style]:
        start, end = row_start + one.start, row_start + one.end
        style = self._look.base
        if self._authors is not None:
            style = self._tinted(self._authors.stretches(start, end)[0].colour if end > start else None)
        if one.mark:
            style += self._look.mark
        for other in self._others:
            if other.start < end and other.end > start:
                style += Style(bgcolor=_mix(other.colour, self._look.base, 0.35))
        if self._matches.starts and any(found < end for found in self._matches.between(start, end)):
            style += self._look.match
        selection = self._model.selection
        if selection[0] < end and selection[1] > start:
            style += self._look.selection
        return one.look, self._at_cursor(style, start, end)

    def _at_cursor(self, style: Style, start: int, end: int) -> Style:
        for other in self._others:
            if start <= other.head < end:
                style = style + caret_style(other.colour)
        if self._cursor and start <= self._model.head < end:
            style = style + self._look.cursor
        return style

    def _behind_end(
        self, end: int, used: int, width: int, closes: bool, first: int
    ) -> list[tuple[str, Style]]:
        """The cell behind the text, where cursors and the mark of a selected line end go, then names."""
        base = self._look.base
        runs: list[tuple[str, Style]] = []
        if closes and used < width:
            selection = self._model.selection
            style = base
            if selection[0] <= end < selection[1]:
                style += self._look.selection
            runs.append((" ", self._at_cursor(style, end, end + 1)))
            used += 1
        until = end + 1 if closes else self._next_start(first, used)
        for other in self._others:
            room = width - used - 1
            if first <= other.head < until and room >= 2:
                name = other.name if cell_len(other.name) + 2 <= room else set_cell_size(other.name, room - 2)
                label = f" {name} "[:room] if room > 2 else "  "
                runs.append((" ", base))
                runs.append((label, caret_style(other.colour)))
                used += 1 + cell_len(label)
        runs.append((" " * (width - used), base))
        return runs

    def _next_start(self, first: int, used: int) -> int:
        row, column = self._model.document.lines.position(first)
        layout = self._model.layout(row)
        piece = layout.piece_of(column)
        return first + layout.bounds(piece)[1] - layout.bounds(piece)[0]


def _joined(runs: list[tuple[str, Style]]) -> list[Segment]:
    """Segments, one for each stretch of one style."""
    segments: list[Segment] = []
    text = ""
    style: Style | None = None
    for part, its in runs:
        if not part:
            continue
        if its is not style and its != style:
            if text:
                segments.append(Segment(text, style))
            text, style = "", its
        text += part
    if text:
        segments.append(Segment(text, style))
    return segments
