"""One thread that flushes the WAL, while the next commits are written."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Written and not flushed: then the writer waits, or a slow disk would let memory grow."""

Done = Callable[[], None]


class Flusher:
    """What was committed before a flush began is durable when it ends.

    The writer's connection commits without a flush of its own (``synchronous=NORMAL``): SQLite then still
    flushes the WAL before a checkpoint, and the database before the WAL starts over, so that nothing is torn.

    Args:
        wal: the file; it stays the same one as long as a connection to the database is open.
        failed: called in the thread with the error of a flush; nothing is flushed after it.
    """

    def __init__(self, wal: Path, failed: Callable[[OSError], None]) -> None:
        self._wal = wal
        self._failed = failed
        self._changed = threading.Condition()
        self._waiting: list[Done] = []
        self._bytes = 0
        self._busy = self._ending = False
        self._thread = threading.Thread(target=self._run, name="pgc-store-flusher", daemon=True)
        self._thread.start()

    def put(self, done: Done, size: int) -> None:
        """Has ``done`` called, in the thread, once all that is committed by now is durable, or cannot be.

        Args:
            size: bytes of the commit; 0: nothing was written.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < _MOST_BYTES)
            self._waiting.append(done)
            self._bytes += size
            self._changed.notify_all()

    def drain(self) -> None:
        """Returns once nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy)

    def close(self) -> None:
        """Flushes what waits, and ends the thread."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        file = -1
        try:
            while waiting := self._next():
                calls, dirty = waiting
                if dirty:
                    try:
                        if file < 0:
                            file = os.open(self._wal, os.O_RDWR | os.O_CLOEXEC)
                        _flush(file)
                    except OSError as error:
                        self._failed(error)
                for call in calls:
                    call()
        finally:
            if file >= 0:
                os.close(file)

    def _next(self) -> tuple[list[Done], bool] | None:
        """What waits, and whether something was written for it; None at the end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._ending)
            if not self._waiting:
                return None
            calls, size = self._waiting, self._bytes
            self._waiting, self._bytes = [], 0
            self._busy = True
            return calls, size > 0


def _flush(file: int) -> None:
    """The data, and what of its place on the disk is needed to find it."""
    flush = getattr(os, "fdatasync", os.fsync)
    flush(file)
