"""Snapshots: the merged state up to given heads, so that a newcomer need not replay all history first.

    content = [1, heads [[log, seq, id] …], membership record ids, previous snapshot id or empty, state]

A snapshot is a cache that a writer makes. It speaks for others, so it is believed only so far: a link
names the one its maker vouches for, and whoever has the history replays it and compares.
"""

from __future__ import annotations

from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import LogId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..values import dataclass
from .payload import MAX_CONTENT

VERSION: Final = 1
MAX_HEADS: Final = 20_000


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """Where a snapshot segment stands in its log."""

    log: LogId
    seq: int
    id: SegmentId

    def fields(self) -> list[Any]:
        return [self.log, self.seq, self.id]

    @classmethod
    def parse_untrusted(cls, value: object) -> Self:
        """Raises RemoteProtocolError."""
        log, seq, id_ = array(value, 3, "snapshot place")
        number(seq, 1, 2**32 - 1, "seq")
        return cls(LogId(blob(log, 32, "log id")), seq, SegmentId(blob(id_, 32, "segment id")))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a payload of kind SNAPSHOT.

    Args:
        heads: the last segment of each branch that is in the state.
        records: ids of the membership records its maker knew.
        previous: id of the snapshot before, or empty.
        state: as the object's fold makes it; for a document a Yjs v1 update.
    """

    heads: tuple[SnapshotPlace, ...]
    records: tuple[bytes, ...]
    previous: bytes
    state: bytes

    def encode(self) -> bytes:
        heads = [head.fields() for head in self.heads]
        return encode([VERSION, heads, list(self.records), self.previous, self.state])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, MAX_CONTENT), 5, "snapshot")
        number(fields[0], VERSION, VERSION, "snapshot version")
        heads = tuple(SnapshotPlace.parse_untrusted(item) for item in many(fields[1], MAX_HEADS, "heads"))
        records = tuple(blob(item, 32, "record id") for item in many(fields[2], MAX_HEADS, "record ids"))
        previous = some_bytes(fields[3], 32, "previous snapshot")
        return cls(heads, records, previous, some_bytes(fields[4], MAX_CONTENT, "snapshot state"))
