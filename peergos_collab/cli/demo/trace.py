"""What is typed in the tour: a slice of a recorded editing session, or a text of our own."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ...errors import UsageError
from ...values import dataclass

Patch = tuple[int, int, str]
"""(position, deleted, inserted), in code points."""

BESIDE_THE_CHECKOUT: Final = Path(__file__).parents[4] / "shared/data/traces/automerge-paper.json.gz"

OWN_TEXT: Final = """\
The harbour at low water

We walked along the quay after breakfast, while the boats lay on the mud with their keels bare.
Thirty-one moorings, nine of them empty; the chart of 1987 still shows forty. A man was painting
a hull the green of young wheat, and told us that the silt comes higher every spring.

What we want to find out: how fast does it rise? We put a staff with marks at the second ladder.
At 9:40 it read 112, at 10:20 it read 97 — forty minutes, fifteen centimetres. Naïve, perhaps, but
a beginning. The children counted cormorants (七), and one of them drew a map 🗺 of the channels.

Tomorrow: ask at the harbour office for the old soundings, and bring a longer rope.
"""


@dataclass(frozen=True, slots=True)
class Script:
    """What to type: ``patches`` in order, the ``text`` they lead to, and where they come from."""

    patches: tuple[Patch, ...]
    text: str
    source: str


def load_script(file: Path | None, count: int) -> Script:
    """The first ``count`` patches of a trace, or our own text, one character at a time.

    Args:
        file: a sequential trace, ``{startContent, txns: [{patches: [[position, deleted, inserted]]}]}``;
            None takes the one beside a source checkout where it is there.

    Raises:
        UsageError: the file is no such trace.
    """
    if file is None and BESIDE_THE_CHECKOUT.is_file():
        file = BESIDE_THE_CHECKOUT
    if file is None:
        patches: list[Patch] = [(place, 0, character) for place, character in enumerate(OWN_TEXT)]
        return _script(patches[:count], "a text of our own")
    try:
        patches = list(islice(_patches(file), count))
        return _script(patches, file.name.removesuffix(".gz").removesuffix(".json"))
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{str(file)!r} is not an editing trace ({type(error).__name__}).") from None


def _patches(file: Path) -> Iterator[Patch]:
    raw = file.read_bytes()
    trace = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    if trace["startContent"]:
        yield 0, 0, str(trace["startContent"])
    for transaction in trace["txns"]:
        for position, deleted, inserted in transaction["patches"]:
            yield int(position), int(deleted), str(inserted)


def _script(patches: list[Patch], source: str) -> Script:
    return Script(tuple(patches), apply_patches("", patches), source)


def apply_patches(text: str, patches: list[Patch]) -> str:
    """``text`` after ``patches``, each relative to the text after the one before."""
    for position, deleted, inserted in patches:
        if not 0 <= position <= position + deleted <= len(text):
            raise ValueError("a patch outside of the text")
        text = text[:position] + inserted + text[position + deleted :]
    return text
