"""Who can be a member: an account, a link, or (later) another object."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..codec.ids import PrincipalId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import BoxPublic, VerifyKey
from ..errors import RemoteProtocolError


class PrincipalKind(enum.IntEnum):
    ACCOUNT = 0
    LINK = 1
    OBJECT = 2


@dataclass(frozen=True, slots=True)
class Principal:
    """A member, with the key version its slots are wrapped to.

    Args:
        id: account id, the link's public signing key, or object id.
        version: user-key generation, nothing, or epoch id.
        sign: key that proves one acts as this principal.
        box: key that secrets are wrapped to.
    """

    kind: PrincipalKind
    id: PrincipalId
    version: bytes
    sign: VerifyKey
    box: BoxPublic

    def fields(self) -> list[int | bytes]:
        return [int(self.kind), self.id, self.version, self.sign.public, self.box.public]

    @classmethod
    def parse_untrusted(cls, value: object) -> Principal:
        number_, id_, version, sign, box = array(value, 5, "principal")
        kind = PrincipalKind(number(number_, 0, 2, "principal kind"))
        if kind is PrincipalKind.LINK and id_ != sign:
            # Its id is its key, so nobody can put another key under the same name.
            raise RemoteProtocolError("a link whose id is not its key")
        return cls(
            kind,
            PrincipalId(blob(id_, 32, "principal id")),
            some_bytes(version, 32, "key version"),
            VerifyKey(blob(sign, 32, "principal key")),
            BoxPublic(blob(box, 32, "principal box key")),
        )
