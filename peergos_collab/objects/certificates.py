"""Certificates: "this log may write in this epoch", signed with the epoch's write key.

    certificate = [1, 2, object, epoch, log, signature]

One check per log proves to nodes and members alike that whoever owns the log is a writer. It names
nobody. Kept beside the heads and never pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, LogId, ObjectId, RecordId
from ..codec.shape import array, blob, number
from ..crypto import SigningKey, Tag, hash256
from ..errors import RemoteProtocolError
from ..values import dataclass
from .epoch_keys import Level
from .records import CERTIFICATE, VERSION, Epoch

MAX_CERTIFICATE: Final = 256


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a holder of the epoch's write key signed."""

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
        raw = encode([VERSION, CERTIFICATE, object_id, epoch, log, signature])
        return cls(RecordId(hash256(Tag.CERTIFICATE_ID, raw)), object_id, epoch, log, signature, raw)

    @staticmethod
    def parse_untrusted(raw: bytes) -> UnverifiedCertificate:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, MAX_CERTIFICATE), 6, "certificate")
        number(fields[0], VERSION, VERSION, "certificate version")
        number(fields[1], CERTIFICATE, CERTIFICATE, "certificate kind")
        object_id, epoch, log = (blob(field, 32, "certificate") for field in fields[2:5])
        signature = blob(fields[5], 64, "signature")
        id_ = RecordId(hash256(Tag.CERTIFICATE_ID, raw))
        certificate = Certificate(id_, ObjectId(object_id), EpochId(epoch), LogId(log), signature, raw)
        return UnverifiedCertificate(certificate)


@dataclass(frozen=True, slots=True)
class UnverifiedCertificate:
    """A certificate whose signature nobody has checked: it shows what it claims to be about."""

    _certificate: Certificate = field(repr=False)

    @property
    def object(self) -> ObjectId:
        return self._certificate.object

    @property
    def epoch(self) -> EpochId:
        return self._certificate.epoch

    @property
    def log(self) -> LogId:
        return self._certificate.log

    @property
    def raw(self) -> bytes:
        return self._certificate.raw

    @property
    def needs(self) -> tuple[EpochId, ...]:
        """The epochs that have to be known before it is."""
        return (self._certificate.epoch,)

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> Certificate:
        """Raises RemoteProtocolError unless a holder of the epoch's write key signed it."""
        certificate = self._certificate
        epoch = epochs.get(certificate.epoch)
        if epoch is None or epoch.object != certificate.object:
            raise RemoteProtocolError("a certificate for an epoch that is not known")
        message = certificate.object + certificate.epoch + certificate.log
        epoch.keys.sign[Level.WRITE].verify(Tag.SIGN_CERTIFICATE, message, certificate.signature)
        return certificate
