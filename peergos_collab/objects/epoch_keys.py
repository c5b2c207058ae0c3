"""The secrets of an epoch, a → w → r → o, and every key that comes from them.

Holding one secret means holding those below it: an admin can write, a writer can read. Which of
them one holds *is* one's role; no server enforces it. Who holds o alone opens membership ops, and no
content. Beside them stands h, which opens what was before: who was added with his history hidden has
the secret of his role and not h.
"""

from __future__ import annotations

import enum
from functools import cached_property
from typing import Final

from ..codec.shape import array, blob
from ..crypto import (
    AdminSecret,
    BoxPair,
    BoxPublic,
    BoxSeed,
    ContentKey,
    EphemeralKey,
    HistoryKey,
    OpsSecret,
    ReadSecret,
    SigningKey,
    SignSeed,
    Tag,
    VerifyKey,
    WriteSecret,
    derive,
    hash256,
    same,
)
from ..errors import NoAccess, RemoteProtocolError
from ..ports import Random
from ..values import dataclass


class Level(enum.IntEnum):
    """Which secret of an epoch; also what a proof to a node proves."""

    READ = 1
    WRITE = 2
    ADMIN = 3


_SIGN: Final = {Level.READ: Tag.READ_SIGN, Level.WRITE: Tag.WRITE_SIGN, Level.ADMIN: Tag.ADMIN_SIGN}
_BOX: Final = {Level.READ: Tag.READ_BOX, Level.WRITE: Tag.WRITE_BOX, Level.ADMIN: Tag.ADMIN_BOX}


@dataclass(frozen=True, slots=True)
class EpochPublic:
    """The public keys of an epoch: one to sign and one to box, per level.

    A neutral epoch has no admin keys of its own; both are None then.

    Args:
        ops: a hash of o, so that who gets that alone knows the right one.
    """

    sign: dict[Level, VerifyKey]
    box: dict[Level, BoxPublic]
    ops: bytes

    def fields(self) -> list[bytes]:
        """Seven byte strings, empty where a neutral epoch has none."""
        signs = [self.sign[level].public if level in self.sign else b"" for level in Level]
        boxes = [self.box[level].public if level in self.box else b"" for level in Level]
        return [*signs, *boxes, self.ops]

    @classmethod
    def parse_untrusted(cls, value: object) -> EpochPublic:
        fields = array(value, 7, "epoch keys")
        levels = list(Level) if fields[2] or fields[5] else [Level.READ, Level.WRITE]
        sign = {level: VerifyKey(blob(fields[level - 1], 32, "epoch key")) for level in levels}
        box = {level: BoxPublic(blob(fields[level + 2], 32, "epoch box key")) for level in levels}
        return cls(sign, box, blob(fields[6], 32, "epoch keys"))


class EpochKeys:
    """What one holds of an epoch: the highest secret given, and all that derives from it.

    Args:
        history: h, where it is held.
    """

    def __init__(self, level: Level, secret: bytes, history: HistoryKey | None = None) -> None:
        self.level = level
        self.history = history
        self.admin = AdminSecret(secret) if level is Level.ADMIN else None
        if self.admin is not None:
            self.write: WriteSecret | None = derive(self.admin, Tag.EPOCH_WRITE, WriteSecret)
        else:
            self.write = WriteSecret(secret) if level is Level.WRITE else None
        if self.write is not None:
            self.read = derive(self.write, Tag.EPOCH_READ, ReadSecret)
        else:
            self.read = ReadSecret(secret)

    @classmethod
    def generate(cls, random: Random) -> EpochKeys:
        return cls(Level.ADMIN, random(32), HistoryKey.generate(random))

    @classmethod
    def generate_neutral(cls, random: Random) -> EpochKeys:
        """Keys of a neutral epoch, whose highest secret is ``w``."""
        return cls(Level.WRITE, random(32), HistoryKey.generate(random))

    def at(self, level: Level, *, history: bool = True) -> EpochKeys:
        """What somebody with a lower role, or without history, holds of it. Raises NoAccess."""
        return EpochKeys(level, self.secret(level).expose(), self.history if history else None)

    def joined(self, other: EpochKeys) -> EpochKeys:
        """All that two holdings of one epoch give together."""
        higher = self if self.level >= other.level else other
        if higher.history is not None or (self.history is None and other.history is None):
            return higher
        both = EpochKeys(higher.level, higher.secret(higher.level).expose(), self.history or other.history)
        both.share(higher)
        return both

    def share(self, other: EpochKeys) -> None:
        """Key pairs that were derived there are not derived again, where they are from the same secret."""
        mine, theirs = self.secret(self.level).expose(), other.secret(other.level).expose()
        if self.level is other.level and same(mine, theirs):
            self._signing_keys, self._box_pairs = other._signing_keys, other._box_pairs

    def __repr__(self) -> str:
        return f"<EpochKeys {self.level.name}>"

    def secret(self, level: Level) -> ReadSecret | WriteSecret | AdminSecret:
        """The secret of ``level``. Raises NoAccess where only a lower one is held."""
        secret = {Level.READ: self.read, Level.WRITE: self.write, Level.ADMIN: self.admin}[level]
        if secret is None:
            raise NoAccess(f"this needs {level.name.lower()} access, and yours is {self.level.name.lower()}")
        return secret

    def signing_key(self, level: Level) -> SigningKey:
        cached = self._signing_keys.get(level)
        if cached is None:
            cached = SigningKey.from_seed(derive(self.secret(level), _SIGN[level], SignSeed))
            self._signing_keys[level] = cached
        return cached

    def box_pair(self, level: Level) -> BoxPair:
        cached = self._box_pairs.get(level)
        if cached is None:
            cached = BoxPair.from_seed(derive(self.secret(level), _BOX[level], BoxSeed))
            self._box_pairs[level] = cached
        return cached

    @cached_property
    def _signing_keys(self) -> dict[Level, SigningKey]:
        return {}

    @cached_property
    def _box_pairs(self) -> dict[Level, BoxPair]:
        return {}

    @cached_property
    def content(self) -> ContentKey:
        return derive(self.read, Tag.CONTENT, ContentKey)

    @cached_property
    def ops(self) -> OpsSecret:
        return derive(self.read, Tag.EPOCH_OPS, OpsSecret)

    @cached_property
    def ephemeral(self) -> EphemeralKey:
        return derive(self.read, Tag.EPHEMERAL, EphemeralKey)

    def public(self) -> EpochPublic:
        """The public keys of all levels up to the one held: what an epoch's maker publishes."""
        held = [level for level in Level if level <= self.level]
        return EpochPublic(
            {level: self.signing_key(level).verify_key for level in held},
            {level: self.box_pair(level).public_key for level in held},
            ops_check(self.ops),
        )

    def check(self, public: EpochPublic) -> None:
        """Raises RemoteProtocolError unless these secrets are the ones behind ``public``."""
        for level in Level:
            held = level <= self.level and level in public.sign
            if held and self.signing_key(level).verify_key != public.sign[level]:
                raise RemoteProtocolError("the keys given for an epoch are not its keys")
            if held and self.box_pair(level).public_key != public.box[level]:
                raise RemoteProtocolError("the keys given for an epoch are not its keys")
        if ops_check(self.ops) != public.ops:
            raise RemoteProtocolError("the keys given for an epoch are not its keys")


def ops_check(ops: OpsSecret) -> bytes:
    """Which secret opens an epoch's ops, as everybody may see it."""
    return hash256(Tag.OPS_CHECK, ops.expose())
