"""The snapshot that a newcomer is shown until the history is here: asked for ahead of it, piece by piece."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from ..codec.ids import SegmentId
from ..errors import RemoteProtocolError
from ..objects.segments import Segment
from ..objects.snapshots import SnapshotPart, SnapshotPlace, join_snapshot_untrusted
from ..sync.replica import Replica
from ..sync.session_events import SnapshotCame
from ..sync.snapshots import open_part_untrusted
from ..values import dataclass

NOT_VERIFIED: Final = "history not verified yet: it is shown from a snapshot until all of it is here"


@dataclass(slots=True)
class Preview:
    """See the module's text.

    Args:
        place: where it stands, by the word of whoever let this device in.

    Attributes:
        wanted: the segment to ask for next; the last comes first, and each names the one before.
    """

    place: SnapshotPlace
    wanted: SnapshotPlace = field(init=False)
    _parts: list[SnapshotPart] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wanted = self.place

    def take_untrusted(self, replica: Replica, came: SnapshotCame) -> bytes | None:
        """Takes one segment; the state once all are here, until then None.

        Raises:
            RemoteProtocolError, Quarantined: it is not the one wanted, or no part of a snapshot.
        """
        segment = Segment.parse_untrusted(came.raw).verify()
        if segment.id != self.wanted.id or (segment.log, segment.epoch) not in replica.book.certificates:
            raise RemoteProtocolError("another segment than the snapshot that the link names")
        self._parts.insert(0, open_part_untrusted(segment, replica.keys))
        end = self._parts[-1].end
        if end is None or len(self._parts) >= end.parts:
            return join_snapshot_untrusted(self._parts)[1]
        if not segment.previous:
            raise RemoteProtocolError("a snapshot without its first segments")
        self.wanted = SnapshotPlace(segment.log, segment.seq - 1, SegmentId(segment.previous))
        return None
