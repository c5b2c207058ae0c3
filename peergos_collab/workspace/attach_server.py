"""The engine's side of its socket: other processes of this user work in the same home."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, cast

from ..codec import to_multibase
from ..codec.ids import RunId
from ..errors import Offline, PeergosCollabError, RemoteProtocolError
from .api import Check, Device, DeviceRemoval, Options, Role, Writer
from .callbacks import subscribe
from .called import Names
from .engine import Engine
from .folds import DocumentFold
from .handles import LocalChat
from .local_workspace import LocalWorkspace
from .open_object import OpenObject
from .socket_frames import (
    ERROR,
    ITEM,
    RESULT,
    VERSION,
    error_value,
    read_frame_untrusted,
    socket_path,
    write_frame,
)
from .wire import from_wire, to_wire
from .writers import writer_of

GRACE_SECONDS: Final = 5.0
"""How long an engine that ends lets others' calls finish."""

CHAT_WINDOW: Final = 2000
"""Messages an attached chat starts with."""

CHAT_TAIL: Final = 100
"""Messages sent again at each change: concurrent ones can enter a little before the end."""


class AttachServer:
    """Listens while the engine runs. ``lasting`` says whether this process stays for long."""

    def __init__(self, workspace: LocalWorkspace, *, lasting: bool) -> None:
        self._workspace = workspace
        self._lasting = lasting
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], AttachedClient] = {}

    async def start(self) -> None:
        home = self._workspace.engine.home
        (home / "socket").unlink(missing_ok=True)
        with socket_path(home) as path:
            self._server = await asyncio.start_unix_server(self._serve, sock=_private_socket(path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        client = AttachedClient(self._workspace, reader, writer)
        self._clients[task] = client
        try:
            write_frame(writer, [0, ITEM, [VERSION, self._lasting]])
            await client.run()
        except asyncio.CancelledError:
            pass
        finally:
            self._clients.pop(task, None)
            await client.close()
            writer.close()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        calls = [call for client in self._clients.values() for call in client.calls()]
        if calls:
            await asyncio.wait(calls, timeout=GRACE_SECONDS)
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        (self._workspace.engine.home / "socket").unlink(missing_ok=True)


def _private_socket(path: str) -> socket.socket:
    """A socket at a path that only this user may connect to, from the moment it is there."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(path)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


class AttachedClient:
    """One attached process: its calls, streams and open handles."""

    def __init__(
        self, workspace: LocalWorkspace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.workspace = workspace
        self._reader = reader
        self._writer = writer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._streams: set[int] = set()
        self._stays: list[Options] = []

    @property
    def _engine(self) -> Engine:
        return self.workspace.engine

    def calls(self) -> list[asyncio.Task[None]]:
        """Calls under way that will end by themselves."""
        return [task for call, task in self._tasks.items() if call not in self._streams]

    async def run(self) -> None:
        while True:
            try:
                frame = await read_frame_untrusted(self._reader)
            except (Offline, RemoteProtocolError):
                return
            if len(frame) == 1:
                task = self._tasks.get(frame[0])
                if task is not None:
                    task.cancel()
            elif len(frame) == 3:
                self._start(frame[0], frame[1], frame[2])

    def _start(self, call: int, method: str, arguments: list[Any]) -> None:
        if method in _AT_ONCE:
            # In order and without a task: edits and cursors of one document.
            try:
                _AT_ONCE[method](self, *arguments)
            except PeergosCollabError as error:
                write_frame(self._writer, [call, ERROR, error_value(error)])
            return
        if method in _STREAMS:
            self._streams.add(call)
        task = asyncio.create_task(self._answer(call, method, arguments))
        self._tasks[call] = task
        task.add_done_callback(lambda _: self._tasks.pop(call, None))

    async def _answer(self, call: int, method: str, arguments: list[Any]) -> None:
        try:
            if method in _STREAMS:
                async for item in _STREAMS[method](self, *arguments):
                    write_frame(self._writer, [call, ITEM, to_wire(item)])
                    await self._writer.drain()
                result = None
            elif method in _CALLS:
                result = await _CALLS[method](self, *arguments)
            else:
                raise RemoteProtocolError(f"the engine knows no {method!r}; it may be of another version")
            write_frame(self._writer, [call, RESULT, to_wire(result)])
            await self._writer.drain()
        except PeergosCollabError as error:
            write_frame(self._writer, [call, ERROR, error_value(error)])
        except (ConnectionError, asyncio.CancelledError):
            return
        except Exception as error:  # noqa: BLE001 - the client must hear of it, whatever it was
            wrapped = PeergosCollabError(f"the engine failed: {type(error).__name__}: {error}")
            write_frame(self._writer, [call, ERROR, error_value(wrapped)])

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for options in self._stays:
            await self._engine.online.leave(options)

    # -- calls ----------------------------------------------------------------------------------

    async def go_online(self, options: list[Any]) -> None:
        self._stays.append(stay := from_wire(Options, options))
        await self.workspace.go_online(stay)

    async def share_link(self, path: str, role: str, expires: int | None, password: str) -> str:
        return await self.workspace.share_link(path, Role(role), expires=expires, password=password)

    async def share_with(self, path: str, contact: str, role: str, from_now: bool) -> str:
        return await self.workspace.share_with(path, contact, Role(role), from_now=from_now)

    async def change_role(self, path: str, who: str, role: str) -> None:
        await self.workspace.change_role(path, who, Role(role))

    async def leave(self, path: str, force: bool) -> None:
        await self.workspace.leave(path, force=force)

    async def join(self, link: str, path: str, password: str, timeout: int) -> str:
        return await self.workspace.join(link, path, password=password, timeout=timeout / 1000)

    async def remove_device(self, who: str, end_links: bool) -> DeviceRemoval:
        return await self.workspace.remove_device(who, end_links=end_links)

    async def finish_linking(self, id: str, same: bool) -> Device | None:
        return await self.workspace.finish_linking(id, same=same)

    async def check(self, repair: bool) -> Check:
        return await self.workspace.check(repair=repair)

    async def sync(self, timeout: int) -> None:
        await self.workspace.sync(timeout / 1000)

    async def write_document(self, path: str, text: str, base: str) -> None:
        await self.workspace.write_document(path, text, base=base)

    async def durable(self, path: str) -> None:
        await self._engine.find(path).live.durable()

    async def writer(self, path: str, client: int) -> Writer | None:
        engine = self._engine
        return writer_of(engine.find(path).live.replica, client, engine.mailroom.book.names())

    async def send(self, path: str, text: str, reply_to: str) -> str:
        return await LocalChat(self._engine, self._engine.find(path)).send(text, reply_to=reply_to)

    # -- at once --------------------------------------------------------------------------------

    def edit(self, path: str, run: bytes, update: bytes) -> None:
        opened = self._engine.find(path)
        opened.live.replica.check_may_write()
        cast(DocumentFold, opened.fold).take_attached(update)
        opened.live.submit(update, RunId(run))

    def cursor(self, path: str, anchor: bytes, head: bytes) -> None:
        self._engine.find(path).presence.set_cursor(anchor, head, True)

    # -- streams --------------------------------------------------------------------------------

    async def events(self, path: str) -> AsyncIterator[Any]:
        async for event in self.workspace.events(path):
            yield event

    async def document(self, path: str) -> AsyncIterator[Any]:
        """First the state, then updates and presences as they come, and another state after folding anew."""
        document = cast(Any, await self.workspace.open_document(path))
        opened = self._engine.find(path)
        fold = cast(DocumentFold, opened.fold)
        queue: asyncio.Queue[list[Any]] = asyncio.Queue()
        fold.on_applied.append(_put_update := lambda update: queue.put_nowait(["update", update]))
        fold.on_renewed.append(_put_state := lambda: queue.put_nowait(["state", *state()]))
        quiet = subscribe(opened.presence.on_change, lambda: queue.put_nowait(["presence", present()]))
        device = self._engine.keys.credentials.device_id

        def present() -> list[list[Any]]:
            return _present(opened, self._engine.mailroom.book.names())

        def state() -> list[Any]:
            return [opened.live.id, device, fold.document.state(), document.can_write]

        try:
            yield ["state", *state()]
            yield ["presence", present()]
            while True:
                yield await queue.get()
        finally:
            fold.on_applied.remove(_put_update)
            fold.on_renewed.remove(_put_state)
            quiet()
            await document.close()

    async def chat(self, path: str) -> AsyncIterator[Any]:
        """First the end of the timeline, then its tail whenever it changed."""
        chat = LocalChat(self._engine, self._engine.find(path)).hold()
        changed = asyncio.Event()
        quiet = chat.on_change(changed.set)
        window = CHAT_WINDOW
        try:
            while True:
                start = max(0, len(chat) - window)
                messages = to_wire(chat.messages(start, len(chat)))
                yield [start, messages, to_wire(chat.presences), chat.can_write]
                await changed.wait()
                changed.clear()
                window = CHAT_TAIL
        finally:
            quiet()
            await chat.close()


def _present(opened: OpenObject, names: Names) -> list[list[Any]]:
    book = opened.presence
    called = [(p, names.of(p.account, p.name)) for p in book.present.values()]
    return [
        [
            to_multibase(p.device),
            its.name,
            p.anchor,
            p.head,
            book.typing(p),
            p.via,
            its.unverified,
            to_multibase(p.account),
        ]
        for p, its in called
    ]


def _plain(name: str) -> Callable[..., Awaitable[Any]]:
    """A method of the workspace whose arguments are positional and need no translation."""

    async def call(client: AttachedClient, *arguments: Any) -> Any:
        return await getattr(client.workspace, name)(*arguments)

    return call


_PLAIN: Final = (
    "status",
    "list_entries",
    "move",
    "remove",
    "add_node",
    "remove_node",
    "set_entry_node",
    "set_lan",
    "nodes",
    "new_document",
    "read_document",
    "export_document",
    "document_versions",
    "name_version",
    "document_at",
    "blame",
    "restore_document",
    "compact_document",
    "forget_document",
    "forgetting",
    "new_chat",
    "read_messages",
    "search_messages",
    "send_message",
    "members",
    "links",
    "change_passphrase",
    "unshare",
    "contact_card",
    "add_contact",
    "accept_contact",
    "introduce",
    "contacts",
    "rename_contact",
    "remove_contact",
    "contact_words",
    "mark_verified",
    "devices",
    "link_device",
    "compare_device",
    "offer_pairing",
    "answer_pairing",
    "finish_pairing",
    "end_pairing",
    "invitations",
    "accept_invitation",
    "decline_invitation",
)
_CALLS: Final[dict[str, Callable[..., Awaitable[Any]]]] = {
    **{name: _plain(name) for name in _PLAIN},
    "go_online": AttachedClient.go_online,
    "share_link": AttachedClient.share_link,
    "share_with": AttachedClient.share_with,
    "change_role": AttachedClient.change_role,
    "leave": AttachedClient.leave,
    "join": AttachedClient.join,
    "finish_linking": AttachedClient.finish_linking,
    "remove_device": AttachedClient.remove_device,
    "check": AttachedClient.check,
    "sync": AttachedClient.sync,
    "write_document": AttachedClient.write_document,
    "durable": AttachedClient.durable,
    "send": AttachedClient.send,
    "writer": AttachedClient.writer,
}
_AT_ONCE: Final[dict[str, Callable[..., None]]] = {
    "edit": AttachedClient.edit,
    "cursor": AttachedClient.cursor,
}
_STREAMS: Final[dict[str, Callable[..., AsyncIterator[Any]]]] = {
    "events": AttachedClient.events,
    "document": AttachedClient.document,
    "chat": AttachedClient.chat,
}
