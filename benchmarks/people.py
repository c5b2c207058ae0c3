"""Homes, workspaces and nodes as the benchmarks use them: through the embedding API alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from peergos_collab.workspace import Options, Role, create_workspace, open_workspace

from .processes import Talk

DOCUMENT = "paper"


async def node(talk: Talk, home: str, grace: int = 168) -> None:
    """A child: a blind node. Says its address, then serves until the end.

    Args:
        grace: hours in which members may object before anything is dropped.
    """
    from peergos_collab.node import serve_node

    running = await serve_node(Path(home), "127.0.0.1", 0, grace=grace)
    talk.say(running.address)
    try:
        await talk.listen()
    finally:
        await running.close()


async def two_homes(place: Path, address: str, text: str = "") -> None:
    """Homes ``a`` and ``b`` that share one document through a node; both are closed again."""
    for name in ("a", "b"):
        create_workspace(place / name, name=name.upper(), passphrase=None)
    a, b = await open_workspace(place / "a"), await open_workspace(place / "b")
    try:
        await a.add_node(address)
        await a.new_document(DOCUMENT, text)
        await b.join(await a.share_link(DOCUMENT, Role.WRITER))
    finally:
        await a.close()
        await b.close()


async def go_online(workspace: Any, *, webrtc: bool) -> None:
    """Returns once the document is connected: directly too, if ``webrtc``."""
    events = workspace.events(DOCUMENT)
    next_event = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await workspace.go_online(Options(webrtc=webrtc))
    async with asyncio.timeout(30):
        while (await next_event).via != ("webrtc" if webrtc else "node"):
            next_event = asyncio.ensure_future(anext(events))
    await events.aclose()
