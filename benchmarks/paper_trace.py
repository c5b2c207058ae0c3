"""The trace ``automerge-paper``: 259,778 keystrokes of a paper, recorded by its author."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

PATH = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces" / "automerge-paper.json.gz"
ABSENT = "the trace automerge-paper is not at ../shared/data/traces"

Edit = tuple[int, int, str]
"""Start, end and replacement, in code points."""


def load(most: int | None = None) -> tuple[list[Edit], str]:
    """All edits, and the text they end in. With ``most`` only so many, and the text is worked out."""
    with gzip.open(PATH) as file:
        trace = json.load(file)
    patches = (patch for transaction in trace["txns"] for patch in transaction["patches"])
    edits = [(at, at + deleted, inserted) for at, deleted, inserted in patches]
    if most is None or most >= len(edits):
        return edits, trace["endContent"]
    text = ""
    for start, end, inserted in edits[:most]:
        text = text[:start] + inserted + text[end:]
    return edits[:most], text
