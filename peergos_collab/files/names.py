"""Names of entries: which ones may be given, and how those of others are shown."""

from __future__ import annotations

import unicodedata
from typing import Final

from ..codec.shown import escape_hidden, name_problem
from ..errors import UsageError

MAX_NAME: Final = 255
"""UTF-8 bytes: what common file systems take, so that every name can be written to a disk."""


def check_name(name: str) -> str:
    """A name in Unicode form NFC, if it may be given to an entry.

    Raises:
        UsageError: says what is wrong with it.
    """
    problem = _problem(name)
    if problem:
        raise UsageError(f"{show_name(name)[:100]!r} cannot be a name: {problem}; nothing was changed")
    return unicodedata.normalize("NFC", name)


def show_name(name: str) -> str:
    """A name as shown. One that nobody honest gives is shown escaped: never hidden, never fatal."""
    shown = escape_hidden(name).replace("/", "<U+002F>")
    if shown in {".", ".."}:
        shown = shown.replace(".", "<U+002E>")
    stripped = shown.strip()
    before, after = shown[: len(shown) - len(shown.lstrip())], shown[len(shown.rstrip()) :]
    return f"{_escaped(before)}{stripped}{_escaped(after)}" if stripped else _escaped(shown) or "<no name>"


def is_hostile(name: str) -> bool:
    """Whether a name is one that ``check_name`` refuses."""
    return _problem(name) is not None


def _escaped(spaces: str) -> str:
    return "".join(f"<U+{ord(space):04X}>" for space in spaces)


def _problem(name: str) -> str | None:
    problem = name_problem(name)
    if problem is not None:
        return problem
    if len(unicodedata.normalize("NFC", name).encode()) > MAX_NAME:
        return f"it has more than {MAX_NAME} bytes"
    if name in {".", ".."}:
        return "it means a folder itself"
    if "/" in name:
        return "it holds '/'"
    return None
