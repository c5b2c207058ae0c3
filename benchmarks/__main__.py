"""Runs the measures: ``python -m benchmarks [GROUP …] [--json]``; all groups by default."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys

from .report import Report, machine, print_report, write_results

GROUPS = {
    "latency": "latency",
    "stalls": "stalls",
    "transfer": "transfer",
    "replay": "replay",
    "footprint": "footprint",
    "imports": "imports",
    "tui": "tui",
    "account": "account",
    "membership": "membership",
    "sharing": "sharing",
    "crdt": "crdt",
    "two-writers": "two_writers",
    "history": "history",
    "fanout": "fanout",
    "writers": "writers",
    "idle": "idle",
    "observers": "observers",
    "many": "many",
    "compaction": "compaction",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures of everything.")
    parser.add_argument("groups", nargs="*", help=f"which of {', '.join(GROUPS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print the JSON document too")
    options = parser.parse_args()
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]!r}")
    # An installed program is compiled once, whatever this environment says of compiled files.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    before = machine()
    reports: list[Report] = []
    for name in options.groups or GROUPS:
        report = asyncio.run(importlib.import_module(f"benchmarks.{GROUPS[name]}").measure())
        reports.append(report)
        print_report(report)
    path = write_results(reports, before)
    if options.json:
        print(json.dumps(json.loads(path.read_text())))
    print(f"\nThe test suite's seconds are not measured here: run  time make test\nJSON: {path}")


if __name__ == "__main__":
    main()
