"""Segments of one object, opened and handed to its fold in causal order.

A segment is delivered after what it follows and what it cites, once its key is here and its author is
known as a writer. Until then it waits; what breaks a rule is set aside, and keeps its place.

Any such order gives the same state, but for two kinds of segments: those of a run in which two carry one
change number (a home that was copied with unsent work, or a writer who lies), and those that build on
what they do not cite. Where they turn up, or where something that was delivered does not count any more,
the order is ``unsettled``: all is to be delivered once more, in an order that follows from the set of
segments alone. See ``canonical_order``.

Where the history is hidden from this device's member, segments that it never opens pass once a base covers
them (see ``bases``). A base is looked for in whatever can be opened, before its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Final, TypeAlias

from ..codec.ids import AccountId, DeviceId, EpochId, LogId, ObjectId, PrincipalId, RunId, SegmentId
from ..codec.shown import show_person
from ..errors import Damaged, NotYet, PeergosCollabError, Quarantined, RemoteProtocolError
from ..objects.bindings import Introduced, NoMember
from ..objects.epoch_keys import EpochKeys
from ..objects.log_writers import open_writers_untrusted
from ..objects.membership import View
from ..objects.op_kinds import Close
from ..objects.payload import Author, Cite, Delivery, Kind, Payload
from ..objects.segments import Segment
from ..objects.snapshots import SnapshotPlace, run_mark
from ..values import dataclass
from .arrivals import Arrival, BranchState
from .base_segments import find_base_untrusted, read_base_untrusted
from .bases import Base, Bases
from .closings import Closings
from .fold import Fold, Missing, StateDamaged
from .introductions import Introductions
from .logbook import LogBook
from .opened import Opened, OpenedAhead
from .pruning import named_to_forget
from .run_ids import DeviceRun, RunIds
from .snapshots import Claimed, Snapshots, open_part_untrusted, stored_snapshot_untrusted

_NOBODY: Final = Author(AccountId(bytes(32)), DeviceId(bytes(32)), PrincipalId(bytes(32)), "")
_NOTHING: Final = Payload(RunId(bytes(16)), 1, 0, (), (), Kind.HELLO, 0, b"")
_PASSES: Final = Payload(RunId(bytes(16)), 1, 0, (), (), Kind.HELLO, 0, b"")
"""Stands for the payload of a segment that passes."""

_UNKNOWN: Final = "an unknown writer"

Ready: TypeAlias = Callable[[], bool]
"""Says when what is waiting should be tried again."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A segment that was quarantined: its author broke a rule. It is kept, shown and not applied."""

    log: LogId
    seq: int
    name: str
    reason: str


class Waits(Exception):
    """A segment cannot be delivered yet.

    Args:
        what: it waits for: a branch, by number, or a run to go on; None for anything else.
        ready: says when to try again.
    """

    def __init__(self, what: int | DeviceRun | None, ready: Ready) -> None:
        super().__init__()
        self.what = what
        self.ready = ready


