"""Batches are written at once and durable after a flush, which nothing that is written waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import Damaged, DiskFull
from peergos_collab.ports import AppendSegment, NewBranch, PutValue
from peergos_collab.storage import SqliteStore, flushing
from peergos_collab.testing.disk import FULL, OK, SYNC_ERROR, Flush, SqliteDisk
from support.power_cuts import below_sqlite

pytestmark = below_sqlite

SOON = 30.0


@contextmanager
def stalled(disk: SqliteDisk, code: int = OK) -> Iterator[threading.Event]:
    """Flushes end with the block, or once the event is set, all with ``code``."""
    over = threading.Event()
    disk.before = lambda kind, path: code if kind == "sync" and over.wait(SOON) else OK
    try:
        yield over
    finally:
        over.set()


def put(store: SqliteStore, name: bytes) -> tuple[threading.Event, Future[None]]:
    written = threading.Event()
    return written, store.write([PutValue("s", name, bytes(1000))], written.set)


def test_writing_goes_on_while_the_disk_stalls(tmp_path: Path) -> None:
    """Three batches are written and read during one flush, and durable after; two flushes do for all."""
    with SqliteDisk() as disk:
        store = SqliteStore(tmp_path / "store.db")
        put(store, b"0")[1].result(SOON)
        disk.events.clear()
        with stalled(disk):
            waiting = []
            for name in (b"1", b"2", b"3"):
                written, future = put(store, name)
                assert written.wait(SOON)
                waiting.append(future)
            assert [future.done() for future in waiting] == [False] * 3
            assert [key for key, _ in store.values("s")] == [b"0", b"1", b"2", b"3"]
        for future in waiting:
            future.result(SOON)
        assert 1 <= sum(isinstance(event, Flush) for event in disk.events) <= 2
        store.close()


def test_what_waits_for_a_flush_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes writes and does not flush makes the writer wait, before memory is full."""
    monkeypatch.setattr(flushing, "_MOST_BYTES", 10_000)
    (tmp_path / "wal").touch()
    with SqliteDisk() as disk, stalled(disk) as over:
        flusher = flushing.Flusher(tmp_path / "wal", lambda error: None)
        wait_for, most, done = flusher._changed.wait_for, 0, list[int]()

        def waits(predicate: Callable[[], bool]) -> bool:
            if not predicate() and threading.current_thread() is threading.main_thread():
                over.set()  # the writer waits: only now may the flush end
            return wait_for(predicate)

        monkeypatch.setattr(flusher._changed, "wait_for", waits)
        for number in range(10):
            flusher.put(partial(done.append, number), 4_000)
            most = max(most, flusher._bytes)
        flusher.drain()
        flusher.close()

    assert most <= 12_000
    assert done == list(range(10))


def test_a_flush_that_fails(tmp_path: Path) -> None:
    """All that waited for it is refused, and so is everything after; what was durable before stays."""
    with SqliteDisk() as disk:
        store = SqliteStore(tmp_path / "store.db")
        put(store, b"0")[1].result(SOON)
        with stalled(disk, SYNC_ERROR):
            written, refused = put(store, b"1")
            assert written.wait(SOON)
        for future in (refused, put(store, b"2")[1]):
            assert isinstance(future.exception(SOON), Damaged)
        assert store.failure is not None
        store.close()
        disk.before = lambda kind, path: OK
        store = SqliteStore(tmp_path / "store.db")
        assert next(store.values("s"))[0] == b"0"
        store.close()


def test_a_full_disk_while_a_flush_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused stays in sight until its writer is told: what he writes meanwhile still follows it, and
    is refused for the same reason."""
    with SqliteDisk() as disk:
        store = SqliteStore(tmp_path / "store.db")
        branch = store.next_branch()
        store.write([NewBranch(branch, ObjectId(bytes(32)), LogId(bytes(32)), 0, 1)]).result(SOON)
        one, two = ([AppendSegment(branch, seq, SegmentId(bytes(32)), b"raw")] for seq in (1, 2))
        flusher, waits = store._writer._flusher, threading.Event()
        drain = flusher.drain
        monkeypatch.setattr(flusher, "drain", lambda: (waits.set(), drain()))
        with stalled(disk) as over:
            assert put(store, b"0")[0].wait(SOON)
            disk.before = lambda kind, path: OK if kind == "sync" and over.wait(SOON) else FULL
            refused = [store.write(one)]
            assert waits.wait(SOON)
            refused.append(store.write(two))
        for future in refused:
            assert isinstance(future.exception(SOON), DiskFull)
        disk.before = lambda kind, path: OK
        store.write([*one, *two]).result(SOON)
        store.close()


def test_a_writer_who_is_gone_when_he_is_told(tmp_path: Path) -> None:
    """As after his loop was closed: what he and others wrote is durable all the same."""

    def gone() -> None:
        raise RuntimeError("Event loop is closed")

    store = SqliteStore(tmp_path / "store.db")
    store.write([PutValue("s", b"0", b"")], gone).result(SOON)
    put(store, b"1")[1].result(SOON)
    store.close()
