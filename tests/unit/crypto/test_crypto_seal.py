"""The committing AEAD."""

from __future__ import annotations

import os

import pytest

from peergos_collab.crypto import SEAL_OVERHEAD, ContentKey, SealBroken, Tag, copen, cseal
from peergos_collab.crypto.seal import _keys, _open_inner, open_once, seal_once

KEY = ContentKey(bytes(range(32)))


@pytest.mark.parametrize("plaintext", [b"", b"\0", b"hello", b"x" * 100_000])
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    """The plaintext comes back; the sealed form is 72 bytes longer."""
    sealed = cseal(KEY, Tag.CONTENT, plaintext, b"ad", os.urandom)

    assert len(sealed) == len(plaintext) + SEAL_OVERHEAD == len(plaintext) + 72
    assert copen(KEY, Tag.CONTENT, sealed, b"ad") == plaintext


def test_every_flipped_bit_is_found() -> None:
    """No bit of nonce, commitment, ciphertext or tag can be changed."""
    sealed = cseal(KEY, Tag.CONTENT, b"hello", b"ad", os.urandom)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            copen(KEY, Tag.CONTENT, bytes(changed), b"ad")


def test_every_cut_is_found() -> None:
    """No shorter or longer form opens."""
    sealed = cseal(KEY, Tag.CONTENT, b"hello", b"ad", os.urandom)
    for cut in [sealed[:n] for n in range(len(sealed))] + [sealed[1:], sealed + b"\0"]:
        with pytest.raises(SealBroken):
            copen(KEY, Tag.CONTENT, cut, b"ad")


def test_key_tag_and_associated_data_are_bound() -> None:
    """Another key, purpose or associated data does not open it."""
    sealed = cseal(KEY, Tag.CONTENT, b"hello", b"ad", os.urandom)
    for key, tag, ad in [
        (ContentKey(bytes(32)), Tag.CONTENT, b"ad"),
        (KEY, Tag.EPHEMERAL, b"ad"),
        (KEY, Tag.CONTENT, b""),
        (KEY, Tag.CONTENT, b"ad\0"),
    ]:
        with pytest.raises(SealBroken):
            copen(key, tag, sealed, ad)


def test_associated_data_and_commitment_do_not_run_together() -> None:
    """Bytes cannot move from the commitment into the associated data."""
    sealed = cseal(KEY, Tag.CONTENT, b"hello", b"", os.urandom)
    with pytest.raises(SealBroken):
        copen(KEY, Tag.CONTENT, sealed[:24] + sealed[25:], sealed[24:25])


def test_a_ciphertext_belongs_to_one_key() -> None:
    """The inner cipher would open under another key; the commitment is what refuses it.

    A ciphertext is built that the second key's inner cipher accepts, but that carries the first key's
    commitment, and the other way round.
    """
    nonce = bytes(24)
    other = ContentKey(bytes(32))
    inner, commitment = _keys(other, Tag.CONTENT, nonce)
    genuine = cseal(other, Tag.CONTENT, b"hello", b"", bytes)
    assert _open_inner(genuine[56:], commitment, nonce, inner) == b"hello"

    first_commitment = cseal(KEY, Tag.CONTENT, b"hello", b"", bytes)[24:56]
    for key in (KEY, other):
        with pytest.raises(SealBroken):
            copen(key, Tag.CONTENT, nonce + first_commitment + genuine[56:], b"")


def test_what_has_no_room_for_an_authenticator() -> None:
    """Nothing seals to nothing but one, and what is shorter does not open."""
    sealed = seal_once(KEY, b"", b"ad")

    assert open_once(KEY, sealed, b"ad") == b""
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_once(KEY, sealed[:length], b"ad")


@pytest.mark.parametrize(("nonce", "key"), [(23, 32), (25, 32), (0, 32), (24, 31), (24, 33), (24, 0)])
def test_a_nonce_and_a_key_have_one_length(nonce: int, key: int) -> None:
    """Nothing else reaches libsodium, which would read beyond the end of what is shorter."""
    with pytest.raises(SealBroken):
        _open_inner(bytes(100), b"ad", bytes(nonce), bytes(key))


def test_a_nonce_is_fresh_each_time() -> None:
    """The same plaintext sealed twice gives different bytes throughout."""
    one, two = (cseal(KEY, Tag.CONTENT, b"hello", b"", os.urandom) for _ in range(2))

    assert one[:24] != two[:24]
    assert one[24:56] != two[24:56]
    assert one[56:] != two[56:]
