"""A widget that draws its own lines, as many as are in sight, and repaints only those that changed."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..textual_private import Unbroken, paint_now


class StripPane(Unbroken, Widget, can_focus=True):
    """Subclasses say what each line is; the cost of a repaint is the lines in sight.

    The last column is a scroll bar.
    """

    ALLOW_SELECT = False

    DEFAULT_CSS = """
    StripPane { width: 1fr; height: 1fr; background: $background; color: $foreground; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: list[Strip] = []
        self._scheduled = False

    # What a subclass says

    def compose_strips(self, width: int, height: int) -> list[Strip]:
        """At most ``height`` strips of exactly ``width`` cells."""
        raise NotImplementedError

    def scroll_thumb(self, height: int) -> tuple[int, int]:
        """First line and number of lines of the scroll bar's thumb; (0, 0) for none."""
        raise NotImplementedError

    # Painting

    def base_style(self) -> Style:
        return self.rich_style

    def repaint(self) -> None:
        """Works out the lines in sight and marks those that changed."""
        self._scheduled = False
        width, height = self.size
        if width < 3 or height < 1 or not self.is_mounted:
            return
        strips = self.compose_strips(width - 1, height)[:height]
        base = self.base_style()
        blank = Strip([Segment(" " * (width - 1), base)], width - 1)
        strips.extend([blank] * (height - len(strips)))
        first, count = self.scroll_thumb(height)
        bar = [
            Segment("┃", self.bar_style(base)) if first <= y < first + count else Segment(" ", base)
            for y in range(height)
        ]
        strips = [Strip([*strip, bar[y]], width) for y, strip in enumerate(strips)]
        before, self._strips = self._strips, strips
        if len(before) != height:
            self.refresh()
            return
        changed = [y for y in range(height) if before[y] != strips[y]]
        if len(changed) == height:
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def repaint_now(self) -> None:
        """As ``repaint``, and straight on to the terminal: for what a key did."""
        self.repaint()
        paint_now(self)

    def repaint_soon(self) -> None:
        """Any number of calls before the next turn of the loop make one repaint."""
        if not self._scheduled:
            self._scheduled = True
            self.call_later(self.repaint)

    def bar_style(self, base: Style) -> Style:
        return base + Style(dim=True)

    def render_line(self, y: int) -> Strip:
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.base_style())

    def on_resize(self, event: events.Resize) -> None:
        self._strips = []
        self.repaint()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = []
        if self.is_mounted:
            self.repaint_soon()

    def on_focus(self) -> None:
        self.repaint_soon()

    def on_blur(self) -> None:
        self.repaint_soon()
