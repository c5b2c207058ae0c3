"""What a node keeps for whom, and for how long."""

from __future__ import annotations

import asyncio
from pathlib import Path

from peergos_collab.node.passing import BACKLOG
from peergos_collab.node.server import MAX_BACKLOG, SENT_BYTES
from support.homes import RELAYED, online, world

FRAME = bytes(1000)


class Deaf:
    """A connection whose other end takes nothing."""

    channel = bytes(32)
    kind = "node"

    def __init__(self) -> None:
        self.sent = 0
        self.closed = asyncio.Event()

    def send(self, message: bytes) -> None:
        self.sent += len(message)

    async def drain(self) -> None:
        await self.closed.wait()

    async def receive(self) -> bytes:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed.set()


async def test_whoever_does_not_read_is_let_go(tmp_path: Path) -> None:
    """What waits for a deaf connection stays within bounds; past them it is closed."""
    async with world(tmp_path) as made:
        node = await made.node()
        deaf = Deaf()
        session = node._shelf.attach(deaf.channel)
        node._connections[id(session)] = deaf
        frames = 0
        while not deaf.closed.is_set():
            session.send_frame(FRAME)
            frames += 1
            node._shelf.touched[id(session)] = session
            node._flush()
            await asyncio.sleep(0)
            assert frames < 2 * MAX_BACKLOG

        assert deaf.sent <= SENT_BYTES + 2 * len(FRAME)
        assert session.backlog <= MAX_BACKLOG + 2
        assert session.backlog > BACKLOG


async def test_nothing_is_kept_in_memory_for_those_who_left(tmp_path: Path) -> None:
    """Once nobody has an object open, the node holds neither its book nor what was said in passing."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        await online("notes", RELAYED, ana, ben)
        shelf = node._shelf
        assert ana.opened("notes").live.id in shelf._books
        async with asyncio.timeout(60):
            while not shelf.passing._kept:  # noqa: ASYNC110 the node has no event for it
                await asyncio.sleep(0)
        for person in (ana, ben):
            await made.close(person)
        async with asyncio.timeout(60):
            while shelf.sessions:  # noqa: ASYNC110 the node has no event for it
                await asyncio.sleep(0)

        passing = shelf.passing
        assert (shelf._books, passing._kept, passing._bytes, passing._rates) == ({}, {}, 0, {})
