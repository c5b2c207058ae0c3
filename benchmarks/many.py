"""Ten thousand documents in one home: what a start costs, a sync with nothing new, and idling.

The home is made by the program's own code, each document with a line of text, and synced with a node once.
What is measured is a process that opens it after that, beyond its imports.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any, cast

from peergos_collab.files.changes import EntryChange, put_entry
from peergos_collab.objects.links import Capability
from peergos_collab.objects.payload import Kind
from peergos_collab.sync.record_book import epoch_batch
from peergos_collab.workspace import Options, create_workspace, open_workspace
from peergos_collab.workspace.folds import DocumentFold
from peergos_collab.workspace.home import found_object
from peergos_collab.workspace.references import ObjectReference
from peergos_collab.workspace.sharing import KIND_NAMES

from .counting import count_bytes
from .crowd import memory
from .processes import Talk, child, scratch
from .report import Report

DOCUMENTS = 10_000
AT_ONCE = 200
ROWS = 50
IDLE_SECONDS = 10.0
SYNC_SECONDS = 3600.0


async def maker(talk: Talk, home: str, address: str, documents: int) -> None:
    """Makes the home and brings it to the node."""
    create_workspace(Path(home), name="A", passphrase=None)
    workspace: Any = await open_workspace(Path(home))
    await workspace.add_node(address)
    for start in range(0, documents, AT_ONCE):
        changes = [
            _document(workspace.engine, number) for number in range(start, min(documents, start + AT_ONCE))
        ]
        await workspace.engine.change_profile(*changes)
    talk.say("made")
    await workspace.sync(SYNC_SECONDS)
    await workspace.close()
    talk.say("closed")


def _document(engine: Any, number: int) -> EntryChange:
    """A document as it lies on the disk after somebody wrote in it, and its entry of the profile."""
    path, now = f"document {number:05}", time.time_ns() // 1_000_000
    epoch, keys = found_object(engine.keys.credentials, Kind.DOCUMENT, os.urandom)
    engine.store.write(epoch_batch(epoch))
    capability = Capability(epoch.object, epoch.id, keys, int(Kind.DOCUMENT), path, ())
    reference = ObjectReference(capability)
    opened = engine.open_reference(path, reference)
    cast(DocumentFold, opened.fold).document.edit(0, 0, f"What document {number} says.")
    opened.live.save()
    engine.forget(epoch.object)
    return put_entry(os.urandom(16), path, KIND_NAMES[Kind.DOCUMENT], reference.encode(), now=now)


async def opener(talk: Talk, home: str) -> None:
    """Says how long each step of a start took, in ms, and what a sync and some seconds of nothing cost."""
    import transports.websocket
    from peergos_collab.workspace import device_book, engine_workspace, mailroom, recovery_keeper, resting

    _ = transports.websocket, device_book, engine_workspace, mailroom, recovery_keeper, resting
    said: dict[str, float] = {}
    began = time.perf_counter()

    def step(name: str) -> None:
        nonlocal began
        said[name] = (time.perf_counter() - began) * 1000
        began = time.perf_counter()

    workspace: Any = await open_workspace(Path(home))
    step("open")
    assert len(await workspace.list_entries("", ROWS)) == ROWS
    step("rows")
    for place in workspace.engine.resting.places:
        workspace.engine.resting.collection(place)
    step("ready")
    await workspace.list_entries()
    step("all rows")
    await workspace.status()
    step("status")
    await workspace.status()
    step("status again")
    counted = count_bytes(workspace)
    await workspace.sync()
    step("sync")
    said["sent"] = counted["node"]
    said["opened"] = len(workspace.engine.objects) - 1
    await workspace.go_online(Options(webrtc=False))
    await asyncio.sleep(3)
    said["memory"], before = memory(), time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    said["idle"] = (time.process_time() - before) / IDLE_SECONDS * 100
    said["descriptors"] = _descriptors()
    talk.say(said)
    await workspace.close()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def measure(documents: int = DOCUMENTS) -> Report:
    report = Report(f"many: a home of {documents:,} documents, all at a node, opened again")
    with scratch() as place:
        home = place / "a"
        async with child("crowd", "node", home=str(place / "node")) as node:
            address = await node.hear()
            async with child("many", "maker", home=str(home), address=address, documents=documents) as making:
                for _ in range(2):
                    await making.hear()
            said = []
            for _ in range(2):  # in the first the node is told of the collection
                async with child("many", "opener", home=str(home)) as opening:
                    said.append(await opening.hear())
    first, again = said
    report.add("the home", again["open"], "ms", "", "key store and profile")
    report.add(f"then {ROWS} rows", again["rows"], "ms", "<= 5")
    report.add("then ready to compare", again["ready"], "ms", "<= 30")
    report.add("then all rows", again["all rows"], "ms")
    report.add("then what the status says of all", again["status"], "ms")
    report.add("the same once more, as while one types", again["status again"], "ms", "<= 10")
    report.add("then in sync, nothing new", again["sync"], "ms", "", f"{again['opened']:.0f} objects opened")
    report.add("sent for that, profile and mail included", again["sent"], "B")
    report.add("the same where the node has to be told of them", first["sent"], "B")
    report.add("memory, online", again["memory"] / 1024, "MiB")
    report.add("processor while nothing happens", again["idle"], "%")
    report.add("descriptors", again["descriptors"], "")
    return report
