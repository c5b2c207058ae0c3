"""The peers that latency is compared with: the bare libraries and the bare disk, at the same rate."""

from __future__ import annotations

import asyncio
import sqlite3
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from peergos_collab.crypto.certificates import NodeCertificate

from .processes import Talk, child

MESSAGE = bytes(512)
"""About the size of a segment with one keystroke in it."""


async def paced(number: int, rate: float, once: Callable[[], Awaitable[None]]) -> list[float]:
    """Milliseconds that ``once`` took, each time."""
    took = []
    loop = asyncio.get_running_loop()
    start = loop.time()
    for index in range(number):
        await asyncio.sleep(max(0.0, start + index / rate - loop.time()))
        before = time.perf_counter_ns()
        await once()
        took.append((time.perf_counter_ns() - before) / 1e6)
    return took


# -- websockets ---------------------------------------------------------------------------------


async def websocket_server(talk: Talk) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    context = NodeCertificate.generate().server_context()
    async with serve(echo, "127.0.0.1", 0, ssl=context, compression=None) as server:
        talk.say(next(iter(server.sockets)).getsockname()[1])
        await talk.listen()


async def websocket_client(talk: Talk, port: int, number: int, rate: float) -> None:
    from websockets.asyncio.client import connect

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with connect(f"wss://127.0.0.1:{port}", ssl=context, compression=None) as connection:

        async def once() -> None:
            await connection.send(MESSAGE)
            await connection.recv()

        await paced(20, 1000, once)
        talk.say(await paced(number, rate, once))


async def websocket_echo(number: int, rate: float) -> list[float]:
    """Round trips of the websockets library over TLS 1.3, between two processes."""
    async with child("echoes", "websocket_server") as server:
        port = await server.hear()
        async with child("echoes", "websocket_client", port=port, number=number, rate=rate) as client:
            took: list[float] = await client.hear()
    return took


# -- aiortc -------------------------------------------------------------------------------------


async def channel_server(talk: Talk) -> None:
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    @peer.on("datachannel")
    def opened(channel):  # type: ignore[no-untyped-def]
        channel.on("message", channel.send)

    await peer.setRemoteDescription(RTCSessionDescription(await talk.listen(), "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    talk.say(peer.localDescription.sdp)
    try:
        await talk.listen()
    finally:
        await peer.close()


async def channel_client(talk: Talk, number: int, rate: float) -> None:
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = peer.createDataChannel("echo")
    opened, echoed = asyncio.Event(), asyncio.Event()
    channel.on("open", opened.set)
    channel.on("message", lambda _: echoed.set())
    await peer.setLocalDescription(await peer.createOffer())
    talk.say(peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(await talk.listen(), "answer"))
    async with asyncio.timeout(10):
        await opened.wait()

    async def once() -> None:
        echoed.clear()
        channel.send(MESSAGE)
        await echoed.wait()

    await paced(20, 1000, once)
    talk.say(await paced(number, rate, once))
    await peer.close()


async def data_channel_echo(number: int, rate: float) -> list[float]:
    """Round trips of a bare aiortc data channel, between two processes."""
    async with (
        child("echoes", "channel_server") as server,
        child("echoes", "channel_client", number=number, rate=rate) as client,
    ):
        client.tell(await server.ask(await client.hear()))
        took: list[float] = await client.hear()
    return took


# -- disk ---------------------------------------------------------------------------------------


async def durable_commit(place: Path, number: int, rate: float) -> list[float]:
    """Commits of one row by the bare sqlite3 module, WAL, synchronous=FULL."""
    connection = sqlite3.connect(place / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE rows (raw BLOB NOT NULL)")

    async def once() -> None:
        connection.execute("INSERT INTO rows VALUES (?)", (MESSAGE,))

    took = await paced(number, rate, once)
    connection.close()
    return took
