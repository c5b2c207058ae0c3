"""Questions to a node: each has an end, whatever the node does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from peergos_collab.codec.address import format_address
from peergos_collab.codec.ids import ObjectId
from peergos_collab.errors import Offline
from peergos_collab.ports import Connection
from peergos_collab.testing.transport import MemoryTransport
from peergos_collab.workspace import sync_link
from peergos_collab.workspace.network import NodeSession, with_node

PATIENCE = 20.0
Connect = Callable[[], Awaitable[NodeSession]]


class Nobody:
    """Implements ``LinkOwner`` where nothing happens."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@pytest.fixture
async def silent() -> AsyncIterator[Connect]:
    """Connects to a node that takes every frame and answers none."""
    transport = MemoryTransport()

    async def accept(connection: Connection) -> None:
        while True:
            await connection.receive()

    listener = await transport.listen("memory", 0, bytes(32), accept)
    owner: Any = Nobody()
    yield lambda: with_node(transport, owner, os.urandom, format_address(listener.address))
    await listener.close()


async def test_a_node_that_does_not_answer(silent: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after a while, though its connection stays."""
    monkeypatch.setattr(sync_link, "ANSWER_SECONDS", 0.05)
    async with asyncio.timeout(PATIENCE), await silent() as link:
        with pytest.raises(Offline, match="did not answer"):
            await link.get_drop(bytes(32))
        with pytest.raises(Offline, match="did not answer"):
            await link.put_drop(bytes(32), b"drop")


async def test_a_question_after_the_end(silent: Connect) -> None:
    """On a connection that has ended nobody waits for an answer, whether he asked before or asks now."""
    async with asyncio.timeout(PATIENCE), await silent() as link:
        asked = asyncio.create_task(link.get_drop(bytes(32)))
        await asyncio.sleep(0)
        await link.close()
        with pytest.raises(Offline, match="connection ended"):
            await asked
        with pytest.raises(Offline, match="connection ended"):
            await link.get_drop(bytes(32))


async def test_an_object_that_goes_another_way(silent: Connect) -> None:
    """What a session does not carry any more it cannot confirm."""
    async with asyncio.timeout(PATIENCE), await silent() as link:
        with pytest.raises(Offline):
            await link.confirmed(ObjectId(bytes(32)))
