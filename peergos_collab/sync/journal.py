"""Local changes that are not segments yet: numbered, durable, sealed for this device alone.

    entry = cseal(local key, [2, run, first number, time, kind, [change …]], ad = object ‖ entry number)

A change has a number within its run (one process lifetime). The number travels with it into its
segment, so a change that comes back from a restored journal is recognised and not sealed twice.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import ObjectId, RunId
from ..codec.shape import array, blob, many, number, some_bytes
from ..crypto import LocalKey, Tag, copen, cseal
from ..objects.payload import Kind, kind_untrusted
from ..ports import Random
from ..values import dataclass

VERSION: Final = 2
MAX_ENTRY: Final = 64 << 20
ENTRY_CONTENT: Final = 16 << 20
"""Bytes of changes put into one entry, unless a single one is longer: far below what can be read back."""

ENTRY_CHANGES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class LocalChange:
    """One change made on this device. ``entry`` is the journal entry it is durable in, or 0."""

    run: RunId
    number: int
    time: int
    kind: Kind
    content: bytes = field(repr=False)
    entry: int = 0


def seal_entry(
    object_id: ObjectId, entry: int, changes: list[LocalChange], local: LocalKey, random: Random
) -> bytes:
    """An entry of consecutive changes of one run and kind."""
    first = changes[0]
    contents = [change.content for change in changes]
    raw = encode([VERSION, first.run, first.number, first.time, int(first.kind), contents])
    return cseal(local, Tag.JOURNAL, raw, _ad(object_id, entry), random)


def open_entry_untrusted(
    object_id: ObjectId, entry: int, sealed: bytes, local: LocalKey
) -> list[LocalChange]:
    """Raises RemoteProtocolError where the entry is damaged or stands in another's place."""
    raw = copen(local, Tag.JOURNAL, sealed, _ad(object_id, entry))
    fields = array(decode_untrusted(raw, MAX_ENTRY), 6, "journal entry")
    number(fields[0], VERSION, VERSION, "journal version")
    run = RunId(blob(fields[1], 16, "run"))
    first = number(fields[2], 1, 2**53, "change number")
    time = number(fields[3], 0, 2**53, "time")
    kind = kind_untrusted(fields[4])
    contents = [some_bytes(item, MAX_ENTRY, "change") for item in many(fields[5], 1 << 20, "changes")]
    return [LocalChange(run, first + i, time, kind, content, entry) for i, content in enumerate(contents)]


def _ad(object_id: ObjectId, entry: int) -> bytes:
    return object_id + entry.to_bytes(8, "big")
