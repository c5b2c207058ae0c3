"""Takes the damaged rows of one object out of a store that is in use.

What stood in them is given back: records and segments prove themselves by signature and hash, so
whoever knows their format can enter again what is still true. Sealed rows (journal, values) prove
themselves when they are opened; they stay.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ..codec.ids import ObjectId
from ..ports.store import TakenOut
from .schema import place, row_holds, row_mark, segment_holds

Row = tuple[Any, ...]


def take_out_damaged(connection: sqlite3.Connection, object_id: ObjectId) -> TakenOut:
    """Changes everything in one transaction. Raises one of SQLITE_ERRORS where whole pages are damaged."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        taken = TakenOut()
        _records(connection, object_id, taken)
        _logs(connection, object_id, taken)
        _journal(connection, object_id)
        _values(connection, object_id)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return taken


def _records(connection: sqlite3.Connection, object_id: ObjectId, taken: TakenOut) -> None:
    rows = connection.execute("SELECT put, object, id, kind, raw, mark FROM records ORDER BY put").fetchall()
    for put, owner, *rest, mark in rows:
        if not row_holds(mark, owner, *rest) and _is_of(object_id, owner, mark, *rest):
            connection.execute("DELETE FROM records WHERE put = ?", (put,))
            if isinstance(rest[2], bytes):
                taken.records.append(rest[2])


def _is_of(object_id: ObjectId, owner: Any, mark: Any, *rest: Any) -> bool:
    """Whether a damaged row is of this object, even where the damage is in the object's id."""
    return owner == object_id or row_holds(mark, object_id, *rest)


def _logs(connection: sqlite3.Connection, object_id: ObjectId, taken: TakenOut) -> None:
    """Takes out damaged branches, segments from the first damaged one on, and what forks there."""
    rows = connection.execute(
        "SELECT number, object, log, parent, first, mark FROM branches ORDER BY number"
    ).fetchall()
    ends: dict[Any, int] = {}
    """By branch taken out wholly or in part: the first seq that is gone."""
    for number, owner, log, parent, first, mark in rows:
        holds = row_holds(mark, number, owner, log, parent, first)
        if owner != object_id and (holds or not row_holds(mark, number, object_id, log, parent, first)):
            continue
        if not holds or ends.get(parent, first) < first:
            connection.execute("DELETE FROM branches WHERE number = ?", (number,))
            ends[number] = 0
        else:
            end = _first_damaged(connection, number, first)
            if end is not None:
                ends[number] = end
        if number in ends:
            taken.segments += _cut(connection, number, ends[number])


def _first_damaged(connection: sqlite3.Connection, branch: int, first: int) -> int | None:
    expected = place(branch, first)
    rows = connection.execute(
        "SELECT place, id, mark, raw FROM segments WHERE place >= ? AND place < ? ORDER BY place",
        (place(branch, 0), place(branch + 1, 0)),
    )
    for row in rows:
        if row[0] != expected or not segment_holds(*row):
            return int(min(expected, row[0])) & 0xFFFFFFFF
        expected += 1
    return None


def _cut(connection: sqlite3.Connection, branch: int, seq: int) -> list[bytes]:
    span = (place(branch, seq), place(branch + 1, 0))
    rows = connection.execute(
        "SELECT raw FROM segments WHERE place >= ? AND place < ? ORDER BY place", span
    ).fetchall()
    connection.execute("DELETE FROM segments WHERE place >= ? AND place < ?", span)
    return [raw for (raw,) in rows if isinstance(raw, bytes)]


def _journal(connection: sqlite3.Connection, object_id: ObjectId) -> None:
    rows = connection.execute("SELECT object, number, raw, mark FROM journal ORDER BY number").fetchall()
    for owner, number, raw, mark in rows:
        if row_holds(mark, owner, number, raw) or not _is_of(object_id, owner, mark, number, raw):
            continue
        connection.execute("DELETE FROM journal WHERE object = ? AND number = ?", (owner, number))
        if isinstance(number, int) and isinstance(raw, bytes):
            row = (object_id, number, row_mark(object_id, number, raw), raw)
            connection.execute("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", row)


def _values(connection: sqlite3.Connection, object_id: ObjectId) -> None:
    """Values whose key begins with the object's id."""
    rows = connection.execute(
        "SELECT space, key, value, mark FROM vals WHERE typeof(key) = 'blob' AND substr(key, 1, ?) = ?",
        (len(object_id), object_id),
    ).fetchall()
    for space, key, value, mark in rows:
        if row_holds(mark, space, key, value):
            continue
        connection.execute("DELETE FROM vals WHERE space = ? AND key = ?", (space, key))
        if isinstance(space, str) and isinstance(value, bytes):
            row = (space, key, row_mark(space, key, value), value)
            connection.execute("INSERT INTO vals VALUES (?, ?, ?, ?)", row)
