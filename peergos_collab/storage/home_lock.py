"""One engine per home: a lock that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import Conflict
from .atomic_file import make_directory


class HomeLock:
    """Holds the lock of a home until ``release`` or the end of the process, however it ends.

    Args:
        path: the lock file, made where it is not there. It stays when the lock is released:
            removing it would let two processes lock two files of one name.

    Raises:
        Conflict: another process holds it.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        make_directory(path.parent)
        # Not inherited by child processes, which would keep the lock beyond our end.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise Conflict(
                f"Another process has {path.parent} open.", hint="Close it, or attach to its socket."
            ) from error

    def release(self) -> None:
        """Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
