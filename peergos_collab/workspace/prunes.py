"""Prune records of one object at a member: which he has checked, and what nodes say of them."""

from __future__ import annotations

import os
from typing import Final

from ..codec.ids import RecordId
from ..errors import RemoteProtocolError
from ..objects.payload import Author
from ..objects.prunes import Prune
from ..ports import PutValue
from ..sync.pruning import standing
from ..sync.replica import Replica

CHECKED: Final = "checked"

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
        self._checked: set[RecordId] | None = None

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
        if self._checked is None:
            start, length = replica.object, len(replica.object)
            keys = replica.store.keys(CHECKED, start, start + b"\xff" * 33, 1 << 16)
            self._checked = {RecordId(key[length:]) for key in keys}
        found = [prune for prune in standing(replica.book) if prune.id not in self._checked]
        return [prune for prune in found if prune.epoch in replica.keys]

    def find_true(self, prune: RecordId) -> None:
        """What it names needs no look any more."""
        _ = self.unchecked
        if self._checked is not None:
            self._checked.add(prune)
        self._replica.store.write([PutValue(CHECKED, self._replica.object + prune, b"\x01")])

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
