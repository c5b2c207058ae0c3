"""Ed25519 signatures, each for one purpose, checked by one verifier.

The signed message is always the tag, padded to 16 bytes, and then the data. libsodium is the only
verifier: OpenSSL judges some crafted signatures otherwise, and two verdicts on one signature would
fork a log.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from ..errors import RemoteProtocolError
from ..ports.clock import Random
from ..values import dataclass
from .keys import SignSeed
from .tags import Tag

SIGNATURE_LENGTH: Final = 64
PUBLIC_LENGTH: Final = 32


class BadSignature(RemoteProtocolError):
    """A signature does not hold."""

    code = "bad_signature"


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public signing key of 32 bytes."""

    public: bytes

    def verify(self, tag: Tag, message: bytes, signature: bytes) -> None:
        """Raises BadSignature unless the key's holder signed ``message`` for the purpose ``tag``."""
        _verify_raw(self.public, _prefix(tag) + message, signature)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 pair. ``repr`` shows the public half only."""

    verify_key: VerifyKey
    _secret: bytes = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: SignSeed) -> SigningKey:
        public, secret = crypto_sign_seed_keypair(seed.expose())
        return cls(VerifyKey(public), secret)

    @classmethod
    def generate(cls, random: Random) -> SigningKey:
        return cls.from_seed(SignSeed.generate(random))

    @property
    def seed(self) -> SignSeed:
        return SignSeed(self._secret[:32])

    @property
    def public(self) -> bytes:
        return self.verify_key.public

    def sign(self, tag: Tag, message: bytes) -> bytes:
        """64 bytes that prove the holder of this key signed ``message`` for the purpose ``tag``."""
        return crypto_sign(_prefix(tag) + message, self._secret)[:SIGNATURE_LENGTH]


def _verify_raw(public: bytes, message: bytes, signature: bytes) -> None:
    if len(signature) != SIGNATURE_LENGTH or len(public) != PUBLIC_LENGTH:
        raise BadSignature
    try:
        crypto_sign_open(signature + message, public)
    except CryptoError:
        raise BadSignature from None


def _prefix(tag: Tag) -> bytes:
    return tag.person.ljust(16, b"\0")
