"""``pgc check``: whether all that is kept here is what was stored."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..errors import Damaged
from .output import narrate, print_result, table
from .session import in_workspace
from .settings import Command, current

if TYPE_CHECKING:
    from ..workspace.api import Check, Workspace


@click.command(cls=Command)
@click.option("--repair", is_flag=True, help="Take out what is damaged, and fetch it again.")
def check(repair: bool) -> int:
    """Look at everything that is kept here.

    Reads each row, and proves and opens each record. Changes that break a rule are listed with their authors:
    they are kept, and change nothing. So are logs that forked, and nodes that contradicted what they had
    signed; --json shows the receipts that prove it. Ends with 6 where something is damaged, or is still after
    a repair.
    """
    settings = current()

    async def look(workspace: Workspace) -> Check:
        return await workspace.check(repair=repair)

    found = in_workspace(settings, look)
    rows = [
        (word, flaw.path, flaw.what)
        for word, flaws in (
            ("damaged", found.damaged),
            ("taken out", found.taken_out),
            ("refused", found.refused),
            ("forked", found.forked),
            ("node", found.nodes),
        )
        for flaw in flaws
    ]
    print_result(settings, dataclasses.asdict(found), table(rows))
    for words in _words(found, repair):
        narrate(settings, words)
    return Damaged.exit_code if found.damaged else 0


def _words(found: Check, repair: bool) -> list[str]:
    words = [] if found.damaged else [f"Nothing is damaged in {found.objects} objects."]
    if found.damaged and not repair:
        words.append("'pgc check --repair' takes it out and fetches it again.")
    if found.taken_out and found.unreached:
        words.append(
            f"What was taken out could not be fetched now: {found.unreached}. The next sync does it."
        )
    return words
