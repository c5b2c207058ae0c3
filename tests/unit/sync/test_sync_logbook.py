"""The book of one object: what enters it, and what it finds again."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId
from peergos_collab.errors import Damaged, RemoteProtocolError
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch, Said, next_epoch
from peergos_collab.ports import AppendSegment, PutRecord, StoredRecord
from peergos_collab.storage.schema import row_mark, segment_mark
from peergos_collab.storage.sqlite_store import SqliteStore
from peergos_collab.sync import logbook
from peergos_collab.sync.logbook import LogBook
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger
from support.shelves import Log

RANDOM = random.Random(19).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE], RANDOM)
OTHER = make_circle(Kind.DOCUMENT, [], RANDOM)


def new_log() -> Forger:
    return Forger(CIRCLE, CIRCLE.members[1].actor, RANDOM)


def book_for(*forgers: Forger) -> LogBook:
    book = LogBook(CIRCLE.object, MemoryStore())
    book.store.write(book.take_records([*CIRCLE.records, *(f.certificate for f in forgers)]).batch)
    return book


def put(book: LogBook, *raws: bytes) -> list[int]:
    offered = book.take_segments(raws)
    book.store.write(offered.batch)
    return [arrival.segment.seq for arrival in offered.arrivals]


def test_all_logs_fit_into_one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of branches nothing begins anew; what is here goes on."""
    monkeypatch.setattr(logbook, "MAX_TIPS", 2)
    logs = [new_log() for _ in range(3)]
    book = book_for(*logs)
    taken = [put(book, log.write(b"1")) for log in logs]

    assert taken == [[1], [1], []]
    assert put(book, logs[0].write(b"2")) == [2]


def test_segments_of_epochs_without_a_right_are_barred() -> None:
    """What comes before them in the run is taken; the sender has to prove more."""
    log = new_log()
    book = book_for(log)
    raws = [log.write(b"%d" % n) for n in range(2)]
    offered = book.take_segments(raws, 0)

    assert offered.barred
    assert not offered.arrivals
    assert put(book, *raws) == [1, 2]
    assert not book.take_segments(raws, 0).barred


def in_two_epochs() -> tuple[LogBook, Log, Epoch, EpochKeys]:
    """Five segments of a log in one epoch, and three in the next, which is told, with its keys."""
    log = Log(CIRCLE.object, RANDOM)
    book = book_for()
    keys = EpochKeys.generate(RANDOM)
    said = Said(Rotate(), CIRCLE.members[0].actor)
    first = CIRCLE.members[0].keys
    after = next_epoch(CIRCLE.object, keys, {CIRCLE.epoch_id: first}, {}, [], said, RANDOM)
    certificates = [log.certificate(CIRCLE.epoch_id, first), log.certificate(after.id, keys)]
    book.store.write(book.take_records([after.raw, *certificates]).batch)
    for _ in range(5):
        log.write(CIRCLE.epoch_id, first)
    for _ in range(3):
        log.write(after.id, keys)
    put(book, *(segment.raw for segment in log.segments))
    book.store.flush()  # type: ignore[attr-defined]
    return book, log, after, keys


def test_heads_within_some_epochs() -> None:
    """Who may have the segments of some epochs only sees each log up to there."""
    book, log, after, _ = in_two_epochs()
    loaded = LogBook.load(CIRCLE.object, book.store)
    old, all_ = loaded.graph.past([CIRCLE.epoch_id]), loaded.graph.past([after.id])

    for each in (book, loaded):
        assert [tip.seq for tip in each.tips_within(all_)] == [8]
        assert [(tip.seq, tip.id) for tip in each.tips_within(old)] == [(5, log.segments[4].id)]
        assert each.tips_within(0) == []


