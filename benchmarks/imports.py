"""How long a start takes: a process that imports the package, and ``pgc --help``, from a shell's view."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from peergos_collab.workspace import create_workspace, open_workspace

from .processes import scratch
from .report import Report

TIMES = 20
PGC = Path(sys.executable).with_name("pgc")


def wall_times(argv: Sequence[str | Path], times: int = TIMES) -> list[float]:
    """Milliseconds of each run, after one that does not count: it fills the caches."""
    found = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        found.append((time.perf_counter() - started) * 1000)
    return found[1:]


async def measure() -> Report:
    report = Report("start of a process, wall time")
    _add(report, "python, nothing imported", [sys.executable, "-c", "pass"], "")
    _add(report, "import peergos_collab", [sys.executable, "-c", "import peergos_collab"], "<= 120")
    code = "import peergos_collab.workspace.engine_workspace"
    _add(report, "import the whole engine, without transports", [sys.executable, "-c", code], "")
    if PGC.exists():
        _add(report, "pgc --help", [PGC, "--help"], "<= 150")
        with scratch() as place:
            create_workspace(place / "home", name="A", passphrase=None)
            command = [PGC, "--home", str(place / "home"), "ls"]
            _add(report, "pgc ls, of an empty home", command, "")
            workspace = await open_workspace(place / "home", lasting=True)
            await asyncio.to_thread(_add, report, "the same, beside a running engine", command, "")
            await workspace.close()
    else:
        report.skipped = f"{PGC} is not installed"
    return report


def _add(report: Report, name: str, argv: Sequence[str | Path], target: str) -> None:
    times = wall_times(argv)
    report.add(name, statistics.median(times), "ms", target, f"least {min(times):.0f}, most {max(times):.0f}")
