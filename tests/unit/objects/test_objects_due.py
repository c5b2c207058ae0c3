"""What one should publish: complaints about false keys, forwards, and nothing that others have done."""

from __future__ import annotations

import random
from dataclasses import replace

from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Complaint, Forward, RePin, Rotate, Target
from peergos_collab.objects.records import MembershipRecord, open_op
from peergos_collab.objects.surroundings import Surroundings
from peergos_collab.objects.wraps import Recipient, wrap
from support.circle import account_principal
from support.members import Group


def group(names: str = "abcd") -> Group:
    return Group(names, random.Random(3).randbytes)


def op_of(who: Group, record: MembershipRecord | None) -> object:
    assert record is not None
    return open_op(record, who["a"].membership.ring.ops)._signed.op  # who says it is not asked here


def test_nothing_is_due_where_all_is_well() -> None:
    """Not before writing either."""
    who = group()
    who.add("a", "b", Level.WRITE)
    who.meet()

    assert all(who[name].duty(to_write=True) is None for name in who.people)


def test_a_slot_that_opens_to_garbage_is_complained_about() -> None:
    """Once; everybody learns of it, and any writer can make new keys, which the deceived gets."""
    who = group()
    who.add("a", "b", Level.WRITE)
    who.add("a", "c", Level.WRITE)
    who.meet()
    epoch = who["a"].maker.rotate()
    deceived = who["c"].credentials.user.box.public_key
    garbage = wrap(EpochKeys.generate(who.random), [Recipient(deceived, Level.WRITE)], who.random)
    who.tell(epoch, "a", "b")
    who["c"].take(replace(epoch, wraps=garbage))
    complaint = who["c"].duty()
    assert op_of(who, complaint) == Complaint(epoch.id)
    who.tell([complaint])  # type: ignore[list-item]

    assert who["c"].duty() is None
    assert who["b"].view.complaints == {epoch.id}
    renewed = who["b"].maker.rotate()
    who.tell(renewed)
    assert renewed.id in who["c"].membership.keys


def test_a_forward_is_made_once() -> None:
    """Whoever sees that another has done it does not do it again."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.meet("a", "b")
    who.tell(who["a"].maker.rotate(), "a")
    who.add("b", "c", Level.WRITE)
    who.meet("a", "b", "c")
    first, second = who["a"].duty(), who["b"].duty()
    assert isinstance(op_of(who, first), Forward)
    assert isinstance(op_of(who, second), Forward)
    who.tell([first], "a", "b", "c")  # type: ignore[list-item]

    assert who["a"].duty() is None
    assert who["b"].duty() is None
    assert who["c"].usable == who["a"].usable


def test_a_reader_forwards_what_he_has() -> None:
    """That is the readers' key; a writer adds the writers' one."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.add("a", "d", Level.READ)
    who.meet("a", "b", "d")
    who.tell(who["a"].maker.rotate(), "a", "d")
    who.add("b", "c", Level.WRITE)
    who.meet("b", "c", "d")
    forward = who["d"].duty()
    who.tell([forward], "a", "b", "c", "d")  # type: ignore[list-item]
    newest = who["a"].usable
    assert newest is not None
    assert who["c"].membership.keys[newest].level is Level.READ
    who.settle("a", "b", "c", "d")
    who["c"].membership.ring.deepen(newest)

    assert who["c"].membership.keys[newest].level is Level.WRITE


def test_a_reader_forwards_to_the_newest_key_of_who_is_listed_at_an_older_one() -> None:
    """Where only readers are left, nobody lists the newer one. What was given to the older one counts."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.add("a", "d", Level.READ)
    who.meet("a", "b", "d")
    rotation = who["a"].maker.rotate()
    who.add("b", "c", Level.READ)
    who.tell(rotation, "d")
    who.meet("b", "d")
    renewed = who["c"].credentials.rotate_user_key(who.random)
    logs = {renewed.account_id: renewed.account}
    who["d"].maker = replace(who["d"].maker, surroundings=Surroundings(accounts=logs))
    forward = who["d"].duty()
    assert forward is not None
    who.tell([*who["d"].records, forward], "c", "d")
    lacked = who["c"].membership.keys.keys() & {rotation.id}
    who["c"].membership.add_pair(renewed.user.box)

    assert not lacked
    assert rotation.id in who["c"].membership.keys
    assert who["d"].duty() is None


def test_a_newer_user_key_is_given_to_the_object_before_one_writes() -> None:
    """By whoever knows of it; what the old one opens is not written to any more."""
    who = group()
    who.add("a", "b", Level.WRITE)
    who.meet()
    renewed = who["b"].credentials.rotate_user_key(who.random)
    logs = {renewed.account_id: renewed.account}
    knowing = replace(who["a"].maker, surroundings=Surroundings(accounts=logs))
    who["a"].maker = knowing
    assert who["a"].usable is None
    re_pin = who["a"].duty(to_write=True)
    assert isinstance(op_of(who, re_pin), RePin)
    who.tell([re_pin])  # type: ignore[list-item]

    assert who["a"].usable is not None
    assert who["a"].usable not in who["b"].membership.keys
    who["b"].membership.add_pair(renewed.user.box)
    assert who["a"].usable in who["b"].membership.keys
    listed = who["a"].view.members[account_principal(renewed).id].principal
    assert listed.version == renewed.account.user_key.generation


def test_keys_that_may_still_be_forwarded_to_an_outdated_version_are_not_written_to() -> None:
    """Made beside the add of somebody who changed his keys since: who has not heard of that forwards them."""
    who = group()
    who.add("a", "b", Level.ADMIN)
    who.meet("a", "b")
    rotation = who["a"].maker.rotate()
    who.add("b", "c", Level.WRITE)
    who.tell(rotation)
    who.meet("a", "b")
    assert who["a"].usable == rotation.id
    renewed = who["c"].credentials.rotate_user_key(who.random)
    logs = {renewed.account_id: renewed.account}
    who["a"].maker = replace(who["a"].maker, surroundings=Surroundings(accounts=logs))

    assert who["a"].usable is None
    while (made := who["a"].duty(to_write=True)) is not None:
        who.tell(made, "a")
    assert who["a"].usable is not None
    who.settle("b", "c")
    assert rotation.id in who["c"].membership.keys


def test_nor_those_of_who_did_not_know_that_a_version_is_contested() -> None:
    """Somebody was added at two versions, beside one another and these keys: who knows one forwards them."""
    who = group()
    for name in "bd":
        who.add("a", name, Level.ADMIN)
    who.meet("a", "b", "d")
    rotation = who["d"].maker.rotate()
    who.add("a", "c", Level.WRITE)
    renewed = who["c"].credentials.rotate_user_key(who.random)
    newer = account_principal(renewed)
    again = who["b"].maker.add(newer, Level.WRITE, proof=renewed.account.raw)
    who.tell([*who["a"].records, rotation, *again], "d")
    assert who["d"].view.members[newer.id].contested

    assert who["d"].usable is None
    who.tell(rotation, "a")
    who.settle("a", "c")
    assert rotation.id in who["c"].membership.keys


def test_new_keys_are_due_only_to_who_writes() -> None:
    """Otherwise everybody would make some after each removal."""
    who = group()
    for name in "bcd":
        who.add("a", name, Level.ADMIN)
    who.meet()
    one = who["b"].maker.remove([Target(who["c"].id)])
    other = who["a"].maker.remove([Target(who["d"].id)])
    who.tell([one, other], "a", "b")

    assert who["a"].duty() is None
    assert isinstance(op_of(who, who["a"].duty(to_write=True)), Rotate)
