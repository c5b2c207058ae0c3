"""A replica: sealing late, taking in causally, and coming back after a restart."""

from __future__ import annotations

import random

import pytest

from peergos_collab.chat import Message, encode_events
from peergos_collab.errors import NoAccess
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind, decode_payload_untrusted
from peergos_collab.objects.segments import Segment
from peergos_collab.ports import AppendSegment, DropJournal, PutJournal
from peergos_collab.sync.replica import Replica
from peergos_collab.sync.unsealed import SITTING
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger, replica_of, take, take_certificates
from support.hidden_texts import Table

RANDOM = random.Random(21).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE, Level.READ], RANDOM)
ANA, BOB, READER = CIRCLE.members


def say(replica: Replica, text: str) -> None:
    replica.submit(replica.fold.add_local(Message(text), 1))  # type: ignore[attr-defined]


def collect(replica: Replica) -> list[Segment]:
    """Everything it makes durable now."""
    segments = []
    while (collected := replica.collect()) is not None:
        replica.store.write(collected.batch)
        segments += [arrival.segment for arrival in collected.arrivals]
    return segments


def texts(replica: Replica) -> list[str]:
    timeline = replica.fold.timeline  # type: ignore[attr-defined]
    return [message.text for message in timeline.messages(0, len(timeline))]


def payload_of(segment: Segment) -> object:
    return decode_payload_untrusted(segment.open(ANA.keys.content))


def restarted(replica: Replica, member: object = ANA, **how: bool) -> Replica:
    store = replica.store
    assert isinstance(store, MemoryStore)
    again = replica_of(CIRCLE, member, RANDOM, store)  # type: ignore[arg-type]
    if how.get("new_log"):
        store.write([again.own.retire()])
    again.deliver_stored()
    again.restore_journal()
    return again


def test_alone_a_change_is_only_journaled() -> None:
    """Nothing is sealed before heads were compared; what is in the journal survives a restart."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    say(replica, "one")
    collected = replica.collect()
    assert collected is not None
    replica.store.write(collected.batch)
    again = restarted(replica)

    assert [type(op) for op in collected.batch] == [PutJournal]
    assert len(replica.unsealed) == len(again.unsealed) == 1
    assert texts(again) == []


def test_once_released_the_journal_becomes_segments() -> None:
    """And goes from the journal in the same batch."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    say(replica, "one")
    collect(replica)
    replica.released = True
    collected = replica.collect()
    assert collected is not None
    replica.store.write(collected.batch)

    assert {AppendSegment, DropJournal} <= {type(op) for op in collected.batch}
    assert not replica.store.journal(CIRCLE.object)
    assert texts(replica) == ["one"]
    assert texts(restarted(replica)) == ["one"]


def test_changes_are_merged_and_numbered() -> None:
    """Numbers go on within a run, also over a restart of the journal's runs."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    for text in "abc":
        say(replica, text)
    replica.released = True
    say(replica, "d")
    first = collect(replica)[0]
    say(replica, "e")
    second = collect(replica)[0]

    assert (payload_of(first).first, payload_of(first).count) == (1, 4)  # type: ignore[attr-defined]
    assert (payload_of(second).first, payload_of(second).count) == (5, 1)  # type: ignore[attr-defined]
    assert payload_of(second).introduction is None  # type: ignore[attr-defined]


def test_a_segment_ends_where_somebody_paused() -> None:
    """A segment has one time: what was written on different days is not merged, though it waited together."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    for time in (0, 1, 1 + SITTING, 1 + 2 * SITTING, 2 + 2 * SITTING):
        replica._clock = lambda time=time: time  # type: ignore[misc]
        say(replica, "word")
    replica.released = True
    payloads = [payload_of(segment) for segment in collect(replica)]

    assert [(each.time, each.count) for each in payloads] == [  # type: ignore[attr-defined]
        (1, 2), (1 + SITTING, 1), (2 + 2 * SITTING, 2),
    ]  # fmt: skip


def test_a_journal_of_an_earlier_run_keeps_its_numbers() -> None:
    """It is sealed under the run it was made in, before anything newer."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    say(replica, "old")
    collect(replica)
    again = restarted(replica)
    again.released = True
    say(again, "new")
    runs = [(payload_of(s).run, payload_of(s).first) for s in collect(again)]  # type: ignore[attr-defined]

    assert runs == [(replica.run, 1), (again.run, 1)]
    assert texts(again) == ["old", "new"]


def test_changes_found_in_a_segment_are_not_sealed_again() -> None:
    """A restored journal of what others have already adds nothing."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    say(replica, "one")
    collect(replica)
    copy = MemoryStore()
    copy._durable = copy._seen = type(replica.store._seen)(  # type: ignore[attr-defined]
        {k: dict(v) for k, v in replica.store._seen.records.items()},  # type: ignore[attr-defined]
        journal={k: dict(v) for k, v in replica.store._seen.journal.items()},  # type: ignore[attr-defined]
    )
    replica.released = True
    segments = collect(replica)
    twin = replica_of(CIRCLE, ANA, RANDOM, copy)
    twin.restore_journal()
    take_certificates(twin, *(c.raw for c in replica.book.certificates.values()))
    take(twin, *(segment.raw for segment in segments))
    twin.released = True

    assert collect(twin) == []
    assert len(twin.unsealed) == 0
    assert texts(twin) == ["one"]


