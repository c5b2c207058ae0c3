"""What a node does in two steps: make a batch durable, then say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..ports import Batch


@dataclass(slots=True)
class Commit:
    """A batch to make durable, and what to do once it is."""

    batch: Batch
    durable: Callable[[], None]


def nothing() -> None:
    """For a commit that nobody waits for."""
