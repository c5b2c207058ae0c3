"""Where removals end logs, and what counts past such an end."""

from __future__ import annotations

import random

import pytest

from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.op_kinds import Leave, Target
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch
from support.circle import account_principal
from support.members import Group
from support.replicas import Chatting, meet

RANDOM = random.Random(65).randbytes


class Scene:
    """Ana (admin), Bob and Eve (writers) share a chat; Eve is removed, and does not want to hear of it."""

    def __init__(self, *more: str, bob: Level = Level.WRITE) -> None:
        self.group = Group(["Ana", "Bob", "Eve", *more], RANDOM, Kind.CHAT)
        self.group.add("Ana", "Bob", bob, "Eve")
        self.group.add("Ana", "Eve", Level.WRITE, "Bob")
        people = self.group.people.values()
        self.ana, self.bob, self.eve, *self.more = (Chatting(self.group, one, RANDOM) for one in people)

    def remove(self, by: Chatting, who: Chatting) -> Epoch:
        maker = by.replica.seat.maker
        record = maker.remove([Target(who.person.id, closes=tuple(maker.closes(who.person.id, b"")))])
        by.know(record)
        return record


def fresh(*sources: Chatting, like: Chatting) -> list[str]:
    """What somebody sees on a new disk, who gets it from these people in this order."""
    reader = Chatting(like._group, like.person, RANDOM)
    for source in sources:
        source.tell(reader)
    return reader.texts if not reader.replica.unsettled else reader.again().texts


def test_what_was_accepted_stays() -> None:
    """The removal names it, so it counts for whoever comes later, too."""
    scene = Scene()
    scene.eve.say("honest")
    meet(scene.ana, scene.bob, scene.eve)
    scene.remove(scene.ana, scene.eve)
    scene.ana.tell(scene.bob)

    assert scene.bob.texts == ["honest"]
    assert fresh(scene.ana, like=scene.bob) == ["honest"]
    assert not scene.bob.replica.unsettled


@pytest.mark.parametrize("log", ["the same log", "a fresh log"])
def test_what_comes_after_does_not_count(log: str) -> None:
    """Written with the keys of the old epoch, whose certificates hold: members leave it out."""
    scene = Scene()
    scene.eve.say("honest")
    meet(scene.ana, scene.bob, scene.eve)
    scene.remove(scene.ana, scene.eve)
    if log == "a fresh log":
        scene.eve.replica.store.write([scene.eve.replica.own.retire()])
    scene.eve.say("late")
    scene.eve.tell(scene.ana)
    scene.ana.tell(scene.bob)
    scene.eve.tell(scene.bob)

    assert scene.ana.texts == ["honest"]
    assert scene.bob.texts == ["honest"]
    assert fresh(scene.eve, scene.ana, like=scene.bob) == ["honest"]
    assert fresh(scene.ana, scene.eve, like=scene.bob) == ["honest"]


def test_what_others_built_upon_counts() -> None:
    """Bob answered before he heard of the removal: what he answered to is kept, in any order."""
    scene = Scene()
    scene.eve.say("honest")
    meet(scene.ana, scene.bob, scene.eve)
    scene.eve.say("not heard by Ana")
    scene.eve.say("nor this")
    scene.eve.tell(scene.bob)
    scene.bob.say("Bob answers")
    scene.eve.say("late")
    scene.remove(scene.ana, scene.eve)
    scene.eve.tell(scene.ana)
    before = scene.ana.texts
    meet(scene.ana, scene.bob)
    expected = ["honest", "not heard by Ana", "nor this", "Bob answers"]

    assert before == ["honest"]
    assert scene.ana.texts == expected
    assert scene.bob.again().texts == expected
    for order in ((scene.eve, scene.ana, scene.bob), (scene.bob, scene.ana, scene.eve)):
        assert fresh(*order, like=scene.bob) == expected


def test_the_state_is_folded_anew_where_it_holds_too_much() -> None:
    """Who had taken what came after the end learns that his state is not what follows from the records."""
    scene = Scene()
    scene.eve.say("honest")
    meet(scene.ana, scene.bob, scene.eve)
    scene.eve.say("late")
    scene.eve.tell(scene.bob)
    before = scene.bob.texts
    scene.remove(scene.ana, scene.eve)
    scene.ana.tell(scene.bob)

    assert before == ["honest", "late"]
    assert scene.bob.replica.unsettled
    assert scene.bob.again().texts == ["honest"]
    assert not scene.bob.again().replica.unsettled


