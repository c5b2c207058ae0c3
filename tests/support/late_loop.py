"""An event loop on which what comes from elsewhere comes late, as on a slow machine.

What threads tell, what streams have and what a connection in memory brings is held back for a random moment;
the order on each way stays. A test that passes only if something comes soon enough fails here. Datagrams
come in time: to who measures a network by them it would be gone.
"""

from __future__ import annotations

import asyncio
import os
import random
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from peergos_collab.testing.transport import MemoryConnection

SHARE = 0.3
"""Of all that comes, how much comes late."""
MEAN = 0.03
"""Seconds by which it does, on average."""

_LOOK = 0.002
"""Seconds after which it is seen what else has come, while all that came is held back."""


class LateLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._last_told = 0.0
        super().__init__(_Late(self))

    def moment(self) -> float:
        """Seconds by which something is held back; mostly none."""
        return self.random.expovariate(1 / MEAN) if self.random.random() < SHARE else 0.0

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        if threading.get_ident() == self._thread_id:  # type: ignore[attr-defined]
            return super().call_soon_threadsafe(callback, *args, context=context)
        return super().call_soon_threadsafe(self._tell, callback, args, context)

    def _tell(self, callback: Callable[..., object], args: tuple[Any, ...], context: Any) -> None:
        """Threads tell in their order, so what follows something late is late too."""
        now = self.time()
        self._last_told = max(self._last_told + 1e-6, now + self.moment())
        self.call_at(self._last_told, callback, *args, context=context)


class _Late(selectors.SelectSelector):
    def __init__(self, loop: LateLoop) -> None:
        super().__init__()
        self._loop = loop
        self._held: dict[int, float] = {}
        self._datagrams: set[int] = set()
        self._never = threading.Event()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._datagrams.discard(key.fd)
        if _takes_datagrams(key.fd):
            self._datagrams.add(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            ready = super().select(timeout)
            now = time.monotonic()
            due = [(key, events) for key, events in ready if self._is_due(key, now)]
            if due or not ready or (end is not None and now >= end):
                return due
            first = min(self._held[key.fd] for key, _ in ready)
            if end is not None and first >= end:
                self._never.wait(end - now)
                return []
            self._never.wait(min(first - now, _LOOK))
            timeout = None if end is None else max(0.0, end - time.monotonic())

    def _is_due(self, key: selectors.SelectorKey, now: float) -> bool:
        if key.fd == self._loop._ssock.fileno():  # type: ignore[attr-defined]
            return True  # what threads tell is held back where it is told
        if key.fd in self._datagrams:
            return True
        until = self._held.setdefault(key.fd, now + self._loop.moment())
        if until > now:
            return False
        del self._held[key.fd]
        return True


def _takes_datagrams(fd: int) -> bool:
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return False
    with socket.socket(fileno=os.dup(fd)) as found:
        return found.type == socket.SOCK_DGRAM


async def _wait_late(connection: MemoryConnection) -> None:
    await _wait(connection)
    loop = asyncio.get_running_loop()
    if isinstance(loop, LateLoop) and (moment := loop.moment()):
        here = asyncio.Event()
        loop.call_later(moment, here.set)
        await here.wait()


_wait = MemoryConnection._wait
MemoryConnection._wait = _wait_late  # type: ignore[method-assign]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], LateLoop]]:
    """Each test runs once for each seed that the environment names, as ``LATE_TESTS=1,2,3``."""
    return {f"late {seed}": partial(LateLoop, int(seed)) for seed in os.environ["LATE_TESTS"].split(",")}
