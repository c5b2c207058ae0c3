"""What is inside a segment once it is opened, and who said it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..codec.ids import AccountId, DeviceId, LogId, ObjectId, PrincipalId, RunId, SegmentId


class Kind(enum.IntEnum):
    """How the content of a payload is folded into state."""

    HELLO = 0
    """Only the binding: who writes this log."""
    DOCUMENT = 1
    """A Yjs v1 update."""
    CHAT = 2
    """Chat events."""
    ENTRIES = 3
    """Changes to a map of entries: the profile, later folders."""
    SNAPSHOT = 4
    """Merged state up to given heads."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a segment, as its log's binding proves.

    Args:
        account: the person; never trust ``name`` instead.
        device: which of the person's devices.
        principal: as which member it acts: the account itself, or a link.
        name: what the author says of himself; unverified, at most 64 code points, no controls.
    """

    account: AccountId
    device: DeviceId
    principal: PrincipalId
    name: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified, opened segment, handed over after everything it cites.

    Args:
        segment: its id.
        log, seq: where it stands; seq starts at 1.
        previous: id of the segment before it in its log, or None for the first.
        cites: heads of *other* logs its author had seen since his previous segment.
        run: the author's process lifetime; CRDT client ids derive from it.
        time: the author's wall clock, milliseconds since 1970. For people, never for order.
        content: plaintext, already decompressed; still untrusted input for the fold.
        via: ``webrtc``, ``node``, ``lan``, ``memory`` or ``local``.
    """

    object: ObjectId
    segment: SegmentId
    log: LogId
    seq: int
    previous: SegmentId | None
    cites: tuple[SegmentId, ...]
    author: Author
    run: RunId
    time: int
    kind: Kind
    content: bytes
    via: str
