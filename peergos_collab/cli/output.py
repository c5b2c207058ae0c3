"""Printers: data to stdout, as text or JSON; narration to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from ..codec.shown import escape_hidden
from .settings import Settings

FORMAT_VERSION: Final = 1
"""``v`` of every document; it changes when a field changes its meaning."""


def to_json(fields: dict[str, Any]) -> str:
    """One line. Beyond ASCII everything is escaped: U+2028 and U+0085 would end a line for some readers."""
    return json.dumps({"v": FORMAT_VERSION, **fields}, separators=(", ", ": "))


def print_bytes(data: bytes) -> None:
    """Bytes as they are: no line end is added or translated."""
    click.echo(data, nl=False)


def print_line(text: str) -> None:
    """A line of UTF-8, seen at once by whoever reads from a pipe."""
    print_bytes(text.encode("utf-8", "backslashreplace") + b"\n")


def print_json(fields: dict[str, Any]) -> None:
    print_line(to_json(fields))


def print_result(settings: Settings, fields: dict[str, Any], lines: Iterable[str] = ()) -> None:
    """The one result of a command: ``fields`` with --json, else ``lines``."""
    if settings.json:
        print_json(fields)
    else:
        for line in lines:
            print_line(line)


def narrate(settings: Settings, text: str) -> None:
    """Says on stderr what goes on, unless told to be quiet."""
    if not settings.quiet:
        click.echo(text, err=True)


def show_qr(text: str) -> None:
    """``text`` as a picture for a camera, where somebody looks at stderr."""
    if sys.stderr is not None and sys.stderr.isatty():
        import segno

        segno.make(text, error="l", micro=False).terminal(out=sys.stderr, border=2, compact=True)


def warn(text: str) -> None:
    """Says on stderr what must be read, quiet or not."""
    click.echo(text, err=True)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, two spaces apart; nothing in a cell can break a line or move the cursor."""
    safe = [[escape_hidden(cell) for cell in row] for row in rows]
    widths = [max(map(_columns, column)) for column in zip(*safe, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in safe
    ]


def _columns(text: str) -> int:
    import unicodedata

    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def local_time(milliseconds: int) -> str:
    """A time as this machine's owner reads it, to the minute; empty where there is none."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(milliseconds / 1000)) if milliseconds else ""
    except (OverflowError, ValueError, OSError):
        return "?"
