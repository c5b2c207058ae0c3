"""How a user key's seed reaches those it is for, and what false boxes do."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.crypto import BoxPair, UserSeed
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.account_ops import RotateUserKey
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.identity.user_keys import RECOVERY, check_seed, new_generation, open_seeds

RANDOM = random.Random(6).randbytes
CODE = RecoveryCode.generate(RANDOM)
ANA = Credentials.found("Ana", CODE, RANDOM)
PHONE = DeviceSecrets.generate(RANDOM)
BOTH = ANA.add_device(PHONE.public)


def test_the_newest_seed_leads_to_all_before() -> None:
    """A device that only gets the newest generation opens the older ones through it."""
    rotated = BOTH.rotate_user_key(RANDOM).rotate_user_key(RANDOM)

    assert open_seeds(rotated.account, PHONE.public.id, PHONE.box) == rotated.user_seeds


def test_the_recovery_code_opens_every_generation() -> None:
    """It needs nothing else but the log."""
    rotated = BOTH.rotate_user_key(RANDOM)

    assert open_seeds(rotated.account, RECOVERY, CODE.seeds_pair()) == rotated.user_seeds


def test_others_open_nothing() -> None:
    """Neither another pair under a device's name, nor a device without a box."""
    assert open_seeds(BOTH.account, ANA.device_id, PHONE.box) == {}
    assert open_seeds(BOTH.account, PHONE.public.id, PHONE.box) == {}


def test_boxes_that_hold_other_seeds_are_not_believed() -> None:
    """A device that makes a user key and boxes something else gains no trust in that."""
    true = new_generation(UserSeed.generate(RANDOM), [PHONE.public], None, {}, RANDOM)
    false = new_generation(UserSeed.generate(RANDOM), [PHONE.public], None, {}, RANDOM)
    mixed = RotateUserKey(true.sign, true.box, false.seeds)
    account = BOTH.account.with_op(mixed, BOTH.device_sign)

    assert open_seeds(account, PHONE.public.id, PHONE.box) == {}


def test_garbage_in_boxes_is_not_believed() -> None:
    """A box or a seed before that does not open is as good as none."""
    seed, old = UserSeed.generate(RANDOM), ANA.account.user_key.generation
    good = new_generation(seed, [PHONE.public], None, {old: ANA.user_seed}, RANDOM)
    spoiled = replace(good.seeds, previous={old: bytes(48)})
    account = BOTH.account.with_op(replace(good, seeds=spoiled), BOTH.device_sign)
    broken = replace(good.seeds, boxes={PHONE.public.id: bytes(48)})
    other = BOTH.account.with_op(replace(good, seeds=broken), BOTH.device_sign)

    assert open_seeds(account, PHONE.public.id, PHONE.box) == {account.user_key.generation: seed}
    assert open_seeds(other, PHONE.public.id, PHONE.box) == {}


def test_a_low_order_sender_is_not_believed() -> None:
    """A key that belongs to nobody opens nothing, and ends nothing."""
    good = new_generation(UserSeed.generate(RANDOM), [PHONE.public], None, {}, RANDOM)
    seeds = replace(good.seeds, sender=type(good.box)(bytes(32)))
    account = BOTH.account.with_op(replace(good, seeds=seeds), BOTH.device_sign)

    assert open_seeds(account, PHONE.public.id, PHONE.box) == {}


def test_a_previous_seed_of_an_unknown_generation_is_ignored() -> None:
    """Only generations of this log count."""
    seed = UserSeed.generate(RANDOM)
    good = new_generation(seed, [PHONE.public], None, {bytes(32): ANA.user_seed}, RANDOM)
    account = BOTH.account.with_op(good, BOTH.device_sign)

    assert open_seeds(account, PHONE.public.id, PHONE.box) == {account.user_key.generation: seed}


def test_a_seed_is_checked_against_its_key() -> None:
    """Both public keys must be those of the generation."""
    check_seed(ANA.user_seed, ANA.account.user_key)

    with pytest.raises(RemoteProtocolError):
        check_seed(UserSeed.generate(RANDOM), ANA.account.user_key)
    with pytest.raises(RemoteProtocolError):
        check_seed(ANA.user_seed, replace(ANA.account.user_key, box=BoxPair.generate(RANDOM).public_key))
