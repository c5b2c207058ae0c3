"""Certificates: "this log may write in this epoch", signed with the epoch's write key.

    certificate = [1, 2, object, epoch, log, signature]

One check per log proves to nodes and members alike that whoever owns the log is a writer. It names
nobody. Kept beside the heads and never pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, LogId, ObjectId, RecordId
from ..codec.shape import array, blob, number
from ..crypto import SigningKey, Tag, hash256
from ..errors import RemoteProtocolError
from .epoch_keys import Level
from .records import CERTIFICATE, VERSION, Epoch

MAX_CERTIFICATE: Final = 256


@dataclass(frozen=True, slots=True)
class Certificate:
    id: RecordId
    object: ObjectId
    epoch: EpochId
    log: LogId
    signature: bytes
    raw: bytes

    kind = CERTIFICATE

    @classmethod
    def issue(cls, object_id: ObjectId, epoch: EpochId, log: LogId, write_key: SigningKey) -> Self:
        signature = write_key.sign(Tag.SIGN_CERTIFICATE, object_id + epoch + log)
        return cls.parse_untrusted(encode([VERSION, CERTIFICATE, object_id, epoch, log, signature]))

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError. ``verify`` must follow before it is used."""
        fields = array(decode_untrusted(raw, MAX_CERTIFICATE), 6, "certificate")
        number(fields[0], VERSION, VERSION, "certificate version")
        number(fields[1], CERTIFICATE, CERTIFICATE, "certificate kind")
        object_id, epoch, log = (blob(field, 32, "certificate") for field in fields[2:5])
        signature = blob(fields[5], 64, "signature")
        id_ = RecordId(hash256(Tag.CERTIFICATE_ID, raw))
        return cls(id_, ObjectId(object_id), EpochId(epoch), LogId(log), signature, raw)

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> None:
        """Raises RemoteProtocolError unless a holder of the epoch's write key signed it."""
        epoch = epochs.get(self.epoch)
        if epoch is None:
            raise RemoteProtocolError("a certificate for an epoch that is not known")
        message = self.object + self.epoch + self.log
        epoch.keys.sign[Level.WRITE].verify(Tag.SIGN_CERTIFICATE, message, self.signature)
