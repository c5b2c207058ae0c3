"""The engine of a home: objects, store, network. One per home; ``LocalWorkspace`` is its face."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakValueDictionary

from ..codec.ids import ObjectId, RunId
from ..codec.shown import show_person
from ..errors import Damaged, NotFound, PeergosCollabError
from ..files.changes import EntryChange
from ..files.entries import EntryView
from ..objects.payload import Author, Delivery, Kind
from ..ports import Address, Batch, PutValue, Transport
from ..ports.installed import installed_peers, installed_relay, installed_transport
from ..ports.peers import PeerTransport
from ..storage import HomeLock, SqliteStore, ask_for_salvage, hangs_together, open_store, salvage_words
from ..sync.archiving import is_due
from ..sync.bases import Base
from ..sync.causal_order import CausalOrder
from ..sync.faults import Fault
from ..sync.own_log import doubt_all
from ..sync.replica import Replica
from ..sync.snapshots import Claimed
from ..values import dataclass
from .api import Event
from .archiving import archive
from .folds import ChatFold, EntriesFold
from .forgotten_here import forget_due
from .history import check_bases, check_snapshots
from .home import LOCK, STORE, HomeKeys, open_keys, remember_nodes
from .known_accounts import KnownAccounts
from .known_circles import KnownCircles
from .link_events import LinkEvents
from .live_object import LiveObject
from .machine import now_ms
from .news import News
from .node_faults import fault_words
from .online import Online
from .open_object import PROFILE_PATH, OpenObject
from .profile_changes import ProfileChanges
from .prune_checks import check_prunes, may_check
from .references import ObjectReference
from .renewal import Renewal
from .reopening import Reopening
from .resting import AccountState, Resting
from .states_at_rest import StatesAtRest
from .stored_objects import StoredObjects
from .waking import Waking
from .way_out import WayOut

META: Final = "meta"
CLEAN: Final = b"clean"

MAX_PROBLEMS: Final = 64
"""Of one object. Whoever sends more false things than that need not be quoted on all of them."""


def _was_clean(store: SqliteStore) -> bool:
    """Whether the last engine closed the home in order; a new log costs little where that is not known."""
    try:
        return store.value(META, CLEAN) is not None
    except Damaged:
        return False


def _doubts(store: SqliteStore) -> Batch:
    try:
        return doubt_all(store)
    except Damaged:
        return []  # its pages are gone through next, and it is salvaged


@dataclass(slots=True)
class Engine:
    """See the module's text. Make it with ``open``."""

    home: Path
    lock: HomeLock
    keys: HomeKeys
    store: SqliteStore
    clean: bool
    in_use: Future[None]
    """Done once this disk says durably that the home was not closed in order since."""
    salvage: str
    transport: WayOut
    peers: Callable[[], PeerTransport]
    entry_wish: str = ""
    """The entry node of an account whose profile names none yet: it is never gone around meanwhile."""
    run: RunId = field(default_factory=lambda: RunId(os.urandom(16)))
    objects: dict[ObjectId, OpenObject] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    news: News = field(default_factory=News)
    renewals: dict[ObjectId, Renewal] = field(default_factory=dict)
    entering: WeakValueDictionary[ObjectId, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    stored: StoredObjects = field(init=False)
    link_events: LinkEvents = field(init=False)
    online: Online = field(init=False)
    mailroom: Mailroom = field(init=False)
    accounts: KnownAccounts = field(init=False)
    circles: KnownCircles = field(init=False)
    devices: DeviceBook = field(init=False)
    recovery: RecoveryKeeper = field(init=False)
    waking: Waking = field(init=False)
    reopening: Reopening = field(init=False)
    at_rest: StatesAtRest = field(init=False)
    profile_changes: ProfileChanges = field(init=False)
    _resting: Resting | None = None
    _linkings: Linkings | None = None
    _pairings: Pairings | None = None
    _ending: list[Renewal] = field(default_factory=list)
    _beside: set[asyncio.Task[None]] = field(default_factory=set)
    _running: set[tuple[ObjectId, str]] = field(default_factory=set)
    _closed: bool = False

    def __post_init__(self) -> None:
        from .device_book import DeviceBook  # these use the engine, as everything above does
        from .mailroom import Mailroom
        from .recovery_keeper import RecoveryKeeper

        self.stored = StoredObjects(self)
        self.link_events = LinkEvents(self)
        self.online = Online(self)
        self.mailroom = Mailroom(self)
        self.accounts = KnownAccounts(self)
        self.accounts.take([self.keys.credentials.account])
        self.circles = KnownCircles.take(self.store, self.keys.credentials.local, now_ms())
        self.devices = DeviceBook(self)
        self.recovery = RecoveryKeeper(self)
        self.waking = Waking(self)
        self.reopening = Reopening(self)
        self.at_rest = StatesAtRest(self)
        self.profile_changes = ProfileChanges(self)

    @property
    def resting(self) -> Resting:
        """The objects that are not in use; read once the profile is open."""
        if self._resting is None:
            credentials = self.keys.credentials
            self._resting = Resting(self.store, credentials.local, os.urandom, self.account())
            if self.salvage:
                self.store.write(self._resting.wake(*self._resting.asleep))
        return self._resting

    def account(self) -> AccountState:
        """What the notes of objects at rest depend on."""
        return self.own_nodes(), self.keys.credentials.account.user_key.generation

    @property
    def linkings(self) -> Linkings:
        """The codes shown for new devices; made with the first one, because hardly any run shows one."""
        from .linking import Linkings

        if self._linkings is None:
            self._linkings = Linkings(self, self.devices)
        return self._linkings

    @property
    def pairings(self) -> Pairings:
        """The texts shown to pair with somebody; made with the first one."""
        from .pairing import Pairings

        if self._pairings is None:
            self._pairings = Pairings(self)
        return self._pairings

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
            store, report = open_store(home / STORE, check=False)
        except BaseException:
            lock.release()
            raise
        loop = asyncio.get_running_loop()
        # Meanwhile, and not asked of a store that was just made from what could be read.
        checking = loop.run_in_executor(None, hangs_together, home / STORE) if report is None else None
        clean = report is None and _was_clean(store)
        in_use = store.write([PutValue(META, CLEAN, None), *([] if clean else _doubts(store))])
        engine = cls(
            home,
            lock,
            keys,
            store,
            clean,
            in_use,
            salvage_words(report) if report is not None else "",
            WayOut(transport or installed_transport(), relay, lambda: engine.entry_node()),  # noqa: PLW0108 not yet made
            peers or cache(installed_peers),  # one for all: it remembers which servers do not answer
        )
        if engine.salvage:
            engine.problems.append(engine.salvage)
        try:
            damage = engine._try_profile()
            whole = checking is None or await checking
        except BaseException:
            await engine.close()
            raise
        if whole and damage is None:
            return engine
        if report is None:
            ask_for_salvage(home / STORE)
        await engine.close()
        if whole and damage is not None:
            raise damage
        return await cls.open(home, passphrase, transport=transport, relay=relay, peers=peers)  # salvaged

    def may_leave_early(self) -> bool:
        """Whether segments may be sent before they are durable.

        After a power cut the next start must not go on with a log of which others know more.
        """
        return self.in_use.done() and self.in_use.exception() is None

    # -- objects --------------------------------------------------------------------------------

    @property
    def profile(self) -> EntriesFold:
        return cast(EntriesFold, self.objects[self.keys.profile].fold)

    def _try_profile(self) -> Damaged | None:
        """Opens the profile; gives what stands against it."""
        try:
            self.open_profile()
        except Damaged as damage:
            return damage
        return None

    def open_profile(self) -> None:
        """Raises Damaged."""
        keys = self.keys
        book = self.stored.book(keys.profile)
        if not book.epochs:
            self.store.write(book.take_records([keys.profile_record]).batch)
        secrets = {keys.profile_epoch: keys.profile_keys}
        self.use_profile(self.stored.open(PROFILE_PATH, book, Kind.ENTRIES, secrets, keys.actor))

    def use_profile(self, opened: OpenObject) -> None:
        """Takes the profile into use, that was just made ready."""
        self.use(opened)
        opened.live.nodes = self.own_nodes()
        self.devices.take_seen()

    def own_nodes(self) -> tuple[str, ...]:
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
        return entry or (self.keys.entry_node if self._profile_incomplete() else self.entry_wish)

    def _profile_incomplete(self) -> bool:
        """After damage the profile may lack what it held; it is complete again once heads were compared."""
        replica = self.objects[self.keys.profile].live.replica
        damaged = not replica.released and (bool(self.salvage) or bool(replica.book.damage))
        return damaged or not (replica.book.branches or replica.unsealed)

    def use(self, opened: OpenObject) -> OpenObject:
        """Takes an object into use that was just made ready."""
        self.objects[opened.live.id] = opened
        self.reopening.opened(opened.live.id)
        self.waking.keep_room()
        if opened.path != PROFILE_PATH:
            opened.live.keep(self.resting.wake(opened.live.id))
        self.accounts.take_from(opened)
        opened.live.incomplete = self.recovery.unfinished
        opened.live.on_deliveries.append(lambda deliveries: self._delivered(opened, deliveries))
        opened.live.on_durable.append(self.news.pulse)
        opened.live.on_members.append(lambda: self._members_changed(opened))
        opened.live.on_appended.append(lambda: self._changed_here(opened))
        renewal = self.renewals[opened.live.id] = Renewal(self, opened)
        opened.live.on_unsettled.append(renewal.plan)
        opened.live.receipts.on_show.append(opened.presence.show_when_met)
        opened.presence.on_receipts.append(lambda content: self.link_events.on_receipts(opened, content))
        opened.live.receipts.on_fault.append(lambda node, fault: self._node_fault(opened, node, fault))
        renewal.plan()
        opened.live.on_claims.append(lambda: self.check_claims(opened))
        self.check_claims(opened)
        opened.live.on_saved.append(lambda: self._archive(opened))
        opened.live.on_prunes.append(lambda: self.check_prunes(opened))
        if not isinstance(opened.fold, ChatFold):  # of which what is needed is looked at before it is in use
            opened.fold.on_damage.append(self._mend_soon(opened))
        return opened

    def _mend_soon(self, opened: OpenObject) -> Callable[[Damaged], None]:
        """Who needs a part of its state that is damaged is told, and finds it mended when he asks again."""
        loop = asyncio.get_running_loop()

        def mend(damage: Damaged) -> None:
            if self.objects.get(opened.live.id) is opened and not self._closed:
                self.start_over(opened.live.id, damage)

        def mend_soon(damage: Damaged) -> None:
            loop.call_soon_threadsafe(mend, damage)

        return mend_soon

    def replay(self, opened: OpenObject) -> Replica:
        """See ``StoredObjects.replay``."""
        return self.stored.replay(opened)

    def fold_anew(self, opened: OpenObject) -> CausalOrder:
        """See ``StoredObjects.fold_anew``."""
        return self.stored.fold_anew(opened)

    def check_base(self, opened: OpenObject, base: Base) -> bool:
        """See ``StoredObjects.check_base``."""
        return self.stored.check_base(opened, base)

    def who(self, author: Author) -> str:
        """An author, in words safe to show."""
        return self.mailroom.book.names().of(author.account, author.name).words

    def check_snapshot(self, opened: OpenObject, claimed: Claimed, here: bytes | None) -> bool | None:
        """See ``StoredObjects.check_snapshot``."""
        return self.stored.check_snapshot(opened, claimed, here)

    def check_claims(self, opened: OpenObject) -> None:
        """Compares what others say the history comes to with the history here."""
        order = opened.live.replica.order
        if order.has_claims and order.bases.unchecked:
            self._begin_once(opened, "bases", lambda: check_bases(self, opened))
        if order.has_claims and order.snapshots.unchecked and not opened.live.unverified:
            self._begin_once(opened, "snapshots", lambda: check_snapshots(self, opened))

    def _archive(self, opened: OpenObject) -> None:
        """Has older segments take less room, where there are many."""
        if not self._closed and any(map(is_due, opened.live.replica.book.numbered.values())):
            self._begin_once(opened, "archives", lambda: archive(self.stored, opened))

    def check_prunes(self, opened: OpenObject) -> None:
        """Looks whether what others have dropped at nodes is in the archives that stand for it."""
        if may_check(opened) and opened.live.prunes.unchecked:
            self._begin_once(opened, "prunes", lambda: check_prunes(self, opened))
        self.forget_due(opened)

    def forget_due(self, opened: OpenObject) -> None:
        """Forgets what has to be forgotten by now."""
        if not opened.live.unverified and not self._closed and opened.live.prunes.due_to_forget:
            self._begin_once(opened, "forgetting", lambda: forget_due(self, opened))

    def _begin_once(self, opened: OpenObject, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs something beside the rest, unless it runs already."""

        async def run() -> None:
            try:
                await work()
            finally:
                self._running.discard(key)

        key = opened.live.id, what
        if key not in self._running:
            self._running.add(key)
            self.spawn(run())

    def on_renewed(self, opened: OpenObject) -> None:
        """An object was folded anew."""
        self.news.pulse()
        if opened.path == PROFILE_PATH:
            self.profile_changes.take()

    async def open_anew(self, opened: OpenObject) -> None:
        """See ``Reopening.anew``."""
        await self.reopening.anew(opened)

    def start_over(self, object_id: ObjectId, damage: Damaged) -> None:
        """See ``Reopening.start_over``."""
        self.reopening.start_over(object_id, damage)

    def is_busy_with(self, object_id: ObjectId) -> bool:
        """Whether something is computed of an object beside the rest."""
        return any(id_ == object_id for id_, _ in self._running)

    async def open_ahead(self, path: str) -> None:
        """Before ``find``: where that would take long, it is done beside the rest."""
        view = self.profile.view.find(path)
        if view is not None:
            await self.reopening.ahead(view)

    def open_entry(self, view: EntryView) -> OpenObject:
        """The object behind an entry of the profile, opened if it was not. Raises Damaged."""
        opened = self.open_view(view)
        opened.used = asyncio.get_running_loop().time()
        self.online.refresh()
        return opened

    def open_view(self, view: EntryView) -> OpenObject:
        """The same where nobody asked for it; ``online`` is to be refreshed then. Raises Damaged."""
        try:
            reference = ObjectReference.decode_untrusted(view.reference)
        except PeergosCollabError as error:
            raise Damaged(f"the entry {view.shown!r} of the profile is damaged: {error}") from None
        opened = self._open(view.shown, reference)
        opened.entry = view.id
        self.waking.opened(view.id)
        return opened

    def open_reference(self, path: str, reference: ObjectReference) -> OpenObject:
        opened = self._open(path, reference)
        opened.used = asyncio.get_running_loop().time()
        self.online.refresh()
        return opened

    def _open(self, path: str, reference: ObjectReference) -> OpenObject:
        capability = reference.capability
        known = self.objects.get(capability.object)
        if known is not None:
            known.path = path
            return known
        actor = reference.actor(self.keys.credentials)
        folded = self.reopening.folded_ahead(capability.object, capability.epoch)
        if folded is not None:
            folded.act_as(actor)  # this account may have changed since
            opened = self.use(self.stored.ready(path, folded))
        else:
            book = self.stored.book(capability.object)
            secrets = {capability.epoch: capability.keys}
            opened = self.use(self.stored.open(path, book, Kind(capability.kind), secrets, actor))
        opened.live.nodes = self.nodes_of(reference)
        self.online.bring(opened)
        return opened

    def nodes_of(self, reference: ObjectReference) -> tuple[str, ...]:
        """Where an object is to be: at this account's nodes, and those it came with."""
        return tuple(dict.fromkeys((*self.own_nodes(), *reference.capability.nodes)))

    def find(self, path: str) -> OpenObject:
        """The object of a name in the profile. Raises NotFound, Damaged."""
        view = self.profile.view.find(path)
        if view is None:
            raise NotFound(f"there is no {path!r} here")
        return self.open_entry(view)

    def forget(self, *objects: ObjectId) -> None:
        """Stops using objects in this process; what is stored stays."""
        for object_id in objects:
            opened = self.objects.pop(object_id, None)
            if opened is not None:
                self._forget(opened)
        self.online.refresh()

    def _forget(self, opened: OpenObject) -> None:
        opened.live.stop()
        self._end_renewal(opened.live.id)
        opened.presence.leave()
        if opened.mesh is not None:
            self.spawn(opened.mesh.close())
        view = self.profile.view.find(opened.path) if opened.path != PROFILE_PATH else None
        if view is not None:
            self.waking.entries_changed({view.id: view})

    def _end_renewal(self, object_id: ObjectId) -> None:
        renewal = self.renewals.pop(object_id, None)
        if renewal is not None:
            renewal.stop()
            self._ending.append(renewal)

    async def change_profile(self, *changes: EntryChange) -> None:
        """Changes the profile; returns once that is durable here."""
        opened = self.objects[self.keys.profile]
        for change in changes:
            opened.live.submit(self.profile.add_local(change))
        await opened.live.durable()
        self.profile_changes.take()

    # -- events ---------------------------------------------------------------------------------

    def _delivered(self, opened: OpenObject, deliveries: list[Delivery]) -> None:
        self.news.pulse()
        if opened.path == PROFILE_PATH:
            self.profile_changes.take()
            return
        if not self.news.followed:
            return
        now, names = now_ms(), self.mailroom.book.names()
        for delivery in deliveries:
            present = opened.presence.present.get(delivery.author.device)
            delay = float(now - delivery.time) if present is not None and present.same_clock else None
            event = {Kind.CHAT: "message", Kind.NAME: "name"}.get(delivery.kind, "change")
            called = names.of(delivery.author.account, delivery.author.name)
            self.news.tell(
                Event(
                    event,
                    opened.path,
                    called.name,
                    delivery.via,
                    delay,
                    unverified=called.unverified,
                )
            )

    def _members_changed(self, opened: OpenObject) -> None:
        self.online.members_changed(opened.live)
        opened.presence.members_changed()
        self.accounts.take_from(opened)
        if opened.path == PROFILE_PATH:
            self.devices.take_seen()
        words = opened.removal(self.mailroom.book.names())
        if words not in ("", opened.removal_told) and opened.path != PROFILE_PATH:
            self.news.tell(Event("problem", opened.path, text=words))
        opened.removal_told = words
        self.news.pulse()

    def _node_fault(self, opened: OpenObject, node: str, fault: Fault) -> None:
        words = fault_words(opened, self.mailroom.book.names(), node, fault)
        self.news.tell(Event("problem", opened.path, text=words))
        self.news.pulse()

    def _changed_here(self, opened: OpenObject) -> None:
        if opened.path != PROFILE_PATH:
            # The profile waits for its turn: it changes along with what is done elsewhere.
            self.online.changed(opened)
        if opened.path != PROFILE_PATH and self.news.followed:
            event = "message" if isinstance(opened.fold, ChatFold) else "change"
            author = show_person(self.keys.credentials.name)
            self.news.tell(Event(event, opened.path, author, "local", 0.0))

    def on_problem(self, live: LiveObject | None, words: str) -> None:
        problems = live.replica.problems if live is not None else self.problems
        if words not in problems and len(problems) < MAX_PROBLEMS:
            problems.append(words)
            opened = self.objects.get(live.id) if live is not None else None
            self.news.tell(Event("problem", opened.path if opened is not None else "", text=words))
        self.news.pulse()

    # -- end ------------------------------------------------------------------------------------

    def spawn(self, work: Awaitable[None]) -> None:
        """Runs something short beside the rest, until it is done or the engine ends. Failures are told."""

        async def run() -> None:
            try:
                await work
            except PeergosCollabError as error:
                self.on_problem(None, error.message)

        task = asyncio.get_running_loop().create_task(run())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _end_beside(self) -> None:
        beside = list(self._beside)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)

    async def close(self) -> None:
        """Disconnects, saves, and makes everything durable."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._end_all()
            for opened in self.objects.values():
                await opened.live.end()
            written = asyncio.wrap_future(self.store.write([]))  # what the disk refused is told by then
            await asyncio.gather(written, return_exceptions=True)
            if self.objects and (self.clean or self.may_leave_early()):  # else the disk lacks doubts
                with suppress(Damaged):  # of the profile: the next start trusts nothing that is left
                    self.store.write([PutValue(META, CLEAN, b"\x01"), *self.waking.at_end()])
        finally:  # whatever went wrong, the home can be opened again
            await asyncio.to_thread(self.store.close)
            self.lock.release()

    async def _end_all(self) -> None:
        """Ends everything that uses the store."""
        if self._linkings is not None:
            await self._linkings.end_all()
        if self._pairings is not None:
            await self._pairings.end_all()
        await self.online.end()
        await self._end_beside()  # it would find the store closed
        for opened in self.objects.values():
            opened.live.stop()
            self._end_renewal(opened.live.id)
        for renewal in self._ending:
            await renewal.close()


if TYPE_CHECKING:
    from .device_book import DeviceBook
    from .linking import Linkings
    from .mailroom import Mailroom
    from .pairing import Pairings
    from .recovery_keeper import RecoveryKeeper
