"""Folding an object anew, where its state may depend on what came first.

Everything stored is delivered once more in the order that follows from the set of segments alone, apart
and in a thread, and the outcome is taken over. Whoever writes can cause it, so it happens once for all
that came within a while, and never takes more than a small share of the time.
"""

from __future__ import annotations

import asyncio
from dataclasses import field
from typing import Final, Protocol

from ..codec.ids import ObjectId
from ..documents import difference, prove
from ..errors import Damaged
from ..sync.causal_order import CausalOrder
from ..values import dataclass
from .folds import DocumentFold
from .open_object import OpenObject

QUIET_SECONDS: Final = 0.5
"""What comes within it is dealt with together."""

REST: Final = 20
"""Times as long as folding anew took last passes before it is done again."""


class Folder(Protocol):
    """What this asks of the engine."""

    def fold_anew(self, opened: OpenObject) -> CausalOrder: ...

    def on_renewed(self, opened: OpenObject) -> None: ...

    def start_over(self, object_id: ObjectId, damage: Damaged) -> None: ...


@dataclass(slots=True)
class Renewal:
    """Sees to it that one object is folded anew when it has to be.

    Attributes:
        times: how often it was.
    """

    engine: Folder
    opened: OpenObject
    times: int = 0
    _seconds: float = 0.0
    _timer: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _stopped: bool = False
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def plan(self) -> None:
        """Folds the object anew after a while, if it has to be and that is not planned already."""
        live = self.opened.live
        busy = self._timer is not None or self._task is not None or self._stopped
        due = live.replica.unsettled or live.replica.fold.in_doubt
        ready = not (busy or live.unverified or live.failed)
        if due and ready and not live.replica.lacking:  # what is fetched again would be gone until then
            self._timer = self._loop.call_later(max(QUIET_SECONDS, REST * self._seconds), self._begin)

    async def at_once(self) -> None:
        """Folds the object anew if it has to be; returns once that is done."""
        if self._task is not None:
            await self._task
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        live = self.opened.live
        if live.replica.unsettled and not (self._stopped or live.unverified or live.failed):
            await asyncio.shield(self._begin())

    def stop(self) -> None:
        """Plans nothing more; what is under way is dropped."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self) -> None:
        """Stops, and returns once nothing is under way."""
        self.stop()
        if self._task is not None:
            await self._task

    def _begin(self) -> asyncio.Task[None]:
        self._timer = None
        self._task = self._loop.create_task(self._renew())
        return self._task

    async def _renew(self) -> None:
        began = self._loop.time()
        try:
            if self.opened.live.replica.unsettled or not await self._prove():
                await self._fold_anew()
        except Damaged as damage:
            if not self._stopped:
                self.engine.start_over(self.opened.live.id, damage)
        finally:
            self._seconds = self._loop.time() - began
            self._task = None
        self.plan()

    async def _prove(self) -> bool:
        """Whether all that is in a document was written where it could be."""
        fold = self.opened.fold
        if not isinstance(fold, DocumentFold):
            return True
        order = await asyncio.to_thread(prove, fold.document.begin_proof())
        if self._stopped or fold.end_proof(order):
            return True
        self.opened.live.replica.order.unsettled = True
        return False

    async def _fold_anew(self) -> None:
        anew = await asyncio.to_thread(self.engine.fold_anew, self.opened)
        if not self._stopped:
            self._take(anew)

    def _take(self, anew: CausalOrder) -> None:
        take_anew(self.opened, anew)
        self.times += 1
        self.engine.on_renewed(self.opened)


def take_anew(opened: OpenObject, anew: CausalOrder) -> None:
    """Takes what was folded anew, with what a document loses by that put in once more.

    Where some of what was not sent is damaged, only the state has it: what others have no way to get, and
    what was written on top of that, is typed once more, by who may write.
    """
    fold, live = opened.fold, opened.live
    if not isinstance(fold, DocumentFold):
        live.adopt(anew)
        return
    document, text = fold.document, fold.document.text

    def type_anew() -> None:
        fold.lost.clear()
        if live.replica.can_write:
            document.edit_each(difference(document.text, text))

    live.adopt(anew, type_anew if live.replica.unsealed.is_lost else fold.put_back)
