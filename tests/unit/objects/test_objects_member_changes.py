"""Adding, removing, changing roles, leaving, rotating: as those see it who are told, and the others."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import LogId, SegmentId
from peergos_collab.errors import Conflict, NoAccess
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.op_kinds import Close, Leave, Target
from peergos_collab.objects.principals import Principal
from support.members import Group


def group(names: str = "abcd", seed: int = 1) -> Group:
    return Group(names, random.Random(seed).randbytes)


def roles(who: Group, name: str) -> dict[str, Level]:
    view = who[name].view
    return {one: level for one in who.people if (level := view.level(who[one].id)) is not None}


def opens(who: Group, name: str, epoch: bytes | None) -> bool:
    return epoch in who[name].membership.keys


def test_an_admin_adds_and_all_see_it() -> None:
    """Each with his role; who was added as an admin adds others."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.add("b", "c", Level.WRITE)
    who.add("b", "d", Level.READ)
    who.meet()

    for name in who.people:
        assert roles(who, name) == {"a": Level.ADMIN, "b": Level.ADMIN, "c": Level.WRITE, "d": Level.READ}
    assert {who[name].usable for name in "abc"} == {who.first.id}
    assert who["d"].usable is None


def test_who_is_removed_learns_it_and_opens_nothing_after() -> None:
    """The removal's op is sealed for the keys he has; the new keys are not, whoever hands him the records."""
    who = group()
    who.add("a", "b", Level.WRITE)
    who.add("a", "c", Level.READ)
    removal = who["a"].maker.remove([Target(who["b"].id)])
    who.tell(removal)
    who.settle()

    assert roles(who, "b") == {"a": Level.ADMIN, "c": Level.READ}
    assert who["a"].usable == removal.id
    assert not opens(who, "b", removal.id)
    assert opens(who, "c", removal.id)


def test_what_was_before_stays_readable_after_a_removal() -> None:
    """The new keys link back to the old ones, for who comes later, too."""
    who = group()
    who.add("a", "b", Level.WRITE)
    removal = who["a"].maker.remove([Target(who["b"].id)])
    who.tell(removal)
    who.add("a", "c", Level.WRITE)

    assert opens(who, "c", removal.id)
    assert who["c"].membership.keys[who.first.id].level is Level.READ
    assert roles(who, "c") == {"a": Level.ADMIN, "c": Level.WRITE}


def test_several_go_at_once() -> None:
    """One op, one set of new keys."""
    who = group()
    for name in "bcd":
        who.add("a", name, Level.WRITE)
    who.tell(who["a"].maker.remove([Target(who[name].id) for name in "bc"]))

    assert roles(who, "a") == {"a": Level.ADMIN, "d": Level.WRITE}


def test_a_raised_member_gets_the_secret_of_his_role() -> None:
    """The grant wraps it to him."""
    who = group()
    who.add("a", "b", Level.READ)
    who.tell(who["a"].maker.raise_role(who["b"].id, Level.ADMIN))

    assert roles(who, "b")["b"] is Level.ADMIN
    assert who["b"].usable == who.first.id
    who.add("b", "c", Level.READ)
    who.meet()
    assert roles(who, "a")["c"] is Level.READ


def test_a_lowered_member_reads_on_and_writes_no_more() -> None:
    """New keys, of which he gets the readers' one."""
    who = group()
    who.add("a", "b", Level.WRITE)
    lowering = who["a"].maker.lower_role(Target(who["b"].id), Level.READ)
    who.tell(lowering)

    assert roles(who, "b")["b"] is Level.READ
    assert who["b"].membership.keys[lowering.id].level is Level.READ
    assert who["b"].usable is None
    assert who["a"].usable == lowering.id


