"""Opening a store that may be damaged."""

from __future__ import annotations

import errno
import io
import resource
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from peergos_collab.errors import Damaged, DiskFull
from peergos_collab.ports import PutValue
from peergos_collab.storage import (
    SqliteStore,
    ask_for_salvage,
    hangs_together,
    open_store,
    salvage,
    salvage_words,
)
from peergos_collab.storage.schema import connect


def filled(path: Path) -> None:
    store = SqliteStore(path)
    store.write([PutValue("meta", bytes([number]), bytes(900)) for number in range(60)]).result(30)
    store.close()


def test_a_whole_store_is_opened_as_it_is(tmp_path: Path) -> None:
    """Nothing is salvaged, nothing is moved."""
    filled(tmp_path / "store.db")
    store, report = open_store(tmp_path / "store.db")
    found = len(list(store.values("meta")))
    store.close()

    assert (report, found) == (None, 60)


def test_a_salvage_that_was_asked_for_happens_once(tmp_path: Path) -> None:
    """A page that somebody met is dealt with at the next opening, and only then."""
    filled(tmp_path / "store.db")
    ask_for_salvage(tmp_path / "store.db")
    first, report = open_store(tmp_path / "store.db")
    first.close()
    second, again = open_store(tmp_path / "store.db")
    found = len(list(second.values("meta")))
    second.close()

    assert report is not None
    assert report.kept.name in salvage_words(report)
    assert (again, found) == (None, 60)


def test_a_page_in_the_middle(tmp_path: Path) -> None:
    """A store that opens but does not hang together is salvaged as well, and the damaged file is kept."""
    path = tmp_path / "store.db"
    filled(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 8192 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    store, report = open_store(path)
    found = len(list(store.values("meta")))
    store.close()

    assert report is not None
    assert report.kept.read_bytes() == bytes(data)
    assert 0 < found < 60


def test_a_store_that_is_kept_from_us_is_left_alone(tmp_path: Path) -> None:
    """One on a disk that is not there now, or of another user, is not damaged: no new one takes its place."""
    filled(tmp_path / "disk" / "store.db")
    path = tmp_path / "store.db"
    path.symlink_to(tmp_path / "disk" / "store.db")
    (tmp_path / "disk").rename(tmp_path / "away")
    with pytest.raises(Damaged, match="cannot be opened"):
        open_store(path)
    (tmp_path / "away").rename(tmp_path / "disk")
    store, report = open_store(path)
    found = len(list(store.values("meta")))
    store.close()

    assert (report, found) == (None, 60)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["disk", "store.db"]


def test_no_room_to_open(tmp_path: Path) -> None:
    """An undamaged store on a full disk is not salvaged: it cannot be opened, that is said, and it stays."""
    filled(tmp_path / "store.db")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # less than the index of a WAL
    try:
        with pytest.raises(DiskFull, match="nothing in it is lost"):
            open_store(tmp_path / "store.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    store, report = open_store(tmp_path / "store.db")
    found = len(list(store.values("meta")))
    store.close()

    assert (report, found) == (None, 60)
    assert [file.name for file in tmp_path.iterdir()] == ["store.db"]


def test_no_room_for_a_salvage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, the damaged store stays as it is, alone, and that is said."""
    filled(tmp_path / "store.db")
    ask_for_salvage(tmp_path / "store.db")

    def small_disk(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 14")
        return connection

    monkeypatch.setattr(salvage, "connect", small_disk)
    with pytest.raises(Damaged, match="as it was"):
        open_store(tmp_path / "store.db")
    monkeypatch.undo()
    store, report = open_store(tmp_path / "store.db")
    found = len(list(store.values("meta")))
    store.close()

    assert report is not None
    assert (report.lost, found) == ((), 60)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["store.db", "store.db.damaged-1"]


def test_pages_are_gone_through_beside_the_use(tmp_path: Path) -> None:
    """A store in use is looked through by another thread; what does not hang together is found."""
    path = tmp_path / "store.db"
    filled(path)
    store, _ = open_store(path, check=False)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(hangs_together, path).result(30)
    store.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 8192 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    store, report = open_store(path, check=False)
    try:
        assert report is None
        assert not hangs_together(path)
    finally:
        store.close()


def test_a_disk_that_does_not_give_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is found before the pages are mapped: the program would be ended by one that cannot be read."""
    path = tmp_path / "store.db"
    filled(path)
    assert hangs_together(path)
    asked: list[Path] = []

    class Refusing(io.RawIOBase):
        def readinto(self, into: object) -> int:
            asked.append(path)
            raise OSError(errno.EIO, "it cannot be read")

    monkeypatch.setattr(Path, "open", lambda *_, **__: Refusing())

    assert not hangs_together(path)
    assert asked == [path]
