"""Which ops of an account count: devices against devices, roots against devices, in any order of arrival."""

from __future__ import annotations

import random

import pytest

from peergos_collab.crypto import BoxPair, SigningKey, SignSeed, Tag, hash256
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.account_ops import (
    AccountOp,
    AddDevice,
    AddNode,
    DevicePublic,
    RotateRoot,
    SetRecovery,
)
from support.accounts import AccountMaker


@pytest.fixture
def ana() -> AccountMaker:
    return AccountMaker(random.Random(5).randbytes)


def three(ana: AccountMaker) -> tuple[AccountOp, AccountOp]:
    """The first device adds a laptop and a phone."""
    laptop = ana.add("first", "laptop")
    return laptop, ana.add("first", "phone", laptop)


def test_a_device_adds_another_and_that_one_more(ana: AccountMaker) -> None:
    """Any device that stands may add devices."""
    laptop = ana.add("first", "laptop")
    phone = ana.add("laptop", "phone", laptop)

    assert ana.names(ana.account(laptop, phone)) == {"first", "laptop", "phone"}


def test_a_younger_device_removes_the_oldest(ana: AccountMaker) -> None:
    """Age gives no rank: the oldest device is the one most likely to be lost."""
    laptop, phone = three(ana)
    account = ana.account(laptop, phone, ana.remove("phone", "first", phone))

    assert ana.names(account) == {"laptop", "phone"}
    assert account.standing.frozen == frozenset()
    assert account.standing.rotation_due


def test_a_removed_device_does_nothing_more(ana: AccountMaker) -> None:
    """What it signs after it has seen its own removal is void, whatever it is."""
    laptop, phone = three(ana)
    removal = ana.remove("phone", "laptop", phone)
    late = [
        ana.add("laptop", "spare", removal),
        ana.remove("laptop", "phone", removal),
        ana.rotate("laptop", removal),
    ]
    account = ana.account(laptop, phone, removal, *late)

    assert ana.names(account) == {"first", "phone"}
    assert account.standing.void.keys() == {op.id for op in late}


def test_what_a_removed_device_did_unseen_is_void(ana: AccountMaker) -> None:
    """A device it added, what that one added in turn, and a user key it made: none counts."""
    laptop, phone = three(ana)
    spare = ana.add("laptop", "spare", phone)
    tablet = ana.add("spare", "tablet", spare)
    key = ana.rotate("laptop", phone)
    key_of_spare = ana.rotate("spare", spare)
    removal = ana.remove("phone", "laptop", phone)
    account = ana.account(laptop, phone, spare, tablet, key, key_of_spare, removal)

    assert ana.names(account) == {"first", "phone"}
    assert account.user_key == ana.founded.account.user_key


def test_what_a_removal_has_seen_stays(ana: AccountMaker) -> None:
    """A device is not thrown out with the one that added it, if the remover knew of it."""
    laptop = ana.add("first", "laptop")
    phone = ana.add("laptop", "phone", laptop)
    removal = ana.remove("first", "laptop", phone)

    assert ana.names(ana.account(laptop, phone, removal)) == {"first", "phone"}


def test_devices_that_remove_each_other_are_frozen(ana: AccountMaker) -> None:
    """Neither counts, and a third goes on; an uncontested removal freezes nobody."""
    laptop, phone = three(ana)
    one = ana.remove("first", "laptop", phone)
    other = ana.remove("laptop", "first", phone)
    account = ana.account(laptop, phone, one, other)

    assert ana.names(account) == {"phone"}
    assert ana.frozen(account) == {"first", "laptop"}


def test_all_devices_may_be_frozen(ana: AccountMaker) -> None:
    """The account is still valid: the recovery code decides."""
    laptop = ana.add("first", "laptop")
    one, other = ana.remove("first", "laptop", laptop), ana.remove("laptop", "first", laptop)
    account = ana.account(laptop, one, other)

    assert account.devices == {}
    assert ana.frozen(account) == {"first", "laptop"}


def test_a_thief_who_removes_others_after_the_fact_freezes_them_at_most(ana: AccountMaker) -> None:
    """A removed device can sign a removal that has not seen its own: nobody can tell that from one made
    at the same time. Devices added since are out of its reach."""
    laptop, phone = three(ana)
    removal = ana.remove("phone", "laptop", phone)
    tablet = ana.add("first", "tablet", removal)
    backdated = ana.remove("laptop", "phone", phone)
    reaching = ana.remove("laptop", "tablet", phone)
    account = ana.account(laptop, phone, removal, tablet, backdated, reaching)

    assert ana.names(account) == {"first", "tablet"}
    assert ana.frozen(account) == {"laptop", "phone"}
    assert reaching.id in account.standing.void


