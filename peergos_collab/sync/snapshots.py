"""Snapshots as they lie in segments, and which of them this device vouches for.

It vouches for what it made or compared with the history. Of those that others made it compares the newest
only: whoever writes can make one with each segment, and an older one nobody is told of any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..codec.ids import AccountId, DeviceId, EpochId, PrincipalId
from ..codec.shape import array
from ..errors import RemoteProtocolError
from ..objects.epoch_keys import EpochKeys
from ..objects.payload import Author, Kind, decode_payload_untrusted
from ..objects.segments import Segment
from ..objects.snapshots import SnapshotEnd, SnapshotPart, SnapshotPlace, join_snapshot_untrusted
from ..values import dataclass
from .logbook import LogBook


@dataclass(frozen=True, slots=True)
class Claimed:
    """A snapshot that somebody else made, and that was not compared yet.

    Args:
        heads: the last segment of each branch that should be in it.
        since: how many segments were delivered from the last snapshot vouched for to this one.
    """

    place: SnapshotPlace
    author: Author
    heads: tuple[SnapshotPlace, ...]
    since: int


class Snapshots:
    """See the module's text.

    Attributes:
        vouched: the newest that this device made, or found true.
        before: the one that was that before it.
        unchecked: the newest that is to be compared.
        since: segments delivered since the one vouched for.
    """

    def __init__(self) -> None:
        self.vouched: SnapshotPlace | None = None
        self.before: SnapshotPlace | None = None
        self.unchecked: Claimed | None = None
        self.since = 0

    def take_untrusted(self, segment: Segment, content: bytes, author: Author, *, own: bool) -> None:
        """A segment of a snapshot was delivered; what is none changes nothing."""
        try:
            end = SnapshotPart.decode_untrusted(content).end
        except RemoteProtocolError:
            return
        if end is None:
            return
        place = SnapshotPlace(segment.log, segment.seq, segment.id)
        if own:
            self.vouched, self.before, self.unchecked, self.since = place, self.vouched, None, 0
        else:
            self.unchecked = Claimed(place, author, end.heads, self.since)

    @property
    def newest_two(self) -> list[SnapshotPlace]:
        """The newest that this device vouches for: nodes give them to newcomers."""
        return [place for place in (self.vouched, self.before) if place is not None]

    def is_due(self, segments: int) -> bool:
        """Whether one is due, after so many segments; later, while another's is to be compared.

        But not never: who lies would keep all others from making true ones.
        """
        return self.since >= (segments if self.unchecked is None else 2 * segments)

    def settle(self, claimed: Claimed, true: bool | None) -> None:
        """It was compared with the history; None where that does not reach its heads."""
        if true:
            self.vouched, self.before = claimed.place, self.vouched
            self.since -= claimed.since
        if self.unchecked == claimed:
            self.unchecked = None

    def drop(self, gone: Callable[[SnapshotPlace], bool]) -> None:
        """Some are forgotten: nobody is given them any more."""
        left = [place for place in self.newest_two if not gone(place)]
        self.vouched, self.before = (*left, None, None)[:2]
        if self.unchecked is not None and gone(self.unchecked.place):
            self.unchecked = None

    # -- local state ----------------------------------------------------------------------------

    def stored(self) -> list[Any]:
        """As fields of this device's own checkpoint."""
        return [_place(self.vouched), _place(self.before), _claim(self.unchecked), self.since]

    def restore(self, fields: Any) -> None:
        """Takes back what ``stored`` gave. Raises RemoteProtocolError."""
        vouched, before, claim, self.since = array(fields, 4, "snapshots")
        self.vouched = SnapshotPlace.parse_untrusted(vouched) if vouched else None
        self.before = SnapshotPlace.parse_untrusted(before) if before else None
        if claim:
            place, account, device, principal, name, heads, since = claim
            self.unchecked = Claimed(
                SnapshotPlace.parse_untrusted(place),
                Author(AccountId(account), DeviceId(device), PrincipalId(principal), name),
                tuple(SnapshotPlace.parse_untrusted(head) for head in heads),
                since,
            )


def _place(place: SnapshotPlace | None) -> list[Any]:
    return place.fields() if place is not None else []


def _claim(claimed: Claimed | None) -> list[Any]:
    if claimed is None:
        return []
    author, heads = claimed.author, [head.fields() for head in claimed.heads]
    who = author.account, author.device, author.principal, author.name
    return [claimed.place.fields(), *who, heads, claimed.since]


def open_part_untrusted(segment: Segment, keys: Mapping[EpochId, EpochKeys]) -> SnapshotPart:
    """The part of a snapshot that a segment is. Raises RemoteProtocolError."""
    held = keys.get(segment.epoch)
    if held is None:
        raise RemoteProtocolError("a snapshot under keys that are not here")
    payload = decode_payload_untrusted(segment.open(held.content))
    if payload.kind is not Kind.SNAPSHOT:
        raise RemoteProtocolError("a segment that is no snapshot")
    return SnapshotPart.decode_untrusted(payload.content)


def stored_snapshot_untrusted(
    book: LogBook, keys: Mapping[EpochId, EpochKeys], place: SnapshotPlace
) -> tuple[SnapshotEnd, bytes]:
    """A snapshot that is stored, and its state.

    Raises:
        RemoteProtocolError, Damaged: there is none.
    """
    parts: list[SnapshotPart] = []
    seq, id_, left = place.seq, bytes(place.id), 1
    while left:
        branch = book.find(place.log, seq, id_)
        segment = next(iter(book.stored(branch, seq)), None) if branch is not None else None
        if segment is None:
            raise RemoteProtocolError("a snapshot that is not here")
        part = open_part_untrusted(segment, keys)
        if not parts and part.end is not None:
            left = part.end.parts
        parts.insert(0, part)
        seq, id_, left = seq - 1, segment.previous, left - 1
    return join_snapshot_untrusted(parts)
