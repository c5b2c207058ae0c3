"""Choosing the entry node: the node of another operator that stands between this account and its nodes."""

from __future__ import annotations

import os

from ..codec.address import format_address, parse_address
from ..errors import Refused
from ..files.changes import set_entry_node
from ..ports import Transport
from .engine import Engine
from .network import with_node


async def use_entry_node(engine: Engine, address: str) -> None:
    """See ``Workspace.set_entry_node``."""
    text = format_address(parse_address(address)) if address else ""
    if text:
        await _check(engine, text)
    await engine.change_profile(set_entry_node(text))


async def _check(engine: Engine, entry: str) -> None:
    nodes = engine.profile.view.nodes()
    if any(parse_address(node).pin == parse_address(entry).pin for node in nodes):
        raise Refused(
            f"{entry} is one of this account's nodes, which would see both who you are and what you open; "
            "nothing was changed",
            hint="Use an entry node of another operator.",
        )
    way = engine.transport
    if nodes:
        await _ask(engine, way.through(entry), nodes[0])
    else:
        await _ask(engine, way.direct, entry)


async def _ask(engine: Engine, way: Transport, address: str) -> None:
    """Any question: an answer shows that a node is there."""
    async with await with_node(way, engine.link_events, os.urandom, address) as link:
        await link.get_drop(bytes(32))
