"""Small files are whole or not there."""

from __future__ import annotations

import resource
import stat
from pathlib import Path

import pytest

from peergos_collab.errors import Damaged, NotFound
from peergos_collab.storage import read_file, write_atomic


def test_writes_and_replaces(tmp_path: Path) -> None:
    """A file is made with its directory, 0600 in 0700, replaced wholly, and leaves nothing beside it."""
    path = tmp_path / "home" / "keys"
    write_atomic(path, b"one")
    write_atomic(path, b"two")

    assert read_file(path) == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["keys"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_mode_is_as_asked(tmp_path: Path) -> None:
    """Another mode can be asked for, whatever the process's mask."""
    write_atomic(tmp_path / "public", b"", mode=0o644)

    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o644


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    """When the disk refuses, the error is Damaged, the old file is as it was, and no other is left."""
    path = tmp_path / "keys"
    write_atomic(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(Damaged):
            write_atomic(path, bytes(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert read_file(path) == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["keys"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A missing file is NotFound; a directory or a file beyond the limit is Damaged."""
    with pytest.raises(NotFound):
        read_file(tmp_path / "missing")
    with pytest.raises(Damaged):
        read_file(tmp_path)
    write_atomic(tmp_path / "large", bytes(100))
    with pytest.raises(Damaged):
        read_file(tmp_path / "large", max_bytes=99)
