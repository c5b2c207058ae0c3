"""What is inside a segment once it is opened, and who said it."""

from __future__ import annotations

import enum
import zlib
from dataclasses import field
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, LogId, PrincipalId, RunId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..errors import RemoteProtocolError
from ..values import dataclass

VERSION: Final = 1
MAX_PAYLOAD: Final = 1 << 20
MAX_CONTENT: Final = 8 << 20
"""Bytes of unpacked content: a small segment must not become a memory bomb."""

MAX_CHANGES: Final = 1000
MAX_CITES: Final = 1024
LOG_PREFIX: Final = 8
"""Bytes by which a cite names a log."""

_WORTH_COMPRESSING: Final = 64


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
    NAME = 5
    """What a version of a document is called."""


_KINDS: Final = list(Kind)


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
        first: number, within the run, of the first change in it.
        count: how many changes are merged in it.
        skip: how many of the changes in it, counted from the first, are applied already (they were
            sealed twice, by a device that was restored from a backup).
        contested: some change of its run was sealed twice.
    """

    segment: SegmentId
    log: LogId
    seq: int
    previous: SegmentId | None
    cites: tuple[SegmentId, ...]
    author: Author
    run: RunId
    time: int
    kind: Kind
    content: bytes = field(repr=False)
    via: str
    first: int = 1
    count: int = 1
    skip: int = 0
    contested: bool = False


@dataclass(frozen=True, slots=True)
class Cite:
    """A segment of another log its author had seen. ``log`` is the first 8 bytes of that log's id."""

    log: bytes
    seq: int
    id: SegmentId


@dataclass(frozen=True, slots=True)
class Payload:
    """The plaintext of a segment.

    Args:
        run: the author's process lifetime.
        first: number, within the run, of the first local change in here; 1 for a run's first.
        count: how many local changes are merged in here; 0 for none.
        cites: heads of other logs seen since the log's previous segment.
        heads: ids of the newest membership records its author had seen, where they changed since the log's
            previous segment: by them it is judged whether he was a writer.
        introduction: who writes this log, in its first segment of each epoch; else None.
    """

    run: RunId
    first: int
    count: int
    cites: tuple[Cite, ...]
    heads: tuple[bytes, ...]
    kind: Kind
    time: int
    content: bytes = field(repr=False)
    introduction: Any = None


def encode_payload(payload: Payload) -> bytes:
    """Compresses the content where that makes it shorter."""
    content, packed = payload.content, False
    if len(content) > _WORTH_COMPRESSING:
        smaller = zlib.compress(content, 6)
        if len(smaller) < len(content):
            content, packed = smaller, True
    return encode(
        [
            VERSION,
            payload.run,
            payload.first,
            payload.count,
            [[cite.log, cite.seq, cite.id] for cite in payload.cites],
            list(payload.heads),
            int(payload.kind),
            payload.time,
            packed,
            content,
            payload.introduction,
        ]
    )


def decode_payload_untrusted(raw: bytes) -> Payload:
    """Raises RemoteProtocolError, also for content that unpacks to more than 8 MiB."""
    fields = array(decode_untrusted(raw, MAX_PAYLOAD), 11, "payload")
    number(fields[0], VERSION, VERSION, "payload version")
    content = some_bytes(fields[9], MAX_PAYLOAD, "content")
    if fields[8] is True:
        content = _unpack_untrusted(content)
    elif fields[8] is not False:
        raise RemoteProtocolError("payload: expected a truth value")
    return Payload(
        RunId(blob(fields[1], 16, "run")),
        number(fields[2], 0, 2**53, "change number"),
        number(fields[3], 0, MAX_CHANGES, "change count"),
        tuple([_cite(item) for item in many(fields[4], MAX_CITES, "cites")]),
        tuple([blob(item, 32, "membership head") for item in many(fields[5], 64, "membership heads")]),
        kind_untrusted(fields[6]),
        number(fields[7], 0, 2**53, "time"),
        content,
        fields[10],
    )


def _cite(value: Any) -> Cite:
    log, seq, id_ = array(value, 3, "cite")
    return Cite(
        blob(log, LOG_PREFIX, "cite"), number(seq, 1, 2**32 - 1, "cite"), SegmentId(blob(id_, 32, "cite"))
    )


def kind_untrusted(value: Any) -> Kind:
    """Raises RemoteProtocolError."""
    return _KINDS[number(value, _KINDS[0], _KINDS[-1], "payload kind")]


def _unpack_untrusted(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, MAX_CONTENT)
    except zlib.error:
        raise RemoteProtocolError("content that does not unpack") from None
    if not unpacker.eof or unpacker.unused_data:
        raise RemoteProtocolError("content that unpacks to too much, or is cut short")
    return content
