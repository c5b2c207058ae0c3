"""Notes of objects at rest: kept over a restart, and counted only while they are true."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import AccountId, ObjectId
from peergos_collab.crypto import LocalKey
from peergos_collab.errors import Damaged
from peergos_collab.files.changes import EntryId
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.ports import PutValue
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace import resting as resting_module
from peergos_collab.workspace.resting import AWAKE, PEOPLE, RESTING, AccountState, Note, Resting
from peergos_collab.workspace.summaries import Summary

RANDOM = random.Random(30).randbytes
LOCAL = LocalKey(bytes(32))
ACCOUNT: AccountState = ("one",), b"generation"
CIRCLE = RANDOM(16)


def note(*nodes: str, modified: int = 0) -> Note:
    summary = Summary(7, modified, Level.WRITE)
    return Note(ObjectId(RANDOM(32)), EntryId(RANDOM(16)), RANDOM(16), CIRCLE, nodes, summary)


NOTES = [note("one", "two", modified=number) for number in range(9)] + [note("one", modified=99)]


def resting(store: MemoryStore, account: AccountState = ACCOUNT, local: LocalKey = LOCAL) -> Resting:
    return Resting(store, local, RANDOM, account)


def noted() -> MemoryStore:
    """A store in which all were put to rest."""
    store = MemoryStore()
    first = resting(store)
    store.write(first.rest(NOTES))
    return store


def test_they_are_as_they_were_noted() -> None:
    """After a restart; with a collection for each circle and node, in order, and the latest first."""
    again = resting(noted())
    objects, sums, _ = again.collection((CIRCLE, "two"))

    assert again.asleep == {each.object for each in NOTES}
    assert [again.note_of(each.object) for each in NOTES] == NOTES
    assert [again.note_at(each.entry) for each in NOTES] == NOTES
    assert objects == sorted(each.object for each in NOTES[:9])
    assert sums == [again.notes[id_].sum for id_ in objects]
    assert set(again.places) == {(CIRCLE, "one"), (CIRCLE, "two")}
    assert again.latest(2) == [NOTES[9].object, NOTES[8].object]


def test_whom_a_neighbour_wakes() -> None:
    """What he may be in, by the circles; of one whose people are not known, as after damage, anybody's."""
    ana, ben = AccountId(RANDOM(32)), AccountId(RANDOM(32))
    store = MemoryStore()
    first, other = resting(store), note("one")._replace(circle=bytes(16))
    first.people.take(CIRCLE, [ana, ben])
    first.people.take(bytes(16), [ana])
    store.write(first.rest([*NOTES, other]))
    again = resting(store)
    every = {each.object for each in (*NOTES, other)}

    assert set(again.shared_with(ana)) == every
    assert set(again.shared_with(ben)) == every - {other.object}
    assert again.shared_with(AccountId(RANDOM(32))) == []
    again.wake(NOTES[0].object)
    assert NOTES[0].object not in again.shared_with(ana)
    store.write([PutValue(RESTING, PEOPLE, b"nonsense")])
    assert set(resting(store).shared_with(AccountId(RANDOM(32)))) == every


def test_who_is_awake_is_so_after_a_crash() -> None:
    """Its note does not count any more, from before anything of it changes, until it is put to rest again."""
    store = noted()
    store.write(resting(store).wake(NOTES[0].object, NOTES[9].object))
    again = resting(store)
    objects, sums, _ = again.collection((CIRCLE, "one"))
    asleep = set(again.asleep)
    store.write(again.rest([NOTES[0]]))

    assert asleep == {each.object for each in NOTES[1:9]}
    assert sums[objects.index(NOTES[0].object)] == b""
    assert resting(store).asleep == {each.object for each in NOTES[:9]}


def test_a_place_where_all_are_awake_needs_no_session() -> None:
    """Others do."""
    again = resting(noted())
    again.wake(*(each.object for each in NOTES[:9]))

    assert again.places == [(CIRCLE, "one")]


def test_under_another_state_of_the_account_none_counts() -> None:
    """With another node, or another user key, each object has something to do."""
    for account in ((("one", "new"), b"generation"), (("one",), b"newer")):
        store = noted()
        assert resting(store, account).asleep == set()
        assert resting(store).asleep == set()  # nor when all is as before: nothing was marked meanwhile
    again = resting(noted())
    assert not again.moved(ACCOUNT)
    assert len(again.asleep) == len(NOTES)


@pytest.mark.parametrize("running", [True, False])
def test_what_is_noted_under_a_new_state_makes_no_older_note_count(running: bool) -> None:
    """A new node has only what was put to rest since: whether it came while this runs, or before."""
    newer: AccountState = ("one", "new"), b"generation"
    store = noted()
    again = resting(store) if running else resting(store, newer)
    assert again.moved(newer) is running
    shelf = NOTES[0].object[:1]
    beside = note("one", "new")._replace(object=ObjectId(shelf + RANDOM(31)))
    store.write(again.rest([beside]))

    assert resting(store, newer).asleep == {beside.object}


