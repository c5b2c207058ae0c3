"""Where characters beyond U+FFFF lie, which have two UTF-16 units: nothing may be put between those."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

Id = tuple[int, int]
"""(client, clock) of one UTF-16 unit."""


class Halves:
    """Ids of second units. Four bytes each: a text may be made of nothing else."""

    def __init__(self) -> None:
        self._clocks: dict[int, array[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._clocks)

    def __contains__(self, id_: Id) -> bool:
        clocks = self._clocks.get(id_[0])
        if clocks is None:
            return False
        at = bisect_left(clocks, id_[1])
        return at < len(clocks) and clocks[at] == id_[1]

    def __iter__(self) -> Iterator[Id]:
        return ((client, clock) for client, clocks in self._clocks.items() for clock in clocks)

    def add_text(self, client: int, clock: int, text: str) -> int:
        """Notes those of a text that begins at a clock; returns how many UTF-16 units it has."""
        units = text.encode("utf-16-le")
        if len(units) > 2 * len(text):
            high = units[1::2]  # of each unit the higher byte: DC to DF in a second one
            self._add(
                client, array("I", [clock + at for at, byte in enumerate(high) if 0xDC <= byte <= 0xDF])
            )
        return len(units) // 2

    def take(self, other: Halves, client: int) -> None:
        """Takes what another says of a client."""
        if client in other._clocks:
            self._add(client, other._clocks[client])

    def take_all(self, other: Halves) -> None:
        for client in other._clocks:
            self.take(other, client)

    def _add(self, client: int, more: array[int]) -> None:
        clocks = self._clocks.setdefault(client, array("I"))
        if clocks and more[0] <= clocks[-1]:
            more = array("I", sorted({*clocks, *more}))
            del clocks[:]
        clocks.extend(more)
