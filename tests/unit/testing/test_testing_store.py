"""The store in memory keeps the contract, and its crashes lose exactly what was not durable."""

from __future__ import annotations

import pytest

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import Damaged, LocalProtocolError
from peergos_collab.ports import AppendSegment, NewBranch, PutValue
from peergos_collab.testing.store import MemoryStore, check_store

OBJECT, LOG = ObjectId(b"o" * 32), LogId(b"l" * 32)


def append(seq: int) -> AppendSegment:
    return AppendSegment(1, seq, SegmentId(bytes([seq]) * 32), bytes([seq]) * 10)


def test_keeps_the_contract() -> None:
    """The store passes the acceptance test for any store."""
    store = MemoryStore(durable_at_once=True)

    def reopen() -> MemoryStore:
        nonlocal store
        store = store.crash()
        return store

    check_store(reopen)


def test_nothing_is_durable_before_flush() -> None:
    """Writes are seen at once; their futures are done by flush, in order, as many as asked for."""
    store = MemoryStore()
    futures = [store.write([PutValue("s", b"k", bytes([n]))]) for n in range(3)]

    assert store.value("s", b"k") == b"\x02"
    assert [future.done() for future in futures] == [False] * 3
    assert (store.flush(2), store.unflushed) == (2, 1)
    assert [future.done() for future in futures] == [True, True, False]


def test_a_crash_drops_what_was_not_durable() -> None:
    """After a crash the durable batches are there, the others are not, and their futures stay undone."""
    store = MemoryStore()
    store.write([NewBranch(1, OBJECT, LOG, 0, 1), append(1)])
    store.flush()
    lost = store.write([append(2)])
    after = store.crash()

    assert after.segments(1, 1, 1000) == [append(1).raw]
    assert not lost.done()
    with pytest.raises(LocalProtocolError):
        store.segments(1, 1, 1000)
    after.write([append(2)])


def test_unacknowledged_batches_may_survive() -> None:
    """A crash can leave batches on the disk that nobody was told of."""
    store = MemoryStore()
    store.write([NewBranch(1, OBJECT, LOG, 0, 1)])
    for seq in (1, 2, 3):
        store.write([append(seq)])

    assert store.crash(survivors=3).segments(1, 1, 1000) == [append(1).raw, append(2).raw]


def test_numbers_are_not_given_twice() -> None:
    """Numbers given before a crash, used or not, are not given again."""
    store = MemoryStore()
    given = {store.next_branch(), store.next_branch()}, {store.next_journal()}
    after = store.crash()

    assert after.next_branch() not in given[0]
    assert after.next_journal() > max(given[1])


def test_a_failed_flush_goes_back_to_what_is_durable() -> None:
    """When the disk fails, queued futures fail with Damaged and reads show the durable state."""
    store = MemoryStore()
    store.write([PutValue("s", b"k", b"old")])
    store.flush()
    failed = store.write([PutValue("s", b"k", b"new")])

    assert store.fail() == 1
    with pytest.raises(Damaged):
        failed.result(0)
    assert store.value("s", b"k") == b"old"
