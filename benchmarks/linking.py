"""How long it takes until a new device has everything: from reading the code to the last of 200 objects."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from peergos_collab.node import serve_node
from peergos_collab.workspace import create_workspace, open_workspace
from peergos_collab.workspace.api import Workspace
from peergos_collab.workspace.new_device import join_account

from .processes import scratch
from .report import Report

OBJECTS = 200
TIMES = 3


async def _first_device(home: Path, node: str) -> Workspace:
    create_workspace(home, name="A", passphrase=None)
    workspace = await open_workspace(home, lasting=True)
    await workspace.add_node(node)
    for number in range(OBJECTS):
        await workspace.new_document(f"document {number:03d}", f"text of document {number}")
    await workspace.sync(120.0)
    return workspace


async def _link(first: Workspace, home: Path) -> tuple[float, float]:
    """Seconds until the new device has its home, and until it has all objects. Nobody looks at digits."""
    offer = await first.link_device()

    async def same(_: str) -> bool:
        return True

    async def agree() -> None:
        await first.compare_device(offer.id)
        await first.finish_linking(offer.id, same=True)

    started = time.perf_counter()
    await asyncio.gather(agree(), join_account(home, offer.code, same, device_name="B", passphrase=None))
    linked = time.perf_counter() - started
    workspace = await open_workspace(home, lasting=True)
    await workspace.sync(120.0)
    took = time.perf_counter() - started
    text, _ = await workspace.read_document(f"document {OBJECTS - 1:03d}")
    assert text == f"text of document {OBJECTS - 1}"
    assert len(await workspace.list_entries()) == OBJECTS
    await workspace.close()
    return linked, took


async def add_linking(report: Report) -> None:
    with scratch() as place:
        node = await serve_node(place / "node", "127.0.0.1", 0)
        first = await _first_device(place / "first", node.address)
        try:
            times = [await _link(first, place / f"new {number}") for number in range(TIMES)]
        finally:
            await first.close()
            await node.close()
    note = f"all in one process; home made after {statistics.median(t[0] for t in times):.2f} s"
    report.add(
        f"link a device with {OBJECTS} objects", statistics.median(t[1] for t in times), "s", "<= 5", note
    )
