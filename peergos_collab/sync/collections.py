"""Many objects compared at once: a collection, the sum of each object in it, and fingerprints of ranges.

Both sides of a session know a collection by a hash of its objects' ids, and number them in the same order.
The *sum* of an object stands for all records and heads of it. It is made under the watchword of its newest
epoch, which comes from that epoch's read key and which readers tell the node: so who knows an object's id, or
was a member once, cannot guess the sum, and learns nothing from being told that it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..codec import encode
from ..codec.ids import ObjectId
from ..crypto import Tag, Watchword, derive, hash256, keyed_hash
from ..objects.epoch_keys import EpochKeys
from ..values import dataclass
from .heads import Tip, tips_value

SUM: Final = 16
"""Bytes of a sum, a fingerprint and a name."""

MAX_OBJECTS: Final = 1 << 16
"""In one collection."""

PARTS: Final = 16
"""A range that differs is cut into so many: 10,000 objects take four rounds to find the one that changed."""


@dataclass(frozen=True, slots=True)
class Range:
    """Places of a collection from ``start`` on and before ``stop``."""

    start: int
    stop: int

    def parts(self) -> list[Range]:
        step = max(1, -(-(self.stop - self.start) // PARTS))
        return [Range(at, min(at + step, self.stop)) for at in range(self.start, self.stop, step)]


def watchword(keys: EpochKeys) -> Watchword:
    """The watchword of an epoch."""
    return derive(keys.read, Tag.WATCHWORD, Watchword)


def state_digest(records: Iterable[bytes], tips: Iterable[Tip]) -> bytes:
    """32 bytes that name a set of membership records, by their ids, and a set of heads."""
    return hash256(Tag.OBJECT_STATE, encode([sorted(records), tips_value(tips)]))


def object_sum(object_id: ObjectId, word: Watchword, digest: bytes) -> bytes:
    return keyed_hash(word, Tag.OBJECT_SUM, object_id + digest, SUM)


def collection_name(objects: Sequence[ObjectId]) -> bytes:
    """The name of a collection.

    Args:
        objects: in the order of their ids.
    """
    return hash256(Tag.COLLECTION, b"".join(objects))[:SUM]


def fingerprint(sums: Sequence[bytes], of: Range) -> bytes:
    """Of a range of sums; empty ones are those left out."""
    return hash256(Tag.SUMS, b"".join(sums[of.start : of.stop]))[:SUM]
