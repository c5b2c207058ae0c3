"""A device leaves an account: what that does to the objects the account is in."""

from __future__ import annotations

import random
from dataclasses import replace

from peergos_collab.identity.account_ops import AddNode
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery import recover
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import newer_account
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import RePin
from peergos_collab.objects.surroundings import Surroundings
from support.circle import actor_of
from support.members import Group, Person

RANDOM = random.Random(12).randbytes
STOLEN = DeviceSecrets.generate(RANDOM)


def with_credentials(person: Person, credentials: Credentials) -> None:
    """What a device does that takes in a newer log of its own account."""
    person.credentials = credentials
    person.membership.add_pair(credentials.user.box)
    accounts = {credentials.account_id: credentials.account}
    person.maker = replace(
        person.maker, actor=actor_of(credentials), surroundings=Surroundings(accounts=accounts)
    )


def group(readers: str = "") -> Group:
    """``a`` made an object, ``b`` writes in it; ``b`` has a second device since."""
    who = Group(f"ab{readers}", RANDOM)
    who.add("a", "b", Level.WRITE)
    for name in readers:
        who.add("a", name, Level.READ, "b")
    with_credentials(who["b"], who["b"].credentials.add_device(STOLEN.public))
    return who


def test_a_new_device_asks_for_no_change() -> None:
    """The epoch stays usable, and nothing is due."""
    who = group()

    assert who["b"].usable == who.first.id
    assert who["b"].duty(to_write=True) is None


def test_a_removed_device_opens_nothing_after() -> None:
    """The account's new key takes the place of the old one in new keys, which nobody hands to the removed
    device, whatever records it is given; the others go on."""
    who = group()
    thief = replace(who["b"].credentials, device=STOLEN)
    with_credentials(who["b"], who["b"].credentials.remove_device(STOLEN.public.id, RANDOM))
    assert who["b"].usable is None
    renewed = who["b"].duty(to_write=True)
    assert renewed is not None
    who.tell(renewed)
    who.settle()
    stolen = Membership(who.object, KeyRing([thief.user.box]))
    stolen.take(who["b"].records)

    assert {who["a"].usable, who["b"].usable} == {renewed.id}
    assert who.first.id in stolen.keys
    assert renewed.id not in stolen.keys
    assert isinstance(stolen.history.entry(renewed.id).signed.op, RePin)


def test_keys_that_a_removed_device_made_are_used_by_nobody() -> None:
    """It claims to give its account's newest key: what proves that is public, and it wraps new keys of its
    own making to everybody. But the log that lists it says that it is not behind that key."""
    who = group()
    thief = replace(who["b"].credentials, device=STOLEN)
    with_credentials(who["b"], who["b"].credentials.remove_device(STOLEN.public.id, RANDOM))
    proof = newer_account(who["b"].credentials.account)
    false = replace(who["b"].maker, actor=actor_of(thief)).re_pin([proof])
    who.tell(false)

    assert who["b"].usable is None
    renewed = who["b"].duty(to_write=True)
    assert renewed is not None
    who.tell(renewed)
    who.settle()
    assert {who["a"].usable, who["b"].usable} == {renewed.id}


def test_who_may_only_read_tells_the_account_of_keys_that_a_removed_device_made() -> None:
    """Two key versions stand side by side then, but the logs say which one is the account's. Else its other
    device would never learn of what was built on those keys."""
    who = group("r")
    thief = replace(who["b"].credentials, device=STOLEN).rotate_user_key(RANDOM)
    maker = replace(who["b"].maker, actor=actor_of(thief))
    false = maker.re_pin([newer_account(thief.account)])
    with_credentials(who["b"], who["b"].credentials.remove_device(STOLEN.public.id, RANDOM))
    renewed = who["b"].duty(to_write=True)
    assert renewed is not None
    who.tell([renewed, false])
    contested = who["r"].view.members[who["b"].id].contested
    told = who["r"].duty()
    assert told is not None
    who.tell(told)

    assert len(contested) == 2
    assert false.id in who["b"].membership.keys


def test_the_recovery_code_takes_objects_back_from_a_thief() -> None:
    """He threw out the owner's device and gave the object a user key of his own; the code voids that key,
    and the owner's new one takes its place, though the object is listed with the false one."""
    code, new_code = (RecoveryCode.generate(RANDOM) for _ in range(2))
    own = Credentials.found("b", code, RANDOM).add_device(STOLEN.public)
    who = Group("ab", RANDOM)
    with_credentials(who["b"], own)
    who.add("a", "b", Level.WRITE)
    thief = Group("t", RANDOM)["t"]
    thief.credentials = replace(own, device=STOLEN).remove_device(own.device_id, RANDOM)
    thief.maker = replace(who["b"].maker, actor=actor_of(thief.credentials))
    stolen = thief.maker.re_pin([newer_account(thief.credentials.account)])
    who.tell(stolen)
    taken = thief.credentials.account
    accepted = {STOLEN.public.id: ()}
    back = recover(taken, "b", code, new_code, accepted, own.device, RANDOM)
    with_credentials(who["b"], back)
    renewed = who["b"].duty(to_write=True)
    assert renewed is not None
    who.tell(renewed)
    who.settle()

    assert own.device_id in back.account.devices
    assert taken.user_key.generation in back.account.standing.false_user_keys
    assert who["a"].view.members[who["b"].id].principal.version == back.account.user_key.generation
    assert who["a"].usable == who["b"].usable is not None
    held = Membership(who.object, KeyRing([pair.box for pair in (own.user, thief.credentials.user)]))
    held.take(who["b"].records)
    assert who["a"].usable not in held.keys


def test_others_learn_of_the_removal_from_the_records() -> None:
    """They have the account's newest log then, without asking anybody."""
    who = group()
    with_credentials(who["b"], who["b"].credentials.remove_device(STOLEN.public.id, RANDOM))
    renewed = who["b"].duty(to_write=True)
    assert renewed is not None
    who.tell(renewed)
    account = who["a"].view.accounts()[who["b"].credentials.account_id]

    assert STOLEN.public.id not in account.devices
    assert who["a"].view.closed(who["b"].id, device=STOLEN.public.id) == {}


def test_logs_that_came_with_records_are_united() -> None:
    """Two devices that acted apart each told of their own: what follows is both, in every order."""
    who = group()
    base = who["b"].credentials
    laptop = replace(base, account=base.account.with_op(AddNode("pgc://a"), base.device_sign))
    phone = replace(base, device=STOLEN)
    phone = replace(phone, account=base.account.with_op(AddNode("pgc://b"), STOLEN.sign))
    told = []
    for credentials in (laptop, phone):
        with_credentials(who["b"], credentials)
        told.append(who["b"].maker.tell_news())
    for records in (told, told[::-1]):
        other = Membership(who.object, KeyRing((), who["a"].membership.keys))
        other.take([*who["a"].records, *records])
        nodes = other.view.accounts()[base.account_id].standing.nodes

        assert nodes == ("pgc://a", "pgc://b")
