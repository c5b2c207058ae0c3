"""Who sits at the table at one point of an object's history, and what gives each his seat.

A seat rests on *standings*: the adds and raises that are in effect. A removal takes standings away, a
lowering caps them. Where none of them is an add, nobody sits there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..codec.ids import PrincipalId
from ..values import dataclass
from .epoch_keys import Level
from .principals import Principal

_MOST_CHANGES: Final = 24
"""Copying a large table at every op would cost memory, looking through a long chain of changes time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An add or a raise in effect.

    Args:
        op: index of the op in the history.
        count: membership ops in its past; fewer is more senior.
        id: its record's; of two with one count, the lower is more senior.
        cut: of an add that hides the history, the epoch it begins with; else empty.
    """

    op: int
    count: int
    id: bytes
    level: Level
    is_add: bool
    cut: bytes = b""


@dataclass(frozen=True, slots=True)
class Pin:
    """A key version given to a principal by the op with this index.

    Args:
        older: versions that the op's proof shows to be older.
    """

    op: int
    principal: Principal
    older: frozenset[bytes] = frozenset()

    def is_same(self, other: Pin) -> bool:
        return self.principal.version == other.principal.version


@dataclass(frozen=True, slots=True)
class Seat:
    """A member at one point of the history.

    Args:
        principal: its id.
        pins: normally one; several where concurrent ops gave versions of which none is newest.
        name: what an account said of itself in the op that made it a member, or empty.
        doubts: versions by re-pins that do not count: none of ``pins`` is known to be newer, so perhaps
            somebody who is behind the principal no more holds the keys of these.
    """

    principal: PrincipalId
    standings: tuple[Standing, ...]
    pins: tuple[Pin, ...]
    name: str = ""
    doubts: tuple[Pin, ...] = ()

    @property
    def contested(self) -> bool:
        """Whether it is not known which key version is the newest."""
        return len(self.pins) > 1 or bool(self.doubts)

    @property
    def level(self) -> Level:
        return max(standing.level for standing in self.standings)

    @property
    def hidden(self) -> bool:
        """Whether it gets nothing of before: none of the adds in effect gives the history."""
        return all(standing.cut for standing in self.standings if standing.is_add)

    @property
    def cuts(self) -> Iterable[bytes]:
        """The epochs with which it begins; none where it has the history."""
        return [standing.cut for standing in self.standings if standing.cut] if self.hidden else ()

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """Lower is more senior: by role, then by the ops before the add in effect, then by hash."""
        count, id_ = min((one.count, one.id) for one in self.standings if one.is_add)
        return -self.level, count, id_


class Seats:
    """An immutable table of seats; a new one shares what it can with the one before."""

    __slots__ = ("_base", "_changes")

    def __init__(
        self, base: Mapping[PrincipalId, Seat] | None = None, changes: Mapping[PrincipalId, Seat | None] = {}
    ) -> None:
        self._base = base or {}
        self._changes = changes

    def get(self, principal: PrincipalId) -> Seat | None:
        if principal in self._changes:
            return self._changes[principal]
        return self._base.get(principal)

    def __iter__(self) -> Iterator[Seat]:
        """All seats that somebody sits on."""
        for principal, seat in self._base.items():
            if principal not in self._changes:
                yield seat
        yield from (seat for seat in self._changes.values() if seat is not None)

    def replaced(self, changes: Mapping[PrincipalId, Seat | None]) -> Seats:
        """The table with some seats given anew; None empties one."""
        together = {**self._changes, **changes}
        if len(together) <= _MOST_CHANGES:
            return Seats(self._base, together)
        base = dict(self._base)
        for principal, seat in together.items():
            if seat is None:
                base.pop(principal, None)
            else:
                base[principal] = seat
        return Seats(base)
