"""Waiting for the session on which an object is open with a node, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import Offline, WrongPin
from .network import Network
from .open_object import OpenObject
from .sync_link import SyncLink

if TYPE_CHECKING:
    from .engine import Engine

SHARE_SECONDS: Final = 30.0


async def link_ready(engine: Engine, opened: OpenObject, network: Network, address: str) -> SyncLink:
    """The session with a node on which the object is open and compared. Raises Offline, WrongPin."""

    def link() -> SyncLink | None:
        node_link = network.link_of(opened.live.id, address)
        if node_link is None or node_link.link is None:
            if node_link is not None and node_link.problem:
                raise (WrongPin if node_link.wrong_pin else Offline)(node_link.problem)
            return None
        # Whom nodes know to be removed they give nothing, and do not say so.
        ready = opened.live.id in node_link.link.ready or opened.live.replica.is_removed
        return node_link.link if ready else None

    await engine.news.wait_until(lambda: link() is not None, SHARE_SECONDS, "reaching the node")
    found = link()
    assert found is not None
    return found
