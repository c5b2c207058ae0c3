"""Heads: for each log, where it ends. Equal heads mean equal sets of segments.

A log normally has one tip. A log that forked (its device was cloned or restored) has one per branch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..codec import encode
from ..codec.ids import LogId, SegmentId
from ..codec.shape import array, blob, many, number
from ..crypto import Tag, hash256
from ..values import dataclass

MAX_TIPS: Final = 8_000
"""Branches of all logs of one object: their heads and the ids of all its records fit into one frame."""


@dataclass(frozen=True, slots=True, order=True)
class Tip:
    """The last segment of one branch of a log."""

    log: LogId
    seq: int
    id: SegmentId


def tips_value(tips: Iterable[Tip]) -> list[list[Any]]:
    """``tips`` as a value for a frame, in one order for one set."""
    return [[tip.log, tip.seq, tip.id] for tip in sorted(tips)]


def tips_untrusted(value: object) -> list[Tip]:
    """Raises RemoteProtocolError."""
    return [_tip(item) for item in many(value, MAX_TIPS, "heads")]


def heads_digest(tips: Iterable[Tip]) -> bytes:
    """32 bytes that name a set of heads."""
    return hash256(Tag.HEADS, encode(tips_value(tips)))


def _tip(value: object) -> Tip:
    log, seq, id_ = array(value, 3, "head")
    return Tip(
        LogId(blob(log, 32, "log id")),
        number(seq, 1, 2**32 - 1, "seq"),
        SegmentId(blob(id_, 32, "segment id")),
    )
