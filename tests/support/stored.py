"""What a store is filled with in tests of its disk, and all it says of that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.ports import (
    AppendSegment,
    Batch,
    DropJournal,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    SegmentStore,
    StoredRecord,
    TruncateBranch,
)

OBJECT = ObjectId(b"o" * 32)
SPACE = "s"


def contents(store: SegmentStore) -> tuple[Any, ...]:
    """All that a store of ``batches`` says."""
    branches = store.branches(OBJECT)
    return (
        store.records(OBJECT),
        branches,
        [store.segments(branch.number, 1, 1 << 30) for branch in branches],
        store.journal(OBJECT),
        list(store.values(SPACE)),
    )


def batches(store: SegmentStore, chance: random.Random, number: int) -> Iterator[Batch]:
    """Changes of every kind, each batch to be wholly there or not at all."""
    branch, tip, journaled = store.next_branch(), 0, [store.next_journal()]
    yield [NewBranch(branch, OBJECT, LogId(b"l" * 32), 0, 1), PutValue(SPACE, b"", b"")]
    for turn in range(number):
        count = 40 if turn % 8 == 3 else chance.randrange(1, 4)
        seqs = range(tip + 1, tip + 1 + count)
        tip += count
        batch: Batch = [
            AppendSegment(branch, seq, SegmentId(chance.randbytes(32)), chance.randbytes(700)) for seq in seqs
        ]
        batch.append(PutValue(SPACE, chance.randbytes(1)[:1], chance.randbytes(chance.randrange(9000))))
        if turn % 3 == 0:
            journaled.append(store.next_journal())
            batch.append(PutJournal(OBJECT, journaled[-1], chance.randbytes(90)))
        if turn % 5 == 0:
            batch.append(PutRecord(OBJECT, StoredRecord(1, chance.randbytes(32), chance.randbytes(300))))
        if turn % 7 == 6:
            batch.append(DropJournal(OBJECT, journaled[-1]))
        if turn % 9 == 8:
            tip -= 2
            batch.append(TruncateBranch(branch, tip + 1))
        yield batch