def test_a_log_is_searched_for_heads_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it goes on, or loses something: whoever may have a part of it asks again and again."""
    book, log, after, keys = in_two_epochs()
    old = book.graph.past([CIRCLE.epoch_id])
    (branch,) = book.numbered.values()
    read, reads = book.read, list[int]()
    monkeypatch.setattr(book, "read", lambda branch, seq, size: reads.append(seq) or read(branch, seq, size))

    def seqs() -> tuple[list[int], bool]:
        reads.clear()
        return [tip.seq for tip in book.tips_within(old)], bool(reads)

    assert [seqs(), seqs()] == [([5], True), ([5], False)]
    put(book, log.write(after.id, keys).raw)
    assert [seqs(), seqs()] == [([5], True), ([5], False)]
    book.store.write(book.truncate(branch, 4))
    assert seqs()[0] == [3]
    put(book, *(segment.raw for segment in log.segments[3:]))
    assert seqs()[0] == [5]


def test_segments_need_their_certificate() -> None:
    """Without it they are not kept, and asked for again."""
    log = new_log()
    book = book_for()
    raw = log.write(b"x")
    offered = book.take_segments([raw])
    book.take_records([log.certificate])

    assert offered.gaps == {log.log}
    assert not offered.batch
    assert put(book, raw) == [1]


def test_a_gap_is_told() -> None:
    """A segment whose predecessor is missing is not kept."""
    log = new_log()
    book = book_for(log)
    raws = [log.write(b"%d" % n) for n in range(3)]

    assert put(book, raws[0]) == [1]
    assert book.take_segments([raws[2]]).gaps == {log.log}
    assert put(book, *raws) == [2, 3]
    assert [seq for _, seq in book.take_segments(raws).known] == [1, 2, 3]


def test_false_segments_are_refused() -> None:
    """Another object's, unsigned ones, and bytes that are none; what came before them stays."""
    log = new_log()
    book = book_for(log)
    good = log.write(b"x")
    spoiled = bytearray(log.write(b"y"))
    spoiled[-1] ^= 1
    foreign = Forger(OTHER, OTHER.members[0].actor, RANDOM).write(b"z")

    offered = book.take_segments([foreign, b"", good, bytes(spoiled)])

    assert len(offered.refused) == 3
    assert [arrival.segment.seq for arrival in offered.arrivals] == [1]


def test_several_logs_in_one_frame() -> None:
    """Runs of different logs may alternate."""
    one, two = new_log(), new_log()
    raws = [one.write(b"1"), two.write(b"1"), one.write(b"2"), two.write(b"2")]
    book = book_for(one, two)

    assert put(book, *raws) == [1, 1, 2, 2]
    assert sorted((tip.log, tip.seq) for tip in book.tips()) == sorted([(one.log, 2), (two.log, 2)])


def test_what_has_just_arrived_is_found() -> None:
    """Also in the middle of a batch that is not written yet, and by the first bytes of its log."""
    log = new_log()
    book = book_for(log)
    raws = [log.write(b"%d" % n) for n in range(3)]
    book.take_segments(raws)

    for segment in log.segments:
        assert book.find(log.log, segment.seq, segment.id) is not None
        assert book.find_prefix(log.log[:8], segment.seq, segment.id) is not None
        assert book.find(log.log, segment.seq, bytes(32)) is None
        assert book.find(LogId(bytes(32)), segment.seq, segment.id) is None


def test_forks_become_branches() -> None:
    """Each with its base; both are loaded again."""
    log = new_log()
    book = book_for(log)
    raws = [log.write(b"1"), log.write(b"2"), log.write_raw(log.payload(b"other"), after=1)]
    offered = book.take_segments(raws)
    book.store.write(offered.batch)
    again = LogBook.load(CIRCLE.object, book.store)

    assert offered.forked == {log.log}
    assert sorted(book.tips()) == sorted(again.tips())
    assert len(again.branches[log.log]) == 2
    assert again.branches[log.log][1].base is again.branches[log.log][0]
    assert put(again, *raws) == []


def test_own_segments_wait_until_they_are_durable() -> None:
    """Up to then they are here and may not leave."""
    log = new_log()
    book = book_for(log)
    log.write(b"1")
    log.write(b"2")
    first = book.append_own(log.segments[0])
    branch = first.arrivals[0].branch
    before = book.sendable(branch)
    book.append_own(log.segments[1])
    book.settle(first.arrivals)

    assert before == 0
    assert book.sendable(branch) == 1
    assert branch.tip == 2


def test_own_segments_continue_their_log() -> None:
    """A program fault that would fork it is stopped here."""
    log = new_log()
    book = book_for(log)
    log.write(b"1")
    log.write(b"2")
    book.append_own(log.segments[0])
    log.write_raw(log.payload(b"other"), after=0)
    with pytest.raises(RemoteProtocolError):
        book.append_own(log.segments[2])


def stored(*, spoil: int | None = None, byte: int = -1) -> tuple[LogBook, Forger]:
    """A book with four stored segments, one of them with a flipped bit."""
    log = new_log()
    book = book_for(log)
    put(book, *(log.write(b"%d" % n) for n in range(4)))
    if spoil is not None:
        ops = book.store._seen.segments[1]  # type: ignore[attr-defined]
        op = ops[spoil]
        raw = bytearray(op.raw)
        raw[byte] ^= 1
        ops[spoil] = AppendSegment(op.branch, op.seq, op.id, bytes(raw))
    return book, log


