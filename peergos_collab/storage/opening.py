"""Opening a store whose file may be damaged: what can be read is saved into a new one first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import Damaged, DiskFull
from .salvage import SalvageReport
from .schema import SQLITE_ERRORS, connect_raw
from .sqlite_store import SqliteStore

MOST_CHECKED: Final = 32 << 20
"""Bytes of a store whose pages are gone through at each opening, at about 0.3 ms per MB."""

_AT_ONCE: Final = 1 << 20

MARK: Final = ".salvage"
"""Suffix of an empty file that asks for a salvage at the next opening."""


def open_store(path: Path, *, check: bool = True) -> tuple[SqliteStore, SalvageReport | None]:
    """The store at ``path``, and what a salvage saved, if one was needed.

    Args:
        check: see first whether it hangs together. Who does without asks ``hangs_together`` meanwhile.

    Raises:
        DiskFull: there is no room to open it.
        Damaged: nothing could be saved either.
        NewerFormat: a later version of this program made it.
    """
    mark = path.with_name(path.name + MARK)
    if not mark.exists():
        try:
            store = SqliteStore(path)
        except DiskFull:
            raise
        except Damaged:
            pass
        else:
            try:
                store.objects()
                if not check or hangs_together(path):
                    return store, None
            except Damaged:
                pass
            store.close()
    report = SqliteStore.salvage(path)
    mark.unlink(missing_ok=True)
    return SqliteStore(path), report


def hangs_together(path: Path) -> bool:
    """Goes through all pages of an open store, with a connection of its own, unless there are too many.

    Any thread may do it while others use the store: it only reads, and SQLite leaves Python alone meanwhile.
    """
    try:
        if path.stat().st_size > MOST_CHECKED:
            return True
        _read_through(path)
        connection = connect_raw(path)
        try:
            connection.execute(f"PRAGMA mmap_size = {2 * MOST_CHECKED}")
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except (OSError, *SQLITE_ERRORS):
        return False
    return bool(found == "ok")


def _read_through(path: Path) -> None:
    """Raises OSError where the disk does not give all of it.

    So that the pages are in memory when SQLite maps them, which is four times as fast as its asking for each,
    and would end the program if the disk refused one then.
    """
    into = bytearray(_AT_ONCE)
    with path.open("rb", buffering=0) as file:
        while file.readinto(into):
            pass


def ask_for_salvage(path: Path) -> None:
    """Has the store at ``path`` salvaged when it is opened next: pages of it cannot be read."""
    path.with_name(path.name + MARK).touch(mode=0o600)


def salvage_words(report: SalvageReport) -> str:
    """What happened, in a sentence for the user."""
    lost = f"{len(report.lost)} places could not be read" if report.lost else "nothing of it is missing"
    return (
        f"the store on this disk was damaged; what could be read was saved into a new one ({lost}), "
        f"the damaged file is kept as {report.kept.name}, and sync fetches the rest"
    )