def test_the_recovery_code_beats_the_stolen_oldest_device(ana: AccountMaker) -> None:
    """The thief removed all others and added his own, and everybody has seen it; the root undoes it all."""
    laptop, phone = three(ana)
    out_laptop = ana.remove("first", "laptop", phone)
    out_phone = ana.remove("first", "phone", out_laptop)
    own = ana.add("first", "thief", out_phone)
    key = ana.rotate("thief", own)
    before = ana.account(laptop, phone, out_laptop, out_phone, own, key)
    root = ana.take_over(key)
    removal = ana.remove(ana.root, "first", root, accepted=[phone])
    after = ana.account(laptop, phone, out_laptop, out_phone, own, key, root, removal)

    assert ana.names(before) == {"first", "thief"}
    assert ana.names(after) == {"laptop", "phone"}
    assert after.user_key == ana.founded.account.user_key
    assert after.standing.rotation_due


def test_a_thief_cannot_beat_the_root_by_backdating(ana: AccountMaker) -> None:
    """Nothing of a device that the root has cut off counts, wherever in the past it claims to be."""
    laptop, phone = three(ana)
    root = ana.take_over(phone)
    removal = ana.remove(ana.root, "first", root, accepted=[phone])
    hostile = [ana.remove("first", "phone", phone), ana.remove("first", "laptop", laptop)]
    hostile += [ana.add("first", "thief"), ana.rotate("first", phone)]
    account = ana.account(laptop, phone, root, removal, *hostile)

    assert ana.names(account) == {"laptop", "phone"}
    assert {op.id for op in hostile} <= account.standing.void.keys()


def test_devices_of_a_cut_off_thief_go_with_him(ana: AccountMaker) -> None:
    """Unlike for a device, having seen an addition does not save it from a root that does not accept it."""
    laptop, phone = three(ana)
    thief = ana.add("first", "thief", phone)
    root = ana.take_over(thief)
    cut = ana.remove(ana.root, "first", root, accepted=[phone])
    spared = ana.remove(ana.root, "first", root, accepted=[thief])

    assert ana.names(ana.account(laptop, phone, thief, root, cut)) == {"laptop", "phone"}
    assert ana.names(ana.account(laptop, phone, thief, root, spared)) == {"laptop", "phone", "thief"}


def test_a_root_removal_that_names_unseen_ops_is_void(ana: AccountMaker) -> None:
    """Otherwise its meaning would depend on what else is known."""
    laptop, phone = three(ana)
    root = ana.take_over(laptop)
    removal = ana.remove(ana.root, "first", root, accepted=[phone])
    account = ana.account(laptop, phone, root, removal)

    assert "first" in ana.names(account)
    assert removal.id in account.standing.void


def test_a_root_removal_ends_a_freeze(ana: AccountMaker) -> None:
    """It voids what the removed one did, so the other stands again."""
    laptop, phone = three(ana)
    one, other = ana.remove("first", "laptop", phone), ana.remove("laptop", "first", phone)
    root = ana.take_over(one, other)
    decided = ana.remove(ana.root, "first", root, accepted=[phone])
    account = ana.account(laptop, phone, one, other, root, decided)

    assert ana.names(account) == {"laptop", "phone"}
    assert ana.frozen(account) == set()


def test_whom_the_root_removes_is_not_frozen(ana: AccountMaker) -> None:
    """It decided, also where it lets both removals stand."""
    laptop, phone = three(ana)
    one, other = ana.remove("first", "laptop", phone), ana.remove("laptop", "first", phone)
    root = ana.take_over(one, other)
    first = ana.remove(ana.root, "first", root, accepted=[one])
    both = ana.remove(ana.root, "laptop", first, accepted=[other])
    account = ana.account(laptop, phone, one, other, root, first, both)

    assert ana.names(account) == {"phone"}
    assert ana.frozen(account) == set()


def test_of_two_removals_by_the_root_the_stricter_counts(ana: AccountMaker) -> None:
    """For each op, whichever of them came first."""
    laptop, phone = three(ana)
    spare = ana.add("first", "spare", phone)
    root = ana.take_over(spare)
    strict = ana.remove(ana.root, "first", root, accepted=[phone])
    mild = ana.remove(ana.root, "first", root, accepted=[spare])
    again = ana.remove(ana.root, "first", strict, mild, accepted=[spare])

    assert ana.names(ana.account(laptop, phone, spare, root, strict, mild)) == {"laptop", "phone"}
    assert ana.names(ana.account(laptop, phone, spare, root, strict, mild, again)) == {"laptop", "phone"}


