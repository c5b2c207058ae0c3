"""Prune records of one object at a member: which he has checked, and what nodes say of them."""

from __future__ import annotations

import os
from typing import Final

from ..codec.ids import RecordId
from ..errors import RemoteProtocolError
from ..objects.payload import Author
from ..objects.prunes import Prune, Replaced
from ..ports import PutValue
from ..sync.named_archives import is_gone
from ..sync.pruning import forgetting, standing
from ..sync.replica import Replica

CHECKED: Final = "checked"
TRUE: Final = b"\x01"
FALSE: Final = b"\x00"

MAX_TOLD: Final = 4_096
"""What is remembered of what nodes say: they may say it of records that are not here yet, or nowhere."""


class Prunes:
    """See the module's text.

    Attributes:
        told: by node and record, in how many hours it is acted on; None: it does not count there.
    """

    def __init__(self, replica: Replica) -> None:
        self.told: dict[tuple[str, RecordId], int | None] = {}
        self._replica = replica
        self._checked: dict[bytes, bool] | None = None

    def take_told(self, node: str, prune: RecordId, hours: int | None) -> None:
        """A node says when it acts on a record."""
        self.told.pop((node, prune), None)
        self.told[node, prune] = hours
        if len(self.told) > MAX_TOLD:
            del self.told[next(iter(self.told))]

    @property
    def unchecked(self) -> list[Prune]:
        """The records that count, and that this device could compare with the history and did not."""
        replica = self._replica
        if not replica.book.prunes or replica.order.bases.is_hidden:
            return []
        verdicts, here = self._verdicts, (each for each in forgetting(replica.book) if self._is_here(each))
        named = (prune for prune in standing(replica.book) if self.left(prune))
        found = [prune for prune in (*named, *here) if prune.id not in verdicts]
        return [prune for prune in found if prune.epoch in replica.keys]

    def left(self, prune: Prune) -> list[Replaced]:
        """The archives it names that are still to be compared.

        Not those of which all is forgotten here and, as something says that counts, comes to be everywhere:
        should somebody object to that, they are looked at after all.
        """
        book, verdicts = self._replica.book, self._verdicts
        if prune.id in verdicts:
            return []
        left = [each for each in prune.replaced if each.archive not in verdicts]
        if not left or not book.archived.forgotten:
            return left
        stops = book.extent(head for each in forgetting(book) if each.forgets for head in each.forgets.heads)
        return [each for each in left if not is_gone(book, each, stops)]

    @property
    def _verdicts(self) -> dict[bytes, bool]:
        """By record, or by an archive that one names, whether it was found true."""
        if self._checked is None:
            replica, length = self._replica, len(self._replica.object)
            keys = replica.store.keys(CHECKED, replica.object, replica.object + b"\xff" * 33, 1 << 16)
            self._checked = {key[length:]: replica.store.value(CHECKED, key) == TRUE for key in keys}
        return self._checked

    def settle(self, what: bytes, *, true: bool) -> None:
        """A record, or an archive by itself, was found true or false, and needs no look any more."""
        self._verdicts[what] = true
        self._replica.store.write([PutValue(CHECKED, self._replica.object + what, TRUE if true else FALSE)])

    @property
    def due_to_forget(self) -> list[Prune]:
        """Those that count, were found true, are done as a node says, and of which something is left here."""
        over = {prune for (_, prune), hours in self.told.items() if hours == 0}
        if not self._replica.order.bases.is_hidden:  # else nothing is here to compare it with
            over = {prune for prune in over if self._verdicts.get(prune, False)}
        counting = forgetting(self._replica.book) if over else []
        return [prune for prune in counting if prune.id in over and self._is_left(prune)]

    def _is_here(self, prune: Prune) -> bool:
        """Whether what stands for all was applied, and so what it stands for, and is not forgotten itself."""
        replica, forgets = self._replica, prune.forgets
        if forgets is None or replica.book.is_forgotten(forgets.base):
            return False
        return replica.order.has_applied([forgets.base, *forgets.heads])

    def _is_left(self, prune: Prune) -> bool:
        forgets = prune.forgets
        return forgets is not None and self._is_here(prune) and bool(self._replica.left_to_forget(forgets))

    @property
    def busy(self) -> bool:
        """Whether something is left to be looked at, or to be forgotten once its time has come."""
        return bool(self.unchecked) or any(map(self._is_left, forgetting(self._replica.book)))

    def author(self, prune: Prune) -> Author | None:
        """Who made it; None where he is no admin, or it does not say."""
        try:
            return prune.author_untrusted(self._replica.keys[prune.epoch], self._replica.view)
        except (RemoteProtocolError, KeyError):
            return None

    def object_to(self, prune: Prune) -> bytes | None:
        """An objection, as a record; None where no key is held that nodes take one by."""
        replica, graph = self._replica, self._replica.book.plain_graph
        fit = [epoch for epoch in graph.newest if graph.covers(graph.past([epoch]), prune.epoch)]
        epoch = next((epoch for epoch in fit if epoch in replica.keys), None)
        if epoch is None:
            return None
        held = replica.keys[epoch]
        return Prune.issue(replica.object, epoch, prune.id, held, replica.actor, os.urandom).raw
