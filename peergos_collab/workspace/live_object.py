"""An object at work in the engine: its replica, its outbox, who is in it, and where it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import Final

from ..codec.ids import LogId, ObjectId, RunId
from ..crypto import LocalKey, Watchword
from ..errors import Conflict, Damaged, DiskFull
from ..objects.archives import Archive
from ..objects.certificates import Certificate
from ..objects.payload import MAX_CHANGES, Delivery, Kind
from ..objects.prunes import Forgets, Prune
from ..objects.snapshots import SnapshotPlace
from ..ports import Batch, Random
from ..ports.store import nothing
from ..sync.arrivals import Arrival, Offered
from ..sync.causal_order import CausalOrder
from ..sync.collections import object_sum, state_digest, watchword
from ..sync.epoch_graph import EVERYTHING
from ..sync.receipts import Receipt
from ..sync.record_book import anybody, record_ids
from ..sync.replica import Replica, Taken
from ..sync.sealing import Collected
from ..sync.session import Session
from ..values import dataclass
from .by_chance import draw
from .catching_up import CatchingUp
from .local_state import LocalState
from .node_receipts import NodeReceipts
from .prunes import Prunes
from .states_due import StatesDue
from .summaries import Summary
from .writes import Writes

PASS_ON_SECONDS: Final = 1.0
"""Others' segments go on to third parties after so long, if they have not got them by themselves: their
author most likely reaches them too, and sending at once would send everything twice."""

GOSSIP_SECONDS: Final = (0.05, 0.15)
"""The same where no node is: their author may reach nobody but this device. At random, as whoever is second
learns from the first that he need not."""

CHECKPOINT_COST: Final = 256
"""What opening would have to replay when the local state is saved again, in segments of one change."""

CHANGES_PER_SEGMENT: Final = 16
CHANGE_BYTES: Final = 16
"""Replaying a segment costs as much as 16 changes in it, each of about 16 bytes."""

CHECKPOINT_BYTES: Final = 4096
"""Of state that may be written for each segment since the last time: about what the segment itself cost."""

CHECKPOINT_SECONDS: Final = 2.0
"""After a pause of so long the local state is saved early: most crashes then cost the next start little."""

BULK_CHANGES: Final = 32
"""Changes in one append that only a program makes; nobody waits for a single one of them."""

DUTY_SECONDS: Final = 2.0
"""Within which each member, at a moment of its own, forwards keys that others lack, if nobody has."""

GIVE_TRIES: Final = 5
"""Something may have begun anew at each."""

GATHER_SECONDS: Final = 0.008
"""After such an append, what comes within it is sealed together: sealing costs as much as 40 changes."""


@dataclass(slots=True)
class LiveObject:
    """See the module's text.

    Args:
        links: sessions on which this object is open, with the way they go.
        on_deliveries: called with what others' segments brought, after it was folded.
        on_appended: called when local changes are on their way to others.
        on_durable: called when something became durable here, and when receipts arrived.
        on_members: called when membership records came or were made here.
        failed: this disk takes no writes, now or any more; what was typed since is only in memory.
        on_unsettled: called when the state may depend on what came first.
        unverified: the snapshot that what is shown comes from, as long as its history was not compared.
        on_claims: called when others made bases or snapshots that are to be compared with the history.
        leave_early: whether what is written may be sent before it is durable: only once the disk says that
            this home is in use. After a power cut its logs are given up, and what others have comes back.
        on_saved: called when its state was saved.
        on_prunes: called when prune records came, or something changed by which they could be checked.
        incomplete: this home never had all of it, so it publishes nothing that says what of a device counts.
        modified: when the content last changed, by its author's clock, ms since 1970.
        known_circle: names the circle it is in, as another device knew before its members are known here.
        stopped: its home is closing, or it was opened anew: what is stored is another's from then on.
    """

    replica: Replica
    local: LocalKey
    random: Random
    nodes: tuple[str, ...] = ()
    links: dict[int, tuple[Session, str, Callable[[], None]]] = field(default_factory=dict)
    on_deliveries: list[Callable[[list[Delivery]], None]] = field(default_factory=list)
    on_appended: list[Callable[[], None]] = field(default_factory=list)
    on_durable: list[Callable[[], None]] = field(default_factory=list)
    on_members: list[Callable[[], None]] = field(default_factory=list)
    on_unsettled: list[Callable[[], None]] = field(default_factory=list)
    on_claims: list[Callable[[], None]] = field(default_factory=list)
    on_saved: list[Callable[[], None]] = field(default_factory=list)
    on_prunes: list[Callable[[], None]] = field(default_factory=list)
    failed: bool = False
    unverified: SnapshotPlace | None = None
    incomplete: bool = False
    leave_early: Callable[[], bool] = lambda: False
    modified: int = 0
    known_circle: bytes = b""
    stopped: bool = False
    _refusal: Damaged | None = None
    receipts: NodeReceipts = field(init=False)
    prunes: Prunes = field(init=False)
    catching_up: CatchingUp = field(init=False)
    _state: LocalState = field(init=False)
    _states_due: StatesDue = field(init=False)
    _writes: Writes = field(init=False)
    _in_flight: Collected | None = None
    _unsaved: int = 0
    _gathering: asyncio.TimerHandle | None = None
    _adopting: bool = False
    _since_checkpoint: int = 0
    _checkpoint_timer: asyncio.TimerHandle | None = None
    _duty_timer: asyncio.TimerHandle | None = None
    _idle: list[asyncio.Future[None]] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __post_init__(self) -> None:
        self._writes = Writes(self.replica.store, self._disk_told)
        self.receipts = NodeReceipts(self.replica, self.local, self.random, self.links, self._write_later)
        self.prunes = Prunes(self.replica)
        self.catching_up = CatchingUp(self.id, lambda: self.replica.keys, self.links)
        self._state = LocalState(self.replica, self.local, self.random)
        self._states_due = StatesDue(self.replica, self.random, self._is_free, self._append)

    @property
    def id(self) -> ObjectId:
        return self.replica.object

    # -- local changes --------------------------------------------------------------------------

    def submit(self, change: bytes, run: RunId | None = None, kind: Kind | None = None) -> None:
        """Takes a local change; it is on its way to disk and to others when this returns."""
        self.replica.submit(change, run, kind)
        self.modified = self.replica.unsealed.pending[-1].time
        self.kick()

    def journal(self) -> None:
        """Writes to the journal what is only in memory, and waits for that; nothing is sealed meanwhile.

        Raises:
            Damaged: this disk takes nothing now.
        """
        self._end_gathering()
        batch: Batch = []
        while (collected := self.replica.journal_pending()) is not None:
            batch += collected.batch
        if batch:
            self._writes.write(batch)
        self.replica.store.write([]).result()
        if not self._writes.ready():
            raise self._refusal or DiskFull()

    def kick(self) -> None:
        """Starts the next append unless one is in flight; what comes meanwhile is coalesced."""
        if self._refusal is not None:
            self._tell_idle(self._refusal)
            return
        busy = self._in_flight is not None or self._gathering is not None or self._adopting
        if busy or not self._writes.ready():
            return
        changes = min(len(self.replica.unsealed.pending), MAX_CHANGES)
        collected = self.replica.collect()
        if collected is None:
            self._tell_idle()
            return
        self._append(collected, changes)

    def _append(self, collected: Collected, changes: int = 0) -> None:
        self._in_flight = collected
        self._unsaved += 1
        bulk = changes >= BULK_CHANGES
        self._since_checkpoint += len(collected.arrivals) + changes // CHANGES_PER_SEGMENT
        self._writes.write(
            collected.batch, lambda: self._appended(collected, bulk), lambda: self._leave(collected, bulk)
        )

    def _appended(self, collected: Collected, bulk: bool) -> None:
        self._leave(collected, bulk, durable=True)
        self._saved()

    def _saved(self) -> None:
        self._unsaved -= 1
        for callback in list(self.on_durable):
            callback()

    def _leave(self, collected: Collected, bulk: bool, *, durable: bool = False) -> None:
        """Sends what was appended, unless it is sent already, and goes on with what came meanwhile.

        Once it is written, without waiting for the disk: see ``leave_early``.
        """
        if self._in_flight is not collected or not (durable or self.leave_early()):
            return
        self._in_flight = None
        self.spread(collected.arrivals)
        for callback in list(self.on_appended):
            callback()
        self.tell_unsettled()
        self._plan_checkpoint()
        if bulk and not self._idle:
            self._gathering = self._loop.call_later(GATHER_SECONDS, self._gathered)
        elif not self.stopped:
            self.kick()
        if self._in_flight is None:
            self._states_due.plan_snapshot()
            self._states_due.plan_base()

    def _disk_told(self, refusal: Damaged | None) -> None:
        """What is only in memory stays there, and nothing of it is sent, until there is room; after any other
        refusal a new start is needed."""
        if self._refusal is not None:
            self.replica.problems.remove(self._refusal.message)
        self.failed = refusal is not None
        self._refusal = _in_words(refusal) if refusal is not None else None
        if self._refusal is not None:
            self.replica.problems.append(self._refusal.message)
            self._tell_idle(self._refusal)
        else:
            self._compare_anew()
            self.kick()
        for callback in list(self.on_durable):
            callback()

    def _compare_anew(self) -> None:
        """What came while the disk was full was not taken."""
        for session, _, flush in list(self.links.values()):
            session.open(self.id, self.replica.keys)
            flush()

    def _gathered(self) -> None:
        """Goes on with what was gathered."""
        self._end_gathering()
        self.kick()

    def _end_gathering(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None

    def _is_free(self) -> bool:
        busy = self._in_flight is not None or self._gathering is not None
        return not (busy or self.unverified or self.failed)

    def snapshot(self) -> None:
        """Makes a snapshot, unless something is under way or the history is not verified."""
        self._states_due.snapshot()

    def plan_base(self) -> None:
        """A base is made after a moment where one is due."""
        self._states_due.plan_base()

    async def give_base(self) -> None:
        """Returns once a base of everything here is durable. Raises Conflict where it cannot be made now."""
        for _ in range(GIVE_TRIES):
            await self.durable()
            if self._states_due.base():
                await self.durable()
                return
        raise Conflict(
            "too much is going on in it just now to give somebody its present state",
            hint="It is given as soon as there is a pause; sharing it once more waits for that.",
        )

    async def give_base_for_all(self, past: CausalOrder | None) -> Forgets:
        """The same of one that can stand for all, and what says so; ``past`` as for ``make_base_for_all``."""
        for _ in range(GIVE_TRIES):
            await self.durable()
            made = self._states_due.base_for_all(past)
            if made is not None:
                await self.durable()
                return made
        raise Conflict("too much is going on in it just now to make what stands for it; nothing was changed")

    def _tell_idle(self, error: BaseException | None = None) -> None:
        waiting, self._idle = self._idle, []
        for future in waiting:
            if not future.done():
                future.set_exception(error) if error else future.set_result(None)

    async def durable(self) -> None:
        """Returns once all local changes, and all that was received, are durable here. Raises Damaged."""
        unsealed = self.replica.unsealed
        if self._in_flight is not None or unsealed.pending or (self.replica.released and unsealed.journaled):
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._idle.append(waiter)
            self._gathered()
            await waiter
        if self._refusal is None:
            try:
                await asyncio.wrap_future(self.replica.store.write([]))
            except Damaged as error:  # it may be told here first
                raise self._refusal or _in_words(error) from None
        if self._refusal is not None:
            raise self._refusal

    # -- what comes from others -----------------------------------------------------------------

    def take_segments(self, raws: Sequence[bytes], via: str, origin: Session | None) -> Taken:
        """Folds segments in at once, makes them durable in the background, passes them on.

        Not while this disk refuses: they might follow what is not there.
        """
        if not self._writes.ready():
            return Taken(Offered())
        taken = self.replica.take_segments(raws, via, origin.gives(self.id) if origin else EVERYTHING)
        if taken.offered.batch:
            self._unsaved += 1
            self._writes.write(taken.offered.batch, self._saved)
        size = sum(len(delivery.content) for delivery in taken.deliveries)
        self._since_checkpoint += len(taken.offered.arrivals) + size // (CHANGE_BYTES * CHANGES_PER_SEGMENT)
        if origin is not None:
            origin.note_taken(self.id, taken.offered.arrivals, taken.offered.known)
            self.catching_up.came(origin, taken.offered, sum(map(len, raws)))
        self._pass_on(taken.offered)
        self._tell(taken.deliveries)
        self._states_due.plan_base()
        if taken.offered.arrivals:
            self.receipts.arrived({arrival.segment.log for arrival in taken.offered.arrivals})
        self._plan_checkpoint()
        return taken

    def take_closed(self, archive: Archive, via: str, origin: Session) -> Offered:
        """Takes an archive in place of segments, whose keys are not here; as ``take_segments``.

        Nobody may read with another book of the same store meanwhile: see ``archiving.take_closed``.
        """
        if self.stopped or not self._writes.ready():
            return Offered()
        offered = self.replica.book.take_closed(archive, origin.gives(self.id))
        if offered.batch:
            self._unsaved += 1
            self._writes.write(offered.batch, self._saved)  # first, for it is read from there
        self._since_checkpoint += len(offered.arrivals)
        origin.note_taken(self.id, offered.arrivals, offered.known)
        self.catching_up.came(origin, offered, len(archive.raw))
        self._pass_on(offered)
        self._tell(self.replica.order.take(offered.arrivals, via))
        if offered.arrivals:
            self.receipts.arrived({archive.log})
        self._plan_checkpoint()
        return offered

    def take_records(
        self, raws: Iterable[bytes], via: str = "local", origin: Session | None = None
    ) -> Offered:
        """Takes records, and folds in what waited for them."""
        offered = self.replica.take_records(raws, origin.admits(self.id) if origin else anybody)
        if offered.batch:
            self._writes.write(offered.batch)
        if offered.records:
            self.receipts.arrived()
            self.spread(())
            self._tell(self.replica.deliver_waiting(via))
            if any(not isinstance(record, Certificate | Prune) for record in offered.records):
                self._members_changed()
            if self.replica.book.prunes:
                self.tell_prunes()
        return offered

    def tell_prunes(self) -> None:
        """Prune records came, or what they may be checked by."""
        for callback in list(self.on_prunes):
            callback()

    def _members_changed(self) -> None:
        """What is due so that others can go on is done after a moment: most likely somebody else does it."""
        for callback in list(self.on_members):
            callback()
        if self._duty_timer is None and not self.stopped:
            moment = self.random(1)[0] / 255 * DUTY_SECONDS
            self._duty_timer = self._loop.call_later(moment, self._do_duties)

    def _do_duties(self) -> None:
        self._duty_timer = None
        self._publish(self.replica.enter() if self.incomplete else self.replica.do_duties())
        self.kick()  # there may be an epoch to write in now
        self._states_due.plan_base()

    def _publish(self, batch: Batch) -> None:
        if batch:
            self._writes.write(batch)
            self.spread(())
            for callback in list(self.on_members):
                callback()

    def keep(self, batch: Batch) -> None:
        """Makes something durable before all else of it that comes later."""
        if batch:
            self._writes.write(batch)

    def renew(self) -> None:
        """Publishes keys to write in, where there are none that may be used."""
        self._publish(self.replica.renew())

    def _tell(self, deliveries: list[Delivery]) -> None:
        self.tell_unsettled()
        if self.replica.order.has_claims:
            for told in list(self.on_claims):
                told()
        if any(delivery.kind is Kind.SNAPSHOT for delivery in deliveries) and self.replica.book.prunes:
            self.tell_prunes()
        if deliveries:
            self.modified = max(self.modified, deliveries[-1].time)
            for callback in list(self.on_deliveries):
                callback(deliveries)

    def tell_unsettled(self) -> None:
        """Tells if the state may depend on what came first."""
        if self.replica.unsettled or self.replica.fold.in_doubt:
            for callback in list(self.on_unsettled):
                callback()

    def adopt(self, anew: CausalOrder, put_back: Callable[[], None] = nothing) -> None:
        """Takes the state that was folded anew, with what ``put_back`` writes in it, and saves all at once.

        A crash between the two would take what is put back.
        """
        batch = self.replica.adopt(anew)
        self._adopting = True
        try:
            put_back()
        finally:
            self._adopting = False
            self.save(batch)
        self.kick()
        self._states_due.plan_base()
        for callback in list(self.on_durable):
            callback()

    def spread(self, arrivals: Iterable[Arrival], forked: Iterable[LogId] = ()) -> None:
        """Sends what is new to every session that lacks it, directly to people first."""
        arrivals, forked = list(arrivals), list(forked)
        for session, _, flush in sorted(self.links.values(), key=lambda link: link[1] == "node"):
            session.announce(self.id, arrivals, forked)
            flush()

    def _pass_on(self, offered: Offered) -> None:
        if offered.forked:
            self.spread(offered.arrivals, offered.forked)
        elif offered.arrivals and len(self.links) > 1:
            pause = PASS_ON_SECONDS if self.has_node() else draw(GOSSIP_SECONDS, self.random)
            self._loop.call_later(pause, self.spread, offered.arrivals)

    def has_node(self) -> bool:
        """Whether a node is connected, which brings everything to everybody."""
        return any(via == "node" for _, via, _ in self.links.values())

    def release(self) -> None:
        """Heads were compared with somebody: local changes may become segments from now on."""
        self.replica.released = True
        self.incomplete = False
        self.kick()
        self._states_due.plan_base()

    # -- where it is durable --------------------------------------------------------------------

    def take_receipt(self, node: str, receipt: Receipt, since: int) -> None:
        """Notes a node's receipt, whose signature was checked; ``since`` is the mark of its session."""
        self.receipts.take(node, receipt, since)
        for callback in list(self.on_durable):
            callback()

    def _write_later(self, batch: Batch) -> None:
        """Writes what is lost to nobody where the disk refuses: it is written again with the next."""
        if self._writes.ready():
            self._writes.write(batch)

    def saved_on(self, node: str) -> bool:
        """Whether the node's receipts cover everything that is here."""
        return not self.replica.unsealed and self.receipts.told.covers_all(node)

    # -- at rest --------------------------------------------------------------------------------

    def watchword(self) -> Watchword | None:
        """By which nodes know a reader of its newest epoch; None where there is not one newest, or no key."""
        newest = list(self.replica.book.plain_graph.newest)
        keys = self.replica.keys.get(newest[0]) if len(newest) == 1 else None
        return watchword(keys) if keys is not None else None

    def resting_sum(self) -> bytes:
        """Stands for all of it, where nothing is left to do or to tell of it here; empty if something is."""
        replica, word = self.replica, self.watchword()
        busy = replica.unsettled or replica.is_removed or replica.base_is_due or replica.order.bases.unchecked
        told = any((replica.problems, replica.damage, replica.order.set_aside, replica.view.void))
        told = told or bool(self.receipts.told.faults()) or self.prunes.busy
        kept = self.nodes and not replica.unsealed.pending and all(map(self.saved_on, self.nodes))
        if word is None or busy or told or not kept or self.failed or self.unverified or self.incomplete:
            return b""
        digest = state_digest(record_ids(replica.book), replica.book.tips())
        return object_sum(self.id, word, digest)

    # -- local state ----------------------------------------------------------------------------

    def _plan_checkpoint(self) -> None:
        """Saves the state if opening would have to replay much by now; if not, perhaps after a pause."""
        if self.stopped:
            return
        due = max(CHECKPOINT_COST, self.replica.fold.size // CHECKPOINT_BYTES)
        # With a backlog it can wait: saving would put all of that into the journal first.
        if self._since_checkpoint >= due and len(self.replica.unsealed.pending) < MAX_CHANGES:
            self.save()
        elif self._checkpoint_timer is None:
            self._checkpoint_timer = self._loop.call_later(
                CHECKPOINT_SECONDS, self._checkpoint_due, self._since_checkpoint
            )

    def _checkpoint_due(self, then: int) -> None:
        """The pause is over, unless something came since ``then``."""
        self._checkpoint_timer = None
        if self.failed or self._since_checkpoint * CHECKPOINT_BYTES < self.replica.fold.size:
            return
        if self._since_checkpoint == then and self._in_flight is None:
            self.save()
        elif self._since_checkpoint:
            self._plan_checkpoint()

    def stop(self) -> None:
        """Plans nothing more: an object that was replaced must not save over its successor's state."""
        self.receipts.stop()
        self.catching_up.stop()
        self.stopped = self.replica.over = True
        if self._gathering is not None:
            self._gathered()  # now, while the store still takes it
        self._writes.stop()
        if self._checkpoint_timer is not None:
            self._checkpoint_timer.cancel()
            self._checkpoint_timer = None
        self._states_due.stop()
        if self._duty_timer is not None:
            self._duty_timer.cancel()
            self._duty_timer = None

    async def end(self) -> None:
        """Saves all there is, also what a full disk has room for by now."""
        await self._writes.last_try()
        self.save()

    def save(self, first: Batch | None = None) -> None:
        """Saves its state, but for what this disk refused, and with it what is to be written before."""
        first = first or []
        if not self._writes.ready():
            self.keep(first)
            return
        self._since_checkpoint = 0
        batch, saved = self._state.batch(self.summary(), self.unverified)
        self._writes.write([*first, *batch, *self.receipts.batch()], saved)
        for callback in list(self.on_saved):
            callback()

    def load(self) -> None:
        """Takes back what ``save`` wrote; what came after it has to be delivered. Raises Damaged."""
        known = self._state.load()
        if known is not None:
            self.modified, self.unverified = known.modified, known.unverified

    def is_state_whole(self) -> bool:
        """Whether all that was saved of its state can be read."""
        return self._state.is_whole()

    @property
    def is_saved(self) -> bool:
        """Whether all that is here is durable on this disk."""
        return not (self.failed or self.replica.unsealed.pending or self._unsaved)

    def summary(self) -> Summary:
        return Summary(self.replica.fold.size, self.modified, self.replica.level)


def _in_words(refusal: Damaged) -> Damaged:
    """What it means for the object."""
    if isinstance(refusal, DiskFull):
        words = "the disk is full: what was written since is not saved yet, and goes to nobody"
        hint = "Make room: a program that is open saves it then. What a command was given, give again."
        return DiskFull(words, hint=hint)
    reason = refusal.message.rstrip(".")
    return Damaged(f"this disk refused to save ({reason}): export the content now, then start again")
