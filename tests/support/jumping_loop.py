"""An event loop whose time is what is waited for: hours pass in seconds, and the same each time.

For code that waits for timers and for other tasks of its own, and neither for sockets nor for threads.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

REAL_SECONDS = 5.0
"""How long a thread may take, where one has to be waited for at the end."""


class JumpingLoop(asyncio.SelectorEventLoop):
    """Where nothing is ready to run, the clock goes on to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(REAL_SECONDS if timeout is None else 0)
        if not ready and timeout is not None:
            self._loop.now += timeout
        return ready


async def passing(seconds: float) -> None:
    """Returns once so much of the loop's time is over; only where that is nobody's."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    over = asyncio.Event()
    loop.call_later(seconds, over.set)
    await over.wait()


def in_no_time(work: Coroutine[Any, Any, T]) -> T:
    """Runs ``work`` on such a loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)
