"""Changes that reads must see although they are not in the database yet."""

from __future__ import annotations

from collections.abc import Iterable

from ..codec.ids import ObjectId
from ..ports.store import (
    AppendSegment,
    Batch,
    BeginBranch,
    DropJournal,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    StoredRecord,
    TruncateBranch,
)


class Layer:
    """What a run of batches changes, to be laid over what was there before.

    Laying a layer over a state that has it already changes nothing, so a reader may see the
    database before or after the commit of a layer that it still applies.
    """

    __slots__ = ("branches", "cuts", "drops", "firsts", "journal", "records", "segments", "values")

    def __init__(self) -> None:
        self.records: dict[ObjectId, dict[bytes, StoredRecord]] = {}
        self.branches: dict[int, NewBranch] = {}
        self.segments: dict[int, dict[int, AppendSegment]] = {}
        self.cuts: dict[int, int] = {}
        """By branch: segments from this seq on that lie below this layer are gone."""
        self.firsts: dict[int, int] = {}
        """By branch: the seq it begins with; segments before it are gone."""
        self.journal: dict[ObjectId, dict[int, bytes]] = {}
        self.drops: dict[ObjectId, int] = {}
        """By object: journal entries up to this number that lie below this layer are gone."""
        self.values: dict[str, dict[bytes, bytes | None]] = {}

    def add(self, batch: Batch) -> None:
        """Takes in a batch that ``check_batch`` accepted."""
        for op in batch:
            match op:
                case AppendSegment():
                    self.segments.setdefault(op.branch, {})[op.seq] = op
                case PutJournal():
                    self.journal.setdefault(op.object, {})[op.number] = op.raw
                case DropJournal():
                    self._drop(op)
                case PutValue():
                    self.values.setdefault(op.space, {})[op.key] = op.value
                case PutRecord():
                    self.records.setdefault(op.object, {})[op.record.id] = op.record
                case NewBranch():
                    self.branches[op.number] = op
                case TruncateBranch():
                    self._cut(op)
                case BeginBranch():
                    self._begin(op)

    def _drop(self, op: DropJournal) -> None:
        self.drops[op.object] = max(op.through, self.drops.get(op.object, op.through))
        entries = self.journal.get(op.object, {})
        for number in [n for n in entries if n <= op.through]:
            del entries[number]

    def _begin(self, op: BeginBranch) -> None:
        appended = self.segments.get(op.branch, {})
        for seq in [s for s in appended if s < op.seq]:
            del appended[seq]
        self.firsts[op.branch] = op.seq
        if self.cuts.get(op.branch, 0) > op.seq and not appended:
            self.cuts[op.branch] = op.seq  # what was dropped below is not there again

    def _cut(self, op: TruncateBranch) -> None:
        self.cuts[op.branch] = min(op.seq, self.cuts.get(op.branch, op.seq))
        appended = self.segments.get(op.branch, {})
        for seq in [s for s in appended if s >= op.seq]:
            del appended[seq]


def first_kept(layers: Iterable[Layer], branch: int, first: int) -> int:
    """With which seq a branch begins, that begins with ``first`` below these layers, oldest first."""
    for layer in layers:
        first = layer.firsts.get(branch, first)
    return first


def pending_segments(layers: Iterable[Layer], branch: int) -> tuple[int | None, dict[int, AppendSegment]]:
    """What layers, oldest first, do to a branch.

    Returns:
        The seq from which the database no longer counts (None: all of it does), and the segments
        on top, in order.
    """
    limit: int | None = None
    found: dict[int, AppendSegment] = {}
    for layer in layers:
        cut = layer.cuts.get(branch)
        if cut is not None:
            limit = cut if limit is None else min(limit, cut)
            found = {seq: op for seq, op in found.items() if seq < cut}
        first = layer.firsts.get(branch, 0)
        found = {seq: op for seq, op in found.items() if seq >= first} if first else found
        found.update(layer.segments.get(branch, {}))
    return limit, found