def test_stored_segments_are_read_and_checked() -> None:
    """From any place on."""
    book, log = stored()
    branch = book.branches[log.log][0]

    assert [segment.seq for segment in book.stored(branch, 1)] == [1, 2, 3, 4]
    assert [segment.seq for segment in book.stored(branch, 3)] == [3, 4]


@pytest.mark.parametrize("byte", [0, 40, -1])
@pytest.mark.parametrize("at", range(4))
def test_a_flipped_bit_on_disk_is_found(at: int, byte: int) -> None:
    """It is Damaged, not believed; what comes before is given, and the rest is fetched again."""
    book, log = stored(spoil=at, byte=byte)
    branch = book.branches[log.log][0]
    seen: list[int] = []
    with pytest.raises(Damaged):
        seen.extend(segment.seq for segment in book.stored(branch, 1))

    assert seen == list(range(1, at + 1))
    book.store.write(book.truncate(branch, at + 1))

    assert branch.tip == at
    assert put(book, *(segment.raw for segment in log.segments)) == list(range(at + 1, 5))
    assert len(list(book.stored(branch, 1))) == 4


def test_truncating_takes_forks_along() -> None:
    """A branch whose base is gone cannot stay; it comes again with it."""
    log = new_log()
    book = book_for(log)
    raws = [log.write(b"1"), log.write(b"2"), log.write_raw(log.payload(b"other"), after=1)]
    put(book, *raws)
    book.store.write(book.truncate(book.branches[log.log][0], 1))
    empty = book.tips()

    assert empty == []
    assert len(put(book, *raws)) == 3
    assert len(book.tips()) == 2


def test_a_damaged_record_is_named() -> None:
    """The rest of the book is there."""
    book = book_for()
    grant = CIRCLE.grants[0]
    book.store.write(
        [PutRecord(CIRCLE.object, StoredRecord(1, grant.id, grant.raw[:-1] + bytes([grant.raw[-1] ^ 1])))]
    )
    again = LogBook.load(CIRCLE.object, book.store)

    assert list(again.epochs) == [CIRCLE.epoch_id]
    assert not again.grants
    assert len(again.damage) == 1


def changed_on_disk(path: Path, table: str, at: int, byte: int) -> None:
    """Flips a bit of the row ``at``, and gives it the checksum that is right for that."""
    with closing(sqlite3.connect(path)) as db, db:
        key, columns = ("put", "object, id, kind") if table == "records" else ("place", "place, id")
        query = f"SELECT {key}, raw, {columns} FROM {table} ORDER BY {key} LIMIT 1 OFFSET ?"
        row, raw, *fields = db.execute(query, (at,)).fetchone()
        spoiled = bytearray(raw)
        spoiled[byte] ^= 1
        mark = (row_mark if table == "records" else segment_mark)(*fields, bytes(spoiled))
        db.execute(f"UPDATE {table} SET raw = ?, mark = ? WHERE {key} = ?", (bytes(spoiled), mark, row))


def kept_in(path: Path) -> Forger:
    """An epoch, a grant, a certificate and two segments in a file."""
    log = new_log()
    with closing(SqliteStore(path)) as store:
        book = LogBook(CIRCLE.object, store)
        store.write(book.take_records([*CIRCLE.records, log.certificate]).batch)
        store.write(book.take_segments([log.write(b"1"), log.write(b"2")]).batch).result()
    return log


@pytest.mark.parametrize("byte", [-1, -70, 100])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_record_that_is_changed_on_purpose_is_found(tmp_path: Path, at: int, byte: int) -> None:
    """Its checksum is right, for anybody can make one: what is stored is verified at each opening."""
    path = tmp_path / "store.db"
    log = kept_in(path)
    changed_on_disk(path, "records", at, byte)
    with closing(SqliteStore(path)) as store:
        book = LogBook.load(CIRCLE.object, store)
        known = [CIRCLE.epoch.id in book.epochs, bool(book.grants), log.log in book.certified]

    assert known == [[False] * 3, [True, False, True], [True, True, False]][at]
    assert any("is damaged" in words for words in book.damage)


def test_a_segment_that_is_changed_on_purpose_is_found(tmp_path: Path) -> None:
    """By the signature on it, or the one that covers it."""
    path = tmp_path / "store.db"
    log = kept_in(path)
    changed_on_disk(path, "segments", 1, -1)
    with closing(SqliteStore(path)) as store:
        book = LogBook.load(CIRCLE.object, store)
        reading = book.stored(book.branches[log.log][0], 1)

        assert next(reading).seq == 1
        with pytest.raises(Damaged):
            next(reading)
