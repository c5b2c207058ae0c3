"""The public side of one object: its verified records, its logs, and how far each goes.

Nodes and members keep the same book; it needs no key. Whatever enters it was verified: an epoch by
its parents, a certificate by its epoch, a segment by its log's signature and that log's certificate.
Verdicts follow from the set of records; where something arrives too early (its parent, certificate
or predecessor is missing), it is not kept, and the sender is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ..codec.ids import EpochId, LogId, ObjectId, RecordId, SegmentId
from ..errors import Damaged, PeergosCollabError, RemoteProtocolError
from ..objects.certificates import Certificate
from ..objects.records import Epoch, Grant, MembershipRecord, parse_record_untrusted
from ..objects.segments import Segment
from ..ports import (
    AppendSegment,
    Batch,
    NewBranch,
    PutRecord,
    PutValue,
    SegmentStore,
    StoredRecord,
    TruncateBranch,
)
from .heads import Tip

COPIES: Final = "epochs"
MAX_BRANCHES: Final = 64
"""Forks of one log that are kept. An honest device forks a log once or twice in its life."""

RECENT_BYTES: Final = 64 << 10
"""Of the newest segments, kept to be passed on at once, without a look into the store."""

_READ: Final = 1 << 18


@dataclass(slots=True)
class BranchState:
    """A run of consecutive segments of a log. ``base`` is the branch it forks from, or None."""

    number: int
    log: LogId
    base: BranchState | None
    first: int
    tip: int
    tip_id: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A segment that was new and is verified, with its place."""

    segment: Segment
    branch: BranchState


