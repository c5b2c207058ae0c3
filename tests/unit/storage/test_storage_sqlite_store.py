"""The SQLite store keeps the contract, and what SQLite adds to it."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import Conflict, Damaged, DiskFull, LocalProtocolError, NewerFormat
from peergos_collab.ports import (
    AppendSegment,
    Batch,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    StoredRecord,
)
from peergos_collab.storage import SqliteStore
from peergos_collab.storage.checkpoints import Checkpoints
from peergos_collab.storage.schema import connect
from peergos_collab.testing.check_store import check_store

OBJECT = ObjectId(b"o" * 32)
LOG = LogId(b"l" * 32)
SOON = 30.0


def append(branch: int, seq: int, size: int = 400) -> AppendSegment:
    return AppendSegment(branch, seq, SegmentId(seq.to_bytes(32, "big")), bytes([seq & 255]) * size)


def with_branch(path: Path, segments: int) -> tuple[SqliteStore, int]:
    """A store with one branch of so many durable segments."""
    store = SqliteStore(path)
    branch = store.next_branch()
    store.write(
        [PutRecord(OBJECT, StoredRecord(1, b"r" * 32, b"record")), NewBranch(branch, OBJECT, LOG, 0, 1)]
    )
    store.write([append(branch, seq) for seq in range(1, segments + 1)]).result(SOON)
    return store, branch


def test_keeps_the_contract(tmp_path: Path) -> None:
    """The store passes the acceptance test for any store."""
    check_store(lambda: SqliteStore(tmp_path / "home" / "store.db"))


def test_files_are_for_this_user_alone(tmp_path: Path) -> None:
    """Database, WAL and shared memory are 0600, the directories made for them 0700."""
    store, _ = with_branch(tmp_path / "home" / "inner" / "store.db", 1)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "home").rglob("*")}
    store.close()

    assert modes == {"inner": 0o700, "store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_futures_wake_an_event_loop(tmp_path: Path) -> None:
    """A future can be awaited on a loop; cancelling the wait does not cancel the write."""

    async def scenario() -> None:
        store, branch = with_branch(tmp_path / "store.db", 1)
        await asyncio.wait_for(asyncio.wrap_future(store.write([append(branch, 2)])), SOON)
        inner = store.write([append(branch, 3)])
        waiting = asyncio.wrap_future(inner)
        waiting.cancel()
        inner.result(SOON)

        assert len(store.segments(branch, 1, 10_000)) == 3
        store.close()

    asyncio.run(scenario())


def test_writers_in_many_threads(tmp_path: Path) -> None:
    """Threads that write and read at once each see their own writes, and all are there afterwards."""
    store = SqliteStore(tmp_path / "store.db")
    problems: list[object] = []

    def work(branch: int) -> None:
        for seq in range(1, 41):
            future = store.write([append(branch, seq)])
            if store.segments(branch, seq, 1) != [append(branch, seq).raw]:
                problems.append((branch, seq))
            if seq % 10 == 0:
                future.result(SOON)

    branches = [store.next_branch() for _ in range(8)]
    store.write([NewBranch(branch, OBJECT, LOG, 0, 1) for branch in branches])
    threads = [threading.Thread(target=work, args=(branch,)) for branch in branches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    store = SqliteStore(tmp_path / "store.db")

    assert problems == []
    assert [b.tip for b in store.branches(OBJECT)] == [40] * 8
    store.close()


def test_a_failing_batch_fails_alone(tmp_path: Path) -> None:
    """Of batches that share a commit only the refused one fails, and what follows from it."""
    store, branch = with_branch(tmp_path / "store.db", 1)
    other = store.next_branch()
    blocker = _block_writer(store)
    first = store.write([NewBranch(other, OBJECT, LOG, 0, 1)])
    bad = store.write([append(branch, 2), PutValue("s", b"k", object())])  # type: ignore[arg-type]
    after_bad = store.write([append(branch, 3)])
    last = store.write([append(other, 1)])
    blocker.set()

    first.result(SOON)
    last.result(SOON)
    for failed in (bad, after_bad):
        with pytest.raises(Damaged):
            failed.result(SOON)
    assert [(b.number, b.tip) for b in store.branches(OBJECT)] == [(branch, 1), (other, 1)]
    assert store.value("s", b"k") is None
    store.write([append(branch, 2)]).result(SOON)
    store.close()


def test_what_follows_a_failed_batch_fails_at_once(tmp_path: Path) -> None:
    """When a batch fails, what was queued behind it and needs it is gone before the failure is told."""
    store, branch = with_branch(tmp_path / "store.db", 1)
    committing, go = threading.Event(), threading.Event()
    commit = store._writer._commit

    def gated(connection: sqlite3.Connection, batches: list[Batch]) -> dict[int, Exception]:
        committing.set()
        go.wait(SOON)
        return commit(connection, batches)

    store._writer._commit = gated  # type: ignore[method-assign]
    bad = store.write([append(branch, 2), PutValue("s", b"bad", object())])  # type: ignore[arg-type]
    committing.wait(SOON)
    orphan = store.write([append(branch, 3)])
    other = store.write([PutValue("s", b"good", b"v")])
    again: list[Future[None]] = []
    bad.add_done_callback(lambda _: again.append(store.write([append(branch, 2)])))
    go.set()

    assert isinstance(orphan.exception(SOON), Damaged)
    other.result(SOON)
    again[0].result(SOON)
    assert (store.branches(OBJECT)[0].tip, store.value("s", b"good")) == (2, b"v")
    store.close()


def _block_writer(store: SqliteStore) -> threading.Event:
    """Keeps the writer's thread busy until the event is set, so that what follows shares one commit."""
    release, busy = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        busy.set()
        release.wait(SOON)

    _between_commits(store, hold)
    busy.wait(SOON)
    return release


