"""What a damaged database does: it says so, naming what is affected, and the rest goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import Damaged
from peergos_collab.ports import (
    AppendSegment,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    StoredRecord,
    TruncateBranch,
)
from peergos_collab.storage import SqliteStore

OBJECTS = [ObjectId(bytes([n]) * 32) for n in range(1, 5)]
LOG = LogId(b"l" * 32)
SEGMENTS = 60
PAGE = 4096


def raw(branch: int, seq: int) -> bytes:
    return b"segment %d of branch %d," % (seq, branch) * 16


def append(branch: int, seq: int) -> AppendSegment:
    return AppendSegment(branch, seq, SegmentId(seq.to_bytes(32, "big")), raw(branch, seq))


def record(object_id: ObjectId) -> StoredRecord:
    return StoredRecord(1, b"r" * 32, b"record of " + object_id)


def filled(path: Path) -> dict[ObjectId, int]:
    """A closed store with four objects of one branch each. Returns their branches."""
    store = SqliteStore(path)
    branches = {}
    for object_id in OBJECTS:
        branch = branches[object_id] = store.next_branch()
        store.write([PutRecord(object_id, record(object_id)), NewBranch(branch, object_id, LOG, 0, 1)])
        store.write([append(branch, n) for n in range(1, SEGMENTS + 1)])
        store.write([PutJournal(object_id, store.next_journal(), b"change of " + object_id)])
        store.write([PutValue("space", object_id, b"value of " + object_id)])
    store.close()
    return branches


def flip(path: Path, text: bytes) -> None:
    """Flips one bit in the middle of the only place in the file that holds ``text``."""
    data = bytearray(path.read_bytes())
    assert data.count(text) == 1
    data[data.index(text) + len(text) // 2] ^= 1
    path.write_bytes(data)


def wreck_page_of(path: Path, text: bytes) -> None:
    """Overwrites the head of the page that holds ``text``."""
    data = bytearray(path.read_bytes())
    page = data.index(text) // PAGE * PAGE
    data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


def check_undamaged(store: SqliteStore, branches: dict[ObjectId, int], objects: list[ObjectId]) -> None:
    for object_id in objects:
        branch = branches[object_id]
        assert store.records(object_id) == [record(object_id)]
        assert [b.tip for b in store.branches(object_id)] == [SEGMENTS]
        assert store.segments(branch, 1, 1 << 20) == [raw(branch, n) for n in range(1, SEGMENTS + 1)]


def test_a_flipped_bit_in_a_segment(tmp_path: Path) -> None:
    """Segments before the damaged one are read, the damaged one is named, and the ones after are reached."""
    path = tmp_path / "store.db"
    branches = filled(path)
    branch = branches[OBJECTS[1]]
    flip(path, raw(branch, 30))
    store = SqliteStore(path)

    assert store.segments(branch, 1, 1 << 20) == [raw(branch, n) for n in range(1, 30)]
    with pytest.raises(Damaged, match=f"segment 30 of branch {branch}"):
        store.segments(branch, 30, 1 << 20)
    assert store.segments(branch, 31, 1) == [raw(branch, 31)]
    check_undamaged(store, branches, [OBJECTS[0], *OBJECTS[2:]])
    store.close()


@pytest.mark.parametrize("what", ["record of ", "change of ", "value of "])
def test_a_flipped_bit_in_a_small_row(tmp_path: Path, what: str) -> None:
    """A damaged record, journal entry or value is Damaged; those of other objects are read."""
    path = tmp_path / "store.db"
    branches = filled(path)
    flip(path, what.encode() + OBJECTS[2])
    store = SqliteStore(path)
    reads = {
        "record of ": store.records,
        "change of ": store.journal,
        "value of ": lambda o: store.value("space", o),
    }

    with pytest.raises(Damaged, match="cannot be read"):
        reads[what](OBJECTS[2])
    for object_id in (OBJECTS[0], OBJECTS[3]):
        assert reads[what](object_id)
    check_undamaged(store, branches, [OBJECTS[0], OBJECTS[3]])
    store.close()


def test_a_wrecked_page(tmp_path: Path) -> None:
    """A page that SQLite cannot parse takes its own segments with it, and no other object's."""
    path = tmp_path / "store.db"
    branches = filled(path)
    branch = branches[OBJECTS[1]]
    wreck_page_of(path, raw(branch, 30))
    store = SqliteStore(path)
    good = store.segments(branch, 1, 1 << 20)

    assert 10 < len(good) < 30
    with pytest.raises(Damaged):
        store.segments(branch, len(good) + 1, 1 << 20)
    check_undamaged(store, branches, [OBJECTS[0], *OBJECTS[2:]])
    store.close()


