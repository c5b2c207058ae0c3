"""The public side of one object: its verified records, its logs, and how far each goes.

Nodes and members keep the same book; it needs no key. A segment enters it verified, by its log's signature
and that log's certificate, behind the one before it. Where its certificate or predecessor is missing it is
not kept, and the sender is asked again. Who may write can fork his log, so forks have bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, takewhile
from typing import Final

from ..codec.ids import EpochId, LogId, ObjectId, SegmentId
from ..errors import Damaged, PeergosCollabError, RemoteProtocolError
from ..objects.archives import Archive
from ..objects.payload import LOG_PREFIX
from ..objects.segments import Segment, UnverifiedSegment, epoch_of
from ..objects.snapshots import SnapshotPlace
from ..ports import AppendSegment, Batch, BeginBranch, NewBranch, SegmentStore, TruncateBranch
from .archived import Archived, cut_at_missing, damaged_archives
from .arrivals import Arrival, BranchState, Offered
from .epoch_graph import EVERYTHING
from .frames import LastSegments
from .heads import MAX_TIPS, Tip
from .pruning import may_be_forgotten
from .record_book import COPIES, RecordBook

MAX_BRANCHES: Final = 64
"""Forks of one log that are kept, those that came first: beyond it members may differ, in that log. An honest
device forks a log once or twice in its life."""

RECENT_BYTES: Final = 64 << 10
"""Of the newest segments, kept to be passed on at once, without a look into the store."""

_SEARCHED: Final = 2 * MAX_TIPS
_READ: Final = 1 << 18
_MANY: Final = 1 << 20


class LogBook(RecordBook):
    """See the module's text."""

    def __init__(self, object_id: ObjectId, store: SegmentStore) -> None:
        super().__init__(object_id)
        self.store = store
        self.branches: dict[LogId, list[BranchState]] = {}
        self.numbered: dict[int, BranchState] = {}
        self.archived = Archived(object_id, store)
        self.damage: list[str] = []
        self.last_sent = LastSegments(object_id)
        self.shrunk = 0
        """Grows when segments go that are fetched again."""
        self._within: dict[tuple[int, int], tuple[bytes, list[Tip]]] = {}
        """What ``tips_within`` found, by epochs and branch, and for which tip: it searches logs for it."""
        self._unsettled: dict[int, int] = {}
        self._fresh: dict[tuple[int, int], SegmentId] = {}
        self._recent: dict[tuple[int, int], Segment] = {}
        self._recent_bytes = 0
        self._named: dict[bytes, dict[LogId, None]] = {}
        """Logs by the first bytes of their ids: looked up for each citation, and there may be many."""

    @classmethod
    def load(cls, object_id: ObjectId, store: SegmentStore) -> LogBook:
        """The book as stored.

        Where something is damaged the store is repaired: what still proves itself is entered again, the
        rest is left out and named in ``damage``.
        """
        try:
            return cls.as_stored(object_id, store)
        except Damaged as damage:
            return cls.mend(object_id, store, damage)

    @classmethod
    def mend(cls, object_id: ObjectId, store: SegmentStore, damage: Damaged) -> LogBook:
        """The book after a repair of what is stored."""
        damaged = damaged_archives(object_id, store)
        taken = store.repair(object_id)
        store.write(damaged)
        store.write(cut_at_missing(object_id, store))
        book = cls.as_stored(object_id, store)
        store.write(book.take_records([*taken.records, *_copies(object_id, store)]).batch)
        book = cls.as_stored(object_id, store)  # what came after a damaged record counts again, too
        store.write(book.take_segments(taken.segments).batch)
        kept = f"; the store as it was is kept as {taken.kept}" if taken.kept else ""
        book.damage.append(f"{damage.message} What is missing is fetched again{kept}.")
        return book

    @classmethod
    def as_stored(cls, object_id: ObjectId, store: SegmentStore) -> LogBook:
        """The book as stored, and nothing is repaired: beside whoever uses it, another thread may do that.

        Raises:
            Damaged: it has to be repaired first.
        """
        book = cls(object_id, store)
        stored = [record.raw for record in store.records(object_id)]
        offered = book.take_records(stored)
        why = [*offered.refused, *("what it follows is missing" for _ in offered.early)]
        book.damage = [f"a stored record is damaged ({words})" for words in why]
        book.archived.load()
        for branch in sorted(store.branches(object_id), key=lambda branch: branch.number):
            base = book.numbered.get(branch.parent)
            first = book.archived.first(branch)
            tip_id = branch.tip_id or book.archived.id_at(branch.number, branch.tip) or b""
            state = BranchState(branch.number, branch.log, base, first, branch.tip, tip_id)
            state.kept = branch.first
            book._add_branch(state)
        return book

    # -- segments -------------------------------------------------------------------------------

    def take_segments(self, raws: Iterable[bytes], within: int = EVERYTHING) -> Offered:
        """Takes segments as a peer, a node or the disk sent them. See ``Offered``.

        The batch has to be written before the book is given anything more.

        Args:
            within: the epochs (a set of ``graph``) whose segments are taken from who sent them.
        """
        offered = Offered()
        self._fresh.clear()
        run: list[UnverifiedSegment] = []
        for raw in raws:
            try:
                segment = Segment.parse_untrusted(raw, run[-1] if run else None)
                if segment.object != self.object:
                    raise RemoteProtocolError("a segment of another object")
            except PeergosCollabError as error:
                offered.refused.append(str(error))
                continue
            if run and (segment.log != run[-1].log or segment.previous != run[-1].id):
                self._take_run(run, offered, within)
                run = []
            run.append(segment)
        if run:
            self._take_run(run, offered, within)
        return offered

    def take_closed(self, archive: Archive, within: int = EVERYTHING, *, gives_up: bool = False) -> Offered:
        """Takes an archive whose keys are not here, or a husk, in place of its segments.

        See ``take_segments``. Of a husk it is taken what an admin said is to be forgotten, and is not here.

        Args:
            gives_up: a husk may take the place of segments, too, with those that follow them.
        """
        offered = Offered()
        self._fresh.clear()
        held = self.find(archive.log, archive.last, archive.last_id)
        if held is not None or archive.object != self.object:
            offered.known += [(held, archive.last)] if held is not None else []
            return offered
        if archive.is_husk and not may_be_forgotten(self, archive):
            offered.refused.append("segments without content, of which no admin said that they are forgotten")
            return offered
        if archive.epoch in self.archived.keys and not archive.is_husk:
            offered.gaps.add(archive.log)  # they came since: what is in it can be compared
            return offered
        archive = self.lacking_part(archive, gives_up=gives_up) if archive.is_husk else archive
        head = archive.closed_segment(0)
        offered.barred = not self.graph.covers(within, archive.epoch)
        if offered.barred or (archive.log, archive.epoch) not in self.certificates:
            offered.gaps |= set() if offered.barred else {archive.log}
            return offered
        begun = self.find(archive.log, archive.first, archive.ids[0])
        full = self._no_room(head) if begun is None else ""
        try:
            archive.verify()
        except RemoteProtocolError as error:
            full = str(error)
        if full:
            offered.refused.append(full)
            return offered
        branch = begun or self._place(head, offered)
        if branch is None or branch.kept != archive.first or not self._agrees(branch, archive):
            # Archives lie in front of single segments. Those before it, closed as well, go with others.
            # What can be read stays: a hostile node would not give it again.
            offered.gaps.add(archive.log)
            start = min(branch.kept, archive.first) if branch is not None else 0
            if archive.is_husk:
                return offered  # nothing is given up for what is forgotten elsewhere
            if branch is not None and branch.first <= archive.first and not self._is_readable(branch, start):
                offered.batch += self.truncate(branch, start)
            return offered
        fresh = range(max(branch.tip - archive.first + 1, 0), len(archive.ids))
        offered.arrivals += [Arrival(archive.closed_segment(at), branch) for at in fresh]
        self.forget_recent()
        offered.batch += [
            TruncateBranch(branch.number, branch.kept),
            *self.archived.put(branch.number, archive),
        ]
        branch.tip, branch.tip_id, branch.tip_epoch = archive.last, archive.last_id, archive.epoch
        branch.kept = archive.last + 1
        return offered

    def _agrees(self, branch: BranchState, archive: Archive) -> bool:
        """Whether an archive goes on where a branch ends, or holds all that follows in it and more."""
        at = branch.tip - archive.first
        if at < 0:
            return archive.previous == branch.tip_id
        return archive.ids[at : at + 1] == (branch.tip_id,)

    def _is_readable(self, branch: BranchState, start: int) -> bool:
        """Whether keys are here of anything that ``truncate`` would forget."""
        forks = [each for each in self.branches[branch.log] if each.base is branch and each.first > start]
        while start <= branch.tip:
            if self._epoch_at(branch, start) in self.archived.keys:
                return True
            span = self.archived.span_at(branch.number, start)
            start = (span.last if span is not None else start) + 1
        return any(self._is_readable(each, each.first) for each in forks)

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

    def _take_run(self, run: list[UnverifiedSegment], offered: Offered, within: int) -> None:
        fresh = [segment for segment in run if not self._note_known(segment, offered)]
        if within != EVERYTHING:
            count = len(fresh)
            fresh = list(takewhile(lambda segment: self.graph.covers(within, segment.epoch), fresh))
            offered.barred |= len(fresh) < count
        if not fresh:
            return
        if any((fresh[0].log, segment.epoch) not in self.certificates for segment in fresh):
            offered.gaps.add(fresh[0].log)
            return
        for segment in self._authentic(fresh, offered):
            full = self._no_room(segment)
            if full:
                offered.refused.append(full)
                return
            branch = self._place(segment, offered)
            if branch is None:
                offered.gaps.add(segment.log)
                return
            self._append(branch, segment, offered)

    def _no_room(self, segment: Segment) -> str:
        """Why a segment would begin one branch too many; empty where it does not."""
        branches = self.branches.get(segment.log, [])
        if any(branch.tip_id == segment.previous for branch in branches):
            return ""
        if len(branches) >= MAX_BRANCHES:
            return "a log with too many forks"
        return "a log too many for one object" if len(self.numbered) >= MAX_TIPS else ""

    def _note_known(self, segment: UnverifiedSegment, offered: Offered) -> bool:
        branch = self.find(segment.log, segment.seq, segment.id)
        if branch is not None:
            offered.known.append((branch, segment.seq))
        return branch is not None

    @staticmethod
    def _authentic(run: list[UnverifiedSegment], offered: Offered) -> list[Segment]:
        """The segments of a run up to the first whose own signature does not hold.

        The last signature covers all before it through their ids, but each is checked all the same (50 µs).
        Otherwise whoever passes segments on could spoil signatures in the middle, and what was taken in
        here would be refused by the next, to whom it goes in frames that end elsewhere.
        """
        verified: list[Segment] = []
        for segment in run:
            try:
                verified.append(segment.verify())
            except RemoteProtocolError as error:
                offered.refused.append(str(error))
                break
        return verified

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
        state.kept = segment.seq
        self._add_branch(state)
        offered.batch.append(
            NewBranch(number, self.object, segment.log, base.number if base else 0, segment.seq)
        )
        return state

    def _append(self, branch: BranchState, segment: Segment, offered: Offered) -> None:
        branch.tip, branch.tip_id, branch.tip_epoch = segment.seq, segment.id, segment.epoch
        self._fresh[branch.number, segment.seq] = segment.id
        self._remember(branch.number, segment)
        offered.arrivals.append(Arrival(segment, branch))
        offered.batch.append(AppendSegment(branch.number, segment.seq, segment.id, segment.raw))

    def _remember(self, number: int, segment: Segment) -> None:
        self._recent[number, segment.seq] = segment
        self._recent_bytes += len(segment.raw)
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.pop(next(iter(self._recent))).raw)

    def forget_recent(self) -> None:
        """What is passed on is read from the store, where something else may be by now."""
        self._recent.clear()
        self._recent_bytes = 0

    def _add_branch(self, state: BranchState) -> None:
        self._named.setdefault(state.log[:LOG_PREFIX], {})[state.log] = None
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

    def id_at(self, branch: BranchState, seq: int) -> bytes | None:
        """The id of a segment of a branch; None where it has none with this seq."""
        if not branch.first <= seq <= branch.tip:
            return None
        return branch.tip_id if seq == branch.tip else self._id_at(branch.number, seq)

    def _id_at(self, number: int, seq: int) -> bytes | None:
        # What has just arrived is not in the store before its batch is written.
        fresh = self._fresh.get((number, seq))
        if fresh is not None:
            return fresh
        recent = self._recent.get((number, seq))
        if recent is not None:
            return recent.id
        if seq < self.numbered[number].kept:
            return self.archived.id_at(number, seq)
        return self.store.segment_id(number, seq)

    def lacking_part(self, husk: Archive, *, gives_up: bool = False) -> Archive:
        """A husk without the first of its segments, those that are here; whole where all are.

        Args:
            gives_up: those that are here one by one, at the end of a branch, stay in it.
        """
        for at in range(len(husk.ids) - 2, -1, -1):
            branch = self.find(husk.log, husk.first + at, husk.ids[at])
            if branch is not None:
                ends_here = gives_up and branch.tip == husk.first + at
                start = max(branch.kept, husk.first) if ends_here else husk.first + at + 1
                return husk.husk(start - husk.first)
        return husk

    def find_archive(self, archive_id: bytes) -> Archive | None:
        """An archive that a prune record names. Raises Damaged."""
        named = self.replaced.get(archive_id, ())
        for wanted in named:
            for branch in self.branches.get(wanted.log, ()):
                archive = self.archived.find(branch.number, wanted)
                if archive is not None:
                    return archive
        return self.archived.offered(archive_id) if named else None

    def has_all(self, places: Iterable[SnapshotPlace]) -> bool:
        """Whether all these segments are here, in some form."""
        return all(self.find(place.log, place.seq, place.id) is not None for place in places)

    def is_forgotten(self, place: SnapshotPlace) -> bool:
        """Whether of a segment only a husk is here."""
        branch = self.find(place.log, place.seq, place.id)
        return branch is not None and self.archived.is_forgotten(branch.number, place.seq)

    def extent(self, heads: Iterable[SnapshotPlace]) -> dict[int, int]:
        """By branch, the last segment that is, or leads to, one of these; of those that are here."""
        found: dict[int, int] = {}
        for head in heads:
            seq, branch = head.seq, self.find(head.log, head.seq, head.id)
            while branch is not None and found.get(branch.number, 0) < seq:
                found[branch.number] = seq
                seq, branch = branch.first - 1, branch.base
        return found

    def find_prefix(self, log_prefix: bytes, seq: int, id_: bytes) -> BranchState | None:
        """Like ``find``, where only the first ``LOG_PREFIX`` bytes of the log's id are known."""
        for log in self._named.get(log_prefix, ()):
            branch = self.find(log, seq, id_)
            if branch is not None:
                return branch
        return None

    def forked(self) -> list[LogId]:
        """Logs that go on in more than one way after some segment."""
        return [log for log, branches in self.branches.items() if len(branches) > 1]

    def tips(self) -> list[Tip]:
        """All heads of all logs, forks included."""
        return self.tips_of(self.branches)

    def tips_of(self, logs: Iterable[LogId]) -> list[Tip]:
        """The heads of some logs."""
        branches = [branch for log in logs for branch in self.branches.get(log, ())]
        return [tip for branch in branches for tip in _tip(branch)]

    def tips_within(self, within: int) -> list[Tip]:
        """The heads as somebody sees them who may have only segments of some epochs."""
        if self.graph.covers_all(within):
            return self.tips()
        return [tip for branch in self.numbered.values() for tip in self._tip_within(branch, within)]

    def _tip_within(self, branch: BranchState, within: int) -> list[Tip]:
        """The last segment of a branch that is in ``within``, if the epochs of a log only follow each other.

        Where they do not, it is some other segment that is here; a head that is too low costs no more than
        that something is sent twice.
        """
        if branch.tip_epoch is None:
            branch.tip_epoch = self._epoch_at(branch, branch.tip)
        if branch.tip_epoch is not None and self.graph.covers(within, branch.tip_epoch):
            return _tip(branch)
        searched, found = self._within.get((within, branch.number), (b"", []))
        if searched != branch.tip_id:
            found = self._search(branch, within)
            if len(self._within) >= _SEARCHED:
                self._within.clear()
            self._within[within, branch.number] = branch.tip_id, found
        return found

    def _search(self, branch: BranchState, within: int) -> list[Tip]:
        low, high = branch.first - 1, branch.tip
        while low < high - 1:
            middle = (low + high) // 2
            epoch = self._epoch_at(branch, middle)
            if epoch is not None and self.graph.covers(within, epoch):
                low = middle
            else:
                high = middle
        id_ = self._id_at(branch.number, low) if low >= branch.first else None
        return [Tip(branch.log, low, SegmentId(id_))] if id_ else []

    def _epoch_at(self, branch: BranchState, seq: int) -> EpochId | None:
        if seq < branch.kept:
            return self.archived.epoch_at(branch.number, seq)
        raws = self.read(branch, seq, 1) if branch.first <= seq <= branch.tip else []
        return epoch_of(raws[0]) if raws else None

    def read(self, branch: BranchState, start: int, max_bytes: int) -> list[bytes]:
        """Raw segments of a branch from ``start`` on, about ``max_bytes``; none of a closed archive."""
        raws: list[bytes] = []
        size = 0
        while (recent := self._recent.get((branch.number, start + len(raws)))) is not None:
            size += len(recent.raw)
            if raws and size > max_bytes:
                break
            raws.append(recent.raw)
        if not raws and start < branch.kept:
            return _some(self.archived.read(branch.number, start), max_bytes)
        return raws or self.store.segments(branch.number, start, max_bytes)

    def stored(self, branch: BranchState, start: int) -> Iterator[Segment]:
        """Verified segments of a branch from ``start`` on, as stored. Those in closed archives are not here.

        Raises:
            Damaged: one of them is not what was written; those before it were given.
        """
        previous = self._id_before(branch, start)
        while start <= branch.tip:
            closed = self.archived.closed_at(branch.number, start) if start < branch.kept else None
            if closed is not None:
                yield from _closed_segments(closed, branch, start, previous)
                start, previous = closed.last + 1, closed.last_id
                continue
            run: list[UnverifiedSegment] = []
            damage: Damaged | None = None
            for raw in self._read_stored(branch, start):
                try:
                    before = run[-1] if run else None
                    segment = self._stored_segment(raw, before, branch, start, previous)
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

    def _read_stored(self, branch: BranchState, start: int) -> list[bytes]:
        if start < branch.kept:
            return self.archived.read(branch.number, start)
        return self.store.segments(branch.number, start, _READ)

    @staticmethod
    def _sound(run: list[UnverifiedSegment]) -> list[Segment]:
        """The part of a chained run that a signature covers. All of it, unless this disk is damaged."""
        sound: list[Segment] = []
        for segment in reversed(run):
            if sound:
                sound.append(segment.covered_by(sound[-1]))
                continue
            try:
                sound.append(segment.verify())
            except RemoteProtocolError:
                continue  # the one before may still be whole
        sound.reverse()
        return sound

    def truncate(self, branch: BranchState, seq: int) -> Batch:
        """Forgets a branch's segments from ``seq`` on, and what forks from them; they are fetched again."""
        self.forget_recent()
        self.shrunk += 1
        batch: Batch = []
        if seq < branch.kept:
            gone, seq = self.archived.forget(branch.number, seq)
            batch = [*gone, TruncateBranch(branch.number, branch.kept), BeginBranch(branch.number, seq)]
            branch.kept = seq
        batch.append(TruncateBranch(branch.number, seq))
        for other in self.branches[branch.log]:
            if other.base is branch and other.first > seq and other.tip >= other.first:
                batch += self.truncate(other, other.first)
        branch.tip = seq - 1
        branch.tip_id = self._id_before(branch, seq)
        branch.tip_epoch = None
        return batch

    def _id_before(self, branch: BranchState, seq: int) -> bytes:
        if seq > branch.first:
            return self._id_at(branch.number, seq - 1) or b""
        if branch.base is None or seq == 1:
            return b""
        return self._id_at(branch.base.number, seq - 1) or b""

    @staticmethod
    def _stored_segment(
        raw: bytes, before: UnverifiedSegment | None, branch: BranchState, seq: int, previous: bytes
    ) -> UnverifiedSegment:
        try:
            segment = Segment.parse_untrusted(raw, before)
        except RemoteProtocolError as error:
            raise Damaged(f"segment {seq} of a log is damaged on this disk: {error}") from None
        if (segment.log, segment.seq, segment.previous) != (branch.log, seq, previous):
            raise Damaged(f"segment {seq} of a log is not where it was stored on this disk")
        return segment


