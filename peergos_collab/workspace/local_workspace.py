"""The workspace inside the engine's own process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeVar, cast

from ..codec import decode_untrusted, encode, to_multibase
from ..codec.address import format_address, parse_address
from ..codec.ids import ObjectId
from ..codec.shape import array, many, some_bytes
from ..codec.shown import show_person
from ..crypto import Tag, copen, cseal, hash256
from ..documents import Document, difference
from ..errors import (
    Conflict,
    Damaged,
    NoNode,
    NotFound,
    Offline,
    PassphraseNeeded,
    RemoteProtocolError,
    UsageError,
    WrongPin,
)
from ..files.changes import add_node, put_entry, remove, remove_node, rename
from ..files.entries import EntryView
from ..files.names import check_name
from ..objects.links import Capability
from ..objects.payload import Kind
from ..ports import PutValue
from ..sync.record_book import epoch_batch
from .apart import write_apart
from .api import (
    ChatHandle,
    Check,
    DocumentHandle,
    Entry,
    Event,
    Member,
    Message,
    NodeState,
    ObjectState,
    Options,
    Path,
    Role,
    ShareLink,
    Status,
)
from .checking import check_home, repair_home
from .engine import Engine
from .entry_node import use_entry_node
from .folds import ChatFold, DocumentFold
from .forgotten_here import forget_now
from .handles import LocalChat, LocalDocument
from .home import found_object, has_passphrase, open_keys, use_key_store
from .local_devices import LocalDevices
from .local_past import LocalPast
from .local_people import LocalPeople
from .local_state import VERSIONS
from .machine import now_ms
from .made_links import forget_ended
from .network import Network, with_node
from .node_faults import node_faults
from .open_object import OpenObject
from .preview import NOT_VERIFIED
from .prune_checks import check_for_a_moment
from .references import ObjectReference
from .resting import Note, Place
from .sharing import KIND_NAMES, ROLES, join, links, members, share_link
from .states_at_rest import IN_TURN, read_profile
from .summaries import Summary, stored_summary

T = TypeVar("T")

KEPT_VERSIONS: Final = 8


class LocalWorkspace(LocalPeople, LocalDevices, LocalPast):
    """Implements ``Workspace``."""

    attached = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.salvage = engine.salvage

    # -- overview -------------------------------------------------------------------------------

    async def status(self) -> Status:
        engine = self.engine
        engine.waking.open_awake()
        credentials = engine.keys.credentials
        at_rest = await engine.at_rest.all()  # first, as others may have their turn meanwhile
        opened = [self._state(opened) for opened in engine.objects.values() if opened.path]
        objects = (*opened, *at_rest)
        peers = sum(state.peers for state in objects)
        return Status(
            to_multibase(credentials.account_id),
            to_multibase(credentials.device_id),
            show_person(credentials.name),
            tuple(await self.nodes()),
            objects,
            peers,
            engine.online.network is not None,
            (*engine.problems, *self._profile_faults()),
            engine.entry_node(),
            engine.online.lan,
        )

    def _profile_faults(self) -> list[str]:
        engine = self.engine
        profile, names = engine.objects.get(engine.keys.profile), engine.mailroom.book.names()
        return [fault.what for fault in node_faults(profile, names)] if profile is not None else []

    def _state(self, opened: OpenObject) -> ObjectState:
        live = opened.live
        ways = [via for _, via, _ in live.links.values()]
        direct = sum(via in {"webrtc", "lan"} for via in ways)
        path = Path.DIRECT if direct else Path.NODE if "node" in ways else Path.OFFLINE
        replica = live.replica
        saved = ["here"] if live.is_saved else []
        saved += [node for node in live.nodes if live.saved_on(node)]
        names = self.engine.mailroom.book.names()
        removed = opened.removal(names)
        problems = list(dict.fromkeys([*replica.problems, *filter(None, [removed])]))
        if live.unverified:
            problems.append(NOT_VERIFIED)
        aside = ((show_person(item.name), item.reason) for item in replica.order.set_aside)
        problems += [f"a change by {name} was set aside: {reason}" for name, reason in aside]
        problems += opened.false_adds(names)
        problems += [fault.what for fault in node_faults(opened, names)]
        named = {false.record for false in replica.view.false_adds}
        problems += [reason for record, reason in replica.view.void.items() if record not in named]
        kind = KIND_NAMES.get(Kind(replica.fold.kind), "other")
        return ObjectState(
            opened.path, kind, tuple(saved), len(replica.unsealed), path, direct, tuple(problems), removed
        )

    async def list_entries(self, after: str = "", most: int = 0) -> list[Entry]:
        if most:
            return [self._entry(view, None) for view in self.engine.profile.view.rows(after, most)]
        await read_profile(self.engine)
        noted = self.engine.resting.note_at  # read at once, where each summary by itself takes longer
        rows = []
        for view in self.engine.profile.view.entries().values():
            rows.append(self._entry(view, noted(view.id)))
            if len(rows) % IN_TURN == 0:
                await asyncio.sleep(0)
        return rows

    def _entry(self, view: EntryView, note: Note | None) -> Entry:
        try:
            summary = note.summary if note is not None else self._summary(view.reference)
        except RemoteProtocolError:
            return Entry(view.shown, "damaged", 0, view.modified, Role.READER)
        role = ROLES[summary.level] if summary.level is not None else None
        return Entry(view.shown, view.kind, summary.size, summary.modified or view.modified, role)

    def _summary(self, reference: bytes) -> Summary:
        capability = ObjectReference.decode_untrusted(reference).capability
        opened = self.engine.objects.get(capability.object)
        if opened is not None:
            return opened.live.summary()
        local = self.engine.keys.credentials.local
        stored = stored_summary(self.engine.store, local, capability.object)
        return stored or Summary(0, 0, capability.keys.level)

    async def move(self, source: str, target: str) -> None:
        view = self._view(source)
        if self.engine.profile.view.find(target) is not None:
            raise Conflict(f"there is a {target!r} here already; nothing was changed")
        await self.engine.change_profile(rename(view.id, target, now=now_ms()))

    async def remove(self, path: str) -> None:
        view = self._view(path)
        await self.engine.change_profile(remove(view.id))
        try:
            reference = ObjectReference.decode_untrusted(view.reference)
        except RemoteProtocolError:
            return
        self.engine.forget(reference.capability.object)
        self.engine.resting.forget(reference.capability.object)

    def _view(self, path: str) -> EntryView:
        view = self.engine.profile.view.find(path)
        if view is None:
            raise NotFound(f"there is no {path!r} here")
        return view

    # -- nodes ----------------------------------------------------------------------------------

    async def add_node(self, address: str) -> None:
        text = format_address(parse_address(address))
        async with await with_node(self.engine.transport, self.engine.link_events, os.urandom, text) as link:
            await link.get_drop(bytes(32))  # any question: an answer shows that it is a node
        await self.engine.change_profile(add_node(text))
        await self.engine.recovery.note()
        await self.engine.mailroom.tell_card()

    async def remove_node(self, address: str) -> None:
        text = format_address(parse_address(address))
        if text not in self.engine.profile.view.nodes():
            raise NotFound(
                f"{text} is none of this account's nodes; nothing was changed",
                hint="'pgc node list' shows them.",
            )
        await self.engine.change_profile(remove_node(text))
        await self.engine.mailroom.tell_card()

    async def set_entry_node(self, address: str) -> None:
        await use_entry_node(self.engine, address)

    async def set_lan(self, allowed: bool) -> None:
        await self.engine.online.set_lan(allowed)

    async def nodes(self) -> list[NodeState]:
        states = []
        for address in self.engine.profile.view.nodes():
            links = (
                self.engine.online.network.node_links(address)
                if self.engine.online.network is not None
                else []
            )
            problem = next((link.problem for link in links if link.problem), "")
            states.append(NodeState(address, any(link.connected or link.rested for link in links), problem))
        return states

    # -- documents ------------------------------------------------------------------------------

    async def new_document(self, path: str, text: str = "") -> None:
        opened = await self._new(path, Kind.DOCUMENT)
        if text:
            fold = cast(DocumentFold, opened.fold)
            fold.document.edit(0, 0, text)
            await opened.live.durable()
        await self._enter(path, opened, Kind.DOCUMENT)

    async def _new(self, path: str, kind: Kind) -> OpenObject:
        check_name(path)
        if self.engine.profile.view.find(path) is not None:
            raise Conflict(f"there is a {path!r} here already; nothing was changed")
        epoch, keys = found_object(self.engine.keys.credentials, kind, os.urandom)
        await asyncio.wrap_future(self.engine.store.write(epoch_batch(epoch)))
        capability = Capability(epoch.object, epoch.id, keys, int(kind), path, ())
        return self.engine.open_reference(path, ObjectReference(capability))

    async def _enter(self, path: str, opened: OpenObject, kind: Kind) -> None:
        replica = opened.live.replica
        epoch, keys = next(iter(replica.keys.items()))
        reference = ObjectReference(Capability(replica.object, epoch, keys, int(kind), path, ()))
        change = put_entry(os.urandom(16), path, KIND_NAMES[kind], reference.encode(), now=now_ms())
        await self.engine.change_profile(change)

    async def open_document(self, path: str) -> DocumentHandle:
        await self.engine.open_ahead(path)
        opened, _ = self._document(path)
        return LocalDocument(self.engine, opened).hold()

    async def read_document(self, path: str) -> tuple[str, str]:
        await self.engine.open_ahead(path)
        text, state = self._on_document(path, lambda document: (document.text, document.state()))
        version = to_multibase(hash256(Tag.VERSION, state)[:16])
        opened, _ = self._document(path)
        self._keep_version(opened.live.id, version, state)
        await opened.live.durable()
        return text, version

    async def write_document(self, path: str, text: str, *, base: str = "") -> None:
        await self.engine.open_ahead(path)
        self._on_document(path, Document.wake)
        opened, fold = self._document(path)
        self.engine.devices.check_stands()
        opened.live.replica.check_may_write()
        document = fold.document
        if base:
            self._write_on_base(opened, text, base)
        else:
            document.edit_each(difference(document.text, text))
        await opened.live.durable()

    def _on_document(self, path: str, work: Callable[[Document], T]) -> T:
        """As ``_on_chat``."""
        try:
            return work(self._document(path)[1].document)
        except Damaged as damage:
            self.engine.start_over(self.engine.find(path).live.id, damage)
            return work(self._document(path)[1].document)

    def _write_on_base(self, opened: OpenObject, text: str, base: str) -> None:
        """Edits the older state apart, and merges that in."""
        states = dict(self._versions(opened.live.id))
        if base not in states:
            raise NotFound(
                f"version {base!r} is not kept any more; nothing was changed",
                hint="Read the document again with 'pgc doc cat --json' and redo the change on that.",
            )
        write_apart(opened, states[base], text)

    def _keep_version(self, object_id: ObjectId, version: str, state: bytes) -> None:
        known = self._versions(object_id)
        if known and known[-1][0] == version:
            return
        kept = [(name, old) for name, old in known if name != version]
        kept = [*kept[1 - KEPT_VERSIONS :], (version, state)]
        raw = encode([[name, old] for name, old in kept])
        sealed = cseal(self.engine.keys.credentials.local, Tag.LOCAL_VERSIONS, raw, object_id, os.urandom)
        self.engine.store.write([PutValue(VERSIONS, object_id, sealed)])

    def _versions(self, object_id: ObjectId) -> list[tuple[str, bytes]]:
        try:
            sealed = self.engine.store.value(VERSIONS, object_id)
            if sealed is None:
                return []
            raw = copen(self.engine.keys.credentials.local, Tag.LOCAL_VERSIONS, sealed, object_id)
            items = many(decode_untrusted(raw, 1 << 30), KEPT_VERSIONS, "versions")
            pairs = [array(item, 2, "version") for item in items]
            return [(str(name), some_bytes(state, 1 << 30, "state")) for name, state in pairs]
        except (Damaged, RemoteProtocolError):
            return []  # a cache: what is lost here was only there to merge older edits onto

    async def export_document(self, path: str, format: str) -> bytes:
        opened, fold = self._document(path)
        if not opened.live.failed:  # else this is how it is saved at all
            await opened.live.durable()
        if format == "text":
            return fold.document.text.encode()
        if format == "yjs":
            return self._on_document(path, Document.state)
        raise UsageError(f"{format!r} is no export format; 'text' and 'yjs' are")

    # -- chats ----------------------------------------------------------------------------------

    async def new_chat(self, path: str) -> None:
        opened = await self._new(path, Kind.CHAT)
        await self._enter(path, opened, Kind.CHAT)

    def _chat(self, path: str) -> LocalChat:
        opened = self.engine.find(path)
        if not isinstance(opened.fold, ChatFold):
            raise UsageError(f"{path!r} is no chat")
        return LocalChat(self.engine, opened)

    def _on_chat(self, path: str, work: Callable[[LocalChat], T]) -> T:
        """``work`` on a chat; where its local state turns out to be damaged, once more on a rebuilt one."""
        try:
            return work(self._chat(path))
        except Damaged as damage:
            self.engine.start_over(self.engine.find(path).live.id, damage)
            return work(self._chat(path))

    async def open_chat(self, path: str) -> ChatHandle:
        await self.engine.open_ahead(path)
        return self._on_chat(path, _with_its_end).hold()

    async def send_message(self, path: str, text: str) -> str:
        self.engine.devices.check_stands()
        return await self._on_chat(path, _with_its_end).send(text)

    async def read_messages(self, path: str, last: int) -> list[Message]:
        await self.engine.find(path).live.durable()
        return self._on_chat(path, lambda chat: chat.messages(max(0, len(chat) - last), len(chat)))

    async def search_messages(self, path: str, query: str) -> list[Message]:
        return self._on_chat(path, lambda chat: chat.search(query, 1000))

    # -- sharing --------------------------------------------------------------------------------

    async def share_link(
        self, path: str, role: Role, *, expires: int | None = None, password: str = ""
    ) -> str:
        return await share_link(self.engine, path, role, expires or 0, password)

    async def links(self, path: str) -> list[ShareLink]:
        return links(self.engine, path)

    async def join(self, link: str, path: str = "", *, password: str = "", timeout: float = 30.0) -> str:
        return await join(self.engine, link, path, password, timeout)

    async def members(self, path: str) -> list[Member]:
        return members(self.engine, path)

    # -- being online ---------------------------------------------------------------------------

    async def check(self, *, repair: bool = False) -> Check:
        return await (repair_home(self.engine, self.sync) if repair else check_home(self.engine))

    async def sync(self, timeout: float = 30.0) -> None:
        engine = self.engine
        async with engine.online.needed() as network:
            with engine.online.hurrying():
                network.refresh()
                await self._sync(network, timeout)

    async def _sync(self, network: Network, timeout: float) -> None:
        engine = self.engine
        if not any(opened.live.nodes for opened in engine.objects.values()) and not engine.resting.places:
            raise NoNode
        engine.mailroom.start()
        behind: list[OpenObject] = []

        def synced() -> bool:
            """Asks about all only once none is left of those that were behind when it last did."""
            while behind:
                if engine.objects.get(behind[-1].live.id) is behind[-1] and not self._synced(behind[-1]):
                    return False
                behind.pop()
            behind.extend(opened for opened in engine.objects.values() if not self._synced(opened))
            return not behind

        def done() -> bool:
            engine.devices.check_stands()
            if engine.waking.busy:
                return False
            compared = all(self._compared(network, at) for at in engine.resting.places)
            return compared and synced() and engine.mailroom.settled()

        try:
            await engine.news.wait_until(done, timeout, "syncing")
        except Offline:
            for node_link in network.links.values():
                if node_link.problem and node_link.link is None:
                    raise (WrongPin if node_link.wrong_pin else Offline)(node_link.problem) from None
            raise
        for opened in list(engine.objects.values()):  # others may be opened meanwhile
            await opened.live.durable()
        await forget_now(engine, list(engine.objects.values()))
        await check_for_a_moment(engine, list(engine.objects.values()))
        await forget_ended(engine)
        await engine.recovery.keep()

    @staticmethod
    def _compared(network: Network, place: Place) -> bool:
        """Whether a node has said what it has else than the objects at rest."""
        node_link = network.links.get(place)
        if node_link is not None and node_link.wrong_pin:
            raise WrongPin(node_link.problem)
        return node_link is not None and node_link.link is not None and node_link.link.compared

    def _synced(self, opened: OpenObject) -> bool:
        network = self.engine.online.network
        assert network is not None
        if opened.live.replica.is_removed:
            return True  # nodes take nothing from us, and give nothing but the word that it is so
        for node in opened.live.nodes:
            node_link = network.link_of(opened.live.id, node)
            if node_link is not None and node_link.wrong_pin:
                raise WrongPin(node_link.problem)
            link = node_link.link if node_link is not None else None
            if link is not None and opened.live.id in link.lacking:
                continue  # neither side has anything of it, which is told
            if link is None or opened.live.id not in link.ready:
                return False
            # What it signed for in an earlier session it may have lost since.
            saved = opened.live.id in link.checked and opened.live.saved_on(node)
            if opened.live.replica.can_write and not saved:
                return False
        return True

    async def go_online(self, options: Options) -> None:
        await self.engine.online.stay(options)

    async def events(self, path: str = "") -> AsyncIterator[Event]:
        queue = self.engine.news.subscribe()
        try:
            with self._watching(path):
                while True:
                    event = await queue.get()
                    if not path or event.path == path:
                        yield event
        finally:
            self.engine.news.unsubscribe(queue)

    def _watching(self, path: str) -> AbstractContextManager[None]:
        there = bool(path) and self.engine.profile.view.find(path) is not None
        return self.engine.online.holding(self.engine.find(path)) if there else nullcontext()

    async def change_passphrase(self, old: str | None, new: str | None) -> None:
        engine = self.engine
        if old is not None:
            await asyncio.to_thread(_check_passphrase, engine, old)
        elif has_passphrase(engine.home):
            raise PassphraseNeeded
        # It takes a second, in which this device may learn of new keys: those must not be lost.
        store, _ = await asyncio.to_thread(engine.keys.store.change_passphrase, new, os.urandom)
        engine.keys = use_key_store(engine.home, engine.keys, store, locked=new is not None)

    async def close(self) -> None:
        await self.engine.close()


def _check_passphrase(engine: Engine, passphrase: str) -> None:
    open_keys(engine.home, passphrase)


def _with_its_end(chat: LocalChat) -> LocalChat:
    """The chat, of which the newest message was looked at. Raises Damaged."""
    chat.messages(len(chat) - 1, len(chat))
    return chat
