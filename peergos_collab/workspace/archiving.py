"""Archives take the place of segments on this disk: of older ones, which then take less room, a little at a
time beside everything else; and of those that this device has no keys for, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Lock
from typing import Final, Protocol

from ..errors import Damaged
from ..objects.archives import Archive
from ..sync.archiving import Packed, is_due, put_back, take_packed
from ..sync.arrivals import Offered
from ..sync.session import Session
from .open_object import OpenObject

REST: Final = 20
"""Times as long as making an archive took passes before the next one is made."""


class Shelves(Protocol):
    """What this asks of what is stored."""

    def pack(self, opened: OpenObject, branch: int) -> Packed | None: ...

    def pack_before(self, opened: OpenObject, closed: Archive) -> Packed | None: ...

    def lock(self, opened: OpenObject) -> Lock: ...


async def archive(stored: Shelves, opened: OpenObject, rest: float | None = None) -> None:
    """Archives what is due of an object; ``rest`` is ``REST`` where nobody waits for it."""
    rest = REST if rest is None else rest
    loop, replica = asyncio.get_running_loop(), opened.live.replica
    for branch in list(replica.book.numbered.values()):
        while is_due(branch) and not opened.live.failed and not opened.live.stopped:
            began = loop.time()
            try:
                await opened.live.durable()
                packed = await asyncio.to_thread(stored.pack, opened, branch.number)
                if packed is None:
                    break
                await _store(stored, opened, packed)
            except Damaged:
                return  # it is dealt with by who needs what is damaged, or writes what somebody typed
            await asyncio.sleep(rest * (loop.time() - began))


async def _store(stored: Shelves, opened: OpenObject, packed: Packed) -> None:
    """Raises Damaged where the disk refuses; then all is as it was."""
    lock = stored.lock(opened)
    if opened.live.stopped or not lock.acquire(blocking=False):
        return  # another book stands for what is stored, or it is tried again
    try:
        written = _take(opened, packed)
    finally:
        lock.release()
    await _written(opened, packed, written)


def _take(opened: OpenObject, packed: Packed) -> Future[None]:
    replica = opened.live.replica
    return replica.store.write(take_packed(replica.book, packed))


async def _written(opened: OpenObject, packed: Packed, written: Future[None]) -> None:
    try:
        await asyncio.wrap_future(written)
    except Damaged:
        put_back(opened.live.replica.book, packed)
        raise


async def take_closed(
    stored: Shelves, opened: OpenObject, closed: Archive, via: str, origin: Session
) -> Offered:
    """See ``LiveObject.take_closed``. What comes before it and can be read lies in archives first.

    Raises:
        Damaged: a stored segment is, or the disk refuses.
    """
    live, lock = opened.live, stored.lock(opened)
    closed = live.replica.book.lacking_part(closed) if closed.is_husk else closed
    before = None
    while (packed := await asyncio.to_thread(stored.pack_before, opened, closed)) not in (None, before):
        async with alone(lock):
            written = _take(opened, packed)
        await _written(opened, packed, written)
        before = packed
    async with alone(lock):
        return live.take_closed(closed, via, origin)


@asynccontextmanager
async def alone(lock: Lock) -> AsyncIterator[None]:
    """While nobody reads with a book of his own: he would miss what is moved."""
    while not lock.acquire(blocking=False):
        await asyncio.to_thread(_pass, lock)  # whoever ends this task meanwhile must not leave it locked
    try:
        yield
    finally:
        lock.release()


def _pass(lock: Lock) -> None:
    """Returns once nobody holds it."""
    with lock:
        pass
