"""A member looks whether what an admin has dropped at nodes is all in the archives that stand for it.

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
NO_ADMIN: Final = (
    "somebody who is no admin named archives to take the place of older changes at nodes: you objected, so "
    "nodes that heard of it in time keep the changes themselves; nothing of yours changed"
)


async def check_prunes(engine: Engine, opened: OpenObject) -> None:
    """Checks what others say may be dropped at nodes, and objects where it is false."""
    prunes = opened.live.prunes
    while not opened.live.stopped and (unchecked := prunes.unchecked):
        open_yet = [prune for prune in unchecked if not await _settled(engine, opened, prune)]
        if open_yet:
            await asyncio.sleep(RETRY_SECONDS)


async def _settled(engine: Engine, opened: OpenObject, prune: Prune) -> bool:
    """Whether it could be judged; then it was."""
    prunes, author = opened.live.prunes, opened.live.prunes.author(prune)
    try:
        true = author is not None and await _is_true(engine, opened, prune)
    except Damaged:
        return False  # it is dealt with by who needs what is damaged
    if true is None:
        return False
    if not true:
        objection = prunes.object_to(prune)
        if objection is not None:
            opened.live.take_records([objection])
        words = FALSE_ARCHIVE.format(who=engine.who(author)) if author is not None else NO_ADMIN
        engine.on_problem(opened.live, words)
    prunes.find_true(prune.id)
    return True


async def _is_true(engine: Engine, opened: OpenObject, prune: Prune) -> bool | None:
    """Whether every archive holds what is here; None where one is not to be had yet."""
    await opened.live.durable()
    verdicts = [await _holds(engine, opened, each) for each in prune.replaced]
    return False if False in verdicts else (None if None in verdicts else True)


async def _holds(engine: Engine, opened: OpenObject, named: Replaced) -> bool | None:
    if await _at_leisure(lambda: engine.stored.is_own_archive(opened, named)):
        return True
    found = await _fetch(engine, opened, named.archive)
    return None if found is None else await _at_leisure(lambda: engine.stored.archive_holds(opened, found))


async def _at_leisure(look: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = await asyncio.to_thread(look)
    await asyncio.sleep(REST * (loop.time() - began))
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
