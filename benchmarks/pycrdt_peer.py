"""The peer of ``fanout``: pycrdt-websocket's server, which reads everything and keeps nothing on a disk.

The same number of writers and readers over TLS, each writer with one update under way. It is no part of this
project's environment: where it is not installed, the comparison is left out.
"""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
import time
from typing import Any

from peergos_collab.crypto.certificates import NodeCertificate

from .processes import Talk, child

UPDATE = b"\x00\x02"
"""How a message with an update begins."""


def is_installed() -> bool:
    return importlib.util.find_spec("pycrdt.websocket") is not None


class _Channel:
    """A connection as the server wants it."""

    path = "room"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def send(self, message: bytes) -> None:
        await self._connection.send(message)

    async def recv(self) -> bytes:
        message: bytes = await self._connection.recv()
        return message

    def __aiter__(self) -> _Channel:
        return self

    async def __anext__(self) -> bytes:
        from websockets.exceptions import ConnectionClosed

        try:
            return await self.recv()
        except ConnectionClosed:
            raise StopAsyncIteration from None


async def server(talk: Talk) -> None:
    """Says its port; when asked, its processor time in s."""
    from pycrdt.websocket import WebsocketServer
    from websockets.asyncio.server import serve

    context = NodeCertificate.generate().server_context()
    async with WebsocketServer() as rooms:
        async with serve(
            lambda connection: rooms.serve(_Channel(connection)),
            "127.0.0.1",
            0,
            ssl=context,
            compression=None,
        ) as listening:
            talk.say(next(iter(listening.sockets)).getsockname()[1])
            while True:
                await talk.listen()
                talk.say(time.process_time())


async def _connect(port: int) -> Any:
    from websockets.asyncio.client import connect

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = await connect(f"wss://127.0.0.1:{port}", ssl=context, compression=None, ping_interval=None)
    await connection.recv()  # it has greeted: it is in the room
    return connection


async def readers(talk: Talk, port: int, number: int) -> None:
    """Says it is there; then, when told how many updates come, when all of them were with all, in ns."""
    connections = [await _connect(port) for _ in range(number)]
    talk.say("here")
    each = await talk.listen()
    talk.say("counting")

    async def count(connection: Any) -> None:
        left = each
        while left:
            left -= (await connection.recv())[:2] == UPDATE

    await asyncio.gather(*map(count, connections))
    talk.say(time.perf_counter_ns())


async def writers(talk: Talk, port: int, number: int, updates: int) -> None:
    """Says they are there; when told, each writes as soon as its last update came back."""
    from pycrdt import Doc, Text, create_update_message

    connections = [await _connect(port) for _ in range(number)]
    talk.say("here")
    await talk.listen()

    async def write(connection: Any) -> None:
        document: Doc[Any] = Doc()
        document["text"] = text = Text()
        made: list[bytes] = []
        document.observe(lambda event: made.append(event.update))
        for turn in range(updates // number):
            text += f"{document.client_id} {turn:04} "
            message = create_update_message(made[-1])
            await connection.send(message)
            while await connection.recv() != message:
                pass

    began = time.perf_counter_ns()
    talk.say(began)
    await asyncio.gather(*map(write, connections))
    await talk.listen()


async def measured(number_of_readers: int, number_of_writers: int, updates: int) -> tuple[float, float]:
    """Deliveries a second, by the clock and by the server's processor time."""
    async with child("pycrdt_peer", "server") as serving:
        port = await serving.hear()
        async with (
            child("pycrdt_peer", "readers", port=port, number=number_of_readers) as reading,
            child("pycrdt_peer", "writers", port=port, number=number_of_writers, updates=updates) as writing,
        ):
            await reading.hear()
            await writing.hear()
            await reading.ask(updates)
            before = await serving.ask()
            began = await writing.ask()
            ended = await reading.hear()
            used = await serving.ask() - before
    deliveries = number_of_readers * updates
    return deliveries / (ended - began) * 1e9, deliveries / used
