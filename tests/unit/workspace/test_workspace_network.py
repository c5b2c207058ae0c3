"""When sessions that nobody waits for come: hours of a real client, node and protocol, in memory.

A node remembers when each session began. Whether two circles are one client's must not show in that.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from peergos_collab.codec.address import format_address
from peergos_collab.codec.ids import RunId
from peergos_collab.crypto import LocalKey, SigningKey
from peergos_collab.errors import Offline
from peergos_collab.node.server import RunningNode
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.ports import Address, Connection, Random
from peergos_collab.sync.frames import Frame
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.testing.store import MemoryStore
from peergos_collab.testing.transport import MemoryConnection, MemoryTransport
from peergos_collab.workspace import network
from peergos_collab.workspace.folds import ChatFold
from peergos_collab.workspace.live_object import LiveObject
from peergos_collab.workspace.network import Network, NodeLink
from peergos_collab.workspace.resting import Resting
from peergos_collab.workspace.sync_link import PROBE_SECONDS
from support.circle import make_circle
from support.jumping_loop import in_no_time, passing
from support.observer import Observer

UNLIKELY = 2.23
"""Kolmogorov's distance, times the square root of the number of samples, is beyond this once in ten thousand
times. What is drawn here is the same each time, so that it never is by chance."""

ALONE, WITH_BEN, WITH_A_DECOY = (), (Level.WRITE,), (Level.WRITE, Level.WRITE)
"""Circles: what Ana has for herself; shared with Ben; with a link that only her second device uses."""


class Owner:
    """Implements ``LinkOwner`` for objects in which nothing happens."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def on_problem(self, live: LiveObject | None, words: str) -> None:
        self.problems.append(words)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class Client:
    """A client behind an entry with one object in each circle, of which none is open; and the store."""

    def __init__(self, seed: int) -> None:
        self.random: Random = random.Random(seed).randbytes
        self.observer = Observer(MemoryTransport())
        self.owner = Owner()
        self.objects: list[LiveObject] = []
        ticks = itertools.count(1)
        self.clock = lambda: next(ticks)

    async def start(self, circles: Sequence[Sequence[Level]]) -> None:
        store = MemoryStore(durable_at_once=True)
        shelf = Shelf(store, SigningKey.generate(self.random), self.clock, self.random)
        self.node = RunningNode(shelf, store, Unlocked())  # type: ignore[arg-type]
        await self.node.listen(self.observer, "memory", 0, bytes(32))  # type: ignore[arg-type]
        self.objects = [self._object(roles) for roles in circles]
        self.network = Network(
            self.observer,
            self.owner,  # type: ignore[arg-type]
            self.random,
            lambda: self.objects,
            lambda _: None,
            Resting(store, LocalKey.generate(self.random), self.random, ((), b"")),
            lambda _: False,
        )
        self.network.refresh()

    def _object(self, roles: Sequence[Level]) -> LiveObject:
        circle = make_circle(Kind.CHAT, roles, self.random)
        ana = circle.members[0]
        local, keys = ana.credentials.local, {circle.epoch_id: ana.keys}
        book = LogBook.load(circle.object, MemoryStore(durable_at_once=True))
        run = RunId(self.random(16))
        replica = Replica(
            circle.object, book, ChatFold(), keys, ana.actor, local, run, self.clock, self.random
        )
        live = LiveObject(replica, local, self.random, (format_address(self.node._listener.address),))  # type: ignore[union-attr]
        live.take_records(circle.records)
        return live

    async def sessions(self, count: int) -> list[list[tuple[float, float]]]:
        """When they began and ended, of each object; waits until there were so many of each."""
        while True:
            spans: dict[bytes, list[tuple[float, float]]] = {live.id: [] for live in self.objects}
            for session, object_id in self._opened().items():
                if session in self.observer.ended:
                    spans[object_id].append((self.observer.began[session], self.observer.ended[session]))
            if all(len(each) >= count for each in spans.values()):
                return [sorted(each)[:count] for each in spans.values()]
            await passing(120 * count)

    def _opened(self) -> dict[int, Any]:
        seen = self.observer.record
        return {each.session: each.fields[0] for each in seen if each.inward and each.frame is Frame.OPEN}

    async def end(self) -> None:
        await self.network.close()
        await self.node.close()
        for live in self.objects:
            live.stop()
        assert self.owner.problems == []


class Unlocked:
    def release(self) -> None:
        pass


def watched(seed: int, circles: Sequence[Sequence[Level]], count: int) -> list[list[tuple[float, float]]]:
    """``count`` sessions of each circle, as the node saw them begin and end."""

    async def main() -> list[list[tuple[float, float]]]:
        client = Client(seed)
        await client.start(circles)
        spans = await client.sessions(count)
        await client.end()
        return spans

    return in_no_time(main())


def begins(spans: list[tuple[float, float]]) -> list[float]:
    return [began for began, _ in spans]


def gaps(spans: list[tuple[float, float]]) -> list[float]:
    return [later - sooner for sooner, later in itertools.pairwise(begins(spans))]


def differ(one: Sequence[float], other: Sequence[float]) -> float:
    """Kolmogorov's distance of two samples; over ``UNLIKELY`` if they are of different distributions."""
    at = sorted((*one, *other))
    most = max(abs(share(one, value) - share(other, value)) for value in at)
    return most * (len(one) * len(other) / (len(one) + len(other))) ** 0.5


def share(sample: Sequence[float], value: float) -> float:
    return sum(each <= value for each in sample) / len(sample)


