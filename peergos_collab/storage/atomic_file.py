"""Small files that are whole or not there: the old content or the new, whenever the power goes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import Damaged, NotFound


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replaces a file durably. Missing directories are made with mode 0700.

    Raises:
        Damaged: the disk refused; the file is as it was before.
    """
    try:
        make_directory(path.parent)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise Damaged(f"{path} could not be written: {error.strerror}.", hint="Check the disk.") from error


def read_file(path: Path, max_bytes: int = 16 * 1024 * 1024) -> bytes:
    """The content of a file of at most ``max_bytes``.

    Raises:
        NotFound: there is no such file.
        Damaged: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.") from error
    except OSError as error:
        raise Damaged(f"{path} could not be read: {error.strerror}.", hint="Check the disk.") from error
    if len(data) > max_bytes:
        raise Damaged(f"{path} is larger than {max_bytes} bytes, so it is not what it should be.")
    return data


def make_directory(path: Path) -> None:
    """Makes a directory and the missing ones above it, each for this user alone."""
    for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable: syncing a file alone does not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
