"""The disk refuses at any moment: what is said to be saved is, what is not is told, reads stay true."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.errors import Damaged, LocalProtocolError
from peergos_collab.ports import Batch, PutValue
from peergos_collab.storage import SqliteStore
from peergos_collab.testing.disk import FULL, OK, READ_ERROR, SYNC_ERROR, WRITE_ERROR, SqliteDisk
from peergos_collab.testing.store import MemoryStore
from support.power_cuts import below_sqlite
from support.stored import OBJECT, SPACE, batches, contents

pytestmark = below_sqlite

SOON = 30.0
TURNS = 8
MOMENTS = {"write": range(1, 500, 5), "sync": range(1, 60), "read": range(1, 60)}
"""At which operations of a kind the fault comes; the work has fewer, so the last of these meet none."""


class Fault:
    """Refuses the n-th operation of a kind, and from then on all or none."""

    def __init__(self, kind: str, code: int, number: int, *, lasting: bool = True) -> None:
        self.kind, self.code, self.left, self.lasting = kind, code, number, lasting
        self.struck = False

    def __call__(self, kind: str, path: str) -> int:
        if kind != self.kind:
            return OK
        self.left -= 1
        strikes = self.left == 0 or (self.left < 0 and self.lasting)
        self.struck |= strikes
        return self.code if strikes else OK


def written(store: SqliteStore, work: list[Batch], model: MemoryStore) -> tuple[list[Batch], list[str]]:
    """Writes one batch after the other. Returns those that were refused, and what was said of it.

    What the store says is saved is in the model too.
    """
    refused, words = [], []
    for batch in work:
        try:
            store.write(batch).result(SOON)
        except (Damaged, LocalProtocolError) as error:
            refused.append(batch)
            words.append(error.message)
        else:
            model.write(batch)
    return refused, words


@pytest.mark.parametrize(("kind", "code"), [("write", WRITE_ERROR), ("sync", SYNC_ERROR)])
def test_an_error_at_any_write_or_flush(tmp_path: Path, kind: str, code: int) -> None:
    """Nothing said to be saved is gone, nothing more is written until a new start, which then goes on."""
    struck = 0
    with SqliteDisk() as disk:
        for number in MOMENTS[kind]:
            path, model = tmp_path / f"{number}" / "store.db", MemoryStore()
            store = SqliteStore(path)
            work = list(batches(store, random.Random(3), TURNS))
            disk.before = fault = Fault(kind, code, number, lasting=False)
            refused, words = written(store, work, model)
            disk.before = lambda kind, path: OK
            if not fault.struck:
                break
            struck += bool(refused)
            assert not refused or written(store, [[PutValue(SPACE, b"more", b"")]], MemoryStore())[0]
            assert refused == work[len(work) - len(refused) :], number
            assert not refused or "could not be saved" in words[0]
            store.close()
            store = SqliteStore(path)
            # Whether the one that failed is on the disk is not known, until now.
            if refused and contents(store) != contents(model):
                model.write(refused.pop(0))
            assert contents(store) == contents(model)
            assert written(store, refused, model) == ([], [])
            store.close()

    assert struck > TURNS
    assert not fault.struck  # all operations had their turn


def test_a_disk_that_is_full_at_any_write(tmp_path: Path) -> None:
    """Each refusal says so; what was refused is taken by the same store once there is room."""
    struck = 0
    with SqliteDisk() as disk:
        for number in MOMENTS["write"]:
            path, model = tmp_path / f"{number}" / "store.db", MemoryStore()
            store = SqliteStore(path)
            work = list(batches(store, random.Random(3), TURNS))
            disk.before = fault = Fault("write", FULL, number)
            refused, words = written(store, work, model)
            assert contents(store) == contents(model)
            disk.before = lambda kind, path: OK
            if not fault.struck:
                break
            struck += 1
            assert "full" in words[0]
            assert written(store, refused, model) == ([], [])
            store.close()
            store = SqliteStore(path)
            assert contents(store) == contents(model)
            store.close()

    assert struck > TURNS
    assert not fault.struck


def test_a_disk_that_is_full_when_a_store_is_closed(tmp_path: Path) -> None:
    """Closing moves the WAL into the database; where there is no room for it, the WAL stays and counts."""
    model = MemoryStore()
    with SqliteDisk() as disk:
        store = SqliteStore(tmp_path / "store.db")
        assert written(store, list(batches(store, random.Random(3), TURNS)), model) == ([], [])
        disk.before = Fault("write", FULL, 1)
        store.close()
        disk.before = lambda kind, path: OK
        store = SqliteStore(tmp_path / "store.db")
        assert contents(store) == contents(model)
        store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of half a megabyte, in memory."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=500k,mode=700", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_file_system_without_room(small_disk: Path) -> None:
    """What the kernel says of a full disk is understood: refused until there is room, then taken."""
    model = MemoryStore()
    store = SqliteStore(small_disk / "store.db")
    work = list(batches(store, random.Random(3), TURNS))
    (small_disk / "other").write_bytes(bytes(500_000 - 150_000))
    refused, words = written(store, work, model)
    assert refused
    assert "full" in words[0]
    assert contents(store) == contents(model)
    (small_disk / "other").unlink()
    assert written(store, refused, model) == ([], [])
    store.close()
    store = SqliteStore(small_disk / "store.db")
    assert contents(store) == contents(model)
    store.close()


def test_an_error_at_any_read(tmp_path: Path) -> None:
    """What cannot be read is Damaged and named; never is something else given, or less."""
    path, model, struck, words = tmp_path / "store.db", MemoryStore(), 0, set()
    store = SqliteStore(path)
    written(store, list(batches(store, random.Random(3), TURNS)), model)
    store.close()
    asked: list[Callable[[Any], Any]] = [
        lambda store: store.records(OBJECT),
        lambda store: store.branches(OBJECT),
        lambda store: store.segments(model.branches(OBJECT)[0].number, 1, 1 << 30),
        lambda store: store.journal(OBJECT),
        lambda store: list(store.values(SPACE)),
    ]
    with SqliteDisk() as disk:
        for number in MOMENTS["read"]:
            store = SqliteStore(path)
            disk.before = fault = Fault("read", READ_ERROR, number)
            for ask in asked:
                expected = ask(model)
                try:
                    found = ask(store)
                except Damaged as error:
                    struck += 1
                    words.add("cannot be read" in error.message)
                else:
                    assert found == expected or (fault.struck and found == expected[: len(found)] and found)
            disk.before = lambda kind, path: OK
            assert contents(store) == contents(model)
            store.close()
            if not fault.struck:
                break

    assert struck > len(asked)
    assert words == {True}
    assert not fault.struck
