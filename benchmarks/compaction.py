"""A document that has lived through a million edits, beside a fresh one with the same text.

The trace ``automerge-paper`` is typed four times over, one transaction per operation, through a node; between
two rounds all is deleted. So a paper of 105 KB is left, and most of what was written is gone. Opening is by a
fresh process on a fresh copy of the home, as in ``opening``. A newcomer joins by a link. At the end all of
its history is forgotten, at a node that waits for no objections.
"""

from __future__ import annotations

import asyncio
import shutil
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
HOMES = (("home", "a"), ("node", "node"))


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


async def forgetter(talk: Talk, home: str) -> None:
    """Has the history forgotten, and says after how many milliseconds it was made known, and gone here."""
    workspace = await open_workspace(Path(home))
    try:
        await workspace.go_online(Options(webrtc=False))
        started = time.perf_counter()
        forgotten = await workspace.forget_document(DOCUMENT)
        said = time.perf_counter()
        while not forgotten.done:
            await workspace.sync(PATIENCE)
            (forgotten,) = await workspace.forgetting(DOCUMENT)
        talk.say([(said - started) * 1000, (time.perf_counter() - said) * 1000])
        await talk.listen()
    finally:
        await workspace.close()


async def _settled(home: Path) -> int:
    """The bytes in use on a disk, once they stay the same: its owner says nothing when it is done."""
    before, size = -1, stored_bytes(home, in_use=True)
    while size != before:
        await asyncio.sleep(2)
        before, size = size, stored_bytes(home, in_use=True)
    return size


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
        async with child("people", "node", home=str(place / "node"), grace=0) as node:
            address = await node.hear()
            how = {"home": str(place / "a"), "node": address, "rounds": rounds, "most": most}
            async with child("compaction", "writer", **how) as a:
                edits, link = await a.hear()
            async with child("compaction", "newcomer", home=str(place / "b"), link=link) as b:
                shown, verified, _ = await b.hear()
            sizes = {name: stored_bytes(place / home) / 1e6 for name, home in HOMES}
            shutil.copytree(place / "a", place / "lived")
            async with child("compaction", "forgetter", home=str(place / "a")) as a:
                said, gone = await a.hear()
                after = {"node": await _settled(place / "node") / 1e6}
            after["home"] = stored_bytes(place / "a", in_use=True) / 1e6
        await fresh(place / "c", text)
        report.add("edits", edits, "ops")
        lived = await _opening(report, "it", place / "lived")
        young = await _opening(report, "a fresh one of its text", place / "c")
        report.add("opening it / a fresh one", lived / young, "", "<= 1.5")
        report.add("a newcomer sees its text", shown, "ms")
        report.add("a newcomer has verified its history", verified, "ms")
        for name, size in sizes.items():
            report.add(f"disk, {name}", size, "MB")
        report.add("disk, fresh home", stored_bytes(place / "c") / 1e6, "MB")
        report.add("having its history forgotten: said to the node", said, "ms")
        report.add("then gone from the home", gone, "ms")
        for name, size in after.items():
            report.add(f"disk in use then, {name}", size, "MB")
        forgetful = await _opening(report, "it, once that is forgotten", place / "a")
        report.add("opening it then / a fresh one", forgetful / young, "")
    return report


async def _opening(report: Report, name: str, home: Path) -> float:
    times = await opening.open_times(home)
    everything = statistics.median(t["all"] - t["keys"] for t in times)
    document = statistics.median(t["all"] - t["home"] for t in times)
    report.add(f"cold open of {name}", everything, "ms", note=f"document alone {document:.1f}")
    return everything
