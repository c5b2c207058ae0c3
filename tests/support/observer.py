"""What a node sees, as a transcript: sessions, frames, sizes, and every byte string that could be an id.

The observer sits where the node takes messages out of its connections, so it sees all that the node could
log. It has a memory: ids it has seen before are known by themselves, new ones only by when they came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from peergos_collab.codec import decode_untrusted
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports import Address, Connection, Listener, Transport
from peergos_collab.sync.frames import Frame
from transports.websocket import WebSocketTransport

ID_LENGTHS: Final = (16, 32, 64)
"""Ids, keys, nonces and signatures. What is longer is ciphertext, or is taken apart."""

BY_THE_CLOCK: Final = (Frame.PING, Frame.PONG, Frame.EPHEMERAL, Frame.CREDIT, Frame.RECEIPT)
"""How many of these there are depends on how long things take, not on what is done. (Receipts are the node's
own: it gives them when its disk is done, to whoever is still there.)"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message at the node: on which session, which way, and what of it is no ciphertext."""

    session: int
    inward: bool
    frame: Frame
    size: int
    ids: tuple[bytes, ...]


@dataclass(slots=True)
class Observer:
    """A transport to give to a node. ``memory`` is filled by ``remember``."""

    transport: Transport = field(default_factory=WebSocketTransport)
    seen: list[Seen] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    memory: set[bytes] = field(default_factory=set)
    known_sessions: int = 0
    sessions: int = 0

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        return await self.transport.connect(address, timeout=timeout)

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        async def watched(connection: Connection) -> None:
            self.sessions += 1
            await accept(_Watched(connection, self.sessions, self))

        return await self.transport.listen(host, port, certificate, watched)

    def note(self, session: int, inward: bool, message: bytes) -> None:
        kind, *fields = decode_untrusted(message, 1 << 20)
        self.raw.append(message)
        self.seen.append(Seen(session, inward, Frame(kind), len(message), tuple(_ids(fields))))

    def remember(self) -> None:
        """The hour of normal use is over: all of it is known from here on."""
        self.memory.update(id_ for seen in self.seen for id_ in seen.ids)
        self.known_sessions = self.sessions
        self.seen.clear()

    def transcript(self) -> list[list[tuple[object, ...]]]:
        """What happened since, by session in the order in which they spoke, with only new things renamed.

        Of a session the two directions are apart: which of two messages that cross was first is chance.
        So is whether a client says that it caught up, in answer to what the node has, before it sends
        what it wrote meanwhile: within a direction that comes last.
        """
        names = _Names(self.memory, self.known_sessions)
        by_session: dict[int, list[Seen]] = {}
        for seen in self.seen:
            if seen.frame not in BY_THE_CLOCK:
                by_session.setdefault(seen.session, []).append(seen)
        told: list[list[tuple[object, ...]]] = []
        for session, all_seen in by_session.items():
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
        ids = tuple(id_.hex() if id_ in self._memory else self._number(id_) for id_ in seen.ids)
        return (seen.inward, seen.frame.name, seen.size, ids)

    def _number(self, thing: object) -> int:
        return self._new.setdefault(thing, len(self._new))


def _ids(value: Any) -> Iterator[bytes]:
    """Every byte string of the length of an id, also inside records and segments; text as its bytes."""
    if isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, bytes) and len(value) in ID_LENGTHS:
        yield value
    elif isinstance(value, bytes) and value:
        try:
            inner = decode_untrusted(value, 1 << 20)
        except RemoteProtocolError:
            return
        if isinstance(inner, list):
            yield from _ids(inner)
