"""Flipping bits in a store's file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

COLUMNS = {
    "records": ("put", ("id", "raw", "mark")),
    # Not "object": SQLite finds rows by its index, which holds the object once more.
    "branches": ("number", ("log", "parent", "first", "mark")),
    "segments": ("place", ("id", "raw", "mark")),
    "journal": ("number", ("raw", "mark")),
    "vals": ("rowid", ("value", "mark")),
    "floors": ("name", ("value",)),
}
SAMPLES = 2
"""Rows of a kind that are damaged, one at a time: its first and its last."""

Cell = tuple[str, Any, str]


def cells(path: Path, samples: int = SAMPLES) -> list[Cell]:
    """Rows of every kind, and every column of theirs."""
    found: list[Cell] = []
    with sqlite3.connect(path) as database:
        for table, (key, columns) in COLUMNS.items():
            if table == "vals":
                rows = database.execute("SELECT space, space, key FROM vals").fetchall()
            else:
                rows = [("", row) for (row,) in database.execute(f"SELECT {key} FROM {table} ORDER BY {key}")]
            for kind in dict.fromkeys(row[0] for row in rows):
                of_kind = [row[1:] for row in rows if row[0] == kind]
                chosen = of_kind if len(of_kind) <= samples else [of_kind[0], of_kind[-1]][-samples:]
                found += [(table, row, column) for row in chosen for column in columns]
    return found


def flip(path: Path, cell: Cell) -> bool:
    """Flips a bit of one cell. False where the database itself does not allow it."""
    table, row, column = cell
    where = "space = ? AND key = ?" if table == "vals" else f"{COLUMNS[table][0]} = ?"
    database = sqlite3.connect(path, isolation_level=None)
    try:
        (value,) = database.execute(f"SELECT {column} FROM {table} WHERE {where}", row).fetchone()
        if isinstance(value, bytes):
            flipped: Any = bytearray(value)
            flipped[len(value) // 2] ^= 1
        else:
            flipped = value ^ 1
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (flipped, *row))
    except sqlite3.IntegrityError:
        return False
    finally:
        database.close()
    return True


def merge_wal(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
