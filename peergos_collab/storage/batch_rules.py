"""Which batches a store accepts: the same rules for every store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..errors import LocalProtocolError
from ..ports.store import AppendSegment, Batch, BeginBranch, NewBranch, TruncateBranch

BRANCH_LIMIT: Final = 2**31
"""A branch number and a seq share one 64-bit row number, and that is signed."""
SEQ_LIMIT: Final = 2**32

Extent = tuple[int, int]
"""First seq and tip of a branch; tip is first - 1 while the branch is empty."""


def check_batch(batch: Batch, extent: Callable[[int], Extent | None]) -> dict[int, Extent]:
    """Checks that a batch may follow what the store holds.

    Args:
        batch: the changes, in order.
        extent: looks up a branch by number; None where there is no such branch.

    Returns:
        The extents of the branches the batch changes, as they are after it.

    Raises:
        LocalProtocolError: a segment does not follow its branch's tip, a branch is unknown or taken.
    """
    after: dict[int, Extent] = {}

    def known(number: int) -> Extent:
        found = after.get(number) or extent(number)
        if found is None:
            raise LocalProtocolError(f"There is no branch {number}; nothing was written.")
        return found

    for op in batch:
        if type(op) is AppendSegment:
            first, tip = known(op.branch)
            if op.seq != tip + 1 or op.seq >= SEQ_LIMIT:
                raise LocalProtocolError(
                    f"Segment {op.seq} cannot follow {tip} in branch {op.branch}; nothing was written."
                )
            after[op.branch] = (first, op.seq)
        elif type(op) is NewBranch:
            if not 0 < op.number < BRANCH_LIMIT or not 0 < op.first < SEQ_LIMIT:
                raise LocalProtocolError(f"Branch {op.number} from {op.first} is out of range.")
            if op.number in after or extent(op.number) is not None:
                raise LocalProtocolError(f"Branch {op.number} is there already; nothing was written.")
            after[op.number] = (op.first, op.first - 1)
        elif type(op) is TruncateBranch:
            first, tip = known(op.branch)
            after[op.branch] = (first, min(tip, max(op.seq, first) - 1))
        elif type(op) is BeginBranch:
            first, tip = known(op.branch)
            if not (first <= op.seq <= tip or (tip < first and 0 < op.seq < SEQ_LIMIT)):
                raise LocalProtocolError(f"Branch {op.branch} has no segment {op.seq} to begin with.")
            after[op.branch] = (op.seq, tip if first <= tip else op.seq - 1)
    return after
