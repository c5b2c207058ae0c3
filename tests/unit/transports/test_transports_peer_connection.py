"""The connection around a pipe, with time and pipe in the test's hands."""

from __future__ import annotations

import asyncio

import pytest

from peergos_collab.errors import LocalProtocolError, Offline
from peergos_collab.ports.transport import Connection
from peergos_collab.testing.timers import ManualTimers
from peergos_collab.testing.transport import check_connections
from transports.fragments import BYE, MAX_FRAME, PING, WINDOW, Kind
from transports.peer_connection import PIPE_HIGH, PeerConnection


class Wire:
    """A pipe that keeps what is sent until the test takes it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.torn_down = 0

    @property
    def buffered(self) -> int:
        return sum(map(len, self.frames))

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)

    def take(self) -> list[bytes]:
        frames, self.frames = self.frames, []
        return frames

    async def tear_down(self) -> None:
        self.torn_down += 1


class Wired:
    """A pipe that hands each frame over on the next tick, as SCTP does."""

    def __init__(self, timers: ManualTimers) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self.connection = PeerConnection(self, self.tear_down, timers)
        self.other = self

    @property
    def buffered(self) -> int:
        return sum(map(len, self._waiting))

    def send(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        frame = self._waiting.pop(0)
        self.other.connection.frame_received_untrusted(frame)
        self.connection.pump()

    async def tear_down(self) -> None:
        self.other.connection.lost("The other end went.")


def opened() -> tuple[PeerConnection, Wire, ManualTimers]:
    wire, timers = Wire(), ManualTimers()
    connection = PeerConnection(wire, wire.tear_down, timers)
    connection.opened(bytes(64))
    return connection, wire, timers


async def test_is_a_connection() -> None:
    """It passes the acceptance test for connections."""

    async def pair() -> tuple[Connection, Connection]:
        timers = ManualTimers()
        left, right = Wired(timers), Wired(timers)
        left.other, right.other = right, left
        for end in (left, right):
            end.connection.opened(bytes(64))
        return left.connection, right.connection

    await check_connections(pair)


async def test_a_silent_peer_is_lost_after_three_seconds() -> None:
    """Two pings go out, then the connection ends by itself and frees what is below."""
    connection, wire, timers = opened()
    timers.advance(2.9)

    assert wire.take() == [PING, PING]

    timers.advance(0.2)
    with pytest.raises(Offline, match="no sign of life for 3 s"):
        await connection.receive()
    await connection.close()
    assert wire.torn_down == 1


async def test_pings_keep_a_quiet_connection() -> None:
    """A peer who only pings is there."""
    connection, _, timers = opened()
    for _ in range(10):
        timers.advance(1)
        connection.frame_received_untrusted(PING)
    connection.frame_received_untrusted(bytes([Kind.LAST]) + b"hello")

    assert await connection.receive() == b"hello"

    connection.lost("over")
    await connection.close()


async def test_little_waits_below_us() -> None:
    """At most 64 KiB are in the pipe's own buffer, so that pings stay quick."""
    connection, wire, _ = opened()
    connection.send(bytes(1024 * 1024))

    assert PIPE_HIGH <= wire.buffered <= 64 * 1024
    assert all(len(frame) <= MAX_FRAME for frame in wire.frames)

    connection.lost("over")
    await connection.close()


async def test_without_credit_sending_stops() -> None:
    """A peer who takes nothing gets no more than his window."""
    connection, wire, _ = opened()
    sent = 0
    for _ in range(4):
        connection.send(bytes(1024 * 1024))
    while frames := wire.take():
        sent += sum(map(len, frames))
        connection.pump()

    assert WINDOW - 2 * MAX_FRAME < sent < WINDOW

    connection.lost("over")
    await connection.close()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        "text",
        b"\x09",
        bytes([Kind.CREDIT, 0, 0, 0, 1]),
        bytes([Kind.CREDIT]),
        bytes([Kind.LAST]) + bytes(MAX_FRAME),
    ],
)
async def test_broken_frames_end_the_connection(frame: object) -> None:
    """A peer who breaks the rules is let go, and the caller hears Offline."""
    connection, wire, _ = opened()
    connection.frame_received_untrusted(frame)

    with pytest.raises(Offline, match="broke the rules"):
        await connection.receive()

    await connection.close()
    assert wire.torn_down == 1


async def test_a_goodbye_is_answered_after_the_last_message() -> None:
    """What came before the goodbye can still be taken."""
    connection, wire, _ = opened()
    connection.frame_received_untrusted(bytes([Kind.LAST]) + b"last words")
    connection.frame_received_untrusted(BYE)

    assert wire.take() == [BYE]
    assert await connection.receive() == b"last words"
    with pytest.raises(Offline):
        await connection.receive()

    await connection.close()


async def test_too_big_is_the_callers_mistake() -> None:
    """A message over 1 MiB is refused before anything is sent."""
    connection, wire, _ = opened()

    with pytest.raises(LocalProtocolError):
        connection.send(bytes(1024 * 1024 + 1))
    assert wire.frames == []

    connection.lost("over")
    await connection.close()