def uneven(sample: Sequence[float]) -> float:
    """The same distance from the even distribution over 0 to 1."""
    ordered, count = sorted(sample), len(sample)
    most = max(max(at / count - each, each - (at - 1) / count) for at, each in enumerate(ordered, 1))
    return most * count**0.5


def places_between(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> list[float]:
    """Where sessions of one circle begin, as parts of the time from one session of another to its next."""
    found = []
    for sooner, later in itertools.pairwise(begins(other)):
        found += [(began - sooner) / (later - sooner) for began in begins(one) if sooner <= began < later]
    return found


def test_when_sessions_come_says_nothing_about_whose_they_are() -> None:
    """Alone, shared with somebody, or through a decoy: as often; and none says when another one comes."""
    circles = watched(1, (ALONE, WITH_BEN, WITH_A_DECOY), 100)

    for one, other in itertools.permutations(circles, 2):
        assert differ(gaps(one), gaps(other)) < UNLIKELY
        assert uneven(places_between(one, other)) < UNLIKELY


def test_objects_whose_members_become_known_at_once_move_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sessions are looked at once for all of them, and not at all once the network is closed."""
    refreshed: list[int] = []
    refresh = Network.refresh

    def counted(self: Network) -> None:
        refreshed.append(len(list(self.objects())))
        refresh(self)

    async def main() -> None:
        client = Client(3)
        await client.start((ALONE, WITH_BEN))
        monkeypatch.setattr(Network, "refresh", counted)
        client.objects += [client._object(roles) for roles in (WITH_BEN, WITH_A_DECOY)]
        for live in client.objects:
            client.network.moved(live)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        placed = [set(node_link.objects) for node_link in client.network.links.values()]
        for live in client.objects:
            client.network.moved(live)  # each is where it belongs
        client.objects.append(client._object(ALONE))
        client.network.moved(client.objects[-1])
        await client.end()

        assert client.network.links == {}
        assert placed == [{live.id} for live in client.objects[:-1]]

    in_no_time(main())

    assert refreshed == [4]


def test_a_client_that_looks_at_all_at_once_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One beat for everything: the sessions of one circle tell when those of the other come."""

    async def on_the_beat(self: Network, node_link: NodeLink) -> None:
        await passing(120 - asyncio.get_running_loop().time() % 120)
        node_link.rested = False

    monkeypatch.setattr(Network, "_turn", on_the_beat)
    one, other = watched(2, (ALONE, WITH_BEN), 40)

    assert uneven(places_between(one, other)) > UNLIKELY


def test_a_client_that_hurries_for_its_own_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a second device of hers would like: news of what nobody else has come sooner."""
    draw = network.draw
    spans = iter(itertools.cycle([network.POLL_SECONDS, (40.0, 120.0)]))
    mine: dict[int, tuple[float, float]] = {}

    async def sooner(self: Network, node_link: NodeLink) -> None:
        span = mine.setdefault(id(node_link), next(spans))
        await passing(draw(span, self.random_bytes))
        node_link.rested = False

    monkeypatch.setattr(Network, "_turn", sooner)
    one, other = watched(3, (WITH_BEN, ALONE), 80)

    assert differ(gaps(one), gaps(other)) > UNLIKELY


def test_the_first_sessions_of_a_client_are_spread() -> None:
    """All that begin with it come over as long as later ones do, evenly."""
    first = [spans[0][0] for spans in watched(4, [ALONE] * 60, 1)]

    assert uneven([began / 120 for began in first]) < UNLIKELY


def test_little_is_there_when_a_client_ends() -> None:
    """All ends at one moment then; a session that nobody waits for is there a small part of the time."""
    (spans,) = watched(5, [ALONE], 100)
    there = sum(ended - began for began, ended in spans)

    assert there / (spans[-1][1] - spans[0][0]) < 0.05


# -- another network, or a sleep ----------------------------------------------------------------


class Road:
    """Implements ``Transport``: the way to a node, which can be closed."""

    def __init__(self, transport: Observer) -> None:
        self._transport = transport
        self.closed = False
        self.tried: list[float] = []
        self.connections: list[MemoryConnection] = []

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        self.tried.append(asyncio.get_running_loop().time())
        if self.closed:
            raise Offline("there is no way")
        connection = cast(MemoryConnection, await self._transport.connect(address))
        self.connections.append(connection)
        return connection


async def held() -> tuple[Client, Road]:
    """A client whose one circle is open on the screen, and the way to its node."""
    client = Client(7)
    await client.start([WITH_BEN])
    await client.network.close()
    road = Road(client.observer)
    client.network.transport = cast(Any, road)
    client.network.wanted = lambda _: True
    return client, road


def test_what_failed_is_tried_at_once() -> None:
    """In another network nobody waits for the pauses that grew in the old one."""

    async def main() -> None:
        client, road = await held()
        road.closed = True
        client.network.refresh()
        await passing(600)
        road.closed, before, now = False, len(road.tried), asyncio.get_running_loop().time()
        client.network.hurry()
        await passing(0.1)
        assert len(road.tried) == before + 1
        assert road.tried[-1] == now
        assert [link.connected for link in client.network.links.values()] == [True]
        await client.end()

    in_no_time(main())


def test_a_dead_connection_is_found_and_made_anew() -> None:
    """Within seconds, where nobody told either end that the way is gone; one that lives stays."""

    async def main() -> None:
        client, road = await held()
        client.network.refresh()
        await passing(60)
        client.network.hurry()
        await passing(60)
        assert len(road.connections) == 1
        road.connections[0].mute()
        client.network.hurry()
        await passing(PROBE_SECONDS + 1)
        assert len(road.connections) == 2
        assert [link.connected for link in client.network.links.values()] == [True]
        await client.end()

    in_no_time(main())
