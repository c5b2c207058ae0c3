"""Clients that do not read, or send without a pause: what the node holds for them, and what others notice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.crypto import SigningKey
from peergos_collab.node.server import SENT_BYTES, SLICE_ANSWERS, RunningNode
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.storage import HomeLock
from peergos_collab.sync.frames import SEGMENTS_PER_FRAME, WINDOW, Frame, decode_frame_untrusted
from peergos_collab.testing.store import MemoryStore
from peergos_collab.testing.transport import memory_pair
from support.members import Group
from support.shelves import Connected, Log

RANDOM = random.Random(89).randbytes
SIZE = 4_000


class Meeting:
    """A node, an object, and clients of Ana's that have it open."""

    def __init__(self, folder: Path) -> None:
        self.group = Group(["Ana"], RANDOM)
        self.ana = self.group.people["Ana"]
        shelf = Shelf(MemoryStore(durable_at_once=True), SigningKey.generate(RANDOM), lambda: 1_000, RANDOM)
        self.node = RunningNode(shelf, shelf.store, HomeLock(folder / "lock"))  # type: ignore[arg-type]
        self.keys = self.ana.membership.keys[self.group.first.id]
        self.log = Log(self.group.object, RANDOM)
        self.serving: list[asyncio.Task[None]] = []

    async def connect(self) -> Connected:
        here, there = memory_pair()
        self.serving.append(asyncio.create_task(self.node.accept(there)))
        client = Connected(self.group.object, self.ana.membership.keys, RANDOM, self.ana.records)
        client.over(here)
        await self.settle(client)
        return client

    async def settle(self, client: Connected) -> None:
        for _ in range(4):
            await client.until_silent()

    def write(self, client: Connected, *payloads: bytes) -> None:
        """Puts segments into the client's session; ``until_silent`` sends them."""
        if not self.log.segments:
            client.know(self.log.certificate(self.group.first.id, self.keys))
        client.put(*(self.log.write(self.group.first.id, self.keys, payload) for payload in payloads))

    def held_for(self, client: Connected) -> int:
        """Bytes that wait for a client, in its connection and in its session."""
        session = next(
            session
            for key, session in self.node._shelf.sessions.items()
            if self.node._connections[key]._other is client.connection  # type: ignore[attr-defined]
        )
        return client.connection._held + sum(map(len, session._outgoing))


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[Meeting]:
    made = Meeting(tmp_path)
    yield made
    await made.node.close()
    await asyncio.gather(*made.serving)


async def test_who_reads_nothing_costs_little_and_delays_nobody(meeting: Meeting) -> None:
    """Megabytes come for it while it is deaf: a bound is held, another has them all, and so has it later."""
    writer, deaf, reader = [await meeting.connect() for _ in range(3)]
    most = 0
    for _ in range(25):
        meeting.write(writer, *(bytes(SIZE) for _ in range(50)))
        await meeting.settle(writer)
        while reader.heads != writer.heads:
            await meeting.settle(writer)  # which may still wait for credit
            await meeting.settle(reader)
        most = max(most, meeting.held_for(deaf))
    assert most <= WINDOW + SENT_BYTES + 2 * SEGMENTS_PER_FRAME
    assert sum(len(segment.raw) for segment in meeting.log.segments) > 2 * most

    while deaf.heads != writer.heads:
        await meeting.settle(deaf)


async def test_who_asks_without_reading_is_answered_in_slices(meeting: Meeting) -> None:
    """A burst of small questions with long answers: few wait at once, and another is served in between."""
    writer, greedy = [await meeting.connect() for _ in range(2)]
    meeting.write(writer, bytes(40_000))
    await meeting.settle(writer)
    await meeting.settle(greedy)
    for _ in range(1_000):
        greedy.session.get_snapshot(meeting.group.object, SnapshotPlace(meeting.log.id, 1, bytes(32)))  # type: ignore[arg-type]
    for frame in greedy.session.take_outgoing():
        greedy.connection.send(frame)
    await meeting.settle(writer)
    left = len(greedy.connection._other._messages)
    held = meeting.held_for(greedy)

    assert left > 500
    assert held < SENT_BYTES + 2 * SLICE_ANSWERS * 50_000
    answers = 0
    while answers < 1_000:
        frame = await greedy.connection.receive()
        answers += decode_frame_untrusted(frame)[0] is Frame.SNAPSHOT
