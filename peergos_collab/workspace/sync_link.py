"""A session at work: one connection to a node or a peer, and the objects that are open on it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol, TypeVar

from ..codec.ids import ObjectId
from ..codec.shown import escape_hidden
from ..crypto import Watchword
from ..errors import Damaged, Offline, PeergosCollabError, Refused, RemoteProtocolError
from ..objects.archives import Archive
from ..objects.snapshots import SnapshotPlace
from ..ports import Connection, Random
from ..sync.arrivals import Offered
from ..sync.logbook import LogBook
from ..sync.receipts import Receipt
from ..sync.session import Session
from ..sync.session_events import (
    ArchiveCame,
    CaughtUp,
    Closed,
    ClosedArchiveCame,
    CollectionCompared,
    DropCame,
    EphemeralCame,
    FalseArchiveCame,
    Greeted,
    Met,
    Opened,
    Ponged,
    PruneTold,
    ReceiptsShown,
    RecordsCame,
    RefusedCame,
    SegmentsCame,
    SessionEvent,
    SnapshotCame,
    Stirred,
)
from .live_object import LiveObject

T = TypeVar("T")

PING_SECONDS: Final = 5.0
PING_SPREAD: Final = (0.7, 1.0)
LOST_SECONDS: Final = 15.0
"""A node that says nothing for so long is taken for lost, and the connection is made anew."""

PROBE_SECONDS: Final = 3.0
"""The same where there is reason to doubt: after a sleep, or in another network."""

SLICE_SECONDS: Final = 0.002
"""One connection is served for so long, or one frame if that takes longer; then it is the others' turn."""

MAX_WORDS: Final = 200
"""Characters of a refusal that are shown."""

ANSWER_SECONDS: Final = 30.0
"""For a node to answer a question. One that says something now and then, but not that, is no help."""

MAX_COMPARES: Final = 3
"""How often heads are compared anew in a row because a segment's predecessor was missing."""

COMPARE_SECONDS: Final = 1.0
"""After an object came to rest, until all that are at rest are compared anew."""

Collected = tuple[list[ObjectId], list[bytes], list[ObjectId]]

Reply = Callable[[list[Receipt]], None]
"""Shows receipts of the same node to who showed some."""


class LinkOwner(Protocol):
    """What a link tells the engine."""

    def object_open(self, object_id: ObjectId) -> LiveObject | None: ...

    def on_ephemeral(self, live: LiveObject, event: EphemeralCame, via: str) -> None: ...

    def on_problem(self, live: LiveObject | None, words: str) -> None: ...

    def on_damage(self, live: LiveObject, damage: Damaged) -> None: ...

    def on_ready(self, live: LiveObject, link: SyncLink) -> None: ...

    def on_shown(self, live: LiveObject, shown: ReceiptsShown, reply: Reply) -> None: ...

    def on_snapshot(self, live: LiveObject, event: SnapshotCame) -> SnapshotPlace | None:
        """Gives which segment to ask for next, if that was not all of it."""

    def on_stirred(self, objects: list[ObjectId]) -> None: ...

    async def take_closed(self, live: LiveObject, archive: Archive, via: str, origin: Session) -> Offered: ...

    def on_false_archive(self, live: LiveObject, event: FalseArchiveCame, who: str) -> None: ...

    def on_pruned(self, live: LiveObject, node: str, told: PruneTold) -> None: ...

    def wanted_snapshot(self, live: LiveObject) -> SnapshotPlace | None: ...


