"""Ops of which somebody says that others made them, in records of a member: nothing of them counts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from peergos_collab.codec.ids import LogId, SegmentId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_versions import newer_account
from peergos_collab.objects.op_kinds import (
    Add,
    ChangeRole,
    Close,
    Complaint,
    Create,
    Forward,
    Forwarded,
    Leave,
    News,
    Op,
    Remove,
    RePin,
    Rotate,
    Target,
)
from peergos_collab.objects.operations import Actor
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import MembershipRecord, Said, make_grant, next_epoch
from support.circle import account_principal
from support.members import Group

RANDOM = random.Random(31).randbytes
CLOSE = Close(LogId(RANDOM(32)), 1, SegmentId(RANDOM(32)))


def group() -> Group:
    """``a``, an admin, and ``b`` and ``c``, who may write."""
    who = Group("abcz", RANDOM)
    for name in "bc":
        who.add("a", name, Level.WRITE)
    who.meet()
    return who


def falsely(actor: Actor) -> Actor:
    """Says to be ``actor``, and has none of his keys."""
    other = SigningKey.generate(RANDOM)
    device = SigningKey(actor.device.verify_key, other._secret)
    return replace(actor, device=device, principal_key=other)


def granted(who: Group, said: Said) -> MembershipRecord:
    """In a record of ``b``'s that makes no keys."""
    keys = who["b"].membership.keys[who.first.id]
    return make_grant(who.object, who.first.id, keys, [], said, RANDOM)


def with_keys(who: Group, said: Said) -> MembershipRecord:
    """In a record of ``b``'s that makes new ones."""
    keys = {who.first.id: who["b"].membership.keys[who.first.id]}
    made = EpochKeys.generate_neutral(RANDOM)
    return next_epoch(who.object, made, keys, keys, [], said, RANDOM)


Wrapped = Callable[[Group, Said], MembershipRecord]
FALSE: dict[str, tuple[Callable[[Group], Op], Wrapped]] = {
    "create": (lambda who: Create(int(Kind.CHAT), account_principal(who["a"].credentials)), granted),
    "add": (lambda who: Add(account_principal(who["z"].credentials), Level.ADMIN), granted),
    "raise": (lambda who: ChangeRole(Target(who["b"].id), Level.ADMIN), granted),
    "leave": (lambda who: Leave((CLOSE,)), granted),
    "forward": (lambda who: Forward((Forwarded(who["c"].id, bytes(32), Level.WRITE),)), granted),
    "complaint": (lambda who: Complaint(who.first.id), granted),
    "news": (lambda who: News(), granted),
    "remove": (lambda who: Remove((Target(who["c"].id, b"", (CLOSE,)),)), with_keys),
    "lower": (lambda who: ChangeRole(Target(who["c"].id, b"", (CLOSE,)), Level.READ), with_keys),
    "rotate": (lambda who: Rotate(), with_keys),
    "re-pin": (lambda who: RePin((newer_account(who["c"].credentials.account),)), with_keys),
}


@pytest.mark.parametrize("kind", FALSE)
@pytest.mark.parametrize("by", ["a", "c", "z"])
def test_nothing_of_it_counts(kind: str, by: str) -> None:
    """Not the role it gives or takes, the log it closes, the complaint, or who is said to have made it."""
    who = group()
    op, wrapped = FALSE[kind]
    heads = who["b"].view.heads
    before = {name: dict(who[name].view.members) for name in "abc"}
    record = wrapped(who, Said(op(who), falsely(who[by].maker.actor), heads))
    honest = who["a"].maker.tell_news()  # beside it, by the device that did not make it
    who.tell([honest, record])

    for name in "abc":
        view = who[name].view
        assert dict(view.members) == before[name]
        assert record.id in view.void
        assert not view.complaints
        assert not view.forked
        assert not view.endings
        assert view.closed(who["c"].id) is None
        assert view.history.entry(record.id).proved is None


@pytest.mark.parametrize("kind", FALSE)
def test_all_go_on_after_it(kind: str) -> None:
    """What is due is found and done, and then everybody can write; nobody asks it what it says."""
    who = group()
    op, wrapped = FALSE[kind]
    who.tell(wrapped(who, Said(op(who), falsely(who["a"].maker.actor), who["b"].view.heads)))
    who.settle("a", "b", "c")
    if who["a"].usable is None:
        renewal = who["a"].duty(to_write=True)
        assert renewal is not None
        who.tell(renewal, "a", "b", "c")

    assert who["a"].usable == who["b"].usable == who["c"].usable is not None
    who.tell(who["a"].maker.remove([Target(who["c"].id)]), "a", "b")
    assert who["b"].view.level(who["c"].id) is None
