"""A local network in memory: who is in it hears all announcements, and reaches whom it calls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence

from peergos_collab.errors import Offline, PeergosCollabError
from peergos_collab.ports import Address, Connection
from peergos_collab.ports.lan import Announcement
from peergos_collab.testing.transport import MemoryConnection, memory_pair

from .homes import PATIENCE


class Ether:
    """Implements ``ports.LanTransport``. ``announced`` is what went over it, the newest last."""

    def __init__(self) -> None:
        self.places: dict[bytes, EtherPlace] = {}
        self.announced: list[Announcement] = []
        self._news = asyncio.Event()

    async def until(self, happened: Callable[[], bool]) -> None:
        """Returns once something is true of who is there and what was announced."""
        async with asyncio.timeout(PATIENCE):
            while not happened():
                self._news.clear()
                await self._news.wait()

    async def open(
        self, accept: Callable[[Connection], Awaitable[None]], found: Callable[[Announcement], None]
    ) -> EtherPlace:
        place = EtherPlace(self, accept, found)
        self.places[place.pin] = place
        self._news.set()
        for announcement in self.announced:
            found(announcement)
        return place

    def tell(self, announcement: Announcement) -> None:
        self.announced.append(announcement)
        self._news.set()
        for place in list(self.places.values()):
            place.found(announcement)

    def leave(self, pin: bytes) -> None:
        self.places.pop(pin, None)
        self._news.set()

    def call(self, pin: bytes) -> MemoryConnection:
        """What anybody in the network can do."""
        if pin not in self.places:
            raise Offline("nobody is there")
        own, other = memory_pair(pin)
        own.kind = other.kind = "lan"  # type: ignore[misc]
        place = self.places[pin]
        task = asyncio.get_running_loop().create_task(place.serve(other))
        place.tasks.add(task)
        task.add_done_callback(place.tasks.discard)
        return own


class EtherPlace:
    """Implements ``ports.LanPlace``."""

    def __init__(
        self,
        ether: Ether,
        accept: Callable[[Connection], Awaitable[None]],
        found: Callable[[Announcement], None],
    ) -> None:
        self.pin = os.urandom(32)
        self.found = found
        self.tasks: set[asyncio.Task[None]] = set()
        self._ether = ether
        self._accept = accept

    async def announce(self, marks: Sequence[bytes]) -> None:
        self._ether.tell(Announcement(self.pin, tuple(marks), (Address(self.pin, "192.0.2.1", 1),)))

    async def connect(self, announcement: Announcement) -> Connection:
        return self._ether.call(announcement.pin)

    async def serve(self, connection: MemoryConnection) -> None:
        try:
            await self._accept(connection)
        except PeergosCollabError:
            pass  # the usual end, as at a real listener
        finally:
            await connection.close()

    async def close(self) -> None:
        self._ether.leave(self.pin)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
