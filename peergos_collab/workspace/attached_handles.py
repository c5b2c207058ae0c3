"""Open documents and chats of a process that is not the engine: copies that follow the engine's."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from ..codec.ids import DeviceId, ObjectId, RunId
from ..documents import Document
from ..documents.client_id import client_id
from ..errors import NoAccess, PeergosCollabError, RemoteProtocolError
from .api import Message, Presence, Unsubscribe, Writer
from .callbacks import subscribe
from .engine_socket import EngineSocket
from .wire import from_wire, messages_from_wire


class _AttachedHandle(ABC):
    """A handle that follows a stream of the engine."""

    def __init__(self, socket: EngineSocket, path: str) -> None:
        self._socket = socket
        self.path = path
        self.can_write = False
        self._callbacks: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._follow())
        try:
            await self._started
        except BaseException:
            await self.close()
            raise

    async def _follow(self) -> None:
        try:
            await self._run()
        except PeergosCollabError as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - whoever opens it must not wait for ever
            self._end(RemoteProtocolError(f"the engine sent what is not understood ({error})"))
            asyncio.get_running_loop().call_exception_handler(
                {"message": "following the engine failed", "exception": error}
            )

    def _end(self, error: PeergosCollabError) -> None:
        """What is shown stays, and cannot be changed any more."""
        if not self._started.done():
            self._started.set_exception(error)
        self.can_write = False
        self._tell()

    @abstractmethod
    async def _run(self) -> None:
        """Follows the stream until it ends; resolves ``_started`` once there is something to show."""

    def _tell(self) -> None:
        for callback in list(self._callbacks):
            callback()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class AttachedDocument(_AttachedHandle):
    """Implements ``DocumentHandle`` with a replica of the engine's document, under a run of its own."""

    def __init__(self, socket: EngineSocket, path: str, run: RunId) -> None:
        super().__init__(socket, path)
        self._run_id = run
        self._present: list[list[Any]] = []
        self._sent: deque[bytes] = deque()
        self.document: Document

    async def _run(self) -> None:
        async for item in self._socket.stream("document", self.path):
            if item[0] == "state":
                self._take_state(*item[1:])
            elif item[0] == "update":
                self._take_update(item[1])
            else:
                self._present = item[1]
                self._tell()

    def _take_state(self, object_id: bytes, device: bytes, state: bytes, can_write: bool) -> None:
        """The first state, or another one that the engine's document took."""
        self.can_write = can_write
        if self._started.done():
            became = self.document.become(state, list(self._sent))
            if became.refused:
                self._sent.clear()
                self.document.edit_each(became.lost)
            return
        self.document = Document(client_id(ObjectId(object_id), DeviceId(device), self._run_id), state)
        self.document.before_edit = self._check_may_edit
        self.document.on_update(self._edited)
        self._started.set_result(None)

    def _take_update(self, update: bytes) -> None:
        if self._sent and self._sent[0] == update:
            self._sent.popleft()  # the engine has it
        self.document.apply_own(update)

    def _check_may_edit(self) -> None:
        """Raises Offline once the engine is gone: what it cannot save must not stand in the text."""
        self._socket.check()
        if not self.can_write:
            raise NoAccess("you may read this document, but not change it; nothing was changed")

    def _edited(self, update: bytes) -> None:
        self._sent.append(update)
        self._socket.tell("edit", self.path, self._run_id, update)

    @property
    def presences(self) -> list[Presence]:
        return [
            Presence(key, name, self._offset(anchor), self._offset(head), *rest)
            for key, name, anchor, head, *rest in self._present
        ]

    def _offset(self, anchor: bytes) -> int | None:
        return self.document.offset_untrusted(anchor) if anchor else None

    def set_cursor(self, anchor: int, head: int) -> None:
        document = self.document
        self._socket.tell("cursor", self.path, document.anchor(anchor), document.anchor(head))

    def on_presence(self, callback: Callable[[], None]) -> Unsubscribe:
        return subscribe(self._callbacks, callback)

    async def writer_at(self, offset: int) -> Writer | None:
        return await self.writer_of(self.document.writer_at(offset))

    async def writer_of(self, client: int) -> Writer | None:
        answer = await self._socket.call("writer", self.path, client)
        writer: Writer | None = from_wire(Writer | None, answer)
        return writer

    async def saved(self) -> None:
        await self._socket.call("durable", self.path)


class AttachedChat(_AttachedHandle):
    """Implements ``ChatHandle`` with a copy of the end of the engine's timeline."""

    def __init__(self, socket: EngineSocket, path: str) -> None:
        super().__init__(socket, path)
        self.presences: list[Presence] = []
        self._first = 0
        self._messages: list[Message] = []

    async def _run(self) -> None:
        async for start, messages, presences, can_write in self._socket.stream("chat", self.path):
            if not self._started.done():
                self._first = start
            self._messages[max(0, start - self._first) :] = messages_from_wire(messages)
            self.presences = from_wire(list[Presence], presences)
            self.can_write = can_write
            if not self._started.done():
                self._started.set_result(None)
            self._tell()

    def __len__(self) -> int:
        return len(self._messages)

    def messages(self, start: int, stop: int) -> list[Message]:
        return self._messages[max(start, 0) : stop]

    async def send(self, text: str, *, reply_to: str = "") -> str:
        if not self.can_write:
            raise NoAccess("you may read this chat, but not write in it")
        return str(await self._socket.call("send", self.path, text, reply_to))

    def set_typing(self) -> None:
        self._socket.tell("cursor", self.path, b"", b"")

    def on_change(self, callback: Callable[[], None]) -> Unsubscribe:
        return subscribe(self._callbacks, callback)
