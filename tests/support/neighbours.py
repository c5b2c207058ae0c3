"""Two people who are connected directly, without a node and without a real network."""

from __future__ import annotations

import asyncio
import os

from peergos_collab.testing.transport import MemoryConnection, memory_pair

from .homes import Person, until


def near(one: Person, other: Person) -> bool:
    return one.engine.online.neighbours.has(other.engine.keys.credentials.device_id)


async def connect(one: Person, other: Person) -> tuple[MemoryConnection, MemoryConnection]:
    """Pairs two who are online, over a connection in memory."""
    ends = memory_pair(os.urandom(64))
    met = await asyncio.gather(
        *(person.engine.online.neighbours.meet(end) for person, end in zip((one, other), ends, strict=True))
    )
    for person, end, greeting in zip((one, other), ends, met, strict=True):
        await person.engine.mailroom.meet(greeting.card, greeting.device)
        person.engine.online.neighbours.serve(greeting, end)
    await until(lambda: near(one, other) and near(other, one), one, other)
    return ends
