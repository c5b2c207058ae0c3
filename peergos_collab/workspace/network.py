"""Connections to nodes: one anonymous session for each circle and node, kept up with jittered retries.

A circle is the set of objects with one and the same set of members. One connection for everything
would show the node which objects belong to one person; one for each circle shows it only what the
members of that circle share anyway.

Behind an entry node a session has no address, so its times must not give away whose it is either. Sessions
that somebody waits for are held. The others come and go at random times: a first one soon, then a short one
now and again, until nothing is lacking on either side.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import Final

from ..codec.address import parse_address
from ..codec.ids import ObjectId, PrincipalId
from ..crypto import Tag, hash256
from ..errors import Offline, PeergosCollabError, RemoteProtocolError, WrongPin
from ..ports import Connection, Random, Transport
from ..values import dataclass
from .by_chance import draw
from .circle_people import CIRCLE
from .live_object import LiveObject
from .resting import Place, Resting
from .sync_link import LinkOwner, SyncLink

RETRY_SECONDS: Final = (0.25, 30.0)
"""First and longest pause before a node is tried again; each pause is random around its mean."""

WRONG_PIN_SECONDS: Final = 60.0

FIRST_SECONDS: Final = (0.0, 120.0)
"""Before the first session of a circle that nobody waits for. About as long as between later ones: all those
of a client that starts would otherwise begin within a moment."""

POLL_SECONDS: Final = (60.0, 180.0)
"""Between two sessions of such a circle."""

LINGER_SECONDS: Final = (1.0, 5.0)
"""How often it is looked whether such a session may end. Short, for what is there when the client ends, ends
at one moment with it."""

Circle = bytes


@dataclass(slots=True)
class NodeLink:
    """The session of one circle with one node. ``problem`` says why it is not up, in words.

    ``rested``: all was well, and it ended because nobody waits for it; it comes again.
    """

    address: str
    objects: dict[ObjectId, LiveObject]
    place: Place
    link: SyncLink | None = None
    problem: str = ""
    wrong_pin: bool = False
    rested: bool = False
    task: asyncio.Task[None] | None = None
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    hurried: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connected(self) -> bool:
        return self.link is not None and self.link.session.greeted


@dataclass(slots=True)
class Network:
    """See the module's text.

    Args:
        objects: all objects that should be in sync now.
        on_change: a link went up or down.
        resting: objects that are not in use; they are compared on the sessions of their circles.
        wanted: whether somebody waits for an object, or for all. If not, its session comes by chance.
        lasting: whether this goes on. If not, sessions that nobody waits for never come.
    """

    transport: Transport
    owner: LinkOwner
    random_bytes: Random
    objects: Callable[[], Iterable[LiveObject]]
    on_change: Callable[[NodeLink], None]
    resting: Resting
    wanted: Callable[[LiveObject | None], bool] = lambda _: True
    lasting: Callable[[], bool] = lambda: True
    links: dict[tuple[Circle, str], NodeLink] = field(default_factory=dict)
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _moving: asyncio.Handle | None = None

    def refresh(self) -> None:
        """Brings sessions in line with the objects, their members and their nodes."""
        self._stop_moving()
        wanted: dict[tuple[Circle, str], dict[ObjectId, LiveObject]] = {
            place: {} for place in self.resting.places
        }
        for live in self.objects():
            for node in live.nodes:
                wanted.setdefault((circle_of(live), node), {})[live.id] = live
        for key in [key for key in self.links if key not in wanted]:
            self._let_go(key, self.links.pop(key), wanted)
        for key, objects in wanted.items():
            known = self.links.get(key)
            if known is None:
                self._start(key, objects)
            else:
                known.objects = objects
                if known.link is not None:
                    known.link.set_objects(objects)
        self.stir()

    def moved(self, live: LiveObject) -> None:
        """The members of an object changed. If it is not on the sessions of its circle it goes there soon,
        together with all others that move in the same turn of the loop."""
        circle = circle_of(live)
        there = (self.links.get((circle, node)) for node in live.nodes)
        if not all(node_link is not None and live.id in node_link.objects for node_link in there):
            self._moving = self._moving or asyncio.get_running_loop().call_soon(self.refresh)

    def compare(self, places: Iterable[Place]) -> None:
        """Objects came to rest at these places."""
        for place in places:
            node_link = self.links.get(place)
            if node_link is not None and node_link.link is not None:
                node_link.link.compare_resting_soon()

    def stir(self) -> None:
        """Somebody may wait for what nobody waited for before."""
        for node_link in self.links.values():
            node_link.stirred.set()

    def hurry(self) -> None:
        """What failed before may succeed now, and what is connected may not be any more."""
        for node_link in self.links.values():
            node_link.hurried.set()
            if node_link.link is not None:
                node_link.link.probe()

    def _is_wanted(self, node_link: NodeLink) -> bool:
        return self.wanted(None) or any(self.wanted(live) for live in node_link.objects.values())

    def _start(self, key: tuple[Circle, str], objects: dict[ObjectId, LiveObject]) -> None:
        node_link = NodeLink(key[1], objects, key)
        node_link.task = asyncio.create_task(self._keep_up(node_link))
        self.links[key] = node_link

    def _let_go(
        self,
        key: tuple[Circle, str],
        node_link: NodeLink,
        wanted: dict[tuple[Circle, str], dict[ObjectId, LiveObject]],
    ) -> None:
        """Ends a session, unless only the members of all its objects changed: then it goes on under them."""
        for successor, objects in wanted.items():
            same = successor[1] == key[1] and objects.keys() == node_link.objects.keys()
            if same and objects and successor not in self.links:
                self.links[successor], node_link.place = node_link, successor
                return
        self._stop(node_link)

    def _stop(self, node_link: NodeLink) -> None:
        if node_link.task is not None:
            node_link.task.cancel()
            self._ending.add(node_link.task)
            node_link.task.add_done_callback(self._ending.discard)

    def start_over(self) -> None:
        """Ends all sessions and makes them anew."""
        for node_link in self.links.values():
            self._stop(node_link)
        self.links.clear()
        self.refresh()

    async def close(self) -> None:
        """Ends all sessions; leaves no task."""
        self._stop_moving()
        for node_link in self.links.values():
            self._stop(node_link)
        self.links.clear()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _stop_moving(self) -> None:
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None

    def node_links(self, address: str) -> list[NodeLink]:
        return [link for (_, node), link in self.links.items() if node == address]

    def link_of(self, object_id: ObjectId, address: str) -> NodeLink | None:
        """The session with a node on which an object is, or should be, open."""
        return next((link for link in self.node_links(address) if object_id in link.objects), None)

    def stun_servers(self, object_id: ObjectId) -> Iterator[str]:
        """The nodes on which an object is open now and which say that they answer STUN, as ICE servers."""
        for node_link in self.links.values():
            if node_link.link is not None and object_id in node_link.objects:
                yield from stun_server(node_link.link)

    async def _keep_up(self, node_link: NodeLink) -> None:
        pause = RETRY_SECONDS[0]
        while True:
            await self._turn(node_link)
            node_link.hurried.clear()
            started = asyncio.get_running_loop().time()
            try:
                await self._serve(node_link)
                problem = ""
            except RemoteProtocolError as error:
                problem = f"the node {node_link.address} breaks the rules ({error}); nothing of it was used"
                node_link.wrong_pin = False
            except PeergosCollabError as error:
                problem = "" if node_link.rested else error.message
                node_link.wrong_pin = isinstance(error, WrongPin)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the link for good
                problem = f"the session with a node failed in this program ({type(error).__name__})"
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a session with a node failed", "exception": error}
                )
            changed = node_link.link is not None or problem != node_link.problem
            node_link.link, node_link.problem = None, problem
            if changed:
                self.on_change(node_link)
            if node_link.rested:
                continue
            if asyncio.get_running_loop().time() - started > RETRY_SECONDS[1]:
                pause = RETRY_SECONDS[0]
            mean = WRONG_PIN_SECONDS if node_link.wrong_pin else pause
            spread = 0.5 + random.random()  # noqa: S311 - spreads retries, decides nothing
            pause = min(RETRY_SECONDS[1], pause * 2)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(mean * spread):
                    await node_link.hurried.wait()
                    pause = RETRY_SECONDS[0]

    async def _serve(self, node_link: NodeLink) -> None:
        connection = await self.transport.connect(parse_address(node_link.address))
        link = SyncLink(
            connection,
            node_link.objects,
            self.owner,
            self.random_bytes,
            node_link.address,
            resting=lambda: self.resting.collection(node_link.place),
        )
        node_link.link, node_link.problem, node_link.wrong_pin = link, "", False
        self.on_change(node_link)
        watch = asyncio.create_task(self._rest(node_link, link))
        try:
            await link.run()
        finally:
            watch.cancel()

    async def _turn(self, node_link: NodeLink) -> None:
        """Returns once somebody waits for the session, or by chance."""
        span = POLL_SECONDS if node_link.rested else FIRST_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(draw(span, self.random_bytes) if self.lasting() else None):
                while not self._is_wanted(node_link):
                    node_link.stirred.clear()
                    await node_link.stirred.wait()
        node_link.rested = False

    async def _rest(self, node_link: NodeLink, link: SyncLink) -> None:
        """Ends the session once nobody waits for it and both sides have the same."""
        while True:
            await asyncio.sleep(draw(LINGER_SECONDS, self.random_bytes))
            settled = link.compared and all(_settled(live, link) for live in node_link.objects.values())
            if settled and not self._is_wanted(node_link):
                node_link.rested = True
                await link.close()
                return


async def with_node(transport: Transport, owner: LinkOwner, random: Random, address: str) -> NodeSession:
    """A short session of its own with a node, without objects: for drops, and to see that it answers."""
    connection = await transport.connect(parse_address(address))
    return NodeSession(connection, SyncLink(connection, {}, owner, random, address))


def stun_server(link: SyncLink) -> tuple[str, ...]:
    """A node as an ICE server, where it says that it is one. Over IPv6 none is needed: it has no NATs."""
    address = parse_address(link.node)
    is_one = link.session.their_stun and ":" not in address.host
    return (f"stun:{address.host}:{address.port}",) if is_one else ()


class NodeSession:
    """Use as ``async with``; gives the link."""

    def __init__(self, connection: Connection, link: SyncLink) -> None:
        self._connection = connection
        self._link = link
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SyncLink:
        self._task = asyncio.create_task(self._run())
        return self._link

    async def _run(self) -> None:
        try:
            await self._link.run()
        except PeergosCollabError:
            return  # whoever waits for an answer has been told

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _settled(live: LiveObject, link: SyncLink) -> bool:
    if live.replica.is_removed:
        return True
    saved = live.saved_on(link.node) or not live.replica.can_write
    return live.id in link.ready and live.id in link.checked and saved


def circle_of(live: LiveObject) -> Circle:
    """Whoever is in an object. While that is not known here, it shares its session with nothing but what
    it does share one with on the device that linked this one."""
    members = live.replica.view.members
    if not members and live.known_circle:
        return live.known_circle
    return hash256(Tag.CIRCLE, b"".join(sorted(members or [PrincipalId(live.id)])))[:CIRCLE]


def gone(address: str) -> Offline:
    return Offline(f"the node {address} is not to be reached; everything is safe here and goes out later")
