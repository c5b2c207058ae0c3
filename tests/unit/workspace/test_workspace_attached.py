"""A workspace in another process than the engine's: what happens when that one fails, or is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.errors import Conflict, Offline, Refused, RemoteProtocolError
from peergos_collab.identity.device_meeting import MeetingEnded
from peergos_collab.storage import HomeLock
from peergos_collab.workspace import opening
from peergos_collab.workspace.attached_workspace import AttachedWorkspace
from peergos_collab.workspace.home import LOCK
from peergos_collab.workspace.mail_session import MailRefusal
from peergos_collab.workspace.opening import open_home
from peergos_collab.workspace.socket_frames import (
    ITEM,
    RESULT,
    SOCKET,
    VERSION,
    error_from,
    error_value,
    read_frame_untrusted,
    write_frame,
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def engine(home: Path, serve: Serve) -> AsyncIterator[None]:
    """A process that has the home open, and does what ``serve`` does."""

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.CancelledError):  # the end of a test; asyncio would report it
                await serve(reader, writer)
        finally:
            writer.close()

    with HomeLock(home / LOCK):
        server = await asyncio.start_unix_server(serving, home / SOCKET)
        try:
            yield
        finally:
            server.close()


def answering(answer: Callable[[list[Any]], list[Any] | None]) -> Serve:
    """An engine that stays, and answers each call."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write_frame(writer, [0, ITEM, [VERSION, True]])
        while True:
            try:
                said = answer(await read_frame_untrusted(reader))
            except Offline:
                return
            if said is not None:
                write_frame(writer, said)

    return serve


async def attach(home: Path) -> AttachedWorkspace:
    workspace = await open_home(home, None, False)
    assert isinstance(workspace, AttachedWorkspace)
    return workspace


async def test_an_engine_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stands still is not waited for without end."""
    monkeypatch.setattr(opening, "PATIENCE_SECONDS", 0.1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with asyncio.timeout(20), engine(tmp_path, silent):
        with pytest.raises(Conflict, match="does not answer"):
            await open_home(tmp_path, None, False)


async def test_seconds_are_seconds(tmp_path: Path) -> None:
    """A whole number of them means as much as one with a fraction."""
    calls: list[list[Any]] = []

    def answer(call: list[Any]) -> list[Any]:
        calls.append(call[1:])
        return [call[0], RESULT, "notes"]

    async with engine(tmp_path, answering(answer)):
        workspace = await attach(tmp_path)
        await workspace.sync(60)
        await workspace.sync(0.5)
        await workspace.join("link", timeout=30)
        await workspace.close()

    assert calls == [["sync", [60_000]], ["sync", [500]], ["join", ["link", "", "", 30_000]]]


async def test_the_engine_ends_while_it_is_asked(tmp_path: Path) -> None:
    """Whoever asks in that very moment hears that it has ended, and nothing of sockets."""
    async with engine(tmp_path, answering(lambda _: None)):
        workspace = await attach(tmp_path)
        workspace._socket._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(Offline, match="has ended"):
            await workspace.sync(60)
        await workspace.close()


async def test_nonsense_from_the_engine(tmp_path: Path) -> None:
    """Whoever opens a document then is told, and does not wait for ever."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with asyncio.timeout(20), engine(tmp_path, answering(lambda call: [call[0], ITEM, ["state", 1]])):
        workspace = await attach(tmp_path)
        with pytest.raises(RemoteProtocolError, match="not understood"):
            await workspace.open_document("notes")
        await workspace.close()

    assert [context["message"] for context in told] == ["following the engine failed"]


@pytest.mark.parametrize(
    ("error", "arrives"),
    [(MailRefusal("full", "no room"), Refused), (MeetingEnded(), RemoteProtocolError), (Offline(), Offline)],
)
def test_an_error_stays_what_it_is(error: Any, arrives: type[Exception]) -> None:
    """One of a class that only the engine knows comes as the nearest one of the tree, exit code included."""
    came = error_from(error_value(error))

    assert type(came) is arrives
    assert (came.exit_code, came.message, came.hint) == (error.exit_code, error.message, error.hint)
