"""The book of one object: what enters it, and what it finds again."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import LogId
from peergos_collab.errors import Damaged, RemoteProtocolError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.ports import AppendSegment, PutRecord, StoredRecord
from peergos_collab.sync.logbook import LogBook
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger

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


def test_records_in_any_order() -> None:
    """A grant before its epoch waits within one call; known ones are not written twice."""
    book = LogBook(CIRCLE.object, MemoryStore())
    offered = book.take_records(CIRCLE.records[::-1])
    again = book.take_records(CIRCLE.records)

    assert len(offered.records) == 2
    assert offered.batch
    assert not offered.refused
    assert not again.batch


def test_records_of_others_are_refused() -> None:
    """Another object's, an epoch's that is not here, and bytes that are none."""
    book = book_for()
    alone = LogBook(CIRCLE.object, MemoryStore())

    assert book.take_records(OTHER.records).refused == ["a record of another object"]
    assert alone.take_records(CIRCLE.records[1:]).refused == ["a membership record whose epoch is not known"]
    assert book.take_records([b"", b"x" * 300]).refused


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
