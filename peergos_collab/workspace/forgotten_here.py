"""What is to be forgotten goes from this home.

That is done with what was compared with the history here, and only once a node of the document says that the
time to object is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import Damaged
from ..objects.prunes import Forgets
from ..ports import Batch, PutValue
from .archiving import alone
from .folds import DocumentFold
from .local_state import VERSIONS, removed_state
from .open_object import OpenObject
from .prune_checks import check_forgetting, end_of_moment

if TYPE_CHECKING:
    from .engine import Engine


async def forget_due(engine: Engine, opened: OpenObject) -> None:
    """Forgets here what is due."""
    live, some = opened.live, False
    for prune in live.prunes.due_to_forget:
        if prune.forgets is not None:
            some |= await _forget(engine, opened, prune.forgets)
    if some and not live.stopped:
        await engine.renewals[live.id].at_once()
        engine.news.pulse()


async def forget_now(engine: Engine, objects: Iterable[OpenObject]) -> None:
    """The same for who does not stay: what is to be compared first is compared at once, for a moment.

    What is left of it is compared the next time.
    """
    until = end_of_moment()
    for opened in objects:
        await check_forgetting(engine, opened, until)
        await forget_due(engine, opened)


async def _forget(engine: Engine, opened: OpenObject, forgets: Forgets) -> bool:
    """Has husks take the place of segments, a few at a time; whether there were any.

    Ended at any moment, what is there is whole: what stands for it is used from the first husk on.
    """
    live, some = opened.live, False
    try:
        await live.durable()
        while not live.stopped and (left := live.replica.left_to_forget(forgets)):
            number, stop = next(iter(left.items()))
            husked = await asyncio.to_thread(engine.stored.husks, opened, number, stop)
            if husked is None:
                break
            async with alone(engine.stored.lock(opened)):
                if live.stopped:
                    break
                old = _old_states(opened)  # first, as what goes from the disk may turn out to be damaged
                live.keep([*live.replica.forget(husked, forgets), *old])
            some = True
    except Damaged:
        pass  # it is dealt with by who needs what is damaged
    return some


def _old_states(opened: OpenObject) -> Batch:
    """Takes away what was saved of its state: that may hold text that is deleted, and is saved anew."""
    if isinstance(opened.fold, DocumentFold):
        opened.fold.save_whole()
    return [*removed_state(opened.live.id), PutValue(VERSIONS, opened.live.id, None)]
