"""Layers of changes that are not in the database yet, one over the other."""

from __future__ import annotations

from peergos_collab.codec.ids import ObjectId, SegmentId
from peergos_collab.ports import AppendSegment, Batch, DropJournal, PutJournal, TruncateBranch
from peergos_collab.storage.pending import Layer, pending_segments

OBJECT = ObjectId(b"o" * 32)


def append(seq: int, raw: bytes = b"raw") -> AppendSegment:
    return AppendSegment(1, seq, SegmentId(bytes([seq]) * 32), raw)


def layer(*ops: AppendSegment | TruncateBranch | PutJournal | DropJournal) -> Layer:
    batch: Batch = list(ops)
    made = Layer()
    made.add(batch)
    return made


def test_a_cut_hides_what_lies_below_it() -> None:
    """Segments of an older layer from the cut on are gone, and the database counts only up to it."""
    layers = layer(append(4), append(5), append(6)), layer(TruncateBranch(1, 5), append(5, b"new"))

    assert pending_segments(layers, 1) == (5, {4: append(4), 5: append(5, b"new")})


def test_a_cut_removes_what_the_same_layer_appended() -> None:
    """Append and cut in one layer leave what is below the cut."""
    assert pending_segments([layer(append(1), append(2), TruncateBranch(1, 2))], 1) == (2, {1: append(1)})


def test_the_lowest_cut_counts_for_the_database() -> None:
    """A later, higher cut does not bring back rows that an earlier one took away."""
    layers = layer(TruncateBranch(1, 2), append(2), append(3)), layer(TruncateBranch(1, 3))

    assert pending_segments(layers, 1) == (2, {2: append(2)})


def test_other_branches_are_untouched() -> None:
    """A layer says nothing of a branch it does not change."""
    assert pending_segments([layer(append(1))], 2) == (None, {})


def test_a_drop_counts_for_older_entries_only() -> None:
    """Journal entries put after a drop stay, those before it go, also within one layer."""
    made = layer(PutJournal(OBJECT, 1, b"a"), DropJournal(OBJECT, 2), PutJournal(OBJECT, 3, b"b"))

    assert (made.drops[OBJECT], made.journal[OBJECT]) == (2, {3: b"b"})
