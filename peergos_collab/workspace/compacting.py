"""An admin has archives take the place of older changes at an object's nodes."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Final

from ..codec.ids import EpochId, RecordId
from ..errors import Conflict, NoNode, Offline, PeergosCollabError
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.prunes import MAX_REPLACED, Prune, Replaced
from ..sync.pruning import admin_epoch, forgetting, standing
from .api import CompactedAt, Compaction
from .archiving import archive
from .network import Network
from .open_object import OpenObject
from .ready_link import link_ready
from .sharing import check_is_admin

if TYPE_CHECKING:
    from .engine import Engine

FIRST_SECONDS: Final = 60.0
ARCHIVE_SECONDS: Final = 2.0
"""For a node to take all archives, and for each of them."""

AWAY: Final = "; it is told once it is reached, and asks for the archives then"


async def compact(engine: Engine, opened: OpenObject, path: str) -> Compaction:
    """See ``Workspace.compact_document``."""
    check_may_name(opened, path, "have its older changes compacted")
    live = opened.live
    await live.durable()
    addresses = live.nodes
    async with engine.online.needed() as network:
        with engine.online.holding(opened):
            faults = await asyncio.gather(*(_reach(engine, opened, network, each) for each in addresses))
            away = {address: fault for address, fault in zip(addresses, faults, strict=True) if fault}
            if len(away) == len(addresses):
                raise away[addresses[0]]
            await archive(engine.stored, opened, rest=0)
            replaced, size = await asyncio.to_thread(engine.stored.replaced, opened)
            prunes = _publish(opened, replaced)
            await live.durable()
            seconds = FIRST_SECONDS + ARCHIVE_SECONDS * len(replaced)
            there = [address for address in addresses if address not in away]
            told = await asyncio.gather(*(taken_at(engine, opened, each, prunes, seconds) for each in there))
    if all(at.problem for at in told):
        raise Offline(f"no node took the archives: {told[0].problem}")
    told += [CompactedAt(each, None, fault.message.rstrip(".") + AWAY) for each, fault in away.items()]
    segments = sum(each.last - each.first + 1 for each in replaced)
    return Compaction(len(replaced), segments, size, tuple(told))


def check_may_name(opened: OpenObject, path: str, what: str) -> None:
    """Whether this device can tell nodes what they may drop: an admin's, with all of the history.

    Raises:
        NoAccess, NoNode, Offline.
    """
    check_is_admin(opened, what)
    if not opened.live.nodes:
        raise NoNode
    if opened.live.unverified or opened.live.incomplete:
        raise Offline(f"the history of {path!r} is not all here yet; nothing was changed")


async def _reach(
    engine: Engine, opened: OpenObject, network: Network, address: str
) -> PeergosCollabError | None:
    """Waits until a node has all that is here, as it compares archives with that; gives why it has not."""
    saved = partial(opened.live.saved_on, address)
    try:
        await link_ready(engine, opened, network, address)
        await engine.news.wait_until(saved, FIRST_SECONDS, f"storing {opened.path!r} on the node")
    except PeergosCollabError as error:
        return error
    return None


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


def admin_keys(opened: OpenObject) -> tuple[EpochId, EpochKeys]:
    """The keys that nodes know today's admins by. Raises Conflict."""
    replica = opened.live.replica
    epoch = admin_epoch(replica.book)
    keys: EpochKeys | None = replica.keys.get(epoch) if epoch is not None else None
    if epoch is None or keys is None or keys.level < Level.ADMIN:
        raise Conflict(
            "nodes cannot tell who its admins are today: two of them made new keys apart, or somebody made "
            "some with keys of before; nothing was changed",
        )
    return epoch, keys


async def taken_at(
    engine: Engine, opened: OpenObject, address: str, prunes: list[RecordId], seconds: float
) -> CompactedAt:
    """What a node says of prune records, once it has all that these name."""
    told = opened.live.prunes.told
    try:
        await engine.news.wait_until(
            lambda: all((address, prune) in told for prune in prunes), seconds, "storing the archives"
        )
    except PeergosCollabError as error:
        return CompactedAt(address, None, error.message)
    book = opened.live.replica.book
    counting = [prune.id for prune in (*standing(book), *forgetting(book)) if prune.id in prunes]
    hours = [told[address, prune] for prune in counting if (address, prune) in told]
    if None in hours:
        return CompactedAt(address, None, "the node does not know who today's admins are")
    return CompactedAt(address, max((each for each in hours if each is not None), default=0), "")