def test_a_removed_writer_may_not_hide_behind_another() -> None:
    """What one of two removed members cites of the other counts only as far as it counts itself."""
    scene = Scene("Fay")
    (fay,) = scene.more
    scene.group.add("Ana", "Fay", Level.WRITE, "Bob", "Eve")
    for one in (scene.ana, scene.bob, scene.eve, fay):
        one.know(*one.person.records)
    scene.remove(scene.ana, scene.eve)
    scene.remove(scene.ana, fay)
    scene.eve.say("one")
    fay.take(*scene.eve.all())
    fay.say("two")
    scene.eve.take(*fay.all())
    scene.eve.say("three")
    for late in (scene.eve, fay):
        late.tell(scene.ana)

    assert fay.texts == ["one", "two"]
    assert scene.ana.texts == []
    assert fresh(scene.eve, fay, scene.ana, like=scene.bob) == []


def test_concurrent_removals_keep_the_higher_end() -> None:
    """Two admins who had seen different amounts of a log."""
    scene = Scene(bob=Level.ADMIN)
    scene.eve.say("one")
    meet(scene.ana, scene.bob, scene.eve)
    scene.eve.say("two")
    scene.eve.tell(scene.bob)
    scene.eve.say("three")
    scene.remove(scene.ana, scene.eve)
    scene.remove(scene.bob, scene.eve)
    meet(scene.ana, scene.bob)
    scene.eve.tell(scene.ana, scene.bob)

    assert scene.ana.texts == ["one", "two"]
    assert scene.bob.texts == ["one", "two"]


def test_who_was_lowered_writes_no_more_under_old_keys() -> None:
    """As if removed, but what others write he reads."""
    scene = Scene()
    maker = scene.ana.replica.seat.maker
    scene.ana.know(maker.lower_role(Target(scene.eve.person.id), Level.READ))
    scene.eve.say("late")
    scene.eve.tell(scene.ana)
    scene.ana.say("new")
    scene.ana.tell(scene.eve)

    assert scene.ana.texts == ["new"]
    assert scene.eve.again().texts == ["new"]
    assert not scene.eve.replica.can_write


def test_who_left_ended_his_own_logs() -> None:
    """By the heads he named."""
    scene = Scene()
    scene.eve.say("good bye")
    maker = scene.eve.replica.seat.maker
    left = maker.leave(Leave(tuple(maker.closes(scene.eve.person.id, b""))))
    scene.eve.tell(scene.ana)
    scene.eve.say("I changed my mind")
    scene.ana.know(left)
    scene.eve.tell(scene.ana)

    assert scene.ana.texts == ["good bye"]


def test_who_comes_back_writes_under_new_keys() -> None:
    """The old ends stay for the old epochs; in the new ones there is none."""
    scene = Scene()
    scene.eve.say("first")
    meet(scene.ana, scene.bob, scene.eve)
    stale = scene.eve.again()
    scene.remove(scene.ana, scene.eve)
    back = account_principal(scene.eve.person.credentials)
    scene.ana.know(*scene.ana.replica.seat.maker.add(back, Level.WRITE))
    stale.say("with the old keys")
    scene.ana.tell(scene.eve)
    scene.eve.say("back")
    for one in (scene.eve, stale):
        one.tell(scene.ana)

    assert scene.ana.texts == ["first", "back"]
    scene.ana.know(scene.ana.replica.seat.maker.rotate())
    assert not scene.ana.replica.unsettled


def test_an_ex_admins_friends_do_not_count() -> None:
    """An add that he dated back to before his removal is void, and so is all that was written by it."""
    scene = Scene("Fay", bob=Level.ADMIN)
    (fay,) = scene.more
    stale = scene.bob.again()
    scene.remove(scene.ana, scene.bob)
    friend = account_principal(fay.person.credentials)
    stale.know(*stale.replica.seat.maker.add(friend, Level.WRITE))
    fay.take(*stale.all())
    fay.say("let me in")
    fay.tell(scene.ana, scene.eve)
    believed = scene.eve.texts
    scene.ana.tell(scene.eve)

    assert believed == ["let me in"]
    assert scene.ana.texts == []
    assert scene.eve.again().texts == []
    assert fresh(fay, scene.ana, like=scene.eve) == []


def test_another_branch_of_a_removed_log_does_not_count() -> None:
    """A fork below the end is not what its removal named."""
    scene = Scene()
    scene.eve.say("one")
    twin = scene.eve.again()
    scene.eve.say("two")
    scene.eve.say("three")
    meet(scene.ana, scene.bob, scene.eve)
    scene.remove(scene.ana, scene.eve)
    twin.say("another two")
    twin.tell(scene.ana)
    scene.ana.tell(scene.bob)

    assert scene.ana.texts == ["one", "two", "three"]
    assert fresh(twin, scene.ana, like=scene.bob) == ["one", "two", "three"]
