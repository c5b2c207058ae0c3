"""The entries of a map in the order they are shown in: in pages, with local changes on top or without.

An entry is in a *group*: that of things with a path, that of its kind where these are listed apart, or that
of what is not there (any more). In a group entries are in the order of their shown names; of equal names
first that of the lowest id, or apart that which was put first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import merge
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from ..codec.ids import DeviceId, SegmentId
from ..objects.chunks import Chunks
from ..values import dataclass
from .changes import EntryId, PutEntry
from .names import show_name
from .sorted_pages import Key, SortedPages

APART: Final = frozenset({"contact", "device", "invitation", "link", "recovery"})
"""Kinds that are no things with a path: they are listed each by itself, with names of their own."""

THINGS: Final = ""
GONE: Final = "/"
"""Groups beside the kinds of ``APART``."""

Fields = list[Any]
"""An entry as it is stored: a stamp, which is 4 fields, kind, creation; a stamp, name, its time; a stamp,
reference, its time; the stamp of its removal. Null for each field of what was never written."""

_NOTHING: Final = [None] * 6

V = TypeVar("V")


class Stamp(NamedTuple):
    """When a change was made, in an order that is total and the same everywhere."""

    lamport: int
    device: DeviceId
    segment: SegmentId
    at: int


@dataclass(frozen=True, slots=True)
class Written(Generic[V]):
    """A value and the stamp of the change that wrote it."""

    stamp: Stamp
    value: V


@dataclass(slots=True)
class Entry:
    """What was last written to each group of fields; there while its put is newer than its removal."""

    birth: Written[tuple[str, int]] | None = None  # kind, created
    name: Written[tuple[str, int]] | None = None  # name, modified
    reference: Written[tuple[bytes, int]] | None = None  # reference, modified
    removed: Stamp | None = None

    def put(self, stamp: Stamp, change: PutEntry) -> None:
        self.birth = newer(self.birth, Written(stamp, (change.kind, change.created)))
        self.name = newer(self.name, Written(stamp, (change.name, change.modified)))
        self.reference = newer(self.reference, Written(stamp, (change.reference, change.modified)))

    def key(self, id_: EntryId) -> Key:
        """Its place among all entries; its group is the first of it, its shown name the second."""
        if (
            self.birth is None
            or self.name is None
            or (self.removed is not None and self.birth.stamp < self.removed)
        ):
            return GONE, "", id_
        shown, kind = show_name(self.name.value[0]), self.birth.value[0]
        return (kind, shown, *self.birth.stamp, id_) if kind in APART else (THINGS, shown, id_)

    def fields(self) -> Fields:
        groups: tuple[Written[tuple[Any, int]] | None, ...] = self.birth, self.name, self.reference
        fields = [field for one in groups for field in ((*one.stamp, *one.value) if one else _NOTHING)]
        return [*fields, *(self.removed or _NOTHING[:4])]

    @classmethod
    def restored(cls, fields: Fields) -> Entry:
        birth, name, reference = (_written(fields[start : start + 6]) for start in (0, 6, 12))
        return cls(birth, name, reference, Stamp(*fields[18:]) if fields[18] is not None else None)


class Entries(Protocol):
    """Entries by id, and in their order."""

    def get(self, id_: EntryId) -> Entry | None: ...

    def put(self, id_: EntryId, entry: Entry) -> None: ...

    def since(self, key: Key) -> Iterator[tuple[Key, Fields]]:
        """Those from ``key`` on, to the end of its group."""

    def count(self, group: str) -> int: ...


class StoredEntries:
    """Those that segments brought."""

    def __init__(self, chunks: Chunks) -> None:
        self._by_key = SortedPages(chunks)
        self._keys = SortedPages(chunks)
        """By id."""
        self._counts: dict[str, int] = {}

    def get(self, id_: EntryId) -> Entry | None:
        key = self._keys.get((id_,))
        fields = self._by_key.get(tuple(key)) if key is not None else None
        return Entry.restored(fields) if fields is not None else None

    def put(self, id_: EntryId, entry: Entry) -> None:
        key, known = entry.key(id_), self._keys.get((id_,))
        before = tuple(known) if known is not None else None
        if before != key:
            if before is not None:
                self._by_key.remove(before)
                self._counts[before[0]] -= 1
            self._counts[key[0]] = self.count(key[0]) + 1
            self._keys.put((id_,), list(key))
        self._by_key.put(key, entry.fields())

    def since(self, key: Key) -> Iterator[tuple[Key, Fields]]:
        for found, fields in self._by_key.since(key):
            if found[0] != key[0]:
                return
            yield found, fields

    def count(self, group: str) -> int:
        return self._counts.get(group, 0)

    def head(self) -> list[Any]:
        return [self._by_key.head(), self._keys.head(), self._counts]

    def restore(self, head: list[Any]) -> None:
        by_key, keys, self._counts = head
        self._by_key.restore(by_key)
        self._keys.restore(keys)


class ChangedEntries:
    """Others with some changes on top that are not among them yet."""

    def __init__(self, below: Entries) -> None:
        self._below = below
        self._changed: dict[EntryId, Entry] = {}
        self._keys: dict[EntryId, Key] = {}
        self._order: list[Key] = []

    def get(self, id_: EntryId) -> Entry | None:
        changed = self._changed.get(id_)
        return changed if changed is not None else self._below.get(id_)

    def put(self, id_: EntryId, entry: Entry) -> None:
        if id_ in self._keys:
            del self._order[bisect_left(self._order, self._keys[id_])]
        self._keys[id_] = key = entry.key(id_)
        insort(self._order, key)
        self._changed[id_] = entry

    def since(self, key: Key) -> Iterator[tuple[Key, Fields]]:
        below = (item for item in self._below.since(key) if item[0][-1] not in self._changed)
        return merge(below, self._above(key), key=lambda item: item[0])

    def _above(self, key: Key) -> Iterator[tuple[Key, Fields]]:
        for at in range(bisect_left(self._order, key), len(self._order)):
            found = self._order[at]
            if found[0] != key[0]:
                return
            yield found, self._changed[found[-1]].fields()

    def count(self, group: str) -> int:
        before = [entry.key(id_)[0] for id_ in self._changed if (entry := self._below.get(id_)) is not None]
        after = [key[0] for key in self._order]
        return self._below.count(group) - before.count(group) + after.count(group)


def _written(fields: Fields) -> Written[Any] | None:
    return Written(Stamp(*fields[:4]), tuple(fields[4:])) if fields[0] is not None else None


def newer(old: Written[V] | None, new: Written[V]) -> Written[V]:
    return new if old is None or new.stamp > old.stamp else old


def flat(written: Written[Any] | None) -> list[Any]:
    return [] if written is None else [list(written.stamp), written.value]


def unflat(fields: list[Any]) -> Written[Any] | None:
    if not fields:
        return None
    stamp, value = fields
    return Written(Stamp(*stamp), value)
