"""A hundred people write one document through one node: how long until each of the others has it.

Twenty segments a second in all, one at a time. Each member is a session of its own that checks each segment
down to its signature, as a device does before it folds it in; they share two processes, and the clock stops
when a member has checked it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from functools import partial

from .crowd import Log, Member, Shared, gather
from .processes import Talk, child, scratch
from .report import Report, percentile

SEED = 2
WRITERS = 100
SEGMENTS = 400
WARM_UP = 100
RATE = 20.0


async def crowd(talk: Talk, address: str, number: int) -> None:
    """Says it is there; then writes when told, and says when each was written, in ns.

    It is told how many, and how many s from one to the next and until the first. When asked once more it
    says when each segment came to each member, by the segment's id.
    """
    shared = Shared(SEED)
    came: dict[bytes, list[int]] = {}

    def note(raws: Sequence[bytes]) -> None:
        now = time.perf_counter_ns()
        for raw in raws:
            came.setdefault(raw[-32:], []).append(now)

    members = await gather(
        address, number, lambda connection: Member(connection, shared, shared.book(), note)
    )
    logs = [Log(shared) for _ in members]
    gc.freeze()  # as the program does once it has begun; here it would be 50 devices that are looked through
    talk.say("here")
    written: dict[str, int] = {}
    loop = asyncio.get_running_loop()
    segments, pause, wait = await talk.listen()
    start = loop.time() + wait
    for turn in range(segments):
        await asyncio.sleep(max(0.0, start + turn * pause - loop.time()))
        member, log = members[turn % number], logs[turn % number]
        segment = log.write()
        written[segment.raw[-32:].hex()] = time.perf_counter_ns()
        member.write([segment], log.certificate if turn < number else b"")
    talk.say(written)
    await talk.listen()
    talk.say({tail.hex(): times for tail, times in came.items()})


async def measure(number: int = WRITERS, segments: int = SEGMENTS) -> Report:
    report = Report(f"writers: {number} of one document through one node, {RATE:g} segments/s in all")
    half = partial(child, "writers", "crowd", number=number // 2)
    with scratch() as place:
        async with child("crowd", "node", home=str(place / "node")) as node:
            address = await node.hear()
            async with half(address=address) as one, half(address=address) as other:
                await asyncio.gather(one.hear(), other.hear())
                for turn, each in enumerate((one, other)):
                    each.tell([segments // 2, 2 / RATE, turn / RATE])
                written = {}
                for each in (one, other):
                    written |= await each.hear()
                await asyncio.sleep(1)
                came: dict[str, list[int]] = {}
                for each in (one, other):
                    for tail, times in (await each.ask()).items():
                        came.setdefault(tail, []).extend(times)
                processor, memory = await node.ask()
    if any(len(came[tail]) != number - 1 for tail in written):
        raise RuntimeError("a segment did not come to everybody")
    counted = sorted(written, key=lambda tail: written[tail])[WARM_UP:]
    took = [(then - written[tail]) / 1e6 for tail in counted for then in came[tail]]
    note = f"{len(took):,} deliveries, the node used {processor:.1f} s and {memory // 1024} MiB"
    report.add("written to checked by another: p50", percentile(took, 0.5), "ms")
    report.add("written to checked by another: p99", percentile(took, 0.99), "ms", "<= 25", note)
    return report
