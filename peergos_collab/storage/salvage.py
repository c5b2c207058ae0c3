"""Saves what is readable of a damaged store into a new one. The damaged file is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..errors import Damaged, DiskFull, NewerFormat
from ..values import dataclass
from .atomic_file import sync_directory
from .schema import (
    APPLICATION_ID,
    SQLITE_ERRORS,
    VERSION,
    connect,
    connect_raw,
    is_kept_from_us,
    opening_error,
    place,
    row_holds,
    segment_holds,
)

_FLOOR_STEP: Final = {"branch": 1 << 16, "journal": 1 << 40}
"""How far numbers jump where the record of those given is lost: beyond what any start before reserved."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What became of a damaged store.

    Args:
        kept: where the damaged file lies now; it is never deleted.
        lost: plain sentences, one for each thing that could not be read.
        saved: number of rows in the new store.
    """

    kept: Path
    lost: tuple[str, ...]
    saved: int


def salvage(path: Path) -> SalvageReport:
    """Puts a new store in the place of a damaged one, with everything that is undamaged.

    Of each branch the segments before the first damaged one are kept: what follows a gap has to be
    fetched again in any case. Nobody may have the store open.

    Raises:
        NewerFormat: the file is not damaged but made by a later version of this program.
        Damaged, Conflict: the system does not let it be read, so nothing shows that it is damaged; or there
            is no room for a new one. It stays.
    """
    fresh = path.with_name(path.name + ".new")
    _remove(fresh)
    try:
        target = connect(fresh)
        try:
            lost, saved = _copy(path, target)
        finally:
            target.close()
    except BaseException as error:
        _remove(fresh)
        if isinstance(error, sqlite3.Error | DiskFull):
            raise Damaged(
                f"What is readable of {path} could not be saved into a new store: {error}. It is as it was.",
                hint="Make room on the disk, and start again.",
            ) from error
        raise
    kept = _move_aside(path)
    fresh.rename(path)
    sync_directory(path.parent)
    return SalvageReport(kept, tuple(lost), saved)


def _copy(path: Path, target: sqlite3.Connection) -> tuple[list[str], int]:
    try:
        source = connect_raw(path)
    except SQLITE_ERRORS as error:
        if is_kept_from_us(error):
            raise opening_error(path, error) from error
        return ["Nothing in the store could be read."], 0
    try:
        _refuse_newer(source, path)
        copying = _Copying(source, target)
        target.execute("BEGIN")
        copying.run()
        target.execute("COMMIT")
        return copying.lost, copying.saved
    finally:
        source.close()


def _refuse_newer(source: sqlite3.Connection, path: Path) -> None:
    try:
        version = source.execute("PRAGMA user_version").fetchone()[0]
        application = source.execute("PRAGMA application_id").fetchone()[0]
    except SQLITE_ERRORS:
        return
    if version > VERSION and application == APPLICATION_ID:
        raise NewerFormat(f"{path} has format {version}; this program knows formats up to {VERSION}.")


class _Copying:
    """Copies rows whose checksum holds, table by table."""

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        self._source = source
        self._target = target
        self._floors = {"branch": 0, "journal": 0}
        self.lost: list[str] = []
        self.saved = 0

    def run(self) -> None:
        self._records()
        for branch in self._branches():
            self._segments(branch)
        self._journal()
        self._values()
        self._write_floors()

    def _records(self) -> None:
        for row in self._scan("records", "put, object, id, kind, mark, raw", "put", "records"):
            _, object_id, record_id, kind, mark, raw = row
            if row_holds(mark, object_id, record_id, kind, raw):
                self._save("records", row)
            else:
                self.lost.append(f"A record of object {_short(object_id)}.")

    def _branches(self) -> list[int]:
        numbers = []
        for row in self._scan("branches", "number, object, log, parent, first, mark", "number", "logs"):
            if row_holds(row[5], *row[:5]):
                self._save("branches", row)
                numbers.append(row[0])
            else:
                self.lost.append(f"A log of object {_short(row[1])}.")
        self._floors["branch"] = max(numbers, default=0) + 1
        return numbers

    def _segments(self, branch: int) -> None:
        first, object_id = self._target.execute(
            "SELECT first, object FROM branches WHERE number = ?", (branch,)
        ).fetchone()
        expected = place(branch, first)
        end = place(branch + 1, 0)
        rows = _until_error(
            self._source,
            "SELECT place, id, mark, raw FROM segments WHERE place >= ? AND place < ? ORDER BY place",
            (expected, end),
        )
        for row in rows:
            if row is None or row[0] != expected or not segment_holds(*row):
                seq = expected & 0xFFFFFFFF
                self.lost.append(f"Segments of object {_short(object_id)}: from {seq} on in branch {branch}.")
                return
            self._save("segments", row)
            expected += 1

    def _journal(self) -> None:
        columns = "object, number, mark, raw"
        for row in self._scan("journal", columns, "object, number", "unsent changes"):
            object_id, number, mark, raw = row
            if row_holds(mark, object_id, number, raw):
                self._save("journal", row)
                self._floors["journal"] = max(self._floors["journal"], number + 1)
            else:
                self.lost.append(f"An unsent change of object {_short(object_id)}.")

    def _values(self) -> None:
        for row in self._scan("vals", "space, key, mark, value", "space, key", "values"):
            space, key, mark, value = row
            if row_holds(mark, space, key, value):
                self._save("vals", row)
            else:
                self.lost.append(f"A value of '{space}'.")

    def _write_floors(self) -> None:
        known: dict[str, Any] = dict(self._scan("floors", "name, value", "name", "counters"))
        for name, least in self._floors.items():
            value = known.get(name)
            if not isinstance(value, int) or value < least:
                value = least + _FLOOR_STEP[name]
            self._target.execute("INSERT INTO floors VALUES (?, ?)", (name, value))

    def _save(self, table: str, row: Row) -> None:
        try:
            self._target.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  our own names
            self.saved += 1
        except sqlite3.IntegrityError:
            self.lost.append(f"A second copy of a row among the {table}.")

    def _scan(self, table: str, columns: str, order: str, what: str) -> Iterator[Row]:
        """All rows that can be reached: from the front, and where that breaks off, from the back."""
        seen: set[Row] = set()
        for row in _until_error(self._source, f"SELECT {columns} FROM {table} ORDER BY {order}"):  # noqa: S608
            if row is not None:
                seen.add(row[:2])
                yield row
                continue
            self.lost.append(f"Some {what} lie on damaged pages.")
            backwards = ", ".join(f"{column} DESC" for column in order.split(", "))
            for late in _until_error(self._source, f"SELECT {columns} FROM {table} ORDER BY {backwards}"):  # noqa: S608
                if late is None or late[:2] in seen:
                    return
                yield late


def _until_error(source: sqlite3.Connection, sql: str, parameters: Row = ()) -> Iterator[Row | None]:
    """Rows, and None at the end where it was an error that ended them."""
    try:
        yield from source.execute(sql, parameters)
    except SQLITE_ERRORS:
        yield None


def _short(object_id: Any) -> str:
    return object_id.hex()[:16] if isinstance(object_id, bytes) else "unknown"


def _move_aside(path: Path) -> Path:
    """The WAL goes first: a database left without its WAL is found damaged again, a new one with an old
    WAL would be damaged by it."""
    kept = free_name(path)
    for ending in ("-wal", "-shm", ""):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(kept.with_name(kept.name + ending))
    return kept


def free_name(path: Path) -> Path:
    """Where a damaged store is kept, beside its successor."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return kept


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