def test_what_left_the_profile_is_forgotten() -> None:
    store = noted()
    first = resting(store)
    first.forget(NOTES[3].object)
    store.write(first.save([]))

    assert resting(store).notes.keys() == {each.object for each in NOTES if each is not NOTES[3]}


def test_a_damaged_shelf_costs_only_that_its_objects_are_opened() -> None:
    """So does one that this device did not seal."""
    store = noted()
    key, sealed = next(iter(store.values(RESTING)))
    gone = [each.object for each in NOTES if each.object[0] // 4 == key[0]]
    store._seen.values[RESTING][key] = sealed[:-1] + bytes([sealed[-1] ^ 1])

    assert resting(store).asleep == {each.object for each in NOTES} - set(gone)
    assert resting(store, local=LocalKey(RANDOM(32))).asleep == set()


class Unlisted(MemoryStore):
    """A disk on which the list of shelves is damaged."""

    def keys(self, space: str, start: bytes, stop: bytes, most: int) -> list[bytes]:
        if space == RESTING:
            raise Damaged("a list of 'resting' cannot be read")
        return super().keys(space, start, stop, most)


def test_shelves_are_found_without_their_list() -> None:
    """Each is asked for by its number."""
    store = Unlisted()
    store.write(resting(store).rest(NOTES))

    assert resting(store).asleep == {each.object for each in NOTES}


class Flawed(MemoryStore):
    """A disk on which the mark of one object that woke is damaged, its name too."""

    def value(self, space: str, key: bytes) -> bytes | None:
        if space == AWAKE and key == b"flipped":
            raise Damaged("a value of 'awake' cannot be read")
        return super().value(space, key)


def test_where_a_mark_is_damaged_none_counts_for_once() -> None:
    """It may be any object's. All are opened; what is not put to rest again then stays awake."""
    store = Flawed()
    first = resting(store)
    store.write([*first.rest(NOTES), PutValue(AWAKE, b"flipped", b"\1")])
    doubtful = resting(store)
    asleep = set(doubtful.asleep)
    store.write(doubtful.rest([NOTES[0]]))

    assert asleep == set()
    assert resting(store).asleep == {NOTES[0].object}


def test_objects_come_to_rest_while_others_are() -> None:
    """In the order of their ids, with what is true now, in the collections of the circle they are in now."""
    store = noted()
    again = resting(store)
    again.wake(NOTES[4].object)
    moved = NOTES[4]._replace(circle=RANDOM(16), sum=RANDOM(16))
    new = note("one", "two")
    store.write(again.rest([moved, new]))

    for found in (again, resting(store)):
        assert found.note_of(moved.object) == moved
        assert found.note_at(new.entry) == new
        assert found.collection((CIRCLE, "two"))[0] == sorted(
            each.object for each in (*NOTES[:9], new) if each.object != moved.object
        )
        assert found.collection((moved.circle, "two"))[:2] == ([moved.object], [moved.sum])


def test_what_a_node_was_asked_about_is_remembered() -> None:
    """Also where more, or other, objects are at rest at the next start: only these have to be told then."""
    store = noted()
    place = CIRCLE, "two"
    first = resting(store)
    asked, _, before = first.collection(place)
    first.forget(NOTES[3].object)
    store.write(first.rest([note("one", "two")]))
    again = resting(store)

    assert before == []
    assert again.collection(place)[2] == asked
    assert again.collection(place)[2] == again.collections[place] != asked
    store.write(again.rest([]))
    assert resting(store).collection(place)[2] == again.collections[place]


def test_which_entries_have_no_object_at_rest_is_remembered() -> None:
    """Not where a shelf is damaged: they are unknown then, and where nobody knew them before."""
    store = noted()
    others = {EntryId(RANDOM(16))}
    assert resting(store).others is None
    store.write(resting(store).save_others(others))
    assert resting(store).others == others
    key, sealed = next(iter(store.values(RESTING)))
    store._seen.values[RESTING][key] = sealed[:-1] + bytes([sealed[-1] ^ 1])
    assert resting(store).others is None


def test_more_than_fit_into_a_collection_are_compared_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are opened at each start; the others are not."""
    monkeypatch.setattr(resting_module, "MAX_OBJECTS", 6)
    store = noted()
    store.write(resting(store).save_others(set()))
    again = resting(store)
    left = [each for each in NOTES if each.object not in again.asleep]

    assert max(map(len, again.collections.values())) == 6
    assert len(left) == 4
    assert again.others == again.unkept() == {each.entry for each in left}
