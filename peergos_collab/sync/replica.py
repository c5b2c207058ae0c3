"""One object on one device: verified segments in, opened payloads out in causal order; local changes in,
sealed segments out. No I/O, no clock of its own.

    local change ──submit──► pending ──collect──► journal            (alone)
                                        └───────► segment            (once heads were compared)
    segment ──take_segments──► log book ──► causal order ──► fold

Sealing late: a change becomes a segment only after heads were compared with somebody in this session
(``released``). Work done offline is then sealed on top of everything known, and a restored backup
meets its own later segments before it could reuse their numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final

from ..codec.ids import DeviceId, EpochId, LogId, ObjectId, PrincipalId, RunId
from ..codec.shown import show_person
from ..crypto import LocalKey
from ..errors import Conflict, Damaged, NoAccess
from ..objects.certificates import Certificate
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.log_writers import seal_writers
from ..objects.membership import View
from ..objects.op_kinds import MAX_CLOSES, Close
from ..objects.operations import Actor
from ..objects.payload import (
    MAX_CITES,
    Author,
    Cite,
    Delivery,
    Kind,
)
from ..objects.prunes import MAX_FORGOTTEN, Forgets, Prune
from ..objects.records import MembershipRecord
from ..objects.snapshots import SnapshotEnd, SnapshotPart, SnapshotPlace, cut_snapshot
from ..ports import Batch, Clock, Random, SegmentStore
from ..values import dataclass
from .arrivals import BranchState, Offered
from .bases import Base
from .canonical_order import deliver_canonically
from .causal_order import CausalOrder
from .epoch_graph import EVERYTHING
from .fold import Fold
from .husks import Husked, first_left, take_husks
from .logbook import LogBook
from .own_log import OwnLogs
from .own_seat import OwnSeat
from .record_book import Admits, anybody
from .sealing import Collected, Content, Sealer
from .snapshots import Claimed
from .unsealed import Unsealed

BASE_CONTENT: Final = 4 << 20
"""Bytes of a base before compression."""

BASE_PACKED: Final = 900 << 10
"""Bytes of a base once compressed: with who wrote it and what it cites it fits into one segment."""

UNKEPT: Final = (
    "what you had written on top of something that turned out not to count was put in anew, as plain text"
)


def _check_fits_in_base(content: bytes) -> None:
    """Raises Conflict where the content of a base does not fit into a segment, with all else in it."""
    if len(content) > BASE_CONTENT or len(zlib.compress(content, 6)) > BASE_PACKED:
        raise Conflict(
            "its text is too large to be given to somebody without its history: at most 4 MiB go, which pack "
            "to 900 KiB",
            hint="Put what they are to read into a document of its own, and share that.",
        )


@dataclass(slots=True)
class Taken:
    """What became of segments from outside."""

    offered: Offered
    deliveries: list[Delivery] = field(default_factory=list)


def fork_words(name: str) -> str:
    """What is known of a forked log, whose device is ``name``'s."""
    return (
        f"a device of {name} wrote on in two ways from one point, and all of it is kept: it was restored or "
        "copied, or shows different people different things"
    )


