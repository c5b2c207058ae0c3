"""Who is in, and by whose word."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.membership import View, fold
from peergos_collab.objects.op_kinds import Target
from peergos_collab.objects.operations import Actor, Add, Create, Op
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import Epoch, Grant, first_epoch, grant
from peergos_collab.objects.wraps import Recipient
from support.circle import account_principal, actor_of, found, make_circle
from support.members import Group

RANDOM = random.Random(7).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE, Level.READ], RANDOM)
ANA, BOB, READER = CIRCLE.members
KEYS = {CIRCLE.epoch_id: ANA.keys}
ZOE = found("zoe", RANDOM)


def granted(op: Op, actor: Actor, *seen: Grant) -> Grant:
    recipient = Recipient(account_principal(ZOE).box, Level.READ)
    heads = (CIRCLE.grants[-1].id, *(record.id for record in seen))
    return grant(CIRCLE.object, CIRCLE.epoch_id, ANA.keys, recipient, op, actor, heads, RANDOM)


def view_with(*more: Grant) -> View:
    return fold([CIRCLE.epoch, *CIRCLE.grants, *more], KEYS)


def test_the_creator_and_who_he_added() -> None:
    """Each with his role; an unknown principal has none."""
    view = view_with()

    assert view.kind == Kind.DOCUMENT
    assert [view.level(m.actor.principal) for m in CIRCLE.members] == [Level.ADMIN, Level.WRITE, Level.READ]
    assert view.level(account_principal(ZOE).id) is None
    assert not view.void


def test_without_keys_there_is_no_view() -> None:
    """A node, which has none, learns not even the kind."""
    assert fold([CIRCLE.epoch, *CIRCLE.grants], {}) == View()


def test_only_admins_add() -> None:
    """Writers and strangers may not, whatever they sign with."""
    add = Add(account_principal(ZOE), Level.WRITE)
    no_admin, no_member = "an add by somebody who is no admin", "an op by somebody who is no member"
    for actor, why in ((BOB.actor, no_admin), (READER.actor, no_admin), (actor_of(ZOE), no_member)):
        record = granted(add, actor)

        assert view_with(record).void == {record.id: why}
        assert view_with(record).level(add.principal.id) is None


def test_an_admin_who_was_added_adds() -> None:
    """In whatever order the two adds stand."""
    first = granted(Add(account_principal(ZOE), Level.ADMIN), ANA.actor)
    other = account_principal(found("yan", RANDOM))
    second = granted(Add(other, Level.READ), actor_of(ZOE), first)

    for records in ((first, second), (second, first)):
        assert view_with(*records).level(other.id) is Level.READ


def test_an_add_raises_and_does_not_lower() -> None:
    """Of several adds of one member the highest counts; lowering is an op of its own."""
    link = view_with().members[READER.actor.principal].principal
    raised = view_with(granted(Add(link, Level.WRITE), ANA.actor), granted(Add(link, Level.READ), ANA.actor))

    assert raised.level(link.id) is Level.WRITE


def test_nobody_acts_for_another_principal() -> None:
    """Naming an admin as one's principal needs a device that his account lists."""
    add = Add(account_principal(ZOE), Level.WRITE)
    zoe = actor_of(ZOE)
    ana = ANA.actor
    claims = [
        Actor(zoe.account, zoe.device, ana.principal, zoe.principal_key, "zoe"),
        Actor(zoe.account, zoe.device, ana.principal, ana.principal_key, "zoe"),
    ]
    for actor in claims:
        view = view_with(granted(add, actor))

        assert view.level(add.principal.id) is None
        assert len(view.void) == 1


def created(op: Op, actor: Actor) -> View:
    keys = EpochKeys.generate(RANDOM)
    epoch = first_epoch(keys, Recipient(account_principal(ZOE).box, Level.ADMIN), op, actor, RANDOM)
    return fold([epoch], {epoch.id: keys})


def test_an_object_is_created_by_an_account_for_itself() -> None:
    """A link cannot create one, nor can anybody in another's name or for another, nor does an add."""
    zoe, actor = account_principal(ZOE), actor_of(ZOE)
    key = SigningKey.generate(RANDOM)
    link = Principal.of_link(key.verify_key, zoe.box)
    by_link = Actor(actor.account, actor.device, link.id, key, "zoe")
    for_other = Actor(actor.account, actor.device, link.id, actor.principal_key, "zoe")

    assert created(Create(1, zoe), actor).kind == 1
    for op, who in (
        (Create(1, link), by_link),
        (Create(1, zoe), for_other),
        (Create(1, account_principal(ANA.credentials)), actor),
        (Add(zoe, Level.ADMIN), actor),
    ):
        view = created(op, who)

        assert view.kind == -1
        assert not view.members
        assert len(view.void) == 1


def test_only_the_first_epoch_creates() -> None:
    """A grant that says create is void."""
    view = view_with(granted(Create(2, account_principal(ANA.credentials)), ANA.actor))

    assert list(view.void.values()) == ["only the first epoch creates an object"]
    assert view.kind == Kind.DOCUMENT


def test_the_epoch_is_the_objects() -> None:
    """Ids of epochs and objects stay apart by type, and are equal for the first."""
    assert isinstance(CIRCLE.epoch, Epoch)
    assert EpochId(CIRCLE.object) == CIRCLE.epoch_id


@pytest.mark.parametrize("heard_late", [True, False])
def test_who_was_out_and_is_added_anew_has_the_role_that_is_given_then(heard_late: bool) -> None:
    """Not that of a raise of before, whatever comes to light that was done beside all of it."""
    who = Group("abxcy", random.Random(5).randbytes)
    for name, level in {"b": Level.ADMIN, "x": Level.ADMIN, "y": Level.WRITE}.items():
        who.add("a", name, level)
    who.meet("a", "b", "x", "y")
    beside = who["y"].maker.tell_news()
    who.add("b", "c", Level.WRITE, "x")
    who.tell(who["x"].maker.raise_role(who["c"].id, Level.ADMIN), "x")
    who.tell(who["a"].maker.remove([Target(who["b"].id)]), "a")
    who.meet("a", "x")
    assert who["a"].view.level(who["c"].id) is None
    who.add("a", "c", Level.READ)
    if heard_late:
        who.tell([beside], "a")

    assert who["a"].view.level(who["c"].id) is Level.READ
