"""The memory transport passes the acceptance test, and the acceptance test catches faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from peergos_collab.errors import Offline
from peergos_collab.ports.transport import Connection
from peergos_collab.testing.transport import (
    MemoryConnection,
    MemoryTransport,
    check_connections,
    check_transport,
    memory_pair,
)


async def test_memory_is_a_transport() -> None:
    """It keeps the promises of every transport."""
    await check_transport(MemoryTransport(), bytes(31) + b"\1")


async def test_a_cut_is_told_to_both_ends() -> None:
    """Both learn of it, and what was on its way is lost."""
    left, right = memory_pair()
    left.send(b"lost")
    left.cut()

    for end in (left, right):
        with pytest.raises(Offline):
            await end.receive()


async def test_muting_is_told_to_nobody() -> None:
    """Nothing arrives any more, and both ends still wait."""
    left, right = memory_pair()
    left.send(b"before")
    left.mute()
    left.send(b"after")
    assert await right.receive() == b"before"
    waiting = asyncio.create_task(right.receive())
    await asyncio.sleep(0)

    assert not waiting.done()

    left.cut()
    with pytest.raises(Offline):
        await waiting


async def test_offline_reaches_nobody() -> None:
    """A transport that is offline opens nothing."""
    transport = MemoryTransport()

    async def accept(connection: Connection) -> None:
        await connection.receive()

    listener = await transport.listen("here", 0, bytes(32), accept)
    transport.offline = True

    with pytest.raises(Offline):
        await transport.connect(listener.address)

    await listener.close()


class Reversing(MemoryConnection):
    def send(self, message: bytes) -> None:
        super().send(message[::-1])


class Swallowing(MemoryConnection):
    def send(self, message: bytes) -> None:
        if message:
            super().send(message)


class Unbounded(MemoryConnection):
    async def drain(self) -> None:
        await asyncio.sleep(0)


class Greedy(MemoryConnection):
    def send(self, message: bytes) -> None:
        for start in range(0, len(message) or 1, 2**20):
            super().send(message[start : start + 2**20])


class Leaking(MemoryConnection):
    async def close(self) -> None:
        self.leak = asyncio.create_task(asyncio.Event().wait())
        await super().close()


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Reversing, "came changed"),
        (Swallowing, "changed or out of order"),
        (Unbounded, "reads nothing"),
        (Greedy, "over 1 MiB"),
        (Leaking, "tasks are left"),
    ],
)
async def test_faults_are_caught(kind: Callable[[bytes], MemoryConnection], complaint: str) -> None:
    """A connection with a planted fault does not pass."""

    async def pair() -> tuple[Connection, Connection]:
        left, right = kind(bytes(32)), kind(bytes(32))
        left._other, right._other = right, left
        return left, right

    before = asyncio.all_tasks()

    with pytest.raises(AssertionError, match=complaint):
        await check_connections(pair)

    for task in asyncio.all_tasks() - before:
        task.cancel()
