"""Ephemeral messages: sealed for members, signed by a device, bound to their place."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, ObjectId, RunId
from peergos_collab.codec.sizes import pad, padme, unpad_untrusted
from peergos_collab.crypto import BadSignature, EphemeralKey, SigningKey, Tag, copen, cseal
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.objects.ephemeral import (
    MAX_EPHEMERAL,
    EphemeralKind,
    UnverifiedEphemeral,
    open_ephemeral_untrusted,
    seal_ephemeral,
)

RANDOM = random.Random(15).randbytes
OBJECT, EPOCH, RUN = ObjectId(RANDOM(32)), EpochId(RANDOM(32)), RunId(RANDOM(16))
SEAL, DEVICE, KEY = EphemeralKey.generate(RANDOM), SigningKey.generate(RANDOM), RANDOM(16)


def seal(content: bytes = b"here", key: bytes = KEY, object_id: ObjectId = OBJECT) -> bytes:
    kind = EphemeralKind.CURSOR
    return seal_ephemeral(object_id, EPOCH, key, RUN, 3, kind, 9, content, ["who"], DEVICE, SEAL, RANDOM)


def opened(sealed: bytes, key: bytes = KEY, object_id: ObjectId = OBJECT) -> UnverifiedEphemeral:
    return open_ephemeral_untrusted(object_id, key, sealed, SEAL)


def test_a_message_comes_back() -> None:
    """With everything that was said, and its signature holds."""
    unverified = opened(seal())
    message = unverified.verify(DEVICE.verify_key)

    assert (message.epoch, message.device, message.run, message.counter) == (EPOCH, DEVICE.public, RUN, 3)
    assert (message.kind, message.time, message.content) == (EphemeralKind.CURSOR, 9, b"here")
    assert unverified.introduction == ["who"]


def test_only_the_device_signs() -> None:
    """Another member, who can seal, cannot speak for it: not by his own signature, and not by a false one."""
    other = SigningKey.generate(RANDOM)
    inner = decode_untrusted(unpad_untrusted(copen(SEAL, Tag.SEAL, seal(), OBJECT + KEY)), 1 << 14)
    inner[1] = other.sign(Tag.SIGN_EPHEMERAL, OBJECT + KEY + inner[0])
    forged = cseal(SEAL, Tag.SEAL, pad(encode(inner), 200), OBJECT + KEY, RANDOM)
    for sealed, key in ((seal(), other), (forged, other), (forged, DEVICE)):
        with pytest.raises(BadSignature):
            opened(sealed).verify(key.verify_key)


def test_nobody_renames_another() -> None:
    """Who introduces himself in it, and under which name, is signed with the rest."""
    inner = decode_untrusted(unpad_untrusted(copen(SEAL, Tag.SEAL, seal(), OBJECT + KEY)), 1 << 14)
    body = decode_untrusted(inner[0], 1 << 14)
    body[8] = ["somebody else"]
    forged = cseal(SEAL, Tag.SEAL, pad(encode([encode(body), inner[1]]), 200), OBJECT + KEY, RANDOM)

    assert opened(forged).introduction == ["somebody else"]
    with pytest.raises(BadSignature):
        opened(forged).verify(DEVICE.verify_key)


def test_it_cannot_be_moved() -> None:
    """To another key, object or seal; and whoever seals it again elsewhere breaks the signature."""
    for key, object_id in ((RANDOM(16), OBJECT), (KEY, ObjectId(RANDOM(32)))):
        with pytest.raises(RemoteProtocolError):
            opened(seal(), key, object_id)
    inner = copen(SEAL, Tag.SEAL, seal(), OBJECT + KEY)
    other = RANDOM(16)
    again = cseal(SEAL, Tag.SEAL, inner, OBJECT + other, RANDOM)
    with pytest.raises(RemoteProtocolError):
        opened(again, other).verify(DEVICE.verify_key)


def test_sizes_tell_little() -> None:
    """Short ones look alike, and what others would refuse is not sent."""
    assert len(seal(b"")) == len(seal(b"x" * 8)) == 256
    assert len(seal(RANDOM(3000))) == padme(len(seal(RANDOM(3000))))
    with pytest.raises(LocalProtocolError):
        seal(RANDOM(MAX_EPHEMERAL))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (1, b"x"),
        (2, b"x"),
        (3, b"x"),
        (4, -1),
        (5, 5),
        (6, 2**53 + 1),
        (7, "text"),
        (7, bytes(MAX_EPHEMERAL)),
    ],
)
def test_its_fields_have_one_form(at: int, value: Any) -> None:
    """Checked before anything is used."""
    body, signature = decode_untrusted(unpad_untrusted(copen(SEAL, Tag.SEAL, seal(), OBJECT + KEY)), 1 << 16)
    fields = decode_untrusted(body, 1 << 16)
    fields[at] = value
    inner = encode([encode(fields), signature])
    with pytest.raises(RemoteProtocolError):
        opened(cseal(SEAL, Tag.SEAL, pad(inner, len(inner) + 1), OBJECT + KEY, RANDOM))
