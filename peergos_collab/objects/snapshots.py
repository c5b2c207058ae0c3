"""What a snapshot segment holds: the merged state up to given heads, made by one writer.

A snapshot is a cache, and speaks for others: nobody believes it before he has compared it with the segments
that it stands for. See ``docs/spec/snapshots.md``.

A state that does not fit into one segment goes through several, one behind the other in its maker's log. The
last names the heads and how many there are; each leads to the one before by the id that it follows.

A base is a snapshot for those whose history is hidden: it also says, of each run, which number its next
change has. Runs are named by a hash, so that it does not tell them who wrote what they may not read.

One that stands for all, once the history is forgotten, also says who writes each log: what goes on in a log
says so no more. That is sealed under the epoch in which it was said, for who lacks that needs it not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, EpochId, LogId, ObjectId, RunId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..crypto import Tag, hash256
from ..errors import RemoteProtocolError
from ..values import dataclass
from .payload import MAX_CONTENT

VERSION: Final = 2
MAX_HEADS: Final = 20_000
MAX_RUNS: Final = 200_000
MARK: Final = 8
PIECE: Final = 768 << 10
"""Bytes of one segment of a snapshot: with who wrote it and what it cites it fits, however badly it packs."""

MAX_PARTS: Final = 96
MAX_STATE: Final = PIECE * (MAX_PARTS - 1)
"""72 MiB. A device that opens one holds it in memory a few times over."""

_PART: Final = 2
_END: Final = 6
_FOR_ALL: Final = 7


def run_mark(object_id: ObjectId, device: DeviceId, run: RunId) -> bytes:
    """Names a device's run to whoever has seen something of it, and says nothing of it to others."""
    return hash256(Tag.RUN_MARK, object_id + device + run)[:MARK]


@dataclass(frozen=True, slots=True, order=True)
class SnapshotPlace:
    """Where a snapshot stands in its log: its last segment."""

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
class SnapshotEnd:
    """What the last segment of a snapshot says of all of it.

    Args:
        heads: the last segment of each branch that is in the state.
        previous: id of the snapshot before that its maker believes, or empty.
        parts: in how many segments it lies.
        following: of a base, the number of the next change of each run; None where it is none.
        writers: of a base that stands for all, by epoch: who writes logs, sealed; None where it does not.
    """

    heads: tuple[SnapshotPlace, ...]
    previous: bytes
    parts: int = 1
    following: Mapping[bytes, int] | None = None
    writers: Mapping[EpochId, bytes] | None = None


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """The content of a payload of kind SNAPSHOT: a piece of the state, and in the last one what it is."""

    piece: bytes
    end: SnapshotEnd | None = None

    def encode(self) -> bytes:
        if self.end is None:
            return encode([VERSION, self.piece])
        heads, following = [head.fields() for head in self.end.heads], self.end.following
        runs = None if following is None else [list(item) for item in sorted(following.items())]
        fields = [VERSION, self.piece, heads, self.end.previous, self.end.parts, runs]
        writers = self.end.writers
        return encode(fields if writers is None else [*fields, [list(item) for item in writers.items()]])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        value = decode_untrusted(raw, MAX_CONTENT)
        has_end = isinstance(value, list) and len(value) != _PART
        for_all = isinstance(value, list) and len(value) == _FOR_ALL
        fields = array(value, _FOR_ALL if for_all else _END if has_end else _PART, "snapshot")
        number(fields[0], VERSION, VERSION, "snapshot version")
        end = _end_untrusted(fields) if has_end else None
        is_base = end is not None and end.following is not None
        return cls(some_bytes(fields[1], MAX_CONTENT if is_base else PIECE, "piece of a snapshot"), end)


def _end_untrusted(fields: list[Any]) -> SnapshotEnd:
    heads = tuple(SnapshotPlace.parse_untrusted(item) for item in many(fields[2], MAX_HEADS, "heads"))
    previous = some_bytes(fields[3], 32, "previous snapshot")
    following = None if fields[5] is None else _following(fields[5])
    parts = number(fields[4], 1, MAX_PARTS if following is None else 1, "parts of a snapshot")
    writers = _writers(fields[6]) if len(fields) == _FOR_ALL else None
    if writers is not None and following is None:
        raise RemoteProtocolError("a snapshot that stands for all and is no base")
    return SnapshotEnd(heads, previous, parts, following, writers)


def _writers(value: object) -> dict[EpochId, bytes]:
    items = [array(item, 2, "writers") for item in many(value, MAX_HEADS, "writers")]
    return {
        EpochId(blob(epoch, 32, "epoch id")): some_bytes(sealed, MAX_CONTENT, "writers")
        for epoch, sealed in items
    }


def _following(value: object) -> dict[bytes, int]:
    items = many(value, MAX_RUNS, "runs")
    found: dict[bytes, int] = {}
    for item in items:
        mark, following = array(item, 2, "run")
        found[blob(mark, MARK, "run mark")] = number(following, 1, 2**53, "change number")
    if len(found) < len(items):
        raise RemoteProtocolError("a base that names a run twice")
    return found


def cut_snapshot(state: bytes, heads: Sequence[SnapshotPlace], previous: bytes) -> list[SnapshotPart]:
    """A snapshot in as many segments as it needs, the last one at the end; none where it is too large."""
    if len(state) > MAX_STATE:
        return []
    room = max(0, PIECE - len(encode([head.fields() for head in heads])))
    before, last = (state, b"") if len(state) > room else (b"", state)
    pieces = [before[at : at + PIECE] for at in range(0, len(before), PIECE)]
    end = SnapshotEnd(tuple(heads), previous, len(pieces) + 1)
    return [*(SnapshotPart(piece) for piece in pieces), SnapshotPart(last, end)]


def join_snapshot_untrusted(parts: Sequence[SnapshotPart]) -> tuple[SnapshotEnd, bytes]:
    """What a snapshot is, and its state. Raises RemoteProtocolError where these are not all its parts."""
    end = parts[-1].end
    if end is None or end.parts != len(parts) or any(part.end is not None for part in parts[:-1]):
        raise RemoteProtocolError("segments that are no snapshot together")
    return end, b"".join(part.piece for part in parts)