class SyncLink:
    """See the module's text.

    Args:
        node: the node's address as text; empty for a peer.
        takes_mail: a peer who greeted may put mail here.
        channel: what he greeted on, where the connection alone does not name both ends.
        resting: objects that are not open, in their order, the sum of each, and those that the node may know.
    """

    def __init__(
        self,
        connection: Connection,
        objects: Mapping[ObjectId, LiveObject],
        owner: LinkOwner,
        random: Random,
        node: str = "",
        *,
        takes_mail: bool = False,
        channel: bytes = b"",
        resting: Callable[[], Collected] = lambda: ([], [], []),
    ) -> None:
        self.node = node
        self.via = connection.kind
        channel = channel or connection.channel
        self.session = Session(channel, self._book, random, with_node=bool(node), takes_mail=takes_mail)
        self.ready: set[ObjectId] = set()
        self.checked: set[ObjectId] = set()
        """Objects for which the node has said in this very session all that it has."""
        self.compared = False
        """Whether the node has said of which objects that are not open it has something else."""
        self.lacking: set[ObjectId] = set()
        """Objects that the node does not have, or not for us, and of which nothing is here yet."""
        self.drops: dict[bytes, asyncio.Future[bytes]] = {}
        self._connection = connection
        self._objects = dict(objects)
        self._resting = resting
        self._told: dict[ObjectId, Watchword] = {}
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._comparing: asyncio.TimerHandle | None = None
        self._more_rest = False
        self._flushing = False
        self._ended = False
        self._heard = self._loop.time()
        self._probed = asyncio.Event()
        self._pings = 0
        self._archives: dict[bytes, asyncio.Future[Archive | None]] = {}
        self._behind: dict[ObjectId, list[SessionEvent]] = {}
        """Of objects of which a snapshot was asked for, what is taken only after it: there is no credit for
        more than 1 MiB of that, which may take long to fold in."""
        self._closing: dict[ObjectId, asyncio.Task[None]] = {}
        """Of objects what takes a closed archive; the segments behind it are taken after it, too."""
        self._compares: dict[ObjectId, int] = {}
        self._asked: dict[ObjectId, list[asyncio.Future[None]]] = {}
        self._receipts: dict[ObjectId, list[asyncio.Future[None]]] = {}
        self._marks: dict[ObjectId, int] = {}

    def _book(self, object_id: ObjectId) -> LogBook | None:
        live = self._objects.get(object_id)
        return live.replica.book if live is not None else None

    # -- objects --------------------------------------------------------------------------------

    def set_objects(self, objects: Mapping[ObjectId, LiveObject]) -> None:
        """Opens and closes objects on the running session."""
        for object_id in list(self._objects):
            if object_id not in objects:
                self._leave(object_id)
                self.session.close_object(object_id)
        for object_id, live in objects.items():
            if object_id not in self._objects:
                self._objects[object_id] = live
                self._enter(live)
        self.flush()

    def _enter(self, live: LiveObject) -> None:
        live.links[id(self)] = (self.session, self.via, self.flush)
        if self.node:
            self._marks[live.id] = live.receipts.told.mark(self.node)
        self.session.open(live.id, live.replica.keys)

    def _leave(self, object_id: ObjectId) -> None:
        live = self._objects.pop(object_id, None)
        self.ready.discard(object_id)
        self.checked.discard(object_id)
        self._told.pop(object_id, None)
        self.lacking.discard(object_id)
        self._behind.pop(object_id, None)
        if object_id in self._closing:
            self._closing.pop(object_id).cancel()
        for waiter in (*self._asked.pop(object_id, ()), *self._receipts.pop(object_id, ())):
            if not waiter.done():
                waiter.set_exception(_gone())
        if live is not None:
            live.links.pop(id(self), None)
            live.catching_up.go_on()
            if not live.links:
                live.replica.released = False

    # -- running --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves the connection until it ends, then raises Offline or RemoteProtocolError."""
        for live in list(self._objects.values()):
            self._enter(live)
        self._compare_resting()
        self.flush()
        watch = asyncio.create_task(self._watch()) if self.node else None
        served = 0.0
        try:
            while True:
                message = await self._connection.receive()
                self._heard = self._loop.time()
                for event in self.session.receive_untrusted(message):
                    self._handle_apart(event)
                    if self._loop.time() - self._heard > SLICE_SECONDS:
                        await asyncio.sleep(0)  # an archive is many events
                self.flush()
                served += self._loop.time() - self._heard
                if served > SLICE_SECONDS:
                    await asyncio.sleep(0)  # what has come already would be taken without a pause
                    served = 0.0
                await self._connection.drain()
        finally:
            if watch is not None:
                watch.cancel()
            if self._comparing is not None:
                self._comparing.cancel()
            for object_id in list(self._objects):
                self._leave(object_id)
            self._fail_waiting()
            await self._connection.close()

    def _compare_resting(self) -> None:
        self._comparing = None
        objects, sums, before = self._resting()
        if any(sums):
            self.session.collections.compare(objects, sums, before)
            self.flush()
        else:
            self.compared = True

    def compare_resting_soon(self) -> None:
        """More objects are at rest: they are compared, too, with those that come to rest meanwhile."""
        if self.compared:
            self._comparing = self._loop.call_later(COMPARE_SECONDS, self._compare_resting)
        elif self._comparing is None:
            self._more_rest = True  # a comparison is on its way
        self.compared = False

    def _take_compared(self, differ: list[ObjectId]) -> None:
        self.compared = True
        if self._more_rest:
            self._more_rest = False
            self.compare_resting_soon()
        self._owner.on_stirred(differ)

    def _fail_waiting(self) -> None:
        self._ended = True
        for drop in self.drops.values():
            if not drop.done():
                drop.set_exception(_gone())
        for archive in self._archives.values():
            if not archive.done():
                archive.set_exception(_gone())

    def probe(self) -> None:
        """Has the other side give a sign of life; without one the connection soon counts as lost."""
        self._probed.set()

    async def _watch(self) -> None:
        """Notices a path that drops packets without a word."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS * random.uniform(*PING_SPREAD)):  # noqa: S311 - no common beat
                    await self._probed.wait()
            now, probed = self._loop.time(), self._probed.is_set()
            if probed or now - self._heard >= PING_SECONDS:
                self._pings += 1
                self.session.ping(self._pings)
                self.flush()
            if probed:
                self._probed.clear()
                await asyncio.sleep(PROBE_SECONDS)
            if now - self._heard > (0 if probed else LOST_SECONDS):
                await self._connection.close()
                return

    def flush(self) -> None:
        """Sends what is ready, once per turn of the loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._introduce_found()
        for message in self.session.take_outgoing():
            self._connection.send(message)
        damaged = dict(self.session.damaged)
        self.session.damaged.clear()
        for object_id, damage in damaged.items():
            live = self._objects.get(object_id)
            if live is not None:
                self._mend(live, damage)

    def _mend(self, live: LiveObject, damage: Damaged) -> None:
        """Nobody awaits a flush, so what cannot be mended either is told here."""
        try:
            self._owner.on_damage(live, damage)
        except PeergosCollabError as error:
            self._owner.on_problem(None, error.message)

    async def close(self) -> None:
        await self._connection.close()

    # -- events ---------------------------------------------------------------------------------

    def _handle_apart(self, event: SessionEvent) -> None:
        held = self._behind.keys() | self._closing
        if isinstance(event, SegmentsCame | ClosedArchiveCame | CaughtUp) and event.object in held:
            self._behind.setdefault(event.object, []).append(event)
        else:
            self._take_apart(event)

    def _take_apart(self, event: SessionEvent) -> None:
        """Damage to one object on this disk is nothing to the other objects of the session."""
        try:
            self._handle(event)
        except Damaged as damage:
            live = self._objects.get(getattr(event, "object", None) or ObjectId(b""))
            if live is None:
                raise
            if isinstance(event, SegmentsCame):
                self.session.grant_credit(event.size)
            self._owner.on_damage(live, damage)

    def _handle(self, event: SessionEvent) -> None:
        match event:
            case RecordsCame():
                self._records(event)
            case SegmentsCame():
                self._segments(event)
            case ClosedArchiveCame():
                self._closed(event)
            case FalseArchiveCame():
                self.session.grant_credit(event.size)
                live = self._objects.get(event.object)
                if live is not None:
                    self._owner.on_false_archive(live, event, self.who)
            case ArchiveCame():
                asked = self._archives.pop(event.id, None)
                if asked is not None and not asked.done():
                    asked.set_result(event.archive)
            case PruneTold():
                live = self._objects.get(event.object)
                if live is not None and self.node:
                    self._owner.on_pruned(live, self.node, event)
            case EphemeralCame():
                live = self._objects.get(event.object)
                if live is not None:
                    self._owner.on_ephemeral(live, event, self.via)
            case CaughtUp():
                self._caught_up(event.object)
            case Opened():
                self._opened(event.object)
            case Receipt():
                self._receipt(event)
            case ReceiptsShown():
                self._shown(event)
            case SnapshotCame():
                self._snapshot(event)
            case RefusedCame():
                self._refused(event)
            case DropCame():
                waiter = self.drops.pop(event.public, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(event.raw)
            case CollectionCompared():
                self._take_compared(event.differ)
            case Stirred():
                self._owner.on_stirred([event.object])
            case Greeted() | Ponged() | Met() | Closed():
                pass
            case _:
                raise RemoteProtocolError("a frame that only a node takes")

    def _records(self, event: RecordsCame) -> None:
        live = self._objects.get(event.object)
        if live is None:
            return
        offered = live.take_records(event.raws, self.via, self.session)
        if offered.refused:
            self._owner.on_problem(live, f"{self.who} sent a false record: {offered.refused[0]}")
        if offered.early or offered.barred:
            self._compare_again(live)

    def _segments(self, event: SegmentsCame) -> None:
        live = self._objects.get(event.object)
        if live is not None:
            taken = live.take_segments(event.raws, self.via, self.session)
            if taken.offered.refused:
                words = f"{self.who} sent a false segment: {taken.offered.refused[0]}"
                self._owner.on_problem(live, words)
            if taken.offered.gaps or taken.offered.barred:
                self._compare_again(live)
            elif taken.offered.arrivals:
                self._compares.pop(live.id, None)
        self.session.grant_credit(event.size)

    def _closed(self, event: ClosedArchiveCame) -> None:
        live = self._objects.get(event.object)
        if live is None:
            self.session.grant_credit(event.size)
        else:
            self._closing[live.id] = self._loop.create_task(self._take_closed(live, event))

    async def _take_closed(self, live: LiveObject, event: ClosedArchiveCame) -> None:
        try:
            offered = await self._owner.take_closed(live, event.archive, self.via, self.session)
        except Damaged as damage:
            self._mend(live, damage)
            offered = Offered()
        except PeergosCollabError as error:  # nobody awaits this
            self._owner.on_problem(None, error.message)
            offered = Offered()
        finally:
            self.session.grant_credit(event.size)
        if offered.refused:
            self._owner.on_problem(live, f"{self.who} sent a false archive: {offered.refused[0]}")
        if offered.gaps or offered.barred:
            self._compare_again(live)
        elif offered.arrivals:
            self._compares.pop(live.id, None)
        self._closing.pop(live.id, None)
        self._take_behind(live.id)
        self.flush()

    def _compare_again(self, live: LiveObject) -> None:
        tries = self._compares.get(live.id, 0) + 1
        self._compares[live.id] = tries
        if tries <= MAX_COMPARES:
            self.session.open(live.id, live.replica.keys)

    def _opened(self, object_id: ObjectId) -> None:
        live = self._objects.get(object_id)
        if live is None:
            return
        if not self.session.channels[object_id].opened_here:
            self.session.open(object_id, live.replica.keys)
        self._tell_word(live)
        place = self._owner.wanted_snapshot(live)
        if place is not None and object_id not in self._behind:
            self._behind[object_id] = []
            self.session.get_snapshot(object_id, place)
        self._receipts.setdefault(object_id, []).extend(self._asked.pop(object_id, []))
        if not self.node:
            live.receipts.show_all(self.session)

    def _shown(self, event: ReceiptsShown) -> None:
        live = self._objects.get(event.object)
        if live is not None:
            self._owner.on_shown(live, event, partial(live.receipts.show, self.session, event.node))

    def ask_for_receipt(self, object_id: ObjectId) -> None:
        """The node is to say what it has, before it hears what is here."""
        if object_id in self._objects:
            self.session.get_receipt(object_id)
            self.flush()

    def _snapshot(self, event: SnapshotCame) -> None:
        live = self._objects.get(event.object)
        following = self._owner.on_snapshot(live, event) if live is not None else None
        if following is not None:
            self.session.get_snapshot(event.object, following)
            return
        self._take_behind(event.object)

    def _take_behind(self, object_id: ObjectId) -> None:
        """Goes on with what waits, with pauses as long: somebody looks at the text by now."""
        if object_id in self._closing:
            return  # it goes on after that
        behind = self._behind.get(object_id)
        if not behind:
            self._behind.pop(object_id, None)
            return
        began, event = self._loop.time(), behind.pop(0)
        try:
            self._take_apart(event)
        except PeergosCollabError as error:  # nobody awaits this
            self._owner.on_problem(None, error.message)
        self.flush()
        self._loop.call_later(self._loop.time() - began, self._take_behind, object_id)

    def _caught_up(self, object_id: ObjectId) -> None:
        live = self._objects.get(object_id)
        if live is not None:
            self.ready.add(object_id)
            self._has_it(live)
            live.catching_up.go_on()
            live.release()
            self._owner.on_ready(live, self)

    def _receipt(self, receipt: Receipt) -> None:
        live = self._objects.get(receipt.object)
        if live is None:
            return
        live.take_receipt(self.node, receipt, self._marks.get(live.id, 0))
        if not receipt.whole:
            return
        if not self.session.channels[receipt.object].answers(receipt):
            self._compare_again(live)  # it did not know our newest keys yet
            return
        self.checked.add(receipt.object)
        for future in self._receipts.pop(receipt.object, []):
            if not future.done():
                future.set_result(None)

    def _tell_word(self, live: LiveObject) -> None:
        """So that it may be compared with many others next time. It comes at once, for when there is a pause
        would tell more."""
        word = live.watchword() if self.node else None
        if word is not None and self._told.get(live.id) != word:
            self._told[live.id] = word
            self.session.collections.tell_word(live.id, word)

    def _refused(self, event: RefusedCame) -> None:
        live = self._objects.get(event.object) if event.object is not None else None
        if live is None:
            if event.object is None:
                self._refused_something(f"{self.who} refused: {_quoted(event.words)}")
            return
        if event.reason == "unknown":
            self._introduce(live)
        elif event.reason == "gap":
            self._compare_again(live)
        else:
            self._owner.on_problem(live, f"{self.who} refused a change: {_quoted(event.words)}")

    def _refused_something(self, words: str) -> None:
        """A refusal that names no object is of a drop, if one is waiting for its answer."""
        waiting, self.drops = self.drops, {}
        for drop in waiting.values():
            if not drop.done():
                drop.set_exception(Refused(words))
        if not waiting:
            self._owner.on_problem(None, words)

    def _introduce(self, live: LiveObject) -> None:
        """The node does not have the object (yet, or any more): it gets the records, then we open again."""
        book = live.replica.book
        if not self.node or not book.epochs:
            self.lacking.add(live.id)
            self._owner.on_problem(live, self._lacks())
            return
        tries = self._compares.get(live.id, 0) + 1
        self._compares[live.id] = tries
        if tries > MAX_COMPARES:
            self._owner.on_problem(live, f"{self.who} does not take it; it is safe here")
        else:
            # With its first epoch the node can check our proof of it, and then takes the others from us.
            self.session.send_records(live.id, [epoch.raw for epoch in book.epochs.values() if epoch.first])
            self.session.open(live.id, live.replica.keys)

    def _introduce_found(self) -> None:
        """What another node or peer had meanwhile is for this node too."""
        for object_id in [each for each in self.lacking if self._objects[each].replica.book.epochs]:
            self.lacking.discard(object_id)
            live = self._objects[object_id]
            self._has_it(live)
            if self.node:
                self._introduce(live)

    def _has_it(self, live: LiveObject) -> None:
        """What was said on an earlier session as well is no longer so."""
        if self._lacks() in live.replica.problems:
            live.replica.problems.remove(self._lacks())

    def _lacks(self) -> str:
        return f"{self.who} does not have it, or we have no right to it"

    @property
    def who(self) -> str:
        """The other side, in words."""
        return f"the node {self.node}" if self.node else "a peer"

    # -- asking ---------------------------------------------------------------------------------

    async def get_drop(self, public: bytes) -> bytes:
        """A drop of the node; empty where it has none."""
        return await self._drop(public, lambda: self.session.get_drop(public))

    async def put_drop(self, public: bytes, raw: bytes) -> None:
        """Returns once the node has made it durable."""
        await self._drop(public, lambda: self.session.put_drop(raw))

    async def _drop(self, public: bytes, ask: Callable[[], None]) -> bytes:
        self._check_open()
        future: asyncio.Future[bytes] = self._loop.create_future()
        self.drops[public] = future
        ask()
        self.flush()
        return await self._answered(future)

    async def get_archive(self, object_id: ObjectId, archive_id: bytes) -> Archive | None:
        """An archive that a prune record names; None where the other side has it not. Raises Offline."""
        self._check_open()
        if archive_id not in self._archives:
            self._archives[archive_id] = self._loop.create_future()
            self.session.archives.get(object_id, archive_id)
            self.flush()
        return await self._answered(self._archives[archive_id])

    async def confirmed(self, object_id: ObjectId) -> None:
        """Returns once the node says that everything sent so far for an object is durable there.

        Raises:
            Offline: the connection ended, or the object goes over another one by now; or no answer came.
        """
        self._check_open()
        if object_id not in self._objects:
            raise _gone()
        future: asyncio.Future[None] = self._loop.create_future()
        # The node answers an OPEN at once, and with a receipt once all before it is durable.
        self._asked.setdefault(object_id, []).append(future)
        self.session.open(object_id, self._objects[object_id].replica.keys)
        self.flush()
        await self._answered(future)

    def _check_open(self) -> None:
        """Raises Offline where nobody takes questions any more."""
        if self._ended:
            raise _gone()

    @staticmethod
    async def _answered(answer: asyncio.Future[T]) -> T:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            raise Offline(f"the node did not answer within {ANSWER_SECONDS:g} s; nothing is lost") from None


def _gone() -> Offline:
    return Offline("the connection ended before the answer came; nothing is lost")


def _quoted(words: str) -> str:
    """What the other side said, as one line without anything hidden."""
    return " ".join(escape_hidden(words[:MAX_WORDS]).split())