class CausalOrder:
    """See the module's text.

    Args:
        keys: of the epochs that can be opened; the owner may add to it.
        on_damage: called with a branch of which a stored segment is damaged.
        principal: as which member this device is in.

    Attributes:
        view: who is a member; the owner renews it when records came.
        applied: per branch number, the last seq that was delivered or set aside.
        introductions: who writes each branch.
        changes: per device and run, the number of the next change.
        contested: runs of which two segments carry the same change, or two have one id.
        stuck: of each segment that was set aside because it builds on what is not here: what that is.
        given_up: whose it is and what is in it, since all was delivered anew.
        uncited: branches with something delivered that this device has not cited yet.
        strict: raise Damaged where a stored segment is damaged, instead of calling ``on_damage``.
        until: per branch number, the last seq to deliver; None delivers all.
    """

    def __init__(
        self,
        object_id: ObjectId,
        book: LogBook,
        fold: Fold,
        keys: Mapping[EpochId, EpochKeys],
        on_damage: Callable[[BranchState, Damaged], None],
        principal: PrincipalId,
    ) -> None:
        self.object = object_id
        self.book = book
        self.fold = fold
        self.keys = keys
        self.view = View()
        self.applied: dict[int, int] = {}
        self.changes: dict[DeviceRun, int] = {}
        self._run_ids = RunIds(self._id_of, self.changes)
        self.contested: set[DeviceRun] = set()
        self.stuck: list[Missing] = []
        self.given_up: list[tuple[DeviceId, bytes]] = []
        self.set_aside: list[SetAside] = []
        self.snapshots = Snapshots()
        self.uncited: dict[int, None] = {}
        self.strict = False
        self.until: Mapping[int, int] | None = None
        self.introductions = Introductions(book)
        self.closings = Closings(book)
        self.bases = Bases(object_id, book, principal)
        self._looked_by: tuple[View, int] | None = None
        self._no_bases: tuple[View, int, set[SegmentId]] = self.view, 0, set()
        """What was named as a base and is none, by these members and so many keys."""
        self._unsettled = False
        self._steps = 0
        self._on_damage = on_damage
        self._arrived: dict[tuple[int, int], Segment] = {}
        self._blocked: dict[int, Ready] = {}

    @property
    def unsettled(self) -> bool:
        """Whether the state may not be what follows from the set: then all is to be delivered once more."""
        return self._unsettled or any(map(self.fold.knows, self.stuck))

    @unsettled.setter
    def unsettled(self, unsettled: bool) -> None:
        self._unsettled = unsettled

    def take_view(self, view: View) -> None:
        """Takes the members as they are by newer records, which may end logs before what was delivered."""
        # What passed and can be opened after all is to be folded.
        self._unsettled |= any(epoch in self.keys for _, epoch in self.bases.passed)
        if view is self.view:
            return
        self.view = view
        self.bases.take_view(view)
        self._check_ends(self.book.branches)

    def _check_ends(self, logs: Collection[LogId]) -> None:
        """Finds out whether something was delivered that does not count by what is known now."""
        self._unsettled |= any(
            self._holds_too_much(branch, epoch, who)
            for branch, epoch, who in self.introductions.all()
            if branch.log in logs
        )

    def _holds_too_much(self, branch: BranchState, epoch: EpochId, who: Introduced) -> bool:
        seq = self.applied.get(branch.number, 0)
        if seq < branch.first or not self.closings.passes_end(
            self.view, who.author, who.adders, epoch, branch, seq
        ):
            return False
        try:
            # The log may have gone on under newer keys, where it does not end.
            for segment in self.book.stored(branch, branch.first):
                if segment.seq > seq:
                    break
                if segment.epoch == epoch and not self.closings.counts(
                    self.view, segment, who.author, who.adders
                ):
                    return True
        except Damaged:
            return True
        return False

    @property
    def waiting(self) -> tuple[int, ...]:
        """Numbers of the branches of which a segment waits for something that is not here."""
        return tuple(self._blocked)

    # -- as they come ---------------------------------------------------------------------------

    def take(self, arrivals: Iterable[Arrival], via: str) -> list[Delivery]:
        """Delivers what is new, and what waited for it."""
        self._arrived.clear()  # what came before is in the store by now
        arrivals = list(arrivals)
        for arrival in arrivals:
            self.bases.came(arrival.segment)
            if arrival.segment.is_here:  # else its archive is read, for which keys may come
                self._arrived[arrival.branch.number, arrival.segment.seq] = arrival.segment
        if any(not arrival.segment.is_here for arrival in arrivals):
            self.bases.doubt()
        self._look_for_bases([(arrival.branch, arrival.segment) for arrival in arrivals])
        touched = self._ready()
        touched.update(dict.fromkeys(arrival.branch.number for arrival in arrivals))
        forked = {a.segment.log for a in arrivals if len(self.book.branches[a.segment.log]) > 1}
        if forked:
            self._check_ends(forked)  # the end of a log may be on another branch than was thought
        return self._deliver(touched, via)

    def take_waiting(self, via: str) -> list[Delivery]:
        """Delivers what waited for something that is here now."""
        self._look_for_bases([])
        return self._deliver(self._ready(), via)

    def take_stored(self) -> list[Delivery]:
        """Delivers what is stored and not delivered yet."""
        self._looked_by = None
        for base in (self.bases.known[id_] for id_ in self.bases.used if id_ in self.bases.known):
            if base.for_all:
                self._read_for_all(base)
        self._look_for_bases([])
        return self._deliver(dict.fromkeys(self.book.numbered), "local")

    def take_own(self, arrival: Arrival, payload: Payload, cited: Iterable[int]) -> None:
        """Takes a segment this device has just sealed on top of everything delivered.

        Args:
            cited: the branches it cites.
        """
        branch, segment = arrival.branch, arrival.segment
        who = self._author(branch, segment, payload)
        author = who.author
        self._unsettled |= (author.device, payload.run) in self.contested
        self.applied[branch.number] = segment.seq
        self.bases.came(segment)
        self.bases.note(branch, segment.seq, segment.epoch)
        for number in cited:
            self.uncited.pop(number, None)
        self._count(author, payload)
        self._hand_over(self._delivery(segment, payload, author, 0, "local"), own=True)
        self._note_snapshot(segment, payload, who, own=True)

    def _deliver(self, touched: dict[int, None], via: str) -> list[Delivery]:
        deliveries: list[Delivery] = []
        reading: dict[int, OpenedAhead] = {}
        while touched:
            before = self._steps, self.closings.version
            for number in touched:
                self._deliver_branch(self.book.numbered[number], via, reading, deliveries)
            progress = (self._steps, self.closings.version) != before
            touched = self._ready() if progress else {}
        return deliveries

    def _ready(self) -> dict[int, None]:
        """Branches whose next segment waited for something that is here now.

        The others are left alone: to open a large segment again at every arrival would be too dear.
        """
        return dict.fromkeys([number for number, ready in self._blocked.items() if ready()])

    def _deliver_branch(
        self, branch: BranchState, via: str, reading: dict[int, OpenedAhead], deliveries: list[Delivery]
    ) -> None:
        """Delivers what can be.

        Args:
            reading: by branch, what was read of it and waits for another: who answer each other wait at
                every segment.
        """
        self._blocked.pop(branch.number, None)
        seq = self.applied.get(branch.number, branch.first - 1) + 1
        if seq > branch.tip:
            return
        if not self.base_applied(branch):
            self._blocked[branch.number] = lambda: self.base_applied(branch)
            return
        ahead = reading.pop(branch.number, None) or OpenedAhead(self._read_from(branch, seq), self.keys)
        try:
            for segment, opened in ahead:
                waits = self._deliver_next(branch, segment, opened, via, deliveries)
                if waits is None:
                    continue
                self._blocked[branch.number] = waits.ready
                if waits.what is not None:
                    ahead.put_back(segment, opened)
                    reading[branch.number] = ahead
                return
        except StateDamaged:
            raise  # nothing is wrong with the segment that was to enter it
        except Damaged as damage:
            self._found_damaged(branch, damage)

    def _deliver_next(
        self,
        branch: BranchState,
        segment: Segment,
        opened: Opened,
        via: str,
        deliveries: list[Delivery],
    ) -> Waits | None:
        """Delivers a segment, unless it waits for something."""
        try:
            deliveries += self.deliver_segment(branch, segment, self.payload_of(branch, segment, opened), via)
        except Waits as waits:
            return waits
        except NotYet as too_early:
            self._unsettled = True
            return Waits(None, partial(self.fold.knows, too_early.missing))
        self._arrived.pop((branch.number, segment.seq), None)
        return None

    def delivers(self, branch: BranchState, seq: int) -> bool:
        """Whether a segment is not beyond what is to be delivered at all."""
        return self.until is None or seq <= self.until.get(branch.number, 0)

    def base_applied(self, branch: BranchState) -> bool:
        return branch.base is None or self.applied.get(branch.base.number, 0) >= branch.first - 1

    def _segments_from(self, branch: BranchState, seq: int) -> Iterator[Segment]:
        try:
            yield from self._read_from(branch, seq)
        except Damaged as damage:
            self._found_damaged(branch, damage)

    def _found_damaged(self, branch: BranchState, damage: Damaged) -> None:
        if self.strict:
            raise damage
        self._on_damage(branch, damage)

    def _read_from(self, branch: BranchState, seq: int) -> Iterator[Segment]:
        """What is here of a branch from some place on. Raises Damaged."""
        while seq <= branch.tip:
            for segment in self._arrived_from(branch, seq) or self.book.stored(branch, seq):
                yield segment
                seq = segment.seq + 1
                if (branch.number, seq) in self._arrived:
                    break  # what has just arrived is not in the store yet

    def _arrived_from(self, branch: BranchState, seq: int) -> list[Segment]:
        found: list[Segment] = []
        while (segment := self._arrived.get((branch.number, seq + len(found)))) is not None:
            found.append(segment)
        return found

    # -- one segment ----------------------------------------------------------------------------

    def payload_of(
        self, branch: BranchState, segment: Segment, opened: Opened
    ) -> Payload | PeergosCollabError:
        """What is to be delivered of an opened segment. Raises Waits for its key or for what it cites."""
        if self.bases.is_forgotten(branch, segment.seq):
            return _PASSES
        if opened is None or self.book.archived.is_forgotten(branch.number, segment.seq):
            if self._may_pass(branch, segment):
                return _PASSES
            raise Waits(None, lambda: self._may_open(branch, segment) or self._may_pass(branch, segment))
        if isinstance(opened, Payload):
            for cite in opened.cites:
                if not self._is_applied(cite):
                    self._keep_what_it_cites(branch, segment, opened)
                    raise self._waits_for(cite)
        return opened

    def _waits_for(self, cite: Cite) -> Waits:
        view, holder = self.view, self.book.find_prefix(cite.log, cite.seq, cite.id)
        what = holder.number if holder is not None else None
        return Waits(what, lambda: self._is_applied(cite) or self.view is not view)

    def _may_open(self, branch: BranchState, segment: Segment) -> bool:
        forgotten = self.book.archived.is_forgotten(branch.number, segment.seq)
        return segment.epoch in self.keys and not forgotten

    def _may_pass(self, branch: BranchState, segment: Segment) -> bool:
        if self.bases.is_forgotten(branch, segment.seq):
            return True
        return self.bases.passes(branch, segment.seq) and self.bases.is_closed(segment.epoch, self.keys)

    def deliver_segment(
        self, branch: BranchState, segment: Segment, payload: Payload | PeergosCollabError, via: str
    ) -> list[Delivery]:
        """Hands an opened segment to the fold, or sets it aside.

        Raises:
            Waits: for the record that makes its author a writer, or for changes before it in its run.
            NotYet: it builds on what is not here and is not cited.
        """
        if payload is _PASSES:
            self.fold.pass_by(self._delivery(segment, _NOTHING, _NOBODY, 0, via))
            if segment.epoch not in self.keys:
                self.bases.passed.add((branch.number, segment.epoch))
            self._went(branch, segment)
            return []
        author = None
        try:
            if isinstance(payload, PeergosCollabError):
                raise payload
            introduced = self._author(branch, segment, payload)
            author = introduced.author
            delivery = self._delivery(segment, payload, author, self._skip(author, payload), via)
            self._fold_in(delivery, payload)
        except NoMember:
            view, version = self.view, self.closings.version
            raise Waits(None, lambda: self.view is not view or self.closings.version != version) from None
        except NotYet:
            raise
        except (RemoteProtocolError, Quarantined) as error:
            self._put_aside(branch, segment, author, error)
            return []
        self._went(branch, segment)
        self._note_snapshot(segment, payload, introduced)
        return [delivery]

    def give_up(self, branch: BranchState, segment: Segment, payload: Payload, error: NotYet) -> None:
        """Sets aside a segment that builds on what is not here, until that comes."""
        author = self._author(branch, segment, payload).author
        self._count(author, payload)
        self.stuck.append(error.missing)
        self.given_up.append((author.device, payload.content))
        self._put_aside(branch, segment, author, error)

    def _went(self, branch: BranchState, segment: Segment) -> None:
        self._steps += 1
        self.applied[branch.number] = segment.seq
        self.uncited[branch.number] = None
        self.bases.note(branch, segment.seq, segment.epoch)

    def _put_aside(
        self, branch: BranchState, segment: Segment, author: Author | None, error: PeergosCollabError
    ) -> None:
        """Keeps a segment without using it; later ones may cite it, so the fold hears of its place."""
        name = show_person(author.name) if author is not None else _UNKNOWN
        self.set_aside.append(SetAside(segment.log, segment.seq, name, error.message))
        self.fold.pass_by(self._delivery(segment, _NOTHING, _NOBODY, 0, "local"))
        self._went(branch, segment)

    def _keep_what_it_cites(self, branch: BranchState, segment: Segment, payload: Payload) -> None:
        """What a segment that counts cites counts, too, even past the end of a removed member's log."""
        try:
            self._author(branch, segment, payload)
        except RemoteProtocolError:
            return
        self.closings.keep(payload.cites)

    def _is_applied(self, cite: Cite) -> bool:
        branch = self.book.find_prefix(cite.log, cite.seq, cite.id)
        return branch is not None and self.applied.get(branch.number, 0) >= cite.seq

    def _author(self, branch: BranchState, segment: Segment, payload: Payload) -> Introduced:
        """Who wrote it: here it is decided whether he may. Raises NoMember, RemoteProtocolError."""
        known = self.introductions.take_untrusted(branch, segment, payload, self.view)
        if not self.closings.counts(self.view, segment, known.author, known.adders):
            raise NoMember("written after its author was removed, and nobody built upon it")
        return known

    def _skip(self, author: Author, payload: Payload) -> int:
        """How many of the payload's changes are applied already. Raises Waits for a gap, Quarantined."""
        run, first = (author.device, payload.run), payload.first
        if run not in self.changes and (other := self._run_ids.first(run)) != run:
            self._contest(other, run)
            raise Quarantined("The update was refused: its run has the id of another one.")
        if not payload.count:
            return 0
        expected = self.changes.get(run, 1)
        if first > expected:
            expected = min(first, max(expected, self.bases.following(*run)))
        if first > expected:
            raise Waits(run, lambda: max(self.changes.get(run, 1), self.bases.following(*run)) >= first)
        if first < expected:
            self.contested.add(run)
        self._unsettled |= run in self.contested
        return min(expected - first, payload.count)

    def _id_of(self, device: DeviceId, run: RunId) -> Hashable:
        return self.fold.id_of(device, run)  # of the fold as it is then: another one may take its place

    def _contest(self, *runs: DeviceRun) -> None:
        """Which of these runs with one id counts is told by the order of all."""
        self._unsettled = True
        self.contested.update(runs)

    def _count(self, author: Author, payload: Payload) -> None:
        device_run = author.device, payload.run
        if device_run not in self.changes and (other := self._run_ids.note(device_run)) != device_run:
            self._contest(other, device_run)
        self.changes[device_run] = max(payload.first + payload.count, self.changes.get(device_run, 1))
        self.snapshots.since += 1

    def _fold_in(self, delivery: Delivery, payload: Payload) -> None:
        try:
            self._hand_over(delivery)
        except NotYet:
            raise
        except PeergosCollabError:
            self._count(delivery.author, payload)  # its numbers are used, though nothing came of them
            raise
        self._count(delivery.author, payload)

    def _hand_over(self, delivery: Delivery, *, own: bool = False) -> None:
        if delivery.kind not in self.fold.kinds:
            self.fold.pass_by(delivery)
        elif own:
            self.fold.take_own(delivery)
        else:
            self.fold.take_untrusted(delivery)

    def _note_snapshot(
        self, segment: Segment, payload: Payload, who: Introduced, *, own: bool = False
    ) -> None:
        if payload.kind is not Kind.SNAPSHOT:
            return
        found = read_base_untrusted(segment, payload, who)
        if own or found is None:
            self.snapshots.take_untrusted(segment, payload.content, who.author, own=own)
        if found is None:
            return
        # As good as citing it: or who passes it by would have in his text what nobody else counts.
        self.closings.keep(Cite(head.log[:8], head.seq, head.id) for head in found[0].heads)
        if self.bases.add(found[0]) and not own and not self.bases.is_hidden:
            self.bases.unchecked[segment.id] = None

    def _delivery(self, segment: Segment, payload: Payload, author: Author, skip: int, via: str) -> Delivery:
        return Delivery(
            segment.id,
            segment.log,
            segment.seq,
            SegmentId(segment.previous) if segment.previous else None,
            tuple([cite.id for cite in payload.cites]),
            author,
            payload.run,
            payload.time,
            payload.kind,
            payload.content,
            via,
            payload.first,
            payload.count,
            skip,
            (author.device, payload.run) in self.contested or bool(self.bases.used),
        )

    def has_applied(self, places: Iterable[SnapshotPlace]) -> bool:
        """Whether all these segments were delivered, or passed."""
        found = ((place, self.book.find(place.log, place.seq, place.id)) for place in places)
        return all(branch and self.applied.get(branch.number, 0) >= place.seq for place, branch in found)

    def heads(self) -> tuple[SnapshotPlace, ...]:
        """The last segment of each branch that was delivered."""
        heads = []
        for number, seq in self.applied.items():
            branch = self.book.numbered[number]
            id_ = self.book.id_at(branch, seq)
            if id_:
                heads.append(SnapshotPlace(branch.log, seq, SegmentId(id_)))
        return tuple(heads)

    def accepted_heads(self, of: Callable[[Author], bool]) -> list[Close]:
        """The last delivered segment of each log of some authors."""
        logs = {branch.log for branch, _, who in self.introductions.all() if of(who.author)}
        heads = [self._accepted_head(log) for log in logs]
        return sorted((head for head in heads if head is not None), key=lambda head: (-head.seq, head.log))

    def _accepted_head(self, log: LogId) -> Close | None:
        places = [(self.applied.get(branch.number, 0), branch) for branch in self.book.branches.get(log, ())]
        seq, branch = max(places, key=lambda place: place[0])
        id_ = self.book.id_at(branch, seq) if seq >= branch.first else None
        return Close(log, seq, SegmentId(id_)) if id_ else None

    # -- bases ----------------------------------------------------------------------------------

    def take_bases(self) -> None:
        """Takes the states of the bases to use into a fold that has nothing yet."""
        for base in self.bases.choose(self.keys, self.base_counts):
            self._use(base, None)

    def following(self) -> dict[bytes, int]:
        """The number of the next change of each run, by its mark, as far as this device knows."""
        known = {run_mark(self.object, *run): number for run, number in self.changes.items()}
        for mark, number in self.bases.all_following().items():
            known[mark] = max(number, known.get(mark, 1))
        return known

    def base_is_due(self) -> bool:
        """Whether a base is due that this device could make."""
        return self.bases.is_due(self.applied, self.base_counts)

    def base_counts(self, base: Base) -> bool:
        """Whether a base is not past the end of its author's log."""
        return self.closings.counts(self.view, base, base.author, base.adders)

    def _undelivered(self) -> Iterator[tuple[BranchState, Segment]]:
        for branch in list(self.book.numbered.values()):
            start = self.applied.get(branch.number, branch.first - 1) + 1
            if start <= branch.tip:
                yield from ((branch, segment) for segment in self._segments_from(branch, start))

    def _look_for_bases(self, segments: Iterable[tuple[BranchState, Segment]]) -> None:
        """Looks for bases in segments that are new, whatever they wait for, and uses what is chosen.

        After new records or keys, in all that waits: its author may be a member only now, or this device.
        """
        self._look_for_named()
        if not self.bases.is_hidden:
            if self.book.archived.forgotten or self.bases.used:
                for branch, segment in segments:
                    self.bases.note(branch, segment.seq, segment.epoch)
                self._use_chosen({})
            return
        states: dict[SegmentId, bytes] = {}
        knows = self._looked_by
        self._looked_by = self.view, len(self.keys)
        if knows is None or knows[0] is not self.view or knows[1] != len(self.keys):
            self.bases.doubt()
            segments = chain(self._undelivered(), segments)
        for branch, segment in segments:
            self.bases.note(branch, segment.seq, segment.epoch)
            found = find_base_untrusted(segment, self.keys, self.introductions, self.view)
            if found is not None:
                self.bases.add(found[0])
                states[segment.id] = found[1]
        self._use_chosen(states)

    def _look_for_named(self) -> None:
        """Looks for the bases that are to stand for all, whatever they wait for.

        It is asked at every keystroke, so what is none is not opened again while nothing else is known of
        members or keys.
        """
        view, keys, none = self._no_bases
        if view is not self.view or keys != len(self.keys):
            none = set()
            self._no_bases = self.view, len(self.keys), none
        for forgets, _ in named_to_forget(self.book) if self.book.prunes else ():
            if forgets.base.id in self.bases.known or forgets.base.id in none:
                continue
            try:
                segment = self._segment_at(forgets.base)
            except RemoteProtocolError:
                continue  # it is still to come
            found = find_base_untrusted(segment, self.keys, self.introductions, self.view)
            if found is None or not self.bases.add(found[0]):
                none.add(forgets.base.id)

    def _use_chosen(self, states: Mapping[SegmentId, bytes]) -> None:
        if not self.bases.look_again():
            return
        chosen, used = self.bases.choose(self.keys, self.base_counts), self.bases.used
        if [base.id for base in chosen[: len(used)]] != used:
            self._unsettled = True  # the fold has a state in it that it should not have any more
            return
        for base in chosen[len(used) :]:
            self._use(base, states.get(base.id))

    def _use(self, base: Base, state: bytes | None) -> None:
        try:
            if base.for_all:
                state = self._read_for_all(base)
            self.fold.take_base_untrusted(base, self.base_state(base) if state is None else state)
        except (RemoteProtocolError, Quarantined) as error:
            self.bases.refuse(base)
            self.set_aside.append(SetAside(base.log, base.seq, show_person(base.author.name), error.message))
            return
        self.bases.use(base)
        if base.for_all and self.applied:
            self._unsettled = True  # what it covers is in the fold by itself, and may be otherwise there

    def _read_for_all(self, base: Base) -> bytes:
        """The state of a base that may stand for all; who writes what logs is carried further.

        Raises:
            RemoteProtocolError: it is not here.
        """
        part = open_part_untrusted(self._segment_at(base), self.keys)
        sealed = part.end.writers if part.end is not None else None
        self.introductions.carry(open_writers_untrusted(self.object, sealed or {}, self.keys))
        return part.piece

    def _segment_at(self, place: Base | SnapshotPlace) -> Segment:
        """A segment that may have arrived just now. Raises RemoteProtocolError where it is not here."""
        branch = self.book.find(place.log, place.seq, place.id)
        segment = next(iter(self._segments_from(branch, place.seq)), None) if branch is not None else None
        if segment is None:
            raise RemoteProtocolError("a segment that is not here")
        return segment

    @property
    def has_claims(self) -> bool:
        """Whether others made bases or snapshots that this device could compare with the history."""
        can = not self.bases.is_hidden
        return can and (bool(self.bases.unchecked) or self.snapshots.unchecked is not None)

    def stands_at(self, claimed: Claimed) -> bool:
        """Whether all that a snapshot covers was delivered, and the snapshot, and no more."""
        place = claimed.place
        branch = self.book.find(place.log, place.seq, place.id)
        if branch is None or not self.book.has_all(claimed.heads):
            return False
        return self.applied == self.book.extent(claimed.heads) | {branch.number: place.seq}

    def base_state(self, base: Base) -> bytes:
        """The state in a base that is stored. Raises RemoteProtocolError, Damaged."""
        place = SnapshotPlace(base.log, base.seq, base.id)
        return stored_snapshot_untrusted(self.book, self.keys, place)[1]

    # -- all once more --------------------------------------------------------------------------

    def begin_anew(self, book: LogBook, fold: Fold) -> CausalOrder:
        """An order to which nothing was delivered yet.

        What is known of contested runs goes with it: the fold has to hear of them from the start.

        Args:
            book: a book of the same store.
        """
        if self.set_aside or self.fold.in_doubt:
            fold.begin_anew()  # else nothing in it is false, and it is cheaper to find that out once
        anew = CausalOrder(self.object, book, fold, dict(self.keys), self._on_damage, self.bases.principal)
        anew.view, anew.contested, anew.strict = self.view, set(self.contested), True
        anew.bases = self.bases.begin_anew(book)
        book.archived.keys = anew.keys
        return anew

    def succeed(self, before: CausalOrder) -> None:
        """Takes over from the order it was begun from, and delivers what that one had got meanwhile."""
        self.book, self.keys, self.strict = before.book, before.keys, False
        self.introductions.take_book(before.book)
        self.closings.take_book(before.book)
        self.bases.succeed(before.bases)
        self._unsettled = self.contested != before.contested  # the fold did not know that from the start
        self._check_ends(self.book.branches)  # by what came meanwhile
        self.take_view(before.view)
        self.take_stored()
        self.snapshots = before.snapshots
        self.uncited = dict.fromkeys(self.applied)
