"""Which epochs follow which, as everybody can see it from the parents that each of them names.

Each epoch has a bit, in the order of arrival, and the epochs in its past are a set of bits. So whether a
session may have a segment is one look at a bit, however long the history of an object is.

Members can tell more than nodes: an epoch whose op is void or was kept from them they *disown*. It ends
nothing: the epochs it names as parents stay the newest, and it leads to none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..codec.ids import EpochId
from ..objects.records import Epoch

EVERYTHING: Final = -1
"""The set that holds all epochs, those to come included."""


class EpochGraph:
    """See the module's text.

    Attributes:
        newest: the epochs that no known one names as a parent.
        version: grows with each epoch, so that what was judged before is judged again.
    """

    def __init__(self) -> None:
        self.newest: dict[EpochId, None] = {}
        self.version = 0
        self._parents: dict[EpochId, tuple[EpochId, ...]] = {}
        self._bits: dict[EpochId, int] = {}
        self._pasts: dict[EpochId, int] = {}
        self._disowned: frozenset[EpochId] = frozenset()

    def add(self, epoch: Epoch) -> None:
        """Takes an epoch whose parents are all here."""
        self._bits[epoch.id] = len(self._bits)
        self._parents[epoch.id] = epoch.parents
        self._place(epoch.id)
        self.version += 1

    def disown(self, epochs: Iterable[EpochId]) -> None:
        """Says which epochs are disowned; all others are not."""
        disowned = frozenset(epochs)
        if disowned != self._disowned:
            self._disowned = disowned
            self.newest.clear()
            for epoch in self._bits:
                self._place(epoch)
            self.version += 1

    def _place(self, epoch: EpochId) -> None:
        past = 1 << self._bits[epoch]
        if epoch not in self._disowned:
            for parent in self._parents[epoch]:
                past |= self._pasts[parent]
                self.newest.pop(parent, None)
        self._pasts[epoch] = past
        self.newest[epoch] = None

    def past(self, epochs: Iterable[EpochId]) -> int:
        """The set of some epochs and all before them."""
        together = 0
        for epoch in epochs:
            together |= self._pasts[epoch]
        return together

    def latest(self, epochs: Iterable[EpochId]) -> frozenset[EpochId]:
        """Those of some known epochs that none of the others follows."""
        found: set[EpochId] = set()
        past = 0
        for epoch in sorted(epochs, key=self._bits.__getitem__, reverse=True):  # parents came before
            if not self.covers(past, epoch):
                found.add(epoch)
            past |= self._pasts[epoch]
        return frozenset(found)

    def covers(self, within: int, epoch: EpochId) -> bool:
        """Whether a known epoch is in a set."""
        bit = self._bits.get(epoch)
        return bit is not None and bool(within >> bit & 1)

    def covers_all(self, within: int) -> bool:
        """Whether every epoch known is in a set: then none has to be looked at."""
        return not ((1 << len(self._bits)) - 1) & ~within
