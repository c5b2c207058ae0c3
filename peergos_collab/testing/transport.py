# ruff: noqa: SLF001 the two ends of a pair are one thing
"""Connections in memory, and the acceptance tests for anyone's transport.

An adapter is right if ``check_transport`` passes; connections that come another way, such as data
channels, are checked with ``check_connections``. Both raise ``AssertionError`` with what is wrong.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from ..errors import LocalProtocolError, Offline, PeergosCollabError, WrongPin
from ..ports.transport import Address, Connection, Listener, Transport

T = TypeVar("T")

MAX_MESSAGE: Final = 1024 * 1024
HIGH_WATER: Final = 256 * 1024

_PATIENCE: Final = 10.0
"""Seconds a single step of a check may take before it counts as hanging."""


class MemoryConnection:
    """One end of a pair, kind ``memory``. What ``cut`` does, a broken network does too."""

    kind: Final = "memory"

    def __init__(self, channel: bytes) -> None:
        self.channel = channel
        self._other: MemoryConnection = self
        self._messages: deque[bytes] = deque()
        self._held = 0
        self._changed = asyncio.Event()
        self._ended = self._muted = self._receiving = False

    def send(self, message: bytes) -> None:
        if len(message) > MAX_MESSAGE:
            raise LocalProtocolError(f"a message has at most {MAX_MESSAGE} bytes, not {len(message)}")
        if self._ended or self._muted:
            return
        self._other._messages.append(bytes(message))
        self._other._held += len(message)
        self._other._changed.set()

    async def drain(self) -> None:
        while self._other._held > HIGH_WATER and not self._ended:
            await self._other._wait()

    async def receive(self) -> bytes:
        if self._receiving:
            raise LocalProtocolError("somebody else is receiving from this connection already")
        self._receiving = True
        try:
            while not self._messages:
                if self._ended:
                    raise Offline("The connection was closed.")
                await self._wait()
        finally:
            self._receiving = False
        message = self._messages.popleft()
        self._held -= len(message)
        self._changed.set()
        return message

    async def close(self) -> None:
        self._messages.clear()
        self._held = 0
        self._end()
        if not self._muted:
            self._other._end()

    def cut(self) -> None:
        """Breaks the connection at once, for both ends; what was not received yet is lost."""
        for end in (self, self._other):
            end._messages.clear()
            end._held = 0
            end._end()

    def mute(self) -> None:
        """From now on nothing arrives either way, and neither end is told."""
        self._muted = self._other._muted = True

    def _end(self) -> None:
        self._ended = True
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def memory_pair(channel: bytes = b"memory".ljust(32, b"\0")) -> tuple[MemoryConnection, MemoryConnection]:
    """Two connected ends. ``channel`` is what both say they are bound to."""
    left, right = MemoryConnection(channel), MemoryConnection(channel)
    left._other, right._other = right, left
    return left, right


class MemoryTransport:
    """Implements ``ports.Transport`` inside one process: listeners are found by port.

    ``certificate`` is the pin itself, 32 bytes. ``offline`` makes every new connection fail.
    """

    def __init__(self) -> None:
        self._listeners: dict[int, _MemoryListener] = {}
        self._next_port = 40_000
        self.offline = False

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        listener = self._listeners.get(address.port)
        if listener is None or self.offline:
            raise Offline(f"{address.host}:{address.port} could not be reached.")
        if listener.address.pin != address.pin:
            raise WrongPin
        near, far = memory_pair(address.pin)
        listener.serve(far)
        return near

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        if not isinstance(certificate, bytes):
            raise LocalProtocolError("a memory transport's certificate is its pin")
        if port in self._listeners:
            raise Offline(f"Cannot listen on {host} port {port}: it is taken.")
        if port == 0:
            port, self._next_port = self._next_port, self._next_port + 1
        listener = _MemoryListener(Address(certificate, host, port), accept, self._listeners)
        self._listeners[port] = listener
        return listener


class _MemoryListener:
    def __init__(
        self,
        address: Address,
        accept: Callable[[Connection], Awaitable[None]],
        listeners: dict[int, _MemoryListener],
    ) -> None:
        self.address = address
        self._accept = accept
        self._listeners = listeners
        self._connections: set[MemoryConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, connection: MemoryConnection) -> None:
        self._connections.add(connection)
        task = asyncio.get_running_loop().create_task(self._run(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, connection: MemoryConnection) -> None:
        try:
            await self._accept(connection)
        except PeergosCollabError:
            pass  # the usual end: Offline, or a peer that broke the rules and is let go
        finally:
            self._connections.discard(connection)
            await connection.close()

    async def close(self) -> None:
        self._listeners.pop(self.address.port, None)
        for connection in list(self._connections):
            await connection.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


# ---------------------------------------------------------------------- acceptance tests


async def check_connections(pair: Callable[[], Awaitable[tuple[Connection, Connection]]]) -> None:
    """Whether connections keep the promises of ``ports.Connection``.

    Args:
        pair: opens two connected ends; called several times. Both are closed by the check.
    """
    before = asyncio.all_tasks()
    await check_pairs(pair)
    await _no_new_tasks(before)


async def check_pairs(pair: Callable[[], Awaitable[tuple[Connection, Connection]]]) -> None:
    """As ``check_connections``, where tasks of somebody in between may end a little later."""
    for check in (_both_ways, _sizes_and_order, _slow_reader, _refuses_too_much, _end_of_one, _last_words):
        left, right = await _step(pair(), "opening")
        try:
            await check(left, right)
        finally:
            await _step(asyncio.gather(left.close(), right.close()), "closing")
        await _step(asyncio.gather(left.close(), right.close()), "closing twice")


async def check_transport(
    transport: Transport, certificate: object, *, host: str = "127.0.0.1", unused_port: int = 1
) -> None:
    """Whether ``transport`` keeps the promises of ``ports.Transport`` and its connections theirs.

    Args:
        certificate: what its ``listen`` takes.
        host: where to listen.
        unused_port: a port of ``host`` where nobody answers.
    """
    before = asyncio.all_tasks()
    accepted: asyncio.Queue[tuple[Connection, asyncio.Event]] = asyncio.Queue()

    async def accept(connection: Connection) -> None:
        done = asyncio.Event()
        await accepted.put((connection, done))
        await done.wait()

    listener = await transport.listen(host, 0, certificate, accept)
    address = listener.address
    assert address.port > 0, "port 0 stands for a real port, and the address names it"
    assert len(address.pin) == 32, "the pin has 32 bytes"
    handlers: list[asyncio.Event] = []

    async def pair() -> tuple[Connection, Connection]:
        near = await transport.connect(address)
        far, done = await accepted.get()
        handlers.append(done)
        return near, far

    async def let_handlers_go() -> None:
        while handlers:
            handlers.pop().set()
        await _no_new_tasks(before)

    try:
        await check_pairs(pair)
        await let_handlers_go()
        await _refuses_strangers(transport, address, unused_port)
        near, _ = await _step(pair(), "opening")
        handlers.pop().set()
        await _expect_offline(near, "the connection outlives its accept handler")
        await near.close()
        near, far = await _step(pair(), "opening")
        closing = asyncio.create_task(listener.close())
        await _expect_offline(far, "a served connection outlives its closed listener")
        handlers.pop().set()
        await _step(closing, "closing the listener")
        await _expect_offline(near, "a connection outlives its closed listener")
        await near.close()
    finally:
        for handler in handlers:
            handler.set()
        await _step(listener.close(), "closing the listener twice")
    await _expect_nobody(transport, address)
    await _no_new_tasks(before)


async def _no_new_tasks(before: set[asyncio.Task[Any]]) -> None:
    for _ in range(10):  # whoever waits for a closed connection gets some steps to notice
        await asyncio.sleep(0)
    left_over = asyncio.all_tasks() - before
    assert not left_over, f"tasks are left after close: {left_over}"


async def _both_ways(left: Connection, right: Connection) -> None:
    assert left.channel == right.channel, "both ends name one channel"
    assert len(left.channel) >= 32, "a channel is named by at least 32 bytes"
    assert left.kind == right.kind, "both ends are of one kind"
    left.send(b"to the right")
    right.send(b"to the left")
    assert await _step(right.receive(), "receiving") == b"to the right", "a message came changed"
    assert await _step(left.receive(), "receiving") == b"to the left", "a message came changed"


async def _sizes_and_order(left: Connection, right: Connection) -> None:
    sizes = [0, 1, 125, 126, 16 * 1024 - 1, 16 * 1024, 65_535, 65_536, 300_000, 3, MAX_MESSAGE, 0, 7]
    messages = [bytes([index]) * size for index, size in enumerate(sizes)]

    async def send_all() -> None:
        for message in messages:
            left.send(message)
            await left.drain()

    sending = asyncio.create_task(send_all())
    for message in messages:
        got = await _step(right.receive(), f"a message of {len(message)} bytes")
        assert got == message, f"a message of {len(message)} bytes came changed or out of order"
        assert type(got) is bytes, "messages are bytes"
    await _step(sending, "draining")


async def _slow_reader(left: Connection, right: Connection) -> None:
    """``drain`` waits while the other end does not read, and goes on when it does."""
    piece, most = bytes(64 * 1024), 256
    sent = 0

    async def send_all() -> None:
        nonlocal sent
        while sent < most:
            left.send(piece)
            await left.drain()
            sent += 1

    sending = asyncio.create_task(send_all())
    last, same = -1, 0
    while same < 200:
        await asyncio.sleep(0)
        same = same + 1 if sent == last else 0
        last = sent
    assert sent < most, "16 MiB went out to a reader that reads nothing"
    most = min(most, sent + 16)  # a MiB more shows that it goes on
    for _ in range(most):
        await _step(right.receive(), "receiving what was held back")
    await _step(sending, "draining")


async def _refuses_too_much(left: Connection, right: Connection) -> None:
    try:
        left.send(bytes(MAX_MESSAGE + 1))
    except LocalProtocolError:
        pass
    else:
        raise AssertionError("a message over 1 MiB was taken")
    left.send(b"still alive")
    assert await _step(right.receive(), "receiving") == b"still alive"


async def _end_of_one(left: Connection, right: Connection) -> None:
    """Closing one end lets the other take what arrived, then tells it."""
    left.send(b"last words")
    waiting = asyncio.create_task(right.receive())
    assert await _step(waiting, "receiving") == b"last words"
    waiting = asyncio.create_task(right.receive())
    await asyncio.sleep(0)
    await _step(left.close(), "closing")
    await _expect_offline(left, "a closed connection still receives")
    try:
        await _step(waiting, "learning of the end")
    except Offline:
        pass
    else:
        raise AssertionError("the other end was not told")
    left.send(b"nobody")
    right.send(b"nobody")
    await _step(left.drain(), "draining a closed connection")
    await _step(right.drain(), "draining an ended connection")


async def _last_words(left: Connection, right: Connection) -> None:
    """What was sent before closing arrives, to an end that reads."""
    messages = [bytes([number]) * 30_000 for number in range(10)]
    for message in messages:
        left.send(message)
    closing = asyncio.create_task(left.close())
    for message in messages:
        assert await _step(right.receive(), "the last words") == message, "the last words came changed"
    await _expect_offline(right, "the other end was not told")
    await _step(closing, "closing")


async def _refuses_strangers(transport: Transport, address: Address, unused_port: int) -> None:
    other = Address(pin=bytes(32), host=address.host, port=address.port)
    try:
        await transport.connect(other)
    except WrongPin:
        pass
    else:
        raise AssertionError("a node with another key was taken")
    await _expect_nobody(transport, Address(pin=address.pin, host=address.host, port=unused_port))


async def _expect_nobody(transport: Transport, address: Address) -> None:
    try:
        await transport.connect(address)
    except Offline:
        return
    raise AssertionError("somebody answers where nobody is")


async def _expect_offline(connection: Connection, problem: str) -> None:
    try:
        await _step(connection.receive(), "receiving from an ended connection")
    except Offline:
        return
    raise AssertionError(problem)


async def _step(work: Awaitable[T], what: str) -> T:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await work
    except TimeoutError:
        raise AssertionError(f"{what} hangs") from None


__all__ = [
    "MemoryConnection",
    "MemoryTransport",
    "check_connections",
    "check_pairs",
    "check_transport",
    "memory_pair",
]
