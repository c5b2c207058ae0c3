"""A running node: connections in, frames out, and a store that makes things durable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..codec.address import format_address
from ..errors import Damaged, LocalProtocolError, Offline, RemoteProtocolError
from ..ports import Connection, Listener, Transport, Tunnels
from ..ports.installed import installed_transport
from ..storage import HomeLock, SqliteStore, open_store
from ..sync.session import Session
from .commits import Commit
from .keys import NodeKeys
from .pruning import GRACE_HOURS
from .shelf import BEAT_SECONDS, Shelf
from .stun import answer_stun

KEY_FILE: Final = "node.key"
STORE_FILE: Final = "node.db"

SENT_BYTES: Final = 256 << 10
"""After so many bytes to one connection the next wait until it has taken them."""

SLICE_SECONDS: Final = 0.002
"""One connection is served for so long, or one frame if that takes longer; then it is the others' turn."""

SLICE_ANSWERS: Final = 16
"""Frames that answer one connection before they go out: each may be as long as the longest segment."""

HOUR_SECONDS: Final = 3600.0
PAUSE_SECONDS: Final = 0.2
"""Between a few archives that take the place of segments and the next."""

MAX_BACKLOG: Final = 4096
"""Frames that may wait for a connection that does not read; then it is closed, and may come back."""


