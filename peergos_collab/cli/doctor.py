"""``pgc doctor``: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .output import narrate, print_result, table
from .settings import Command, Settings, current

if TYPE_CHECKING:
    from .examinations import Finding


@click.command(cls=Command)
def doctor() -> int:
    """Find what is wrong with this machine.

    Says what to do about it; ends with 0 where nothing is bad.
    """
    settings = current()
    findings = _examine(settings)
    bad = sum(finding.level == "bad" for finding in findings)
    rows = [(finding.level, finding.name, finding.message) for finding in findings]
    lines = []
    for line, finding in zip(table(rows), findings, strict=True):
        lines.append(line)
        if finding.todo:
            lines.append(f"      → {finding.todo}")
    checks = [
        {"name": each.name, "level": each.level, "message": each.message, "todo": each.todo}
        for each in findings
    ]
    print_result(settings, {"checks": checks, "bad": bad}, lines)
    narrate(settings, f"{bad} bad." if bad else "Nothing is bad.")
    return 1 if bad else 0


def _examine(settings: Settings) -> list[Finding]:
    from . import examinations, network_examinations

    home = settings.home_directory()
    findings = [
        examinations.python(),
        examinations.packages(),
        examinations.home_permissions(home),
        examinations.disk_space(home),
        examinations.durability(home),
        examinations.clock(home),
        examinations.memory(),
    ]
    return [*findings, *network_examinations.all_of(settings), examinations.terminal()]
