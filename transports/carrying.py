"""The bytes of a tunnel on their way between a connection and a socket, with back-pressure both ways."""

from __future__ import annotations

import asyncio
from asyncio import Future, StreamReader, StreamWriter
from collections.abc import Callable
from typing import Any, Final

from peergos_collab.errors import Offline
from peergos_collab.ports import Connection

PIECE: Final = 32 * 1024
"""Most bytes read from the socket at once, and in one message."""

_CLOSE_SECONDS: Final = 2.0


async def carry(
    connection: Connection,
    reader: StreamReader,
    writer: StreamWriter,
    *,
    moved: Callable[[int], None] = lambda _: None,
    over: Future[None] | None = None,
) -> None:
    """Moves bytes both ways until either end is gone; what came from it by then is still delivered.

    Closes both ends.

    Args:
        moved: told the size of each piece.
        over: ends it from outside once done.
    """
    loop = asyncio.get_running_loop()
    inward = loop.create_task(_to_socket(connection, writer, moved))
    outward = loop.create_task(_to_connection(reader, connection, moved))
    both: set[Future[Any]] = {inward, outward}
    try:
        await asyncio.wait(
            both | ({over} if over is not None else set()), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in both:
            task.cancel()
        await asyncio.shield(_end(connection, writer, both))
    for task in both:
        if not task.cancelled():
            task.result()


async def _to_socket(connection: Connection, writer: StreamWriter, moved: Callable[[int], None]) -> None:
    try:
        while True:
            piece = await connection.receive()
            writer.write(piece)
            moved(len(piece))
            await writer.drain()
    except (Offline, OSError):
        return


async def _to_connection(reader: StreamReader, connection: Connection, moved: Callable[[int], None]) -> None:
    try:
        while piece := await reader.read(PIECE):
            connection.send(piece)
            moved(len(piece))
            await connection.drain()
    except OSError:
        return


async def _end(connection: Connection, writer: StreamWriter, tasks: set[Future[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
    writer.close()
    await asyncio.gather(connection.close(), _flushed(writer))


async def _flushed(writer: StreamWriter) -> None:
    """Waits for what is written to be taken, but not for somebody who does not read."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        return
