"""A chunk of the timeline: some hundred messages in order, compact on disk, quick to change in memory."""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from dataclasses import field
from typing import Any, Final, NamedTuple, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, PrincipalId, SegmentId
from ..errors import Damaged, RemoteProtocolError
from ..objects.payload import Author
from ..values import dataclass
from .events import Reference

ROWS: Final = 512
"""Messages per chunk: a new message rewrites 20-40 KB of local state, and a million make 2,000 chunks."""

ROWS_BYTES: Final = 64 << 10
"""Of text in a chunk, beyond which the next message begins another: long ones would make it megabytes."""

_LIMIT: Final = 1 << 30
"""Our own sealed state, not a peer's: only a guard against nonsense."""


_SOURCE: Final = struct.Struct("<32sQQIQH")
"""Segment id, Lamport time, seq, branch, time, index of the author: packed, so a scan steps over it."""


class Key(NamedTuple):
    """Where an event stands in the total order."""

    lamport: int
    account: AccountId
    seq: int
    segment: SegmentId
    at: int


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What all messages of one segment share. ``branch`` is where the segment stands in its log.

    Compared by identity: rows point to it, and hashing its fields for each would cost more than the row.
    """

    segment: SegmentId
    lamport: int
    seq: int
    branch: int
    time: int
    author: Author

    def key(self, index: int) -> Key:
        return Key(self.lamport, self.author.account, self.seq, self.segment, index)


@dataclass(slots=True)
class Row:
    """A message as it stands: its last text, and what came on top."""

    source: Source
    index: int
    text: str
    reply: Reference | None = None
    edited: Key | None = None
    deleted: bool = False
    reactions: dict[tuple[AccountId, str], tuple[Key, bool]] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.source.key(self.index)

    @property
    def reference(self) -> Reference:
        return Reference(self.source.lamport, self.source.segment, self.index)

    def edit(self, key: Key, text: str) -> None:
        """The highest edit wins, and none after a deletion."""
        if not self.deleted and (self.edited is None or key > self.edited):
            self.edited, self.text = key, text

    def delete(self) -> None:
        """Final: what is deleted is not kept beside the tombstone, and nothing brings it back."""
        self.deleted, self.text, self.edited = True, "", None
        self.reactions.clear()

    def react(self, account: AccountId, emoji: str, key: Key, on: bool) -> None:
        """The highest of an account's events on one emoji wins."""
        if self.deleted:
            return
        old = self.reactions.get((account, emoji))
        if old is None or key > old[0]:
            self.reactions[account, emoji] = (key, on)


@dataclass(slots=True)
class Rows:
    """Up to ``ROWS`` messages, in order.

    ``size``: characters of text, about: edits are not counted.
    """

    rows: list[Row]
    size: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.size = sum(len(row.text) for row in self.rows)

    def find(self, reference: Reference) -> int | None:
        """Position of a message, or None."""
        at = bisect_left(self.rows, reference.lamport, key=lambda row: row.source.lamport)
        while at < len(self.rows) and (row := self.rows[at]).source.lamport == reference.lamport:
            if row.index == reference.index and row.source.segment == reference.segment:
                return at
            at += 1
        return None

    def insert(self, block: list[Row]) -> None:
        """Puts in the messages of one segment, which are neighbours in the order."""
        self.size += sum(len(row.text) for row in block)
        if not self.rows or self.rows[-1].key < block[0].key:
            self.rows += block
            return
        at = bisect_right(self.rows, block[0].key, key=lambda row: row.key)
        self.rows[at:at] = block

    def keep(self, rows: list[Row]) -> None:
        """These alone: the others go into chunks of their own."""
        self.rows = rows
        self.__post_init__()

    def texts(self) -> list[str]:
        return [row.text for row in self.rows]

    def encode(self) -> bytes:
        sources = list(dict.fromkeys(row.source for row in self.rows))
        authors = list(dict.fromkeys(source.author for source in sources))
        source_at = {source: at for at, source in enumerate(sources)}
        author_at = {author: at for at, author in enumerate(authors)}
        return encode(
            [
                1,
                encode(self.texts()),
                [[a.account, a.device, a.principal, a.name] for a in authors],
                b"".join([_source_fields(source, author_at[source.author]) for source in sources]),
                struct.pack(f"<{len(self.rows)}H", *[source_at[row.source] for row in self.rows]),
                struct.pack(f"<{len(self.rows)}H", *[row.index for row in self.rows]),
                {at: extra for at, row in enumerate(self.rows) if (extra := _extra(row))},
            ]
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        _, texts, people, segments, source_at, indices, extras = decode_untrusted(raw, _LIMIT)
        texts = decode_untrusted(texts, _LIMIT)
        authors = [Author(AccountId(a), DeviceId(d), PrincipalId(p), name) for a, d, p, name in people]
        sources = [
            Source(SegmentId(segment), lamport, seq, branch, time, authors[author])
            for segment, lamport, seq, branch, time, author in _SOURCE.iter_unpack(segments)
        ]
        numbers = f"<{len(texts)}H"
        places = zip(struct.unpack(numbers, source_at), struct.unpack(numbers, indices), texts, strict=True)
        rows = [Row(sources[at], index, text) for at, index, text in places]
        for at, (reply, edited, deleted, reactions) in extras.items():
            row = rows[at]
            row.reply = Reference(*reply) if reply else None
            row.edited = Key(*edited) if edited else None
            row.deleted = deleted
            row.reactions = {(account, emoji): (Key(*key), on) for account, emoji, key, on in reactions}
        return cls(rows)


def _source_fields(source: Source, author: int) -> bytes:
    return _SOURCE.pack(source.segment, source.lamport, source.seq, source.branch, source.time, author)


def texts_of(raw: bytes) -> list[str]:
    """The texts of an encoded chunk alone, for a scan. Raises Damaged."""
    try:
        texts: list[str] = decode_untrusted(decode_untrusted(raw, _LIMIT)[1], _LIMIT)
    except (RemoteProtocolError, ValueError, TypeError, IndexError) as error:
        raise Damaged("a piece of the local state of a chat cannot be read") from error
    return texts


def _extra(row: Row) -> list[Any] | None:
    if row.reply is None and row.edited is None and not row.deleted and not row.reactions:
        return None
    reply = [row.reply.lamport, row.reply.segment, row.reply.index] if row.reply else []
    reactions = [[*who_what, list(key), on] for who_what, (key, on) in sorted(row.reactions.items())]
    return [reply, list(row.edited or ()), row.deleted, reactions]
