"""Who fetches a large object over several sessions: all of it comes, and about once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from peergos_collab.chat import Message
from peergos_collab.errors import Offline
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.session import BULK_WINDOW
from peergos_collab.testing.store import MemoryStore
from peergos_collab.testing.transport import MemoryConnection, memory_pair
from peergos_collab.workspace.catching_up import HOLD_SECONDS
from peergos_collab.workspace.live_object import LiveObject
from peergos_collab.workspace.sync_link import SyncLink
from support.jumping_loop import in_no_time, passing
from support.members import Group
from support.replicas import Chatting

RANDOM = random.Random(52).randbytes
MESSAGES = 120
SIZE = 12_000
"""Bytes of each, at least."""

AT_MOST = 3 * BULK_WINDOW
"""What comes twice before it is noticed, what is on its way by then, and a frame or two."""

PATIENCE = 100 * HOLD_SECONDS


class Nobody:
    """Implements ``LinkOwner`` where nothing happens."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def long_text() -> str:
    return base64.b64encode(RANDOM(SIZE)).decode()


@cache
def history() -> tuple[Chatting, Chatting, Chatting]:
    """Ben and Cy have a large chat, which Ben wrote, and Ana nothing."""
    group = Group(["Ben", "Cy", "Ana"], RANDOM)
    for who in ("Cy", "Ana"):
        group.add("Ben", who, Level.WRITE, *group.people)
    ben, cy, ana = (Chatting(group, group[name], RANDOM) for name in ("Ben", "Cy", "Ana"))
    for _ in range(MESSAGES):
        ben.say(long_text())
    ben.tell(cy)
    for each in (ben, cy):
        disk(each).flush()
    return ben, cy, ana


def disk(person: Chatting) -> MemoryStore:
    store = person.replica.store
    assert isinstance(store, MemoryStore)
    return store


class Way:
    """A session between two, and the bytes of segments that came over it to the first.

    ``frames`` are what the first one sent. ``then`` is called once half of the chat has come, ``opened``
    whenever the first one opens it.
    """

    def __init__(self, here: LiveObject, there: LiveObject) -> None:
        self.ends = memory_pair(RANDOM(32))
        self.came = 0
        self.frames: list[Frame] = []
        self.then: Callable[[], object] | None = None
        self.opened: Callable[[], object] = lambda: None
        self._watch(*self.ends)
        owner: Any = Nobody()
        self._links = [
            SyncLink(end, {live.id: live}, owner, RANDOM)
            for end, live in zip(self.ends, (here, there), strict=True)
        ]

    def keep_back(self) -> Callable[[], None]:
        """From here on the other one's messages wait; what is returned lets a part of them go."""
        there = self.ends[1]
        at_once, room, waiting = there.send, 0, deque[bytes]()

        def keep(message: bytes) -> None:
            nonlocal room
            waiting.append(message)
            while waiting and room > 0:
                room -= len(waiting[0])
                at_once(waiting.popleft())

        def give() -> None:
            nonlocal room
            room = 2 * BULK_WINDOW
            keep(encode_frame(Frame.PONG, 0))

        there.send = keep  # type: ignore[method-assign]
        return give

    def _watch(self, here: MemoryConnection, there: MemoryConnection) -> None:
        to_there, to_here = here.send, there.send

        def from_here(message: bytes) -> None:
            self.frames.append(decode_frame_untrusted(message)[0])
            to_there(message)
            if self.frames[-1] is Frame.OPEN:
                self.opened()

        def from_there(message: bytes) -> None:
            if decode_frame_untrusted(message)[0] is Frame.SEGMENTS:
                self.came += len(message)
            to_here(message)
            if self.then is not None and self.came > MESSAGES * SIZE // 2:
                then, self.then = self.then, None
                then()

        here.send, there.send = from_here, from_there  # type: ignore[method-assign]

    async def run(self) -> None:
        await asyncio.gather(*(self._run(link) for link in self._links))

    async def _run(self, link: SyncLink) -> None:
        with contextlib.suppress(Offline):
            await link.run()


