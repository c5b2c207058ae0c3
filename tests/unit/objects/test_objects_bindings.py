"""Introductions: who is behind a log, proved by his device and his principal."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, LogId, ObjectId
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.bindings import Introduced, NoMember, check_introduction_untrusted, introduce
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.membership import View
from peergos_collab.objects.payload import Kind
from support.circle import actor_of, found, make_circle
from support.forge import replica_of

RANDOM = random.Random(14).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE, Level.READ], RANDOM)
ANA, BOB, READER = CIRCLE.members
VIEW = replica_of(CIRCLE, ANA, RANDOM).view
LOG = LogId(RANDOM(32))


def check(value: Any, least: Level = Level.WRITE, **other: Any) -> Introduced:
    where = {"object_id": CIRCLE.object, "epoch": CIRCLE.epoch_id, "log": LOG, "view": VIEW, **other}
    return check_introduction_untrusted(value, least=least, **where)


def of(member: Any = BOB) -> list[Any]:
    return introduce(CIRCLE.object, CIRCLE.epoch_id, LOG, member.actor)


def test_a_member_introduces_himself() -> None:
    """By account or by link, with his device and role."""
    for member, level in ((ANA, Level.ADMIN), (BOB, Level.WRITE)):
        introduced = check(of(member))

        assert introduced.author.name == member.name
        assert introduced.author.device == member.actor.device.public
        assert introduced.author.principal == member.actor.principal
        assert introduced.device_key == member.actor.device.verify_key
        assert introduced.level is level


def test_the_role_must_be_enough() -> None:
    """A reader is one for presence, and none for writing; a stranger is none at all."""
    assert check(of(READER), Level.READ).level is Level.READ
    with pytest.raises(NoMember):
        check(of(READER))
    with pytest.raises(NoMember):
        check(introduce(CIRCLE.object, CIRCLE.epoch_id, LOG, actor_of(found("zoe", RANDOM))))
    with pytest.raises(NoMember):
        check(of(), view=View())


@pytest.mark.parametrize(
    "other",
    [{"object_id": ObjectId(RANDOM(32))}, {"epoch": EpochId(RANDOM(32))}, {"log": LogId(RANDOM(32))}],
)
def test_it_is_for_one_log(other: dict[str, Any]) -> None:
    """Played back in another object, epoch or log it is refused."""
    with pytest.raises(RemoteProtocolError, match="another log"):
        check(of(), **other)


@pytest.mark.parametrize("at", [1, 2])
def test_both_sign(at: int) -> None:
    """The device's signature and the principal's each count."""
    value = of()
    value[at] = SigningKey.generate(RANDOM).sign(Tag.SIGN_BINDING_DEV, value[0])
    with pytest.raises(RemoteProtocolError):
        check(value)


@pytest.mark.parametrize(
    ("at", "new"), [(0, 2), (4, RANDOM(32)), (5, RANDOM(32)), (5, b"x"), (6, b"x"), (7, RANDOM(32))]
)
def test_the_binding_has_one_form(at: int, new: Any) -> None:
    """Version, account, device of the account, principal, and the account's head."""
    value = of()
    fields = decode_untrusted(value[0], 512)
    fields[at] = new
    value[0] = encode(fields)
    value[1] = BOB.actor.device.sign(Tag.SIGN_BINDING_DEV, value[0])
    value[2] = BOB.actor.principal_key.sign(Tag.SIGN_BINDING_PRI, value[0])
    with pytest.raises(RemoteProtocolError):
        check(value)


@pytest.mark.parametrize(
    "value", [None, [], [1, 2, 3, 4, 5], [*of()[:4], "x" * 65], [*of()[:3], b"no log", "x"]]
)
def test_other_values_are_refused(value: Any) -> None:
    """Of another shape, with a name too long or an account log that is none."""
    with pytest.raises(RemoteProtocolError):
        check(value)


def test_an_account_is_only_itself() -> None:
    """A principal that is an account needs that very account and its user key."""
    from peergos_collab.objects.operations import Actor

    zoe = actor_of(found("zoe", RANDOM))
    claim = Actor(zoe.account, zoe.device, ANA.actor.principal, ANA.actor.principal_key, "zoe")
    with pytest.raises(RemoteProtocolError, match="another account"):
        check(introduce(CIRCLE.object, CIRCLE.epoch_id, LOG, claim))
