"""Takes TCP connections as far as their TLS handshake, of which so many are under way at a time.

Else whoever connects and says nothing would hold open files, which are few, for as long as a handshake may
take. Where too many are under way, whoever has most gives up the one that was begun first: an honest one
takes a round trip or two.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from .seats import Seats, seats_here, whose

HANDSHAKES: Final = 256
HANDSHAKE_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
"""After the system had no room for one more connection."""

_SHARE_OF_FILES: Final = 0.125
"""Of the open files that the system allows."""

_BACKLOG: Final = 100


class Accepting:
    """Listens for connections, and makes a protocol of each over TLS.

    Args:
        make: is called for each when its handshake begins.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext) -> None:
        self._make = make
        self._context = context
        self._handshakes = Seats[asyncio.Task[None]](seats_here(HANDSHAKES, _SHARE_OF_FILES), newest=False)
        self._listening: list[socket.socket] = []
        self._paused: dict[socket.socket, asyncio.TimerHandle] = {}

    async def listen(self, host: str, port: int) -> int:
        """Listens at all addresses of ``host``, and gives the port. Raises OSError and what sockets raise."""
        # Not the loop's own: uvloop's forgets the link of a link-local address.
        found = await asyncio.to_thread(
            socket.getaddrinfo, host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets: list[socket.socket] = []
        try:
            for family, kind, proto, _, place in dict.fromkeys(found):
                sockets.append(_listening(family, kind, proto, place))
        except BaseException:
            for each in sockets:
                each.close()
            raise
        self._listening += sockets
        for each in sockets:
            self._go_on(each)
        return int(sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Idempotent. What is beyond its handshake goes on."""
        while self._listening:
            listening = self._listening.pop()
            self._pause(listening)
            listening.close()
        for pause in self._paused.values():
            pause.cancel()
        await asyncio.sleep(0)  # the last one has begun by then, too
        handshakes = list(self._handshakes)
        for task in handshakes:
            task.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)

    def _go_on(self, listening: socket.socket) -> None:
        self._paused.pop(listening, None)
        asyncio.get_running_loop().add_reader(listening.fileno(), self._accept, listening)

    def _pause(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listening.fileno())

    def _accept(self, listening: socket.socket) -> None:
        """One at a time: each has begun, and owns its socket, before it may be ended for others."""
        loop = asyncio.get_running_loop()
        try:
            connected, place = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._pause(listening)
            self._paused[listening] = loop.call_later(RETRY_SECONDS, self._go_on, listening)
            return
        connected.setblocking(False)
        host, task = whose(place[0]), loop.create_task(self._shake_hands(connected))
        task.add_done_callback(partial(self._handshakes.leave, host))
        given_up = self._handshakes.take(host, task)
        if given_up is not None:
            given_up.cancel()

    async def _shake_hands(self, connected: socket.socket) -> None:
        with suppress(OSError):  # it broke off, took too long, or was no TLS
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                connected,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )


def _listening(family: int, kind: int, proto: int, place: tuple[object, ...]) -> socket.socket:
    """Raises OSError."""
    made = socket.socket(family, kind, proto)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