def test_a_device_acts_only_after_its_addition(ana: AccountMaker) -> None:
    """An op of a device that has not seen that it is one is void: nobody could judge it in its past."""
    laptop = ana.add("first", "laptop")
    made = [ana.add("laptop", f"phone {number}") for number in range(16)]
    early = max(made, key=lambda op: op.id)  # of one depth, so it comes after the addition if its id does
    account = ana.account(laptop, early)

    assert ana.names(account) == {"first", "laptop"}
    assert early.id in account.standing.void
    with pytest.raises(RemoteProtocolError, match="stranger"):
        ana.account(early)


def test_a_device_keeps_the_keys_it_was_added_with(ana: AccountMaker) -> None:
    """Else whoever adds it again could have its seeds boxed to himself."""
    laptop = ana.add("first", "laptop")
    secret = ana.secret("laptop").public
    false = DevicePublic(secret.id, secret.sign, BoxPair.generate(ana.random).public_key)
    account = ana.account(laptop, ana.op("first", AddDevice(false), laptop))

    assert account.devices[secret.id] == secret


def test_only_the_announced_root_takes_over(ana: AccountMaker) -> None:
    """The first root key, stolen, cannot replace itself; a take-over by anybody else is no op of the log."""
    first_root = SigningKey.from_seed(SignSeed.generate(ana.random))
    with pytest.raises(RemoteProtocolError):
        ana.account(ana.take_over(root=first_root))
    device = ana.op("first", RotateRoot(bytes(32)))
    account = ana.account(device)

    assert account.standing.root == ana.founded.account.standing.root
    assert account.standing.void.keys() == {device.id}


def test_an_old_root_signs_nothing_behind_the_new_ones_back(ana: AccountMaker) -> None:
    """Whoever finds a root key that was used cannot use it again, not even with an older date."""
    second = SigningKey.from_seed(SignSeed.generate(ana.random))
    announced = ana.op(ana.root, RotateRoot(hash256(Tag.NEXT_ROOT_HASH, second.public)))
    seen = ana.add(ana.root, "laptop", announced)
    third = ana.take_over(seen, root=second)
    late = ana.remove(ana.root, "first", announced)
    phone = ana.add("first", "phone", third)
    account = ana.account(announced, seen, third, late, phone)

    assert ana.names(account) == {"first", "laptop", "phone"}
    assert late.id in account.standing.void
    assert account.standing.root_generation == 2


def test_a_root_counts_from_its_take_over_on(ana: AccountMaker) -> None:
    """An op of the announced root that has not seen the take-over is void."""
    root = ana.take_over()
    early = ana.add(ana.root, "laptop")
    account = ana.account(root, early)

    assert ana.names(account) == {"first"}
    assert early.id in account.standing.void


def test_a_recovery_code_used_twice_is_told(ana: AccountMaker) -> None:
    """One of the two take-overs counts, the same for everybody, and the account says so."""
    node = ana.op("first", AddNode("pgc://a"))
    one = ana.take_over(salt=b"1")
    deeper = (ana.take_over(node, salt=bytes([number])) for number in range(256))
    other = next(op for op in deeper if op.id < one.id)
    account, chosen = ana.account(node, one, other), other
    assert isinstance(chosen.action, RotateRoot)

    assert account.standing.root_forked
    assert account.standing.forked == frozenset()
    assert account.standing.void.keys() == {one.id}
    assert account.standing.next_root == chosen.action.next_hash
    assert not ana.account(one).standing.root_forked


def test_a_root_takes_over_once(ana: AccountMaker) -> None:
    """What it announced stays announced: a code that was used cannot replace the new one."""
    root = ana.take_over(salt=b"first")
    seen = ana.add(ana.root, "laptop", root)
    more = (ana.take_over(seen, salt=bytes([number])) for number in range(256))
    again = next(op for op in more if op.id < root.id)
    account = ana.account(root, seen, again)
    assert isinstance(root.action, RotateRoot)

    assert account.standing.next_root == root.action.next_hash
    assert account.standing.void.keys() == {again.id}
    assert ana.names(account) == {"first", "laptop"}


def test_devices_do_nothing_that_is_the_roots(ana: AccountMaker) -> None:
    """They set no recovery key, and do not say what of another device counts."""
    laptop = ana.add("first", "laptop")
    recovery = ana.op("first", SetRecovery(BoxPair.generate(ana.random).public_key), laptop)
    removal = ana.remove("first", "laptop", recovery, accepted=[laptop])
    account = ana.account(laptop, recovery, removal)

    assert account.standing.recovery == ana.founded.account.standing.recovery
    assert ana.names(account) == {"first", "laptop"}
    assert account.standing.void.keys() == {recovery.id, removal.id}


