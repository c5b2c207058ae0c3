"""An admin has archives take the place of older changes at an object's nodes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from ..codec.ids import RecordId
from ..errors import Offline
from ..objects.prunes import MAX_REPLACED, Prune, Replaced
from ..sync.pruning import standing
from .api import Compaction
from .archiving import archive
from .nodes_asked import FIRST_SECONDS, admin_keys, away_at, check_may_name, give_all, taken_at
from .open_object import OpenObject

if TYPE_CHECKING:
    from .engine import Engine

ARCHIVE_SECONDS: Final = 2.0
"""For a node to take each archive, beside what it takes first."""

TOLD_LATER: Final = "it is told once it is reached, and asks for the archives then"


async def compact(engine: Engine, opened: OpenObject, path: str) -> Compaction:
    """See ``Workspace.compact_document``."""
    check_may_name(opened, path, "have its older changes compacted")
    live = opened.live
    await live.durable()
    addresses = live.nodes
    async with engine.online.needed() as network:
        with engine.online.holding(opened):
            away = await give_all(engine, opened, network, addresses)  # they compare archives with that
            await archive(engine.stored, opened, rest=0)
            replaced, size = await asyncio.to_thread(engine.stored.replaced, opened)
            prunes = _publish(opened, replaced)
            await live.durable()
            seconds = FIRST_SECONDS + ARCHIVE_SECONDS * len(replaced)
            there = [address for address in addresses if address not in away]
            told = await asyncio.gather(
                *(taken_at(engine, opened, each, prunes, seconds, "storing the archives") for each in there)
            )
    if all(at.problem for at in told):
        raise Offline(f"no node took the archives: {told[0].problem}")
    segments = sum(each.last - each.first + 1 for each in replaced)
    return Compaction(len(replaced), segments, size, (*told, *away_at(away, TOLD_LATER)))


def _publish(opened: OpenObject, replaced: list[Replaced]) -> list[RecordId]:
    """Names all archives that no record names which counts; gives those that do by now. Raises Conflict."""
    replica = opened.live.replica
    epoch, keys = admin_keys(opened)
    known = {each for prune in standing(replica.book) for each in prune.replaced}
    fresh = sorted(set(replaced) - known)
    for at in range(0, len(fresh), MAX_REPLACED):
        some = fresh[at : at + MAX_REPLACED]
        prune = Prune.issue(replica.object, epoch, some, keys, replica.actor, os.urandom)
        opened.live.prunes.settle(prune.id, true=True)
        opened.live.take_records([prune.raw])
    return [prune.id for prune in standing(replica.book) if not set(replaced).isdisjoint(prune.replaced)]