class RunningNode:
    """A node that serves until closed.

    ``address`` is what clients add: its pin, host and port.

    Args:
        tunnels: makes it an entry node too.
    """

    def __init__(
        self, shelf: Shelf, store: SqliteStore, lock: HomeLock, tunnels: Tunnels | None = None
    ) -> None:
        self._shelf = shelf
        self._store = store
        self._lock = lock
        self._tunnels = tunnels
        self._connections: dict[int, Connection] = {}
        self._sent: dict[int, int] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._draining: dict[int, asyncio.Task[None]] = {}
        self._listener: Listener | None = None
        self._stun: asyncio.DatagramTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._flushing = False
        self._beat: asyncio.TimerHandle | None = None
        self._hour = self._loop.call_later(HOUR_SECONDS, self._hour_passed)
        self._pruning: asyncio.Task[None] | None = None
        self._ended: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    def address(self) -> str:
        assert self._listener is not None
        return format_address(self._listener.address)

    @property
    def port(self) -> int:
        assert self._listener is not None
        return self._listener.address.port

    async def listen(self, transport: Transport, host: str, port: int, certificate: object) -> None:
        self._listener = await transport.listen(host, port, certificate, self.accept)

    async def tell_addresses(self, host: str) -> None:
        """Answers STUN from now on, at the UDP port of the number that it listens at. Raises Offline."""
        self._stun = await answer_stun(host, self.port)
        self._shelf.stun = True

    @property
    def tells_addresses(self) -> bool:
        return self._shelf.stun

    async def accept(self, connection: Connection) -> None:
        """Serves one connection until it ends."""
        session = self._shelf.attach(connection.channel)
        self._connections[id(session)] = connection
        self._flush()
        served = 0.0
        try:
            while True:
                message = await connection.receive()
                began = self._loop.time()
                if self._tunnels is not None and not session.greeted and self._tunnels.is_asked_for(message):
                    await self._relay(session, connection, message, self._tunnels)
                    return
                for commit in self._shelf.receive_untrusted(session, message):
                    self._write(commit)
                while self._shelf.work(session):  # noqa: ASYNC110 - it waits for nothing, others have a turn
                    await asyncio.sleep(0)
                self._flush_soon()
                served += self._loop.time() - began
                if served > SLICE_SECONDS or session.backlog > SLICE_ANSWERS:
                    await asyncio.sleep(0)  # what has come already would be taken without a pause
                    served = 0.0
                await connection.drain()
        except Offline:
            pass
        except RemoteProtocolError as error:
            session.refuse(None, "protocol", str(error)[:200])
            self._send(session, connection)
        finally:
            self._shelf.detach(session)
            self._connections.pop(id(session), None)
            self._sent.pop(id(session), None)
            await connection.close()

    async def _relay(
        self, session: Session, connection: Connection, message: bytes, tunnels: Tunnels
    ) -> None:
        """From here on the connection carries bytes of a tunnel, and nothing of this node's own."""
        self._shelf.detach(session)
        await tunnels.serve_untrusted(connection, message)

    def _write(self, commit: Commit) -> None:
        try:
            future = asyncio.wrap_future(self._store.write(commit.batch), loop=self._loop)
        except (Damaged, LocalProtocolError):  # it follows something that could not be written
            self._lost(commit)
        else:
            future.add_done_callback(lambda done: self._durable(done, commit))

    def _durable(self, done: asyncio.Future[None], commit: Commit) -> None:
        if done.cancelled():
            return
        if done.exception() is not None:
            self._lost(commit)
            if self._store.failure is not None and self._ended is None:
                self._ended = self._loop.create_task(self.close())
        else:
            commit.durable()
            self._flush_soon()
            if self._shelf.pruning.ripe and (self._pruning is None or self._pruning.done()):
                self._pruning = self._loop.create_task(self._prune())

    def _say_later(self) -> None:
        self._beat = None
        for commit in self._shelf.beat():
            self._write(commit)

    def _hour_passed(self) -> None:
        self._hour = self._loop.call_later(HOUR_SECONDS, self._hour_passed)
        self._write(self._shelf.pruning.hour())

    async def _prune(self) -> None:
        """A few at a time: others are served meanwhile."""
        while commits := self._shelf.pruning.act():
            for commit in commits:
                self._write(commit)
            await asyncio.sleep(PAUSE_SECONDS)

    def _lost(self, commit: Commit) -> None:
        """A batch that could not be written earns no receipt, now or later: clients give it again."""
        if commit.object is not None:
            for session in self._shelf.lose(commit.object):
                self._cut(session)

    def _flush_soon(self) -> None:
        """Sends after everything that is ready in this turn of the loop has been taken in."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._beat is None and self._shelf.waits:
            self._beat = self._loop.call_later(BEAT_SECONDS, self._say_later)

    def _flush(self) -> None:
        self._flushing = False
        touched, self._shelf.touched = self._shelf.touched, {}
        for key, session in touched.items():
            connection = self._connections.get(key)
            if connection is not None and key not in self._draining:
                self._send(session, connection)
            elif connection is not None and session.backlog > MAX_BACKLOG:
                self._draining[key].cancel()

    def _send(self, session: Session, connection: Connection) -> None:
        key = id(session)
        sent = self._sent.get(key, 0)
        for message in session.take_outgoing():
            connection.send(message)
            sent += len(message)
        self._sent[key] = sent
        if session.damaged:
            for stale in self._shelf.mend(session):
                self._cut(stale)
        if sent > SENT_BYTES and key in self._connections and key not in self._draining:
            self._draining[key] = self._loop.create_task(self._drain(session, connection))

    def _cut(self, session: Session) -> None:
        connection = self._connections.get(id(session))
        if connection is not None:
            task = self._loop.create_task(connection.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _drain(self, session: Session, connection: Connection) -> None:
        """What waits for somebody who does not read stays in his session, where it is bounded."""
        try:
            await connection.drain()
        except asyncio.CancelledError:
            await connection.close()
            raise
        finally:
            self._draining.pop(id(session), None)
        if id(session) in self._connections:
            self._sent[id(session)] = 0
            self._shelf.touched[id(session)] = session
            self._flush_soon()

    async def closed(self) -> None:
        """Returns once it is closed. Raises Damaged where it ended because its disk failed."""
        await self._closed.wait()
        if self._store.failure is not None:
            raise self._store.failure

    async def close(self) -> None:
        """Stops listening, ends all connections, makes everything durable."""
        if self._closed.is_set():
            return
        if self._listener is not None:
            await self._listener.close()
        if self._stun is not None:
            self._stun.close()
        if self._beat is not None:
            self._beat.cancel()
        self._hour.cancel()
        if self._pruning is not None:
            self._pruning.cancel()
        for task in list(self._draining.values()):
            task.cancel()
        for connection in list(self._connections.values()):
            await connection.close()
        pruning = [self._pruning] if self._pruning is not None else []
        ending = *self._draining.values(), *self._ending, *pruning
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.to_thread(self._store.close)
        self._lock.release()
        self._closed.set()


async def serve_node(
    home: Path,
    host: str,
    port: int,
    *,
    transport: Transport | None = None,
    tunnels: Tunnels | None = None,
    stun: bool = False,
    grace: int = GRACE_HOURS,
) -> RunningNode:
    """Starts a node whose key and store live in ``home``; makes them at the first start.

    Args:
        home: a directory, mode 0700; made if missing.
        port: 0 takes the port used before, or a free one.
        transport: for tests; the installed WebSocket transport otherwise.
        tunnels: makes it an entry node for others too.
        stun: answer STUN as well, unless the UDP port of the same number is taken.
        grace: hours that members have to object before archives take the place of segments.

    Raises:
        Conflict: a node is running there already.
        Damaged: its key or store cannot be read.
        Offline: the port is taken.
    """
    async with AsyncExitStack() as undo:
        lock = HomeLock(home / "lock")
        undo.callback(lock.release)
        keys = NodeKeys.load(home / KEY_FILE)
        store, _ = open_store(home / STORE_FILE)
        undo.callback(store.close)
        node = RunningNode(Shelf(store, keys.receipt, _now, os.urandom, grace=grace), store, lock, tunnels)
        undo.push_async_callback(node.close)
        await node.listen(transport or installed_transport(), host, port or keys.port, keys.certificate)
        replace(keys, port=node.port).save(home / KEY_FILE)
        if stun:
            with contextlib.suppress(Offline):
                await node.tell_addresses(host)
        undo.pop_all()
    return node


def _now() -> int:
    return time.time_ns() // 1_000_000
