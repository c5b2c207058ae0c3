"""Keeping bytes on the disk of this device: the store, small files, and the lock of a home."""

from .atomic_file import read_file, write_atomic
from .home_lock import HomeLock
from .salvage import SalvageReport
from .sqlite_store import SqliteStore

__all__ = ["HomeLock", "SalvageReport", "SqliteStore", "read_file", "write_atomic"]
