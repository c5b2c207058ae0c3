"""The acceptance test for anyone's ``SegmentStore``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from ..codec.ids import LogId, ObjectId, SegmentId
from ..errors import LocalProtocolError
from ..ports.store import (
    AppendSegment,
    Batch,
    BeginBranch,
    DropJournal,
    JournalEntry,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    SegmentStore,
    StoredRecord,
    TruncateBranch,
)

_DURABLE_WITHIN = 30.0

_ONE = ObjectId(b"\x01" * 32)
_TWO = ObjectId(b"\x02" * 32)
_LOG = LogId(b"\x11" * 32)
_OTHER_LOG = LogId(b"\x12" * 32)


def check_store(reopen: Callable[[], SegmentStore]) -> None:
    """Checks a store against the contract in ``ports.store``.

    Args:
        reopen: opens the store, empty the first time; each later call comes after ``close`` of the
            one before and must find what was durable.

    Raises:
        AssertionError: the store breaks the contract; the message says which part.
    """
    store = reopen()
    _empty(store)
    numbers = _fill(store)
    _filled(store, numbers)
    store.close()
    store = reopen()
    _filled(store, numbers)
    _numbers_grow(store, numbers)
    _refuses(store, numbers)
    _values(store)
    _keys(store)
    _journal(store)
    _branches(store, numbers)
    _unbothered_by_later_changes(store)
    store.close()
    _close_flushes(reopen)


def _expect(expected: object, actual: object, what: str) -> None:
    if expected != actual:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def _durable(store: SegmentStore, batch: Batch) -> None:
    store.write(batch).result(_DURABLE_WITHIN)


def _segment(branch: int, seq: int, size: int = 300) -> AppendSegment:
    mark = branch.to_bytes(4, "big") + seq.to_bytes(4, "big")
    return AppendSegment(branch, seq, SegmentId(mark * 4), mark * (size // 8))


def _empty(store: SegmentStore) -> None:
    _expect([], store.objects(), "objects of an empty store")
    _expect([], store.records(_ONE), "records of an empty store")
    _expect([], store.branches(_ONE), "branches of an empty store")
    _expect([], store.journal(_ONE), "journal of an empty store")
    _expect(None, store.value("a", b"k"), "a value of an empty store")
    _expect([], list(store.values("a")), "values of an empty store")
    _expect(None, store.segment_id(1, 1), "segment id of an unknown branch")
    _expect([], store.segments(1, 1, 1000), "segments of an unknown branch")


def _fill(store: SegmentStore) -> tuple[int, int, int]:
    """Writes a little of everything; returns main branch, fork and journal number."""
    main, fork, entry = store.next_branch(), store.next_branch(), store.next_journal()
    record = StoredRecord(1, b"r" * 32, b"first")
    futures: list[Future[None]] = [
        store.write([PutRecord(_ONE, StoredRecord(2, b"z" * 32, b"later"))]),
        store.write([PutRecord(_ONE, record), PutRecord(_TWO, record), NewBranch(main, _ONE, _LOG, 0, 1)]),
        store.write([_segment(main, 1), _segment(main, 2), PutJournal(_ONE, entry, b"change")]),
        store.write([_segment(main, 3), PutValue("a", b"k", b"v"), PutValue("b", b"k", b"")]),
        store.write([NewBranch(fork, _ONE, _OTHER_LOG, main, 3), _segment(fork, 3, 5000)]),
        store.write([]),
    ]
    _filled(store, (main, fork, entry))
    for future in futures:
        future.result(_DURABLE_WITHIN)
    return main, fork, entry


def _filled(store: SegmentStore, numbers: tuple[int, int, int]) -> None:
    main, fork, entry = numbers
    _expect({_ONE, _TWO}, set(store.objects()), "objects")
    _expect([b"later", b"first"], [r.raw for r in store.records(_ONE)], "records in the order first put")
    _expect([StoredRecord(1, b"r" * 32, b"first")], store.records(_TWO), "records of another object")
    branches = {b.number: b for b in store.branches(_ONE)}
    _expect({main, fork}, set(branches), "branch numbers")
    _expect((0, 1, 3), (branches[main].parent, branches[main].first, branches[main].tip), "main branch")
    _expect((main, 3, 3), (branches[fork].parent, branches[fork].first, branches[fork].tip), "fork")
    _expect((_LOG, _OTHER_LOG), (branches[main].log, branches[fork].log), "logs of branches")
    _expect(_segment(main, 3).id, branches[main].tip_id, "tip id")
    _expect([_segment(main, n).raw for n in (1, 2, 3)], store.segments(main, 1, 10_000), "all segments")
    _expect([_segment(main, 2).raw], store.segments(main, 2, 1), "at least one segment")
    _expect(2, len(store.segments(main, 1, 600)), "segments within max_bytes")
    _expect([], store.segments(main, 4, 1000), "segments past the tip")
    _expect([_segment(fork, 3, 5000).raw], store.segments(fork, 3, 1000), "segments of the fork")
    _expect(_segment(main, 2).id, store.segment_id(main, 2), "segment id")
    _expect((None, None), (store.segment_id(main, 4), store.segment_id(fork, 2)), "ids of no segment")
    _expect([JournalEntry(entry, b"change")], store.journal(_ONE), "journal")
    _expect([], store.journal(_TWO), "journal of another object")
    _expect((b"v", b""), (store.value("a", b"k"), store.value("b", b"k")), "values")
    _expect([(b"k", b"v")], list(store.values("a")), "values of a space")


def _numbers_grow(store: SegmentStore, numbers: tuple[int, int, int]) -> None:
    main, fork, entry = numbers
    branches = [store.next_branch() for _ in range(3)]
    journals = [store.next_journal() for _ in range(3)]
    _expect(5, len({main, fork, *branches}), "branch numbers are unique")
    _expect(sorted({entry, *journals}), [entry, *journals], "journal numbers grow")
    _expect(True, all(0 < n < 2**31 for n in branches), "branch numbers are below 2**31")


def _refuses(store: SegmentStore, numbers: tuple[int, int, int]) -> None:
    """A batch that breaks the rules is refused wholly, at the call."""
    main, _, _ = numbers
    bad: list[tuple[str, Batch]] = [
        ("a gap", [PutValue("refused", b"k", b"v"), _segment(main, 5)]),
        ("a segment twice", [PutValue("refused", b"k", b"v"), _segment(main, 3)]),
        ("an unknown branch", [PutValue("refused", b"k", b"v"), _segment(2**31 - 1, 1)]),
        ("a branch number twice", [PutValue("refused", b"k", b"v"), NewBranch(main, _ONE, _LOG, 0, 1)]),
    ]
    for what, batch in bad:
        try:
            store.write(batch)
        except LocalProtocolError:
            _expect(None, store.value("refused", b"k"), f"{what} writes nothing")
        else:
            raise AssertionError(f"{what} was accepted")


def _values(store: SegmentStore) -> None:
    store.write([PutValue("a", b"k", b"v2"), PutValue("a", b"\x00", b"\x00" * 70_000)])
    _expect(b"v2", store.value("a", b"k"), "a value replaced is seen at once")
    _durable(store, [PutValue("b", b"k", None), PutValue("b", b"none", None)])
    _expect(None, store.value("b", b"k"), "a removed value")
    _expect([], list(store.values("b")), "values of an emptied space")
    _expect([(b"\x00", b"\x00" * 70_000), (b"k", b"v2")], sorted(store.values("a")), "values of a space")


def _keys(store: SegmentStore) -> None:
    last = b"\xff" * 3
    _expect([], store.keys("keys", b"", last, 10), "keys of an empty space")
    _durable(store, [PutValue("keys", bytes([n, n]), b"v") for n in (5, 1, 3, 2, 4)])
    _durable(store, [PutValue("other", b"\x01\x01", b"v")])
    in_order = [bytes([n, n]) for n in (1, 2, 3, 4, 5)]
    _expect(in_order, store.keys("keys", b"", last, 10), "keys in order")
    _expect(in_order[:2], store.keys("keys", b"", last, 2), "the first keys")
    _expect(in_order[1:3], store.keys("keys", b"\x02\x02", b"\x04\x04", 10), "keys of a range")
    future = store.write(
        [*(PutValue("keys", key, None) for key in in_order[:3]), PutValue("keys", b"\x04", b"")]
    )
    expected = [b"\x04", *in_order[3:]]
    for when in ("at once", "later"):
        _expect(expected[:2], store.keys("keys", b"", last, 2), f"the first keys after changes, {when}")
        _expect(expected, store.keys("keys", b"", last, 10), f"keys after changes, {when}")
        future.result(_DURABLE_WITHIN)


def _journal(store: SegmentStore) -> None:
    numbers = [store.next_journal() for _ in range(4)]
    _durable(store, [PutJournal(_TWO, n, b"%d" % n) for n in numbers])
    store.write([DropJournal(_TWO, numbers[1])])
    _expect(numbers[2:], [e.number for e in store.journal(_TWO)], "journal after a drop")
    last = store.next_journal()
    _durable(store, [DropJournal(_TWO, numbers[3]), PutJournal(_TWO, last, b"new")])
    _expect([JournalEntry(last, b"new")], store.journal(_TWO), "journal after drop and put in one batch")
    _expect(1, len(store.journal(_ONE)), "a drop leaves other objects alone")


def _branches(store: SegmentStore, numbers: tuple[int, int, int]) -> None:
    main, fork, _ = numbers
    store.write([TruncateBranch(main, 2)])
    _expect([_segment(main, 1).raw], store.segments(main, 1, 10_000), "segments of a truncated branch")
    _expect(None, store.segment_id(main, 2), "id of a truncated segment")
    again = AppendSegment(main, 2, SegmentId(b"again" * 4), b"again")
    store.write([again])
    _expect([_segment(main, 1).raw, b"again"], store.segments(main, 1, 10_000), "append after truncation")
    _durable(store, [TruncateBranch(fork, 1)])
    empty = next(b for b in store.branches(_ONE) if b.number == fork)
    _expect((3, 2, b""), (empty.first, empty.tip, empty.tip_id), "an emptied branch")
    tip = next(b for b in store.branches(_ONE) if b.number == main)
    _expect((2, again.id), (tip.tip, tip.tip_id), "tip after truncation and append")
    store.write([BeginBranch(main, 2)])
    _expect([b"again"], store.segments(main, 1, 10_000), "segments of a branch that begins later")
    begun = next(b for b in store.branches(_ONE) if b.number == main)
    _expect((2, 2, again.id), (begun.first, begun.tip, begun.tip_id), "a branch that begins later")
    _durable(store, [])
    _expect(None, store.segment_id(main, 1), "id of a dropped segment")
    _durable(store, [PutRecord(_ONE, StoredRecord(2, b"z" * 32, b"whole"))])
    _expect([b"whole", b"first"], [r.raw for r in store.records(_ONE)], "a record put again keeps its place")


def _unbothered_by_later_changes(store: SegmentStore) -> None:
    batch: Batch = [PutValue("caller", b"k", b"v")]
    future = store.write(batch)
    batch.clear()
    future.result(_DURABLE_WITHIN)
    _expect(b"v", store.value("caller", b"k"), "a batch is taken as it was at the call")


def _close_flushes(reopen: Callable[[], SegmentStore]) -> None:
    store = reopen()
    futures = [store.write([PutValue("closing", bytes([n]), b"v")]) for n in range(100)]
    store.close()
    for future in futures:
        future.result(_DURABLE_WITHIN)
    store = reopen()
    _expect(100, len(list(store.values("closing"))), "close makes everything queued durable")
    store.close()
    store.close()
