"""Taking the damaged rows of one object out of a store in use."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.ports import AppendSegment, NewBranch, PutJournal, PutRecord, PutValue, StoredRecord
from peergos_collab.storage import SqliteStore

MINE, OTHER = ObjectId(b"m" * 32), ObjectId(b"o" * 32)
SEGMENTS = 5


def raw(seq: int) -> bytes:
    return b"segment %d" % seq


def fill(path: Path) -> None:
    store = SqliteStore(path)
    for object_id in (MINE, OTHER):
        branch = store.next_branch()
        store.write([PutRecord(object_id, StoredRecord(1, b"r" * 32, b"record"))])
        store.write([NewBranch(branch, object_id, LogId(b"l" * 32), 0, 1)])
        for seq in range(1, SEGMENTS + 1):
            store.write([AppendSegment(branch, seq, SegmentId(bytes([seq]) * 32), raw(seq))])
        store.write(
            [PutJournal(object_id, store.next_journal(), b"change"), PutValue("s", object_id, b"value")]
        )
    store.close()


def damage(path: Path, statement: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    assert database.execute(statement, (MINE,) if "?" in statement else ()).rowcount == 1
    database.close()


@pytest.mark.parametrize(
    ("statement", "records", "segments"),
    [
        ("UPDATE records SET mark = mark + 1 WHERE object = ?", [b"record"], []),
        ("UPDATE records SET raw = x'00' WHERE object = ?", [b"\0"], []),
        ("UPDATE records SET object = zeroblob(32) WHERE object = ?", [b"record"], []),
        ("UPDATE branches SET mark = mark + 1 WHERE object = ?", [], [raw(n) for n in range(1, 6)]),
        ("UPDATE branches SET object = zeroblob(32) WHERE object = ?", [], [raw(n) for n in range(1, 6)]),
        ("UPDATE segments SET mark = mark + 1 WHERE place = (1 << 32) + 3", [], [raw(3), raw(4), raw(5)]),
        ("UPDATE journal SET mark = mark + 1 WHERE object = ?", [], []),
        ("UPDATE vals SET mark = mark + 1 WHERE key = ?", [], []),
    ],
)
def test_what_is_taken_out(
    tmp_path: Path, statement: str, records: list[bytes], segments: list[bytes]
) -> None:
    """Damaged rows come back as bytes, other objects stay, and the file as it was lies beside the store."""
    path = tmp_path / "store.db"
    fill(path)
    damage(path, statement)
    store = SqliteStore(path)
    branch = {object_id: number for number, object_id in enumerate((MINE, OTHER), 1)}

    taken = store.repair(MINE)

    assert (taken.records, taken.segments) == (records, segments)
    assert (tmp_path / taken.kept).stat().st_size > 0
    assert [entry.raw for entry in store.journal(MINE)] == [b"change"]
    assert store.value("s", MINE) == b"value"
    assert len(store.records(MINE)) == 1 - len(records)
    assert sum(b.tip for b in store.branches(MINE)) == SEGMENTS - len(segments)
    assert store.segments(branch[OTHER], 1, 1 << 20) == [raw(n) for n in range(1, SEGMENTS + 1)]
    assert len(store.records(OTHER)) == 1
    if segments and segments[0] == raw(3):
        store.write([AppendSegment(branch[MINE], 3, SegmentId(b"n" * 32), b"again")]).result()
        assert store.segments(branch[MINE], 3, 1 << 20) == [b"again"]
    store.close()


def test_nothing_is_taken_out_of_a_whole_store(tmp_path: Path) -> None:
    """What is undamaged stays, and is still there for the next process."""
    path = tmp_path / "store.db"
    fill(path)
    store = SqliteStore(path)

    taken = store.repair(MINE)

    assert (taken.records, taken.segments) == ([], [])
    store.close()
    again = SqliteStore(path)
    assert [b.tip for b in again.branches(MINE)] == [SEGMENTS]
    again.close()
