"""What a new device is given of its account: all of it is checked before a home is made of it."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import ObjectId
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.credentials import DeviceSecrets
from peergos_collab.objects.records import MAX_RECORD
from peergos_collab.workspace.account_parcel import MAX_PARCEL, ROOM, AccountParcel
from peergos_collab.workspace.circle_people import CIRCLE
from peergos_collab.workspace.home import (
    create_home,
    create_linked_home,
    home_exists,
    open_keys,
    parcel_of,
)
from peergos_collab.workspace.known_circles import KnownCircles

RANDOM = random.Random(7).randbytes
RECORD, SECRET = 8, 7


@pytest.fixture
def parcel(tmp_path: Path) -> AccountParcel:
    create_home(tmp_path / "first", name="Ana", passphrase=None)
    return parcel_of(open_keys(tmp_path / "first", None))


def resigned(record: bytes) -> bytes:
    """The profile's record, signed by somebody else; nothing else in it differs."""
    fields = decode_untrusted(record, MAX_RECORD)
    fields[4] = SigningKey.generate(RANDOM).sign(Tag.SIGN_EPOCH, bytes(32))
    return encode(fields)


def test_a_parcel_comes_back(parcel: AccountParcel) -> None:
    """With everything a home is made of."""
    again = AccountParcel.decode_untrusted(parcel.encode())

    assert again.account == parcel.account
    assert again.profile_record == parcel.profile_record
    assert again.encode() == parcel.encode()


def test_a_parcel_tells_of_as_many_circles_as_it_has_room_for(parcel: AccountParcel) -> None:
    """Of a hundred objects as of a hundred thousand, and it stays one piece of mail."""
    for many in (100, 100_000):
        objects = [ObjectId(RANDOM(32)) for _ in range(many)]
        circles = KnownCircles.gather((object_id, bytes(CIRCLE)) for object_id in objects)
        raw = replace(parcel, circles=circles).encode()
        told = AccountParcel.decode_untrusted(raw).circles
        known = sum(told.of(object_id) == bytes(CIRCLE) for object_id in objects)

        assert len(raw) < ROOM + 8
        assert known == many or (known > 5_000 and len(raw) > ROOM - 8)


def test_false_circles_are_not_taken(parcel: AccountParcel) -> None:
    """As anything else in it."""
    with pytest.raises(RemoteProtocolError):
        AccountParcel.decode_untrusted(changed(parcel, 11, bytes(CIRCLE + 4)))


def changed(parcel: AccountParcel, at: int, value: Any) -> bytes:
    fields = decode_untrusted(parcel.encode(), MAX_PARCEL)
    fields[at] = value
    return encode(fields)


def test_a_false_profile_is_not_taken(parcel: AccountParcel, tmp_path: Path) -> None:
    """A record whose signature does not hold, another profile's, or a secret that is not the profile's."""
    create_home(tmp_path / "other", name="Eve", passphrase=None)
    other = parcel_of(open_keys(tmp_path / "other", None))
    for at, value in (
        (RECORD, resigned(parcel.profile_record)),
        (RECORD, other.profile_record),
        (SECRET, os.urandom(32)),
        (5, bytes(other.profile)),
        (6, bytes(other.profile_epoch)),
    ):
        with pytest.raises(RemoteProtocolError):
            AccountParcel.decode_untrusted(changed(parcel, at, value))


def test_no_home_is_made_with_a_false_record(parcel: AccountParcel, tmp_path: Path) -> None:
    """Whoever calls: what is put into the store was verified."""
    first = open_keys(tmp_path / "first", None).credentials
    device = DeviceSecrets.generate(RANDOM)
    joined = replace(first.add_device(device.public), device=device)
    false = replace(parcel, profile_record=resigned(parcel.profile_record))
    with pytest.raises(RemoteProtocolError):
        create_linked_home(tmp_path / "second", joined, false, None)
    assert not home_exists(tmp_path / "second")

    create_linked_home(tmp_path / "second", joined, parcel, None)
    assert home_exists(tmp_path / "second")
