"""The trace ``automerge-paper`` through the whole program, and what is left of it on disk.

A replays it through its document handle, one pycrdt transaction per operation; every segment is
signed, sealed, durable, and synced over the data channel and the node to B. The clock runs from A's
first operation until B's text is exact and all of it is durable at A, at B and on the node.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from peergos_collab.workspace import open_workspace

from . import opening, paper_trace
from .disk import stored_bytes
from .people import DOCUMENT, go_online, two_homes
from .processes import Talk, child, scratch
from .report import Report

YIELD_EVERY = 50
"""Operations after which A's loop gets a turn. A program that edits that fast has to let others run."""


async def writer(talk: Talk, home: str, most: int | None, webrtc: bool) -> None:
    edits, text = paper_trace.load(most)
    workspace = await open_workspace(Path(home))
    handle = await workspace.open_document(DOCUMENT)
    try:
        await go_online(workspace, webrtc=webrtc)
        talk.say("online")
        await talk.listen()
        edit = handle.document.edit
        times = {"start": time.perf_counter_ns()}
        cpu = time.process_time()
        for number, (start, end, inserted) in enumerate(edits):
            edit(start, end, inserted)
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        times["edited"] = time.perf_counter_ns()
        await handle.saved()
        times["durable"] = time.perf_counter_ns()
        await workspace.sync(120)
        times["on the node"] = time.perf_counter_ns()
        if handle.document.text != text:
            raise RuntimeError("A's text is not the trace's")
        talk.say({"times": times, "ops": len(edits), "cpu": time.process_time() - cpu})
        await talk.listen()
    finally:
        await workspace.close()


async def reader(talk: Talk, home: str, most: int | None, webrtc: bool) -> None:
    _, text = paper_trace.load(most)
    workspace = await open_workspace(Path(home))
    handle = await workspace.open_document(DOCUMENT)
    document = handle.document
    equal = asyncio.get_running_loop().create_future()

    def changed(_: Any) -> None:
        if len(document) == len(text) and not equal.done() and document.text == text:
            equal.set_result(time.perf_counter_ns())

    document.on_change(changed)
    try:
        await go_online(workspace, webrtc=webrtc)
        talk.say("online")
        await talk.listen()
        cpu = time.process_time()
        async with asyncio.timeout(240):
            times = {"equal": await equal}
        await handle.saved()
        times["durable"] = time.perf_counter_ns()
        if document.text != text:
            raise RuntimeError("B's text is not the trace's")
        talk.say({"times": times, "cpu": time.process_time() - cpu})
        await talk.listen()
    finally:
        await workspace.close()


async def plain_pycrdt(talk: Talk, most: int | None, observed: bool) -> None:
    """The same operations on a bare ``pycrdt.Text``, one transaction each; nothing else happens.

    With ``observed`` each transaction's update is kept, too, as any program that syncs must.
    """
    from pycrdt import Doc, Text

    edits, text = paper_trace.load(most)
    document: Doc[Any] = Doc()
    document["text"] = body = Text()
    updates: list[bytes] = []
    if observed:
        document.observe(lambda event: updates.append(event.update))
    before = time.perf_counter_ns()
    for start, end, inserted in edits:
        with document.transaction():
            if end > start:
                del body[start:end]
            if inserted:
                body.insert(start, inserted)
    took = time.perf_counter_ns() - before
    if str(body) != text:
        raise RuntimeError("pycrdt's text is not the trace's")
    talk.say(len(edits) / took * 1e9)


async def _plain(most: int | None, observed: bool) -> float:
    async with child("replay", "plain_pycrdt", most=most, observed=observed) as plain:
        rate: float = await plain.hear()
    return rate


async def measure(most: int | None = None, webrtc: bool = True) -> Report:
    report = Report("replay of automerge-paper, one transaction per operation, B equal, all durable")
    if not paper_trace.PATH.exists():
        report.skipped = paper_trace.ABSENT
        return report
    plain, observed = await _plain(most, False), await _plain(most, True)
    with scratch() as place:
        async with child("people", "node", home=str(place / "node")) as node:
            await two_homes(place, await node.hear())
            arguments = {"most": most, "webrtc": webrtc}
            async with (
                child("replay", "writer", home=str(place / "a"), **arguments) as a,
                child("replay", "reader", home=str(place / "b"), **arguments) as b,
            ):
                assert await a.hear() == await b.hear() == "online"
                b.tell()
                written = await a.ask()
                read = await b.hear()
                await b.kill()
        _add_speed(report, written, read, plain, observed)
        await opening.add_openings(report, place / "a", place / "b")
        _add_disk(report, place)
    return report


def _add_speed(report: Report, written: Any, read: Any, plain: float, observed: float) -> None:
    times, ops = written["times"], written["ops"]
    ends = [times["durable"], times["on the node"], read["times"]["equal"], read["times"]["durable"]]
    seconds = {
        "A edited": times["edited"],
        "A durable": times["durable"],
        "B equal": read["times"]["equal"],
        "B durable": read["times"]["durable"],
        "node durable": times["on the node"],
    }
    note = ", ".join(f"{name} {(end - times['start']) / 1e9:.1f}" for name, end in seconds.items())
    rate = ops / (max(ends) - times["start"]) * 1e9
    report.add("operations", ops, "ops")
    report.add("full pipeline", rate, "ops/s", ">= 15000", f"seconds until {note}")
    report.add("plain pycrdt", plain, "ops/s", "", "Text, one transaction per operation, no observer")
    report.add("plain pycrdt with updates", observed, "ops/s", "", "the same, each update kept")
    report.add("full pipeline / plain pycrdt", rate / plain, "", ">= 0.4")
    report.add("processor time of A", written["cpu"], "s")
    report.add("processor time of B", read["cpu"], "s")


def _add_disk(report: Report, place: Path) -> None:
    for name, home in (("A's home", "a"), ("the node", "node")):
        size = stored_bytes(place / home) / 1e6
        report.add(f"disk after the replay, whole history, {name}", size, "MB", "<= 3")
