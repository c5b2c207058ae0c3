"""The engine of a home: objects, store, network. One per home; ``LocalWorkspace`` is its face."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from ..codec.ids import EpochId, ObjectId, RunId
from ..codec.shown import show_person
from ..errors import Damaged, NotFound, PeergosCollabError, RemoteProtocolError
from ..files.changes import EntryChange
from ..files.entries import EntryView
from ..objects.epoch_keys import EpochKeys
from ..objects.operations import Actor
from ..objects.payload import Delivery, Kind
from ..objects.snapshots import SnapshotPlace
from ..ports import Address, Batch, Connection, PutValue, Transport
from ..ports.installed import installed_peers, installed_relay, installed_transport
from ..ports.peers import PeerOptions, PeerTransport
from ..storage import HomeLock, SqliteStore, ask_for_salvage, open_store, salvage_words
from ..sync.causal_order import CausalOrder
from ..sync.logbook import LogBook
from ..sync.replica import Replica
from ..sync.session_events import EphemeralCame, SnapshotCame
from .api import Event, Options
from .folds import ChatFold, DocumentFold, EntriesFold
from .history import settle, take_preview_untrusted
from .home import LOCK, STORE, HomeKeys, open_keys, remember_nodes
from .known_accounts import KnownAccounts
from .live_object import CHECKPOINTS, LiveObject
from .machine import machine_name, now_ms
from .made_links import forget_ended
from .network import Network, NodeLink
from .news import News
from .open_object import AnyFold, OpenObject
from .peers import PeerMesh
from .presence import PresenceBook
from .references import ObjectReference
from .renewal import Renewal
from .sync_link import SyncLink
from .way_out import WayOut

META: Final = "meta"
CLEAN: Final = b"clean"
PROFILE_PATH: Final = ""

MAX_PROBLEMS: Final = 64
"""Of one object. Whoever sends more false things than that need not be quoted on all of them."""


def _was_clean(store: SqliteStore) -> bool:
    """Whether the last engine closed the home in order; a new log costs little where that is not known."""
    try:
        return store.value(META, CLEAN) is not None
    except Damaged:
        return False


@dataclass(slots=True)
class Engine:
    """See the module's text. Make it with ``open``."""

    home: Path
    lock: HomeLock
    keys: HomeKeys
    store: SqliteStore
    clean: bool
    salvaged: bool
    transport: WayOut
    peers: Callable[[], PeerTransport]
    run: RunId = field(default_factory=lambda: RunId(os.urandom(16)))
    options: Options = field(default_factory=Options)
    objects: dict[ObjectId, OpenObject] = field(default_factory=dict)
    network: Network | None = None
    problems: list[str] = field(default_factory=list)
    news: News = field(default_factory=News)
    renewals: dict[ObjectId, Renewal] = field(default_factory=dict)
    mailroom: Mailroom = field(init=False)
    accounts: KnownAccounts = field(init=False)
    devices: DeviceBook = field(init=False)
    _linkings: Linkings | None = None
    _holds: int = 0
    _stays: int = 0
    _staying: bool = False
    _ending: list[Renewal] = field(default_factory=list)
    _distrusted: dict[ObjectId, Damaged] = field(default_factory=dict)
    _closed: bool = False
    _entered_by: str = ""
    _hurries: int = 0
    _changing: set[ObjectId] = field(default_factory=set)

    def __post_init__(self) -> None:
        from .device_book import DeviceBook  # these use the engine, as everything above does
        from .mailroom import Mailroom

        self.mailroom = Mailroom(self)
        self.accounts = KnownAccounts(self)
        self.accounts.take([self.keys.credentials.account])
        self.devices = DeviceBook(self)

    @property
    def linkings(self) -> Linkings:
        """The codes shown for new devices; made with the first one, because hardly any run shows one."""
        from .linking import Linkings

        if self._linkings is None:
            self._linkings = Linkings(self, self.devices)
        return self._linkings

    @classmethod
    async def open(
        cls,
        home: Path,
        passphrase: str | None,
        *,
        transport: Transport | None = None,
        relay: Callable[[Address], Transport] = installed_relay,
        peers: Callable[[], PeerTransport] | None = None,
    ) -> Engine:
        """Takes the home's lock and opens it.

        Raises:
            Conflict: another process is its engine.
            NotFound, PassphraseNeeded, WrongPassphrase, Damaged.
        """
        lock = HomeLock(home / LOCK)
        try:
            keys = await asyncio.to_thread(open_keys, home, passphrase)
            store, report = open_store(home / STORE)
        except BaseException:
            lock.release()
            raise
        clean = _was_clean(store)
        store.write([PutValue(META, CLEAN, None)])
        engine = cls(
            home,
            lock,
            keys,
            store,
            clean,
            report is not None,
            WayOut(transport or installed_transport(), relay, lambda: engine.entry_node()),  # noqa: PLW0108 not yet made
            peers or installed_peers,
        )
        if report is not None:
            engine.problems.append(salvage_words(report))
        try:
            engine._open_profile()
        except BaseException as error:
            if isinstance(error, Damaged) and report is None:
                ask_for_salvage(home / STORE)
            await engine.close()
            raise
        return engine

    # -- objects --------------------------------------------------------------------------------

    @property
    def profile(self) -> EntriesFold:
        return cast(EntriesFold, self.objects[self.keys.profile].fold)

    def _open_profile(self) -> None:
        keys = self.keys
        book = self._book(keys.profile)
        if not book.epochs:
            self.store.write(book.take_records([keys.profile_record]).batch)
        secrets = {keys.profile_epoch: keys.profile_keys}
        opened = self._open(PROFILE_PATH, book, Kind.ENTRIES, secrets, keys.actor)
        opened.live.nodes = self._own_nodes()
        self.devices.take_seen()

    def _book(self, object_id: ObjectId) -> LogBook:
        """Raises Damaged where a page cannot be read: the next start then salvages the store."""
        try:
            return LogBook.load(object_id, self.store)
        except Damaged:
            ask_for_salvage(self.home / STORE)
            raise

    def _own_nodes(self) -> tuple[str, ...]:
        """This account's nodes: from the profile, or, while that is damaged, as last remembered."""
        nodes, entry = tuple(self.profile.view.nodes()), self.profile.view.entry_node
        if self._profile_incomplete():
            return nodes or self.keys.nodes
        if (nodes, entry) != (self.keys.nodes, self.keys.entry_node):
            self.keys = remember_nodes(self.home, self.keys, nodes, entry)
        return nodes

    def entry_node(self) -> str:
        """Through which node the others are reached; empty for none. Known as surely as the nodes are."""
        entry = self.profile.view.entry_node
        return entry or self.keys.entry_node if self._profile_incomplete() else entry

    def _profile_incomplete(self) -> bool:
        """After damage the profile may lack what it held; it is complete again once heads were compared."""
        replica = self.objects[self.keys.profile].live.replica
        damaged = not replica.released and (self.salvaged or bool(replica.book.damage))
        return damaged or not (replica.book.branches or replica.unsealed)

    def _open(
        self, path: str, book: LogBook, kind: Kind, secrets: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> OpenObject:
        known = self._distrusted.pop(book.object, None)
        try:
            if known is not None:
                book = LogBook.mend(book.object, self.store, known)
            opened = self._build(path, book, kind, secrets, actor, from_checkpoint=known is None)
        except Damaged as damage:
            book = LogBook.mend(book.object, self.store, damage)
            opened = self._rebuild(path, book, kind, secrets, actor)
        return self._use(opened)

    def _rebuild(
        self, path: str, book: LogBook, kind: Kind, secrets: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> OpenObject:
        """After a repair. The local state may be whole, and knows more than segments that are damaged."""
        try:
            return self._build(path, book, kind, secrets, actor, from_checkpoint=True)
        except Damaged:
            again = LogBook.load(book.object, self.store)
            again.damage = book.damage
        try:
            return self._build(path, again, kind, secrets, actor)
        except Damaged:
            # Not a value but a page: the whole file has to be gone through, with nobody using it.
            ask_for_salvage(self.home / STORE)
            raise

    def _use(self, opened: OpenObject) -> OpenObject:
        self.objects[opened.live.id] = opened
        self.accounts.take_from(opened)
        opened.live.on_deliveries.append(lambda deliveries: self._delivered(opened, deliveries))
        opened.live.on_durable.append(self.news.pulse)
        opened.live.on_members.append(lambda: self._members_changed(opened))
        opened.live.on_appended.append(lambda: self._changed_here(opened))
        renewal = self.renewals[opened.live.id] = Renewal(self, opened)
        opened.live.on_unsettled.append(renewal.plan)
        renewal.plan()
        return opened

    def _build(
        self,
        path: str,
        book: LogBook,
        kind: Kind,
        secrets: Mapping[EpochId, EpochKeys],
        actor: Actor,
        *,
        from_checkpoint: bool = False,
    ) -> OpenObject:
        fold = self._fold(book.object, kind, self.run)
        replica = self._replica(book, fold, secrets, actor, new_log=not self.clean or bool(book.damage))
        live = LiveObject(replica, self.keys.credentials.local, os.urandom)
        if from_checkpoint:
            live.load()
        else:
            replica.deliver_stored()
            replica.restore_journal()
        if isinstance(fold, DocumentFold):
            fold.document.before_edit = replica.check_may_write
            fold.document.on_update(live.submit)
        presence = PresenceBook(live, now_ms, os.urandom, machine=machine_name())
        return OpenObject(live, fold, path, presence)

    def _replica(
        self,
        book: LogBook,
        fold: AnyFold,
        secrets: Mapping[EpochId, EpochKeys],
        actor: Actor,
        *,
        new_log: bool,
    ) -> Replica:
        local = self.keys.credentials.local
        return Replica(
            book.object, book, fold, secrets, actor, local, self.run, now_ms, os.urandom, new_log=new_log
        )

    def replay(self, opened: OpenObject) -> Replica:
        """The stored history of an object, folded apart from scratch; for a thread of its own."""
        current = opened.live.replica
        book = LogBook.load(current.object, self.store)
        fold = self._empty_fold(opened)
        replica = self._replica(book, fold, current.keys, current.actor, new_log=False)
        replica.deliver_stored()
        return replica

    def fold_anew(self, opened: OpenObject) -> CausalOrder:
        """All that is stored of an object, folded apart in canonical order; for a thread of its own."""
        book = LogBook.load(opened.live.id, self.store)
        return opened.live.replica.fold_anew(book, self._empty_fold(opened))

    def _empty_fold(self, opened: OpenObject) -> AnyFold:
        # Under another run: what this one wrote has to come from segments, too.
        return self._fold(opened.live.id, opened.live.replica.fold.kind, RunId(os.urandom(16)))

    def on_renewed(self, opened: OpenObject) -> None:
        """An object was folded anew."""
        self.news.pulse()
        if opened.path == PROFILE_PATH:
            self._profile_changed()

    async def open_anew(self, opened: OpenObject) -> None:
        """Opens an object from its history alone; handles of the old one take no more edits."""
        replica = opened.live.replica
        opened.live.failed = True
        book = LogBook.load(replica.object, self.store)
        self.forget(replica.object)
        anew = self._build(opened.path, book, replica.fold.kind, replica.keys, replica.actor)
        anew.live.nodes, anew.live.replica.problems = opened.live.nodes, replica.problems
        self._use(anew)
        anew.live.save()
        if self.network is not None:
            self._bring_online(anew)
            self.network.refresh()

    def _fold(self, object_id: ObjectId, kind: Kind, run: RunId) -> AnyFold:
        device = self.keys.credentials.device_id
        if kind is Kind.DOCUMENT:
            return DocumentFold(object_id, device, run, now_ms)
        if kind is Kind.CHAT:
            return ChatFold()
        return EntriesFold(device)

    def open_entry(self, view: EntryView) -> OpenObject:
        """The object behind an entry of the profile, opened if it was not. Raises Damaged."""
        try:
            reference = ObjectReference.decode_untrusted(view.reference)
        except PeergosCollabError as error:
            raise Damaged(f"the entry {view.shown!r} of the profile is damaged: {error}") from None
        return self.open_reference(view.shown, reference)

    def open_reference(self, path: str, reference: ObjectReference) -> OpenObject:
        capability = reference.capability
        known = self.objects.get(capability.object)
        if known is not None:
            known.path = path
            return known
        book = self._book(capability.object)
        secrets = {capability.epoch: capability.keys}
        actor = reference.actor(self.keys.credentials)
        opened = self._open(path, book, Kind(capability.kind), secrets, actor)
        opened.live.nodes = self._nodes_of(reference)
        if self.network is not None:
            self._bring_online(opened)
            self.network.refresh()
        return opened

    def _nodes_of(self, reference: ObjectReference) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._own_nodes(), *reference.capability.nodes)))

    def find(self, path: str) -> OpenObject:
        """The object of a name in the profile. Raises NotFound, Damaged."""
        view = self.profile.view.find(path)
        if view is None:
            raise NotFound(f"there is no {path!r} here")
        return self.open_entry(view)

    def open_all(self) -> None:
        """Opens every object of the profile; damaged entries are named in ``problems``."""
        for view in self.profile.view.entries().values():
            try:
                self.open_entry(view)
            except PeergosCollabError as error:
                if error.message not in self.problems:
                    self.problems.append(error.message)

    def start_over(self, object_id: ObjectId, damage: Damaged) -> None:
        """Opens an object anew after a repair: something stored of it turned out to be damaged while in use.

        Raises:
            Damaged: it cannot be opened either.
        """
        opened = self.objects.get(object_id)
        if opened is None:
            raise damage
        batch: Batch = []
        while (collected := opened.live.replica.journal_pending()) is not None:
            batch += collected.batch
        self.store.write([*batch, PutValue(CHECKPOINTS, object_id, None)])
        self.forget(object_id)
        self._distrusted[object_id] = damage
        if opened.path == PROFILE_PATH:
            self._open_profile()
        else:
            self.find(opened.path)
        self.objects[object_id].live.save()
        if self.network is not None:
            self.network.refresh()

    def forget(self, object_id: ObjectId) -> None:
        """Stops using an object in this process; what is stored stays."""
        opened = self.objects.pop(object_id, None)
        if opened is not None:
            opened.live.stop()
            self._end_renewal(object_id)
            opened.presence.leave()
            if opened.mesh is not None:
                self._spawn(opened.mesh.close())
        if self.network is not None:
            self.network.refresh()

    def _end_renewal(self, object_id: ObjectId) -> None:
        renewal = self.renewals.pop(object_id)
        renewal.stop()
        self._ending.append(renewal)

    async def change_profile(self, *changes: EntryChange) -> None:
        """Changes the profile; returns once that is durable here."""
        opened = self.objects[self.keys.profile]
        for change in changes:
            opened.live.submit(self.profile.add_local(change))
        await opened.live.durable()
        self._profile_changed()

    def _profile_changed(self) -> None:
        self.devices.take_logs()
        entry = self.entry_node()
        if entry != self._entered_by:
            self._entered_by = entry
            self._leave_the_old_way()
        self.objects[self.keys.profile].live.nodes = self._own_nodes()
        for view in self.profile.view.entries().values():
            try:
                reference = ObjectReference.decode_untrusted(view.reference)
            except PeergosCollabError:
                continue
            opened = self.objects.get(reference.capability.object)
            if opened is not None:
                opened.path = view.shown
                opened.live.nodes = self._nodes_of(reference)
        if self.network is not None:
            self.open_all()
            self.network.refresh()
        self.mailroom.refresh()

    def _leave_the_old_way(self) -> None:
        """Sessions that go through another entry node, or directly, end; they come back the new way."""
        if self.network is not None:
            self.network.start_over()
        if self.mailroom.reader.running:
            self._spawn(self.mailroom.reader.start_over())

    # -- network --------------------------------------------------------------------------------

    @asynccontextmanager
    async def online(self) -> AsyncIterator[Network]:
        """Connected to the nodes of all objects while the block runs."""
        self._holds += 1
        if self.network is None:
            self._connect()
        assert self.network is not None
        try:
            yield self.network
        finally:
            self._holds -= 1
            if self._holds == 0 and not self._closed:
                await self._disconnect()

    async def stay_online(self, options: Options) -> None:
        """Connected until closed, directly to peers too where ``options`` say so."""
        self.options = options
        self._staying = True
        self._stays += 1
        self._holds += 1
        if self.network is None:
            self._connect()
        for opened in self.objects.values():
            self._bring_online(opened)
        self.mailroom.start()

    async def leave_online(self) -> None:
        """Ends one ``stay_online``; the last one disconnects."""
        self._stays -= 1
        self._staying = self._stays > 0
        self._holds -= 1
        if self._holds == 0 and not self._closed:
            await self._disconnect()

    def _wanted(self, live: LiveObject) -> bool:
        """Whether somebody waits for an object, or its session would tell a node no more than others do."""
        opened = self.objects.get(live.id)
        if opened is None or self._hurries or not self.entry_node():
            return True
        if live.id in self._changing and all(live.saved_on(node) for node in live.nodes):
            self._changing.discard(live.id)
        return bool(opened.handles) or live.id in self._changing

    @contextmanager
    def holding(self, opened: OpenObject) -> Iterator[None]:
        """Somebody waits for an object while the block runs."""
        opened.handles += 1
        self.stir()
        try:
            yield
        finally:
            opened.handles -= 1

    @contextmanager
    def hurrying(self) -> Iterator[None]:
        """Somebody waits for all objects while the block runs."""
        self._hurries += 1
        self.stir()
        try:
            yield
        finally:
            self._hurries -= 1

    def stir(self) -> None:
        """Somebody may wait for something now."""
        if self.network is not None:
            self.network.stir()

    @property
    def patient(self) -> bool:
        """Whether sessions are to come one by one, at random times."""
        return bool(self.entry_node()) and self._staying and not self._hurries

    def _connect(self) -> None:
        def objects() -> Iterable[LiveObject]:
            return [opened.live for opened in self.objects.values()]

        self._entered_by = self.entry_node()
        self.network = Network(
            self.transport, self, os.urandom, objects, self._link_changed, self._wanted, lambda: self._staying
        )
        self.open_all()
        for opened in self.objects.values():
            self._bring_online(opened)
        self.network.refresh()

    def _bring_online(self, opened: OpenObject) -> None:
        if opened.path == PROFILE_PATH:
            return
        if self._staying and self.options.webrtc and opened.mesh is None:
            options = PeerOptions(self.options.stun, self.options.relay_only)

            async def serve(connection: Connection) -> None:
                await self._serve_peer(opened, connection)

            opened.mesh = PeerMesh(opened.presence, self.peers(), options, serve, os.urandom)
            opened.mesh.start()
            opened.presence.webrtc = True
        opened.presence.start()

    async def _serve_peer(self, opened: OpenObject, connection: Connection) -> None:
        link = SyncLink(connection, {opened.live.id: opened.live}, self, os.urandom)
        self.news.tell(Event("connected", opened.path, via=link.via))
        try:
            await link.run()
        except RemoteProtocolError as error:
            words = f"a peer's direct connection broke the rules ({error}); nothing of it was used"
            self.on_problem(opened.live, words)
            raise
        finally:
            self.news.tell(Event("disconnected", opened.path, via=link.via))

    async def _disconnect(self) -> None:
        await self.mailroom.stop()
        if self._holds and not self._closed:
            return  # somebody went online meanwhile
        for opened in list(self.objects.values()):  # others may be opened meanwhile
            opened.presence.leave()
            if opened.mesh is not None:
                await opened.mesh.close()
                opened.mesh = None
        # One turn of the loop, so that what was just queued is handed to the connections.
        await asyncio.sleep(0)
        if self.network is not None:
            network, self.network = self.network, None
            await network.close()

    # -- what links tell (LinkOwner) --------------------------------------------------------------

    def object_open(self, object_id: ObjectId) -> LiveObject | None:
        opened = self.objects.get(object_id)
        return opened.live if opened is not None else None

    def on_ephemeral(self, live: LiveObject, event: EphemeralCame, via: str) -> None:
        opened = self.objects.get(live.id)
        if opened is not None:
            opened.presence.take_untrusted(event, via)

    def on_problem(self, live: LiveObject | None, words: str) -> None:
        problems = live.replica.problems if live is not None else self.problems
        if words not in problems and len(problems) < MAX_PROBLEMS:
            problems.append(words)
            opened = self.objects.get(live.id) if live is not None else None
            self.news.tell(Event("problem", opened.path if opened is not None else "", text=words))
        self.news.pulse()

    def on_damage(self, live: LiveObject, damage: Damaged) -> None:
        self.start_over(live.id, damage)

    def on_ready(self, live: LiveObject, link: SyncLink) -> None:
        opened = self.objects.get(live.id)
        if opened is None:
            return
        if opened.path != PROFILE_PATH and link.node:
            self.news.tell(Event("connected", opened.path, via=link.via))
        opened.presence.start()
        self.devices.renew(opened)
        opened.preview = None  # all of it is here, so there is nothing left to hurry for
        if live.unverified and not opened.settling:
            opened.settling = True
            self._spawn(settle(self, opened))
        if opened.path == PROFILE_PATH:
            self._profile_changed()
            self._spawn(forget_ended(self))
        self.news.pulse()

    def wanted_snapshot(self, live: LiveObject) -> SnapshotPlace | None:
        opened = self.objects.get(live.id)
        return opened.preview if opened is not None else None

    def on_snapshot(self, live: LiveObject, event: SnapshotCame) -> None:
        opened = self.objects.get(live.id)
        if opened is None or opened.preview is None:
            return
        place, opened.preview = opened.preview, None
        try:
            take_preview_untrusted(opened, place, event)
        except PeergosCollabError as error:
            self.on_problem(live, f"the snapshot was not used: {error.message}")
        self.news.pulse()

    def _link_changed(self, node_link: NodeLink) -> None:
        if node_link.problem:
            self.news.tell(Event("problem", text=node_link.problem))
        self.news.pulse()

    # -- events ---------------------------------------------------------------------------------

    def _delivered(self, opened: OpenObject, deliveries: list[Delivery]) -> None:
        self.news.pulse()
        if opened.path == PROFILE_PATH:
            self._profile_changed()
            return
        if not self.news.followed:
            return
        now = now_ms()
        for delivery in deliveries:
            present = opened.presence.present.get(delivery.author.device)
            delay = float(now - delivery.time) if present is not None and present.same_clock else None
            event = "message" if delivery.kind is Kind.CHAT else "change"
            author = show_person(delivery.author.name)
            self.news.tell(Event(event, opened.path, author, delivery.via, delay))

    def _members_changed(self, opened: OpenObject) -> None:
        if self.network is not None:
            self.network.refresh()  # other members are another circle
        opened.presence.members_changed()
        self.accounts.take_from(opened)
        if opened.path == PROFILE_PATH:
            self.devices.take_seen()
        words = opened.removal
        if words and opened.path != PROFILE_PATH:
            self.on_problem(opened.live, words)
        self.news.pulse()

    def _changed_here(self, opened: OpenObject) -> None:
        if opened.path != PROFILE_PATH:
            # The profile waits for its turn: it changes along with what is done elsewhere.
            self._changing.add(opened.live.id)
            self.stir()
        if opened.path != PROFILE_PATH and self.news.followed:
            event = "message" if isinstance(opened.fold, ChatFold) else "change"
            author = show_person(self.keys.credentials.name)
            self.news.tell(Event(event, opened.path, author, "local", 0.0))

    # -- end ------------------------------------------------------------------------------------

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)

    async def close(self) -> None:
        """Disconnects, saves, and makes everything durable."""
        if self._closed:
            return
        self._closed = True
        if self._linkings is not None:
            await self._linkings.end_all()
        await self._disconnect()
        for opened in self.objects.values():
            opened.live.stop()
            self._end_renewal(opened.live.id)
        for renewal in self._ending:
            await renewal.close()
        for opened in self.objects.values():
            opened.live.save()
        if self.objects:
            self.store.write([PutValue(META, CLEAN, b"\x01")])
        await asyncio.to_thread(self.store.close)
        self.lock.release()


_TASKS: Final[set[asyncio.Task[None]]] = set()
"""Keeps short background tasks alive until they end."""

if TYPE_CHECKING:
    from .device_book import DeviceBook
    from .linking import Linkings
    from .mailroom import Mailroom
    from .sync_link import LinkOwner

    _check: type[LinkOwner] = Engine
