"""The drop by which the recovery code finds the account.

    drop      = a link's drop whose seed comes from the recovery code; it holds the capability of the profile
    reference = [1, H(next root key), drop]        in the profile, and sealed for this device in the store

It is made where the code is made, and nobody has the code later: so no device, and no thief of one, can
read it or put another one in its place. Devices only put the same bytes on the nodes again, before those
would forget them. From the profile's first epoch, which it names, the code leads to all later ones.
"""

from __future__ import annotations

from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, ObjectId
from ..codec.shape import array, blob, number, some_bytes
from ..codec.sizes import BUCKETS
from ..crypto import LocalKey, SigningKey, Tag, copen, cseal, keyed_hash
from ..files.changes import ENTRY_ID_LENGTH, EntryId
from ..identity.account_ops import next_root_hash
from ..identity.recovery_code import RecoveryCode
from ..objects.epoch_keys import EpochKeys
from ..objects.links import Capability, Drop, LinkKeys, make_drop
from ..objects.payload import Kind
from ..ports import PutValue, Random
from ..values import dataclass

VERSION: Final = 1
KEPT: Final = "recovery"
"""Where the store of a device has it."""

MAX_TITLE: Final = 64


@dataclass(frozen=True, slots=True)
class RecoveryDrop:
    """A drop, and the hash of the root key that is in the same code: it is of use while that is next."""

    next_root: bytes
    drop: Drop

    @property
    def public(self) -> bytes:
        return self.drop.public.public

    @property
    def entry_id(self) -> EntryId:
        return EntryId(self.public[:ENTRY_ID_LENGTH])

    @classmethod
    def make(
        cls,
        code: RecoveryCode,
        profile: ObjectId,
        epoch: EpochId,
        keys: EpochKeys,
        name: str,
        random: Random,
    ) -> Self:
        """For the holder of ``code``; ``keys`` are those of the profile's first epoch."""
        capability = Capability(profile, epoch, keys, int(Kind.ENTRIES), name[:MAX_TITLE], ())
        drop = make_drop(capability, drop_keys(code), 0, 0, random)
        return cls(next_root_hash(SigningKey.from_seed(code.next_root()).public), drop)

    def encode(self) -> bytes:
        return encode([VERSION, self.next_root, self.drop.raw])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, BUCKETS[2] + 64), 3, "recovery drop")
        number(fields[0], VERSION, VERSION, "recovery drop version")
        drop = Drop.parse_untrusted(some_bytes(fields[2], BUCKETS[2], "recovery drop"))
        return cls(blob(fields[1], 32, "root hash"), drop)

    def kept(self, local: LocalKey, random: Random) -> PutValue:
        """For the store of this device."""
        name = keyed_hash(local, Tag.RECOVERY_PLACE, self.public)
        return PutValue(KEPT, name, cseal(local, Tag.RECOVERY_KEPT, self.encode(), name, random))

    @classmethod
    def open_kept_untrusted(cls, name: bytes, sealed: bytes, local: LocalKey) -> Self:
        """What ``kept`` stored. Raises RemoteProtocolError."""
        return cls.decode_untrusted(copen(local, Tag.RECOVERY_KEPT, sealed, name))


def drop_keys(code: RecoveryCode) -> LinkKeys:
    """What signs and seals the drop of a code."""
    return LinkKeys.from_seed(code.drop_seed())
