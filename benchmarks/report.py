"""What a benchmark gives: named numbers, some with a target, as a table and as JSON."""

from __future__ import annotations

import json
import operator
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Measure:
    """One number. ``target`` reads like ``<= 5``; empty for numbers that are only for comparison."""

    name: str
    value: float
    unit: str
    target: str = ""
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if not self.target:
            return None
        sign, limit = self.target.split()
        compare = {"<=": operator.le, ">=": operator.ge}[sign]
        return bool(compare(self.value, float(limit)))


@dataclass(slots=True)
class Report:
    """What one group of measures gave. ``skipped`` says why there is nothing."""

    group: str
    measures: list[Measure] = field(default_factory=list)
    skipped: str = ""

    def add(self, name: str, value: float, unit: str, target: str = "", note: str = "") -> None:
        self.measures.append(Measure(name, round(value, 3), unit, target, note))

    def to_json(self) -> dict[str, Any]:
        rows = [
            {"name": m.name, "value": m.value, "unit": m.unit, "target": m.target, "reached": m.reached,
             "note": m.note}
            for m in self.measures
        ]  # fmt: skip
        return {"group": self.group, "skipped": self.skipped, "measures": rows}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie; the nearest one, none invented."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def print_report(report: Report) -> None:
    print(f"\n{report.group}")
    if report.skipped:
        print(f"  skipped: {report.skipped}")
    width = max((len(m.name) for m in report.measures), default=0)
    for measure in report.measures:
        mark = {True: "ok", False: "MISSED", None: ""}[measure.reached]
        target = f"{measure.target:>9}" if measure.target else " " * 9
        tail = f"  {measure.note}" if measure.note else ""
        line = (
            f"  {measure.name:<{width}}  {measure.value:>11,.2f} {measure.unit:<6} {target} {mark:<6}{tail}"
        )
        print(line.rstrip())
    sys.stdout.flush()


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def write_results(reports: Sequence[Report], before: dict[str, Any]) -> Path:
    """Writes one file for this run; returns its path."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    document = {"v": 1, "time": stamp, "machine": before, "groups": [r.to_json() for r in reports]}
    path = RESULTS / f"{stamp}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path