class Scene:
    """Ana, who lacks all, and what she may be connected to."""

    def __init__(self) -> None:
        self.people = [each.again() for each in history()]
        for each in self.people:
            each.replica.released = False
        lives = [LiveObject(each.replica, each.person.credentials.local, RANDOM) for each in self.people]
        self.ben, self.cy, self.ana = lives
        self._news = asyncio.Event()
        self.ana.on_deliveries.append(lambda _: self._news.set())

    @asynccontextmanager
    async def connected(self, *others: LiveObject) -> AsyncIterator[list[Way]]:
        """Ways from Ana to others; the first begins first, and so is the fastest."""
        ways = [Way(self.ana, other) for other in others]
        tasks = [asyncio.create_task(way.run()) for way in ways]
        try:
            yield ways
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for live in (self.ana, self.ben, self.cy):
                live.stop()

    async def has(self, count: int) -> float:
        """Returns once Ana has so many messages; gives how long that took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.timeout(PATIENCE):
            while len(self.people[2].texts) < count:
                self._news.clear()
                await self._news.wait()
        return loop.time() - begun


def test_what_comes_over_one_session_is_not_asked_of_another() -> None:
    """Both begin; the one that is behind is held, and has nothing to add at the end."""
    in_no_time(_once())


async def _once() -> None:
    scene = Scene()
    async with scene.connected(scene.ben, scene.cy) as (fast, slow):
        took = await scene.has(MESSAGES)
        await passing(2 * HOLD_SECONDS)

    assert took == 0
    assert fast.came > MESSAGES * SIZE
    assert 0 < slow.came <= AT_MOST
    assert (fast.frames.count(Frame.HOLD), slow.frames.count(Frame.HOLD)) == (0, 1)


def test_where_a_session_ends_the_held_one_goes_on_at_once() -> None:
    """From there, not from the beginning."""
    in_no_time(_ended())


async def _ended() -> None:
    scene = Scene()
    async with scene.connected(scene.ben, scene.cy) as (fast, slow):
        fast.then = fast.ends[0].cut
        took = await scene.has(MESSAGES)

    assert took == 0
    assert fast.came + slow.came <= MESSAGES * (SIZE + 1_000) + AT_MOST


def test_where_a_session_gives_nothing_more_the_held_one_goes_on() -> None:
    """Whoever goes on in its place may be a hostile node, or in a network that drops everything."""
    in_no_time(_muted())


async def _muted() -> None:
    scene = Scene()
    async with scene.connected(scene.ben, scene.cy) as (fast, slow):
        fast.then = fast.ends[0].mute
        took = await scene.has(MESSAGES)

    assert Frame.HOLD in slow.frames
    assert took <= HOLD_SECONDS


def test_a_session_that_gives_little_holds_others_up_once() -> None:
    """It may give much whenever the others are asked again, to keep the rest back for long."""
    in_no_time(_little())


async def _little() -> None:
    scene = Scene()
    async with scene.connected(scene.ben, scene.cy) as (fast, slow):

        def keep_back() -> None:
            slow.opened = fast.keep_back()

        fast.then = keep_back
        took = await scene.has(MESSAGES)

    assert slow.frames.count(Frame.HOLD) == 1
    assert took <= HOLD_SECONDS


def test_what_only_the_held_one_has_comes_as_soon_as_the_other_has_given_all() -> None:
    """A peer may have what was never at a node."""
    in_no_time(_more())


async def _more() -> None:
    scene = Scene()
    cy = scene.people[1]
    cy.replica.released = True
    cy.say("of my own")
    disk(cy).flush()
    async with scene.connected(scene.ben, scene.cy) as (_, slow):
        took = await scene.has(MESSAGES + 1)

    assert Frame.HOLD in slow.frames
    assert took == 0


def test_the_only_session_that_still_gives_is_told_what_came_meanwhile() -> None:
    """It does not go on to the end with what came another way, and is not held: nobody else would give."""
    in_no_time(_elsewhere())


async def _elsewhere() -> None:
    scene = Scene()
    segments = scene.people[0].segments()
    async with scene.connected(scene.cy) as (way,):
        way.then = lambda: scene.ana.take_segments(segments, "local", None)
        await scene.has(MESSAGES)
        await passing(2 * HOLD_SECONDS)
        assert scene.ana.replica.released

    assert Frame.HOLD not in way.frames
    assert way.came <= MESSAGES * SIZE // 2 + AT_MOST


def test_what_is_written_now_comes_over_all_sessions() -> None:
    """Those that have given all are not held, however much is written: if one dies, nothing waits."""
    in_no_time(_written_now())


async def _written_now() -> None:
    scene = Scene()
    ben = scene.people[0]
    async with scene.connected(scene.ben, scene.ben) as ways:
        await scene.has(MESSAGES)
        await passing(2 * HOLD_SECONDS)
        before = [way.came for way in ways]
        holds = [way.frames.count(Frame.HOLD) for way in ways]
        for number in range(MESSAGES // 2):
            scene.ben.submit(ben.fold.add_local(Message(long_text()), ben.clock()))
            disk(ben).flush()
            await scene.has(MESSAGES + number + 1)
        await passing(2 * HOLD_SECONDS)

    assert all(way.came - had > MESSAGES // 2 * SIZE for way, had in zip(ways, before, strict=True))
    assert [way.frames.count(Frame.HOLD) for way in ways] == holds
