"""The recovery code takes the account back from whoever has its devices."""

from __future__ import annotations

import random

import pytest

from peergos_collab.errors import NoAccess
from peergos_collab.identity.account_ops import RemoveDevice
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery import check_code, recover
from peergos_collab.identity.recovery_code import RecoveryCode

RANDOM = random.Random(7).randbytes
CODE, NEW_CODE, WRONG = (RecoveryCode.generate(RANDOM) for _ in range(3))
ANA = Credentials.found("Ana", CODE, RANDOM)
PHONE, THIEF, NEW = (DeviceSecrets.generate(RANDOM) for _ in range(3))
BOTH = ANA.add_device(PHONE.public)


def stolen() -> Credentials:
    """The thief of the oldest device threw out the phone, added his own device and made a user key."""
    account = BOTH.account.with_op(RemoveDevice(PHONE.public.id), ANA.device_sign)
    grown = Credentials("Ana", account, BOTH.user_seeds, ANA.device)
    return grown.add_device(THIEF.public).rotate_user_key(RANDOM)


def taken_back() -> Credentials:
    accepted = {ANA.device_id: BOTH.account.last_ops(ANA.device_id)}
    return recover(stolen().account, "Ana", CODE, NEW_CODE, accepted, NEW, RANDOM)


def test_the_thief_of_the_oldest_device_is_beaten() -> None:
    """He and his devices are out, those he threw out are in, and he does not have the new user key."""
    back = taken_back()

    assert back.account.devices.keys() == {PHONE.public.id, NEW.public.id}
    assert Credentials("Ana", back.account, {}, PHONE).with_log(back.account).account == back.account
    assert not back.account.standing.rotation_due
    for device in (ANA.device, THIEF):
        with pytest.raises(NoAccess):
            Credentials("Ana", stolen().account, stolen().user_seeds, device).with_log(back.account)


def test_everything_written_before_opens() -> None:
    """The code leads to every generation there was, also to the one the thief made."""
    rotated = BOTH.rotate_user_key(RANDOM)
    back = recover(rotated.account, "Ana", CODE, NEW_CODE, {}, NEW, RANDOM)

    assert rotated.user_seeds.items() <= back.user_seeds.items()
    assert Credentials.decode_untrusted(back.encode()) == back


def test_a_code_works_once() -> None:
    """The next one is the one that was shown then."""
    back = taken_back()

    with pytest.raises(NoAccess, match="used"):
        recover(back.account, "Ana", CODE, WRONG, {}, NEW, RANDOM)
    again = recover(back.account, "Ana", NEW_CODE, WRONG, {NEW.public.id: ()}, THIEF, RANDOM)

    assert again.account.devices.keys() == {PHONE.public.id, THIEF.public.id}
    assert again.account.standing.root_generation == 2


def test_another_code_is_refused() -> None:
    """Before anything is signed."""
    with pytest.raises(NoAccess):
        check_code(ANA.account, WRONG)


def test_a_device_that_stands_is_not_added_again() -> None:
    """Recovery on the phone itself only replaces the root and ends the other device."""
    accepted = {ANA.device_id: BOTH.account.last_ops(ANA.device_id)}
    back = recover(BOTH.account, "Ana", CODE, NEW_CODE, accepted, PHONE, RANDOM)

    assert back.account.devices.keys() == {PHONE.public.id}
    assert back.account.standing.void == {}
