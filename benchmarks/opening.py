"""Opening a home and a long document in it from a cold process, beyond imports.

Every opening is by a fresh process on a fresh copy of the home; the files are in the system's cache.
"""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path

from .people import DOCUMENT
from .processes import Talk, child
from .report import Report

TIMES = 7


async def opener(talk: Talk, home: str) -> None:
    import transports.websocket
    from peergos_collab import documents
    from peergos_collab.storage import sqlite_store
    from peergos_collab.workspace import (
        device_book,
        engine_workspace,
        mailroom,
        open_workspace,
        recovery_keeper,
    )
    from peergos_collab.workspace import home as home_module

    _ = (
        transports.websocket,
        documents,
        sqlite_store,
        device_book,
        engine_workspace,
        mailroom,
        recovery_keeper,
    )
    started = time.perf_counter()
    home_module.open_keys(Path(home), None)
    keys = time.perf_counter() - started
    started = time.perf_counter()
    workspace = await open_workspace(Path(home))
    opened, used = time.perf_counter() - started, time.process_time()
    handle = await workspace.open_document(DOCUMENT)
    used = time.process_time() - used
    length = len(handle.document.text)
    took = time.perf_counter() - started
    times = {"all": took, "home": opened, "keys": keys, "document cpu": used}
    talk.say({"length": length, **{name: seconds * 1000 for name, seconds in times.items()}})
    await workspace.close()


async def open_times(home: Path) -> list[dict[str, float]]:
    """Milliseconds of each opening, in parts."""
    found = []
    for _ in range(TIMES):
        copy = home.with_name("opened")
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("socket"))
        async with child("opening", "opener", home=str(copy)) as process:
            found.append(await process.hear())
        shutil.rmtree(copy)
    return found


async def add_openings(report: Report, closed: Path, killed: Path) -> None:
    for name, home in (("after a clean close", closed), ("after SIGKILL in the midst of it", killed)):
        times = await open_times(home)
        everything = [t["all"] for t in times]
        without_keys = statistics.median(t["all"] - t["keys"] for t in times)
        document = statistics.median(t["all"] - t["home"] for t in times)
        note = f"least {min(everything):.1f}, most {max(everything):.1f}, document alone {document:.1f}"
        report.add(f"cold open {name}", statistics.median(everything), "ms", "<= 25", note)
        report.add(f"cold open {name}, key store left out", without_keys, "ms")
