"""The workspace of a process that is not the engine: it asks the one that is, over its socket."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from ..codec.ids import RunId
from .api import (
    ChatHandle,
    Check,
    DocumentHandle,
    Entry,
    Event,
    Member,
    Message,
    NodeState,
    Options,
    Role,
    ShareLink,
    Status,
)
from .attached_devices import AttachedDevices
from .attached_past import AttachedPast
from .attached_people import AttachedPeople
from .engine_socket import EngineSocket
from .wire import from_wire, messages_from_wire


class AttachedWorkspace(AttachedPeople, AttachedDevices, AttachedPast):
    """Implements ``Workspace``. A command beside a running engine loads little more than this."""

    attached = True
    salvage = ""

    def __init__(self, socket: EngineSocket) -> None:
        super().__init__(socket)
        self._socket = socket
        self.run = RunId(os.urandom(16))

    async def status(self) -> Status:
        status: Status = from_wire(Status, await self._socket.call("status"))
        return status

    async def list_entries(self, after: str = "", most: int = 0) -> list[Entry]:
        answer = await self._socket.call("list_entries", after, most)
        entries: list[Entry] = from_wire(list[Entry], answer)
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

    async def set_lan(self, allowed: bool) -> None:
        await self._socket.call("set_lan", allowed)

    async def nodes(self) -> list[NodeState]:
        states: list[NodeState] = from_wire(list[NodeState], await self._socket.call("nodes"))
        return states

    async def new_document(self, path: str, text: str = "") -> None:
        await self._socket.call("new_document", path, text)

    async def open_document(self, path: str) -> DocumentHandle:
        from .attached_handles import AttachedDocument

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
        from .attached_handles import AttachedChat

        handle = AttachedChat(self._socket, path)
        await handle.start()
        return handle

    async def send_message(self, path: str, text: str) -> str:
        return str(await self._socket.call("send_message", path, text))

    async def read_messages(self, path: str, last: int) -> list[Message]:
        return messages_from_wire(await self._socket.call("read_messages", path, last))

    async def search_messages(self, path: str, query: str) -> list[Message]:
        return messages_from_wire(await self._socket.call("search_messages", path, query))

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

    async def check(self, *, repair: bool = False) -> Check:
        found: Check = from_wire(Check, await self._socket.call("check", repair))
        return found

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
