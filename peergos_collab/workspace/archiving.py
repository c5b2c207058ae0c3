"""Has an object's older segments take less room on this disk, a little at a time beside everything else."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from threading import Lock
from typing import Final, Protocol

from ..errors import Damaged
from ..sync.archiving import Packed, is_due, put_back, take_packed
from .open_object import OpenObject

REST: Final = 20
"""Times as long as making an archive took passes before the next one is made."""


class Shelves(Protocol):
    """What this asks of what is stored."""

    def pack(self, opened: OpenObject, branch: int) -> Packed | None: ...

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
    replica, lock = opened.live.replica, stored.lock(opened)
    if opened.live.stopped or not lock.acquire(blocking=False):
        return  # another book stands for what is stored, or it is tried again
    try:
        batch = take_packed(replica.book, packed)
        written: Future[None] = replica.store.write(batch)
    finally:
        lock.release()
    try:
        await asyncio.wrap_future(written)
    except Damaged:
        put_back(replica.book, packed)
        raise