class Replica:
    """See the module's text.

    Args:
        keys: of epochs that came another way than in a record.
        actor: as whom this device writes here.
        run: this process's lifetime.
        new_log: open a new log before writing (after an unclean start).
    """

    def __init__(
        self,
        object_id: ObjectId,
        book: LogBook,
        fold: Fold,
        keys: Mapping[EpochId, EpochKeys],
        actor: Actor,
        local: LocalKey,
        run: RunId,
        clock: Clock,
        random: Random,
        *,
        new_log: bool = False,
    ) -> None:
        self.object = object_id
        self.book = book
        self.fold = fold
        self.seat = OwnSeat(book, keys, actor, random, self._closes)
        book.archived.keys = self.keys
        self.run = run
        self.order = CausalOrder(object_id, book, fold, self.keys, self._forget_damaged, actor.principal)
        self.released = False
        self.over = False
        """Another one stands for what is stored by now, or none: what was added here would be lost."""
        self.damage: list[str] = list(book.damage)
        """What of it was found damaged on this disk since it was opened."""
        self.problems: list[str] = list(book.damage)
        self.own = OwnLogs(object_id, local, book.store, random)
        self.unsealed = Unsealed(object_id, book.store, fold, local, random, self._next_number)
        self._sealer = Sealer(book, self.order, self.own, self.seat, random)
        self._clock = clock
        self._random = random
        self._published: Batch = []
        if new_log and self.own.current is not None:
            self.store.write([self.own.retire()])
        self._take_membership(book.membership_records())

    # -- membership -----------------------------------------------------------------------------

    def _take_membership(self, records: Iterable[MembershipRecord]) -> None:
        self.seat.take(records)
        self._take_view()

    def _take_view(self) -> None:
        view, book = self.seat.view, self.book
        # A node could hand us epochs that an ex-member made, to end what is proved for today's.
        book.graph.disown(id_ for id_ in book.epochs if id_ not in view.history or id_ in view.void)
        self.order.take_view(view)

    @property
    def keys(self) -> Mapping[EpochId, EpochKeys]:
        """All epoch keys held; the same object always."""
        return self.seat.keys

    @property
    def actor(self) -> Actor:
        return self.seat.actor

    @property
    def view(self) -> View:
        """Who is a member, as far as the records here say."""
        return self.order.view

    @property
    def unsettled(self) -> bool:
        """Whether the state is not what follows from the set of records and segments: fold it anew."""
        return self.order.unsettled

    @property
    def author(self) -> Author:
        """This device as an author here."""
        actor = self.actor
        return Author(actor.account.id, DeviceId(actor.device.public), actor.principal, actor.name)

    @property
    def level(self) -> Level | None:
        """This member's role: by the records here, or before they are, by its keys. None: it was removed."""
        level = self.seat.level()
        if level is not None or self.is_removed:
            return level
        return max((keys.level for keys in self.keys.values()), default=Level.READ)

    @property
    def can_write(self) -> bool:
        """Whether this device's member may write."""
        return (self.level or 0) >= Level.WRITE

    @property
    def is_removed(self) -> bool:
        """Whether this device's member was one, and is not any more."""
        actor = self.actor
        if self.seat.level() is not None:
            return False
        device, account = DeviceId(actor.device.public), actor.account.id
        return self.view.closed(actor.principal, device=device, account=account) is not None

    def check_may_write(self) -> None:
        """Raises NoAccess where this device may only read, or where this is ``over``."""
        if self.over:
            raise NoAccess("this was opened anew meanwhile: open it again to change it; nothing was changed")
        if (self.seat.level() or 0) >= Level.WRITE:
            return  # asked at every keystroke, so the common answer comes first
        if self.is_removed:
            raise NoAccess("you are no member of this any more; what you have stays, and nothing was changed")
        if not self.can_write:
            raise NoAccess("you may read this, but not change it; nothing was changed")

    def take_records(self, raws: Iterable[bytes], admits: Admits = anybody) -> Offered:
        offered = self.book.take_records(raws, admits)
        new = [record for record in offered.records if not isinstance(record, Certificate | Prune)]
        if new:
            self._take_membership(new)
        if any(isinstance(record, Prune) for record in offered.records):
            self.order.bases.doubt()
        return offered

    def act_as(self, actor: Actor) -> None:
        """Takes the same member with a newer account log, or newer user keys."""
        self.seat.act_as(actor)
        self._take_view()

    def do_duties(self) -> Batch:
        """Publishes what others need to go on; to be made durable, and announced."""
        batch = self.seat.duties()
        self._take_view()
        return batch

    def enter(self) -> Batch:
        """Publishes an epoch where a node would give nothing else; to be made durable, and announced."""
        batch = self.seat.enter()
        self._take_view()
        return batch

    def renew(self) -> Batch:
        """Publishes an epoch to write in where none may be used; to be made durable, and announced."""
        batch = self.seat.prepare()
        self._take_view()
        return batch

    # -- local changes --------------------------------------------------------------------------

    @property
    def store(self) -> SegmentStore:
        return self.book.store

    def submit(self, content: bytes, run: RunId | None = None, kind: Kind | None = None) -> None:
        """Takes a local change, of the fold's kind unless it says another; ``collect`` makes it durable.

        Raises:
            NoAccess: see ``check_may_write``.
        """
        self.check_may_write()
        self.unsealed.submit(run or self.run, self._clock(), kind or self.fold.kind, content)

    def _next_number(self, run: RunId) -> int:
        """Of the changes of a run of this device, the first that is in no segment yet."""
        device = DeviceId(self.actor.device.public)
        return max(self.order.changes.get((device, run), 1), self.order.bases.following(device, run))

    def collect(self) -> Collected | None:
        """The next batch to make durable: a segment if released, else a journal entry. None if idle.

        Call it again only once the segment of the batch before may leave.
        """
        self._sealer.settle()
        if self.released and self._is_known_writer() and not self.unsealed.is_lost:
            return self._seal_next()
        return self.journal_pending()

    def _has_epoch(self) -> bool:
        """Whether there is an epoch to write in, one published for it if need be."""
        if self.seat.epoch() is None:
            self._published += self.seat.prepare()
            self._take_view()
        return self.seat.epoch() is not None

    def _with_published(self, collected: Collected | None) -> Collected | None:
        """With records that were published to seal it, or though they did not help."""
        if self._published:
            collected = collected or Collected([])
            collected.batch, self._published = [*self._published, *collected.batch], []
        return collected

    def _is_known_writer(self) -> bool:
        """Whether the record that makes this device a writer is here: without it nobody would believe it."""
        return (self.view.level(self.actor.principal) or 0) >= Level.WRITE

    def journal_pending(self) -> Collected | None:
        """Pending changes of one run as a journal entry, whether released or not."""
        batch = self.unsealed.journal()
        return Collected(batch) if batch else None

    def _seal_next(self) -> Collected | None:
        self._drop_sealed()
        changes = self.unsealed.next()
        if not changes:
            return None
        if not self._has_epoch():
            return self._with_published(self.journal_pending())
        content = self.fold.combine([change.content for change in changes])
        first, last = changes[0], changes[-1]
        collected = self._sealer.seal(
            Content(first.run, first.number, len(changes), first.kind, last.time, content)
        )
        collected.batch += self.unsealed.take(changes)
        return self._with_published(collected)

    def _drop_sealed(self) -> None:
        for _ in range(self.unsealed.drop_sealed()):
            self.fold.forget(1)

    def make_snapshot(self) -> Collected | None:
        """A snapshot of everything applied, in as many segments as it needs; None where now is not the time.

        Never with a change waiting to be sealed or a segment waiting for what it cites.
        """
        state = self._state_to_give() if not self.order.waiting else None
        if state is None:
            return None
        return self._seal_snapshot(cut_snapshot(state, self.order.heads(), self._vouched_id()))

    def _seal_snapshot(self, parts: Iterable[SnapshotPart], *, alone: bool = False) -> Collected | None:
        together = Collected([])
        for part in parts:
            first, time = self._next_number(self.run), self._clock()
            content = Content(self.run, first, 0, Kind.SNAPSHOT, time, part.encode(), alone=alone)
            one = self._sealer.seal(content)
            together.batch += one.batch
            together.arrivals += one.arrivals
        return together if together.arrivals else None

    def _state_to_give(self) -> bytes | None:
        """The state for a snapshot or base; None where now is not the time for one.

        Never with a change waiting to be sealed, or while the state may depend on what came first.
        """
        waiting = self.unsealed or self.unsettled
        if waiting or not self.released or not self._is_known_writer() or self.seat.epoch() is None:
            return None
        return self.fold.snapshot_state()

    def state_at(self, claimed: Claimed) -> bytes | None:
        """The state, if it is of all that a snapshot covers and of nothing else."""
        apart = self.unsealed or self.unsettled or not self.order.stands_at(claimed)
        return None if apart else self.fold.snapshot_state()

    def _vouched_id(self) -> bytes:
        vouched = self.order.snapshots.vouched
        return vouched.id if vouched is not None else b""

    @property
    def base_is_due(self) -> bool:
        """Whether members whose history is hidden wait for a base that this device could make."""
        able = self.fold.kind is Kind.DOCUMENT and not self.order.bases.is_hidden and self.released
        return able and self.can_write and not self.unsettled and self.order.base_is_due()

    def make_base(self) -> Collected | None:
        """A base of everything applied, as a segment; None where now is not the time for one.

        What waits for what it cites is not in it, and may wait for ever.

        Raises:
            Conflict: the state does not fit into a segment.
        """
        state = self._state_to_give() if len(self.order.uncited) <= MAX_CITES else None
        return None if state is None else self._seal_snapshot([self._base(state, self.order)], alone=True)

    def make_base_for_all(self, past: CausalOrder | None = None) -> tuple[Collected, Forgets] | None:
        """A base that can stand for all that is applied once that is forgotten, and what says so; or None,
        as ``make_base``.

        Args:
            past: what was delivered up to where it is to be forgotten; all that is applied here if not given.

        Raises:
            Conflict: the state does not fit into a segment, or is of too many logs; or the history is hidden.
            Damaged: a stored segment is.
        """
        if self.order.bases.is_hidden:
            raise Conflict(
                "its history is hidden from you, so you cannot have it forgotten; nothing was changed"
            )
        state = self._state_to_give() if len(self.order.uncited) <= MAX_CITES else None
        order = past or self.order
        if state is not None and past is not None:
            state = past.fold.snapshot_state()
        if state is None:
            return None
        sealed = seal_writers(self.object, order.introductions.to_carry(self.keys), self.keys, self._random)
        base = self._base(state, order, sealed)
        heads = tuple(sorted(order.heads()))
        if not heads or len(heads) > MAX_FORGOTTEN:
            raise Conflict(
                "its history is of too many devices to be forgotten; nothing was changed"
                if heads
                else "nothing was written before that; nothing was changed"
            )
        collected = self._seal_snapshot([base], alone=True)
        if collected is None:
            return None
        made = collected.arrivals[-1].segment
        return collected, Forgets(SnapshotPlace(made.log, made.seq, made.id), heads)

    def check_base(self) -> None:
        """Raises Conflict where the state is too large for a base."""
        self._base(self.fold.snapshot_state() or b"", self.order)

    def _base(
        self, state: bytes, order: CausalOrder, writers: Mapping[EpochId, bytes] | None = None
    ) -> SnapshotPart:
        end = SnapshotEnd(order.heads(), self._vouched_id(), 1, order.following(), writers)
        base = SnapshotPart(state, end)
        _check_fits_in_base(base.encode())
        return base

    def current_epoch(self) -> EpochId:
        """The epoch to write in. Raises NoAccess."""
        return self._sealer.epoch()

    def _closes(self, principal: PrincipalId, who: bytes) -> list[Close]:
        """The accepted heads of all logs of a member, or of an account or device behind it."""
        heads = self.order.accepted_heads(
            lambda author: author.principal == principal and who in (b"", author.device, author.account)
        )
        return heads[:MAX_CLOSES]

    # -- what comes from others -----------------------------------------------------------------

    def take_segments(self, raws: Iterable[bytes], via: str, within: int = EVERYTHING) -> Taken:
        """Takes segments from a peer or node; gives what they made deliverable, in causal order.

        Args:
            within: the epochs of which the sender has proved that it may give segments.
        """
        offered = self.book.take_segments(raws, within)
        met_own = any(self.own.owns(arrival.segment.log) for arrival in offered.arrivals)
        if met_own:
            offered.batch.append(self.own.retire())
        self._tell_forks(offered.forked)
        taken = Taken(offered, self.order.take(offered.arrivals, via))
        if met_own:
            self._drop_sealed()
        return taken

    def deliver_waiting(self, via: str) -> list[Delivery]:
        """Delivers what waited for something that is here now, such as the record that makes its author a
        member: call it after ``take_records``."""
        return self.order.take_waiting(via)

    def deliver_stored(self, *, strict: bool = False) -> list[Delivery]:
        """Delivers what is stored but not applied yet, after opening.

        What is damaged on disk is forgotten, named in ``problems``, and fetched again by sync.

        Args:
            strict: raise Damaged instead.
        """
        order = self.order
        order.strict = strict
        deliveries = order.take_stored()
        order.uncited = dict.fromkeys(order.applied)
        order.strict = False
        return deliveries

    def _tell_forks(self, logs: Iterable[LogId]) -> None:
        for log in logs:
            who = self.order.introductions.writer_of(log)
            words = fork_words(show_person(who.author.name) if who is not None else "somebody")
            if words not in self.problems:
                self.problems.append(words)

    def _forget_damaged(self, branch: BranchState, damage: Damaged) -> None:
        bad = self.order.applied.get(branch.number, branch.first - 1) + 1
        self._note_damage(f"{damage}; it is fetched again from a node or peer that has it")
        batch = self.book.truncate(branch, bad)
        if self.own.owns(branch.log):
            batch.append(self.own.retire())
        self.store.write(batch)

    def lacks(self, book: LogBook) -> bool:
        """Whether a book has not all that the state holds, as after damage: that is fetched again."""
        tips = {number: branch.tip for number, branch in book.numbered.items()}
        return any(tips.get(number, 0) < seq for number, seq in self.order.applied.items())

    @property
    def lacking(self) -> bool:
        """Whether this is so of what is stored."""
        return self.lacks(self.book)

    # -- what is forgotten ----------------------------------------------------------------------

    def forget(self, husked: Husked, forgets: Forgets) -> Batch:
        """Has husks take the place of what is to be forgotten; all has to be folded anew then."""
        batch = take_husks(self.book, husked)
        if batch:
            batch.append(self.book.archived.rely_on(forgets.base.id))
            self.order.bases.doubt()
            self.order.unsettled = True
            self.order.snapshots.drop(self.book.is_forgotten)
        return batch

    def left_to_forget(self, forgets: Forgets) -> dict[int, int]:
        """Of what has to be forgotten and is not, by branch, up to where. Raises Damaged."""
        extent = self.book.extent(forgets.heads)
        return {n: stop for n, stop in extent.items() if first_left(self.book, self.book.numbered[n], stop)}

    # -- all once more --------------------------------------------------------------------------

    def fold_anew(self, book: LogBook, fold: Fold) -> CausalOrder:
        """Delivers everything stored to an empty fold, in the order that follows from the set alone.

        Nothing changes here before ``adopt``, so another thread may do it.

        Args:
            book: loaded from the same store.

        Raises:
            Damaged: a stored segment is.
        """
        anew = self.order.begin_anew(book, fold)
        deliver_canonically(anew)
        return anew

    def fold_up_to(self, base: Base | Claimed, book: LogBook, fold: Fold) -> CausalOrder | None:
        """Delivers to an empty fold what a base or snapshot covers; None where not all of that counts here.

        Like ``fold_anew``: another thread may do it.
        """
        if not book.has_all(base.heads):
            return None
        until = book.extent(base.heads)
        cites = [Cite(head.log[:8], head.seq, head.id) for head in base.heads] if type(base) is Base else []
        anew = self.fold_until(until, book, fold, cites)
        reached = all(anew.applied.get(number, 0) >= seq for number, seq in until.items())
        # What is forgotten is known as a whole: what it was up to some place before its end is not.
        knows = all(until.get(number, 0) >= seq for number, seq in anew.bases.forgotten.items())
        return anew if reached and knows else None

    def fold_until(
        self,
        until: Mapping[int, int],
        book: LogBook,
        fold: Fold,
        cites: Iterable[Cite] = (),
        *,
        without_bases: bool = False,
    ) -> CausalOrder:
        """Delivers to an empty fold what comes up to some place in each branch, by its number.

        Args:
            cites: what counts, too.
            without_bases: only what is here itself.
        """
        anew = self.order.begin_anew(book, fold)
        anew.until = until
        anew.closings.take_view(anew.view)
        anew.closings.keep(cites)
        if without_bases:
            anew.bases.known.clear()
        deliver_canonically(anew)
        return anew

    def adopt(self, anew: CausalOrder) -> Batch:
        """Takes what was folded anew, and delivers to it what came meanwhile; gives what must be written."""
        anew.succeed(self.order)
        # What this device sealed on top of something that is in no history, as of a false base, is set aside
        # everywhere: it is refused here, too, and its words are put in anew.
        own = [content for device, content in anew.given_up if device == self.author.device]
        changes = list(self.unsealed)
        folded = [at for at, change in enumerate(changes) if change.kind is self.fold.kind]
        refused = self.fold.adopt(anew.fold, [*own, *(changes[at].content for at in folded)])
        lost = {folded[at - len(own)] for at in refused if at >= len(own)}
        anew.fold = self.fold
        self.order = self._sealer.order = anew
        if lost:
            self.problems.append(UNKEPT)
        elif not (self.unsealed.has_gap() or self.unsealed.is_lost):
            return []
        return self.unsealed.renumber([change for at, change in enumerate(changes) if at not in lost])

    def _note_damage(self, words: str) -> None:
        self.damage.append(words)
        self.problems.append(words)

    # -- opening --------------------------------------------------------------------------------

    def restore_journal(self) -> None:
        """Takes back from the journal what is not in a segment yet, after ``deliver_stored``."""
        damaged, refused = self.unsealed.restore()
        for words in damaged:
            self._note_damage(words)
        self.problems += refused
