"""Keeping bytes on the disk of this device: the store, small files, and the lock of a home."""

from .atomic_file import read_file, write_atomic
from .checking import RowFlaw, row_flaws
from .home_lock import HomeLock
from .opening import ask_for_salvage, hangs_together, open_store, salvage_words
from .salvage import SalvageReport
from .sqlite_store import SqliteStore

__all__ = [
    "HomeLock",
    "RowFlaw",
    "SalvageReport",
    "SqliteStore",
    "ask_for_salvage",
    "hangs_together",
    "open_store",
    "read_file",
    "row_flaws",
    "salvage_words",
    "write_atomic",
]
