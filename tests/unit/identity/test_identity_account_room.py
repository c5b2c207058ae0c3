"""A thief who fills an account's log: it keeps its bounds for others, and the recovery code cuts it off."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.errors import LocalProtocolError, NoAccess, RemoteProtocolError
from peergos_collab.identity.account import MAX_LOG, Account
from peergos_collab.identity.account_ops import AddDevice, AddNode, CutOff, RemoveDevice
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.contacts import ContactRecord, Standing, State, compare
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery import all_devices, part_to_keep, recover
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.identity.user_keys import new_generation
from peergos_collab.objects.key_versions import account_principal, check_newer, knows_version, newer_account
from support.accounts import AccountMaker, LogFiller

RANDOM = random.Random(93).randbytes
CODE = RecoveryCode.generate(RANDOM)
PHONE = DeviceSecrets.generate(RANDOM)
ANA = Credentials.found("Ana", CODE, RANDOM).add_device(PHONE.public)
ON_PHONE = replace(ANA, device=PHONE)


def filled(tag: str = "thief", *, room: int = 0, of: Credentials = ANA) -> Account:
    filler = LogFiller(of)
    filler.fill(tag, room=room)
    return filler.account


def taken_back(account: Account, code: RecoveryCode = CODE) -> tuple[Credentials, RecoveryCode]:
    """On a new device, as ``pgc recover`` does it."""
    kept, new_code = part_to_keep(account), RecoveryCode.generate(RANDOM)
    new = DeviceSecrets.generate(RANDOM)
    back = recover(kept, "Ana", code, new_code, all_devices(kept), new, RANDOM, whole=account)
    assert back.account.devices.keys() == {new.public.id}
    return back, new_code


def test_a_full_log_leaves_room_to_the_code_and_to_life_after_it() -> None:
    """The account comes back within what records carry, with room for more devices, time and again."""
    account, code, lengths = filled(), CODE, []
    assert len(account.raw) > MAX_LOG - 400
    for _ in range(3):
        back, code = taken_back(account, code)
        lengths.append(len(back.account.raw))
        for _ in range(8):
            back = back.add_device(DeviceSecrets.generate(RANDOM).public)
        account = filled(of=back)

    assert max(lengths) < MAX_LOG // 2 + (4 << 10)


def test_a_log_with_room_is_kept_whole() -> None:
    """Nothing that honest devices did is left out."""
    account = filled(room=24 << 10)

    assert part_to_keep(account) is account
    assert part_to_keep(filled()) is not filled()


def test_what_is_left_out_is_cut_off_by_name() -> None:
    """Devices and user keys that the thief made at the end of a full log: who is listed with such a key is
    listed with an older one, and who has the whole log sees those devices out as well."""
    filler = LogFiller(ANA)
    filler.fill("first", room=4 << 10)
    late, seed = DeviceSecrets.generate(RANDOM), ANA.user_seed
    assert filler.sign(AddDevice(late.public))
    assert filler.sign(new_generation(seed, [late.public], None, {}, RANDOM))
    thief = filler.account
    back, _ = taken_back(thief)
    listed = account_principal(thief)

    assert late.public.id in thief.devices
    assert late.public.id in back.account.standing.gone
    assert thief.user_key.generation in back.account.standing.ended
    assert knows_version(back.account, listed)
    assert listed.version in check_newer(newer_account(back.account), [listed], [listed], [], contested=False)
    for merged in (thief.merge(back.account), back.account.merge(thief)):
        assert merged.devices == back.account.devices
        assert merged.user_key == back.account.user_key
        assert len(merged.raw) <= MAX_LOG
        assert late.public.id in merged.standing.gone


def test_only_a_root_cuts_off() -> None:
    """A device that names others so is not heard."""
    with pytest.raises(LocalProtocolError, match="only the root"):
        ANA.account.with_op(CutOff((PHONE.public.id,), ()), ANA.device_sign)


def test_a_device_that_was_cut_off_is_out_though_its_addition_comes_later() -> None:
    """And so is what it signed."""
    maker = AccountMaker(RANDOM)
    added = maker.add("first", "late")
    acts = maker.op("late", AddNode("pgc://late"), added)
    takes = maker.take_over()
    ends = maker.op(maker.root, CutOff((maker.secret("late").public.id,), (bytes(32),)), takes)
    account = maker.account(added, acts, takes, ends)

    assert maker.names(account) == {"first"}
    assert account.standing.nodes == ()
    assert account.standing.ended == {bytes(32)}
    assert maker.secret("late").public.id in account.standing.gone


@pytest.mark.parametrize("first", [True, False])
def test_two_full_logs_do_not_make_one_that_nobody_takes(first: bool) -> None:
    """Two branches by a thief: whoever is shown both keeps one, and stays able to show his log to others."""
    one, other = filled("one"), filled("other")
    known, shown = (one, other) if first else (other, one)

    assert known.merge(shown) == known
    assert len(known.merge(shown).raw) <= MAX_LOG
    assert ON_PHONE.account.merge(known).raw == known.raw


def test_after_the_code_was_used_all_agree_whatever_they_were_shown() -> None:
    """Both branches are cut off for whoever had one, and it is the owner's log that counts for him."""
    one, other = filled("one"), filled("other")
    back, _ = taken_back(one)
    later = back.add_device(DeviceSecrets.generate(RANDOM).public)

    for known in (one, other, ANA.account, one.merge(other)):
        for merged in (known.merge(later.account), later.account.merge(known)):
            assert merged.devices == later.account.devices
            assert merged.user_key == later.account.user_key
            assert len(merged.raw) <= MAX_LOG
    with pytest.raises(NoAccess):
        replace(ON_PHONE, account=other).with_log(later.account)


