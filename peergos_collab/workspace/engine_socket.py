"""Calls and streams to the process that is the engine, over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ..errors import Offline, PeergosCollabError, RemoteProtocolError
from .socket_frames import ERROR, ITEM, error_from, read_frame_untrusted, write_frame
from .wire import to_wire


class EngineSocket:
    """Calls and streams over the engine's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._next = 0
        self._gone: PeergosCollabError | None = None
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                call, kind, value = await read_frame_untrusted(self._reader)
                self._take(call, kind, value)
        except (PeergosCollabError, ValueError) as error:
            self._end(error if isinstance(error, PeergosCollabError) else RemoteProtocolError(str(error)))

    def _take(self, call: int, kind: int, value: Any) -> None:
        stream = self._streams.get(call)
        if stream is not None:
            stream.put_nowait(error_from(value) if kind == ERROR else value)
            return
        future = self._calls.pop(call, None)
        if future is None or future.done() or kind == ITEM:
            return
        if kind == ERROR:
            future.set_exception(error_from(value))
        else:
            future.set_result(value)

    def _end(self, error: PeergosCollabError) -> None:
        self._gone = error
        for future in self._calls.values():
            if not future.done():
                future.set_exception(error)
        for stream in self._streams.values():
            stream.put_nowait(error)

    def check(self) -> None:
        """Raises Offline once the engine is gone."""
        if self._gone is not None:
            raise type(self._gone)(self._gone.message, hint=self._gone.hint)

    def _begin(self, method: str, arguments: tuple[Any, ...]) -> int:
        self.check()
        self._next += 1
        write_frame(self._writer, [self._next, method, to_wire(list(arguments))])
        return self._next

    async def call(self, method: str, *arguments: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[self._begin(method, arguments)] = future
        try:
            await self._writer.drain()
        except ConnectionError:
            pass  # the engine has ended: whoever reads its answers finds that out, and tells all who wait
        return await future

    def tell(self, method: str, *arguments: Any) -> None:
        """A call whose answer is only an error, and ignored."""
        self._begin(method, arguments)

    async def stream(self, method: str, *arguments: Any) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        call = self._begin(method, arguments)
        self._streams[call] = queue
        try:
            while True:
                item = await queue.get()
                if isinstance(item, PeergosCollabError):
                    raise item
                yield item
        finally:
            del self._streams[call]
            if self._gone is None:
                write_frame(self._writer, [call])

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._end(Offline("this workspace is closed"))
        self._writer.close()
