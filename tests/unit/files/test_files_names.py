"""Names: which may be given, and how those of strangers are shown."""

from __future__ import annotations

import pytest

from peergos_collab.codec.shown import show_message, show_person
from peergos_collab.errors import UsageError
from peergos_collab.files import check_name, show_name
from peergos_collab.files.names import is_hostile

HOSTILE = [
    ("", "empty"),
    (".", "folder"),
    ("..", "folder"),
    ("a/b", "'/'"),
    ("a\0b", "cannot be seen"),
    ("a\x1b[2Jb", "cannot be seen"),
    ("a\nb", "cannot be seen"),
    ("a\u2028b", "cannot be seen"),
    ("report\u202etxt.exe", "turn text around"),
    ("\u2066x\u2069", "turn text around"),
    ("zero\u200bwidth", "cannot be seen"),
    ("\ud800", "not valid Unicode"),
    (" a", "space"),
    ("a\u3000", "space"),
    ("é" * 128, "255 bytes"),
]


@pytest.mark.parametrize(("name", "reason"), HOSTILE)
def test_names_that_mislead_or_break_are_refused_with_the_reason(name: str, reason: str) -> None:
    """The message says what is wrong and that nothing was changed, and can itself be printed."""
    with pytest.raises(UsageError, match="nothing was changed") as caught:
        check_name(name)

    assert reason in caught.value.message
    assert caught.value.message.encode()


@pytest.mark.parametrize(
    "name", ["notes", "...", "a b.txt", "日本語", "👩‍👩‍👧‍👦", "\u05e9\u05dc\u05d5\u05dd", "é" * 127, "a\\b:c"]
)
def test_ordinary_names_of_all_scripts_are_allowed_and_shown_as_they_are(name: str) -> None:
    """Emoji sequences, right-to-left scripts and the full length included."""
    assert check_name(name) == name
    assert show_name(name) == name
    assert not is_hostile(name)


def test_names_are_composed() -> None:
    """What looks the same is the same: names are kept in form NFC."""
    assert check_name("e\u0301") == "\u00e9"


@pytest.mark.parametrize("name", [name for name, _ in HOSTILE if len(name) < 100])
def test_hostile_names_are_shown_escaped(name: str) -> None:
    """Never hidden, never fatal, and safe to show."""
    shown = show_name(name)

    assert shown
    assert is_hostile(name)
    assert not is_hostile(shown)


def test_escapes_name_the_character() -> None:
    """A reader can tell what somebody tried."""
    assert show_name("report\u202etxt.exe") == "report<U+202E>txt.exe"
    assert show_name("../x ") == "..<U+002F>x<U+0020>"
    assert show_name("..") == "<U+002E><U+002E>"


def test_a_person_is_one_short_line() -> None:
    """Names people give themselves are cut to 64 code points and never empty."""
    assert show_person("Ana\nRoot\x1b[1m") == "Ana<U+000A>Root<U+001B>[1m"
    assert show_person("x" * 100) == "x" * 63 + "…"
    assert show_person(" \t ") == "<U+0009>"
    assert show_person("  ") == "(no name)"


def test_messages_keep_their_lines() -> None:
    """Line ends, tabs and right-to-left marks are part of a text; cursor movements are not."""
    assert show_message("a\n\tb\u200f") == "a\n\tb\u200f"
    assert show_message("a\x1b[2Jb\r\u202e") == "a<U+001B>[2Jb<U+000D><U+202E>"
