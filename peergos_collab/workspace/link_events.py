"""What links tell of objects: handed to the objects, to people, and to the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ..codec.ids import ObjectId
from ..errors import Damaged, PeergosCollabError, RemoteProtocolError
from ..objects.archives import Archive
from ..objects.snapshots import SnapshotPlace
from ..sync.arrivals import Offered
from ..sync.faults import Against
from ..sync.receipts import Receipt
from ..sync.session import Session
from ..sync.session_events import EphemeralCame, FalseArchiveCame, PruneTold, ReceiptsShown, SnapshotCame
from .api import Event
from .archiving import take_closed
from .history import settle, show_preview_untrusted
from .live_object import LiveObject
from .made_links import forget_ended
from .open_object import PROFILE_PATH, OpenObject
from .sync_link import LinkOwner, Reply, SyncLink
from .told import pin_of, read_shown_untrusted, write_shown

if TYPE_CHECKING:
    from .engine import Engine


OTHER_KEY: Final = (
    "a member shows receipts that are said to be of the node {node}, but are not signed with the key that it "
    "shows here: either it shows members different keys, or that member's program is not honest"
)


FALSE_HISTORY: Final = (
    "{node} gives an archive in place of older changes that does not hold them ({words}); {who} named it for "
    "that. Members who were there before have them, and give them when they are connected directly"
)


DOUBT_SECONDS: Final = 2.0
"""What a node said to another member it most likely says here too, within this time; if not, it is asked."""


class LinkEvents(LinkOwner):
    """What the engine does about it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._doubted: set[tuple[ObjectId, str]] = set()
        """Nodes that will be asked about an object: once, however much is shown meanwhile."""

    def object_open(self, object_id: ObjectId) -> LiveObject | None:
        opened = self.engine.objects.get(object_id)
        return opened.live if opened is not None else None

    def on_ephemeral(self, live: LiveObject, event: EphemeralCame, via: str) -> None:
        opened = self.engine.objects.get(live.id)
        if opened is not None:
            opened.presence.take_untrusted(event, via)

    def on_problem(self, live: LiveObject | None, words: str) -> None:
        self.engine.on_problem(live, words)

    def on_damage(self, live: LiveObject, damage: Damaged) -> None:
        self.engine.start_over(live.id, damage)

    def on_ready(self, live: LiveObject, link: SyncLink) -> None:
        opened = self.engine.objects.get(live.id)
        if opened is None:
            return
        if opened.path != PROFILE_PATH and link.node:
            self.engine.news.tell(Event("connected", opened.path, via=link.via))
        self.engine.online.greet(opened)
        self.engine.devices.renew(opened)
        self.engine.check_prunes(opened)
        opened.preview = None  # all of it is here, so there is nothing left to hurry for
        if live.unverified and not opened.settling:
            opened.settling = True
            self.engine.spawn(settle(self.engine, opened))
        if opened.path == PROFILE_PATH:
            self.engine.profile_changes.take()
            self.engine.spawn(forget_ended(self.engine))
            self.engine.spawn(self.engine.recovery.keep())
        self.engine.news.pulse()

    def on_shown(self, live: LiveObject, shown: ReceiptsShown, reply: Reply) -> None:
        found = live.receipts.take_shown(live.nodes, shown)
        if found is None:
            return
        if found.other_key:
            self.on_problem(live, OTHER_KEY.format(node=found.node))
        if found.fault is not None and found.fault.against is Against.ELSEWHERE:
            reply(list(found.fault.had))  # whom it was kept from should know
        if found.doubts and (live.id, found.node) not in self._doubted:
            self._doubted.add((live.id, found.node))
            loop = asyncio.get_running_loop()
            loop.call_later(DOUBT_SECONDS, self._ask, live, found.node)

    def on_receipts(self, opened: OpenObject, content: bytes) -> None:
        """Somebody shows what a node signed by way of a relay."""

        def reply(receipts: list[Receipt]) -> None:
            opened.presence.show_receipts(write_shown(shown.node, receipts))

        try:
            shown = read_shown_untrusted(content, opened.live.id)
            self.on_shown(opened.live, shown, reply)
        except RemoteProtocolError:
            return  # presence is best effort, and nothing depends on it

    def _ask(self, live: LiveObject, node: str) -> None:
        self._doubted.discard((live.id, node))
        network = self.engine.online.network
        for address in live.nodes if network is not None and live.receipts.told.doubts(node) else ():
            node_link = network.link_of(live.id, address) if network is not None else None
            if pin_of(address) == node and node_link is not None and node_link.link is not None:
                node_link.link.ask_for_receipt(live.id)

    async def take_closed(self, live: LiveObject, archive: Archive, via: str, origin: Session) -> Offered:
        opened = self.engine.objects.get(live.id)
        if opened is None:
            return Offered()
        return await take_closed(self.engine.stored, opened, archive, via, origin)

    def on_false_archive(self, live: LiveObject, event: FalseArchiveCame, who: str) -> None:
        prunes = live.replica.book.prunes.values()
        named = (prune for prune in prunes for each in prune.replaced if each.archive == event.id)
        author = next((author for prune in named if (author := live.prunes.author(prune)) is not None), None)
        by = self.engine.who(author) if author is not None else "somebody"
        self.on_problem(live, FALSE_HISTORY.format(node=who, who=by, words=event.words))

    def on_pruned(self, live: LiveObject, node: str, told: PruneTold) -> None:
        live.prunes.take_told(node, told.prune, told.hours)
        opened = self.engine.objects.get(live.id)
        if opened is not None:
            self.engine.forget_due(opened)
        self.engine.news.pulse()

    def on_stirred(self, objects: list[ObjectId]) -> None:
        self.engine.waking.wake(objects)

    def wanted_snapshot(self, live: LiveObject) -> SnapshotPlace | None:
        opened = self.engine.objects.get(live.id)
        return opened.preview.wanted if opened is not None and opened.preview is not None else None

    def on_snapshot(self, live: LiveObject, event: SnapshotCame) -> SnapshotPlace | None:
        opened = self.engine.objects.get(live.id)
        if opened is None:
            return None
        try:
            return show_preview_untrusted(opened, event)
        except PeergosCollabError as error:
            self.on_problem(live, f"the snapshot was not used: {error.message}")
            return None
        finally:
            self.engine.news.pulse()
