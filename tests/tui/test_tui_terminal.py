"""The program in a real terminal: bytes in, a painted screen out."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.terminal import Terminal

PROGRAM = Path(__file__).parents[1] / "support" / "screen_program.py"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal([sys.executable, str(PROGRAM), "first line\nsecond line"]) as running:
        running.wait_for("notes", 30)
        running.press("enter")
        running.wait_for("second line")
        yield running


def left(terminal: Terminal) -> str:
    """Leaves the program; returns the document's text as it printed it."""
    terminal.press("ctrl+q")

    assert terminal.wait_end() == 0
    while terminal.read(0):
        pass
    return terminal.text.partition("<<")[2].partition(">>")[0].replace("\n", "")


def test_typing_appears_and_is_in_the_document(terminal: Terminal) -> None:
    """Letters, wide characters and Enter, through the real input parser."""
    terminal.send("Grüße 漢字 ")
    terminal.wait_for("Gr")
    terminal.press("enter")
    terminal.wait_for("\n first line")

    assert left(terminal) == ascii("Grüße 漢字 \nfirst line\nsecond line")


def test_a_bracketed_paste_is_taken_whole(terminal: Terminal) -> None:
    """Line ends and emoji of a paste arrive as they are."""
    terminal.paste("pasted 👨\u200d👩\u200d👧\rand more ")
    terminal.wait_for("and more first line")

    assert left(terminal) == ascii("pasted 👨\u200d👩\u200d👧\nand more first line\nsecond line")


def test_copying_reaches_the_terminal_clipboard(terminal: Terminal) -> None:
    """The selection goes out as OSC 52."""
    terminal.press("shift+right", "shift+right", "shift+right", "shift+right", "shift+right", "ctrl+c")
    wanted = b"\x1b]52;c;" + base64.b64encode(b"first")
    terminal.wait_until(lambda _: wanted in terminal.raw, what="OSC 52")

    assert left(terminal) == ascii("first line\nsecond line")


def test_the_screen_is_given_back_when_the_program_ends(terminal: Terminal) -> None:
    """The alternate screen is left and the cursor shows again."""
    left(terminal)

    assert terminal.raw.rfind(b"\x1b[?1049l") > terminal.raw.rfind(b"\x1b[?1049h")
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