def test_a_log_with_unknown_segments_is_left() -> None:
    """A device that meets a segment of its own log which it does not know opens a new log."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    replica.released = True
    say(replica, "one")
    collect(replica)
    key = replica.own.current
    assert key is not None
    elsewhere = Forger(CIRCLE, ANA.actor, RANDOM)
    elsewhere.key = key
    elsewhere.segments = [next(iter(replica.book.stored(replica.book.numbered[1], 1)))]
    take(replica, elsewhere.write(encode_events(2, [Message("twin")])))
    say(replica, "two")
    segment = collect(replica)[0]

    assert segment.log != key.public
    assert segment.seq == 1
    assert texts(replica) == ["one", "twin", "two"]


def test_after_an_unclean_start_a_new_log() -> None:
    """The home may be an old copy; what the old log holds is cited."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    replica.released = True
    say(replica, "one")
    old = collect(replica)[0]
    again = restarted(replica, new_log=True)
    again.released = True
    say(again, "two")
    new = collect(again)[0]

    assert new.log != old.log
    assert [cite.id for cite in payload_of(new).cites] == [old.id]  # type: ignore[attr-defined]
    assert again.own.owns(old.log)


def test_readers_cannot_submit() -> None:
    """They are told at once."""
    with pytest.raises(NoAccess):
        replica_of(CIRCLE, READER, RANDOM).submit(b"x")


def test_nothing_is_sealed_before_one_is_known_as_a_writer() -> None:
    """Without the grant here nobody would believe the segment: it stays in the journal."""
    replica = replica_of(CIRCLE, BOB, RANDOM, records=CIRCLE.records[:1])
    replica.released = True
    say(replica, "one")
    before = collect(replica)
    replica.take_records(CIRCLE.records)

    assert before == []
    assert len(replica.unsealed) == 1
    assert len(collect(replica)) == 1


def test_segments_wait_for_the_grant_of_their_author() -> None:
    """They are not set aside: a node may hand out a grant late."""
    replica = replica_of(CIRCLE, ANA, RANDOM, records=CIRCLE.records[:1])
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    take_certificates(replica, forger.certificate)
    take(replica, forger.write(encode_events(1, [Message("early")])))
    before = texts(replica)
    replica.take_records(CIRCLE.records)
    deliveries = replica.deliver_waiting("memory")

    assert before == []
    assert not replica.order.set_aside
    assert len(deliveries) == 1
    assert texts(replica) == ["early"]


def test_what_is_cited_comes_first() -> None:
    """Others' heads are cited once, and not again while nothing new came."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    take_certificates(replica, forger.certificate)
    take(replica, forger.write(encode_events(1, [Message("theirs")])))
    replica.released = True
    say(replica, "mine")
    first = collect(replica)[0]
    say(replica, "more")
    second = collect(replica)[0]

    assert [cite.id for cite in payload_of(first).cites] == [forger.segments[0].id]  # type: ignore[attr-defined]
    assert payload_of(second).cites == ()  # type: ignore[attr-defined]


def test_a_damaged_journal_entry_is_named() -> None:
    """The others come back."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    for text in "ab":
        say(replica, text)
        collect(replica)
    entries = replica.store._seen.journal[CIRCLE.object]  # type: ignore[attr-defined]
    last = max(entries)
    entries[last] = entries[last][:-1] + bytes([entries[last][-1] ^ 1])
    again = restarted(replica)

    assert len(again.unsealed) == 1
    assert any("damaged" in problem for problem in again.problems)


def test_a_damaged_segment_is_fetched_again() -> None:
    """It is named, what came before stays, and the same bytes are taken in when they come."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    take_certificates(replica, forger.certificate)
    raws = [forger.write(encode_events(n, [Message(str(n))]), first=n) for n in (1, 2, 3)]
    take(replica, *raws)
    ops = replica.store._seen.segments[1]  # type: ignore[attr-defined]
    ops[1] = AppendSegment(1, 2, ops[1].id, ops[1].raw[:-1] + bytes([ops[1].raw[-1] ^ 1]))
    again = restarted(replica)
    before = texts(again)
    take(again, *raws)

    assert before == ["1"]
    assert any("fetched again" in problem for problem in again.problems)
    assert texts(again) == ["1", "2", "3"]


def test_what_follows_a_damaged_journal_entry_is_numbered_anew() -> None:
    """A gap in the numbers would make all others wait for ever; a second restart changes nothing."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    for text in ("one", "two", "three"):
        say(replica, text)
        collect(replica)
    entries = replica.store._seen.journal[CIRCLE.object]  # type: ignore[attr-defined]
    entries[sorted(entries)[1]] = b"damaged"

    again = restarted(restarted(replica))
    numbers = [change.number for change in again.unsealed.journaled]
    again.released = True
    (segment,) = collect(again)
    reader = replica_of(CIRCLE, BOB, RANDOM)
    take_certificates(reader, *(one.raw for one in again.book.certificates.values()))
    take(reader, segment.raw)

    assert numbers == [1, 2]
    assert texts(again) == texts(reader) == ["one", "three"]
    assert not again.store.journal(CIRCLE.object)


@pytest.mark.parametrize("starts_again", [True, False])
def test_who_is_back_after_a_removal_writes_in_a_new_log(starts_again: bool) -> None:
    """His old one ended before words of his that do not count: what followed them would reach nobody, nor
    would what follows them in the numbers of his run, if it is the same process still."""
    table = Table("ab")
    table.add("a", "b")
    table.meet()
    table["b"].write(0, "seen ")
    table.meet()
    table["b"].write(0, "not seen ")
    table["a"].remove(table["b"])
    table["a"].only_add(table["b"], Level.WRITE, hidden=False)
    table["a"].tell(table["b"])
    table["b"].settle()
    if starts_again:
        table["b"].start()
    table["b"].write(0, "back ")
    table["b"].write(0, "again ")
    table.meet()
    table.meet()

    assert table["a"].text == table["b"].text == "again back seen "
