"""Names of things: 32-byte ids, told apart by type, never bare bytes across a boundary."""

from __future__ import annotations

from typing import Final, NewType

ObjectId = NewType("ObjectId", bytes)
"""Hash of the object's first epoch record."""

EpochId = NewType("EpochId", bytes)
"""Hash of the public part of an epoch record."""

RecordId = NewType("RecordId", bytes)
"""Hash of a grant or a certificate."""

LogId = NewType("LogId", bytes)
"""The public key of a log: 32 bytes of Ed25519."""

SegmentId = NewType("SegmentId", bytes)
"""Hash of a segment's header."""

AccountId = NewType("AccountId", bytes)
"""Hash of an account's inception body."""

DeviceId = NewType("DeviceId", bytes)
"""The public signing key of a device: 32 bytes of Ed25519."""

PrincipalId = NewType("PrincipalId", bytes)
"""An account id, the public key of a link, or an object id."""

RunId = NewType("RunId", bytes)
"""16 random bytes per process lifetime of a device."""

MailAddress = NewType("MailAddress", bytes)
"""Where a mailbox is: the Ed25519 public key whose holder reads it."""

ID_LENGTH: Final = 32
