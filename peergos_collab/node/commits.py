"""What a node does in two steps: make a batch durable, then say so."""

from __future__ import annotations

from collections.abc import Callable

from ..codec.ids import ObjectId
from ..ports import Batch
from ..values import dataclass


@dataclass(slots=True)
class Commit:
    """A batch to make durable, and what to do once it is.

    ``object``: whose book holds it already. Where the batch cannot be written, that book is wrong.
    """

    batch: Batch
    durable: Callable[[], None]
    object: ObjectId | None = None


def nothing() -> None:
    """For a commit that nobody waits for."""
