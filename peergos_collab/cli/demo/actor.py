"""One process of the tour: the node, or one person with a home. Run as ``python -m …demo.actor``.

Takes commands as JSON lines on stdin and answers each with one JSON line on stdout. It ends when
stdin does, so that nothing stays behind even where the tour itself is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import PeergosCollabError, TimedOut
from ..output import print_line
from ..session import Terminated, run
from .recorder import FrameLog, record_everything

if TYPE_CHECKING:
    from ...documents import Change
    from ...workspace.api import DocumentHandle, Workspace

PATIENCE = 30.0
"""Seconds in which things that take moments must have happened."""


@asynccontextmanager
async def _commands() -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """The commands as they come. When stdin ends, so does the body, whatever it is doing."""
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    body = asyncio.current_task()
    assert body is not None
    ended = False

    async def read() -> None:
        nonlocal ended
        while line := await reader.readline():
            queue.put_nowait(json.loads(line))
        ended = True
        body.cancel()

    reading = asyncio.create_task(read())
    try:
        yield queue
    except asyncio.CancelledError:
        if not ended:
            raise
        body.uncancel()
    finally:
        reading.cancel()


def _answer(**fields: Any) -> None:
    print_line(json.dumps(fields))


async def play_node(home: Path) -> None:
    """Serves until stdin ends."""
    from ...node import serve_node

    node = await serve_node(home, "127.0.0.1", 0)
    try:
        async with _commands() as commands:
            _answer(address=node.address)
            await commands.get()
    finally:
        await node.close()


async def play_person(home: Path, name: str, frames: Path) -> None:
    """Makes a home and does what it is told until stdin ends."""
    from ...workspace import create_workspace, open_workspace

    made = create_workspace(home, name=name, passphrase=None)
    log = FrameLog(frames)
    record_everything(log)
    workspace = await open_workspace(home, lasting=True)
    person = Person(workspace)
    try:
        async with _commands() as commands:
            _answer(account=made.account, device=made.device)
            while True:
                try:
                    _answer(**await person.obey(await commands.get()))
                except PeergosCollabError as error:
                    _answer(error=error.message)
    finally:
        await person.close()
        await workspace.close()
        log.close()


class Person:
    """What a person of the tour can be told to do, and what he saw meanwhile."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._handle: DocumentHandle | None = None
        self._written: list[tuple[int, int]] = []  # (own clock after an edit, ns)
        self._arrived: list[tuple[int, int]] = []  # (the other's clock after a change, ns)
        self._other = 0
        self._paths: Counter[str] = Counter()
        self._connected: set[str] = set()
        self._news = asyncio.Condition()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        if self._handle is not None:
            await self._handle.close()

    async def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        name = command.pop("do")
        found: dict[str, Any] = await getattr(self, f"do_{name}")(**command)
        return found

    async def _watch(self) -> None:
        async for event in self._workspace.events():
            if event.event in {"change", "message"} and event.via != "local":
                self._paths[event.via] += 1
            elif event.event == "connected":
                self._connected.add(event.via)
            elif event.event == "disconnected":
                self._connected.discard(event.via)
            async with self._news:
                self._news.notify_all()

    async def do_make(self, node: str, document: str, chat: str, text: str) -> dict[str, Any]:
        from ...workspace.api import Role

        await self._workspace.add_node(node)
        await self._workspace.new_document(document, text)
        await self._workspace.new_chat(chat)
        links = [await self._workspace.share_link(path, Role.WRITER) for path in (document, chat)]
        return {"links": links}

    async def do_join(self, links: list[str], names: list[str]) -> dict[str, Any]:
        paths = [
            await self._workspace.join(link, name, timeout=PATIENCE)
            for link, name in zip(links, names, strict=True)
        ]
        return {"paths": paths}

    async def do_online(self, webrtc: bool) -> dict[str, Any]:
        from ...workspace.api import Options

        await self._workspace.go_online(Options(webrtc=webrtc))
        return {}

    async def do_open(self, document: str) -> dict[str, Any]:
        self._handle = await self._workspace.open_document(document)
        self._handle.document.on_change(self._changed)
        return {"client": self._handle.document.client}

    def _changed(self, change: Change) -> None:
        if not change.local and self._handle is not None:
            clock = self._handle.document.clocks().get(self._other, 0)
            self._arrived.append((clock, time.monotonic_ns()))
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def do_meet(self, other: int) -> dict[str, Any]:
        """From now on changes by the client id ``other`` are timed."""
        self._other = other
        return {}

    async def do_connected(self, via: str, timeout: float) -> dict[str, Any]:
        async def connected() -> bool:
            return via in self._connected

        try:
            await self._until(connected, timeout)
        except TimedOut:
            return {"connected": False}
        return {"connected": True}

    async def do_replay(self, patches: list[tuple[int, int, str]], pause: float) -> dict[str, Any]:
        """Types patches, ``pause`` seconds apart; the others' text stands behind them."""
        document = self._document
        for position, deleted, inserted in patches:
            document.edit(position, position + deleted, inserted)
            await self._typed(pause)
        return {}

    async def do_rest(self) -> dict[str, Any]:
        """Counts paths anew: what was typed faster than anybody can is no measure of them."""
        self._paths.clear()
        return {}

    async def do_append(self, text: str, pause: float) -> dict[str, Any]:
        """Types at the very end, character by character."""
        for character in text:
            end = len(self._document)
            self._document.edit(end, end, character)
            await self._typed(pause)
        return {}

    async def _typed(self, pause: float) -> None:
        document = self._document
        if pause:
            self._written.append((document.clocks().get(document.client, 0), time.monotonic_ns()))
        await asyncio.sleep(pause)

    @property
    def _document(self) -> Any:
        assert self._handle is not None
        return self._handle.document

    async def do_say(self, chat: str, text: str, after: int) -> dict[str, Any]:
        """Answers once ``after`` messages were heard."""

        async def heard() -> bool:
            return len(await self._messages(chat)) >= after

        await self._until(heard)
        await self._workspace.send_message(chat, text)
        return {}

    async def do_until(self, document: str, length: int, chat: str, messages: int) -> dict[str, Any]:
        """Waits until the document has ``length`` code points and the chat so many messages."""

        async def complete() -> bool:
            return len(self._document) == length and len(await self._messages(chat)) == messages

        await self._until(complete)
        if self._handle is not None:
            await self._handle.saved()
        text, _ = await self._workspace.read_document(document)
        return {"text": text, "messages": await self._messages(chat)}

    async def _messages(self, chat: str) -> list[list[str]]:
        return [[each.id, each.author, each.text] for each in await self._workspace.read_messages(chat, 100)]

    async def do_report(self) -> dict[str, Any]:
        return {"written": self._written, "arrived": self._arrived, "paths": dict(self._paths)}

    async def _until(self, holds: Callable[[], Awaitable[bool]], timeout: float = PATIENCE) -> None:
        """Asks again after every event; every event that may matter is one of ``events`` or a change."""
        try:
            async with asyncio.timeout(timeout), self._news:
                while not await holds():
                    await self._news.wait()
        except TimeoutError:
            raise TimedOut(f"not within {timeout:g} s") from None


def main() -> None:
    """``actor node HOME`` or ``actor person HOME NAME FRAMES``."""
    role, home, *more = sys.argv[1:]
    try:
        if role == "node":
            run(play_node(Path(home)))
        else:
            run(play_person(Path(home), more[0], Path(more[1])))
    except (Terminated, KeyboardInterrupt, BrokenPipeError):
        pass


if __name__ == "__main__":
    main()
