"""Looking at all that a home keeps: whether it is what was stored, and proves itself; and mending it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from ..codec.shown import show_person
from ..errors import Damaged, NoNode, Offline, PeergosCollabError, TimedOut
from ..storage import RowFlaw, ask_for_salvage, row_flaws
from ..sync.replica import fork_words
from .api import Check, Flaw
from .called import Names
from .engine import Engine
from .home import STORE
from .node_faults import node_faults
from .open_object import OpenObject

PROFILE: Final = "(the list of what is here)"
NOWHERE: Final = "(this home)"

Sync = Callable[[], Awaitable[None]]


async def check_home(engine: Engine, *, since_opening: bool = True) -> Check:
    """Reads every row of the store, then proves and opens every record of every object once more.

    Args:
        since_opening: also tells what was found damaged, and taken out, before.
    """
    await asyncio.wrap_future(engine.store.write([]))
    rows = await asyncio.to_thread(lambda: list(row_flaws(engine.home / STORE)))
    engine.waking.open_all()
    damaged = [Flaw(_path(engine, row), row.what) for row in rows]
    refused, forked, nodes = [], [], []
    names = engine.mailroom.book.names()
    for opened in list(engine.objects.values()):
        if since_opening:
            damaged += [Flaw(opened.path or PROFILE, words) for words in opened.live.replica.damage]
        try:
            anew = await asyncio.to_thread(engine.fold_anew, opened)
        except Damaged as damage:
            damaged.append(Flaw(opened.path or PROFILE, damage.message))
            anew = opened.live.replica.order
        refused += [
            Flaw(opened.path or PROFILE, f"a change by {show_person(each.name)}: {each.reason}")
            for each in anew.set_aside
        ]
        forked += [Flaw(opened.path or PROFILE, fork_words(name)) for name in _forkers(opened, names)]
        nodes += [replace(each, path=each.path or PROFILE) for each in node_faults(opened, names)]
    return Check(
        len(engine.objects), tuple(dict.fromkeys(damaged)), tuple(refused), tuple(forked), tuple(nodes)
    )


async def repair_home(engine: Engine, sync: Sync) -> Check:
    """Takes out what is damaged, fetches again what a node or a peer has, and looks once more.

    Args:
        sync: with every node; if none is reached, what is missing is fetched when one is.
    """
    before = await check_home(engine)
    if not before.damaged:
        return before
    for opened in [each for each in engine.objects.values() if _is_named(each, before)]:
        engine.start_over(opened.live.id, Damaged("It was damaged on this disk, and was repaired."))
    if any(flaw.path == NOWHERE for flaw in before.damaged):
        ask_for_salvage(engine.home / STORE)
    try:
        await sync()
    except (NoNode, Offline, TimedOut) as problem:
        unreached: PeergosCollabError | None = problem
    else:
        unreached = None
    after = await check_home(engine, since_opening=False)
    gone = tuple(flaw for flaw in before.damaged if flaw not in after.damaged)
    words = "" if unreached is None else unreached.message
    return Check(after.objects, after.damaged, after.refused, after.forked, after.nodes, gone, words)


def _forkers(opened: OpenObject, names: Names) -> list[str]:
    """Whose logs are forked."""
    replica = opened.live.replica
    writers = [replica.order.introductions.writer_of(log) for log in replica.book.forked()]
    called = [names.of(who.author.account, who.author.name) for who in writers if who is not None]
    return list(dict.fromkeys("yours" if one.me else one.words for one in called))


def _is_named(opened: OpenObject, found: Check) -> bool:
    return any(flaw.path == (opened.path or PROFILE) for flaw in found.damaged)


def _path(engine: Engine, row: RowFlaw) -> str:
    for id_, opened in engine.objects.items():
        if row.owner.startswith(id_):
            return opened.path or PROFILE
    return NOWHERE
