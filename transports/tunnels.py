"""The entry node's side of tunnels: what it opens for strangers, how much, and for how long.

It keeps in memory what it needs while a tunnel is open, and which targets answered as nodes lately.
It writes nothing anywhere about who asked or for what.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from peergos_collab.errors import PeergosCollabError, WrongPin
from peergos_collab.ports import Address, Connection, Transport
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from peergos_collab.values import dataclass

from .carrying import PIECE, carry
from .public_addresses import is_public
from .seats import whose
from .timers import Cancellable, Timers
from .tunnel_messages import Answer, encode_answer, is_ask, parse_ask_untrusted

_CONNECT_SECONDS: Final = 3.0
"""For looking up a name, asking a target who it is, and connecting, each: clients wait 10 s in all."""

_KNOWN_SECONDS: Final = 600.0
_MOST_KNOWN: Final = 1024
_ADDRESSES_TRIED: Final = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a node does for strangers.

    Args:
        tunnels: open or being opened at once. Each may hold about 1 MiB while one end is slow.
        per_client: of these for one client address (of IPv6: one /64): a client needs one for each
            circle and node, and several may share an address.
        amount: bytes through one tunnel, both ways together. Clients come back, and lose nothing.
        idle: seconds without a byte. Clients that are alive say something each 5 s.
        checks: targets asked at once who they are.
    """

    tunnels: int = 256
    per_client: int = 64
    amount: int = 1 << 30
    idle: float = 60.0
    checks: int = 8


class EntryTunnels:
    """Implements ``ports.Tunnels``.

    Args:
        private: open tunnels to private and loopback addresses too.
        transport: asks targets who they are.
        timers: the event loop outside tests.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        private: bool = False,
        limits: Limits | None = None,
        timers: Timers | None = None,
    ) -> None:
        self._private = private
        self._limits = limits or Limits()
        self._transport = transport
        self._timers = timers
        self._open: Counter[str] = Counter()
        self._checks = asyncio.Semaphore(self._limits.checks)
        self._known: dict[Address, float] = {}
        """Targets by IP address that answered as nodes, and until when that is believed."""

    def is_asked_for(self, message: bytes) -> bool:
        return is_ask(message)

    async def serve_untrusted(self, connection: Connection, message: bytes) -> None:
        target = parse_ask_untrusted(message)
        client = _client(connection)
        limits = self._limits
        if self._open.total() >= limits.tunnels or self._open[client] >= limits.per_client:
            connection.send(encode_answer(Answer.BUSY))
            return
        with self._counted(client):
            opened = await self._connect(target)
            if isinstance(opened, Answer):
                connection.send(encode_answer(opened))
                return
            connection.send(encode_answer(Answer.OPEN))
            with _Meter(limits, self._clock()) as meter:
                await carry(connection, *opened, moved=meter.moved, over=meter.over)

    @contextmanager
    def _counted(self, client: str) -> Iterator[None]:
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    def _clock(self) -> Timers:
        return self._timers or asyncio.get_running_loop()

    async def _connect(self, target: Address) -> tuple[StreamReader, StreamWriter] | Answer:
        addresses = await _look_up(target)
        allowed = [one for one in addresses if self._private or is_public(one.host)]
        if addresses and not allowed:
            return Answer.NOT_ALLOWED
        answer = Answer.UNREACHABLE
        for one in allowed[:_ADDRESSES_TRIED]:
            answer = await self._check(one)
            if answer is Answer.OPEN:
                return await _dial(one)
        return answer

    async def _check(self, target: Address) -> Answer:
        """Whether a target is the node the client named; what runs in the tunnel does not show it."""
        now = self._clock().time()
        if self._known.get(target, now) > now:
            return Answer.OPEN
        async with self._checks:
            answer = await self._ask_who_it_is(target)
        self._known.pop(target, None)
        if answer is Answer.OPEN:
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[target] = now + _KNOWN_SECONDS
        return answer

    async def _ask_who_it_is(self, target: Address) -> Answer:
        try:
            probe = await self._transport.connect(target, timeout=_CONNECT_SECONDS)
        except WrongPin:
            return Answer.WRONG_PIN
        except PeergosCollabError:
            return Answer.UNREACHABLE
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                frame, _ = decode_frame_untrusted(await probe.receive())
        except (PeergosCollabError, TimeoutError):
            return Answer.UNREACHABLE
        finally:
            await probe.close()
        return Answer.OPEN if frame is Frame.HELLO else Answer.UNREACHABLE


class _Meter:
    """Ends a tunnel that carries too much, or nothing for too long."""

    def __init__(self, limits: Limits, timers: Timers) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._limits = limits
        self._timers = timers
        self._left = limits.amount
        self._seen = limits.amount
        self._timer: Cancellable | None = None

    def __enter__(self) -> Self:
        self._timer = self._timers.call_later(self._limits.idle, self._check)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._end()

    def moved(self, amount: int) -> None:
        self._left -= amount
        if self._left <= 0:
            self._end()

    def _check(self) -> None:
        if self._left == self._seen:
            self._end()
            return
        self._seen = self._left
        self._timer = self._timers.call_later(self._limits.idle, self._check)

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def _look_up(target: Address) -> list[Address]:
    """The IP addresses of a target; what is checked is what is then connected to."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    hosts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    return [Address(target.pin, host, target.port) for host in hosts]


async def _dial(target: Address) -> tuple[StreamReader, StreamWriter] | Answer:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(target.host, target.port, limit=PIECE)
    except (OSError, TimeoutError):
        return Answer.UNREACHABLE
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return reader, writer


def _client(connection: Connection) -> str:
    """Whom a tunnel is counted for, as long as it is open."""
    return whose(str(getattr(connection, "peer_host", "")))  # transports without addresses have none
