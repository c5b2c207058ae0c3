"""The saved state of one object, sealed for this device: opening it need not replay its segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from ..codec.ids import ObjectId
from ..crypto import LocalKey
from ..errors import Damaged, RemoteProtocolError
from ..objects.snapshots import SnapshotPlace
from ..ports import Batch, PutValue, Random
from ..sync.replica import Replica
from .checkpoint import Known, encode_checkpoint, restore_checkpoint
from .folds import DOCUMENT_PARTS
from .saved_state import put_state, saved_state
from .summaries import SUMMARIES, Summary

CHECKPOINTS: Final = "checkpoints"
STATES: Final = "states"
VERSIONS: Final = "versions"
"""States that were given out, for edits on top of them."""

_END: Final = b"\xff" * 9
_MOST: Final = 1 << 20


def removed_state(object_id: ObjectId) -> Batch:
    """What takes away what was saved of an object's state, so that it is opened from its history.

    Of a document nothing is left of it; of others it does not count any more.
    """
    states = [PutValue(STATES, object_id + part, None) for part in DOCUMENT_PARTS]
    return [PutValue(CHECKPOINTS, object_id, None), *states]


class LocalState:
    """See the module's text."""

    def __init__(self, replica: Replica, local: LocalKey, random: Random) -> None:
        self._replica = replica
        self._local = local
        self._random = random
        self._stated = False
        self._under_way: dict[bytes, bytes | None] = {}
        """Parts of the state that were handed out, and are not durable yet: a full disk may refuse them."""

    def batch(self, summary: Summary, unverified: SnapshotPlace | None) -> tuple[Batch, Callable[[], None]]:
        """What saves it, and what is to be called once that is durable.

        Local changes that are in the state but not durable yet are written before it: a state must
        never hold something that neither journal nor segments have.
        """
        replica = self._replica
        batch: Batch = []
        while (collected := replica.journal_pending()) is not None:
            batch += collected.batch
        states = replica.fold.dirty_state()
        self._under_way |= states
        for part, state in states.items():
            key = replica.object + part
            batch.append(
                put_state(self._local, STATES, key, state, self._random)
                if state is not None
                else PutValue(STATES, key, None)
            )
            self._stated = True
        journaled = replica.unsealed.last_in_fold if replica.fold.has_unsealed and self._stated else 0
        checkpoint = encode_checkpoint(
            replica.order, summary.modified, unverified, stated=self._stated, journaled=journaled
        )
        for space, plaintext in ((CHECKPOINTS, checkpoint), (SUMMARIES, summary.encode())):
            batch.append(put_state(self._local, space, replica.object, plaintext, self._random))
        return batch, partial(self._saved, states)

    def _saved(self, states: Mapping[bytes, bytes | None]) -> None:
        for key, state in states.items():
            if key in self._under_way and self._under_way[key] is state:
                del self._under_way[key]

    def _part(self, key: bytes) -> bytes | None:
        """A part of the state, as it was last handed out or saved. Raises Damaged."""
        if key in self._under_way:
            return self._under_way[key]
        return saved_state(self._replica.store, self._local, STATES, self._replica.object + key)

    def is_whole(self) -> bool:
        """Whether all that was saved can be read: some of it is not looked at before somebody needs it."""
        store, start = self._replica.store, self._replica.object
        try:
            for key in store.keys(STATES, start, start + _END, _MOST):
                saved_state(store, self._local, STATES, key)
        except Damaged:
            return False
        return True

    def load(self) -> Known | None:
        """Takes back what ``batch`` saved; what came after it has to be delivered. None where nothing is.

        Raises:
            Damaged: something of it is; make it anew, and replay the segments if need be.
        """
        replica = self._replica
        try:
            checkpoint = saved_state(replica.store, self._local, CHECKPOINTS, replica.object)
            self._stated = replica.fold.load_state(self._part)
            if checkpoint is None:
                return None
            known = restore_checkpoint(replica.order, checkpoint)
            if known.stated and not self._stated:
                raise Damaged("the state that belongs to it is gone")
            replica.unsealed.in_state = known.journaled
        except (Damaged, RemoteProtocolError) as error:
            raise Damaged(f"the local state is damaged ({error}) and is rebuilt from the segments") from None
        return known