def _closed_segments(closed: Archive, branch: BranchState, start: int, previous: bytes) -> list[Segment]:
    """Those of a closed archive from ``start`` on. Raises Damaged."""
    at = start - closed.first
    try:
        closed.verify(len(closed.ids) - 1)
    except RemoteProtocolError:
        raise Damaged("an archive of older changes is damaged on this disk") from None
    if closed.log != branch.log or closed.place(at).previous != previous:
        raise Damaged(f"segment {start} of a log is not where it was stored on this disk")
    return [closed.closed_segment(each) for each in range(at, len(closed.ids))]


def _some(raws: list[bytes], max_bytes: int) -> list[bytes]:
    """The first of them, and as many more as fit."""
    sizes = accumulate(map(len, raws))
    return raws[: max(1, sum(size <= max_bytes for size in sizes))]


def _tip(branch: BranchState) -> list[Tip]:
    return [Tip(branch.log, branch.tip, SegmentId(branch.tip_id))] if branch.tip >= branch.first else []


def _copies(object_id: ObjectId, store: SegmentStore) -> list[bytes]:
    """What is kept twice of its records."""
    try:
        keys = store.keys(COPIES, object_id, object_id + b"\xff" * 33, _MANY)
        return [raw for key in keys if (raw := store.value(COPIES, key)) is not None]
    except Damaged:
        return []  # two damages at once: only a node or peer can help
