"""A device's seat in an object: keys found in records, the epoch to write in, and what is to be published."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec.ids import EpochId
from peergos_collab.errors import NoAccess
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Leave, Rotate, Target
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch, Said, next_epoch
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.own_seat import OwnSeat
from peergos_collab.testing.store import MemoryStore
from support.circle import actor_of
from support.members import Group, Person
from support.replicas import Chatting, meet

RANDOM = random.Random(64).randbytes


def group(bob: Level = Level.WRITE) -> Group:
    made = Group(["Ana", "Bob", "Cem"], RANDOM, Kind.CHAT)
    made.add("Ana", "Bob", bob, "Cem")
    made.add("Ana", "Cem", Level.WRITE, "Bob")
    return made


def seat_of(person: Person, *, keys: dict[EpochId, EpochKeys] | None = None, told: bool = True) -> OwnSeat:
    book = LogBook(person.membership.object, MemoryStore())
    made = OwnSeat(book, keys or {}, person.maker.actor, RANDOM, lambda *_: ())
    if told:
        book.take_records([record.raw for record in person.records])
        made.take(person.records)
    return made


def hostile_epoch(made: Group, who: str) -> Epoch:
    """One whose keys its author keeps."""
    person = made[who]
    said = Said(Rotate(), person.maker.actor, person.view.heads)
    held = dict(person.membership.keys)
    return next_epoch(made.object, EpochKeys.generate_neutral(RANDOM), held, {}, [], said, RANDOM)


def learn(seat: OwnSeat, *records: Epoch) -> None:
    seat._book.take_records([record.raw for record in records])
    seat.take(records)


def test_keys_are_found_as_records_come() -> None:
    """In the same table always: a session that has it sees what is new."""
    made = group()
    seat = seat_of(made["Bob"], told=False)
    held = seat.keys
    assert seat.epoch() is None
    learn(seat, *made["Bob"].records)  # type: ignore[arg-type]
    first = seat.epoch()
    after = made["Ana"].maker.rotate()
    learn(seat, after)

    assert held is seat.keys
    assert first == made.first.id
    assert seat.epoch() == after.id
    assert set(held) == {made.first.id, after.id}


def test_keys_that_came_with_a_link_count_before_any_record() -> None:
    """They are what a newcomer proves; once the record shows that they are not its keys, they are dropped."""
    made = group()
    false = {made.first.id: EpochKeys.generate(RANDOM)}
    person = made["Bob"]
    seat = seat_of(person, keys=false, told=False)
    assert set(seat.keys) == {made.first.id}
    learn(seat, *person.records)  # type: ignore[arg-type]

    assert seat.keys[made.first.id].level is Level.WRITE


def test_who_is_removed_has_no_epoch_and_publishes_none() -> None:
    """Neither to write in nor to speak in."""
    made = group()
    seat = seat_of(made["Bob"])
    learn(seat, made["Ana"].maker.remove([Target(made["Bob"].id)]))

    assert seat.level() is None
    assert seat.epoch() is None
    assert seat.speaking_epoch() is None
    assert seat.prepare() == []


def test_after_somebody_left_new_keys_come_first() -> None:
    """The next who writes makes them; a reader is silent until then."""
    made = group(Level.READ)
    left = made["Cem"].maker.leave(Leave())
    ana, bob = seat_of(made["Ana"]), seat_of(made["Bob"])
    spoke = bob.speaking_epoch()
    for seat in (ana, bob):
        seat._book.take_records([left.raw])
        seat.take([left])
    before = ana.epoch(), bob.speaking_epoch()
    batch = ana.prepare()
    fresh = ana.epoch()

    assert spoke == made.first.id
    assert before == (None, None)
    assert len(batch) == 2
    assert fresh not in (None, made.first.id)
    assert bob.prepare() == []


def test_somebody_elses_epoch_without_keys_for_us() -> None:
    """The old one may be used, but nobody serves who proves it: another is made beside the hostile one."""
    made = group()
    hostile = hostile_epoch(made, "Cem")
    seat = seat_of(made["Bob"])
    learn(seat, hostile)
    before = seat.epoch()
    seat.prepare()
    beside = seat.epoch()

    assert before is None
    assert beside is not None
    assert seat._book.epochs[beside].parents == (made.first.id,)
    assert set(seat._book.graph.newest) == {hostile.id, beside}
    assert seat.prepare() == []


def test_who_lacks_keys_gets_them_forwarded() -> None:
    """An add that crossed a rotation: any member who sees it hands the new keys on, once."""
    made = Group(["Ana", "Bob", "Cem"], RANDOM, Kind.CHAT)
    made.add("Ana", "Bob", Level.WRITE)
    rotated = made["Bob"].maker.rotate()
    made.add("Ana", "Cem", Level.WRITE)
    bob = seat_of(made["Bob"])
    bob._book.take_records([record.raw for record in (rotated, *made["Cem"].records)])
    bob.take([rotated, *made["Cem"].records])
    assert len(bob.duties()) == 1
    assert bob.duties() == []
    cem = seat_of(made["Cem"])
    cem._book.take_records([record.raw for record in bob._book.membership_records()])
    cem.take(bob._book.membership_records())

    assert rotated.id in cem.keys


def test_newer_user_keys_open_more() -> None:
    """What was wrapped to a key that this device learns later is opened then."""
    made = group()
    bare = replace(made["Bob"].maker.actor, pairs=())
    book = LogBook(made.object, MemoryStore())
    seat = OwnSeat(book, {}, bare, RANDOM, lambda *_: ())
    learn(seat, *made["Bob"].records)  # type: ignore[arg-type]
    before = dict(seat.keys)
    seat.act_as(made["Bob"].maker.actor)

    assert before == {}
    assert seat.epoch() == made.first.id


# -- at work in a replica


def chats(made: Group) -> list[Chatting]:
    return [Chatting(made, person, RANDOM) for person in made.people.values()]


def test_a_log_goes_on_in_a_new_epoch() -> None:
    """With a certificate and an introduction for it, and with what its author has seen of the members."""
    made = group()
    ana, bob, cem = chats(made)
    (one,) = bob.say("one")
    meet(ana, bob, cem)
    removal = ana.person.maker.remove([Target(cem.person.id)])
    ana.know(removal)
    meet(ana, bob)
    (two,) = bob.say("two")
    (three,) = bob.say("three")
    ana.take([], [two.raw])
    bob.tell(ana)

    assert (one.epoch, two.epoch, two.log, two.seq) == (made.first.id, removal.id, one.log, 2)
    payloads = [bob.open(segment) for segment in (one, two, three)]
    assert [payload.introduction is not None for payload in payloads] == [True, True, False]
    assert [removal.id in payload.heads for payload in payloads] == [False, True, False]
    assert [payload.heads != () for payload in payloads] == [True, True, False]
    assert {epoch for log, epoch in ana.replica.book.certificates if log == one.log} == {one.epoch, two.epoch}
    assert ana.texts == ["one", "two", "three"]


def test_what_waits_for_keys_is_opened_with_them() -> None:
    """A segment in an epoch that a member has no keys of yet is kept, and read once they are forwarded."""
    made = Group(["Ana", "Bob", "Cem"], RANDOM, Kind.CHAT)
    made.add("Ana", "Bob", Level.WRITE)
    ana, bob = (Chatting(made, made[name], RANDOM) for name in ("Ana", "Bob"))
    bob.know(bob.person.maker.rotate())
    bob.say("under new keys")
    made.add("Ana", "Cem", Level.WRITE)
    cem = Chatting(made, made["Cem"], RANDOM)
    bob.tell(cem)
    before = cem.texts
    ana.know(*made["Ana"].records)
    meet(ana, bob)
    bob.replica.store.write(bob.replica.do_duties())
    bob.tell(cem)

    assert before == []
    assert cem.texts == ["under new keys"]


def test_work_done_offline_is_sealed_under_todays_keys() -> None:
    """What was written before a removal was heard of goes out under the keys made by it."""
    made = group()
    ana, bob, cem = chats(made)
    bob.replica.released = False
    assert bob.say("on the train") == []
    removal = ana.person.maker.remove([Target(cem.person.id)])
    ana.know(removal)
    ana.tell(bob)
    bob.replica.released = True
    sealed = bob.say("home")
    bob.tell(ana)

    assert {segment.epoch for segment in sealed} == {removal.id}
    assert ana.texts == ["on the train", "home"]


def test_a_neutral_epoch_is_published_with_the_segment_that_needs_it() -> None:
    """In one batch: either both are on the disk, or none."""
    made = group()
    ana, bob, cem = chats(made)
    cem.know(cem.person.maker.leave(Leave()))
    cem.tell(ana, bob)
    (sealed,) = bob.say("new keys first")
    bob.tell(ana, cem)

    assert sealed.epoch != made.first.id
    assert sealed.epoch in bob.replica.book.epochs
    assert ana.texts == ["new keys first"]
    assert cem.texts == []


def test_the_removed_are_told_so() -> None:
    """Edits are refused, and what they had stays."""
    made = group()
    ana, bob, cem = chats(made)
    ana.say("before")
    meet(ana, bob, cem)
    ana.know(ana.person.maker.remove([Target(cem.person.id)]))
    ana.say("after")
    ana.tell(cem)
    with pytest.raises(NoAccess, match="no member"):
        cem.say("me too")

    assert cem.texts == ["before"]
    assert cem.replica.is_removed
    assert not bob.replica.is_removed


def removed_device(made: Group) -> tuple[Person, Credentials, Credentials]:
    """Bob, as a second device of his that was removed knows him, and as the first one does."""
    person, stolen = made["Bob"], DeviceSecrets.generate(RANDOM)
    both = person.credentials.add_device(stolen.public)
    return person, replace(both, device=stolen), both.remove_device(stolen.public.id, RANDOM)


def test_a_log_known_from_elsewhere_ends_the_use_of_old_keys() -> None:
    """Who has heard in another object that Bob's device is gone makes new keys here before he writes."""
    made = group()
    _, _, bob = removed_device(made)
    seat = seat_of(made["Ana"])
    assert seat.epoch() == made.first.id
    seat.known_accounts = {bob.account_id: bob.account}
    assert seat.epoch() is None
    assert seat.prepare()

    member = seat.view.members[made["Bob"].id]
    assert seat.epoch() not in (None, made.first.id)
    assert member.principal.version == bob.account.user_key.generation


def test_a_device_that_was_removed_publishes_nothing() -> None:
    """It would count for nothing, and be told to everybody as a fault of its account's."""
    made = group()
    person, thief, bob = removed_device(made)
    seat = seat_of(person)
    seat.act_as(actor_of(thief))
    assert seat.stands
    seat.known_accounts = {bob.account_id: bob.account}

    assert not seat.stands
    assert seat.epoch() is None
    assert seat.prepare() == seat.duties() == []


def test_the_devices_that_stay_make_new_keys() -> None:
    """The account re-pins itself: the epoch it makes is the one to write in."""
    made = group()
    person, _, bob = removed_device(made)
    seat = seat_of(person)
    seat.act_as(actor_of(bob))
    assert seat.epoch() is None
    assert seat.prepare()

    assert seat.epoch() not in (None, made.first.id)
