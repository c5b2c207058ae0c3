"""An admin has the history of a document forgotten; what was said of that, and how far it is.

forget ──base, prune record──► nodes, members ──time to object──► a node says it is done ──► forget_due
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from ..codec.ids import SegmentId
from ..objects.prunes import Forgets, Prune
from ..sync.bases import Base
from ..sync.pruning import forgetting
from .api import CompactedAt, Forgetting
from .compacting import FIRST_SECONDS, admin_keys, check_may_name, taken_at
from .open_object import OpenObject
from .ready_link import link_ready

if TYPE_CHECKING:
    from .engine import Engine


async def forget(
    engine: Engine, opened: OpenObject, path: str, within: Collection[SegmentId] | None
) -> Forgetting:
    """See ``Workspace.forget_document``.

    Args:
        within: the segments to be forgotten; None: all there are.
    """
    check_may_name(opened, path, "have its history forgotten")
    live = opened.live
    async with engine.online.needed() as network:
        with engine.online.holding(opened):
            for address in live.nodes:
                await link_ready(engine, opened, network, address)
            past = None
            if within is not None:
                past = await asyncio.to_thread(engine.stored.fold_past, opened, within)
            forgets = await live.give_base_for_all(past)
            await live.durable()
            for address in live.nodes:
                saved = partial(live.saved_on, address)  # nothing is forgotten before what stands for it is
                await engine.news.wait_until(saved, FIRST_SECONDS, f"storing {path!r} on the node")
            prune = _publish(opened, forgets)
            await live.durable()
            for address in live.nodes:
                await taken_at(engine, opened, address, [prune.id], FIRST_SECONDS)
    base = live.replica.order.bases.known[forgets.base.id]
    return _said(engine, opened, prune, forgets, base)


def _publish(opened: OpenObject, forgets: Forgets) -> Prune:
    """Raises Conflict."""
    replica = opened.live.replica
    epoch, keys = admin_keys(opened)
    prune = Prune.issue(replica.object, epoch, forgets, keys, replica.actor, os.urandom)
    opened.live.prunes.settle(prune.id, true=True)
    opened.live.take_records([prune.raw])
    return prune


# -- what was said ------------------------------------------------------------------------------


def all_forgetting(engine: Engine, opened: OpenObject) -> list[Forgetting]:
    """What admins said is to be forgotten, the newest first, as far as what stands for it is here.

    Raises:
        Damaged: something stored is.
    """
    known, prunes = opened.live.replica.order.bases.known, opened.live.replica.book.prunes.values()
    said = [
        _said(engine, opened, prune, prune.forgets, base)
        for prune in prunes
        if prune.forgets is not None and (base := known.get(prune.forgets.base.id)) is not None
    ]
    return sorted(said, key=lambda one: -one.time)


def _said(engine: Engine, opened: OpenObject, prune: Prune, forgets: Forgets, base: Base) -> Forgetting:
    replica, told = opened.live.replica, opened.live.prunes.told
    extent = replica.book.extent(forgets.heads)
    changes = sum(stop - replica.book.numbered[number].first + 1 for number, stop in extent.items())
    done = replica.book.has_all(forgets.heads) and not replica.left_to_forget(forgets)
    who = engine.mailroom.book.names().of(base.author.account, base.author.name)
    nodes = [(at, told[at, prune.id]) for at in opened.live.nodes if (at, prune.id) in told]
    return Forgetting(
        who.name,
        base.time,
        changes,
        done,
        prune in forgetting(replica.book),
        tuple(CompactedAt(at, hours, _problem(hours)) for at, hours in nodes),
        me=who.me,
        unverified=who.unverified,
    )


def _problem(hours: int | None) -> str:
    return "the node does not know who today's admins are" if hours is None else ""
