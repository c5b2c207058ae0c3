"""Signatures for one purpose each."""

from __future__ import annotations

import os

import pytest

from peergos_collab.crypto import BadSignature, SigningKey, SignSeed, Tag, VerifyKey
from peergos_collab.crypto.signatures import _verify_raw

KEY = SigningKey.from_seed(SignSeed(bytes(range(32))))


def test_what_is_signed_verifies() -> None:
    """64 bytes that hold for this key, purpose and message."""
    signature = KEY.sign(Tag.SIGN_EPOCH, b"hello")

    assert len(signature) == 64
    KEY.verify_key.verify(Tag.SIGN_EPOCH, b"hello", signature)


def test_key_purpose_and_message_are_bound() -> None:
    """The signature holds for nothing else."""
    signature = KEY.sign(Tag.SIGN_EPOCH, b"hello")
    for key, tag, message in [
        (SigningKey.generate(os.urandom).verify_key, Tag.SIGN_EPOCH, b"hello"),
        (KEY.verify_key, Tag.SIGN_GRANT, b"hello"),
        (KEY.verify_key, Tag.SIGN_EPOCH, b"hello!"),
        (KEY.verify_key, Tag.SIGN_EPOCH, b""),
    ]:
        with pytest.raises(BadSignature):
            key.verify(tag, message, signature)


def test_every_flipped_bit_is_found() -> None:
    """No bit of a signature can be changed."""
    signature = KEY.sign(Tag.SIGN_EPOCH, b"hello")
    for bit in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSignature):
            KEY.verify_key.verify(Tag.SIGN_EPOCH, b"hello", bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_other_lengths_are_refused(length: int) -> None:
    """Nothing is read from the message as a part of the signature, or the other way round."""
    with pytest.raises(BadSignature):
        KEY.verify_key.verify(Tag.SIGN_EPOCH, b"x" * 100, b"s" * length)


@pytest.mark.parametrize("public", [b"", b"x" * 31, b"x" * 33, bytes(32)])
def test_what_is_no_key_verifies_nothing(public: bytes) -> None:
    """Public keys of another length, and the zero point, are refused with the documented error."""
    with pytest.raises(BadSignature):
        VerifyKey(public).verify(Tag.SIGN_EPOCH, b"hello", KEY.sign(Tag.SIGN_EPOCH, b"hello"))


def test_the_tag_is_padded_to_16_bytes() -> None:
    """The signed message is the tag, zeros up to 16 bytes, then the data."""
    signature = KEY.sign(Tag.SIGN_EPOCH, b"hello")
    _verify_raw(KEY.public, b"s epoch" + bytes(9) + b"hello", signature)


def test_the_seed_comes_back() -> None:
    """A pair and the pair of its seed are one."""
    assert KEY.seed == SignSeed(bytes(range(32)))
    assert SigningKey.from_seed(KEY.seed) == KEY


def test_a_pair_shows_its_public_half_only() -> None:
    """repr holds no byte run of the secret, in any form Python prints bytes in."""
    secret = KEY.seed.expose()

    shown = repr(KEY)
    assert repr(secret)[2:20] not in shown
    assert secret.hex() not in shown


def test_pairs_compare_by_public_key() -> None:
    """Secrets take no part in a comparison, which would not be in constant time."""
    assert SigningKey.generate(os.urandom) != KEY
    assert hash(KEY) == hash(SigningKey.from_seed(KEY.seed))
