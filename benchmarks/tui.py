"""Key to repaint in a document of 1 MB in the terminal interface, in a real pty."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from .report import Report

SCRIPT = Path(__file__).with_name("tui_typing.py")


async def measure() -> Report:
    report = Report("typing in a document of 1 MB in the TUI, key to repaint")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    if process.returncode:
        report.skipped = f"{SCRIPT.name} ended with {process.returncode}"
        return report
    for line in filter(None, out.decode().splitlines()):
        found = json.loads(line)
        note = f"{found['keys']} keys, {found['cols']}×{found['rows']}, {found.get('place', 'start')}"
        report.add("p50", found["p50_ms"], "ms", "<= 16", note)
        report.add("p95", found["p95_ms"], "ms", "<= 30", f"most {found['max_ms']}")
    return report
