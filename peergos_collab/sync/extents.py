"""How far bases cover each branch, as far as what they name is here.

That is asked at every keystroke, and a writer can make bases that name thousands of segments which never
come. So it is found out once for each base; from then on what comes is looked up among what is awaited.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Protocol, TypeVar

from ..codec.ids import SegmentId
from ..objects.snapshots import SnapshotPlace
from ..values import dataclass
from .logbook import LogBook

_Key = TypeVar("_Key")


class Headed(Protocol):
    """What covers all up to some heads."""

    @property
    def id(self) -> SegmentId: ...
    @property
    def heads(self) -> tuple[SnapshotPlace, ...]: ...


@dataclass(slots=True)
class _Extent:
    by_branch: dict[int, int]
    lacking: set[SnapshotPlace] = field(default_factory=set)


class Extents:
    """See the module's text."""

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self._found: dict[SegmentId, _Extent] = {}
        self._awaited: dict[SnapshotPlace, set[SegmentId]] = {}
        """By the place of what is not here, the bases that name it."""
        self._shrunk = book.shrunk

    def of(self, base: Headed) -> Mapping[int, int]:
        """Up to which seq a base covers each branch."""
        return self._extent(base).by_branch

    def is_whole(self, base: Headed) -> bool:
        """Whether all that a base covers is here."""
        return not self._extent(base).lacking

    def came(self, place: SnapshotPlace) -> bool:
        """Notes that a segment is here; says whether a base covers more by it."""
        bases = self._awaited.pop(place, ())
        for id_ in bases:
            extent = self._found[id_]
            extent.lacking.remove(place)
            widen(extent.by_branch, self._book.extent([place]))
        return bool(bases)

    def keep_only(self, bases: Collection[SegmentId]) -> None:
        """Forgets all others."""
        for id_ in self._found.keys() - bases:
            for place in self._found.pop(id_).lacking:
                self._awaited[place].remove(id_)
                if not self._awaited[place]:
                    del self._awaited[place]

    def _extent(self, base: Headed) -> _Extent:
        if self._shrunk != self._book.shrunk:
            self._shrunk = self._book.shrunk
            self._found.clear()
            self._awaited.clear()
        found = self._found.get(base.id)
        if found is None:
            found = self._found[base.id] = _Extent(self._book.extent(base.heads))
            for place in base.heads:
                if self._book.find(place.log, place.seq, place.id) is None:
                    found.lacking.add(place)
                    self._awaited.setdefault(place, set()).add(base.id)
        return found


def widen(covered: dict[_Key, int], extent: Mapping[_Key, int]) -> None:
    """Takes of two numbers the greater, for each key."""
    for key, number in extent.items():
        covered[key] = max(number, covered.get(key, 0))
