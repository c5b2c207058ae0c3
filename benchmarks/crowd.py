"""Many sessions with one node on one object, over real sockets: what a node is measured with.

The object is made from a seed, so each process of a crowd makes the same one. Members check what
comes as a device does, down to the signature; what they would do with it after that costs the node nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from peergos_collab.codec.address import parse_address
from peergos_collab.codec.ids import LogId, ObjectId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Offline
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.segments import Segment, seal_segment
from peergos_collab.ports import Connection
from peergos_collab.ports.installed import installed_transport
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import (
    CaughtUp,
    EphemeralCame,
    Greeted,
    RecordsCame,
    RefusedCame,
    SegmentsCame,
)
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.home import found_object

from .processes import Talk

AT_ONCE = 25
"""Connections that are made at one time."""

PAYLOAD = 60
"""Bytes of content in a segment: a keystroke with what belongs to it."""


class Shared:
    """The object of a crowd, and its keys."""

    def __init__(self, seed: int) -> None:
        source = random.Random(seed).randbytes
        maker = Credentials.found("crowd", RecoveryCode.generate(source), source)
        self.epoch, keys = found_object(maker, Kind.DOCUMENT, source)
        self.keys = {self.epoch.id: keys}

    @property
    def object(self) -> ObjectId:
        return self.epoch.object

    def book(self) -> LogBook:
        book = LogBook(self.object, MemoryStore())
        book.store.write(book.take_records([self.epoch.raw]).batch)
        return book


class Log:
    """What one member writes."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._key = SigningKey.generate(os.urandom)
        self._last: Segment | None = None

    @property
    def id(self) -> LogId:
        return LogId(self._key.public)

    @property
    def certificate(self) -> bytes:
        epoch = self._shared.epoch
        key = self._shared.keys[epoch.id].signing_key(Level.WRITE)
        return Certificate.issue(epoch.object, epoch.id, self.id, key).raw

    def write(self) -> Segment:
        last, epoch = self._last, self._shared.epoch
        seq, previous = (last.seq + 1, last.id) if last is not None else (1, b"")
        content = self._shared.keys[epoch.id].content
        payload = os.urandom(PAYLOAD)
        self._last = seal_segment(
            epoch.object, self._key, seq, previous, epoch.id, payload, content, os.urandom
        )
        return self._last


class Member:
    """One session with the node on the object of a crowd.

    Args:
        book: of its own, to check what comes; or one for all, which only opens the object.
        on_segments: told of raw segments as they come, after they were checked.
        on_passing: told of each ephemeral message.
    """

    def __init__(
        self,
        connection: Connection,
        shared: Shared,
        book: LogBook,
        on_segments: Callable[[Sequence[bytes]], None] = lambda _: None,
        on_passing: Callable[[bytes], None] = lambda _: None,
        *,
        checks: bool = True,
        opens: bool = True,
    ) -> None:
        self._connection = connection
        self._shared = shared
        self._book = book
        self._checks = checks
        self._on_segments = on_segments
        self._on_passing = on_passing
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.session = Session(connection.channel, lambda _: book, os.urandom, with_node=True)
        if opens:
            self.session.open(shared.object, shared.keys)
        self._opens = opens
        self.flush()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                self.take(await self._connection.receive())
        except Offline:
            if not self.ready.done():
                self.ready.set_exception(RuntimeError("the node ended a session of the crowd"))

    def take(self, frame: bytes) -> None:
        for event in self.session.receive_untrusted(frame):
            self.handle(event)
        self.flush()

    def handle(self, event: object) -> None:
        match event:
            case SegmentsCame():
                if self._checks:
                    offered = self._book.take_segments(event.raws)
                    self._book.store.write(offered.batch)
                    self.session.note_taken(event.object, offered.arrivals, offered.known)
                self._on_segments(event.raws)
                self.session.grant_credit(event.size)
            case RecordsCame():
                self._book.store.write(self._book.take_records(event.raws).batch)
            case EphemeralCame():
                self._on_passing(event.key)
            case CaughtUp():
                self._be_ready()
            case Greeted() if not self._opens:
                self._be_ready()
            case RefusedCame():
                if event.reason != "unknown":
                    raise RuntimeError(f"the node refused: {event.words}")
                self.session.send_records(self._shared.object, [self._shared.epoch.raw])
                self.session.open(self._shared.object, self._shared.keys)
            case _:
                pass

    def _be_ready(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    def flush(self) -> None:
        for frame in self.session.take_outgoing():
            self._connection.send(frame)

    def write(self, segments: Sequence[Segment], certificate: bytes = b"") -> None:
        """Writes segments of one log, as a device does."""
        records = [certificate] if certificate else []
        self._book.store.write(self._book.take_records(records).batch)
        offered = self._book.take_segments([segment.raw for segment in segments])
        self._book.store.write(offered.batch)
        self.session.announce(self._shared.object, offered.arrivals)
        self.flush()

    async def close(self) -> None:
        await self._connection.close()
        await self._task


async def gather(address: str, number: int, join: Callable[[Connection], Member]) -> list[Member]:
    """So many members, connected and caught up."""
    gate = asyncio.Semaphore(AT_ONCE)
    transport = installed_transport()

    async def one() -> Member:
        async with gate:
            member = join(await transport.connect(parse_address(address)))
            await member.ready
            return member

    first = [await one()] if number else []
    return first + list(await asyncio.gather(*(one() for _ in range(number - 1))))


async def node(talk: Talk, home: str) -> None:
    """A child: a blind node. Says its address; when asked, its processor time in s and memory in KiB."""
    from peergos_collab.node import serve_node

    running = await serve_node(Path(home), "127.0.0.1", 0)
    talk.say(running.address)
    try:
        while True:
            await talk.listen()
            talk.say([time.process_time(), memory()])
    finally:
        await running.close()


def memory() -> int:
    """What this process holds just now, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024