def test_a_store_with_a_wrecked_page_still_takes_writes(tmp_path: Path) -> None:
    """A damaged object does not keep another one from growing."""
    path = tmp_path / "store.db"
    branches = filled(path)
    wreck_page_of(path, raw(branches[OBJECTS[0]], 30))
    store = SqliteStore(path)
    branch = branches[OBJECTS[3]]
    store.write([AppendSegment(branch, SEGMENTS + 1, SegmentId(b"n" * 32), b"new")]).result(30)

    assert store.segments(branch, SEGMENTS + 1, 1 << 20) == [b"new"]
    store.close()


def test_truncating_makes_room_for_what_is_fetched_again(tmp_path: Path) -> None:
    """A branch truncated at its damaged segment grows again from there."""
    path = tmp_path / "store.db"
    branches = filled(path)
    branch = branches[OBJECTS[1]]
    flip(path, raw(branch, 30))
    store = SqliteStore(path)
    store.write([TruncateBranch(branch, 30)]).result(30)
    store.write([append(branch, n) for n in range(30, SEGMENTS + 1)]).result(30)

    check_undamaged(store, branches, OBJECTS)
    store.close()


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """It is Damaged with a hint; salvage keeps the file and leaves an empty store in its place."""
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(Damaged) as caught:
        SqliteStore(path)
    report = SqliteStore.salvage(path)
    store = SqliteStore(path)

    assert "start one again" in caught.value.hint
    assert report.kept.read_bytes() == content
    assert (report.saved, len(report.lost)) == (0, 1)
    assert store.objects() == []
    store.close()


def test_salvage_keeps_what_is_undamaged(tmp_path: Path) -> None:
    """All other objects are whole, the damaged branch is kept up to the damage, and the report names it."""
    path = tmp_path / "store.db"
    branches = filled(path)
    branch = branches[OBJECTS[1]]
    flip(path, raw(branch, 30))
    flip(path, b"change of " + OBJECTS[2])
    before = path.read_bytes()
    report = SqliteStore.salvage(path)
    store = SqliteStore(path)

    assert len(report.lost) == 2
    assert OBJECTS[1].hex()[:16] in report.lost[0]
    assert OBJECTS[2].hex()[:16] in report.lost[1]
    assert report.kept.read_bytes() == before
    check_undamaged(store, branches, [OBJECTS[0], *OBJECTS[2:]])
    assert [b.tip for b in store.branches(OBJECTS[1])] == [29]
    assert store.journal(OBJECTS[2]) == []
    assert len(store.journal(OBJECTS[3])) == 1
    store.close()


def test_salvage_gives_no_number_twice(tmp_path: Path) -> None:
    """Branch and journal numbers go on growing in the new store."""
    path = tmp_path / "store.db"
    branches = filled(path)
    store = SqliteStore(path)
    journal, branch = store.next_journal(), store.next_branch()
    store.close()
    SqliteStore.salvage(path)
    store = SqliteStore(path)

    assert store.next_journal() > journal
    assert store.next_branch() > max(branch, *branches.values())
    store.close()


def test_salvage_reads_a_wrecked_table_from_both_ends(tmp_path: Path) -> None:
    """One wrecked page among many records loses that page's records and no others."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    records = [StoredRecord(1, n.to_bytes(32, "big"), b"record %04d " % n * 30) for n in range(200)]
    store.write([PutRecord(OBJECTS[0], record) for record in records])
    store.close()
    wreck_page_of(path, records[100].raw)
    report = SqliteStore.salvage(path)
    store = SqliteStore(path)
    left = store.records(OBJECTS[0])

    assert report.lost == ("Some records lie on damaged pages.",)
    assert 180 < len(left) < 200
    assert {left[0], left[-1]} == {records[0], records[-1]}
    store.close()


def test_salvage_twice_keeps_both_files(tmp_path: Path) -> None:
    """A damaged file that was kept is never overwritten by the next one."""
    path = tmp_path / "store.db"
    for content in (b"first" * 2000, b"second" * 2000):
        path.write_bytes(content)
        SqliteStore.salvage(path)

    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "store.db",
        "store.db.damaged-1",
        "store.db.damaged-2",
    ]
