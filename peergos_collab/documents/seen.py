"""What each client had seen at least: the pieces that its own name, and what their authors had seen.

Kept is only who named what, from which clock on: written out for each of a thousand processes, each of which
saw those before it, it would be a million entries. It is worked out where it is asked for, and kept for few.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from .halves import Id

_KEPT: Final = 16
"""Clients for which it is kept, worked out."""


class _Named:
    """What one client named: the ids, each with its own clock from which on it had seen them."""

    __slots__ = ("clocks", "ids", "most")

    def __init__(self) -> None:
        self.clocks: list[int] = []
        self.ids: list[Id] = []
        self.most: dict[int, int] = {}
        """Of each other client, the highest clock named."""

    def forget(self, count: int) -> None:
        del self.clocks[count:], self.ids[count:]
        self.most = {}
        for client, clock in self.ids:  # they rise within a client
            self.most[client] = clock


class Seen:
    """See the module's text."""

    def __init__(self) -> None:
        self._named: dict[int, _Named] = {}
        self._known: dict[int, tuple[int, dict[int, int]]] = {}

    def name(self, client: int, clock: int, id_: Id | None) -> None:
        """A piece of a client that begins at a clock names a character."""
        if id_ is None or id_[0] == client:
            return
        named = self._named.get(client)
        if named is None:
            named = self._named[client] = _Named()
        if id_[1] > named.most.get(id_[0], -1):
            named.most[id_[0]] = id_[1]
            named.clocks.append(clock)
            named.ids.append(id_)

    def count(self, client: int) -> int:
        """How many ids it named, for ``forget``."""
        named = self._named.get(client)
        return len(named.ids) if named is not None else 0

    def forget(self, client: int, count: int) -> None:
        """Goes back to where it had named so many."""
        if client in self._named:
            self._named[client].forget(count)
            self._known.pop(client, None)

    def by(self, client: int) -> Mapping[int, int]:
        """The next clock of each other client that it has seen."""
        count, seen = self._known.pop(client, (0, {}))
        named = self._named.get(client)
        if named is not None:
            self._add(client, named.ids[count:], seen)
            count = len(named.ids)
        self._known[client] = count, seen  # the newest is the last
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return seen

    def _add(self, who: int, ids: list[Id], seen: dict[int, int]) -> None:
        todo = list(ids)
        while todo:
            client, clock = todo.pop()
            before = seen.get(client, 0)
            if client == who or clock < before:
                continue
            seen[client] = clock + 1
            named = self._named.get(client)
            if named is not None:
                start = bisect_right(named.clocks, before - 1) if before else 0
                todo += named.ids[start : bisect_right(named.clocks, clock)]
