"""One thread that commits batches: all that queue up during a commit share the next one."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

from ..errors import Damaged, DiskFull, LocalProtocolError
from ..ports.store import (
    AppendSegment,
    Batch,
    BeginBranch,
    DropJournal,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    TruncateBranch,
)
from .flushing import Flusher
from .schema import is_full, is_io_error, place, row_mark, segment_mark, writing_error

_APPEND = "INSERT INTO segments VALUES (?, ?, ?, ?)"
_PAGE = 4096

Waiting = tuple[Batch, "Future[None]", Callable[[], None]]
"""A batch, what is done once it is durable, and what is called once it survives the end of the process."""
Row = tuple[int, bytes, int, bytes]


class GroupCommit:
    """Takes batches from a queue and commits them in order, each wholly or not at all.

    Args:
        connect: opens the writer's own connection; called in the writer's thread.
        take: gives all batches queued so far, oldest first, and marks them as being committed.
        settled: called after every commit, before futures are done, with whether a batch failed, and
            whether for lack of room. Returns what was queued meanwhile and cannot follow any more.
        written: called with an estimate of the bytes a commit added to the WAL.
        wal: the file that is flushed.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        take: Callable[[], list[Waiting]],
        settled: Callable[[bool, bool], list[Waiting]],
        written: Callable[[sqlite3.Connection, int], None],
        wal: Path,
    ) -> None:
        self._connect = connect
        self._flusher = Flusher(wal, self._not_flushed)
        self._take = take
        self._settled = settled
        self._written = written
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="pgc-store-writer", daemon=True)
        self._tips: dict[int, int] = {}
        self.dead: Exception | None = None
        """The error after which nothing is written any more."""
        self._thread.start()

    def wake(self) -> None:
        """Tells the thread that there is something to take."""
        self._wake.put(True)

    def forget_tips(self) -> None:
        """Somebody else changed branches, while nothing was queued."""
        self._tips.clear()

    def close(self) -> None:
        """Returns once everything queued is durable or has failed, and the thread has ended."""
        self._wake.put(False)
        self._thread.join()
        self._flusher.close()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        going = True
        while going:
            going = self._wake.get()
            group = self._take()
            if group:
                try:
                    connection = connection or self._open()
                    failures = self._commit(connection, [batch for batch, _, _ in group])
                except Exception as error:  # noqa: BLE001  a thread that died would leave futures undone
                    self._roll_back(connection)
                    self._judge(error)
                    failures = dict.fromkeys(range(len(group)), error)
                size = _wal_bytes(group)
                self._finish(group, failures, size)
                if connection is not None:
                    self._written(connection, size)
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA synchronous = NORMAL")  # the flusher does the rest
        return connection

    def _finish(self, group: list[Waiting], failures: dict[int, Exception], size: int) -> None:
        full = any(is_full(error) for error in failures.values())
        if failures:
            # What is told to be refused is told after all that was before it, but at once after it is out of
            # sight: who wrote it would go on with what is not there.
            self._flusher.drain()
        orphans = self._settled(bool(failures), full)
        committed = [waiting for index, waiting in enumerate(group) if index not in failures]
        for _, _, written in committed:
            # The loop of whoever waits may be closed, and a thread that died would write nothing more.
            with contextlib.suppress(Exception):
                written()
        if committed:
            self._flusher.put(partial(self._flushed, [future for _, future, _ in committed]), size)
        if failures:
            self._tips.clear()
            self._flusher.drain()
        for index, error in failures.items():
            group[index][1].set_exception(error if isinstance(error, Damaged) else writing_error(error))
        for _, future, _ in orphans:
            words = "A change before this one could not be saved, so neither was this."
            future.set_exception(DiskFull() if full else Damaged(words))

    def _flushed(self, futures: list[Future[None]]) -> None:
        """Called in the flusher's thread."""
        for future in futures:
            if self.dead is None:
                future.set_result(None)
            else:
                future.set_exception(writing_error(self.dead))

    def _not_flushed(self, error: OSError) -> None:
        """The kernel may have dropped what it could not write, and would say nothing of that again."""
        self.dead = error

    def _commit(self, connection: sqlite3.Connection, batches: list[Batch]) -> dict[int, Exception]:
        """One transaction over all batches. Returns the errors of those that are not in it."""
        if self.dead is not None:
            raise self.dead
        if len(batches) == 1 and len(batches[0]) == 1:
            # One statement is a transaction by itself. Every call more is a wait for the interpreter's lock.
            self._apply(connection, batches[0])
            return {}
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._apply(connection, chain.from_iterable(batches))
        except Exception:  # noqa: BLE001  the slow way tells whose it is
            self._roll_back(connection)
            return self._commit_one_by_one(connection, batches)
        connection.execute("COMMIT")
        return {}

    def _commit_one_by_one(
        self, connection: sqlite3.Connection, batches: list[Batch]
    ) -> dict[int, Exception]:
        """The slow way, once something failed: finds the batches at fault and commits the others.

        Where there was no room for one, none is: a smaller one might fit, and what is saved must not lack
        what was given before it.
        """
        failures: dict[int, Exception] = {}
        connection.execute("BEGIN IMMEDIATE")
        for index, batch in enumerate(batches):
            connection.execute("SAVEPOINT batch")
            try:
                self._apply(connection, batch)
            except Exception as error:
                self._tips.clear()
                if is_full(error) or not connection.in_transaction:
                    raise
                connection.execute("ROLLBACK TO batch")
                failures[index] = error
            connection.execute("RELEASE batch")
        connection.execute("COMMIT")
        return failures

    def _roll_back(self, connection: sqlite3.Connection | None) -> None:
        self._tips.clear()
        if connection is not None and connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _judge(self, error: Exception) -> None:
        """After a failed sync the kernel may have dropped the pages, and a second sync would report
        success all the same: so after an I/O error nothing is written before a new start."""
        if is_io_error(error):
            self.dead = error

    def _apply(self, connection: sqlite3.Connection, ops: Iterable[object]) -> None:
        appends: list[Row] = []
        for op in ops:
            if type(op) is AppendSegment:
                self._follow(connection, op)
                row = place(op.branch, op.seq)
                appends.append((row, op.id, segment_mark(row, op.id, op.raw), op.raw))
                continue
            if appends:
                connection.executemany(_APPEND, appends)
                appends = []
            self._apply_rare(connection, op)
        if appends:
            connection.executemany(_APPEND, appends)

    def _follow(self, connection: sqlite3.Connection, op: AppendSegment) -> None:
        """A batch before this one may have failed, so the tip is checked here once more."""
        tip = self._tips.get(op.branch)
        if tip is None:
            tip = stored_tip(connection, op.branch)
        if op.seq != tip + 1:
            raise LocalProtocolError(f"Segment {op.seq} of branch {op.branch} lost the one before it")
        self._tips[op.branch] = op.seq

    def _apply_rare(self, connection: sqlite3.Connection, op: object) -> None:
        match op:
            case PutJournal(object, number, raw):
                row = (object, number, row_mark(object, number, raw), raw)
                connection.execute("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?)", row)
            case DropJournal(object, through):
                connection.execute("DELETE FROM journal WHERE object = ? AND number <= ?", (object, through))
            case PutValue(space, key, None):
                connection.execute("DELETE FROM vals WHERE space = ? AND key = ?", (space, key))
            case PutValue(space, key, bytes(value)):
                cell = (space, key, row_mark(space, key, value), value)
                connection.execute("INSERT OR REPLACE INTO vals VALUES (?, ?, ?, ?)", cell)
            case PutRecord(object, record):
                mark = row_mark(object, record.id, record.kind, record.raw)
                connection.execute(
                    "INSERT INTO records (object, id, kind, mark, raw) VALUES (?, ?, ?, ?, ?) ON CONFLICT"
                    " (object, id) DO UPDATE"
                    " SET kind = excluded.kind, mark = excluded.mark, raw = excluded.raw",
                    (object, record.id, record.kind, mark, record.raw),
                )
            case NewBranch(number, object, log, parent, first):
                mark = row_mark(number, object, log, parent, first)
                connection.execute(
                    "INSERT INTO branches VALUES (?, ?, ?, ?, ?, ?)",
                    (number, object, log, parent, first, mark),
                )
            case TruncateBranch(branch, seq):
                self._tips.pop(branch, None)
                connection.execute(
                    "DELETE FROM segments WHERE place >= ? AND place < ?",
                    (place(branch, seq), place(branch + 1, 0)),
                )
            case BeginBranch(branch, seq):
                self._tips.pop(branch, None)
                _begin_with(connection, branch, seq)
            case _:
                raise LocalProtocolError(f"A batch cannot hold {type(op).__name__}")


