"""Snapshots: the merged state up to given heads, so that a newcomer need not replay all history first.

    content = [1, heads [[log, seq, id] …], membership record ids, previous snapshot id or empty, state]
    base    = the same, and changes [[mark of a device's run (8), number of its next change] …]

A snapshot is a cache that a writer makes. It speaks for others, so it is believed only so far: a link
names the one its maker vouches for, and whoever has the history replays it and compares.

A *base* is one for members whose history is hidden: it stands for the segments before it that they never
open. Whoever has the history still replays it and compares; they cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, LogId, ObjectId, RunId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..crypto import Tag, hash256
from ..errors import RemoteProtocolError
from ..values import dataclass
from .payload import MAX_CONTENT

VERSION: Final = 1
MAX_HEADS: Final = 20_000
MAX_RUNS: Final = 200_000
MARK: Final = 8
_PLAIN: Final = 5


def run_mark(object_id: ObjectId, device: DeviceId, run: RunId) -> bytes:
    """Names a device's run to whoever has seen something of it, and says nothing of it to others."""
    return hash256(Tag.RUN_MARK, object_id + device + run)[:MARK]


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
        following: of a base, the number of the next change of each run; None where it is none.
    """

    heads: tuple[SnapshotPlace, ...]
    records: tuple[bytes, ...]
    previous: bytes
    state: bytes
    following: Mapping[bytes, int] | None = None

    def encode(self) -> bytes:
        heads = [head.fields() for head in self.heads]
        fields: list[Any] = [VERSION, heads, list(self.records), self.previous, self.state]
        if self.following is not None:
            fields.append([list(item) for item in sorted(self.following.items())])
        return encode(fields)

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        value = decode_untrusted(raw, MAX_CONTENT)
        is_base = isinstance(value, list) and len(value) > _PLAIN
        fields = array(value, _PLAIN + is_base, "snapshot")
        number(fields[0], VERSION, VERSION, "snapshot version")
        heads = tuple(SnapshotPlace.parse_untrusted(item) for item in many(fields[1], MAX_HEADS, "heads"))
        records = tuple(blob(item, 32, "record id") for item in many(fields[2], MAX_HEADS, "record ids"))
        previous = some_bytes(fields[3], 32, "previous snapshot")
        state = some_bytes(fields[4], MAX_CONTENT, "snapshot state")
        return cls(heads, records, previous, state, _following(fields[_PLAIN]) if is_base else None)


def _following(value: object) -> dict[bytes, int]:
    items = many(value, MAX_RUNS, "runs")
    found: dict[bytes, int] = {}
    for item in items:
        mark, following = array(item, 2, "run")
        found[blob(mark, MARK, "run mark")] = number(following, 1, 2**53, "change number")
    if len(found) < len(items):
        raise RemoteProtocolError("a base that names a run twice")
    return found