@dataclass(slots=True)
class Offered:
    """What became of segments or records that were offered.

    Args:
        arrivals: new segments, in the order they entered.
        records: new records, in the order they entered.
        known: places of segments that were known already.
        gaps: logs of which a predecessor or certificate is missing.
        refused: what was false, in words.
        forked: logs that turned out to be forked.
        batch: what must be written.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    records: list[MembershipRecord | Certificate] = field(default_factory=list)
    known: list[tuple[BranchState, int]] = field(default_factory=list)
    gaps: set[LogId] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    forked: set[LogId] = field(default_factory=set)
    batch: Batch = field(default_factory=list)


class LogBook:
    """See the module's text."""

    def __init__(self, object_id: ObjectId, store: SegmentStore) -> None:
        self.object = object_id
        self.store = store
        self.epochs: dict[EpochId, Epoch] = {}
        self.grants: dict[RecordId, Grant] = {}
        self.certificates: dict[tuple[LogId, EpochId], Certificate] = {}
        self.branches: dict[LogId, list[BranchState]] = {}
        self.numbered: dict[int, BranchState] = {}
        self.damage: list[str] = []
        self._unsettled: dict[int, int] = {}
        self._fresh: dict[tuple[int, int], SegmentId] = {}
        self._recent: dict[tuple[int, int], Segment] = {}
        self._recent_bytes = 0

    @classmethod
    def load(cls, object_id: ObjectId, store: SegmentStore) -> LogBook:
        """The book as stored.

        Where something is damaged the store is repaired: what still proves itself is entered again, the
        rest is left out and named in ``damage``.
        """
        try:
            return cls._load(object_id, store)
        except Damaged as damage:
            return cls.mend(object_id, store, damage)

    @classmethod
    def mend(cls, object_id: ObjectId, store: SegmentStore, damage: Damaged) -> LogBook:
        """The book after a repair of what is stored."""
        taken = store.repair(object_id)
        book = cls._load(object_id, store)
        copies = [raw for key, raw in _values(store) if key.startswith(object_id)]
        store.write(book.take_records([*taken.records, *copies]).batch)
        book = cls._load(object_id, store)  # what came after a damaged record counts again, too
        store.write(book.take_segments(taken.segments).batch)
        kept = f"; the store as it was is kept as {taken.kept}" if taken.kept else ""
        book.damage.append(f"{damage.message} What is missing is fetched again{kept}.")
        return book

    @classmethod
    def _load(cls, object_id: ObjectId, store: SegmentStore) -> LogBook:
        book = cls(object_id, store)
        stored = [record.raw for record in store.records(object_id)]
        book.damage = [f"a stored record is damaged ({why})" for why in book.take_records(stored).refused]
        for branch in sorted(store.branches(object_id), key=lambda branch: branch.number):
            base = book.numbered.get(branch.parent)
            state = BranchState(branch.number, branch.log, base, branch.first, branch.tip, branch.tip_id)
            book._add_branch(state)
        return book

    # -- records --------------------------------------------------------------------------------

    def take_records(self, raws: Iterable[bytes]) -> Offered:
        """Takes epochs, grants and certificates, in any order. See ``Offered``."""
        offered = Offered()
        waiting = [record for raw in raws if (record := self._parse_record(raw, offered)) is not None]
        progress = True
        while waiting and progress:
            remaining = [record for record in waiting if not self._take_record(record, offered)]
            progress = len(remaining) < len(waiting)
            waiting = remaining
        if waiting:
            offered.refused.append("a membership record whose epoch is not known")
        return offered

    def _parse_record(self, raw: bytes, offered: Offered) -> MembershipRecord | Certificate | None:
        try:
            record: MembershipRecord | Certificate
            if len(raw) <= 256:
                record = Certificate.parse_untrusted(raw)
            else:
                record = parse_record_untrusted(raw)
            if record.object != self.object:
                raise RemoteProtocolError("a record of another object")
            return record
        except PeergosCollabError as error:
            offered.refused.append(str(error))
            return None

    def _take_record(self, record: MembershipRecord | Certificate, offered: Offered) -> bool:
        """False where it has to wait for another record."""
        if self._knows(record):
            return True
        if isinstance(record, Epoch) and not record.first:
            # Whoever may write could sign one, and a newer epoch decides who proves what to nodes: until its
            # sealed op is judged, accepting it would let any writer shut out everybody else.
            offered.refused.append("a second epoch, which belongs to a later version")
            return True
        if not isinstance(record, Epoch) and record.epoch not in self.epochs:
            return False
        try:
            record.verify(self.epochs)
        except RemoteProtocolError as error:
            offered.refused.append(str(error))
            return True
        self._keep(record)
        offered.records.append(record)
        if isinstance(record, Epoch):
            offered.batch += epoch_batch(record)
        else:
            offered.batch.append(PutRecord(self.object, StoredRecord(record.kind, record.id, record.raw)))
        return True

    def _knows(self, record: MembershipRecord | Certificate) -> bool:
        if isinstance(record, Certificate):
            return (record.log, record.epoch) in self.certificates
        return record.id in (self.epochs if isinstance(record, Epoch) else self.grants)

    def _keep(self, record: MembershipRecord | Certificate) -> None:
        if isinstance(record, Certificate):
            self.certificates[record.log, record.epoch] = record
        elif isinstance(record, Epoch):
            self.epochs[record.id] = record
        else:
            self.grants[record.id] = record

    def membership_records(self) -> list[MembershipRecord]:
        return [*self.epochs.values(), *self.grants.values()]

    # -- segments -------------------------------------------------------------------------------

    def take_segments(self, raws: Iterable[bytes]) -> Offered:
        """Takes segments as a peer, a node or the disk sent them. See ``Offered``.

        The batch has to be written before the book is given anything more.
        """
        offered = Offered()
        self._fresh.clear()
        run: list[Segment] = []
        for raw in raws:
            try:
                segment = Segment.parse_untrusted(raw)
                if segment.object != self.object:
                    raise RemoteProtocolError("a segment of another object")
            except PeergosCollabError as error:
                offered.refused.append(str(error))
                continue
            if run and (segment.log != run[-1].log or segment.previous != run[-1].id):
                self._take_run(run, offered)
                run = []
            run.append(segment)
        if run:
            self._take_run(run, offered)
        return offered

    def append_own(self, segment: Segment) -> Offered:
        """Enters a segment this device has just made; it needs no check.

        It is not sent to anybody before ``settle``: what a power cut would take back must not leave.
        """
        offered = Offered()
        self._fresh.clear()
        branch = self._place(segment, offered)
        if branch is None or offered.forked:
            raise RemoteProtocolError("a segment that does not continue its log")
        self._append(branch, segment, offered)
        self._unsettled.setdefault(branch.number, segment.seq)
        return offered

    def settle(self, arrivals: Iterable[Arrival]) -> None:
        """Own segments that are durable by now, and so are all before them."""
        for arrival in arrivals:
            number, following = arrival.branch.number, arrival.segment.seq + 1
            if self._unsettled.get(number, following) < following:
                self._unsettled[number] = following
            if arrival.branch.tip < following:
                self._unsettled.pop(number, None)

    def sendable(self, branch: BranchState) -> int:
        """Up to which seq a branch may leave this device."""
        return min(branch.tip, self._unsettled.get(branch.number, branch.tip + 1) - 1)

    def _take_run(self, run: list[Segment], offered: Offered) -> None:
        fresh = [segment for segment in run if not self._note_known(segment, offered)]
        if not fresh:
            return
        if any((fresh[0].log, segment.epoch) not in self.certificates for segment in fresh):
            offered.gaps.add(fresh[0].log)
            return
        for segment in self._authentic(fresh, offered):
            if not self._has_room(segment):
                offered.refused.append("a log with too many forks")
                return
            branch = self._place(segment, offered)
            if branch is None:
                offered.gaps.add(segment.log)
                return
            self._append(branch, segment, offered)

    def _has_room(self, segment: Segment) -> bool:
        branches = self.branches.get(segment.log, [])
        return len(branches) < MAX_BRANCHES or any(branch.tip_id == segment.previous for branch in branches)

    def _note_known(self, segment: Segment, offered: Offered) -> bool:
        branch = self.find(segment.log, segment.seq, segment.id)
        if branch is not None:
            offered.known.append((branch, segment.seq))
        return branch is not None

    @staticmethod
    def _authentic(run: list[Segment], offered: Offered) -> list[Segment]:
        """The segments of a run up to the first whose own signature does not hold.

        The last signature covers all before it through their ids, but each is checked all the same (50 µs).
        Otherwise whoever passes segments on could spoil signatures in the middle, and what was taken in
        here would be refused by the next, to whom it goes in frames that end elsewhere.
        """
        for end, segment in enumerate(run):
            try:
                segment.verify()
            except RemoteProtocolError as error:
                offered.refused.append(str(error))
                return run[:end]
        return run

    def _place(self, segment: Segment, offered: Offered) -> BranchState | None:
        """The branch this segment continues, made new for a new log or a fork; None for a gap."""
        branches = self.branches.get(segment.log, [])
        for branch in branches:
            if branch.tip == segment.seq - 1 and branch.tip_id == segment.previous:
                return branch
        base = self.find(segment.log, segment.seq - 1, segment.previous) if segment.seq > 1 else None
        if segment.seq > 1 and base is None:
            return None
        if branches:
            offered.forked.add(segment.log)
        number = self.store.next_branch()
        state = BranchState(number, segment.log, base, segment.seq, segment.seq - 1, segment.previous)
        self._add_branch(state)
        offered.batch.append(
            NewBranch(number, self.object, segment.log, base.number if base else 0, segment.seq)
        )
        return state

    def _append(self, branch: BranchState, segment: Segment, offered: Offered) -> None:
        branch.tip, branch.tip_id = segment.seq, segment.id
        self._fresh[branch.number, segment.seq] = segment.id
        self._remember(branch.number, segment)
        offered.arrivals.append(Arrival(segment, branch))
        offered.batch.append(AppendSegment(branch.number, segment.seq, segment.id, segment.raw))

    def _remember(self, number: int, segment: Segment) -> None:
        self._recent[number, segment.seq] = segment
        self._recent_bytes += len(segment.raw)
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.pop(next(iter(self._recent))).raw)

    def _add_branch(self, state: BranchState) -> None:
        self.branches.setdefault(state.log, []).append(state)
        self.numbered[state.number] = state

    # -- reading --------------------------------------------------------------------------------

    def find(self, log: LogId, seq: int, id_: bytes) -> BranchState | None:
        """The branch that holds this very segment."""
        for branch in self.branches.get(log, ()):
            if branch.first <= seq <= branch.tip:
                held: bytes | None = branch.tip_id
                if seq != branch.tip:
                    held = self._id_at(branch.number, seq)
                if held == id_:
                    return branch
        return None

    def _id_at(self, number: int, seq: int) -> bytes | None:
        # What has just arrived is not in the store before its batch is written.
        fresh = self._fresh.get((number, seq))
        if fresh is not None:
            return fresh
        recent = self._recent.get((number, seq))
        return recent.id if recent is not None else self.store.segment_id(number, seq)

    def find_prefix(self, log_prefix: bytes, seq: int, id_: bytes) -> BranchState | None:
        """Like ``find``, where only the first bytes of the log's id are known."""
        for log in self.branches:
            if log.startswith(log_prefix):
                branch = self.find(log, seq, id_)
                if branch is not None:
                    return branch
        return None

    def tips(self) -> list[Tip]:
        """All heads of all logs, forks included."""
        return [
            Tip(branch.log, branch.tip, branch.tip_id)  # type: ignore[arg-type]
            for branches in self.branches.values()
            for branch in branches
            if branch.tip >= branch.first
        ]

    def read(self, branch: BranchState, start: int, max_bytes: int) -> list[bytes]:
        """Raw segments of a branch from ``start`` on; about ``max_bytes``."""
        raws: list[bytes] = []
        size = 0
        while (recent := self._recent.get((branch.number, start + len(raws)))) is not None:
            size += len(recent.raw)
            if raws and size > max_bytes:
                break
            raws.append(recent.raw)
        return raws or self.store.segments(branch.number, start, max_bytes)

    def stored(self, branch: BranchState, start: int) -> Iterator[Segment]:
        """Verified segments of a branch from ``start`` on, as stored.

        Raises:
            Damaged: one of them is not what was written; those before it were given.
        """
        previous = self._id_before(branch, start)
        while start <= branch.tip:
            run: list[Segment] = []
            damage: Damaged | None = None
            for raw in self.store.segments(branch.number, start, _READ):
                try:
                    segment = self._stored_segment(raw, branch, start, previous)
                except Damaged as error:
                    damage = error
                    break
                run.append(segment)
                start, previous = start + 1, segment.id
            if not run and damage is None:
                damage = Damaged(f"segment {start} of a log is missing on this disk")
            sound = self._sound(run)
            yield from sound
            if len(sound) < len(run):
                raise Damaged(f"segment {run[len(sound)].seq} of a log is damaged on this disk")
            if damage is not None:
                raise damage

    @staticmethod
    def _sound(run: list[Segment]) -> list[Segment]:
        """The part of a chained run that a signature covers. All of it, unless this disk is damaged."""
        for end in range(len(run), 0, -1):
            try:
                run[end - 1].verify()
            except RemoteProtocolError:
                continue
            return run[:end]
        return []

    def truncate(self, branch: BranchState, seq: int) -> Batch:
        """Forgets a branch's segments from ``seq`` on, and what forks from them; they are fetched again."""
        self._recent.clear()
        self._recent_bytes = 0
        batch: Batch = [TruncateBranch(branch.number, seq)]
        for other in self.branches[branch.log]:
            if other.base is branch and other.first > seq and other.tip >= other.first:
                batch += self.truncate(other, other.first)
        branch.tip = seq - 1
        branch.tip_id = self._id_before(branch, seq)
        return batch

    def _id_before(self, branch: BranchState, seq: int) -> bytes:
        if seq > branch.first:
            return self.store.segment_id(branch.number, seq - 1) or b""
        if branch.base is None or seq == 1:
            return b""
        return self.store.segment_id(branch.base.number, seq - 1) or b""

    @staticmethod
    def _stored_segment(raw: bytes, branch: BranchState, seq: int, previous: bytes) -> Segment:
        try:
            segment = Segment.parse_untrusted(raw)
        except RemoteProtocolError as error:
            raise Damaged(f"segment {seq} of a log is damaged on this disk: {error}") from None
        if (segment.log, segment.seq, segment.previous) != (branch.log, seq, previous):
            raise Damaged(f"segment {seq} of a log is not where it was stored on this disk")
        return segment


def epoch_batch(epoch: Epoch) -> Batch:
    """Keeps an epoch, and a copy: without it nothing of an object can be read, and it may be nowhere else."""
    record = StoredRecord(epoch.kind, epoch.id, epoch.raw)
    return [PutRecord(epoch.object, record), PutValue(COPIES, epoch.object + epoch.id, epoch.raw)]


def _values(store: SegmentStore) -> list[tuple[bytes, bytes]]:
    try:
        return list(store.values(COPIES))
    except Damaged:
        return []  # two damages at once: only a node or peer can help


def record_ids(book: LogBook) -> list[bytes]:
    """Ids of all membership records, to compare with a peer's."""
    return [*book.epochs, *book.grants]