def test_after_a_leave_who_writes_makes_new_keys_first() -> None:
    """A leave makes none: who leaves must not choose them."""
    who = group()
    who.add("a", "b", Level.WRITE)
    who.add("a", "c", Level.WRITE)
    who.tell(who["b"].maker.leave(Leave()))
    who.meet()

    assert roles(who, "a") == {"a": Level.ADMIN, "c": Level.WRITE}
    assert who["c"].usable is None
    assert who["c"].duty() is None
    epoch = who["c"].duty(to_write=True)
    assert epoch is not None
    who.tell(epoch)
    assert who["a"].usable == who["c"].usable == epoch.id
    assert not opens(who, "b", epoch.id)


def test_writers_go_on_with_no_admin_ever_online() -> None:
    """Neutral keys are theirs to make, again and again; an admin who comes back can use them."""
    who = group()
    for name in "bcd":
        who.add("a", name, Level.WRITE)
    who.meet()
    for leaver, writer in (("b", "c"), ("c", "d")):
        who.tell(who[leaver].maker.leave(Leave()), "b", "c", "d")
        epoch = who[writer].duty(to_write=True)
        assert epoch is not None
        who.tell(epoch, "b", "c", "d")
        assert who[writer].usable == epoch.id
    who.meet()

    assert who["a"].usable == who["d"].usable
    who.tell(who["a"].maker.remove([Target(who["d"].id)]))
    assert roles(who, "a") == {"a": Level.ADMIN}
    assert not who["a"].view.void


def test_without_an_admin_the_most_senior_is_one() -> None:
    """And nobody else."""
    who = group()
    for name in "bcd":
        who.add("a", name, Level.WRITE)
    who.meet()
    who.tell(who["a"].maker.leave(Leave()))
    who.meet()

    assert roles(who, "d") == {"b": Level.ADMIN, "c": Level.WRITE, "d": Level.WRITE}
    who.tell(who["c"].maker.remove([Target(who["d"].id)]))
    assert "d" in roles(who, "b")
    who.tell(who["b"].maker.remove([Target(who["c"].id)]))
    assert roles(who, "b") == {"b": Level.ADMIN, "d": Level.WRITE}
    assert who["b"].usable is not None


def test_an_add_at_the_same_time_as_a_removal_reaches_the_new_keys() -> None:
    """A member who sees another lack them forwards them."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.add("a", "c", Level.WRITE)
    who.meet("a", "b", "c")
    removal = who["a"].maker.remove([Target(who["c"].id)])
    who.tell(removal, "a")
    who.add("b", "d", Level.WRITE)
    assert not opens(who, "d", removal.id)
    who.settle("a", "b", "d")

    assert opens(who, "d", removal.id)
    assert roles(who, "d") == {"a": Level.ADMIN, "b": Level.ADMIN, "d": Level.WRITE}
    assert who["d"].usable == who["a"].usable


def test_two_sets_of_new_keys_at_the_same_time_are_merged() -> None:
    """Neither may be used, since each opens for whom the other removed; the next writer merges them."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.add("a", "c", Level.WRITE)
    who.add("a", "d", Level.WRITE)
    who.meet()
    first = who["a"].maker.remove([Target(who["c"].id)])
    second = who["b"].maker.remove([Target(who["d"].id)])
    who.tell([first], "a")
    who.tell([second], "b")
    who.settle()

    assert roles(who, "a") == roles(who, "b") == {"a": Level.ADMIN, "b": Level.ADMIN}
    assert who["a"].usable is None
    merged = who["a"].duty(to_write=True)
    assert merged is not None
    who.tell(merged)
    assert who["b"].usable == merged.id
    assert not any(opens(who, name, merged.id) for name in "cd")


def test_an_admin_who_tells_two_tales_is_named() -> None:
    """Two epochs after one and the same, one for each half: both are kept, merged, and he is found out."""
    who = group()
    for name in "bcd":
        who.add("a", name, Level.WRITE)
    who.meet()
    one, other = who["a"].maker.rotate(), who["a"].maker.rotate()
    who.tell(one, "b")
    who.tell(other, "c")
    assert not who["b"].view.forked
    who.meet("b", "c")
    device = who["a"].credentials.device_id

    assert [author.name for author in who["b"].view.forked.values()] == ["a"]
    assert set(who["c"].view.forked) == {device}
    merged = who["b"].maker.rotate()
    who.tell(merged)
    assert who["b"].usable == who["c"].usable == merged.id


