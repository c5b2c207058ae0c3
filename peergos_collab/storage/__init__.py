"""Keeping bytes on the disk of this device: the store, small files, and the lock of a home."""

from .atomic_file import read_file, write_atomic
from .home_lock import HomeLock
from .opening import ask_for_salvage, hangs_together, open_store, salvage_words
from .salvage import SalvageReport
from .sqlite_store import SqliteStore

__all__ = [
    "HomeLock",
    "SalvageReport",
    "SqliteStore",
    "ask_for_salvage",
    "hangs_together",
    "open_store",
    "read_file",
    "salvage_words",
    "write_atomic",
]