def _begin_with(connection: sqlite3.Connection, branch: int, seq: int) -> None:
    connection.execute(
        "DELETE FROM segments WHERE place >= ? AND place < ?", (place(branch, 0), place(branch, seq))
    )
    rows = connection.execute("SELECT object, log, parent FROM branches WHERE number = ?", (branch,))
    of = rows.fetchone()
    mark = row_mark(branch, *of, seq)
    connection.execute("UPDATE branches SET first = ?, mark = ? WHERE number = ?", (seq, mark, branch))


def stored_tip(connection: sqlite3.Connection, branch: int) -> int:
    """Seq of the last segment in the database; the branch's first - 1 while it has none."""
    last = connection.execute(
        "SELECT max(place) FROM segments WHERE place >= ? AND place < ?",
        (place(branch, 0), place(branch + 1, 0)),
    ).fetchone()[0]
    if last is not None:
        return int(last) & 0xFFFFFFFF
    row = connection.execute("SELECT first FROM branches WHERE number = ?", (branch,)).fetchone()
    if row is None:
        raise LocalProtocolError(f"Branch {branch} is not in the store")
    return int(row[0]) - 1


def _wal_bytes(group: list[Waiting]) -> int:
    """About what a commit adds to the WAL: the changed pages, where each branch has pages of its own."""
    branches = set()
    size = others = 0
    for op in chain.from_iterable(batch for batch, _, _ in group):
        if type(op) is AppendSegment:
            branches.add(op.branch)
            size += len(op.raw)
        else:
            others += 1
    return size + _PAGE * (2 + len(branches) + min(others, 8)) if branches or others else 0
