"""What a node sees, as a transcript: sessions, frames, sizes, every number, and whatever could be an id.

The observer sits where the node takes messages out of its connections, so it sees all that the node could
log. It has a memory: ids it has seen before are known by themselves, new ones only by when they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from peergos_collab.codec import decode_untrusted
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports import Address, Connection, Listener, Transport
from peergos_collab.sync.frames import MAX_FRAME, Frame
from transports.websocket import WebSocketTransport

ID_LENGTHS: Final = (16, 32, 64)
"""Ids, keys, nonces and signatures. What is longer is ciphertext, or is taken apart."""

BY_THE_CLOCK: Final = (Frame.PING, Frame.PONG, Frame.EPHEMERAL, Frame.CREDIT, Frame.RECEIPT)
"""How many of these there are depends on how long things take, not on what is done. (Receipts are the node's
own: it gives them when its disk is done, to whoever is still there.)"""

Transcript = list[list[tuple[object, ...]]]
"""By session what was said on it."""

Plain = tuple["Plain", ...] | bytes | int | str | None
"""What of a message is no ciphertext: numbers, words and ids as they are, of sealed bytes their number."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message at the node: on which session, which way, and what of it is no ciphertext."""

    session: int
    inward: bool
    frame: Frame
    raw: bytes
    plain: tuple[Plain, ...]

    @property
    def fields(self) -> list[Any]:
        """What the frame holds, as it was sent."""
        return decode_untrusted(self.raw, MAX_FRAME)[1:]  # type: ignore[no-any-return]


@dataclass(slots=True)
class Observer:
    """A transport to give to a node.

    Args:
        record: all that was seen.
        fresh: what was seen since ``remember``.
        memory: the ids seen before that.
        began, ended: when each session did.
    """

    transport: Transport = field(default_factory=WebSocketTransport)
    record: list[Seen] = field(default_factory=list)
    fresh: list[Seen] = field(default_factory=list)
    memory: set[bytes] = field(default_factory=set)
    known_sessions: int = 0
    sessions: int = 0
    began: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)

    @property
    def wire(self) -> bytes:
        """All messages, both ways."""
        return b"\0".join(seen.raw for seen in self.record)

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        return await self.transport.connect(address, timeout=timeout)

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        async def watched(connection: Connection) -> None:
            self.sessions += 1
            session, loop = self.sessions, asyncio.get_running_loop()
            self.began[session] = loop.time()
            try:
                await accept(_Watched(connection, session, self))
            finally:
                self.ended[session] = loop.time()

        return await self.transport.listen(host, port, certificate, watched)

    def note(self, session: int, inward: bool, message: bytes) -> None:
        kind, *fields = decode_untrusted(message, MAX_FRAME)
        seen = Seen(session, inward, Frame(kind), message, tuple(map(_plain, fields)))
        self.record.append(seen)
        self.fresh.append(seen)

    def remember(self) -> None:
        """The hour of normal use is over: all of it is known from here on."""
        self.memory.update(id_ for seen in self.fresh for id_ in _ids(seen.plain))
        self.known_sessions = self.sessions
        self.fresh.clear()

    def transcript(self, leave_out: bytes = b"") -> Transcript:
        """What happened since, by session in the order in which they spoke, with only new things renamed.

        Args:
            leave_out: an object whose sessions are left out, because they come whatever is done.

        Of a session the two directions are apart: which of two messages that cross was first is chance.
        So is whether a client says that it caught up, in answer to what the node has, before it sends
        what it wrote meanwhile: within a direction that comes last.
        """
        names = _Names(self.memory, self.known_sessions)
        by_session: dict[int, list[Seen]] = {}
        for seen in self.fresh:
            if seen.frame not in BY_THE_CLOCK:
                by_session.setdefault(seen.session, []).append(seen)
        told: Transcript = []
        for session, all_seen in by_session.items():
            if any(seen.frame is Frame.OPEN and seen.plain[0] == leave_out for seen in all_seen):
                continue
            lines: list[tuple[object, ...]] = [("session", names.session(session))]
            for inward in (True, False):
                spoken = [seen for seen in all_seen if seen.inward is inward]
                spoken.sort(key=lambda seen: seen.frame is Frame.CAUGHT_UP)
                lines += [names.line(seen) for seen in spoken]
            told.append(lines)
        return told


class _Watched:
    def __init__(self, connection: Connection, number: int, observer: Observer) -> None:
        self._connection = connection
        self._number = number
        self._observer = observer
        self.channel, self.kind = connection.channel, connection.kind

    def send(self, message: bytes) -> None:
        self._observer.note(self._number, False, message)
        self._connection.send(message)

    async def drain(self) -> None:
        await self._connection.drain()

    async def receive(self) -> bytes:
        message = await self._connection.receive()
        self._observer.note(self._number, True, message)
        return message

    async def close(self) -> None:
        await self._connection.close()


class _Names:
    """New ids and sessions are numbered as they come; known ones keep their own name."""

    def __init__(self, memory: set[bytes], known_sessions: int) -> None:
        self._memory = memory
        self._known_sessions = known_sessions
        self._new: dict[object, int] = {}

    def session(self, number: int) -> object:
        return ("known", number) if number <= self._known_sessions else self._number(("session", number))

    def line(self, seen: Seen) -> tuple[object, ...]:
        return (seen.inward, seen.frame.name, len(seen.raw), self._renamed(seen.plain))

    def _renamed(self, plain: Plain) -> object:
        if isinstance(plain, tuple):
            return tuple(map(self._renamed, plain))
        if isinstance(plain, bytes):
            return plain.hex() if plain in self._memory else ("new", self._number(plain))
        return plain

    def _number(self, thing: object) -> int:
        return self._new.setdefault(thing, len(self._new))


def _plain(value: Any) -> Plain:
    """A value without ciphertext; records and segments are taken apart."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if not isinstance(value, bytes) or len(value) in ID_LENGTHS:
        return value  # type: ignore[no-any-return]
    try:
        inner = decode_untrusted(value, MAX_FRAME)
    except RemoteProtocolError:
        inner = None
    return _plain(inner) if isinstance(inner, list) else ("sealed", len(value))


def _ids(plain: Plain) -> Iterator[bytes]:
    if isinstance(plain, tuple):
        for item in plain:
            yield from _ids(item)
    elif isinstance(plain, bytes):
        yield plain
