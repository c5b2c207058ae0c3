"""Proof of work: hashes with many leading zero bits, slow to find and checked with one hash."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from .tags import Tag

NONCE_LENGTH: Final = 8
_NONCES: Final = 1 << 8 * NONCE_LENGTH


def work_done(tag: Tag, message: bytes, nonce: bytes) -> int:
    """Leading zero bits of BLAKE2b-256(message ‖ nonce), person = tag."""
    digest = blake2b(message + nonce, person=tag.person, digest_size=32).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def find_nonce(tag: Tag, message: bytes, bits: int, first: int, tries: int) -> bytes | None:
    """An 8-byte nonce that does ``bits`` of work for ``message``, or None; about 1 µs per try.

    Args:
        first: the nonce to begin with; the search goes upwards, and round from the highest to 0.
        tries: how many to look at.
    """
    begun = blake2b(message, person=tag.person, digest_size=32)
    bound = (1 << 256 - bits).to_bytes(33, "big")[1:] if bits else b"\xff" * 33
    for number in range(first, first + tries):
        nonce = (number % _NONCES).to_bytes(NONCE_LENGTH, "big")
        state = begun.copy()
        state.update(nonce)
        if state.digest() < bound:
            return nonce
    return None
