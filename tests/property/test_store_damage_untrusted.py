"""Whatever happens to a database, reading gives what was written, less, or a documented error."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import Conflict, Damaged, NewerFormat
from peergos_collab.ports import AppendSegment, NewBranch, PutJournal, PutRecord, PutValue, StoredRecord
from peergos_collab.storage import SqliteStore

OBJECTS = [ObjectId(bytes([n]) * 32) for n in range(1, 4)]
SEGMENTS = 12


def written(kind: str, n: int, size: int = 300) -> bytes:
    return f"{kind} {n}, ".encode() * (size // 10)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "store.db"
    store = SqliteStore(path)
    for place, object_id in enumerate(OBJECTS, start=1):
        store.write(
            [PutRecord(object_id, StoredRecord(1, b"r%d" % n, written("record", n))) for n in range(4)]
        )
        branch = store.next_branch()
        assert branch == place
        store.write([NewBranch(branch, object_id, LogId(b"l" * 32), 0, 1)])
        store.write(
            [
                AppendSegment(branch, n, SegmentId(bytes([n]) * 32), written("segment", n))
                for n in range(1, SEGMENTS + 1)
            ]
        )
        store.write([PutJournal(object_id, store.next_journal(), written("journal", place))])
        store.write([PutValue("space", object_id, written("value", place, 9000))])
    store.close()
    return path


def read_all(store: SqliteStore) -> int:
    """Reads everything, checks that nothing is wrong, and counts what was right."""
    right = 0

    def attempt(read: Callable[[], int]) -> None:
        nonlocal right
        try:
            right += read()
        except Damaged:
            return

    for place, object_id in enumerate(OBJECTS, start=1):
        attempt(lambda object_id=object_id: _records(store, object_id))
        attempt(lambda object_id=object_id, place=place: _journal(store, object_id, place))
        attempt(lambda object_id=object_id, place=place: _value(store, object_id, place))
        attempt(lambda object_id=object_id: len(store.branches(object_id)))
        for start in range(1, SEGMENTS + 1):
            attempt(lambda place=place, start=start: _segments(store, place, start))
            attempt(lambda place=place, start=start: _id(store, place, start))
    attempt(lambda: len(list(store.values("space"))))
    attempt(lambda: len(store.objects()))
    return right


def _records(store: SqliteStore, object_id: ObjectId) -> int:
    found = store.records(object_id)
    everything = [StoredRecord(1, b"r%d" % n, written("record", n)) for n in range(4)]
    assert all(record in everything for record in found)
    return len(found)


def _journal(store: SqliteStore, object_id: ObjectId, place: int) -> int:
    found = [entry.raw for entry in store.journal(object_id)]
    assert found in ([], [written("journal", place)])
    return len(found)


def _value(store: SqliteStore, object_id: ObjectId, place: int) -> int:
    found = store.value("space", object_id)
    assert found in (None, written("value", place, 9000))
    return found is not None


def _segments(store: SqliteStore, branch: int, start: int) -> int:
    found = store.segments(branch, start, 1000)
    assert found == [written("segment", n) for n in range(start, start + len(found))]
    return len(found)


def _id(store: SqliteStore, branch: int, seq: int) -> int:
    found = store.segment_id(branch, seq)
    assert found in (None, bytes([seq]) * 32)
    return found is not None


changes = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8) | st.integers(1, 200).map(bytes)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150)
@example(changes=[(3328, b"\x80")])
@example(changes=[(1_048_572, b"\x00")])
@given(changes=changes)
def test_overwritten_anywhere(
    original: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]]
) -> None:
    """Bytes overwritten anywhere: no wrong content, only documented errors, also in salvage."""
    path = tmp_path_factory.mktemp("damaged") / "store.db"
    data = bytearray(original.read_bytes())
    for start, replacement in changes:
        at = start % (len(data) - len(replacement))
        data[at : at + len(replacement)] = replacement
    path.write_bytes(data)
    try:
        store = SqliteStore(path)
    except (Damaged, NewerFormat, Conflict):
        before = 0
    else:
        before = read_all(store)
        store.close()
    try:
        report = SqliteStore.salvage(path)
    except NewerFormat:
        return
    store = SqliteStore(path)
    after = read_all(store)
    store.close()

    assert report.kept.exists()
    assert after or not before
    shutil.rmtree(path.parent)


def test_undamaged_is_all_right(original: Path, tmp_path: Path) -> None:
    """The reader of this test finds everything in an undamaged store, before and after salvaging it."""
    path = tmp_path / "store.db"
    shutil.copy(original, path)
    store = SqliteStore(path)
    before = read_all(store)
    store.close()
    report = SqliteStore.salvage(path)
    store = SqliteStore(path)

    assert report.lost == ()
    assert read_all(store) == before
    assert before > 100
    store.close()


@settings(max_examples=40)
@given(keep=st.integers(0, 200_000))
def test_cut_short(original: Path, tmp_path_factory: pytest.TempPathFactory, keep: int) -> None:
    """A file cut short anywhere gives what is left of it, or Damaged."""
    path = tmp_path_factory.mktemp("cut") / "store.db"
    data = original.read_bytes()
    path.write_bytes(data[: keep % len(data)])
    try:
        store = SqliteStore(path)
    except Damaged:
        return
    read_all(store)
    store.close()
    shutil.rmtree(path.parent)
