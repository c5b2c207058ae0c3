"""One line that says how the object in front is connected and saved, and who is here."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from ..viewmodels.status import Bar


class StatusBar(Static):
    """Shows a ``Bar``; a problem replaces the rest, because it matters more."""

    DEFAULT_CSS = """
    StatusBar {
        height: 1; padding: 0 1; background: $panel; color: $foreground;
        text-overflow: ellipsis; text-wrap: nowrap;
    }
    StatusBar.-problem { background: $error 40%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: Bar | None = None

    def show(self, bar: Bar) -> None:
        if bar == self._shown:
            return
        self._shown = bar
        self.set_class(bool(bar.problem), "-problem")
        words = f"⚠ {bar.problem}  ·  {bar.saved}" if bar.problem else bar.words()
        # Its height never changes, and a new layout would hold up the letter just typed.
        self.update(Text(words, no_wrap=True), layout=False)
