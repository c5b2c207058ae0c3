"""Goes through everything in a store's file, and says which rows are not what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from ..values import dataclass
from .schema import SQLITE_ERRORS, connect_raw, row_holds, segment_holds


@dataclass(frozen=True, slots=True)
class RowFlaw:
    """A row that is damaged, or a place between rows.

    Args:
        owner: bytes that should begin with the id of the object it belongs to; empty where nothing says it.
        what: in words.
    """

    owner: bytes
    what: str


def row_flaws(path: Path) -> Iterator[RowFlaw]:
    """Everything damaged in a store, which others may use meanwhile; what is not durable yet is not seen.

    Reads the whole file. Nothing is changed.
    """
    connection = connect_raw(path)
    try:
        connection.execute("PRAGMA query_only = ON")
        for part in (_pages, _records, _branches, _segments, _journal, _values):
            try:
                yield from part(connection)
            except SQLITE_ERRORS as error:
                yield RowFlaw(b"", f"a part of the file cannot be read ({error})")
    finally:
        connection.close()


def _pages(connection: Connection) -> Iterator[RowFlaw]:
    for (words,) in connection.execute("PRAGMA integrity_check(8)"):
        if words != "ok":
            yield RowFlaw(b"", f"the file does not hang together ({words})")


def _records(connection: Connection) -> Iterator[RowFlaw]:
    for owner, *rest, mark in connection.execute("SELECT object, id, kind, raw, mark FROM records"):
        if not row_holds(mark, owner, *rest):
            yield _flaw(owner, "a membership record or certificate")


def _branches(connection: Connection) -> Iterator[RowFlaw]:
    for number, owner, *rest, mark in connection.execute(
        "SELECT number, object, log, parent, first, mark FROM branches"
    ):
        if not row_holds(mark, number, owner, *rest):
            yield _flaw(owner, "the place of a log")


def _segments(connection: Connection) -> Iterator[RowFlaw]:
    owners = dict(connection.execute("SELECT number, object FROM branches"))
    before: Any = None
    for row in connection.execute("SELECT place, id, mark, raw FROM segments ORDER BY place"):
        branch, seq = row[0] >> 32, row[0] & 0xFFFFFFFF
        if not segment_holds(*row):
            yield _flaw(owners.get(branch), f"segment {seq} of a log")
        if before is not None and before >> 32 == branch and row[0] != before + 1:
            yield _flaw(owners.get(branch), f"what lies before segment {seq} of a log")
        before = row[0]


def _journal(connection: Connection) -> Iterator[RowFlaw]:
    for owner, number, raw, mark in connection.execute("SELECT object, number, raw, mark FROM journal"):
        if not row_holds(mark, owner, number, raw):
            yield _flaw(owner, "changes that nobody else has yet")


def _values(connection: Connection) -> Iterator[RowFlaw]:
    for space, key, value, mark in connection.execute("SELECT space, key, value, mark FROM vals"):
        if not row_holds(mark, space, key, value):
            yield _flaw(key, f"a value kept for later ({space!r})")


def _flaw(owner: Any, what: str) -> RowFlaw:
    return RowFlaw(owner if isinstance(owner, bytes) else b"", f"{what} is damaged")
