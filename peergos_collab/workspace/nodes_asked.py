"""An admin names to an object's nodes what they may drop: who may, which nodes are there, what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from ..codec.ids import EpochId, RecordId
from ..errors import Conflict, HistoryIncomplete, NoNode, PeergosCollabError
from ..objects.epoch_keys import EpochKeys, Level
from ..sync.pruning import admin_epoch, forgetting, standing
from .api import CompactedAt
from .network import Network
from .open_object import OpenObject
from .ready_link import link_ready
from .sharing import check_is_admin

if TYPE_CHECKING:
    from .engine import Engine

FIRST_SECONDS: Final = 60.0
"""For a node to take all that is here, and to say something of it."""

NOT_TAKEN: Final = (
    "the node does not act on it: it cannot tell who today's admins are, or was named as many archives of "
    "this object as it takes; nothing is lost"
)


def check_may_name(opened: OpenObject, path: str, what: str) -> None:
    """Whether this device can tell nodes what they may drop: an admin's, with all of the history.

    Raises:
        NoAccess, NoNode, HistoryIncomplete.
    """
    check_is_admin(opened, what)
    if not opened.live.nodes:
        raise NoNode
    if opened.live.unverified or opened.live.incomplete:
        raise HistoryIncomplete(f"the history of {path!r} is not all here yet; nothing was changed")


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


Away = dict[str, PeergosCollabError]
"""Nodes that are not reached, or did not take all that is here in time, and why."""


async def give_all(engine: Engine, opened: OpenObject, network: Network, addresses: Iterable[str]) -> Away:
    """Waits until nodes have all that is here; gives those that have not.

    Raises:
        PeergosCollabError: none of them has.
    """
    addresses = list(addresses)

    async def give(address: str) -> None:
        saved = partial(opened.live.saved_on, address)
        await link_ready(engine, opened, network, address)
        await engine.news.wait_until(saved, FIRST_SECONDS, f"storing {opened.path!r} on the node")

    away = await _faults(addresses, give)
    if len(away) == len(addresses):
        raise away[addresses[0]]
    return away


async def reach_all(engine: Engine, opened: OpenObject, network: Network, addresses: Iterable[str]) -> Away:
    """Waits until the object is open at nodes; gives those that are not reached."""
    return await _faults(addresses, partial(link_ready, engine, opened, network))


async def _faults(addresses: Iterable[str], work: Callable[[str], Awaitable[object]]) -> Away:
    async def fault(address: str) -> PeergosCollabError | None:
        try:
            await work(address)
        except PeergosCollabError as error:
            return error
        return None

    addresses = list(addresses)
    faults = await asyncio.gather(*map(fault, addresses))
    return {address: found for address, found in zip(addresses, faults, strict=True) if found is not None}


async def taken_at(
    engine: Engine, opened: OpenObject, address: str, prunes: list[RecordId], seconds: float, what: str
) -> CompactedAt:
    """What a node says of prune records, once it has all that these name. ``what``: the taking, in words."""
    told = opened.live.prunes.told
    try:
        await engine.news.wait_until(lambda: all((address, prune) in told for prune in prunes), seconds, what)
    except PeergosCollabError as error:
        return CompactedAt(address, None, error.message)
    book = opened.live.replica.book
    counting = [prune.id for prune in (*standing(book), *forgetting(book)) if prune.id in prunes]
    hours = [told[address, prune] for prune in counting if (address, prune) in told]
    if None in hours:
        return CompactedAt(address, None, NOT_TAKEN)
    return CompactedAt(address, max((each for each in hours if each is not None), default=0), "")


def away_at(away: Away, then: str) -> list[CompactedAt]:
    """What is to be said of nodes that are away. ``then``: what becomes of it there."""
    return [CompactedAt(each, None, f"{fault.message.rstrip('.')}; {then}") for each, fault in away.items()]