def test_who_was_removed_is_told_and_a_stranger_is_not() -> None:
    """The op is sealed for the keys of the parents, too; records of other objects stay closed."""
    who, other = group(), group(seed=2)
    who.add("a", "b", Level.WRITE)
    removal = who["a"].maker.remove([Target(who["b"].id)])
    who["b"].take(removal)
    other["a"].take(removal)

    assert "b" not in roles(who, "b")
    assert len(other["a"].view.history.entries) == 1


def test_a_close_holds_for_keys_made_without_knowing_it() -> None:
    """A removed writer's logs end where the removal says; those of after he was added again do not."""
    who = group()
    who.add("a", "b", Level.WRITE)
    who.meet("a", "b")
    close = Close(LogId(bytes(32)), 7, SegmentId(bytes(32)))
    late = who["b"].maker.rotate()
    removal = who["a"].maker.remove([Target(who["b"].id, b"", (close,))])
    who.tell(removal, "a")
    who.add("a", "b", Level.WRITE)
    who.tell(late, "a")
    view, b = who["a"].view, who["b"].id

    assert view.closed(b, epoch=who.first.id) == {close.log: close}
    assert view.closed(b, epoch=late.id) == {close.log: close}
    assert view.closed(b) is None
    again = who["a"].maker.rotate()
    who.tell(again, "a")
    assert who["a"].view.closed(b, epoch=again.id) is None
    assert who["a"].view.closed(who["a"].id, epoch=who.first.id) is None


def test_of_two_closes_at_the_same_time_the_higher_head_counts() -> None:
    """Either admin had seen something of the log that the other had not."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.add("a", "c", Level.WRITE)
    who.meet()
    low, high = (Close(LogId(bytes(32)), seq, SegmentId(bytes(32))) for seq in (3, 9))
    removals = [
        who[name].maker.remove([Target(who["c"].id, b"", (close,))])
        for name, close in (("a", high), ("b", low))
    ]
    who.tell(removals, "a", "b")

    assert who["a"].view.closed(who["c"].id) == {high.log: high}
    assert who["b"].view.closed(who["c"].id) == {high.log: high}


def test_the_role_at_an_earlier_time_is_known() -> None:
    """By one record, or by several and all before them; by an unknown one nothing is."""
    who = group()
    who.add("a", "b", Level.READ)
    raised = who["a"].maker.raise_role(who["b"].id, Level.WRITE)
    who.tell(raised)
    removal = who["a"].maker.remove([Target(who["b"].id)])
    who.tell(removal)
    b = who["b"].id

    def level(*at: bytes) -> Level | None:
        seat = who["a"].view.seats_at(at).get(b)
        return seat.level if seat is not None else None

    assert level(who.first.id) is None
    assert level(*(record.id for record in raised)) is Level.WRITE
    assert level(removal.id) is None
    assert level(raised[0].id, removal.id) is None
    assert level(raised[0].id, bytes(32)) is None


def test_an_object_is_no_member_of_itself() -> None:
    """Not directly, whoever asks for it."""
    who = group()
    own = Principal.of_object(who.object, who.first.id, who.first.keys)
    with pytest.raises(Conflict):
        who["a"].maker.add(own, Level.READ)


def test_who_has_no_keys_changes_nothing() -> None:
    """It is said so, and no record is made."""
    who = group()
    with pytest.raises(NoAccess):
        who["b"].maker.rotate()
    with pytest.raises(NoAccess):
        who["a"].maker.raise_role(who["b"].id, Level.WRITE)
    who.add("a", "b", Level.READ)
    with pytest.raises(NoAccess):
        who["b"].maker.rotate()
