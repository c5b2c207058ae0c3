"""A QR code, where there is room for it."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from ..viewmodels.sharing import qr_lines


class QrCode(Static):
    """Dark on light in every theme: cameras expect it."""

    DEFAULT_CSS = """
    QrCode { width: auto; height: auto; margin-top: 1; display: none; }
    QrCode.-shown { display: block; }
    """

    TOO_SMALL = "The terminal is too small for the QR code: make it larger, or copy the text."

    def show(self, text: str) -> bool:
        """Draws ``text``; False where the terminal is too small, and nothing is drawn."""
        screen = self.screen.size
        lines = qr_lines(text, screen.width - 8, screen.height - 4)
        self.set_class(bool(lines), "-shown")
        ink = Style(color="#000000", bgcolor="#ffffff")
        self.update(Text("\n".join(lines), style=ink, no_wrap=True))
        if lines:
            self.call_after_refresh(self.scroll_visible, animate=False)
        return bool(lines)
