"""The records of one object: what enters, in whatever order it comes, and how much."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import LogId
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch, Said, next_epoch
from peergos_collab.sync import record_book
from peergos_collab.sync.record_book import RecordBook
from support.circle import make_circle
from support.forge import Forger

RANDOM = random.Random(19).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE], RANDOM)
OTHER = make_circle(Kind.DOCUMENT, [], RANDOM)


def book_for(*forgers: Forger) -> RecordBook:
    book = RecordBook(CIRCLE.object)
    book.take_records([*CIRCLE.records, *(forger.certificate for forger in forgers)])
    return book


def test_records_in_any_order() -> None:
    """A grant before its epoch waits within one call; known ones are not written twice."""
    book = RecordBook(CIRCLE.object)
    offered = book.take_records(CIRCLE.records[::-1])
    again = book.take_records(CIRCLE.records)

    assert len(offered.records) == 2
    assert offered.batch
    assert not offered.refused
    assert not again.batch


def test_records_of_others_are_refused() -> None:
    """Another object's, an epoch's that is not here, and bytes that are none."""
    book = book_for()
    alone = RecordBook(CIRCLE.object)

    assert book.take_records(OTHER.records).refused == ["a record of another object"]
    assert alone.take_records(CIRCLE.records[1:]).early == CIRCLE.records[1:]
    assert book.take_records([b"", b"x" * 300]).refused


def chain(count: int, *, admin: bool = False) -> list[Epoch]:
    """Epochs that follow each other, made by a writer."""
    made: list[Epoch] = []
    parent, keys = CIRCLE.epoch_id, CIRCLE.members[0 if admin else 1].keys
    for _ in range(count):
        fresh = EpochKeys.generate(RANDOM)
        said = Said(Rotate(), CIRCLE.members[1].actor)
        made.append(next_epoch(CIRCLE.object, fresh, {parent: keys}, {}, [], said, RANDOM))
        parent, keys = made[-1].id, fresh
    return made


@pytest.mark.parametrize("seed", range(5))
def test_epochs_in_any_order(seed: int) -> None:
    """Each waits for its parents, within one call; what has none of them here is told to be early."""
    raws = [epoch.raw for epoch in chain(8)]
    shuffled = random.Random(seed).sample([*raws, *CIRCLE.records], len(raws) + 2)
    book = RecordBook(CIRCLE.object)
    offered = book.take_records(shuffled)
    late = book_for()
    gap = late.take_records([*raws[:2], *raws[3:]])

    assert len(book.epochs) == 9
    assert not offered.early
    assert list(book.graph.newest) == [list(book.epochs)[-1]]
    assert [record.raw for record in gap.records] == raws[:2]
    assert gap.early == raws[3:]
    assert len(late.take_records(raws).records) == 6


def test_an_epoch_by_a_stranger_is_refused() -> None:
    """Its outer signature has to be by a write or admin key of a parent."""
    reader = make_circle(Kind.DOCUMENT, [Level.READ], RANDOM)
    said = Said(Rotate(), reader.members[1].actor)
    held = {CIRCLE.epoch_id: EpochKeys.generate(RANDOM)}
    false = next_epoch(CIRCLE.object, EpochKeys.generate(RANDOM), held, {}, [], said, RANDOM)
    offered = book_for().take_records([false.raw])

    assert len(offered.refused) == 1
    assert not offered.batch


def test_what_writers_fill_up_leaves_room_for_admins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are bounded by the key that signed them; an admin key that a writer made up is a writer's."""
    monkeypatch.setattr(record_book, "MAX_RECORDS", {Level.READ: 4, Level.WRITE: 6, Level.ADMIN: 7})
    book = book_for()
    flood = [epoch.raw for epoch in chain(9)]
    refused = book.take_records(flood).refused
    by_admin = [epoch.raw for epoch in chain(1, admin=True)]

    assert len(book.epochs) + len(book.grants) == 6
    assert refused == ["too many membership records"]
    assert len(book.take_records(by_admin).records) == 1
    assert book.take_records([chain(1, admin=True)[0].raw]).refused == ["too many membership records"]


def test_membership_has_a_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few large records are as dear as many small ones."""
    book, epochs = book_for(), chain(3)
    room = sum(map(len, CIRCLE.records)) + len(epochs[0].raw) + len(epochs[1].raw)
    monkeypatch.setattr(record_book, "MAX_RECORD_BYTES", dict.fromkeys(Level, room))
    refused = book.take_records([epoch.raw for epoch in epochs]).refused

    assert list(book.epochs) == [CIRCLE.epoch_id, epochs[0].id, epochs[1].id]
    assert refused == ["too many membership records"]


def test_one_epoch_certifies_so_many_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past that new keys are needed; a log that goes on in them takes no new place."""
    monkeypatch.setattr(record_book, "MAX_NEW_LOGS", 3)
    logs = [Forger(CIRCLE, CIRCLE.members[1].actor, RANDOM) for _ in range(5)]
    book = book_for(*logs)
    keys = EpochKeys.generate(RANDOM)
    said = Said(Rotate(), CIRCLE.members[0].actor)
    held = {CIRCLE.epoch_id: CIRCLE.members[0].keys}
    after = next_epoch(CIRCLE.object, keys, held, {}, [], said, RANDOM)
    book.take_records([after.raw])

    def certify(log: LogId) -> bool:
        raw = Certificate.issue(CIRCLE.object, after.id, log, keys.signing_key(Level.WRITE)).raw
        return bool(book.take_records([raw]).records)

    assert len(book.certified) == 3
    assert [certify(log.log) for log in logs] == [True, True, True, True, True]
    assert certify(LogId(RANDOM(32)))
    assert not certify(LogId(RANDOM(32)))
