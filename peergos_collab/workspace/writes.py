"""What one object writes, in order: kept while the disk is full, and written once there is room again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import field
from functools import partial
from itertools import chain
from typing import Final

from ..errors import Damaged, DiskFull, LocalProtocolError
from ..ports import Batch, SegmentStore
from ..ports.store import nothing
from ..values import dataclass

RETRY_SECONDS: Final = 1.0
"""Between two looks whether a full disk has room again: each is a commit that fails early."""


@dataclass(slots=True)
class _Write:
    """``future``: None while it is kept, because there is no room for it or for one before it."""

    batch: Batch
    saved: Callable[[], None]
    written: Callable[[], None]
    future: Future[None] | None = None


@dataclass(slots=True)
class Writes:
    """See the module's text.

    Args:
        told: called with why this disk takes nothing, and with None once it takes everything again.
            Only a full disk ever does: after any other error nothing is written any more.
    """

    store: SegmentStore
    told: Callable[[Damaged | None], None]
    _writes: deque[_Write] = field(default_factory=deque)
    _full: bool = False
    _dead: bool = False
    _stopped: bool = False
    _retrying: Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def ready(self) -> bool:
        """Whether the next write would go to the disk now, with numbers for what is new in it."""
        if self._dead or self._is_held():
            return False
        try:
            self.store.reserve()
        except Damaged as error:
            self._refuse(error)
            return False
        except LocalProtocolError:
            return False  # it was closed while a write was on its way; what is pending was journaled before
        return True

    def write(
        self, batch: Batch, saved: Callable[[], None] = nothing, written: Callable[[], None] = nothing
    ) -> None:
        """Makes a batch durable in the background.

        Args:
            saved: called once it is.
            written: called before that, once a crash of this program alone does not take it any more; not
                where it was kept for lack of room.
        """
        if not self._dead:
            write = _Write(batch, saved, written)
            held = self._is_held()
            self._writes.append(write)
            if not held:
                self._send(write)

    def stop(self) -> None:
        """Tries nothing any more by itself."""
        self._stopped = True
        self._cancel()

    async def last_try(self) -> None:
        """Returns once what is kept is known to be saved, or not."""
        self._retry()
        if self._retrying is not None:
            await asyncio.gather(asyncio.wrap_future(self._retrying), return_exceptions=True)

    def _is_held(self) -> bool:
        """Whether something is kept from the disk: what follows it is kept too."""
        if self._full:
            return True
        for write in self._writes:  # they are done in their order
            if write.future is None or not write.future.done():
                return False
            if write.future.exception() is not None:
                return True
        return False

    def _send(self, write: _Write) -> None:
        try:
            told = nothing if write.written is nothing else partial(self._call_soon, write.written)
            write.future = self.store.write(write.batch, told)
        except (Damaged, LocalProtocolError) as error:
            self._refuse(error)
        else:
            self._call_back(write.future, self._settle)

    def _call_back(self, future: Future[None], then: Callable[[], None]) -> None:
        future.add_done_callback(lambda _: self._call_soon(then))

    def _call_soon(self, then: Callable[[], None]) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(then)

    def _settle(self) -> None:
        while self._writes and not self._full:
            future = self._writes[0].future
            if future is None or not future.done():
                return
            error = future.exception()
            if error is None:
                self._writes.popleft().saved()
            elif all(write.future is None or write.future.done() for write in self._writes):
                self._refuse(error)
            else:
                return  # what was queued behind it is refused too, and that is told in a moment

    def _refuse(self, error: BaseException) -> None:
        if isinstance(error, DiskFull):
            self._full = True
            for write in self._writes:
                write.future = None
            self._wait()
            self.told(error)
        elif not self._dead:
            self._dead = True
            self._writes.clear()
            self.told(error if isinstance(error, Damaged) else Damaged(str(error)))

    def _wait(self) -> None:
        if not self._stopped:
            self._timer = self._loop.call_later(RETRY_SECONDS, self._retry)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _retry(self) -> None:
        """Tries what is kept, all of it or nothing."""
        self._cancel()
        if not self._full or self._retrying is not None:
            return
        kept = [write.batch for write in self._writes]
        try:
            self.store.reserve()
            self._retrying = self.store.write(list(chain.from_iterable(kept)))
        except (Damaged, LocalProtocolError) as error:
            self._still(error)
        else:
            self._call_back(self._retrying, lambda: self._retried(len(kept)))

    def _retried(self, count: int) -> None:
        assert self._retrying is not None
        error, self._retrying = self._retrying.exception(), None
        if error is not None:
            self._still(error)
            return
        self._full = False
        saved = [self._writes.popleft().saved for _ in range(count)]
        for write in list(self._writes):
            self._send(write)
        for call in saved:
            call()
        self.told(None)

    def _still(self, error: BaseException) -> None:
        """There is no room yet, unless it is worse."""
        if isinstance(error, DiskFull):
            self._wait()
        else:
            self._refuse(error)
