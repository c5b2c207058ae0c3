"""The program in a real terminal: bytes in, a painted screen out."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from peergos_collab.workspace.home import create_home
from support.terminal import Terminal, key

PROGRAM = Path(__file__).parents[1] / "support" / "screen_program.py"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal([sys.executable, str(PROGRAM), "first line\nsecond line"]) as running:
        running.wait_for("notes")
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


def test_what_is_typed_and_pasted_is_in_the_document(terminal: Terminal) -> None:
    """Letters, wide characters and Enter as a terminal sends them; a paste whole; a burst in its order."""
    terminal.send("Grüße 漢字 ")
    terminal.press("enter")
    terminal.wait_for("\n first line")
    terminal.paste("pasted 👨\u200d👩\u200d👧\rand more ")
    terminal.wait_for("and more first line")
    # Moves, letters and deletions that arrive together, as over a slow line.
    burst = ["a", key("end"), "bx", key("backspace"), key("down"), key("home"), "c", key("ctrl+home"), "d"]
    terminal.send("".join(burst))
    terminal.wait_for("dGr")

    wanted = "dGrüße 漢字 \npasted 👨\u200d👩\u200d👧\nand more afirst lineb\ncsecond line"
    assert left(terminal) == ascii(wanted)


def test_copying_reaches_the_terminal_clipboard_and_the_screen_is_given_back(terminal: Terminal) -> None:
    """The selection goes out as OSC 52; at the end the screen is as before and the cursor shows again."""
    terminal.press("shift+right", "shift+right", "shift+right", "shift+right", "shift+right", "ctrl+c")
    wanted = b"\x1b]52;c;" + base64.b64encode(b"first")
    terminal.wait_until(lambda _: wanted in terminal.raw, what="OSC 52")

    assert left(terminal) == ascii("first line\nsecond line")
    assert terminal.raw.rfind(b"\x1b[?1049l") > terminal.raw.rfind(b"\x1b[?1049h")
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")


def test_a_terminated_program_closes_its_home_first(terminal: Terminal) -> None:
    """SIGTERM ends it as the user would, with the terminal given back and the text kept."""
    terminal.send("kept ")
    terminal.wait_for("kept first line")
    terminal.process.terminate()

    assert terminal.wait_end() == 0
    while terminal.read(0):
        pass
    assert ascii("kept first line\nsecond line") in terminal.text.replace("\n", "")


def test_a_program_whose_terminal_goes_ends(terminal: Terminal) -> None:
    """Without a signal it notices by itself, and does not read nothing for ever."""
    terminal.go_away()

    terminal.process.wait(30)


def test_a_first_run_on_a_real_home_leaves_a_document_that_opens_again(tmp_path: Path) -> None:
    """From nothing: a name, the recovery code, a document; then the program again, and it is all there."""
    code = "import sys, pathlib; from tui.app import main; sys.exit(main(pathlib.Path(sys.argv[1]), None))"
    argv = [sys.executable, "-c", code, str(tmp_path / "home")]
    with Terminal(argv, cwd=str(PROGRAM.parents[2])) as terminal:
        terminal.wait_for("any name")
        terminal.send("Ann")
        terminal.wait_cursor_below("Your name")
        for label in ("A passphrase for this device", "The passphrase again"):
            terminal.press("enter")
            terminal.wait_cursor_below(label)
        terminal.press("enter")
        terminal.wait_for("Your recovery code")
        terminal.press("tab", "enter")
        terminal.wait_for("write a new document")
        terminal.send("n")
        terminal.wait_for("New document")
        terminal.send("notes")
        terminal.press("enter")
        terminal.wait_for("Back")
        terminal.send("hello 漢字")
        terminal.wait_for("saved here")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
    with Terminal(argv, cwd=str(PROGRAM.parents[2])) as terminal:
        terminal.wait_for("notes")
        terminal.press("enter")
        terminal.wait_for("hello")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0


def test_a_passphrase_from_a_file_is_the_one_that_commands_read(tmp_path: Path) -> None:
    """All of it but the last line end; a file that is not there is said to be missing, and nothing opens."""
    create_home(tmp_path / "home", name="Ann", passphrase="two\nlines")
    (tmp_path / "words").write_text("two\nlines\n")
    argv = [sys.executable, "-m", "peergos_collab", "--home", str(tmp_path / "home"), "--passphrase-file"]
    with Terminal([*argv, str(tmp_path / "words")]) as terminal:
        terminal.wait_for("write a new document")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
    with Terminal([*argv, str(tmp_path / "none")]) as terminal:
        terminal.wait_for("cannot be read: No such file")

        assert terminal.wait_end() == 2
    with Terminal([*argv, "-"]) as terminal:
        terminal.wait_for("cannot come from stdin here")

        assert terminal.wait_end() == 2
