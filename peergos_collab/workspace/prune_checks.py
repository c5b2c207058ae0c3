"""A member looks whether what an admin has dropped at nodes is all in the archives that stand for it, or in
the base.

Who has the history makes each archive that a prune record names himself, and compares ids; where that gives
another one, he has a node give it, and looks whether it holds what is here. Where it does not, or who says so
is no admin, he objects, and the segments stay. It takes a twentieth of the time at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import Damaged, PeergosCollabError
from ..objects.archives import Archive
from ..objects.prunes import Prune, Replaced
from .open_object import OpenObject

if TYPE_CHECKING:
    from .engine import Engine

T = TypeVar("T")

REST: Final = 20
"""Times as long as looking at an archive took passes before the next one."""

RETRY_SECONDS: Final = 60.0
"""Until a node is asked again for what it does not have yet."""

FALSE_ARCHIVE: Final = (
    "{who} named an archive to take the place of older changes at nodes that does not hold them: you "
    "objected, so nodes that heard of it in time keep the changes themselves; nothing of yours changed"
)
FALSE_BASE: Final = (
    "{who} wants the history forgotten, and what is to stand for it is not what the history holds: you "
    "objected, so nodes that heard of it in time keep the history, and so do you; nothing of yours changed"
)
NO_ADMIN: Final = (
    "somebody who is no admin wants older changes dropped at nodes: you objected, so nodes that heard of it "
    "in time keep them; nothing of yours changed"
)


async def check_prunes(engine: Engine, opened: OpenObject) -> None:
    """Checks what others say may be dropped at nodes, and objects where it is false."""
    prunes = opened.live.prunes
    while not opened.live.stopped and (unchecked := prunes.unchecked):
        open_yet = [prune for prune in unchecked if not await _settled(engine, opened, prune)]
        engine.forget_due(opened)
        if open_yet:
            await asyncio.sleep(RETRY_SECONDS)


async def check_forgetting(engine: Engine, opened: OpenObject) -> None:
    """The same of what is to be forgotten, at once."""
    for prune in opened.live.prunes.unchecked:
        if prune.forgets is not None:
            await _settled(engine, opened, prune, rest=0)


async def _settled(engine: Engine, opened: OpenObject, prune: Prune, rest: float | None = None) -> bool:
    """Whether it could be judged; then it was. ``rest`` is ``REST`` where nobody waits for it."""
    prunes, author = opened.live.prunes, opened.live.prunes.author(prune)
    try:
        true = author is not None and await _is_true(engine, opened, prune, REST if rest is None else rest)
    except Damaged:
        return False  # it is dealt with by who needs what is damaged
    if true is None:
        return False
    if not true:
        objection = prunes.object_to(prune)
        if objection is not None:
            opened.live.take_records([objection])
        false = FALSE_ARCHIVE if prune.forgets is None else FALSE_BASE
        words = false.format(who=engine.who(author)) if author is not None else NO_ADMIN
        engine.on_problem(opened.live, words)
    prunes.settle(prune.id, true=true)
    return True


async def _is_true(engine: Engine, opened: OpenObject, prune: Prune, rest: float) -> bool | None:
    """Whether every archive, or the base, holds what is here; None where one is not to be had yet."""
    await opened.live.durable()
    if prune.forgets is not None:
        forgets = prune.forgets
        return await _at_leisure(lambda: engine.stored.stands_for_all(opened, forgets), rest)
    verdicts = [await _holds(engine, opened, each, rest) for each in prune.replaced]
    return False if False in verdicts else (None if None in verdicts else True)


async def _holds(engine: Engine, opened: OpenObject, named: Replaced, rest: float) -> bool | None:
    if await _at_leisure(lambda: engine.stored.is_own_archive(opened, named), rest):
        return True
    found = await _fetch(engine, opened, named.archive)
    if found is None:
        return None
    return await _at_leisure(lambda: engine.stored.archive_holds(opened, found), rest)


async def _at_leisure(look: Callable[[], T], rest: float) -> T:
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = await asyncio.to_thread(look)
    await asyncio.sleep(rest * (loop.time() - began))
    return found


async def _fetch(engine: Engine, opened: OpenObject, archive_id: bytes) -> Archive | None:
    """An archive, from whichever node has it."""
    network = engine.online.network
    for address in opened.live.nodes if network is not None else ():
        node_link = network.link_of(opened.live.id, address) if network is not None else None
        if node_link is None or node_link.link is None:
            continue
        try:
            found = await node_link.link.get_archive(opened.live.id, archive_id)
        except PeergosCollabError:
            continue
        if found is not None:
            return found
    return None
