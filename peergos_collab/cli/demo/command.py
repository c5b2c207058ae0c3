"""The command: arguments in, story and proof out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from ..session import run
from ..settings import Command, current

TRACE_VARIABLE: Final = "PGC_DEMO_TRACE"


@click.command(cls=Command)
@click.option(
    "--trace",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An editing trace (.json or .json.gz) to replay instead of our own text; also PGC_DEMO_TRACE.",
)
@click.option("--no-webrtc", is_flag=True, help="Only through the node.")
def demo(trace: Path | None, no_webrtc: bool) -> int:
    """See it all at once, on this machine.

    A node, two people, a document edited live by both, a chat; then a proof of what the node
    saw. Uses a temporary directory, and leaves nothing behind.
    """
    from .tour import take_tour

    named = os.environ.get(TRACE_VARIABLE)
    return run(take_tour(current(), trace or (Path(named) if named else None), webrtc=not no_webrtc))
