"""A node hands what some write to many readers: how many deliveries one process makes a second.

Writers wait for the receipt of one segment before they send the next, as fast typing would, so nearly each
segment comes in a frame of its own. The node checks each signature, makes the segment durable and sends it
over TLS to every reader. Readers only count: what they would do with it is not the node's.
"""

from __future__ import annotations

import asyncio
import time

from peergos_collab.objects.segments import Segment
from peergos_collab.sync.frames import Frame

from . import pycrdt_peer
from .crowd import Log, Member, Shared, gather
from .processes import Talk, child, scratch
from .report import Report

SEED = 1
READERS = 200
WRITERS = 20
SEGMENTS = 3000
PEER_SHARE = 5
"""The peer, which is slower, gets so much less to do."""
_HEAD = 36
"""Bytes of a frame of segments before its list: a list of 3, the type, the object."""


def count_segments(frame: bytes) -> int:
    """How many segments a frame holds, without a look at them; 0 for other frames."""
    if frame[1] != Frame.SEGMENTS:
        return 0
    first = frame[_HEAD]
    if first < 0x98:
        return first - 0x80
    return int.from_bytes(frame[_HEAD + 1 : _HEAD + (2 if first == 0x98 else 3)], "big")


class Counting(Member):
    """A reader that only counts segments, and looks at no receipt."""

    counted = 0
    full: asyncio.Future[int]

    def take(self, frame: bytes) -> None:
        number = count_segments(frame)
        if number:
            self.session.grant_credit(len(frame))
            self.flush()
            Counting.counted -= number
            if Counting.counted == 0:
                Counting.full.set_result(time.perf_counter_ns())
        elif not (self.ready.done() and frame[1] == Frame.RECEIPT):
            super().take(frame)


async def readers(talk: Talk, address: str, number: int) -> None:
    """Says it is there; then, when told how many segments come, when all of them were with all, in ns."""
    shared = Shared(SEED)
    book = shared.book()
    members = await gather(address, number, lambda connection: Counting(connection, shared, book))
    Counting.full = asyncio.get_running_loop().create_future()
    talk.say("here")
    Counting.counted = number * await talk.listen()
    talk.say("counting")
    talk.say(await Counting.full)
    for member in members:
        await member.close()


class Writing(Member):
    """A writer that sends each segment when the one before is saved at the node, and looks at no other."""

    log: Log | None = None
    made: list[Segment]

    def begin(self, segments: int) -> None:
        self.log = Log(self._shared)
        self.made = [self.log.write() for _ in range(segments)]
        self.made.reverse()
        self.session.send_records(self._shared.object, [self.log.certificate])
        self._book.take_records([self.log.certificate])
        self.flush()

    def next(self) -> None:
        if self.made:
            self.write([self.made.pop()])

    def take(self, frame: bytes) -> None:
        if count_segments(frame):
            self.session.grant_credit(len(frame))
            self.flush()
        elif frame[1] == Frame.RECEIPT and self.ready.done():
            if self.log is not None and self.log.id in frame:
                self.next()
        else:
            super().take(frame)


async def writers(talk: Talk, address: str, number: int, segments: int) -> None:
    """Says they are there; when told, they write, and it says when they began in ns."""
    shared = Shared(SEED)
    book = shared.book()
    members = await gather(
        address, number, lambda connection: Writing(connection, shared, book, checks=False)
    )
    for member in members:
        member.begin(segments // number)
    talk.say("here")
    await talk.listen()
    began = time.perf_counter_ns()
    for member in members:
        member.next()
    talk.say(began)
    await talk.listen()


async def measure(number: int = READERS, segments: int = SEGMENTS) -> Report:
    report = Report(f"fanout: {WRITERS} writers, {number} readers of one document, one node, TLS, durable")
    with scratch() as place:
        async with child("crowd", "node", home=str(place / "node")) as node:
            address = await node.hear()
            async with (
                child("fanout", "readers", address=address, number=number) as reading,
                child("fanout", "writers", address=address, number=WRITERS, segments=segments) as writing,
            ):
                await reading.hear()
                await writing.hear()
                await reading.ask(segments)
                before, _ = await node.ask()
                began = await writing.ask()
                ended = await reading.hear()
                after, _ = await node.ask()
    deliveries = number * segments
    wall = (ended - began) / 1e9
    note = f"{deliveries:,} in {wall:.2f} s, of it {after - before:.2f} s of the node's processor time"
    report.add("deliveries a second", deliveries / wall, "/s", ">= 100000", note)
    report.add("deliveries a second of the node's processor time", deliveries / (after - before), "/s")
    if not pycrdt_peer.is_installed():
        report.add(
            "readers", number, "", "", "pycrdt-websocket is not installed here, so nothing to compare with"
        )
        return report
    rate, of_processor = await pycrdt_peer.measured(number, WRITERS, segments // PEER_SHARE)
    report.add("pycrdt-websocket: deliveries a second", rate, "/s", "", "plaintext, nothing durable")
    report.add("pycrdt-websocket: deliveries a second of its processor time", of_processor, "/s")
    report.add("node / pycrdt-websocket, processor time", deliveries / (after - before) / of_processor, "x")
    return report
