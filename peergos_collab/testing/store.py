"""A store in memory whose durability the test controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import field, replace

from ..codec.ids import ObjectId, SegmentId
from ..errors import Damaged, DiskFull, LocalProtocolError
from ..ports.store import (
    AppendSegment,
    Batch,
    BeginBranch,
    Branch,
    DropJournal,
    JournalEntry,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    StoredRecord,
    TakenOut,
    TruncateBranch,
    nothing,
)
from ..storage.batch_rules import Extent, check_batch
from ..values import dataclass
from .check_store import check_store


@dataclass(slots=True)
class _State:
    """Everything a store holds, as plain dictionaries."""

    records: dict[ObjectId, dict[bytes, StoredRecord]] = field(default_factory=dict)
    branches: dict[int, NewBranch] = field(default_factory=dict)
    segments: dict[int, list[AppendSegment]] = field(default_factory=dict)
    journal: dict[ObjectId, dict[int, bytes]] = field(default_factory=dict)
    values: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    def extent(self, number: int) -> Extent | None:
        branch = self.branches.get(number)
        return None if branch is None else (branch.first, branch.first + len(self.segments[number]) - 1)

    def apply(self, batch: Batch) -> None:
        for op in batch:
            match op:
                case PutRecord():
                    self.records.setdefault(op.object, {})[op.record.id] = op.record
                case NewBranch():
                    self.branches[op.number] = op
                    self.segments[op.number] = []
                case AppendSegment():
                    self.segments[op.branch].append(op)
                case TruncateBranch():
                    del self.segments[op.branch][max(0, op.seq - self.branches[op.branch].first) :]
                case BeginBranch():
                    branch = self.branches[op.branch]
                    del self.segments[op.branch][: op.seq - branch.first]
                    self.branches[op.branch] = replace(branch, first=op.seq)
                case PutJournal():
                    self.journal.setdefault(op.object, {})[op.number] = op.raw
                case DropJournal():
                    kept = {n: raw for n, raw in self.journal.get(op.object, {}).items() if n > op.through}
                    self.journal[op.object] = kept
                case PutValue():
                    self._put_value(op)

    def _put_value(self, op: PutValue) -> None:
        space = self.values.setdefault(op.space, {})
        if op.value is None:
            space.pop(op.key, None)
        else:
            space[op.key] = op.value


class MemoryStore:
    """A ``SegmentStore`` in memory: writes are seen at once, and durable only when the test says so.

    Nothing is durable before ``flush``; ``crash`` gives the store that the next process finds.

    Args:
        durable_at_once: every write is durable when ``write`` returns, as if flushed.
    """

    def __init__(self, *, durable_at_once: bool = False) -> None:
        self._durable_at_once = durable_at_once
        self._seen = _State()
        self._durable = _State()
        self._queue: list[tuple[Batch, Future[None]]] = []
        self._branch = 0
        self._journal = 0
        self._open = True
        self.full = False
        """Whether no more numbers can be reserved."""
        self.failure: Damaged | None = None

    # What the test controls

    @property
    def unflushed(self) -> int:
        """Number of batches that are not durable yet."""
        return len(self._queue)

    def flush(self, count: int | None = None) -> int:
        """Makes the oldest ``count`` queued batches (default: all) durable and completes their futures.

        Returns:
            How many batches became durable.
        """
        taken = self._queue[:count]
        del self._queue[: len(taken)]
        for batch, _ in taken:
            self._durable.apply(batch)
        for _, future in taken:
            future.set_result(None)
        return len(taken)

    def fail(self, error: Damaged | None = None) -> int:
        """Fails everything queued, as a disk that is full does, or another: the store goes back to what is
        durable.

        Returns:
            How many batches failed, each with ``error``, or with ``DiskFull``.
        """
        taken, self._queue = self._queue, []
        self._seen = _copy(self._durable)
        self.failure = error
        for _, future in taken:
            future.set_exception(error or DiskFull())
        return len(taken)

    def crash(self, survivors: int = 0) -> MemoryStore:
        """Ends this store as SIGKILL or a power cut does; its futures never complete.

        Args:
            survivors: how many of the oldest queued batches had reached the disk unacknowledged.

        Returns:
            The store as the next process opens it. Numbers given before are not given again.
        """
        after = MemoryStore(durable_at_once=self._durable_at_once)
        for batch, _ in self._queue[:survivors]:
            self._durable.apply(batch)
        after._durable, after._seen = self._durable, _copy(self._durable)
        after._branch, after._journal = self._branch, self._journal
        self._queue = []
        self._open = False
        return after

    # SegmentStore

    def objects(self) -> list[ObjectId]:
        return [object_id for object_id, records in self._state.records.items() if records]

    def records(self, object_id: ObjectId) -> list[StoredRecord]:
        return list(self._state.records.get(object_id, {}).values())

    def branches(self, object_id: ObjectId) -> list[Branch]:
        state = self._state
        return [
            _branch(new, state.segments[n]) for n, new in state.branches.items() if new.object == object_id
        ]

    def next_branch(self) -> int:
        self._branch += 1
        return self._branch

    def segment_id(self, branch: int, seq: int) -> SegmentId | None:
        found = self._from(branch, seq)
        return found[0].id if found and found[0].seq == seq else None

    def segments(self, branch: int, start: int, max_bytes: int) -> list[bytes]:
        found: list[bytes] = []
        size = 0
        for op in self._from(branch, start):
            if found and size + len(op.raw) > max_bytes:
                break
            found.append(op.raw)
            size += len(op.raw)
        return found

    def next_journal(self) -> int:
        self._journal += 1
        return self._journal

    def journal(self, object_id: ObjectId) -> list[JournalEntry]:
        return [JournalEntry(n, raw) for n, raw in sorted(self._state.journal.get(object_id, {}).items())]

    def value(self, space: str, key: bytes) -> bytes | None:
        return self._state.values.get(space, {}).get(key)

    def values(self, space: str) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(self._state.values.get(space, {}).items()))

    def keys(self, space: str, start: bytes, stop: bytes, most: int) -> list[bytes]:
        return sorted(key for key in self._state.values.get(space, {}) if start <= key < stop)[:most]

    def reserve(self) -> None:
        if self.full:
            raise DiskFull

    def write(self, batch: Batch, written: Callable[[], None] = nothing) -> Future[None]:
        state = self._state
        check_batch(batch, state.extent)
        batch = list(batch)
        state.apply(batch)
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        self._queue.append((batch, future))
        written()
        if self._durable_at_once:
            self.flush()
        return future

    def repair(self, object_id: ObjectId) -> TakenOut:
        """Nothing in memory gets damaged."""
        return TakenOut()

    def close(self) -> None:
        if self._open:
            self.flush()
            self._open = False

    @property
    def _state(self) -> _State:
        if not self._open:
            raise LocalProtocolError("This store is closed or has crashed.")
        return self._seen

    def _from(self, branch: int, seq: int) -> list[AppendSegment]:
        state = self._state
        if branch not in state.branches:
            return []
        return state.segments[branch][max(0, seq - state.branches[branch].first) :]


def _branch(new: NewBranch, segments: list[AppendSegment]) -> Branch:
    tip_id = bytes(segments[-1].id) if segments else b""
    tip = new.first + len(segments) - 1
    return Branch(new.number, new.object, new.log, new.parent, new.first, tip, tip_id)


def _copy(state: _State) -> _State:
    return _State(
        {object_id: dict(records) for object_id, records in state.records.items()},
        dict(state.branches),
        {branch: list(segments) for branch, segments in state.segments.items()},
        {object_id: dict(entries) for object_id, entries in state.journal.items()},
        {space: dict(values) for space, values in state.values.items()},
    )


__all__ = ["MemoryStore", "check_store"]
