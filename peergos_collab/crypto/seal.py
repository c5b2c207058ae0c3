"""A committing AEAD over XChaCha20-Poly1305.

XChaCha20-Poly1305 alone lets one ciphertext open under two keys. Here the 32 bytes after the nonce
commit to the key, so a ciphertext belongs to exactly one.

    d      = BLAKE2b-512(nonce, key=key, person=tag)
    sealed = nonce (24) ‖ d[32:64] ‖ XChaCha20-Poly1305(key=d[:32], nonce, ad ‖ d[32:64])
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt as _decrypt,
)
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_encrypt as _encrypt,
)
from nacl.exceptions import CryptoError

from ..errors import RemoteProtocolError
from ..ports.clock import Random
from .keys import SecretKey
from .tags import Tag

_NONCE: Final = 24
_COMMITMENT: Final = 32
SEAL_OVERHEAD: Final = _NONCE + _COMMITMENT + 16
"""Bytes a sealed text is longer than the text."""


class SealBroken(RemoteProtocolError):
    """A sealed record does not open: it was altered, or sealed with another key."""

    code = "seal_broken"


def _keys(key: SecretKey, tag: Tag, nonce: bytes) -> tuple[bytes, bytes]:
    digest = blake2b(nonce, key=key.expose(), person=tag.person).digest()
    return digest[:32], digest[32:]


def cseal(key: SecretKey, tag: Tag, plaintext: bytes, ad: bytes, random: Random) -> bytes:
    """Seals ``plaintext`` and binds it to ``ad``; 72 bytes longer than the plaintext."""
    nonce = random(_NONCE)
    inner, commitment = _keys(key, tag, nonce)
    return nonce + commitment + _encrypt(plaintext, ad + commitment, nonce, inner)


def copen(key: SecretKey, tag: Tag, sealed: bytes, ad: bytes) -> bytes:
    """The plaintext of ``cseal``.

    Raises:
        SealBroken: altered, cut short, bound to other ``ad``, or sealed under another key.
    """
    if len(sealed) < SEAL_OVERHEAD:
        raise SealBroken("a sealed record is cut short")
    nonce = sealed[:_NONCE]
    inner, commitment = _keys(key, tag, nonce)
    if not hmac.compare_digest(commitment, sealed[_NONCE : _NONCE + _COMMITMENT]):
        raise SealBroken("a sealed record was made with another key")
    return _open_inner(sealed[_NONCE + _COMMITMENT :], ad + commitment, nonce, inner)


def seal_once(key: SecretKey, plaintext: bytes, ad: bytes) -> bytes:
    """Seals the only message a key will ever seal; 16 bytes longer, with no room for a nonce.

    Not committing: use it only where opening is checked against something public, as the secrets in
    a wrap are checked against the epoch's public keys.
    """
    return _encrypt(plaintext, ad, bytes(_NONCE), key.expose())


def open_once(key: SecretKey, sealed: bytes, ad: bytes) -> bytes:
    """The plaintext of ``seal_once``. Raises SealBroken."""
    return _open_inner(sealed, ad, bytes(_NONCE), key.expose())


def _open_inner(ciphertext: bytes, ad: bytes, nonce: bytes, key: bytes) -> bytes:
    try:
        return _decrypt(ciphertext, ad, nonce, key)
    except (CryptoError, ValueError):
        raise SealBroken from None
