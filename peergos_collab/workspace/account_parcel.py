"""What a home holds that is the account's and not the device's: what a new device is given.

    parcel = [1, name, account log, [[generation, user seed] …], recovery key, profile, its epoch, its admin
              secret, its first record, [node address …], entry node's address or empty, circles]

Everything else of the account is in its profile, which the new device fetches from the nodes. Circles: see
``known_circles``; as many as there is room for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, ObjectId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..crypto import BoxPublic, UserSeed
from ..errors import RemoteProtocolError
from ..identity.account import MAX_LOG, Account
from ..identity.credentials import read_seeds_untrusted, write_seeds
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.records import Epoch
from ..values import dataclass
from .known_circles import KnownCircles

VERSION: Final = 1
MAX_NODES: Final = 64
MAX_PARCEL: Final = 64 << 10
"""Bytes: one piece of mail."""

ROOM: Final = 60 << 10
"""Bytes up to which circles fill it, or a few more; seals add some."""


@dataclass(frozen=True, slots=True)
class AccountParcel:
    """See the module's text.

    Args:
        recovery_key: makes a slot for the account's recovery code.
    """

    name: str
    account: Account
    user_seeds: Mapping[bytes, UserSeed]
    recovery_key: BoxPublic
    profile: ObjectId
    profile_epoch: EpochId
    profile_keys: EpochKeys
    profile_record: bytes
    nodes: tuple[str, ...]
    entry_node: str
    circles: KnownCircles = KnownCircles()

    def encode(self) -> bytes:
        """Secret bytes, for a device that people compared with."""
        secret = self.profile_keys.secret(Level.ADMIN).expose()
        profile = [self.profile, self.profile_epoch, secret, self.profile_record]
        seeds, nodes = write_seeds(self.user_seeds), list(self.nodes[:MAX_NODES])
        fields = [
            *(VERSION, self.name, self.account.raw, seeds, self.recovery_key.public),
            *(*profile, nodes, self.entry_node),
        ]
        return encode([*fields, self.circles.told(ROOM - len(encode(fields)))])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> AccountParcel:
        """Verifies the account's log, its seeds, and that record and keys are the profile's.

        Raises:
            RemoteProtocolError: one of them is false.
        """
        fields = array(decode_untrusted(raw, MAX_PARCEL), 12, "account")
        number(fields[0], VERSION, VERSION, "account version")
        account = Account.parse_untrusted(some_bytes(fields[2], MAX_LOG, "account log"))
        recovery, profile, epoch, secret = (blob(field, 32, "account") for field in fields[4:8])
        keys, record = EpochKeys(Level.ADMIN, secret), some_bytes(fields[8], 1 << 16, "profile record")
        first = Epoch.parse_untrusted(record).verify({})
        if first.object != profile or first.id != epoch:
            raise RemoteProtocolError("the record of another profile")
        keys.check(first.keys)
        return cls(
            string(fields[1], 256, "name"),
            account,
            read_seeds_untrusted(fields[3], account),
            BoxPublic(recovery),
            ObjectId(profile),
            EpochId(epoch),
            keys,
            record,
            tuple(string(node, 512, "node") for node in many(fields[9], MAX_NODES, "nodes")),
            string(fields[10], 512, "entry node"),
            KnownCircles.read_untrusted(some_bytes(fields[11], MAX_PARCEL, "circles")),
        )
