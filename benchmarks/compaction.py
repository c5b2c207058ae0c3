"""A document that has lived through a million edits, beside a fresh one with the same text.

The trace ``automerge-paper`` is typed four times over, one transaction per operation, through a node; between
two rounds all is deleted. So a paper of 105 KB is left, and most of what was written is gone. Opening is by a
fresh process on a fresh copy of the home, as in ``opening``. A newcomer joins by a link.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from peergos_collab.workspace import Options, Role, create_workspace, open_workspace

from . import opening, paper_trace
from .disk import stored_bytes
from .people import DOCUMENT
from .processes import Talk, child, scratch
from .replay import YIELD_EVERY
from .report import Report

ROUNDS = 4
PATIENCE = 600.0


async def writer(talk: Talk, home: str, node: str, rounds: int, most: int | None) -> None:
    """Types the trace so many times, waits until the node has it, and says how much it was; then its link."""
    edits, text = paper_trace.load(most)
    create_workspace(Path(home), name="A", passphrase=None)
    workspace = await open_workspace(Path(home))
    try:
        await workspace.add_node(node)
        await workspace.new_document(DOCUMENT)
        await workspace.go_online(Options(webrtc=False))
        handle = await workspace.open_document(DOCUMENT)
        done = 0
        for number in range(rounds):
            if number:
                handle.document.edit(0, len(handle.document), "")
            for start, end, inserted in edits:
                handle.document.edit(start, end, inserted)
                done += 1
                if done % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        await handle.saved()
        await workspace.sync(PATIENCE)
        if handle.document.text != text:
            raise RuntimeError("the text is not the trace's")
        talk.say([done, await workspace.share_link(DOCUMENT, Role.WRITER)])
        await talk.listen()
    finally:
        await workspace.close()


async def newcomer(talk: Talk, home: str, link: str) -> None:
    """Joins, and says after how many milliseconds the text was here, and its history verified."""
    create_workspace(Path(home), name="B", passphrase=None)
    workspace = await open_workspace(Path(home))
    try:
        await workspace.go_online(Options(webrtc=False))
        started = time.perf_counter()
        await workspace.join(link, timeout=PATIENCE)
        handle = await workspace.open_document(DOCUMENT)
        length = len(handle.document)
        shown = time.perf_counter()
        while await _is_unverified(workspace):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)
        talk.say([(shown - started) * 1000, (time.perf_counter() - started) * 1000, length])
        await talk.listen()
    finally:
        await workspace.close()


async def _is_unverified(workspace: Any) -> bool:
    status = await workspace.status()
    return any("not verified" in problem for state in status.objects for problem in state.problems)


async def fresh(home: Path, text: str) -> None:
    """A home with a document of the same text, written at once."""
    create_workspace(home, name="C", passphrase=None)
    workspace = await open_workspace(home)
    await workspace.new_document(DOCUMENT, text)
    await workspace.close()


async def measure(rounds: int = ROUNDS, most: int | None = None) -> Report:
    report = Report("a document that has lived through a million edits")
    if not paper_trace.PATH.exists():
        report.skipped = paper_trace.ABSENT
        return report
    _, text = paper_trace.load(most)
    with scratch() as place:
        async with child("people", "node", home=str(place / "node")) as node:
            address = await node.hear()
            how = {"home": str(place / "a"), "node": address, "rounds": rounds, "most": most}
            async with child("compaction", "writer", **how) as a:
                edits, link = await a.hear()
            async with child("compaction", "newcomer", home=str(place / "b"), link=link) as b:
                shown, verified, _ = await b.hear()
        await fresh(place / "c", text)
        report.add("edits", edits, "ops")
        lived = await _opening(report, "it", place / "a")
        young = await _opening(report, "a fresh one of its text", place / "c")
        report.add("opening it / a fresh one", lived / young, "", "<= 1.5")
        report.add("a newcomer sees its text", shown, "ms")
        report.add("a newcomer has verified its history", verified, "ms")
        for name, home in (("home", "a"), ("node", "node"), ("fresh home", "c")):
            report.add(f"disk, {name}", stored_bytes(place / home) / 1e6, "MB")
    return report


async def _opening(report: Report, name: str, home: Path) -> float:
    times = await opening.open_times(home)
    everything = statistics.median(t["all"] - t["keys"] for t in times)
    document = statistics.median(t["all"] - t["home"] for t in times)
    report.add(f"cold open of {name}", everything, "ms", note=f"document alone {document:.1f}")
    return everything
