"""The workspace of a process that is not the engine: it asks the one that is, over its socket."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..codec.ids import DeviceId, ObjectId, RunId
from ..documents import Document
from ..documents.client_id import client_id
from ..errors import NoAccess, Offline, PeergosCollabError, RemoteProtocolError
from .api import (
    ChatHandle,
    DocumentHandle,
    Entry,
    Event,
    Member,
    Message,
    NodeState,
    Options,
    Presence,
    Role,
    ShareLink,
    Status,
    Unsubscribe,
    Writer,
)
from .attached_devices import AttachedDevices
from .attached_people import AttachedPeople
from .handles import subscribe
from .socket_frames import ERROR, ITEM, error_from, read_frame_untrusted, write_frame
from .wire import from_wire, to_wire


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


class AttachedWorkspace(AttachedPeople, AttachedDevices):
    """Implements ``Workspace``."""

    attached = True
    salvage = ""

    def __init__(self, socket: EngineSocket) -> None:
        super().__init__(socket)
        self._socket = socket
        self.run = RunId(os.urandom(16))

    async def status(self) -> Status:
        status: Status = from_wire(Status, await self._socket.call("status"))
        return status

    async def list_entries(self) -> list[Entry]:
        entries: list[Entry] = from_wire(list[Entry], await self._socket.call("list_entries"))
        return entries

    async def move(self, source: str, target: str) -> None:
        await self._socket.call("move", source, target)

    async def remove(self, path: str) -> None:
        await self._socket.call("remove", path)

    async def add_node(self, address: str) -> None:
        await self._socket.call("add_node", address)

    async def remove_node(self, address: str) -> None:
        await self._socket.call("remove_node", address)

    async def set_entry_node(self, address: str) -> None:
        await self._socket.call("set_entry_node", address)

    async def nodes(self) -> list[NodeState]:
        states: list[NodeState] = from_wire(list[NodeState], await self._socket.call("nodes"))
        return states

    async def new_document(self, path: str, text: str = "") -> None:
        await self._socket.call("new_document", path, text)

    async def open_document(self, path: str) -> DocumentHandle:
        handle = AttachedDocument(self._socket, path, self.run)
        await handle.start()
        return handle

    async def read_document(self, path: str) -> tuple[str, str]:
        text, version = await self._socket.call("read_document", path)
        return text, version

    async def write_document(self, path: str, text: str, *, base: str = "") -> None:
        await self._socket.call("write_document", path, text, base)

    async def export_document(self, path: str, format: str) -> bytes:
        return bytes(await self._socket.call("export_document", path, format))

    async def new_chat(self, path: str) -> None:
        await self._socket.call("new_chat", path)

    async def open_chat(self, path: str) -> ChatHandle:
        handle = AttachedChat(self._socket, path)
        await handle.start()
        return handle

    async def send_message(self, path: str, text: str) -> str:
        return str(await self._socket.call("send_message", path, text))

    async def read_messages(self, path: str, last: int) -> list[Message]:
        return _messages(await self._socket.call("read_messages", path, last))

    async def search_messages(self, path: str, query: str) -> list[Message]:
        return _messages(await self._socket.call("search_messages", path, query))

    async def share_link(
        self, path: str, role: Role, *, expires: int | None = None, password: str = ""
    ) -> str:
        return str(await self._socket.call("share_link", path, role, expires, password))

    async def links(self, path: str) -> list[ShareLink]:
        found: list[ShareLink] = from_wire(list[ShareLink], await self._socket.call("links", path))
        return found

    async def join(self, link: str, path: str = "", *, password: str = "", timeout: float = 30.0) -> str:
        return str(await self._socket.call("join", link, path, password, float(timeout)))

    async def members(self, path: str) -> list[Member]:
        listed: list[Member] = from_wire(list[Member], await self._socket.call("members", path))
        return listed

    async def sync(self, timeout: float = 30.0) -> None:
        await self._socket.call("sync", float(timeout))

    async def go_online(self, options: Options) -> None:
        await self._socket.call("go_online", options)

    async def change_passphrase(self, old: str | None, new: str | None) -> None:
        await self._socket.call("change_passphrase", old, new)

    async def events(self, path: str = "") -> AsyncIterator[Event]:
        async for item in self._socket.stream("events", path):
            yield from_wire(Event, item)

    async def close(self) -> None:
        await self._socket.close()


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
            self._messages[max(0, start - self._first) :] = _messages(messages)
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


def _messages(value: Any) -> list[Message]:
    messages: list[Message] = from_wire(list[Message], value)
    return messages
