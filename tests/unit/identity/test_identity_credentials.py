"""The secret halves of a device: stored, grown with the account's log, and taken away by a removal."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.errors import Conflict, LocalProtocolError, NoAccess, NotFound, RemoteProtocolError
from peergos_collab.identity.account import MAX_LOG
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery import all_devices, recover
from peergos_collab.identity.recovery_code import RecoveryCode

RANDOM = random.Random(4).randbytes
ANA = Credentials.found("Ana", RecoveryCode.generate(RANDOM), RANDOM)
PHONE = DeviceSecrets.generate(RANDOM)
BOTH = ANA.add_device(PHONE.public)
"""Ana's first device, after it added a phone."""


def phone(account: Credentials = BOTH) -> Credentials:
    return replace(account, device=PHONE)


def changed(position: int, value: Any) -> bytes:
    fields = decode_untrusted(ANA.encode(), 1 << 17)
    fields[position] = value
    return encode(fields)


def test_they_come_back_as_they_were() -> None:
    """Encoding and decoding keeps every key."""
    again = Credentials.decode_untrusted(ANA.encode())

    assert again == ANA
    assert again.user.sign == ANA.user.sign


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 2),
        (1, "x" * 257),
        (2, b"no log"),
        (3, []),
        (3, [[ANA.account.user_key.generation, b"short"]]),
        (3, [[ANA.account.user_key.generation, bytes(32)]]),
        (4, [bytes(32), bytes(32)]),
        (4, [bytes(32), bytes(32), bytes(32)]),
    ],
)
def test_false_credentials_are_refused(position: int, value: Any) -> None:
    """Another version, a long name, missing or false seeds, and a device that never was the account's."""
    with pytest.raises(RemoteProtocolError):
        Credentials.decode_untrusted(changed(position, value))


def test_no_secret_is_shown() -> None:
    """Neither repr nor an error message holds a secret."""
    secrets = [ANA.user_seed.expose(), ANA.local.expose(), ANA.device_sign.seed.expose()]

    assert not any(secret.hex() in repr(ANA) or repr(secret)[2:-1] in repr(ANA) for secret in secrets)


def test_an_added_device_changes_no_user_key() -> None:
    """So no object has to change for it."""
    assert BOTH.account.devices.keys() == {ANA.device_id, PHONE.public.id}
    assert BOTH.user_seed == ANA.user_seed
    assert phone().stands


def test_a_removal_makes_a_user_key_that_only_the_others_get() -> None:
    """The one that stays follows by the log alone; the removed one sees that it was removed."""
    tablet = DeviceSecrets.generate(RANDOM)
    three = BOTH.add_device(tablet.public)
    removed = three.remove_device(PHONE.public.id, RANDOM)
    followed = replace(three, device=tablet).with_log(removed.account)

    assert followed.user_seed == removed.user_seed != three.user_seed
    assert not followed.account.standing.rotation_due
    with pytest.raises(NoAccess):
        phone(three).with_log(removed.account)


def test_a_removed_device_cannot_act(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it knows of its removal, it cannot sign a way back."""
    removed = BOTH.remove_device(PHONE.public.id, RANDOM)
    knows = replace(phone(), account=removed.account)

    assert not knows.stands
    with pytest.raises(LocalProtocolError):
        knows.add_device(DeviceSecrets.generate(RANDOM).public)
    with pytest.raises(LocalProtocolError):
        knows.rotate_user_key(RANDOM)


def test_removing_an_unknown_device_is_told() -> None:
    """Nothing changes then."""
    with pytest.raises(NotFound):
        ANA.remove_device(PHONE.public.id, RANDOM)


def test_a_log_with_nothing_new_changes_nothing() -> None:
    """The same credentials come back."""
    assert BOTH.with_log(ANA.account) is BOTH


def test_seeds_of_all_generations_are_kept() -> None:
    """What was wrapped to older generations opens for ever, also after storing."""
    twice = BOTH.rotate_user_key(RANDOM).rotate_user_key(RANDOM)
    again = Credentials.decode_untrusted(twice.encode())

    assert again == twice
    assert len(again.user_seeds) == 3
    assert again.user_seeds[ANA.account.user_key.generation] == ANA.user_seed


def test_pairs_of_all_generations_are_derived_once() -> None:
    """Each object that is opened asks for them; a new generation has its own."""
    pairs = BOTH.user_pairs
    rotated = BOTH.rotate_user_key(RANDOM)

    assert BOTH.user_pairs is pairs
    assert BOTH.user is pairs[BOTH.account.user_key.generation]
    assert len(rotated.user_pairs) == 2
    assert rotated.user.box.public_key == rotated.account.user_key.box != BOTH.user.box.public_key


def test_a_removed_device_still_opens_its_own_home() -> None:
    """It loses what others write from now on, not what it has."""
    removed = BOTH.remove_device(PHONE.public.id, RANDOM)
    stale = replace(removed, device=PHONE)

    assert Credentials.decode_untrusted(stale.encode()).device_id == PHONE.public.id


def test_a_log_keeps_room_for_removals_and_for_the_recovery_code() -> None:
    """No more devices where records could soon not carry the log; then no removals; the code still works."""
    random_ = random.Random(21).randbytes
    code, new_code = RecoveryCode.generate(random_), RecoveryCode.generate(random_)
    own = Credentials.found("Ana", code, random_)
    assert not own.nearly_full
    with pytest.raises(Conflict, match="no device can be added"):  # noqa: PT012 - after how many is not said
        while True:
            own = own.add_device(DeviceSecrets.generate(random_).public)
    assert own.nearly_full
    others = [device for device in own.account.devices if device != own.device_id]
    with pytest.raises(Conflict, match="no device can remove"):  # noqa: PT012 - the same
        for device in others:
            own = own.remove_device(device, random_)
    stolen, new = all_devices(own.account), DeviceSecrets.generate(random_)
    back = recover(own.account, "Ana", code, new_code, stolen, new, random_)

    assert others[0] not in own.account.devices
    assert back.account.devices.keys() == {new.public.id}
    assert len(own.account.raw) < len(back.account.raw) <= MAX_LOG
