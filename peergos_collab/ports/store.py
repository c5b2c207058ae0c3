"""The store of one home or node: opaque bytes by id, readable at once, durable when told.

A store keeps five things, all opaque to it:

- *records*: epochs, grants and certificates of an object, by id;
- *branches* of logs, each a run of consecutive segments. A log is one branch, unless its device
  was cloned or restored: then the log forks, and each fork is a branch of its own;
- *segments*: raw bytes by (branch number, seq);
- *journal* entries: local changes that are not segments yet, in order, sealed by the caller;
- *values*: anything else, by (space, key), sealed by the caller where it is secret.

Reads are synchronous and cheap. Writes go through ``write``: visible to reads of this store at
once, durable when the returned future is done. Batches become durable in the order given, each
wholly or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import field
from typing import Final, Protocol

from ..codec.ids import LogId, ObjectId, SegmentId
from ..errors import Damaged
from ..values import dataclass

RESERVED: Final = 256
"""One frame of a session holds fewer logs."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """An epoch, grant or certificate as stored. ``kind`` is the record kind of its format."""

    kind: int
    id: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Branch:
    """A run of consecutive segments of one log.

    Args:
        number: given by ``SegmentStore.next_branch``, unique in the store, below 2**31.
        log: the log it belongs to.
        parent: number of the branch it forks from, or 0 for the main branch.
        first: seq of its first segment (1 for the main branch, unless those before were dropped).
        tip: seq of its last segment; ``first - 1`` while it is empty.
        tip_id: id of that segment; empty bytes while it is empty.
    """

    number: int
    object: ObjectId
    log: LogId
    parent: int
    first: int
    tip: int
    tip_id: bytes


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A local change, durable before it is a segment. ``number`` orders entries in a store."""

    number: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class PutRecord:
    object: ObjectId
    record: StoredRecord


@dataclass(frozen=True, slots=True)
class NewBranch:
    number: int
    object: ObjectId
    log: LogId
    parent: int
    first: int


@dataclass(frozen=True, slots=True)
class AppendSegment:
    """The next segment of a branch; ``seq`` must be the branch's tip + 1."""

    branch: int
    seq: int
    id: SegmentId
    raw: bytes


@dataclass(frozen=True, slots=True)
class TruncateBranch:
    """Forget the segments from ``seq`` on: they are damaged and will be fetched again."""

    branch: int
    seq: int


@dataclass(frozen=True, slots=True)
class BeginBranch:
    """Forget the segments before ``seq``, which is one of the branch: it begins there from now on.

    An empty branch may begin anywhere.
    """

    branch: int
    seq: int


@dataclass(frozen=True, slots=True)
class PutJournal:
    """``number`` comes from ``SegmentStore.next_journal``."""

    object: ObjectId
    number: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class DropJournal:
    """Forget the entries of an object up to and including ``through``: they are segments now."""

    object: ObjectId
    through: int


@dataclass(frozen=True, slots=True)
class PutValue:
    """Sets a value, or removes it where ``value`` is None."""

    space: str
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class TakenOut:
    """What ``SegmentStore.repair`` took out: raw bytes, to be verified and entered again.

    Args:
        records: in no order.
        segments: those of one branch in their order.
        kept: name of the copy of the whole store from before; empty where there is none.
    """

    records: list[bytes] = field(default_factory=list)
    segments: list[bytes] = field(default_factory=list)
    kept: str = ""


Batch = list[
    PutRecord | NewBranch | AppendSegment | TruncateBranch | BeginBranch | PutJournal | DropJournal | PutValue
]


def nothing() -> None:
    """For a write of which nobody is to be told."""


class SegmentStore(Protocol):
    """See the module's text. ``testing.check_store`` is its acceptance test."""

    def objects(self) -> list[ObjectId]:
        """Objects with at least one record."""

    def records(self, object_id: ObjectId) -> list[StoredRecord]:
        """All records of an object, in the order they were first put."""

    def branches(self, object_id: ObjectId) -> list[Branch]: ...

    def next_branch(self) -> int:
        """A branch number that was never given before."""

    def segment_id(self, branch: int, seq: int) -> SegmentId | None: ...

    def segments(self, branch: int, start: int, max_bytes: int) -> list[bytes]:
        """Raw segments from seq ``start`` on, at least one if there is one, about ``max_bytes``."""

    def next_journal(self) -> int:
        """A journal number greater than all before, across restarts."""

    def journal(self, object_id: ObjectId) -> list[JournalEntry]: ...

    def value(self, space: str, key: bytes) -> bytes | None: ...

    def values(self, space: str) -> Iterator[tuple[bytes, bytes]]: ...

    def keys(self, space: str, start: bytes, stop: bytes, most: int) -> list[bytes]:
        """The first ``most`` keys of a space from ``start`` on and before ``stop``, in the order of bytes.

        Reads no value, so it also gives keys whose value is damaged, and keys that are damaged themselves;
        ``value`` finds that out.
        """

    def write(self, batch: Batch, written: Callable[[], None] = nothing) -> Future[None]:
        """Queues a batch.

        Args:
            written: called, in any thread, once the batch survives the end of this process. A power cut may
                still take it, with all that was written after it, but nothing from before.

        Returns:
            Done once the batch is durable. Fails with ``Damaged`` where it could not be made so; with
            ``DiskFull`` where there is no room: so does all that was queued behind it, and it may be
            written again.
        """

    def reserve(self) -> None:
        """Makes sure that the next ``RESERVED`` numbers of each kind can be given, which then needs no disk.

        Raises Damaged.
        """

    @property
    def failure(self) -> Damaged | None:
        """Why nothing is written before a new start; None while all is well, or the disk only full."""

    def repair(self, object_id: ObjectId) -> TakenOut:
        """Takes out what is damaged of an object, once it kept a copy of it all. Waits for what is queued."""

    def close(self) -> None:
        """Makes everything queued durable and closes."""


__all__ = [
    "RESERVED",
    "AppendSegment",
    "Batch",
    "Branch",
    "BeginBranch",
    "DropJournal",
    "JournalEntry",
    "NewBranch",
    "PutJournal",
    "PutRecord",
    "PutValue",
    "SegmentStore",
    "StoredRecord",
    "TakenOut",
    "TruncateBranch",
    "nothing",
]
