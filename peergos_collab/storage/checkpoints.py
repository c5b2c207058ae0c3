"""Moves the WAL into the database from a thread of its own, so that no commit waits for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from ..errors import PeergosCollabError
from .schema import SQLITE_ERRORS

_EVERY_BYTES: Final = 4 * 1024 * 1024
_AT_MOST_BYTES: Final = 32 * 1024 * 1024
"""Here the writer waits: commits come faster than the thread, and a huge WAL makes reads slow."""


class Checkpoints:
    """Runs a checkpoint after every few MiB of WAL.

    The thread does the bulk while commits go on. What was committed meanwhile is left over, so the
    writer does that rest between two commits; only then does the WAL start over.

    Args:
        connect: opens a connection; called in the thread.
        ran: called in the thread after every checkpoint.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], ran: Callable[[], None] = lambda: None
    ) -> None:
        self._connect = connect
        self._ran = ran
        self._wake = threading.Event()
        self._ending = False
        self._rest_due = False
        self._asked = False
        self._bytes = 0
        """Of WAL since it last started over."""
        self._thread: threading.Thread | None = None

    def written(self, connection: sqlite3.Connection, size: int) -> None:
        """Counts a commit of about ``size`` bytes. Called by the writer, between commits."""
        self._bytes += size
        if self._rest_due or self._bytes >= _AT_MOST_BYTES:
            # FULL waits for a checkpoint that the thread is still busy with; PASSIVE would give up.
            _checkpoint(connection, "PASSIVE" if self._rest_due else "FULL")
            self._rest_due = self._asked = False
            self._bytes = 0
        elif self._bytes >= _EVERY_BYTES and not self._asked:
            self._asked = True
            self._ask()

    def _ask(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pgc-store-checkpoint", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Ends the thread. Called after the writer has ended."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            connection = self._connect()
        except PeergosCollabError:
            return
        try:
            # A checkpoint on a connection that has not read yet does nothing and says nothing.
            connection.execute("SELECT count(*) FROM floors").fetchone()
            while True:
                self._wake.wait()
                self._wake.clear()
                if self._ending:
                    return
                _checkpoint(connection, "PASSIVE")
                self._rest_due = True
                self._ran()
        except SQLITE_ERRORS:
            # The WAL keeps everything; reads and commits report what is wrong with the file.
            return
        finally:
            connection.close()


def _checkpoint(connection: sqlite3.Connection, mode: str) -> None:
    try:
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except SQLITE_ERRORS:
        # Nothing is lost: the WAL still has it, and the next checkpoint tries again.
        return
