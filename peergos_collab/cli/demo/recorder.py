"""Writes down every message inside TLS and DTLS, by a wrapper around each connection.

Only the tour's own processes do this: ``record_everything`` replaces methods of the installed
transports' classes in the process that calls it. Nothing outside of the tour can switch it on.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...ports.installed import GROUP

if TYPE_CHECKING:
    from ...ports import Connection

_LENGTH = struct.Struct(">I")


class FrameLog:
    """Messages in a file per kind of connection, each after its length."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, BinaryIO] = {}

    def add(self, kind: str, message: bytes) -> None:
        file = self._files.get(kind)
        if file is None:
            file = self._files[kind] = (self._directory / f"frames-{kind}").open("ab")
        file.write(_LENGTH.pack(len(message)) + message)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def frames_in(file: Path) -> Iterator[bytes]:
    """The messages of a log file."""
    with file.open("rb") as opened:
        while head := opened.read(_LENGTH.size):
            yield opened.read(_LENGTH.unpack(head)[0])


class RecordedConnection:
    """A connection that writes down what passes through it; otherwise the one it wraps."""

    def __init__(self, inner: Connection, log: FrameLog) -> None:
        self._inner = inner
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(self, message: bytes) -> None:
        self._log.add(self._inner.kind, bytes(message))
        self._inner.send(message)

    async def receive(self) -> bytes:
        message = await self._inner.receive()
        self._log.add(self._inner.kind, message)
        return message


class _RecordedPending:
    """An offer or answer whose connection will be recorded."""

    def __init__(self, inner: Any, log: FrameLog) -> None:
        self._inner = inner
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def accept(self, *args: Any, **kwargs: Any) -> RecordedConnection:
        return RecordedConnection(await self._inner.accept(*args, **kwargs), self._log)

    async def opened(self, *args: Any, **kwargs: Any) -> RecordedConnection:
        return RecordedConnection(await self._inner.opened(*args, **kwargs), self._log)


def record_everything(log: FrameLog) -> None:
    """From now on every connection that a transport opens in this process is recorded."""

    def wrap(result: Any) -> Any:
        if isinstance(result, tuple):
            return (*result[:-1], _RecordedPending(result[-1], log))
        return (RecordedConnection if hasattr(result, "receive") else _RecordedPending)(result, log)

    for entry in entry_points(group=GROUP):
        transport = entry.load()
        for name in {"connect", "offer", "answer"} & set(dir(transport)):
            setattr(transport, name, _wrapping(getattr(transport, name), wrap))


def _wrapping(
    method: Callable[..., Awaitable[Any]], wrap: Callable[[Any], Any]
) -> Callable[..., Awaitable[Any]]:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrap(await method(*args, **kwargs))

    return wrapped