def test_the_root_sets_the_recovery_key(ana: AccountMaker) -> None:
    """With a new code comes a new key to box user seeds to."""
    box = BoxPair.generate(ana.random).public_key
    root = ana.take_over()
    account = ana.account(root, ana.op(ana.root, SetRecovery(box), root))

    assert account.standing.recovery == box


def test_a_removed_device_never_comes_back_under_its_keys(ana: AccountMaker) -> None:
    """Else a removal and an addition side by side would have to be weighed."""
    laptop = ana.add("first", "laptop")
    removal = ana.remove("first", "laptop", laptop)
    again = ana.add("first", "laptop", removal)
    aside = ana.add("first", "laptop", ana.founding[-1])

    assert ana.names(ana.account(laptop, removal, again)) == {"first"}
    assert aside.id == laptop.id


def test_a_device_removes_only_what_it_knows(ana: AccountMaker) -> None:
    """A removal of a device whose addition it has not seen is void."""
    laptop, phone = three(ana)
    blind = ana.remove("laptop", "phone", laptop)

    assert ana.names(ana.account(laptop, phone, blind)) == {"first", "laptop", "phone"}


def test_strangers_have_no_place_in_a_log(ana: AccountMaker) -> None:
    """A log with an op by somebody who was never a device is refused: nobody can fill another's log."""
    for op in (ana.add("eve", "mallory"), ana.rotate("eve"), ana.remove("eve", "first")):
        with pytest.raises(RemoteProtocolError):
            ana.account(op)


def test_a_device_with_two_histories_is_told(ana: AccountMaker) -> None:
    """Its ops must see each other: else a copy of it is in use. Two devices side by side are no fork."""
    laptop, phone = three(ana)
    one, other = ana.add("laptop", "a", phone), ana.add("laptop", "b", phone)
    apart = ana.add("first", "c", phone)

    assert ana.account(laptop, phone, one, other).standing.forked == {ana.secret("laptop").public.id}
    assert ana.account(laptop, phone, one, apart).standing.forked == frozenset()


def test_user_keys_follow_each_other(ana: AccountMaker) -> None:
    """The newest counts; two side by side leave a rotation due, and one that saw both settles it."""
    laptop, phone = three(ana)
    one, other = ana.rotate("first", phone), ana.rotate("laptop", phone)
    both = ana.account(laptop, phone, one, other)
    settled = ana.account(laptop, phone, one, other, ana.rotate("phone", one, other))

    assert set(both.standing.newest) == {one.id, other.id}
    assert both.standing.rotation_due
    assert len(settled.standing.newest) == 1
    assert not settled.standing.rotation_due
    assert {one.id, other.id} < settled.standing.user_keys.keys()


def test_a_user_key_that_saw_a_removal_is_preferred(ana: AccountMaker) -> None:
    """Of two side by side the one that fewer removed devices can have."""
    laptop, phone = three(ana)
    removal = ana.remove("first", "laptop", phone)
    after, before = ana.rotate("first", removal), ana.rotate("phone", phone)
    account = ana.account(laptop, phone, removal, after, before)

    assert account.user_key.generation == after.id
    assert account.standing.rotation_due
    assert not ana.account(laptop, phone, removal, after).standing.rotation_due


def test_nodes_are_collected(ana: AccountMaker) -> None:
    """Those added by devices that stand, or that a removal has seen."""
    laptop = ana.add("first", "laptop")
    kept = ana.op("laptop", AddNode("pgc://b"), laptop)
    removal = ana.remove("first", "laptop", kept)
    lost = ana.op("laptop", AddNode("pgc://a"), kept)
    account = ana.account(laptop, kept, removal, lost, ana.op("first", AddNode("pgc://c"), removal))

    assert account.standing.nodes == ("pgc://b", "pgc://c")


def test_logs_more_tangled_than_honest_ones_are_refused(
    ana: AccountMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voiding what removed devices added is bounded work."""
    monkeypatch.setattr("peergos_collab.identity.account_verdict.MAX_VOIDED", 3)
    laptop, phone = three(ana)
    chain, last = list[AccountOp](), phone
    for number in range(4):
        last = ana.add("laptop" if not number else f"d{number - 1}", f"d{number}", last)
        chain.append(last)
    busy, last = list[AccountOp](), phone
    for number in range(5):
        last = ana.op("phone", AddNode(f"pgc://{number}"), last)
        busy.append(last)
    removal = ana.remove("phone", "laptop", last)

    assert ana.names(ana.account(laptop, phone, *chain[:3], *busy, removal)) == {"first", "phone"}
    with pytest.raises(RemoteProtocolError, match="tangled"):
        ana.account(laptop, phone, *chain, *busy, removal)
