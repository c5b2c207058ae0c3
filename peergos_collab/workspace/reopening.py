"""Opening an object once more in one run: from its history, as another member, or after damage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..codec.ids import EpochId, ObjectId
from ..errors import Damaged
from ..objects.epoch_keys import EpochKeys
from ..objects.operations import Actor
from ..ports import Batch, PutValue
from ..sync.logbook import LogBook
from .local_state import CHECKPOINTS
from .open_object import PROFILE_PATH, OpenObject
from .references import ObjectReference

if TYPE_CHECKING:
    from .engine import Engine


class Reopening:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def anew(self, opened: OpenObject) -> None:
        """Opens an object from its history alone; handles of the old one take no more edits."""
        replica = opened.live.replica
        self._replace(opened, replica.keys, replica.actor, opened.live.nodes)

    def as_member(self, opened: OpenObject, reference: ObjectReference) -> OpenObject:
        """Opens an object as another member, from its history; handles of the old one take no more edits."""
        engine, capability = self._engine, reference.capability
        keys = {**opened.live.replica.keys, capability.epoch: capability.keys}
        actor = reference.actor(engine.keys.credentials)
        return self._replace(opened, keys, actor, engine.nodes_of(reference))

    def _replace(
        self,
        opened: OpenObject,
        keys: Mapping[EpochId, EpochKeys],
        actor: Actor,
        nodes: tuple[str, ...],
    ) -> OpenObject:
        engine, replica = self._engine, opened.live.replica
        opened.live.failed = True
        engine.store.write(_journaled(opened))
        book = LogBook.load(replica.object, engine.store)
        engine.forget(replica.object)
        anew = engine.stored.build(opened.path, book, replica.fold.kind, keys, actor)
        anew.live.nodes, anew.live.replica.problems = nodes, replica.problems
        anew.live.modified = opened.live.modified
        engine.use(anew)
        anew.live.save()
        engine.online.bring(anew)
        engine.online.refresh()
        return anew

    def start_over(self, object_id: ObjectId, damage: Damaged) -> None:
        """Opens an object anew after a repair: something stored of it turned out to be damaged while in use.

        Raises:
            Damaged: it cannot be opened either.
        """
        engine = self._engine
        opened = engine.objects.get(object_id)
        if opened is None:
            raise damage
        engine.store.write([*_journaled(opened), PutValue(CHECKPOINTS, object_id, None)])
        engine.forget(object_id)
        engine.stored.distrust(object_id, damage)
        if opened.path == PROFILE_PATH:
            engine.open_profile()
        else:
            engine.find(opened.path)
        engine.objects[object_id].live.save()
        engine.online.refresh()


def _journaled(opened: OpenObject) -> Batch:
    """What was typed and is on its way to nowhere yet."""
    batch: Batch = []
    while (collected := opened.live.replica.journal_pending()) is not None:
        batch += collected.batch
    return batch
