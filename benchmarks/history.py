"""The long life of a document: opening it from its own checkpoint, with a foreign tail, and from its history.

A replays the trace ``automerge-paper``, B gets it through a node, both close. Then A writes 1,000 edits, each
waited for, so each a segment; they are put into B's store undelivered, as a crash leaves them. Openings are
by fresh processes, beyond imports and the home. All history is what a device without a checkpoint does: every
segment verified, opened, put in order, checked by the firewall. All of it is one thread's arithmetic, so it
is the processor's time that counts.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from pathlib import Path
from typing import Any

from peergos_collab.workspace import open_workspace

from . import opening, paper_trace
from .people import DOCUMENT, go_online, two_homes
from .processes import Talk, child, scratch
from .report import Report

TAIL = 1_000
TIMES = 5


async def tail_writer(talk: Talk, home: str, put_into: str) -> None:
    """Writes one-edit segments, and puts them into another home's store without delivering them."""
    from peergos_collab.storage.sqlite_store import SqliteStore
    from peergos_collab.sync.logbook import LogBook
    from peergos_collab.workspace.home import STORE

    workspace: Any = await open_workspace(Path(home))
    handle = await workspace.open_document(DOCUMENT)
    rng = random.Random(1)
    try:
        await go_online(workspace, webrtc=False)
        for _ in range(TAIL):
            at = rng.randrange(len(handle.document))
            handle.document.edit(at, at, rng.choice("abcdefgh "))
            await handle.saved()
        book = workspace.engine.find(DOCUMENT).live.replica.book
        records = [certificate.raw for certificate in book.certificates.values()]
        branches = list(book.numbered.values())
        store = SqliteStore(Path(put_into) / STORE)
        other = LogBook.load(book.object, store)
        raws = []
        for branch in branches:
            known = other.branches.get(branch.log)
            raws += book.read(branch, known[0].tip + 1 if known else 1, 1 << 30)
        batch = [*other.take_records(records).batch, *other.take_segments(raws).batch]
        await asyncio.wrap_future(store.write(batch))
        store.close()
        talk.say(len(raws))
    finally:
        await workspace.close()


async def replayer(talk: Talk, home: str) -> None:
    """Builds the document from its segments alone, a few times."""
    workspace: Any = await open_workspace(Path(home))
    await workspace.open_document(DOCUMENT)
    engine = workspace.engine
    opened = engine.find(DOCUMENT)
    replica = opened.live.replica
    took = []
    for _ in range(TIMES):
        before = time.process_time()
        book = engine.stored.book(replica.object)
        built = engine.stored.build(DOCUMENT, book, replica.fold.kind, replica.keys, replica.actor)
        took.append(time.process_time() - before)
        if built.fold.document.text != opened.fold.document.text:
            raise RuntimeError("the history gives another text")
    raws = [raw for branch in book.numbered.values() for raw in book.read(branch, 1, 1 << 30)]
    talk.say({"seconds": took, "segments": len(raws), "bytes": sum(map(len, raws))})
    await workspace.close()


async def _written(place: Path, most: int | None) -> None:
    """Homes ``a`` and ``b`` with the whole trace, closed; the node goes on until all is done."""
    arguments = {"most": most, "webrtc": False}
    async with (
        child("replay", "writer", home=str(place / "a"), **arguments) as a,
        child("replay", "reader", home=str(place / "b"), **arguments) as b,
    ):
        assert await a.hear() == await b.hear() == "online"
        b.tell()
        await a.ask()
        await b.hear()


async def measure(most: int | None = None) -> Report:
    report = Report("automerge-paper, encrypted and signed: opening it, and replaying its history")
    if not paper_trace.PATH.exists():
        report.skipped = paper_trace.ABSENT
        return report
    with scratch() as place:
        async with child("people", "node", home=str(place / "node")) as node:
            await two_homes(place, await node.hear())
            await _written(place, most)
            await _add_opening(report, "own checkpoint", place / "a", "<= 12")
            async with child("history", "replayer", home=str(place / "b")) as process:
                history = await process.hear()
            async with child(
                "history", "tail_writer", home=str(place / "a"), put_into=str(place / "b")
            ) as process:
                tail = await process.hear()
        await _add_opening(report, f"foreign tail of {tail:,} one-edit segments", place / "b", "<= 50")
    note = f"{history['segments']:,} segments, least {min(history['seconds']):.2f}"
    report.add("all history", statistics.median(history["seconds"]), "s", "<= 0.8", note)
    report.add("all history, as sent", history["bytes"] / 1e6, "MB", "<= 2.5")
    return report


async def _add_opening(report: Report, name: str, home: Path, target: str) -> None:
    times = await opening.open_times(home)
    clock = statistics.median(each["all"] - each["home"] for each in times)
    used = [each["document cpu"] for each in times]
    note = f"least {min(used):.1f}, most {max(used):.1f}; by the clock {clock:.1f}"
    report.add(f"opened: {name}", statistics.median(used), "ms", target, note)
