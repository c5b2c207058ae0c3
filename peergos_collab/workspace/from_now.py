"""Sharing a document from now on: whoever is added gets its text as it is, and nothing else of before.

The text comes to him as a base, which this device makes right after the add; if it ends in between, whoever
else can write and has the history makes one. What this device has not sealed yet is sealed before the add:
sealed after it, he would read how it came about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Conflict, UsageError
from ..objects.principals import Principal
from .folds import DocumentFold
from .network import Network
from .open_object import OpenObject
from .ready_link import link_ready

if TYPE_CHECKING:
    from .engine import Engine


def adds_from_now(opened: OpenObject) -> bool:
    """Whether this account, which was added so, can add others only so."""
    return opened.live.replica.order.bases.is_hidden


def check_from_now(opened: OpenObject, principal: Principal, who: str) -> None:
    """Raises UsageError, Conflict where somebody cannot be added from now on."""
    if not isinstance(opened.fold, DocumentFold):
        raise UsageError(
            "only documents can be shared from now on: what follows in a chat refers to what was said "
            "before; nothing was changed",
            hint="Make a new chat, and share that.",
        )
    listed = opened.live.replica.view.members.get(principal.id)
    if listed is not None and not listed.hidden:
        raise Conflict(
            f"{who} is in it already, and has what was written before; nothing was changed",
            hint="Nothing takes back what somebody could read.",
        )
    opened.live.replica.check_base()


async def come_to_rest(engine: Engine, opened: OpenObject, network: Network) -> None:
    """Returns once all that was written here is sealed. Raises Offline, WrongPin, TimedOut, Conflict."""
    live = opened.live
    with engine.online.holding(opened):
        await link_ready(engine, opened, network, live.nodes[0])
        await live.durable()
    if live.replica.unsealed:
        raise Conflict("what was written here cannot be sealed just now; nothing was changed")


async def give_base(engine: Engine, opened: OpenObject, network: Network, principal: Principal) -> None:
    """Gives a member the present text if he gets nothing else of before.

    Raises:
        Offline, WrongPin, TimedOut, Conflict: not now; it is given by itself later.
    """
    live = opened.live
    member = live.replica.view.members.get(principal.id)
    if member is None or not member.hidden:
        return
    network.refresh()  # a new member made it a circle of its own
    with engine.online.holding(opened):
        await link_ready(engine, opened, network, live.nodes[0])
        await live.give_base()
