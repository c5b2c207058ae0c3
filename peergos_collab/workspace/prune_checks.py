"""A member looks whether what an admin has dropped at nodes is all in the archives that stand for it, or in
the base.

Who has the history makes each archive that a prune record names himself, and compares ids; where that gives
another one, he has a node give it, and looks whether it holds what is here, or what husks show of that.
Where it does not, or who says so is no admin, he objects, and the segments stay. It takes a twentieth of the
time at most, or a moment of each sync; what was found true is kept, so it may be ended at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import Damaged, PeergosCollabError
from ..objects.archives import Archive
from ..objects.prunes import Prune, Replaced
from ..sync.named_archives import is_begun
from .open_object import OpenObject

if TYPE_CHECKING:
    from .engine import Engine
    from .sync_link import SyncLink

T = TypeVar("T")


class Found(IntEnum):
    """What comes of looking at a record, or at an archive; of several the last in this order counts.

    Attributes:
        NOT_YET: what is needed for it is not here yet.
        NEVER: it is of something that is forgotten here in part, and no node has it. That it is true nobody
            here can know any more, so somebody objects; that it is false neither, so nobody is named.
    """

    TRUE = 0
    NOT_YET = 1
    NEVER = 2
    FALSE = 3

    @classmethod
    def by(cls, true: bool | None) -> Found:
        return cls.NOT_YET if true is None else cls.TRUE if true else cls.FALSE


REST: Final = 20
"""Times as long as looking at an archive took passes before the next one."""

MOMENT_SECONDS: Final = 3.0
"""For who does not stay, of looking at archives: at some 40 of them, which is 80,000 changes. And as much of
looking at what is to be forgotten."""

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


def end_of_moment() -> float:
    """When a moment is over that begins now, by the clock of the loop."""
    return asyncio.get_running_loop().time() + MOMENT_SECONDS


def may_check(opened: OpenObject) -> bool:
    """Whether what is here is a history to compare with."""
    return not opened.live.unverified and not opened.live.incomplete


async def check_prunes(engine: Engine, opened: OpenObject) -> None:
    """Checks what others say may be dropped at nodes, and objects where it is false."""
    prunes = opened.live.prunes
    while not opened.live.stopped and (unchecked := prunes.unchecked):
        open_yet = [prune for prune in unchecked if not await _settled(engine, opened, prune)]
        engine.forget_due(opened)
        if open_yet:
            await asyncio.sleep(RETRY_SECONDS)


async def check_forgetting(engine: Engine, opened: OpenObject, until: float) -> None:
    """The same of what is to be forgotten, at once: of one record at least, of others until some time.

    An admin can make many, and each is compared with the whole history.
    """
    for prune in opened.live.prunes.unchecked:
        if prune.forgets is not None:
            await _settled(engine, opened, prune, rest=0)
            if asyncio.get_running_loop().time() >= until:
                return


async def check_for_a_moment(engine: Engine, objects: Iterable[OpenObject]) -> None:
    """The same as far as one gets in a moment, but one archive at least; the next time goes on from there."""
    until = end_of_moment()
    for opened in objects:
        for prune in opened.live.prunes.unchecked if may_check(opened) else ():
            await _settled(engine, opened, prune, rest=0, until=until)
            if asyncio.get_running_loop().time() >= until:
                return


async def _settled(
    engine: Engine, opened: OpenObject, prune: Prune, rest: float | None = None, until: float = inf
) -> bool:
    """Whether it could be judged; then it was. ``rest`` is ``REST`` where nobody waits for it."""
    prunes, author = opened.live.prunes, opened.live.prunes.author(prune)
    try:
        found = Found.FALSE
        if author is not None:
            found = await _look(engine, opened, prune, REST if rest is None else rest, until)
    except Damaged:
        return False  # it is dealt with by who needs what is damaged
    if found is Found.NOT_YET:
        return False
    if found is not Found.TRUE and prune not in prunes.unchecked:
        return True  # somebody objected meanwhile
    objection = prunes.object_to(prune) if found is not Found.TRUE else None
    if objection is not None:
        opened.live.take_records([objection])
    if found is Found.FALSE:
        false = FALSE_ARCHIVE if prune.forgets is None else FALSE_BASE
        words = false.format(who=engine.who(author)) if author is not None else NO_ADMIN
        engine.on_problem(opened.live, words)
    if found is not Found.TRUE or prune.forgets is not None:
        prunes.settle(prune.id, true=found is Found.TRUE)
    engine.news.pulse()  # who waits until nothing is left to do
    if objection is not None:
        await _stored(engine, opened)  # before who does not stay goes
    return True


async def _stored(engine: Engine, opened: OpenObject) -> None:
    """Returns once the nodes that are there have all that was sent."""
    for link in _links(engine, opened):
        with suppress(PeergosCollabError):
            await link.confirmed(opened.live.id)


async def _look(engine: Engine, opened: OpenObject, prune: Prune, rest: float, until: float) -> Found:
    """Whether what it names holds what is here. Each archive that does is noted at once."""
    await opened.live.durable()
    if prune.forgets is not None:
        forgets = prune.forgets
        return Found.by(await _at_leisure(lambda: engine.stored.stands_for_all(opened, forgets), rest))
    worst = Found.TRUE
    for at, named in enumerate(opened.live.prunes.left(prune)):
        if at and asyncio.get_running_loop().time() >= until:
            return max(worst, Found.NOT_YET)
        found = await _look_at_archive(engine, opened, named, rest)
        if found is Found.TRUE:
            opened.live.prunes.settle(named.archive, true=True)
        worst = max(worst, found)
    return worst


async def _look_at_archive(engine: Engine, opened: OpenObject, named: Replaced, rest: float) -> Found:
    if await _at_leisure(lambda: engine.stored.is_own_archive(opened, named), rest):
        return Found.TRUE
    archive, everywhere = await _fetch(engine, opened, named.archive)
    if archive is not None:
        return Found.by(await _at_leisure(lambda: engine.stored.archive_holds(opened, archive), rest))
    return Found.NEVER if everywhere and is_begun(opened.live.replica.book, named) else Found.NOT_YET


async def _at_leisure(look: Callable[[], T], rest: float) -> T:
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = await asyncio.to_thread(look)
    await asyncio.sleep(rest * (loop.time() - began))
    return found


async def _fetch(engine: Engine, opened: OpenObject, archive_id: bytes) -> tuple[Archive | None, bool]:
    """An archive, from whichever node has it; else whether there are nodes, and all said they have it not."""
    answered = 0
    for link in _links(engine, opened):
        try:
            found = await link.get_archive(opened.live.id, archive_id)
        except PeergosCollabError:
            continue
        if found is not None:
            return found, False
        answered += 1
    return None, 0 < answered == len(opened.live.nodes)


def _links(engine: Engine, opened: OpenObject) -> list[SyncLink]:
    """The sessions with its nodes."""
    network = engine.online.network
    found = [network.link_of(opened.live.id, each) for each in opened.live.nodes] if network else []
    return [each.link for each in found if each is not None and each.link is not None]
