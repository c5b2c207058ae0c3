"""A QR code, where there is room for it."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from ..viewmodels.qr import qr_lines, too_small_words


class QrCode(Static):
    """Dark on light in every theme: cameras expect it."""

    DEFAULT_CSS = """
    QrCode { width: auto; height: auto; margin-top: 1; display: none; }
    QrCode.-shown { display: block; }
    .-frameless QrCode { margin-top: 0; }
    """

    def show(self, text: str) -> str:
        """Draws ``text``. Returns what is wrong where the terminal is too small, and nothing is drawn.

        Where the frame of the dialog leaves too little room, the frame goes.
        """
        width, height = self.screen.size
        lines = qr_lines(text, width - 8, height - 4)
        self.screen.set_class(not lines, "-frameless")
        lines = lines or qr_lines(text, width, height)
        if not lines:
            self.screen.remove_class("-frameless")
        self.set_class(bool(lines), "-shown")
        ink = Style(color="#000000", bgcolor="#ffffff")
        self.update(Text("\n".join(lines), style=ink, no_wrap=True))
        if lines:
            self.call_after_refresh(self.scroll_visible, animate=False)
        return "" if lines else too_small_words(text, width, height)
