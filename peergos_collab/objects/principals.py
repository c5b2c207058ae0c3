"""Who can be a member: an account, a link, or another object (a folder, a team).

An account and a link have one pair of keys each. An object has one pair per level, those of the epoch
that is its key version: role in the child = the lower of role in the parent and role granted.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final

from ..codec.ids import EpochId, ObjectId, PrincipalId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import BoxPublic, Tag, VerifyKey, hash256
from ..errors import RemoteProtocolError
from ..values import dataclass
from .epoch_keys import EpochPublic, Level


class PrincipalKind(enum.IntEnum):
    ACCOUNT = 0
    LINK = 1
    OBJECT = 2


_ONE_PAIR: Final = 5


def link_id(sign: VerifyKey, box: BoxPublic) -> PrincipalId:
    """What the link with these keys is called."""
    return PrincipalId(hash256(Tag.LINK_ID, sign.public + box.public))


@dataclass(frozen=True, slots=True)
class Principal:
    """A member, with the key version its slots are wrapped to.

    Args:
        id: account id, hash of the link's public keys, or object id.
        version: user-key generation, nothing, or epoch id.
        sign: key that proves one acts as this principal; of an object, its readers' key.
        box: key that secrets are wrapped to; of an object, its readers' key.
        levels: of an object, the public keys of all levels; else None.
    """

    kind: PrincipalKind
    id: PrincipalId
    version: bytes
    sign: VerifyKey
    box: BoxPublic
    levels: EpochPublic | None = None

    @classmethod
    def of_object(cls, object_id: ObjectId, epoch: EpochId, keys: EpochPublic) -> Principal:
        """The object ``object_id`` as a principal, at one of its epochs."""
        read_sign, read_box = keys.sign[Level.READ], keys.box[Level.READ]
        return cls(PrincipalKind.OBJECT, PrincipalId(object_id), epoch, read_sign, read_box, keys)

    @classmethod
    def of_link(cls, sign: VerifyKey, box: BoxPublic) -> Principal:
        """The link with these keys."""
        return cls(PrincipalKind.LINK, link_id(sign, box), b"", sign, box)

    @property
    def pin(self) -> tuple[PrincipalId, bytes]:
        """The principal at its key version: what a slot is wrapped to."""
        return self.id, self.version

    def boxes(self, granted: Level) -> list[tuple[BoxPublic, Level]]:
        """To which keys the secrets of which levels are wrapped where ``granted`` is its role."""
        if self.levels is None:
            return [(self.box, granted)]
        return [(box, level) for level, box in self.levels.box.items() if level <= granted]

    def signer(self, acting: Level) -> VerifyKey:
        """The key that signs for this principal at the level ``acting``. Raises RemoteProtocolError."""
        if self.levels is None:
            return self.sign
        key = self.levels.sign.get(acting)
        if key is None:
            raise RemoteProtocolError("an op at a level that its principal has no keys for")
        return key

    def fields(self) -> list[Any]:
        keys = [self.sign.public, self.box.public] if self.levels is None else [self.levels.fields()]
        return [int(self.kind), self.id, self.version, *keys]

    @classmethod
    def parse_untrusted(cls, value: object) -> Principal:
        """Raises RemoteProtocolError."""
        if isinstance(value, list) and len(value) == _ONE_PAIR - 1:
            return cls._parse_object(value)
        number_, id_, version, sign, box = array(value, _ONE_PAIR, "principal")
        kind = PrincipalKind(number(number_, PrincipalKind.ACCOUNT, PrincipalKind.LINK, "principal kind"))
        found = cls(
            kind,
            PrincipalId(blob(id_, 32, "principal id")),
            some_bytes(version, 32, "key version"),
            VerifyKey(blob(sign, 32, "principal key")),
            BoxPublic(blob(box, 32, "principal box key")),
        )
        if kind is PrincipalKind.LINK and (version or id_ != link_id(found.sign, found.box)):
            # Its id is that of its keys, so nobody can put other keys under the same name.
            raise RemoteProtocolError("a link whose id is not that of its keys")
        return found

    @classmethod
    def _parse_object(cls, value: Sequence[Any]) -> Principal:
        number(value[0], PrincipalKind.OBJECT, PrincipalKind.OBJECT, "principal kind")
        object_id, epoch = blob(value[1], 32, "principal id"), blob(value[2], 32, "key version")
        return cls.of_object(ObjectId(object_id), EpochId(epoch), EpochPublic.parse_untrusted(value[3]))
