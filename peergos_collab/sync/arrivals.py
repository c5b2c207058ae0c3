"""What comes of segments and records that were offered to a book, and where segments have their place."""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from ..codec.ids import EpochId, LogId
from ..objects.certificates import Certificate
from ..objects.prunes import Prune
from ..objects.records import MembershipRecord
from ..objects.segments import Segment
from ..ports import Batch
from ..values import dataclass

Record: TypeAlias = MembershipRecord | Certificate | Prune


@dataclass(slots=True)
class BranchState:
    """A run of consecutive segments of a log.

    Args:
        base: the branch it forks from, or None.
        tip_epoch: of its last segment; None until somebody asked for it.
        kept: the first that is not in an archive.
    """

    number: int
    log: LogId
    base: BranchState | None
    first: int
    tip: int
    tip_id: bytes
    tip_epoch: EpochId | None = None
    kept: int = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A segment that was new and is verified, with its place."""

    segment: Segment
    branch: BranchState


@dataclass(slots=True)
class Offered:
    """What became of segments or records that were offered.

    Args:
        arrivals: new segments, in the order they entered.
        records: new records, in the order they entered.
        known: places of segments that were known already.
        gaps: logs of which a predecessor or certificate is missing.
        early: records whose epoch or parents are missing, as they came.
        barred: something came from who has no right to give it, or none yet.
        refused: what was false, in words.
        forked: logs that turned out to be forked.
        batch: what must be written.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    known: list[tuple[BranchState, int]] = field(default_factory=list)
    gaps: set[LogId] = field(default_factory=set)
    early: list[bytes] = field(default_factory=list)
    barred: bool = False
    refused: list[str] = field(default_factory=list)
    forked: set[LogId] = field(default_factory=set)
    batch: Batch = field(default_factory=list)
