"""The verified records of one object: its epochs, grants and certificates.

An epoch is verified by its parents, a grant and a certificate by its epoch. Verdicts follow from the set of
records alone. What arrives before what it needs is not kept, and the sender is asked again.

Who holds a key of an object can add to its records, so there are bounds. They differ by the key that signed:
what readers fill up leaves room for writers, and what writers fill up for admins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from ..codec.ids import EpochId, LogId, ObjectId, RecordId
from ..errors import PeergosCollabError, RemoteProtocolError
from ..objects.certificates import Certificate, UnverifiedCertificate
from ..objects.epoch_keys import Level
from ..objects.prunes import Forgets, Prune, Replaced, UnverifiedPrune
from ..objects.records import (
    PRUNE,
    VERSION,
    Epoch,
    Grant,
    MembershipRecord,
    UnverifiedEpoch,
    UnverifiedRecord,
    parse_record_untrusted,
)
from ..ports import Batch, PutRecord, PutValue, StoredRecord
from .arrivals import Offered, Record
from .epoch_graph import EpochGraph

COPIES: Final = "epochs"
MAX_RECORDS: Final = {Level.READ: 8_000, Level.WRITE: 10_000, Level.ADMIN: 12_000}
"""Membership records of one object, up to which one more is taken that a key of this level signed: 12,000
ids and all heads still fit into the frame that compares them."""

MAX_RECORD_BYTES: Final = {Level.READ: 256 << 20, Level.WRITE: 384 << 20, Level.ADMIN: 512 << 20}
"""The same in bytes: 8,000 changes of keys among 1,000 members."""

MAX_NEW_LOGS: Final = 2_000
"""Logs that one epoch's write key may certify: past it new keys are needed, which an admin can keep from
whoever certified them all. A device has one, and one more after each unclean start."""

_Unverified: TypeAlias = UnverifiedRecord | UnverifiedCertificate | UnverifiedPrune
_PRUNE: Final = bytes([VERSION, PRUNE])
"""At the second place of a record that is one; membership records begin with a byte string."""

Admits: TypeAlias = Callable[[Record], bool]
"""Whether a verified record is taken from whoever sent it."""


def anybody(_: Record) -> bool:
    """Takes every record that is true, whoever brings it."""
    return True


class RecordBook:
    """See the module's text."""

    def __init__(self, object_id: ObjectId) -> None:
        self.object = object_id
        self.epochs: dict[EpochId, Epoch] = {}
        self.graph = EpochGraph()
        self.plain_graph = EpochGraph()
        """The same as nodes see it, who cannot tell which epochs are void."""
        self.grants: dict[RecordId, Grant] = {}
        self.prunes: dict[RecordId, Prune] = {}
        """Prune records and objections to them."""
        self.replaced: dict[bytes, list[Replaced]] = {}
        """What prune records say of an archive, by its id."""
        self.admins: dict[EpochId, frozenset[EpochId]] = {}
        """See ``pruning.admin_epoch``, which fills it."""
        self.named_to_forget: tuple[tuple[int, int], list[tuple[Forgets, bool]]] = (0, 0), []
        """See ``pruning.named_to_forget``: for how many prune records and epochs, and what it found."""
        self.certificates: dict[tuple[LogId, EpochId], Certificate] = {}
        self.certified: dict[LogId, list[Certificate]] = {}
        self._record_bytes = 0
        self._logs_in: dict[EpochId, int] = {}
        self._made_by_writers: set[EpochId] = set()

    def take_records(self, raws: Iterable[bytes], admits: Admits = anybody) -> Offered:
        """Takes epochs, grants, certificates and prune records, in any order. See ``Offered``.

        Args:
            admits: judges what is new by the rights of who sent it.
        """
        offered = Offered()
        ready = [record for raw in raws if (record := self._parse_record(raw, offered)) is not None]
        ready.reverse()
        waiting: dict[EpochId, list[_Unverified]] = {}
        while ready:
            record = ready.pop()
            missing = self._missing(record)
            if missing is not None:
                waiting.setdefault(missing, []).append(record)
            elif self._take_record(record, offered, admits) and isinstance(record, UnverifiedEpoch):
                ready += reversed(waiting.pop(record.id, []))
        offered.early = [record.raw for records in waiting.values() for record in records]
        return offered

    def _missing(self, record: _Unverified) -> EpochId | None:
        """An epoch that has to be here first."""
        return next((epoch for epoch in record.needs if epoch not in self.epochs), None)

    def _parse_record(self, raw: bytes, offered: Offered) -> _Unverified | None:
        try:
            record: _Unverified
            if len(raw) <= 256:
                record = Certificate.parse_untrusted(raw)
            elif raw[1:3] == _PRUNE:
                record = Prune.parse_untrusted(raw)
            else:
                record = parse_record_untrusted(raw)
            if record.object != self.object:
                raise RemoteProtocolError("a record of another object")
            return record
        except PeergosCollabError as error:
            offered.refused.append(str(error))
            return None

    def _take_record(self, unverified: _Unverified, offered: Offered, admits: Admits) -> bool:
        """Whether it is in the book now."""
        if self._knows(unverified):
            return True
        try:
            self._check_room(unverified)
            record = unverified.verify(self.epochs)
        except RemoteProtocolError as error:
            offered.refused.append(str(error))
            return False
        if not admits(record):
            offered.barred = True
            return False
        self._keep(record)
        offered.records.append(record)
        if isinstance(record, Epoch):
            offered.batch += epoch_batch(record)
        else:
            offered.batch.append(PutRecord(self.object, StoredRecord(record.kind, record.id, record.raw)))
        return True

    def _knows(self, record: _Unverified) -> bool:
        if isinstance(record, UnverifiedCertificate):
            return (record.log, record.epoch) in self.certificates
        if isinstance(record, UnverifiedPrune):
            return record.id in self.prunes
        return record.id in (self.epochs if isinstance(record, UnverifiedEpoch) else self.grants)

    def _check_room(self, record: _Unverified) -> None:
        """Raises RemoteProtocolError where an object has as many records as it may."""
        if isinstance(record, UnverifiedCertificate):
            new = record.log not in self.certified
            if new and self._logs_in.get(record.epoch, 0) >= MAX_NEW_LOGS:
                raise RemoteProtocolError("too many logs in one epoch")
            return
        level = self._signed_level(record.id, record.signer, record.level)
        count = len(self.epochs) + len(self.grants) + len(self.prunes)
        size = self._record_bytes + len(record.raw)
        if count >= MAX_RECORDS[level] or size > MAX_RECORD_BYTES[level]:
            raise RemoteProtocolError("too many membership records")

    def _signed_level(self, id_: bytes, signer: EpochId, level: Level) -> Level:
        """The level of the key that signed a record; an admin key that a writer made up counts as his."""
        if level is Level.ADMIN and (signer or id_) in self._made_by_writers:
            return Level.WRITE
        return level

    def _keep(self, record: Record) -> None:
        if isinstance(record, Certificate):
            self.certificates[record.log, record.epoch] = record
            if record.log not in self.certified:
                self._logs_in[record.epoch] = self._logs_in.get(record.epoch, 0) + 1
            self.certified.setdefault(record.log, []).append(record)
            return
        self._record_bytes += len(record.raw)
        if isinstance(record, Epoch):
            self.epochs[record.id] = record
            self.graph.add(record)
            self.plain_graph.add(record)
            if not record.first and (not record.admins_of or record.admins_of in self._made_by_writers):
                self._made_by_writers.add(record.id)
        elif isinstance(record, Prune):
            self.prunes[record.id] = record
            for each in record.replaced:
                self.replaced.setdefault(each.archive, []).append(each)
        else:
            self.grants[record.id] = record

    def membership_records(self) -> list[MembershipRecord]:
        return [*self.epochs.values(), *self.grants.values()]

    def compared_records(self) -> list[MembershipRecord | Prune]:
        """All that are compared by their ids."""
        return [*self.membership_records(), *self.prunes.values()]


def epoch_batch(epoch: Epoch) -> Batch:
    """Keeps an epoch, and a copy: without it nothing of an object can be read, and it may be nowhere else."""
    record = StoredRecord(epoch.kind, epoch.id, epoch.raw)
    return [PutRecord(epoch.object, record), PutValue(COPIES, epoch.object + epoch.id, epoch.raw)]


def record_ids(book: RecordBook) -> list[bytes]:
    """Ids of all records that are compared with a peer's."""
    return [*book.epochs, *book.grants, *book.prunes]