def _between_commits(store: SqliteStore, action: Callable[[sqlite3.Connection], object]) -> None:
    """Runs something once in the writer's thread, with the writer's connection."""
    written = store._writer._written

    def once(connection: sqlite3.Connection, size: int) -> None:
        store._writer._written = written
        action(connection)

    store._writer._written = once
    store.write([]).result(SOON)


def test_a_full_disk_fails_writes_and_reads_go_on(tmp_path: Path) -> None:
    """When the database may not grow writes fail with Damaged, reads go on; writes too once it may."""
    store, branch = with_branch(tmp_path / "store.db", 20)
    _writer_pragma(store, "max_page_count = 1")
    failed = [store.write([append(branch, 21, 100_000)]), store.write([PutValue("s", b"k", bytes(100_000))])]

    for future in failed:
        with pytest.raises(Damaged, match="full"):
            future.result(SOON)
    assert (store.branches(OBJECT)[0].tip, store.value("s", b"k")) == (20, None)
    assert len(store.segments(branch, 1, 1_000_000)) == 20
    _writer_pragma(store, "max_page_count = 1000000")
    store.write([append(branch, 21, 100_000)]).result(SOON)
    store.close()


def test_nothing_is_saved_behind_what_there_was_no_room_for(tmp_path: Path) -> None:
    """A small batch that would fit, in the same commit or queued meanwhile, does not overtake a large one."""
    store, branch = with_branch(tmp_path / "store.db", 20)
    _writer_pragma(store, "max_page_count = 1")
    committing, go = threading.Event(), threading.Event()
    commit = store._writer._commit

    def gated(connection: sqlite3.Connection, batches: list[Batch]) -> dict[int, Exception]:
        committing.set()
        go.wait(SOON)
        return commit(connection, batches)

    blocker = _block_writer(store)
    store._writer._commit = gated  # type: ignore[method-assign]
    large = store.write([append(branch, 21, 100_000)])
    behind = store.write([PutValue("s", b"k", b"")])
    blocker.set()
    committing.wait(SOON)
    meanwhile = store.write([PutValue("s", b"l", b"")])
    go.set()

    for refused in (large, behind, meanwhile):
        assert isinstance(refused.exception(SOON), DiskFull)
    assert list(store.values("s")) == []
    store.write([PutValue("s", b"k", b"")]).result(SOON)
    store.close()


def _writer_pragma(store: SqliteStore, pragma: str) -> None:
    """Sets a pragma on the writer's own connection, in its own thread."""
    done = threading.Event()
    _between_commits(
        store, lambda connection: (connection.execute(f"PRAGMA {pragma}").fetchall(), done.set())
    )
    done.wait(SOON)


