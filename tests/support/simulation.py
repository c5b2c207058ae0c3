"""A seeded world of members and nodes without sockets: real replicas, sessions and nodes over a bad network.

One object, a few members, blind nodes. Connections lose, delay and repeat; disks flush late; processes die
at any moment; homes are restored from older backups, or copied and run beside their twin. At the end all are
connected until nothing moves, and everything must be equal, nothing durable lost and nothing doubled.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from peergos_collab.chat import Delete, Edit, Message, Reaction
from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import DeviceId, LogId, RunId, SegmentId
from peergos_collab.crypto import SigningKey
from peergos_collab.documents.client_id import client_id
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.files.changes import put_entry, remove, rename
from peergos_collab.node.commits import Commit
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.archives import Archive
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind, decode_payload_untrusted
from peergos_collab.objects.prunes import Prune
from peergos_collab.objects.segments import Segment
from peergos_collab.ports import AppendSegment, Batch, PutValue
from peergos_collab.sync.archived import ARCHIVES
from peergos_collab.sync.archiving import is_due, pack_next, take_packed
from peergos_collab.sync.faults import Against
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from peergos_collab.sync.journal import open_entry_untrusted
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.named_archives import made_here
from peergos_collab.sync.pruning import standing
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.replica import UNKEPT, Replica
from peergos_collab.sync.sealing import Collected
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import (
    CaughtUp,
    ClosedArchiveCame,
    FalseArchiveCame,
    Opened,
    ReceiptsShown,
    RecordsCame,
    RefusedCame,
    SegmentsCame,
)
from peergos_collab.sync.snapshots import stored_snapshot_untrusted
from peergos_collab.testing.store import MemoryStore, _copy
from peergos_collab.workspace.folds import ChatFold, DocumentFold, EntriesFold
from peergos_collab.workspace.history import is_true_snapshot
from peergos_collab.workspace.node_receipts import TOLD
from peergos_collab.workspace.told import Told, name_of
from support.circle import Circle, Membership, make_circle

MAX_COMPARES = 3
Change = tuple[DeviceId, RunId, int]


class SimulationFailed(AssertionError):
    """Something was lost, doubled, unequal or against a rule; the message names the seed."""


@dataclass(frozen=True)
class Backup:
    """A copy of a home at one moment."""

    store: MemoryStore


def copy_store(store: MemoryStore) -> MemoryStore:
    """What a copy of the disk holds: only what is durable."""
    copied = MemoryStore()
    copied._durable, copied._seen = _copy(store._durable), _copy(store._durable)
    copied._branch, copied._journal = store._branch, store._journal
    return copied


@dataclass(eq=False)
class End:
    """One end of a connection: its session, and the frames on their way to it."""

    site: Site
    session: Session
    inbox: deque[bytes] = field(default_factory=deque)
    other: End = field(init=False)
    compares: int = 0
    mark: int = 0


class Site:
    """What members and nodes have in common: a disk, and ends of connections."""

    is_node = False

    def __init__(self, world: World, name: str, store: MemoryStore) -> None:
        self.world = world
        self.name = name
        self.store = store
        self.ends: list[End] = []
        self.backups: list[Backup] = []
        self.durable: set[SegmentId] = set()
        self.writes = 0

    @property
    def book(self) -> LogBook | None:
        raise NotImplementedError

    def write(self, batch: Batch, then: Callable[[], None]) -> None:
        """Queues a batch; ``then`` runs once it is durable, in this process or never."""
        ids = [op.id for op in batch if isinstance(op, AppendSegment)]
        store = self.store

        def done(_: object) -> None:
            self.durable.update(ids)
            if self.store is store:
                self.world.guard(then)

        store.write(batch).add_done_callback(done)

    def flush(self, count: int | None = None) -> None:
        self.store.flush(count)
        self.world.raise_caught()
        self.send_out()

    def send_out(self) -> None:
        for end in list(self.ends):
            for frame in end.session.take_outgoing():
                self.world.check_sent(self, frame)
                end.other.inbox.append(frame)

    def session_with(self, other: Site) -> Session:
        raise NotImplementedError

    def connected(self, end: End) -> None:
        self.ends.append(end)

    def disconnected(self, end: End) -> None:
        self.ends.remove(end)

    def receive(self, end: End, frame: bytes) -> None:
        raise NotImplementedError

    def boot(self, new_log: bool) -> None:
        raise NotImplementedError

    def note_durable(self) -> None:
        self.durable = {op.id for ops in self.store._durable.segments.values() for op in ops}
        self.durable.update(Segment.parse_untrusted(raw).id for raw in self.world.archived(self))


class NodeSite(Site):
    is_node = True

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name, MemoryStore())
        self.receipt_key = SigningKey.generate(world.bytes)
        self.boot(False)

    def boot(self, new_log: bool) -> None:
        self.shelf = Shelf(self.store, self.receipt_key, self.world.clock, self.world.bytes, grace=0)
        self.note_durable()

    @property
    def book(self) -> LogBook | None:
        return self.shelf.find_book(self.world.circle.object)

    def session_with(self, other: Site) -> Session:
        return self.shelf.attach(b"pin " + self.name.encode())

    def disconnected(self, end: End) -> None:
        super().disconnected(end)
        self.shelf.detach(end.session)

    def receive(self, end: End, frame: bytes) -> None:
        self.write_all(self.shelf.receive_untrusted(end.session, frame))
        self.send_out()

    def flush(self, count: int | None = None) -> None:
        super().flush(count)
        self.write_all(self.shelf.beat())
        if self.shelf.pruning.ripe:
            commits = self.shelf.pruning.act()
            self.world.compacted += len(commits)
            self.write_all(commits)

    def write_all(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self.write(commit.batch, commit.durable)


class MemberSite(Site):
    """A member's device, driven as the workspace drives its objects and links."""

    def __init__(self, world: World, member: Membership, name: str, store: MemoryStore) -> None:
        super().__init__(world, name, store)
        self.member = member
        self.device = DeviceId(member.actor.device.public)
        self.boot(False)

    def boot(self, new_log: bool) -> None:
        circle = self.world.circle
        self.run = RunId(self.world.bytes(16))
        self.in_flight = self.compared = False
        self.sealed: set[SegmentId] = set()
        self.note_durable()
        self.fold = fold = self.new_fold(self.run)
        self.replica = Replica(
            circle.object,
            LogBook.load(circle.object, self.store),
            fold,
            {circle.epoch_id: self.member.keys},
            self.member.actor,
            self.member.credentials.local,
            self.run,
            self.world.clock,
            self.world.bytes,
            new_log=new_log,
        )
        self.told = Told(self.replica.book)
        stored = self.store.value(TOLD, circle.object)
        if stored is not None:
            self.told.restore(decode_untrusted(stored, 1 << 30))
        self.world.require(not self.replica.problems, f"{self.name}: {self.replica.problems}")
        self.replica.deliver_stored()
        self.replica.restore_journal()
        if circle.kind is Kind.DOCUMENT:
            fold.document.on_update(self._submit)

    def new_fold(self, run: RunId) -> Any:
        circle = self.world.circle
        if circle.kind is Kind.DOCUMENT:
            return DocumentFold(circle.object, self.device, run, self.world.clock)
        return ChatFold() if circle.kind is Kind.CHAT else EntriesFold(self.device)

    def fold_anew(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """As the workspace does once it is quiet; ``meanwhile`` happens while it is under way."""
        replica = self.replica
        book = LogBook.load(self.world.circle.object, self.store)
        anew = replica.fold_anew(book, self.new_fold(RunId(self.world.bytes(16))))
        meanwhile()
        if self.replica is replica:
            self.write(replica.adopt(anew), lambda: None)
            self.world.require(UNKEPT not in replica.problems, f"{self.name}: {replica.problems}")
            self.kick()

    def snapshot(self) -> None:
        """As the workspace does in a pause."""
        collected = self.replica.make_snapshot() if not self.in_flight else None
        if collected is not None:
            self._append(collected)

    def compare(self) -> None:
        """As the workspace does with the newest snapshot of somebody else: all here are honest."""
        replica = self.replica
        claimed = replica.order.snapshots.unchecked
        if claimed is not None:
            book = LogBook.load(self.world.circle.object, self.store)
            here = replica.state_at(claimed)
            true = is_true_snapshot(replica, claimed, book, lambda: self.new_fold(RunId(bytes(16))), here)
            replica.order.snapshots.settle(claimed, true)
            self.world.require(true is not False, f"{self.name} finds an honest snapshot false")
            self.world.compared += true is True

    def preview(self, other: MemberSite) -> None:
        """As the workspace does for a newcomer: shows what another vouches for until the history is here."""
        vouched = other.replica.order.snapshots.vouched
        if vouched is not None and not self.replica.order.applied:
            replica = other.replica
            self.fold.load_preview(stored_snapshot_untrusted(replica.book, replica.keys, vouched)[1])
            self.world.previews += 1

    def archive(self) -> None:
        """As the workspace does with older segments."""
        book, keys = self.replica.book, self.replica.keys
        for branch in list(book.numbered.values()):
            packed = pack_next(book, branch, keys) if is_due(branch) else None
            batch = take_packed(book, packed) if packed is not None else []
            if batch:
                self.world.archives += 1
                self.write(batch, lambda: None)

    def compact(self) -> None:
        """As the workspace does where an admin says so."""
        self.archive()
        book, circle = self.replica.book, self.world.circle
        known = {each for prune in standing(book) for each in prune.replaced}
        fresh = [each for each, _ in made_here(book, {}) if each not in known]
        if fresh:
            actor, keys = self.member.actor, self.member.keys
            prune = Prune.issue(circle.object, circle.epoch_id, fresh, keys, actor, self.world.bytes)
            self.write(self.replica.take_records([prune.raw]).batch, lambda: None)
            for end in self.ends:
                end.session.announce(circle.object)
            self.send_out()

    @property
    def book(self) -> LogBook | None:
        return self.replica.book

    # -- local changes

    def _submit(self, change: bytes) -> None:
        self.replica.submit(change)
        number = self.replica.unsealed._numbers[self.run] - 1
        self.world.changes[self.device, self.run, number] = self.world.token
        self.kick()

    def edit(self, token: str, rng: random.Random) -> None:
        """One local change that brings ``token``, and sometimes one that changes or removes another."""
        if not self.member.writes:
            return
        self.world.token = token
        old = self.tokens()
        if self.world.circle.kind is Kind.DOCUMENT:
            self._edit_document(token, old, rng)
        elif self.world.circle.kind is Kind.CHAT:
            self._edit_chat(token, rng)
        else:
            self._edit_entries(token, old, rng)

    def _edit_document(self, token: str, old: Sequence[str], rng: random.Random) -> None:
        document = self.fold.document
        at = rng.randrange(len(document) + 1)
        document.edit(at, at, token)
        if old and rng.random() < 0.15:
            at = rng.randrange(len(document))
            self.world.touched.add(document.text[at])
            self.world.token = ""
            document.edit(at, at + 1, "")

    def _edit_chat(self, token: str, rng: random.Random) -> None:
        self._submit(self.fold.add_local(Message(token), self.world.clock()))
        timeline = self.fold.timeline
        if len(timeline) and rng.random() < 0.3:
            at = rng.randrange(len(timeline))
            message = timeline.messages(at, at + 1)[0]
            own = message.author.account == self.member.actor.account.id
            event: Any = Reaction(message.reference, "+", on=rng.random() < 0.7)
            if own and rng.random() < 0.7:
                self.world.touched.add(message.text[:1])
                again = Edit(message.reference, message.text + "*")
                event = Delete(message.reference) if rng.random() < 0.5 or not message.text else again
            self.world.token = ""
            self._submit(self.fold.add_local(event, self.world.clock()))

    def _edit_entries(self, token: str, old: Sequence[str], rng: random.Random) -> None:
        now = self.world.clock()
        entry = blake2b(token.encode(), digest_size=16).digest()
        self._submit(self.fold.add_local(put_entry(entry, token, "doc", b"", now=now)))
        views = sorted(self.fold.view.entries().values(), key=lambda view: view.id)
        if len(views) > 1 and rng.random() < 0.3:
            view = rng.choice(views)
            self.world.touched.add(view.name)
            if not view.name.endswith("*") and rng.random() < 0.5:
                change: Any = rename(view.id, view.name + "*", now=now)
            else:
                change = remove(view.id)
            self.world.token = ""
            self._submit(self.fold.add_local(change))

    def kick(self) -> None:
        """As ``LiveObject.kick``: one append in flight."""
        if self.in_flight:
            return
        collected = self.replica.collect()
        if collected is not None:
            self._append(collected)

    def _append(self, collected: Collected) -> None:
        self.in_flight = True
        self.world.check_collected(self, collected)

        def durable() -> None:
            self.in_flight = False
            self.announce(collected)
            self.kick()

        self.write(collected.batch, durable)
        if self.world.push_early:
            self.announce(collected)
            self.send_out()

    def announce(self, collected: Collected) -> None:
        for end in self.ends:
            end.session.announce(self.world.circle.object, collected.arrivals)

    # -- connections

    def session_with(self, other: Site) -> Session:
        circle = self.world.circle

        def find(object_id: object) -> LogBook | None:
            return self.replica.book if object_id == circle.object else None

        names = sorted([self.name, other.name])
        channel = b"pin " + other.name.encode() if other.is_node else encode([*names, self.world.dials])
        return Session(channel, find, self.world.bytes, with_node=other.is_node)

    def connected(self, end: End) -> None:
        super().connected(end)
        end.mark = self.told.mark(end.other.site.name)
        self._open(end)

    def _open(self, end: End) -> None:
        end.session.open(self.world.circle.object, self.replica.keys)

    def disconnected(self, end: End) -> None:
        super().disconnected(end)
        if not self.ends:
            self.replica.released = self.compared = False

    def receive(self, end: End, frame: bytes) -> None:
        for event in end.session.receive_untrusted(frame):
            self._handle(end, event)
        self.send_out()

    def _handle(self, end: End, event: object) -> None:
        match event:
            case RecordsCame():
                offered = self.replica.take_records(event.raws, end.session.admits(event.object))
                self.world.require(not offered.refused, f"{self.name} refused {offered.refused}")
                self.write(offered.batch, lambda: None)
                self.replica.deliver_waiting("memory")
                self.told.arrived([])
                if offered.early or offered.barred:
                    self._compare_again(end)
                if offered.records:
                    for each in self.ends:
                        each.session.announce(self.world.circle.object)
            case SegmentsCame():
                self._segments(end, event)
            case CaughtUp():
                self.compared = True
                self.replica.released = True
                self.kick()
            case Opened():
                if not end.session.channels[event.object].opened_here:
                    self._open(end)
                self.show_receipts(end)
            case Receipt():
                self._take_receipt(end, event)
            case ReceiptsShown():
                self._take_shown(end, event)
            case RefusedCame():
                self._refused(end, event)
            case FalseArchiveCame() | ClosedArchiveCame():
                self.world.require(False, f"{self.name} cannot open an archive: {event}")
            case _:
                pass

    def _segments(self, end: End, event: SegmentsCame) -> None:
        taken = self.replica.take_segments(event.raws, "memory", end.session.gives(event.object))
        offered = taken.offered
        self.world.require(not offered.refused, f"{self.name} refused {offered.refused}")
        self.write(offered.batch, lambda: None)
        self.told.arrived({arrival.segment.log for arrival in offered.arrivals})
        end.session.note_taken(event.object, offered.arrivals, offered.known)
        for each in self.ends:
            each.session.announce(event.object, offered.arrivals, sorted(offered.forked))
        if offered.gaps or offered.barred:
            self._compare_again(end)
        elif offered.arrivals:
            end.compares = 0
        end.session.grant_credit(event.size)

    def _take_receipt(self, end: End, receipt: Receipt) -> None:
        self.told.take(end.other.site.name, receipt, end.mark)
        self.world.hear(self, end.other.site.name, receipt)
        if receipt.whole:
            name = name_of(end.other.site.name, self.world.circle.object)
            for each in self.ends:
                self._show(each, name, [receipt])
            value = encode(self.told.stored())
            self.write([PutValue(TOLD, self.world.circle.object, value)], lambda: None)

    def show_receipts(self, end: End) -> None:
        for name, receipts in self.told.to_show():
            self._show(end, name, receipts)

    def _show(self, end: End, name: bytes, receipts: list[Receipt]) -> None:
        if not end.other.site.is_node and end.session.may_see_all(self.world.circle.object):
            end.session.show_receipts(self.world.circle.object, name, receipts)

    def _take_shown(self, end: End, event: ReceiptsShown) -> None:
        shown = self.told.take_shown([node.name for node in self.world.nodes], event)
        if shown is not None and shown.doubts:
            self._ask(shown.node)
        if shown is not None and shown.fault is not None and shown.fault.against is Against.ELSEWHERE:
            self._show(end, event.node, list(shown.fault.had))

    def _ask(self, node: str) -> None:
        for end in self.ends:
            if end.other.site.name == node and end.session.greeted:
                end.session.get_receipt(self.world.circle.object)

    def _compare_again(self, end: End) -> None:
        end.compares += 1
        if end.compares <= MAX_COMPARES:
            self._open(end)

    def _refused(self, end: End, event: RefusedCame) -> None:
        if event.reason == "gap":
            self._compare_again(end)
        elif event.reason == "unknown" and end.other.site.is_node:
            end.compares += 1
            if end.compares <= MAX_COMPARES and self.replica.book.epochs:
                raws = [epoch.raw for epoch in self.replica.book.epochs.values() if epoch.first]
                end.session.send_records(self.world.circle.object, raws)
                self._open(end)
        elif event.reason != "unknown":
            raise SimulationFailed(f"{self.name} was refused: {event.words}")

    # -- what is here

    def tokens(self) -> list[str]:
        if self.world.circle.kind is Kind.DOCUMENT:
            return list(self.fold.document.text)
        if self.world.circle.kind is Kind.CHAT:
            timeline = self.fold.timeline
            return [message.text[:1] for message in timeline.messages(0, len(timeline)) if message.text]
        return [view.name[:1] for view in self.fold.view.entries().values()]

    def state(self) -> object:
        if self.world.circle.kind is Kind.DOCUMENT:
            return self.fold.document.text
        if self.world.circle.kind is Kind.CHAT:
            return self.fold.timeline.messages(0, len(self.fold.timeline))
        return self.fold.view.entries()


@dataclass
class Chances:
    """How often each thing happens; weights of a random choice."""

    edit: float = 6
    deliver: float = 16
    flush: float = 6
    connect: float = 3
    disconnect: float = 1
    replay: float = 1
    restart: float = 0.3
    crash: float = 0.6
    backup: float = 0.6
    restore: float = 0.4
    clone: float = 0.1
    partition: float = 0.4
    fold_anew: float = 0
    archive: float = 0
    compact: float = 0
    snapshot: float = 0
    compare: float = 0
    preview: float = 0


class World:
    """See the module's text.

    Args:
        seed: decides everything; the same seed gives the same run.
        push_early: a planted fault: segments are announced before they are durable.
        reuse: a planted fault: no new log after an unclean start.
    """

    def __init__(
        self,
        seed: int,
        *,
        kind: Kind | None = None,
        steps: int = 70,
        chances: Chances | None = None,
        push_early: bool = False,
        reuse: bool = False,
    ) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.bytes = random.Random(seed + 1_000_003).randbytes
        self.push_early = push_early
        self.reuse = reuse
        self.chances = chances or Chances()
        self.steps = steps
        self.time = 1_700_000_000_000
        self.dials = 0
        self.token = ""
        self.tokens = 0
        self.changes: dict[Change, str] = {}
        self.must: set[Change] = set()
        self.touched: set[str] = set()
        self.copied: set[DeviceId] = set()
        self.set_back: set[str] = set()
        self.forks = 0
        self.blames = 0
        self.archives = self.compared = self.previews = self.compacted = 0
        self.owners: dict[LogId, DeviceId] = {}
        self.carries: dict[SegmentId, list[Change]] = {}
        self.sent: list[bytes] = []
        self.trace = blake2b(digest_size=16)
        self.caught: list[Exception] = []
        self.groups: dict[str, int] = {}
        roles = [rng.choice([Level.WRITE, Level.WRITE, Level.READ]) for _ in range(rng.randrange(2, 5))]
        kind = kind or (Kind.DOCUMENT, Kind.CHAT, Kind.ENTRIES)[seed % 3]
        self.circle: Circle = make_circle(kind, roles, self.bytes)
        self.members: list[MemberSite] = []
        for member in self.circle.members:
            store = MemoryStore()
            if member.name == "p0" or rng.random() < 0.7:
                book = LogBook(self.circle.object, store)
                store.write(book.take_records(self.circle.records).batch)
                store.flush()
            self.members.append(MemberSite(self, member, member.name, store))
        self.nodes = [NodeSite(self, f"n{number}") for number in range(rng.randrange(3))]

    @property
    def sites(self) -> list[Site]:
        return [*self.members, *self.nodes]

    def clock(self) -> int:
        self.time += 7
        return self.time

    # -- running

    def run(self) -> World:
        """The whole story. Raises SimulationFailed."""
        try:
            for _ in range(self.steps):
                self.step()
            self.settle()
            self.check()
        except SimulationFailed as failure:
            raise SimulationFailed(f"seed {self.seed}: {failure}") from failure
        except Exception as failure:
            raise SimulationFailed(f"seed {self.seed}: {type(failure).__name__}: {failure}") from failure
        return self

    def guard(self, then: Callable[[], None]) -> None:
        """Futures swallow what their callbacks raise, so it is kept here."""
        try:
            then()
        except Exception as error:  # noqa: BLE001  raised again by ``raise_caught``
            self.caught.append(error)

    def raise_caught(self) -> None:
        if self.caught:
            raise self.caught[0]

    def step(self) -> None:
        names = list(self.chances.__dataclass_fields__)
        weights = [getattr(self.chances, name) for name in names]
        name = self.rng.choices(names, weights)[0]
        self.trace.update(name.encode())
        getattr(self, f"_{name}")()

    def _edit(self) -> None:
        site = self.rng.choice(self.members)
        for _ in range(self.rng.randrange(1, 4)):
            self.tokens += 1
            base = 0x4E00 if self.tokens % 3 else 0x20000
            site.edit(chr(base + self.tokens), self.rng)
        site.send_out()

    def _deliver(self) -> None:
        waiting = [end for site in self.sites for end in site.ends if end.inbox]
        if waiting:
            end = self.rng.choice(waiting)
            for _ in range(self.rng.randrange(1, 5)):
                if end.inbox:
                    self.deliver(end)

    def deliver(self, end: End) -> None:
        frame = end.inbox.popleft()
        self.trace.update(frame)
        end.site.receive(end, frame)

    def _fold_anew(self) -> None:
        site = self.rng.choice(self.members)
        if site.replica.unsettled:
            site.fold_anew(meanwhile=self._deliver)

    def _archive(self) -> None:
        self.rng.choice(self.members).archive()

    def _compact(self) -> None:
        self.members[0].compact()

    def _snapshot(self) -> None:
        self.rng.choice(self.members).snapshot()

    def _compare(self) -> None:
        self.rng.choice(self.members).compare()

    def _preview(self) -> None:
        self.rng.choice(self.members).preview(self.rng.choice(self.members))

    def _flush(self) -> None:
        site = self.rng.choice(self.sites)
        if site.store.unflushed:
            site.flush(self.rng.randrange(1, site.store.unflushed + 1))
            self.note_durable(site)

    def note_durable(self, site: Site) -> None:
        if isinstance(site, MemberSite):
            self.must |= self.durable_changes(site)

    def _connect(self) -> None:
        one, other = self.rng.sample(self.sites, 2)
        apart = self.groups.get(one.name, 0) != self.groups.get(other.name, 0)
        if not apart and sum(end.other.site is other for end in one.ends) < 2:
            self.connect(one, other)

    def connect(self, one: Site, other: Site) -> None:
        if one.is_node and other.is_node:
            return
        self.dials += 1
        ends = End(one, one.session_with(other)), End(other, other.session_with(one))
        ends[0].other, ends[1].other = ends[1], ends[0]
        one.connected(ends[0])
        other.connected(ends[1])
        one.send_out()
        other.send_out()

    def _disconnect(self) -> None:
        ends = [end for site in self.sites for end in site.ends]
        if ends:
            self.disconnect(self.rng.choice(ends))

    def disconnect(self, end: End) -> None:
        """The connection dies; what was on its way is lost."""
        end.site.disconnected(end)
        end.other.site.disconnected(end.other)

    def _replay(self) -> None:
        """A frame of long ago comes again, through another session."""
        ends = [end for site in self.members for end in site.ends if end.session.greeted]
        ends = [end for end in ends if end.site.book and end.site.book.epochs]
        if ends and self.sent:
            end = self.rng.choice(ends)
            end.site.receive(end, self.rng.choice(self.sent))

    def _hang_up(self, site: Site) -> None:
        for end in list(site.ends):
            self.disconnect(end)

    def _restart(self) -> None:
        site = self.rng.choice(self.sites)
        self._hang_up(site)
        if isinstance(site, MemberSite):
            while collected := site.replica.journal_pending():
                site.write(collected.batch, lambda: None)
        site.store.flush()
        self.note_durable(site)
        site.store = copy_store(site.store)
        site.boot(new_log=False)

    def _crash(self) -> None:
        site = self.rng.choice(self.sites)
        self._hang_up(site)
        survivors = self.rng.randrange(site.store.unflushed + 1)
        site.store = site.store.crash(survivors)
        site.boot(new_log=not self.reuse)

    def _backup(self) -> None:
        site = self.rng.choice(self.sites)
        site.backups.append(Backup(copy_store(site.store)))

    def _restore(self) -> None:
        site = self.rng.choice([site for site in self.sites if site.backups] or [None])
        if site is None:
            return
        self._hang_up(site)
        site.store = copy_store(self.rng.choice(site.backups).store)
        if isinstance(site, MemberSite):
            self.copied.add(site.device)
        else:
            self.set_back.add(site.name)
        site.boot(new_log=self.rng.random() < 0.2)
        self.forget_lost()

    def _clone(self) -> None:
        """A copy of a home runs beside its twin, for good."""
        origin = self.rng.choice(self.members)
        if len(self.members) < 7 and origin.backups:
            self.copied.add(origin.device)
            store = copy_store(self.rng.choice(origin.backups).store)
            self.members.append(MemberSite(self, origin.member, f"{origin.name}-{len(self.members)}", store))

    def _partition(self) -> None:
        halves = {site.name: self.rng.randrange(2) for site in self.sites}
        self.groups = {} if self.groups else halves
        for site in self.sites:
            for end in list(site.ends):
                if end in site.ends and self.groups.get(site.name, 0) != self.groups.get(
                    end.other.site.name, 0
                ):
                    self.disconnect(end)

    def settle(self) -> None:
        """Connects everything and runs until nothing moves."""
        self.groups = {}
        for at, one in enumerate(self.sites):
            for other in self.sites[at + 1 :]:
                if not any(end.other.site is other for end in one.ends):
                    self.connect(one, other)
        self.drain()

    def drain(self) -> None:
        """Runs until nothing moves."""
        for _ in range(20_000):
            moved = False
            for site in self.sites:
                if site.store.unflushed:
                    site.flush()
                    self.note_durable(site)
                    moved = True
                for end in list(site.ends):
                    if end.inbox:
                        self.deliver(end)
                        moved = True
            for member in self.members:
                if member.replica.unsettled and not moved:
                    member.fold_anew()
                    moved = True
            if not moved:
                return
        raise SimulationFailed("it never comes to rest")

    # -- what must hold

    @staticmethod
    def require(holds: bool, words: str) -> None:
        if not holds:
            raise SimulationFailed(words)

    def check_collected(self, site: MemberSite, collected: Collected) -> None:
        for arrival in collected.arrivals:
            self.require(site.compared, f"{site.name} sealed before heads were compared")
            self.owners[arrival.segment.log] = site.device
            site.sealed.add(arrival.segment.id)

    def check_sent(self, site: Site, frame: bytes) -> None:
        kind, fields = decode_frame_untrusted(frame)
        if kind not in {Frame.SEGMENTS, Frame.RECORDS}:
            return
        self.sent.append(frame)
        if self.reuse:
            return  # what follows from it has to be found without this check
        if kind is Frame.SEGMENTS and isinstance(site, MemberSite):
            for raw in fields[1]:
                segment = Segment.parse_untrusted(raw)
                if segment.id in site.sealed:
                    self.require(segment.id in site.durable, f"{site.name} sent what is not durable yet")

    def durable_changes(self, site: Site) -> set[Change]:
        """Changes that this disk holds, as segments or in the journal."""
        found: set[Change] = set()
        for segments in site.store._durable.segments.values():
            for op in segments:
                found.update(self._carried(op.id, op.raw))
        for raw in self.archived(site):
            found.update(self._carried(Segment.parse_untrusted(raw).id, raw))
        if isinstance(site, MemberSite):
            local = site.member.credentials.local
            for number, raw in site.store._durable.journal.get(self.circle.object, {}).items():
                for change in open_entry_untrusted(self.circle.object, number, raw, local):
                    found.add((site.device, change.run, change.number))
        return found

    def archived(self, site: Site) -> list[bytes]:
        """The segments that a disk holds in archives."""
        key = self.circle.members[0].keys.content
        archives = site.store._durable.values.get(ARCHIVES, {}).values()
        return [each for raw in archives for each in Archive.parse_untrusted(raw).unpack_untrusted(key)]

    def _carried(self, id_: SegmentId, raw: bytes) -> list[Change]:
        if id_ not in self.carries:
            segment = Segment.parse_untrusted(raw).verify()
            payload = decode_payload_untrusted(segment.open(self.circle.members[0].keys.content))
            device = self.owners[segment.log]
            numbers = range(payload.first, payload.first + payload.count)
            self.carries[id_] = [(device, payload.run, number) for number in numbers]
        return self.carries[id_]

    def forget_lost(self) -> None:
        """A restored backup takes away what was nowhere else: that is not ours to hold against anybody."""
        held: set[Change] = set()
        for site in self.sites:
            held |= self.durable_changes(site)
        self.must &= held

    def check(self) -> None:
        first = self.members[0]
        tips = sorted(first.replica.book.tips())
        state = first.state()
        for site in self.sites:
            book = site.book
            self.require(book is not None and sorted(book.tips()) == tips, f"{site.name} has other heads")
            self.require(len(tips) == len({tip.id for tip in tips}), "a segment is kept twice")
        for site in self.members:
            replica = site.replica
            self.require(not replica.order.set_aside, f"{site.name} set aside {replica.order.set_aside}")
            self.require(not replica.order.waiting, f"{site.name} still waits for something")
            self.require(not replica.unsealed, f"{site.name} has changes that are not sealed")
            self.check_blame(site)
            applied = {n: s for n, s in replica.order.applied.items() if s >= replica.book.numbered[n].first}
            ends = {branch.number: branch.tip for branch in replica.book.numbered.values()}
            self.require(applied == ends, f"{site.name} has not applied everything")
        for site in self.members:
            self.require(site.state() == state, f"{site.name} differs from {first.name}")
        self.check_tokens(first.tokens())
        self.check_forks(first.replica.book)

    def hear(self, site: MemberSite, node: str, receipt: Receipt) -> None:
        """A member got a receipt."""

    def check_blame(self, site: MemberSite) -> None:
        """Only a node that was set back is blamed, with proof, and has everything again."""
        for node, fault, has_again in site.told.faults():
            self.require(node in self.set_back, f"{site.name} blames {node}, which keeps all it had")
            self.require(fault.proved, f"{site.name} cannot prove what it says of {node}")
            self.require(has_again, f"{site.name} says that {node} still lacks something")
            self.blames += 1

    def check_tokens(self, here: list[str]) -> None:
        self.require(len(here) == len(set(here)), f"something is there twice: {here}")
        lost = {
            token
            for change in self.must
            if (token := self.changes[change]) and token not in self.touched and token not in here
        }
        self.require(not lost, f"lost: {sorted(lost)}")

    def check_forks(self, book: LogBook) -> None:
        for log, branches in book.branches.items():
            whole = len(branches) == 1 or self.owners[log] in self.copied
            self.forks += len(branches) - 1
            self.require(whole, "a log forked although its device was never copied or restored")


def check_seed(seed: int, **how: Any) -> World:
    """Runs one world. Raises SimulationFailed."""
    return World(seed, **how).run()


__all__ = ["Chances", "SimulationFailed", "World", "check_seed", "client_id", "RemoteProtocolError"]
