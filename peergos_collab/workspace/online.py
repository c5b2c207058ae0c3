"""Whether a home is connected: while something needs it, and while somebody stays online.

Several may stay online in one home, through attached processes. Where their options differ, the most
careful one wins: if one of them forbids direct connections, there are none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..codec.ids import ObjectId
from ..errors import RemoteProtocolError
from ..ports import Connection
from ..ports.installed import installed_lan
from ..ports.peers import PeerOptions
from .api import Event, Lan, Options
from .lan_setting import allow_lan, lan_allowed
from .live_object import LiveObject
from .machine import now_ms
from .near import Near
from .neighbours import Neighbours
from .network import Network, NodeLink
from .open_object import PROFILE_PATH, OpenObject
from .peers import PeerMesh
from .resting import Note
from .surroundings import Surroundings
from .sync_link import SyncLink

if TYPE_CHECKING:
    from .engine import Engine


NO_LAN: Final = "PGC_NO_LAN"
"""In the environment: nothing is announced in the local network, and nobody looked for."""


class Online:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self.network: Network | None = None
        self.neighbours = Neighbours(engine)
        self.near = Near(engine, installed_lan)
        self.surroundings = Surroundings(now_ms, self.changed_place)
        self._engine = engine
        self._needs = 0
        self._stays: list[Options] = []
        self._hurries = 0
        self._changing: set[ObjectId] = set()
        self._entered_by = ""

    # -- for how long ---------------------------------------------------------------------------

    @asynccontextmanager
    async def needed(self) -> AsyncIterator[Network]:
        """Connected to the nodes of all objects while the block runs."""
        self._needs += 1
        try:
            yield self._connected()
        finally:
            self._needs -= 1
            await self._rest()

    async def stay(self, options: Options) -> None:
        """Connected until ``leave`` or the end, directly to peers too where all ``options`` say so."""
        before = self.peer_options()
        self._stays.append(options)
        self._connected()
        self._engine.waking.wake_lively()
        await self._mesh_as_wanted(before)
        await self._near_as_wanted()
        self.surroundings.start()
        self._engine.mailroom.start()

    async def leave(self, options: Options) -> None:
        """Ends one ``stay``; the last one disconnects."""
        before = self.peer_options()
        self._stays.remove(options)
        await self._mesh_as_wanted(before)
        await self._near_as_wanted()
        await self._rest()

    async def end(self) -> None:
        """Disconnects, whoever wanted to stay."""
        self._needs = 0
        self._stays.clear()
        await self._disconnect()

    # -- for whom -------------------------------------------------------------------------------

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

    def changed(self, opened: OpenObject) -> None:
        """Something was written here, and wants to get away."""
        self._changing.add(opened.live.id)
        self.stir()

    def changed_place(self, moved: bool) -> None:
        """This machine has slept, or with ``moved`` is in another network: all is tried, at once.

        Not behind an entry node: that moment would show which sessions are one client's.
        """
        if self.network is None or self._engine.entry_node():
            return
        self.network.hurry()
        self._engine.mailroom.hurry()
        for opened in self._engine.objects.values():
            if opened.mesh is not None:
                opened.mesh.hurry()
            self.bring(opened)
        if moved:
            self._engine.spawn(self._near_anew())

    def stir(self) -> None:
        """Somebody may wait for something now."""
        if self.network is not None:
            self.network.stir()
        self._engine.mailroom.turns.stir()

    def refresh(self) -> None:
        """Objects or their nodes changed."""
        if self.network is not None:
            self.network.refresh()
            self._refresh_near()

    def members_changed(self, live: LiveObject) -> None:
        """Others are in an object."""
        if self.network is not None:
            self.network.moved(live)
            self._refresh_near()

    def _refresh_near(self) -> None:
        self.neighbours.refresh()
        self.near.refresh()

    def rested(self, notes: Iterable[Note]) -> None:
        """Objects came to rest: nodes are to tell what comes for them from now on."""
        if self.network is not None:
            self.network.compare({(note.circle, node) for note in notes for node in note.nodes})

    def enter_by(self, entry: str) -> None:
        """Sessions that go through another entry node, or directly, end; they come back the new way."""
        if entry == self._entered_by:
            return
        self._entered_by = entry
        if self.network is not None:
            self.network.start_over()
        self._engine.mailroom.start_over()
        for opened in self._engine.objects.values():
            if opened.mesh is not None:
                opened.mesh.give_up_tries()  # they go on asking the node how it sees this device
        self._engine.spawn(self._near_as_wanted())

    @property
    def patient(self) -> bool:
        """Whether sessions are to come one by one, at random times."""
        return bool(self._engine.entry_node()) and bool(self._stays) and not self._hurries

    def _wanted(self, live: LiveObject | None) -> bool:
        """Whether somebody waits for an object, or for all, or its session would tell a node no more than
        others do."""
        if live is None:
            return bool(self._hurries) or not self._engine.entry_node()
        opened = self._engine.objects.get(live.id)
        if opened is None or self._hurries or not self._engine.entry_node():
            return True
        if live.id in self._changing and all(live.saved_on(node) for node in live.nodes):
            self._changing.discard(live.id)
        return bool(opened.handles) or live.id in self._changing

    # -- connections ----------------------------------------------------------------------------

    def bring(self, opened: OpenObject) -> None:
        """Shows this device in an object, and connects it to the others in it, as far as that is wanted."""
        if self.network is None or opened.path == PROFILE_PATH:
            return
        options = self.peer_options()
        if options is not None and opened.mesh is None:

            async def serve(connection: Connection) -> None:
                await self._serve_peer(opened, connection)

            opened.mesh = PeerMesh(
                opened.presence,
                self._engine.peers(),
                lambda: self.peer_options_in(opened.live) or options,
                serve,
                os.urandom,
                self.neighbours.has,
            )
            opened.mesh.start()
            opened.presence.webrtc = True
        self.greet(opened)

    def greet(self, opened: OpenObject) -> None:
        """Shows this device in an object; in one of very many that are opened after each other not yet."""
        if opened.used > 0 or not self._engine.waking.busy:
            opened.presence.start()

    def _connected(self) -> Network:
        if self.network is not None:
            return self.network
        engine = self._engine

        def objects() -> Iterable[LiveObject]:
            return [opened.live for opened in engine.objects.values()]

        self._entered_by = engine.entry_node()
        self.network = network = Network(
            engine.transport,
            self._engine.link_events,
            os.urandom,
            objects,
            self._link_changed,
            engine.resting,
            self._wanted,
            lambda: bool(self._stays),
        )
        engine.waking.open_awake()
        for opened in engine.objects.values():
            self.bring(opened)
        network.refresh()
        return network

    def peer_options(self) -> PeerOptions | None:
        """How to reach peers directly; None where that is not to be."""
        if not self._stays or not all(options.webrtc for options in self._stays):
            return None
        stun = dict.fromkeys(server for options in self._stays for server in options.stun)
        return PeerOptions(tuple(stun), any(options.relay_only for options in self._stays))

    def peer_options_in(self, live: LiveObject) -> PeerOptions | None:
        """The same for who is in an object: unless somebody named servers, a node of it says how the world
        sees this device. Where nodes are reached through an entry it asks none, and sends nothing to where
        one may have led others: nodes would see its address."""
        options = self.peer_options()
        if options is not None and self._engine.entry_node():
            return replace(options, reflexive=False)
        if options is None or options.ice_servers or options.relay_only:
            return options
        servers = self.network.stun_servers(live.id) if self.network is not None else ()
        return replace(options, ice_servers=tuple(islice(servers, 1)))

    async def set_lan(self, allowed: bool) -> None:
        """See ``Workspace.set_lan``."""
        await allow_lan(self._engine.store, allowed)
        await self._near_as_wanted()

    @property
    def lan(self) -> Lan:
        if not lan_allowed(self._engine.store):
            return Lan.OFF
        return Lan.ANNOUNCED if self.near.announced else Lan.QUIET

    async def _near_as_wanted(self) -> None:
        """In the local network nobody is announced who hides behind an entry node, or shows no address."""
        wanted = all(options.lan and options.webrtc and not options.relay_only for options in self._stays)
        forbidden = NO_LAN in os.environ or self.lan is Lan.OFF
        if self._stays and wanted and not self._engine.entry_node() and not forbidden:
            self.near.start()
        else:
            await self.near.stop()

    async def _near_anew(self) -> None:
        """Looks around anew, where this machine is now, if that is still wanted once it left."""
        await self.near.stop()
        await self._near_as_wanted()

    async def _mesh_as_wanted(self, before: PeerOptions | None) -> None:
        """Ends direct connections that were made under other options, and makes those that now may be."""
        if before == self.peer_options():
            return
        await self._end_meshes()
        for opened in self._engine.objects.values():
            self.bring(opened)

    async def _end_meshes(self) -> None:
        await self.neighbours.close()
        for opened in list(self._engine.objects.values()):  # others may be opened meanwhile
            if opened.mesh is not None:
                mesh, opened.mesh, opened.presence.webrtc = opened.mesh, None, False
                await mesh.close()

    async def _serve_peer(self, opened: OpenObject, connection: Connection) -> None:
        news = self._engine.news
        link = SyncLink(connection, {opened.live.id: opened.live}, self._engine.link_events, os.urandom)
        news.tell(Event("connected", opened.path, via=link.via))
        try:
            await link.run()
        except RemoteProtocolError as error:
            words = f"a peer's direct connection broke the rules ({error}); nothing of it was used"
            self._engine.on_problem(opened.live, words)
            raise
        finally:
            news.tell(Event("disconnected", opened.path, via=link.via))

    def _link_changed(self, node_link: NodeLink) -> None:
        if node_link.problem:
            self._engine.news.tell(Event("problem", text=node_link.problem))
        self._engine.news.pulse()

    async def _rest(self) -> None:
        if not self._needs and not self._stays:
            await self._disconnect()

    async def _disconnect(self) -> None:
        self.surroundings.stop()
        await self.near.stop()
        await self._engine.mailroom.stop()
        if self._needs or self._stays:
            return  # somebody went online meanwhile
        for opened in self._engine.objects.values():
            opened.presence.leave()
        await self._end_meshes()
        # One turn of the loop, so that what was just queued is handed to the connections.
        await asyncio.sleep(0)
        if self._needs or self._stays:
            for opened in self._engine.objects.values():
                self.bring(opened)  # somebody came in the midst of it, and was given the network that is here
            return
        if self.network is not None:
            network, self.network = self.network, None
            await network.close()
