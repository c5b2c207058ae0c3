"""An admin has the history of a document forgotten; what was said of that, and how far it is.

forget ──base, prune record──► nodes, members ──time to object──► a node says it is done ──► forget_due
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from ..codec.ids import SegmentId
from ..objects.prunes import Forgets, Prune
from ..sync.bases import Base
from ..sync.pruning import forgetting
from .api import CompactedAt, Forgetting
from .nodes_asked import FIRST_SECONDS, admin_keys, away_at, check_may_name, give_all, reach_all, taken_at
from .open_object import OpenObject

if TYPE_CHECKING:
    from .engine import Engine

ASKING: Final = "hearing what becomes of it there"
ASK_SECONDS: Final = 10.0
"""For a node that is reached to say how far it is."""

TOLD_LATER: Final = "it is told once it is reached, and keeps the history until then"
NOT_KNOWN: Final = "how far it is there is not known"


async def forget(
    engine: Engine, opened: OpenObject, path: str, within: Collection[SegmentId] | None
) -> Forgetting:
    """See ``Workspace.forget_document``.

    Args:
        within: the segments to be forgotten; None: all there are.
    """
    check_may_name(opened, path, "have its history forgotten")
    live = opened.live
    await live.durable()
    async with engine.online.needed() as network:
        with engine.online.holding(opened):
            away = await give_all(engine, opened, network, live.nodes)
            past = None
            if within is not None:
                past = await asyncio.to_thread(engine.stored.fold_past, opened, within)
            forgets = await live.give_base_for_all(past)
            there = [address for address in live.nodes if address not in away]
            away |= await give_all(engine, opened, network, there)  # what stands for it, before it is named
            prune = _publish(opened, forgets)
            await live.durable()
            there = [address for address in there if address not in away]
            told = await _heard(engine, opened, there, prune, FIRST_SECONDS)
    base = live.replica.order.bases.known[forgets.base.id]
    return _said(engine, opened, prune, base, [*told, *away_at(away, TOLD_LATER)])


async def _heard(
    engine: Engine, opened: OpenObject, nodes: Iterable[str], prune: Prune, seconds: float
) -> list[CompactedAt]:
    return await asyncio.gather(
        *(taken_at(engine, opened, each, [prune.id], seconds, ASKING) for each in nodes)
    )


def _publish(opened: OpenObject, forgets: Forgets) -> Prune:
    """Raises Conflict."""
    replica = opened.live.replica
    epoch, keys = admin_keys(opened)
    prune = Prune.issue(replica.object, epoch, forgets, keys, replica.actor, os.urandom)
    opened.live.prunes.settle(prune.id, true=True)
    opened.live.take_records([prune.raw])
    return prune


# -- what was said ------------------------------------------------------------------------------


async def all_forgetting(engine: Engine, opened: OpenObject) -> list[Forgetting]:
    """What admins said is to be forgotten, the newest first, as far as what stands for it is here.

    Nodes are asked how far each is that they still have to do with.

    Raises:
        Damaged: something stored is.
    """
    live, nodes = opened.live, {}
    if live.nodes and not live.replica.is_removed:
        async with engine.online.needed() as network:
            with engine.online.holding(opened):
                away = await reach_all(engine, opened, network, live.nodes)
                there = [address for address in live.nodes if address not in away]
                for prune in _open_yet(opened):
                    heard = await _heard(engine, opened, there, prune, ASK_SECONDS)
                    nodes[prune.id] = [*heard, *away_at(away, NOT_KNOWN)]
    known, prunes = live.replica.order.bases.known, live.replica.book.prunes.values()
    said = [
        _said(engine, opened, prune, base, nodes.get(prune.id, []))
        for prune in prunes
        if prune.forgets is not None and (base := known.get(prune.forgets.base.id)) is not None
    ]
    return sorted(said, key=lambda one: -one.time)


def _open_yet(opened: OpenObject) -> list[Prune]:
    """Those that count, and of which what stands for it is not forgotten itself: nodes speak of no others."""
    book = opened.live.replica.book
    return [each for each in forgetting(book) if each.forgets and not book.is_forgotten(each.forgets.base)]


def _said(
    engine: Engine, opened: OpenObject, prune: Prune, base: Base, nodes: Iterable[CompactedAt]
) -> Forgetting:
    assert prune.forgets is not None
    replica, forgets = opened.live.replica, prune.forgets
    extent = replica.book.extent(forgets.heads)
    changes = sum(stop - replica.book.numbered[number].first + 1 for number, stop in extent.items())
    done = replica.book.has_all(forgets.heads) and not replica.left_to_forget(forgets)
    who = engine.mailroom.book.names().of(base.author.account, base.author.name)
    return Forgetting(
        who.name,
        base.time,
        changes,
        done,
        prune in forgetting(replica.book),
        tuple(nodes),
        me=who.me,
        unverified=who.unverified,
    )