def test_what_is_left_out_changes_nothing() -> None:
    """The shorter log says of devices, keys and nodes what all ops together say."""
    filler = LogFiller(ANA)
    filler.fill("one", room=30 << 10)
    back, _ = taken_back(filler.account)
    thief = LogFiller(replace(ANA, account=filler.account))
    late = DeviceSecrets.generate(RANDOM)
    thief.sign(AddDevice(late.public))
    thief.sign(RemoveDevice(PHONE.public.id))
    thief.fill("late")
    by_late = LogFiller(replace(ANA, account=thief.account, device=late))
    merged = back.account.merge(by_late.account)

    assert len(merged.raw) == len(back.account.raw)
    assert merged == back.account


# -- a contact who follows -------------------------------------------------------------------------


def record(account: Account, by: Credentials = ANA) -> ContactRecord:
    return ContactRecord.new(ContactCard.make(replace(by, account=account), (), 5), State.MUTUAL, 0)


@pytest.mark.parametrize("branches", [1, 2])
def test_a_contact_follows_whatever_the_thief_showed_him(branches: int) -> None:
    """A full log, or one that contradicts what was taken back: the new keys are offered to him, and what the
    thief shows afterwards changes nothing."""
    shown = [filled(f"branch {number}") for number in range(branches)]
    back, _ = taken_back(shown[0])
    known = record(shown[-1])
    seen = known.see(ContactCard.make(back, (), 6))

    assert compare(shown[-1], back.account) is Standing.NEWER
    assert compare(back.account, shown[-1]) is Standing.OLDER
    assert seen.newer == ContactCard.make(back, (), 6)
    accepted = seen.accept_keys()
    late = ContactCard.make(replace(ANA, account=filled("late")), (), 9)
    assert accepted.see(late) == accepted


def test_a_code_that_was_used_twice_is_still_told() -> None:
    """It contradicts, as it did."""
    one, _ = taken_back(ANA.account)
    other, _ = taken_back(ANA.account)

    assert compare(one.account, other.account) is Standing.FORKED
    with pytest.raises(RemoteProtocolError, match="contradicting"):
        record(one.account, one).see(ContactCard.make(other, (), 9))
