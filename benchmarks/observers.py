"""Five hundred people look on, each with a cursor that moves, while one writes: when has each the text.

Every session sends a cursor a second, of the size that a cursor has; one of them also writes. The clock stops
when a segment is with a session, for each of them; what it does with that is its own device's time, and they
share two processes here.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import Any

from peergos_collab.objects.ephemeral import SIZES
from peergos_collab.sync.frames import Frame

from .crowd import Log, Member, Shared, gather
from .fanout import count_segments
from .processes import Talk, child, scratch
from .report import Report, percentile

SEED = 4
OBSERVERS = 500
SEGMENTS = 50
RATE = 5.0
CURSOR_SECONDS = 1.0


class Observer(Member):
    """Notes when segments come, and looks into nothing once it has caught up."""

    came: list[tuple[int, int]]
    seen: int = 0
    cursors: int = 0

    def take(self, frame: bytes) -> None:
        if number := count_segments(frame):
            now = time.perf_counter_ns()
            Observer.came += [(which, now) for which in range(self.seen, self.seen + number)]
            self.seen += number
            self.session.grant_credit(len(frame))
            self.flush()
        elif frame[1] == Frame.EPHEMERAL:
            Observer.cursors += 1
        elif not (self.ready.done() and frame[1] == Frame.RECEIPT):
            super().take(frame)

    async def move(self, key: bytes, first: float) -> None:
        """Moves its cursor, for ever."""
        await asyncio.sleep(first)
        counter = 0
        while True:
            counter += 1
            self.session.send_ephemeral(self._shared.object, key, counter, os.urandom(SIZES[0]))
            self.flush()
            await asyncio.sleep(CURSOR_SECONDS)


async def observers(talk: Talk, address: str, number: int) -> None:
    """Says they are there; then, when asked, when each segment came, [which, ns], and how many cursors."""
    shared, Observer.came = Shared(SEED), []
    book = shared.book()
    members = await gather(address, number, lambda connection: Observer(connection, shared, book))
    moving = [
        asyncio.create_task(member.move(os.urandom(16), at * CURSOR_SECONDS / number))  # type: ignore[attr-defined]
        for at, member in enumerate(members)
    ]
    talk.say("here")
    await talk.listen()
    talk.say([Observer.came, Observer.cursors])
    for task in moving:
        task.cancel()


async def writer(talk: Talk, address: str, segments: int) -> None:
    """Writes when told, and says when each was written, in ns."""
    shared = Shared(SEED)
    log, loop = Log(shared), asyncio.get_running_loop()
    (member,) = await gather(address, 1, lambda connection: Member(connection, shared, shared.book()))
    talk.say("here")
    await talk.listen()
    written, start = [], loop.time()
    for turn in range(segments):
        await asyncio.sleep(max(0.0, start + turn / RATE - loop.time()))
        segment = log.write()
        written.append(time.perf_counter_ns())
        member.write([segment], log.certificate if turn == 0 else b"")
    await asyncio.sleep(1)
    talk.say(written)


async def measure(number: int = OBSERVERS, segments: int = SEGMENTS) -> Report:
    report = Report(f"observers: {number} with moving cursors, one writes {RATE:g} segments/s, one node")
    half = partial(child, "observers", "observers", number=number // 2)
    with scratch() as place:
        async with child("crowd", "node", home=str(place / "node")) as node:
            address = await node.hear()
            async with (
                child("observers", "writer", address=address, segments=segments) as writing,
                half(address=address) as one,
                half(address=address) as other,
            ):
                await asyncio.gather(writing.hear(), one.hear(), other.hear())
                await asyncio.sleep(2)
                before, began = (await node.ask())[0], time.perf_counter()
                written = await writing.ask()
                load = ((await node.ask())[0] - before) / (time.perf_counter() - began)
                seen: list[Any] = [await each.ask() for each in (one, other)]
    took = [(at - written[which]) / 1e6 for came, _ in seen for which, at in came]
    if len(took) != number // 2 * 2 * segments:
        raise RuntimeError("a segment did not come to everybody")
    cursors = sum(count for _, count in seen)
    note = f"the node used {load:.0%} of a core; {cursors:,} frames of cursors"
    report.add("written to with an observer: p50", percentile(took, 0.5), "ms")
    report.add("written to with an observer: p95", percentile(took, 0.95), "ms", "<= 80", note)
    return report
