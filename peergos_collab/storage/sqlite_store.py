"""The default store: one SQLite file per home or node."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..codec.ids import LogId, ObjectId, SegmentId
from ..errors import Damaged, LocalProtocolError
from ..ports.store import RESERVED, Batch, Branch, JournalEntry, StoredRecord, TakenOut, nothing
from .batch_rules import BRANCH_LIMIT, Extent, check_batch
from .checkpoints import Checkpoints
from .group_commit import GroupCommit, Waiting, stored_tip
from .pending import Layer, first_kept, pending_segments
from .repair import take_out_damaged
from .salvage import SalvageReport, free_name, salvage
from .schema import (
    SQLITE_ERRORS,
    connect,
    id_matches,
    is_full,
    place,
    reading_error,
    row_holds,
    segment_holds,
    writing_error,
)

_BLOCKS = {"branch": 2 * RESERVED, "journal": 1 << 20}
"""By name of a floor: how many numbers are reserved at once."""


class SqliteStore:
    """A ``SegmentStore`` in one SQLite file; may be used from any thread.

    Writes go to a thread of their own; reads run on the caller's thread and lay what is queued
    over what is in the database.

    Args:
        path: the database file; made (0600, its directory 0700) where it is not there.

    Raises:
        Damaged: the file is no readable database; ``SqliteStore.salvage`` saves what it can.
        NewerFormat: a later version of this program wrote it.
        Conflict: another program holds a lock on it.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._lock = threading.RLock()
        self._reader = connect(self._path)
        self._queue: list[Waiting] = []
        self._committing, self._queued = Layer(), Layer()
        self._extents: dict[int, Extent] = {}
        self._floors: dict[str, tuple[int, int]] = {}
        """By name: the next number to give, and the first that is not reserved yet."""
        self._closed = False
        self._kept = ""
        self._checkpoints = Checkpoints(partial(connect, self._path))
        self._writer = GroupCommit(
            partial(connect, self._path),
            self._take,
            self._settled,
            self._checkpoints.written,
            self._path.with_name(self._path.name + "-wal"),
        )

    @staticmethod
    def salvage(path: Path | str) -> SalvageReport:
        """Saves what is readable of a damaged store into a new one; see ``storage.salvage``."""
        return salvage(Path(path))

    # Reading

    def objects(self) -> list[ObjectId]:
        with self._reading("the list of objects"):
            rows = self._reader.execute("SELECT DISTINCT object FROM records").fetchall()
            found = dict.fromkeys(ObjectId(row[0]) for row in rows)
            for layer in self._layers:
                found.update(dict.fromkeys(layer.records))
        return list(found)

    def records(self, object_id: ObjectId) -> list[StoredRecord]:
        what = f"records of object {_short(object_id)}"
        with self._reading(what):
            rows = self._reader.execute(
                "SELECT kind, id, raw, mark FROM records WHERE object = ? ORDER BY put", (object_id,)
            ).fetchall()
            found = {}
            for kind, record_id, raw, mark in rows:
                if not row_holds(mark, object_id, record_id, kind, raw):
                    raise reading_error(what)
                found[record_id] = StoredRecord(kind, record_id, raw)
            for layer in self._layers:
                found.update(layer.records.get(object_id, {}))
        return list(found.values())

    def branches(self, object_id: ObjectId) -> list[Branch]:
        with self._reading(f"the logs of object {_short(object_id)}"):
            rows = self._reader.execute(
                "SELECT number, log, parent, first, mark FROM branches WHERE object = ? ORDER BY number",
                (object_id,),
            ).fetchall()
            found = {}
            for number, log, parent, first, mark in rows:
                if not row_holds(mark, number, object_id, log, parent, first):
                    raise reading_error(f"a log of object {_short(object_id)}")
                found[number] = (LogId(log), parent)
            for layer in self._layers:
                for new in layer.branches.values():
                    if new.object == object_id:
                        found[new.number] = (new.log, new.parent)
            return [
                Branch(number, object_id, log, parent, *self._ends(number))
                for number, (log, parent) in found.items()
            ]

    def segment_id(self, branch: int, seq: int) -> SegmentId | None:
        what = f"segment {seq} of branch {branch}"
        with self._reading(what):
            first, tip = self._extent(branch) or (1, 0)
            if not first <= seq <= tip:
                return None
            limit, pending = pending_segments(self._layers, branch)
            if seq in pending:
                return pending[seq].id
            if limit is not None and seq >= limit:
                return None
            row = self._reader.execute(
                "SELECT id, mark FROM segments WHERE place = ?", (place(branch, seq),)
            ).fetchone()
            if row is None:
                raise reading_error(what)
            return _checked_id(place(branch, seq), row[0], row[1], what)

    def segments(self, branch: int, start: int, max_bytes: int) -> list[bytes]:
        """See ``SegmentStore``. Raises Damaged where the first of them is damaged; a later damaged one
        ends the list, so that everything before it can be read."""
        with self._reading(f"segment {start} of branch {branch}"):
            extent = self._extent(branch)
            if extent is None:
                return []
            start = max(start, extent[0])
            limit, pending = pending_segments(self._layers, branch)
            stop = place(branch + 1, 0) if limit is None else place(branch, limit)
            found: list[bytes] = []
            size = self._stored_segments(branch, start, stop, max_bytes, found)
            seq = start + len(found)
            while seq in pending and (not found or size + len(pending[seq].raw) <= max_bytes):
                found.append(pending[seq].raw)
                size += len(pending[seq].raw)
                seq += 1
            if not found and start <= extent[1]:
                raise reading_error(f"segment {start} of branch {branch}")
            return found

    def _stored_segments(self, branch: int, start: int, stop: int, max_bytes: int, found: list[bytes]) -> int:
        """Gathers undamaged consecutive segments from the database. Returns their size in bytes."""
        size = 0
        expected = place(branch, start)
        cursor = self._reader.execute(
            "SELECT place, id, mark, raw FROM segments WHERE place >= ? AND place < ? ORDER BY place",
            (expected, stop),
        )
        try:
            for row, name, mark, raw in cursor:
                if row != expected or not segment_holds(row, name, mark, raw):
                    break
                if found and size + len(raw) > max_bytes:
                    break
                found.append(raw)
                size += len(raw)
                expected += 1
        except SQLITE_ERRORS:
            if not found:
                raise
        finally:
            cursor.close()
        return size

    def journal(self, object_id: ObjectId) -> list[JournalEntry]:
        with self._reading(f"unsent changes of object {_short(object_id)}"):
            rows = self._reader.execute(
                "SELECT number, raw, mark FROM journal WHERE object = ? ORDER BY number", (object_id,)
            ).fetchall()
            found = {}
            for number, raw, mark in rows:
                if not row_holds(mark, object_id, number, raw):
                    raise reading_error(f"an unsent change of object {_short(object_id)}")
                found[number] = raw
            for layer in self._layers:
                through = layer.drops.get(object_id)
                if through is not None:
                    found = {number: raw for number, raw in found.items() if number > through}
                found.update(layer.journal.get(object_id, {}))
        return [JournalEntry(number, found[number]) for number in sorted(found)]

    def value(self, space: str, key: bytes) -> bytes | None:
        what = f"a value of '{space}'"
        with self._reading(what):
            for layer in reversed(self._layers):
                values = layer.values.get(space)
                if values is not None and key in values:
                    return values[key]
            row = self._reader.execute(
                "SELECT value, mark FROM vals WHERE space = ? AND key = ?", (space, key)
            ).fetchone()
            if row is None:
                return None
            if not row_holds(row[1], space, key, row[0]):
                raise reading_error(what)
            return bytes(row[0])

    def values(self, space: str) -> Iterator[tuple[bytes, bytes]]:
        what = f"a value of '{space}'"
        with self._reading(what):
            rows = self._reader.execute(
                "SELECT key, value, mark FROM vals WHERE space = ?", (space,)
            ).fetchall()
            found: dict[bytes, bytes | None] = {}
            for key, value, mark in rows:
                if not row_holds(mark, space, key, value):
                    raise reading_error(what)
                found[key] = value
            for layer in self._layers:
                found.update(layer.values.get(space, {}))
        return iter(sorted((key, value) for key, value in found.items() if value is not None))

    def keys(self, space: str, start: bytes, stop: bytes, most: int) -> list[bytes]:
        with self._reading(f"a list of '{space}'"):
            pending: dict[bytes, bytes | None] = {}
            for layer in self._layers:
                values = layer.values.get(space, {})
                pending.update({key: value for key, value in values.items() if start <= key < stop})
            # So many more, because all that is pending may be removals of the first ones.
            rows = self._reader.execute(
                "SELECT key FROM vals WHERE space = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
                (space, start, stop, most + len(pending)),
            ).fetchall()
            found = {key for (key,) in rows if isinstance(key, bytes)} - pending.keys()
            found.update(key for key, value in pending.items() if value is not None)
        return sorted(found)[:most]

    # Writing

    def next_branch(self) -> int:
        number = self._next("branch")
        if number >= BRANCH_LIMIT:
            raise Damaged("The store has no branch numbers left.")
        return number

    def next_journal(self) -> int:
        return self._next("journal")

    def reserve(self) -> None:
        with self._reading("the numbers of the next changes"):
            for name, count in _BLOCKS.items():
                number, end = self._floors.get(name, (0, 0))
                if end - number < RESERVED:
                    self._floors[name] = self._reserve(name, count)

    def write(self, batch: Batch, written: Callable[[], None] = nothing) -> Future[None]:
        """See ``SegmentStore``; the future is done from one of the store's threads.

        Raises:
            LocalProtocolError: the batch breaks the rules of ``batch_rules``, or the store is closed.
        """
        future: Future[None] = Future()
        # A commit cannot be taken back, so a waiter that is cancelled does not cancel it.
        future.set_running_or_notify_cancel()
        batch = list(batch)
        with self._reading("a branch that was to grow"):
            self._extents.update(check_batch(batch, self._extent))
            self._queued.add(batch)
            self._queue.append((batch, future, written))
            first = len(self._queue) == 1
        if first:
            self._writer.wake()
        return future

    @property
    def failure(self) -> Damaged | None:
        return writing_error(self._writer.dead) if self._writer.dead is not None else None

    def repair(self, object_id: ObjectId) -> TakenOut:
        """Takes out what is damaged of one object; see ``storage.repair``. Waits until nothing is queued.

        A copy of the whole file is put beside it before, once in the life of this store.

        Raises:
            Damaged: whole pages are damaged, or nothing can be written; ``salvage`` helps.
        """
        self.write([]).result()
        with self._reading(f"object {_short(object_id)}"):
            if not self._kept:
                self._kept = self._keep_copy()
            taken = take_out_damaged(self._reader, object_id)
            self._extents.clear()
            self._writer.forget_tips()
        taken.kept = self._kept
        return taken

    def _keep_copy(self) -> str:
        kept = free_name(self._path)
        os.close(os.open(kept, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        target = sqlite3.connect(kept, isolation_level=None)
        try:
            self._reader.backup(target)
        except BaseException:
            kept.unlink()
            raise
        finally:
            target.close()
        return kept.name

    def close(self) -> None:
        """Makes everything queued durable, ends the threads and closes the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._writer.close()
        self._checkpoints.close()
        self._reader.close()

    # The writer's side

    def _take(self) -> list[Waiting]:
        with self._lock:
            group, self._queue = self._queue, []
            self._committing, self._queued = self._queued, Layer()
        return group

    def _settled(self, failed: bool, full: bool) -> list[Waiting]:
        """After a failure what is queued is checked again: some of it may follow what is not there.

        On a full disk all of it does: its givers did not know yet that what they gave before is not saved.
        """
        with self._lock:
            self._committing = Layer()
            if not failed:
                return []
            self._extents.clear()
            queue, self._queue, self._queued = self._queue, [], Layer()
            if full:
                return queue
            return [waiting for waiting in queue if not self._queue_again(waiting)]

    def _queue_again(self, waiting: Waiting) -> bool:
        try:
            self._extents.update(check_batch(waiting[0], self._extent))
        except (LocalProtocolError, Damaged, *SQLITE_ERRORS):
            return False
        self._queued.add(waiting[0])
        self._queue.append(waiting)
        return True

    # What is there

    @property
    def _layers(self) -> tuple[Layer, Layer]:
        return self._committing, self._queued

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise LocalProtocolError("This store is closed.")
            try:
                yield
            except SQLITE_ERRORS as error:
                raise (writing_error(error) if is_full(error) else reading_error(what, error)) from error

    def _extent(self, number: int) -> Extent | None:
        known = self._extents.get(number)
        if known is None:
            first = self._first(number)
            if first is None:
                return None
            known = self._extents[number] = (first, self._last(number, first))
        return known

    def _first(self, number: int) -> int | None:
        for layer in self._layers:
            if number in layer.branches:
                return first_kept(self._layers, number, layer.branches[number].first)
        row = self._reader.execute(
            "SELECT number, object, log, parent, first, mark FROM branches WHERE number = ?", (number,)
        ).fetchone()
        if row is None:
            return None
        if not row_holds(row[5], *row[:5]):
            raise reading_error(f"branch {number}")
        return first_kept(self._layers, number, int(row[4]))

    def _last(self, number: int, first: int) -> int:
        limit, pending = pending_segments(self._layers, number)
        if pending:
            return max(pending)
        try:
            stored = stored_tip(self._reader, number)
        except LocalProtocolError:
            stored = first - 1
        return max(first - 1, stored if limit is None else min(stored, limit - 1))

    def _ends(self, number: int) -> tuple[int, int, bytes]:
        """First seq, tip and its id."""
        extent = self._extent(number)
        assert extent is not None
        first, tip = extent
        if tip < first:
            return first, tip, b""
        found = self.segment_id(number, tip)
        if found is None:
            raise reading_error(f"segment {tip} of branch {number}")
        return first, tip, found

    def _next(self, name: str) -> int:
        """Numbers are reserved durably before any is given, so that no restart gives one twice."""
        with self._reading("the number of the next change"):
            number, end = self._floors.get(name, (0, 0))
            if number == end:
                number, end = self._reserve(name, _BLOCKS[name])
            self._floors[name] = (number + 1, end)
            return number

    def _reserve(self, name: str, count: int) -> tuple[int, int]:
        table = {"branch": "branches", "journal": "journal"}[name]
        # A counter that was damaged must not give a number that is taken.
        used = self._reader.execute(f"SELECT coalesce(max(number), 0) + 1 FROM {table}").fetchone()[0]  # noqa: S608  our own names
        try:
            row = self._reader.execute(
                "INSERT INTO floors VALUES (?, ? + ?) ON CONFLICT (name) DO UPDATE"
                " SET value = max(value, ?) + ? RETURNING value",
                (name, used, count, used, count),
            ).fetchall()[0]
        except sqlite3.OperationalError as error:
            raise writing_error(error) from error
        return row[0] - count, row[0]


def _checked_id(row: int, id: object, mark: object, what: str) -> SegmentId:
    if not isinstance(id, bytes) or not isinstance(mark, int) or not id_matches(row, id, mark):
        raise reading_error(what)
    return SegmentId(id)


def _short(object_id: ObjectId) -> str:
    return object_id.hex()[:16]