def test_an_io_error_stops_writing_until_the_next_start(tmp_path: Path) -> None:
    """After the disk refused a write nothing more is written before a new start; reads go on."""
    store, branch = with_branch(tmp_path / "store.db", 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        failed = store.write([append(branch, 21)]).exception(SOON)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert isinstance(failed, Damaged)
    assert isinstance(store.write([append(branch, 21)]).exception(SOON), Damaged)
    assert len(store.segments(branch, 1, 1_000_000)) == 20
    store.close()
    store = SqliteStore(tmp_path / "store.db")
    store.write([append(branch, store.branches(OBJECT)[0].tip + 1)]).result(SOON)
    store.close()


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    """Reading or writing after close is LocalProtocolError; closing again is nothing."""
    store, branch = with_branch(tmp_path / "store.db", 1)
    store.close()
    store.close()

    with pytest.raises(LocalProtocolError):
        store.write([append(branch, 2)])
    with pytest.raises(LocalProtocolError):
        store.objects()


def test_close_leaves_no_thread_and_no_wal(tmp_path: Path) -> None:
    """Close joins its threads, and the last one leaves the database file alone."""
    before = threading.active_count()
    store, _ = with_branch(tmp_path / "store.db", 10)
    store.close()

    assert threading.active_count() == before
    assert [p.name for p in tmp_path.iterdir()] == ["store.db"]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A store of a later version is NewerFormat and stays as it is; also when told to salvage it."""
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(NewerFormat, match="99"):
        SqliteStore(path)
    with pytest.raises(NewerFormat):
        SqliteStore.salvage(path)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A database that is not ours is not touched."""
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.execute("PRAGMA user_version = 1")
    connection.close()

    with pytest.raises(Damaged, match="not a store"):
        SqliteStore(path)


def test_a_locked_database_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new store that another program is holding is Conflict, not damage."""
    monkeypatch.setattr("peergos_collab.storage.schema._LOCK_WAIT_SECONDS", 0.0)
    path = tmp_path / "store.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Conflict):
        SqliteStore(path)
    other.close()


def test_the_wal_shrinks(tmp_path: Path) -> None:
    """One huge commit makes a huge WAL; while small commits go on it is emptied and cut again."""
    store, branch = with_branch(tmp_path / "store.db", 0)
    wal = tmp_path / "store.db-wal"
    store.write([append(branch, seq, 1 << 20) for seq in range(1, 25)]).result(SOON)
    largest = wal.stat().st_size
    seq = 24
    while wal.stat().st_size > 6 << 20 and seq < 10_000:
        store.write([append(branch, seq := seq + 1)]).result(SOON)
    final = wal.stat().st_size
    store.close()

    assert largest > 24 << 20
    assert final <= 6 << 20


def test_the_wal_stays_small_under_load(tmp_path: Path) -> None:
    """However many commits follow each other, the WAL does not grow with them."""
    store, branch = with_branch(tmp_path / "store.db", 0)
    for seq in range(1, 49):
        store.write([append(branch, seq, 1 << 20)]).result(SOON)
    size = (tmp_path / "store.db-wal").stat().st_size
    store.close()

    assert size < 40 << 20


def test_a_checkpoint_empties_the_wal(tmp_path: Path) -> None:
    """The checkpoint thread's own fresh connection moves the WAL's pages into the database."""
    path = tmp_path / "store.db"
    store, branch = with_branch(path, 2000)
    size_before = path.stat().st_size
    ran = threading.Event()
    checkpoints = Checkpoints(lambda: connect(path), ran.set)
    writer = connect(path)
    checkpoints.written(writer, 8 << 20)
    ran.wait(SOON)
    checkpoints.close()

    assert path.stat().st_size > size_before + 400 * 2000
    assert writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
    writer.close()
    assert len(store.segments(branch, 1, 1 << 30)) == 2000
    store.close()


def test_a_small_segment_costs_little_disk(tmp_path: Path) -> None:
    """A thousand 400-byte segments, each committed alone, take less than 600 bytes each."""
    store, branch = with_branch(tmp_path / "store.db", 0)
    for seq in range(1, 1001):
        store.write([append(branch, seq)])
    store.close()

    assert (tmp_path / "store.db").stat().st_size < 600 * 1000


def test_numbers_are_not_given_twice_after_a_kill(tmp_path: Path) -> None:
    """Numbers that were given and never used are not given again by a process that follows a killed one."""
    program = (
        "import os, sys; from peergos_collab.storage import SqliteStore\n"
        "s = SqliteStore(sys.argv[1])\n"
        "branches, journals = [s.next_branch() for _ in range(300)], [s.next_journal() for _ in range(3)]\n"
        "print(max(branches), max(journals), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "store.db"
    out = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    branch, journal = map(int, out.stdout.split())
    store = SqliteStore(path)

    assert out.returncode == -9
    assert store.next_branch() > branch
    assert store.next_journal() > journal
    store.close()


def test_exit_without_close_does_not_hang(tmp_path: Path) -> None:
    """A process that forgets to close its store ends by itself."""
    program = (
        "import sys; from peergos_collab.storage import SqliteStore\n"
        "from peergos_collab.ports import PutValue\n"
        "s = SqliteStore(sys.argv[1]); s.write([PutValue('s', b'k', b'v')]).result()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store.db")], timeout=200, check=False
    )

    assert ended.returncode == 0


def test_pending_changes_of_every_kind_are_seen(tmp_path: Path) -> None:
    """While the writer is busy, reads show queued records, branches, journal entries and values."""
    store, branch = with_branch(tmp_path / "store.db", 2)
    release = _block_writer(store)
    fork, entry = store.next_branch(), store.next_journal()
    store.write([NewBranch(fork, OBJECT, LOG, branch, 2), append(fork, 2), append(branch, 3)])
    store.write([PutJournal(OBJECT, entry, b"change"), PutValue("s", b"k", b"v")])
    store.write([PutRecord(ObjectId(b"p" * 32), StoredRecord(1, b"q" * 32, b"other"))])

    assert [(b.number, b.tip) for b in store.branches(OBJECT)] == [(branch, 3), (fork, 2)]
    assert store.segments(branch, 1, 10_000) == [append(branch, seq).raw for seq in (1, 2, 3)]
    assert (store.segment_id(fork, 2), store.segment_id(fork, 3)) == (append(fork, 2).id, None)
    assert [e.raw for e in store.journal(OBJECT)] == [b"change"]
    assert list(store.values("s")) == [(b"k", b"v")]
    assert store.objects() == [OBJECT, ObjectId(b"p" * 32)]
    release.set()
    store.close()
