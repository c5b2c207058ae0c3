"""Secret keys as types: a key made for one purpose cannot be passed where another is meant."""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import Final, NoReturn, Self, TypeVar

from ..errors import LocalProtocolError
from ..ports.clock import Random
from .tags import Tag

KEY_LENGTH: Final = 32


class SecretKey:
    """32 secret bytes. Never printed, pickled or compared in variable time."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if type(secret) is not bytes or len(secret) != KEY_LENGTH:
            raise LocalProtocolError(f"a {type(self).__name__} has {KEY_LENGTH} bytes")
        self._secret = secret

    @classmethod
    def generate(cls, random: Random) -> Self:
        return cls(random(KEY_LENGTH))

    def expose(self) -> bytes:
        """The bytes themselves, to seal or derive with; the name makes every use easy to find."""
        return self._secret

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        raise TypeError("a secret key is no dictionary key")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not pickled")


K = TypeVar("K", bound=SecretKey)


def derive(key: SecretKey, tag: Tag, into: type[K], context: bytes = b"") -> K:
    """K(key, tag, context) = BLAKE2b-256(context, key=key, person=tag), as a key of type ``into``."""
    return into(blake2b(context, key=key.expose(), person=tag.person, digest_size=KEY_LENGTH).digest())


def hash256(tag: Tag, data: bytes) -> bytes:
    """BLAKE2b-256 of ``data`` under the purpose ``tag``."""
    return blake2b(data, person=tag.person, digest_size=32).digest()


def keyed_hash(key: SecretKey, tag: Tag, data: bytes, length: int = 32) -> bytes:
    """BLAKE2b of ``data`` under ``key``: a name that only holders of the key can compute."""
    return blake2b(data, key=key.expose(), person=tag.person, digest_size=length).digest()


def same(one: bytes, other: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(one, other)


class MasterKey(SecretKey):
    """Opens the key store; kept in its slots, never stored in clear beside it."""


class PasswordKey(SecretKey):
    """Stretched from a password or passphrase."""


class LocalKey(SecretKey):
    """Seals what stays on this device: journal, checkpoints, index."""


class AdminSecret(SecretKey):
    """``a`` of an epoch: administers, and derives ``w``."""


class WriteSecret(SecretKey):
    """``w`` of an epoch: certifies logs, and derives ``r``."""


class ReadSecret(SecretKey):
    """``r`` of an epoch: opens content."""


class OpsSecret(SecretKey):
    """``o`` of an epoch, from ``r``: opens membership ops, and those of all epochs before."""


class HistoryKey(SecretKey):
    """``h`` of an epoch, from nothing: opens the readers' keys of the epochs before it."""


class HistorySecret(SecretKey):
    """What a slot holds for who gets an epoch with its history: opens a secret of it together with ``h``."""


class ContentKey(SecretKey):
    """Seals segments of one epoch."""


class Watchword(SecretKey):
    """Of an epoch: readers tell it to nodes, and are known by it when many objects are compared at once."""


class EphemeralKey(SecretKey):
    """Seals presence and signalling of one epoch."""


class OpKey(SecretKey):
    """Seals one membership op."""


class WrapKey(SecretKey):
    """Seals one slot of a wrap, or one op key or back-link."""


class UserSeed(SecretKey):
    """One generation of an account's user key: signs and opens as the account."""


class PairSecret(SecretKey):
    """What two contacts share, and nobody else: their mailboxes and seals come from it."""


class LanKey(SecretKey):
    """By which holders of a secret recognise each other in a local network, for a day."""


class LinkSeed(SecretKey):
    """What a share link gives: the principal's keys and the drop's come from it."""


class SignSeed(SecretKey):
    """The seed of an Ed25519 pair."""


class BoxSeed(SecretKey):
    """An X25519 secret scalar."""
