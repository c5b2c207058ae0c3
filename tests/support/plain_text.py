"""The merge rules of Yjs texts once more, plain and slow: a list of UTF-16 units, searched from the front.

It shares nothing with the engine: it reads the updates by itself, and puts them together in whatever order
they can be. What both end with is the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from peergos_collab.documents.varints import read_varint

Id = tuple[int, int]
_ROOT = b"\x01\x04text"


@dataclass(slots=True)
class Unit:
    """One UTF-16 unit, and between what it was written. ``code`` is None where it came already deleted."""

    id: Id
    left: Id | None
    right: Id | None
    code: int | None
    deleted: bool = False


@dataclass(slots=True)
class Update:
    """What one update says: runs of units, each written behind the one before, and ranges to delete."""

    runs: list[list[Unit]] = field(default_factory=list)
    deleted: list[tuple[int, int, int]] = field(default_factory=list)


class PlainText:
    """See the module's text."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self._clocks: dict[int, int] = {}

    def apply_all(self, updates: Iterable[bytes]) -> None:
        """Takes updates in any order: each as soon as what it builds on is here. All must fit in the end."""
        read = [read_update(update) for update in updates]
        waiting = [run for update in read for run in update.runs]
        while waiting:
            left = [run for run in waiting if not self._insert(run)]
            if len(left) == len(waiting):
                raise AssertionError(f"{len(left)} runs build on what is not here")
            waiting = left
        gone = {
            (client, clock + n)
            for update in read
            for client, clock, size in update.deleted
            for n in range(size)
        }
        for unit in self.units:
            unit.deleted |= unit.id in gone

    def text(self) -> str:
        codes = [unit.code for unit in self.units if not unit.deleted and unit.code is not None]
        return b"".join(code.to_bytes(2, "little") for code in codes).decode("utf-16-le")

    def _insert(self, run: list[Unit]) -> bool:
        """Puts a run in its place; False while what it builds on is missing."""
        client, clock = run[0].id
        known = self._clocks.get(client, 0)
        new = run[max(0, known - clock) :]
        if not new:
            return True
        if new[0].id[1] > known or not all(map(self._knows, (new[0].left, new[0].right))):
            return False
        at = self._place(new[0])
        self.units[at:at] = new
        self._clocks[client] = new[-1].id[1] + 1
        return True

    def _knows(self, id_: Id | None) -> bool:
        return id_ is None or id_[1] < self._clocks.get(id_[0], 0)

    def _place(self, new: Unit) -> int:
        """Where among what others wrote between the same two units it belongs."""
        places = {unit.id: at for at, unit in enumerate(self.units)}
        start = places[new.left] + 1 if new.left else 0
        end = places[new.right] if new.right else len(self.units)
        place = start
        before: set[Id] = set()
        conflicting: set[Id] = set()
        for at in range(start, end):
            other = self.units[at]
            before.add(other.id)
            conflicting.add(other.id)
            if other.left == new.left:
                if other.id[0] < new.id[0]:
                    place = at + 1
                    conflicting.clear()
                elif other.right == new.right:
                    break
            elif other.left in before:
                if other.left not in conflicting:
                    place = at + 1
                    conflicting.clear()
            else:
                break
        return place


def read_update(raw: bytes) -> Update:
    """Reads an update of honest people; of a false one it may make anything."""
    update = Update()
    at = 0

    def number() -> int:
        nonlocal at
        value, at = read_varint(raw, at)
        return value

    for _ in range(number()):
        count, client, clock = number(), number(), number()
        for _ in range(count):
            info, at = raw[at], at + 1
            left = (number(), number()) if info & 0x80 else None
            right = (number(), number()) if info & 0x40 else None
            if not info & 0xC0:
                assert raw[at : at + len(_ROOT)] == _ROOT
                at += len(_ROOT)
            size = number()
            codes: list[int | None] = [None] * size
            if info & 0x1F == 4:
                wide = raw[at : at + size].decode().encode("utf-16-le")
                at += size
                codes = [int.from_bytes(wide[n : n + 2], "little") for n in range(0, len(wide), 2)]
            run = []
            for code in codes:
                run.append(Unit((client, clock), left, right, code, deleted=code is None))
                left = (client, clock)
                clock += 1
            update.runs.append(run)
    for _ in range(number()):
        client = number()
        update.deleted += [(client, number(), number()) for _ in range(number())]
    assert at == len(raw)
    return update
