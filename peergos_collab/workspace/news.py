"""What happens in a workspace, for those who follow it and for those who wait for something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field
from typing import Final

from ..errors import TimedOut
from ..values import dataclass
from .api import Event

MAX_EVENTS: Final = 4096
"""Events that wait for a slow reader; the oldest go first, and what they told of is not lost."""


@dataclass(slots=True)
class News:
    """Events for readers, and a pulse for whoever waits until something is so."""

    _readers: list[asyncio.Queue[Event]] = field(default_factory=list)
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def followed(self) -> bool:
        """Whether anybody reads events; making them for nobody can be spared."""
        return bool(self._readers)

    def tell(self, event: Event) -> None:
        for reader in self._readers:
            if reader.full():
                reader.get_nowait()
            reader.put_nowait(event)

    def subscribe(self) -> asyncio.Queue[Event]:
        reader: asyncio.Queue[Event] = asyncio.Queue(MAX_EVENTS)
        self._readers.append(reader)
        return reader

    def unsubscribe(self, reader: asyncio.Queue[Event]) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def pulse(self) -> None:
        """Something changed: whoever waits in ``wait_until`` looks again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_until(self, happened: Callable[[], bool], seconds: float, what: str) -> None:
        """Returns once ``happened`` says so; it is asked again after each pulse.

        Raises:
            TimedOut: it did not happen in time. And whatever ``happened`` raises.
        """
        try:
            async with asyncio.timeout(seconds):
                while not happened():
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    await waiter
        except TimeoutError:
            raise TimedOut(f"{what} was not finished within {seconds:g} s; nothing is lost") from None
