"""Text of strangers, made safe to show: nothing that moves the cursor, hides or reorders what follows."""

from __future__ import annotations

import unicodedata
from typing import Final

from ..errors import UsageError

MAX_PERSON: Final = 64
"""Code points of a person's name as shown; longer ones push everything else off a line."""

REORDERING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional marks, embeddings, overrides and isolates (Unicode UAX #9)."""

_JOINERS: Final = frozenset("\u200c\u200d")
"""Format characters that emoji and several scripts need."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters, surrogates, line and paragraph separators.

Not unassigned ones: emoji newer than Python's tables are among them."""


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing itself, or changes how others are shown."""
    if character in _JOINERS:
        return False
    return character in REORDERING or unicodedata.category(character) in _HIDDEN


def escape_hidden(text: str, keep: str = "") -> str:
    """``text`` with every hidden character as ``<U+202E>``, except those in ``keep``.

    The form is plain, so nobody takes it for a part of a program; text that holds it already looks the same.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"<U+{ord(c):04X}>" if is_hidden(c) and c not in keep else c for c in text)


def name_problem(name: str) -> str | None:
    """What is wrong with a name that somebody gives to something, in words; None where nothing is."""
    if not name:
        return "it is empty"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "it is not valid Unicode"
    if any(map(is_hidden, name)):
        return "it holds characters that cannot be seen or that turn text around"
    if name != name.strip():
        return "it starts or ends with a space"
    return None


def check_person(*names: str) -> None:
    """Names that somebody gives to himself or to his device.

    Raises:
        UsageError: one of them would not be shown to others as it is; says why.
    """
    for name in names:
        problem = name_problem(name)
        if problem is None and len(name) > MAX_PERSON:
            problem = f"it has more than {MAX_PERSON} characters"
        if problem:
            shown = escape_hidden(name)[:100]
            raise UsageError(f"{shown!r} cannot be a name: {problem}; nothing was changed")


def show_person(name: str) -> str:
    """A person's own name for himself, as shown: one line, at most 64 code points, never empty."""
    shown = " ".join(escape_hidden(name).split())
    if len(shown) > MAX_PERSON:
        shown = shown[: MAX_PERSON - 1] + "…"
    return shown or "(no name)"


def show_message(text: str) -> str:
    """A chat message as shown: line ends, tabs and the marks of right-to-left writing stay."""
    return escape_hidden(text, keep="\n\t\u061c\u200e\u200f")
