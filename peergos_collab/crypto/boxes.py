"""X25519 key agreement: secrets for whoever holds a public key.

Low-order public keys are refused by libsodium, and both public keys enter the derivation, so a
shared key belongs to exactly one pair.
"""

from __future__ import annotations

from dataclasses import field
from hashlib import blake2b

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base, crypto_scalarmult_BYTES
from nacl.exceptions import CryptoError

from ..errors import RemoteProtocolError
from ..ports.clock import Random
from ..values import dataclass
from .keys import KEY_LENGTH, BoxSeed, WrapKey
from .tags import Tag


@dataclass(frozen=True, slots=True)
class BoxPublic:
    """A public X25519 key of 32 bytes."""

    public: bytes


@dataclass(frozen=True, slots=True)
class BoxPair:
    """An X25519 pair. ``repr`` shows the public half only."""

    public_key: BoxPublic
    _secret: bytes = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: BoxSeed) -> BoxPair:
        secret = seed.expose()
        return cls(BoxPublic(crypto_scalarmult_base(secret)), secret)

    @classmethod
    def generate(cls, random: Random) -> BoxPair:
        return cls.from_seed(BoxSeed.generate(random))

    def agree(self, other: BoxPublic, tag: Tag, sender: BoxPublic, receiver: BoxPublic) -> WrapKey:
        """The key this pair shares with ``other``, for one direction and purpose.

        Raises:
            RemoteProtocolError: ``other`` has another length, or is a low-order point: nobody's honest key.
        """
        shared = _scalarmult(self._secret, other.public)
        both = sender.public + receiver.public
        return WrapKey(blake2b(both, key=shared, person=tag.person, digest_size=KEY_LENGTH).digest())


def _scalarmult(secret: bytes, public: bytes) -> bytes:
    # PyNaCl passes the pointer on unchecked, so a shorter key would read beyond its end.
    if len(public) != crypto_scalarmult_BYTES:
        raise RemoteProtocolError(f"a public key of {len(public)} bytes")
    try:
        return crypto_scalarmult(secret, public)
    except CryptoError:
        raise RemoteProtocolError("a public key that belongs to nobody") from None
