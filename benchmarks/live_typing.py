"""Two people in one document, each in a process of his own: one types at a steady rate, one reads."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peergos_collab.workspace import open_workspace

from .counting import count_bytes
from .people import DOCUMENT, go_online, two_homes
from .processes import Child, Talk, child

LETTERS = "the quick brown fox jumps over the lazy dog "
SETTLE_SECONDS = 1.0


async def writer(talk: Talk, home: str, webrtc: bool) -> None:
    """Says it is online; then types as told: [keys, per second] → times of the keys, in ns."""
    workspace = await open_workspace(Path(home))
    handle = await workspace.open_document(DOCUMENT)
    counted = count_bytes(workspace)
    try:
        await go_online(workspace, webrtc=webrtc)
        talk.say("online")
        while True:
            keys, rate = await talk.listen()
            counted.clear()
            times = await _type(handle.document, keys, 1 / rate)
            await handle.saved()
            await asyncio.sleep(SETTLE_SECONDS)
            talk.say({"times": times, "sent": dict(counted)})
    finally:
        await workspace.close()


async def _type(document: Any, keys: int, pause: float) -> list[int]:
    """Types in the middle, at fixed points in time, so that a slow key does not slow the others."""
    times = []
    at = len(document) // 2
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(keys):
        await asyncio.sleep(max(0.0, start + number * pause - loop.time()))
        times.append(time.perf_counter_ns())
        document.edit(at, at, LETTERS[number % len(LETTERS)])
        at += 1
    return times


async def reader(talk: Talk, home: str, webrtc: bool) -> None:
    """Says it is online; then, whenever asked: when each character came in ns, and the way it came.

    Told a link, it joins by it meanwhile.
    """
    workspace = await open_workspace(Path(home))
    handle = await workspace.open_document(DOCUMENT)
    arrivals: list[int] = []
    ways: Counter[str] = Counter()

    def changed(change: Any) -> None:
        now = time.perf_counter_ns()
        arrivals.extend(now for _, _, inserted in change.edits for _ in inserted)

    async def watch() -> None:
        async for event in workspace.events(DOCUMENT):
            if event.event == "change":
                ways[event.via] += 1

    handle.document.on_change(changed)
    watching = asyncio.create_task(watch())
    joining: asyncio.Task[Any] | None = None
    try:
        await go_online(workspace, webrtc=webrtc)
        talk.say("online")
        while True:
            link = await talk.listen()
            if link is not None:
                joining = asyncio.create_task(workspace.join(link))
                continue
            talk.say({"arrivals": arrivals[:], "ways": dict(ways)})
            arrivals.clear()
            ways.clear()
    finally:
        watching.cancel()
        if joining is not None:
            joining.cancel()
        await workspace.close()


@dataclass(slots=True)
class Pair:
    """Both people online, and the node between them."""

    node: Child
    a: Child
    b: Child
    place: Path

    async def type(self, keys: int, rate: float) -> Typed:
        sent = await self.a.ask([keys, rate])
        got = await self.b.ask()
        if len(got["arrivals"]) != keys:
            raise RuntimeError(f"{keys} keys were typed and {len(got['arrivals'])} arrived")
        took = [(there - here) / 1e6 for here, there in zip(sent["times"], got["arrivals"], strict=True)]
        return Typed(took, got["ways"], sent["sent"])


@dataclass(slots=True)
class Typed:
    """Milliseconds from each key to its change event; segments by the way they came first; bytes sent."""

    took: list[float]
    ways: dict[str, int]
    sent: dict[str, int]


@asynccontextmanager
async def pair_online(
    place: Path,
    *,
    webrtc: bool,
    text: str = "",
    module: str = "",
) -> AsyncIterator[Pair]:
    """Starts the three, in a directory that has their homes already, or gets them.

    Args:
        module: whose roles they play, instead of the usual ones.
    """
    typing = module or "live_typing"
    async with child(module or "people", "node", home=str(place / "node")) as node:
        address = await node.hear()
        if not (place / "a").exists():
            await two_homes(place, address, text)
        async with (
            child(typing, "writer", home=str(place / "a"), webrtc=webrtc) as a,
            child(typing, "reader", home=str(place / "b"), webrtc=webrtc) as b,
        ):
            assert await a.hear() == await b.hear() == "online"
            await asyncio.sleep(SETTLE_SECONDS)
            yield Pair(node, a, b, place)
