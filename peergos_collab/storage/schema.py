"""The database file: its tables, how it is opened, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from ..errors import Conflict, Damaged, DiskFull, NewerFormat, PeergosCollabError
from .atomic_file import make_directory, sync_directory

VERSION: Final = 1
APPLICATION_ID: Final = 0x70676373
"""``pgcs``: tells our files from other SQLite databases."""

_WAL_KEPT_BYTES: Final = 4 * 1024 * 1024
"""The WAL is cut to this size when it starts over. Not less: overwriting blocks that are there
syncs faster than growing the file."""
_CACHE_KIB: Final = 8 * 1024
_LOCK_WAIT_SECONDS: Final = 5.0

_SCHEMA: Final = """
CREATE TABLE floors (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE records (put INTEGER PRIMARY KEY, object BLOB NOT NULL, id BLOB NOT NULL,
    kind INTEGER NOT NULL, mark INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE UNIQUE INDEX record_ids ON records (object, id);
CREATE TABLE branches (number INTEGER PRIMARY KEY, object BLOB NOT NULL, log BLOB NOT NULL,
    parent INTEGER NOT NULL, first INTEGER NOT NULL, mark INTEGER NOT NULL);
CREATE INDEX branch_objects ON branches (object);
CREATE TABLE segments (place INTEGER PRIMARY KEY, id BLOB NOT NULL, mark INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE TABLE journal (object BLOB NOT NULL, number INTEGER NOT NULL, mark INTEGER NOT NULL,
    raw BLOB NOT NULL, PRIMARY KEY (object, number)) WITHOUT ROWID;
CREATE TABLE vals (space TEXT NOT NULL, key BLOB NOT NULL, mark INTEGER NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
"""

_SALVAGE_HINT: Final = (
    "End every pgc of this home and start one again: what is readable is then saved into a new store and the "
    "damaged file is kept beside it. 'pgc sync' fetches again what a node or a peer still has."
)


_UNREADABLE: Final = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}
"""I/O errors that say something of the file; the others are of locks, memory or room."""

SQLITE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file makes SQLite raise: its messages quote the file, and may then be no UTF-8."""


def place(branch: int, seq: int) -> int:
    """The row number of a segment: segments of a branch lie together, in order, without an index."""
    return branch << 32 | seq


def row_mark(*fields: bytes | str | int) -> int:
    """A checksum over the fields of a row, key included: SQLite itself does not notice a flipped bit."""
    mark = 0
    for field in fields:
        if isinstance(field, str):
            field = field.encode()
        elif isinstance(field, int):
            field = field.to_bytes(8, "big")
        mark = crc32(field, crc32(len(field).to_bytes(4, "big"), mark))
    return mark


def segment_mark(row: int, id: bytes, raw: bytes) -> int:
    """Two checksums in one integer: of row number and id, and of the raw bytes under that."""
    head = crc32(id, crc32(row.to_bytes(8, "big")))
    return (head & 0x7FFFFFFF) << 32 | crc32(raw, head)


def row_holds(mark: object, *fields: Any) -> bool:
    """Whether a row read from the file is as it was stored. Damage may have changed even types."""
    try:
        return isinstance(mark, int) and mark == row_mark(*fields)
    except (AttributeError, TypeError, OverflowError, UnicodeError):
        return False


def segment_holds(row: Any, name: Any, mark: object, raw: Any) -> bool:
    """The same for a row of ``segments``."""
    if not (isinstance(row, int) and isinstance(name, bytes) and isinstance(raw, bytes)):
        return False
    return mark == segment_mark(row, name, raw)


def id_matches(row: int, id: bytes, mark: int) -> bool:
    """Whether a segment's row number and id are as they were stored; does not need the raw bytes."""
    return mark >> 32 == crc32(id, crc32(row.to_bytes(8, "big"))) & 0x7FFFFFFF


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a store's file, created with its directory (0600 in 0700) where it is not there.

    Raises:
        Damaged: the file is not a database, or its schema is broken.
        NewerFormat: a later version of this program wrote it.
    """
    try:
        _create_file(path)
        connection = connect_raw(path)
        try:
            _check_schema(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection
    except (*SQLITE_ERRORS, OSError) as error:
        raise opening_error(path, error) from error


def _create_file(path: Path) -> None:
    """SQLite gives the files it puts beside the database the mode of the database."""
    if not path.exists():
        make_directory(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def connect_raw(path: Path) -> sqlite3.Connection:
    """A connection to an existing file, whatever is in it. Raises one of SQLITE_ERRORS."""
    connection = sqlite3.connect(
        path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    pragmas = (
        "journal_mode = WAL",
        "synchronous = FULL",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {_WAL_KEPT_BYTES}",
        f"cache_size = -{_CACHE_KIB}",
        "cell_size_check = ON",
        "secure_delete = FAST",
        "trusted_schema = OFF",
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    version, application = _numbers(connection)
    if version == 0:
        _create_schema(connection)
        sync_directory(path.parent)
    elif application != APPLICATION_ID:
        raise Damaged(f"{path} is not a store of this program.", hint=_SALVAGE_HINT)
    elif version > VERSION:
        raise NewerFormat(f"{path} has format {version}; this program knows formats up to {VERSION}.")


def _numbers(connection: sqlite3.Connection) -> tuple[int, int]:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return version, connection.execute("PRAGMA application_id").fetchone()[0]


def _create_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _numbers(connection) == (0, 0):
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def opening_error(path: Path, error: Exception) -> PeergosCollabError:
    """What a failure to open a store means."""
    code = _code(error)
    if is_full(error):
        words = f"The disk is full, so the store {path} cannot be opened; nothing in it is lost."
        return DiskFull(words, hint="Make room; then start again.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Conflict(f"{path} is in use by another program.")
    if isinstance(error, OSError) or code == sqlite3.SQLITE_CANTOPEN:
        hint = "Check the disk, and who owns the file."
        return Damaged(f"The store {path} cannot be opened: {error}.", hint=hint)
    return Damaged(f"The store {path} cannot be opened: {error}.", hint=_SALVAGE_HINT)


def reading_error(what: str, error: Exception | None = None) -> Damaged:
    """What a failure to read means; ``what`` names what is affected."""
    reason = f": {error}" if error else ""
    return Damaged(f"In the store on this device {what} cannot be read{reason}.", hint=_SALVAGE_HINT)


def writing_error(error: Exception) -> Damaged:
    """What a failed commit means. Whether it reached the disk is not known before the next start."""
    if is_full(error):
        return DiskFull()
    return Damaged(
        f"The last changes could not be saved: {error}.", hint="Check the disk, then start the program again."
    )


def is_full(error: Exception) -> bool:
    """No room for the file, or for the index of its WAL, which every connection needs."""
    index = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE
    return index or _code(error) == sqlite3.SQLITE_FULL


def is_io_error(error: Exception) -> bool:
    return _code(error) == sqlite3.SQLITE_IOERR and not is_full(error)


def is_kept_from_us(error: Exception) -> bool:
    """Whether the system does not let a file be opened now, which says nothing about what is in it: another
    user's, in use, or no descriptor, memory or room left."""
    if _code(error) == sqlite3.SQLITE_IOERR:
        return getattr(error, "sqlite_errorcode", 0) not in _UNREADABLE
    return _code(error) in {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }


def _code(error: Exception) -> int:
    """The primary result code; extended ones carry more in their upper bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
