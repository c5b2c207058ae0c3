"""Opening an object from its history: where no state of it is saved, as another member, or after damage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..codec.ids import EpochId, ObjectId
from ..errors import Damaged, PeergosCollabError, Quarantined
from ..files.entries import EntryView
from ..objects.epoch_keys import EpochKeys
from ..objects.operations import Actor
from ..objects.payload import Kind
from ..ports import Batch
from ..sync.logbook import LogBook
from ..sync.replica import Replica
from .local_state import removed_state
from .open_object import PROFILE_PATH, OpenObject
from .references import ObjectReference

if TYPE_CHECKING:
    from .engine import Engine


LONG: Final = 256
"""Segments that are folded in about 0.05 s: where there are more, that is not done while others wait."""

UNMENDED: Final = "{} It cannot be mended now ({}): what can still be read stays, and this is tried again"

TRIES: Final = 2
"""So often, if somebody asks for it meanwhile."""


class Reopening:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ahead: dict[ObjectId, asyncio.Task[None]] = {}
        self._overtaken: set[ObjectId] = set()
        self._folded_ahead: dict[ObjectId, tuple[EpochId, Replica]] = {}

    async def ahead(self, view: EntryView) -> None:
        """Before the object behind an entry is opened: where no state of it is saved and its history is long,
        that is folded in beside the rest.

        What is wrong with it is told where it is opened.
        """
        with suppress(PeergosCollabError):
            reference = ObjectReference.decode_untrusted(view.reference)
            object_id = reference.capability.object
            if object_id in self._engine.objects or object_id in self._folded_ahead:
                return
            if object_id not in self._ahead:
                if sum(branch.tip for branch in self._engine.store.branches(object_id)) <= LONG:
                    return  # without a look at its records, which are verified when it is opened
                if self._engine.stored.is_saved(object_id):
                    return
                book = self._engine.stored.book(object_id)
                if not _is_long(book):
                    return
                self._ahead[object_id] = asyncio.create_task(self._fold_ahead(reference, book))
            await asyncio.shield(self._ahead[object_id])

    async def _fold_ahead(self, reference: ObjectReference, book: LogBook) -> None:
        engine, capability = self._engine, reference.capability
        keys, kind = {capability.epoch: capability.keys}, Kind(capability.kind)
        actor = reference.actor(engine.keys.credentials)
        try:
            with suppress(PeergosCollabError):
                replica = await asyncio.to_thread(engine.stored.fold_all, book, kind, keys, actor)
                if book.object not in self._overtaken:
                    self._folded_ahead[book.object] = capability.epoch, replica
        finally:
            del self._ahead[book.object]
            self._overtaken.discard(book.object)

    def folded_ahead(self, object_id: ObjectId, epoch: EpochId) -> Replica | None:
        """What ``ahead`` made of an object that is opened now, if it was by the same keys."""
        by, replica = self._folded_ahead.get(object_id, (None, None))
        return replica if by == epoch else None

    def opened(self, object_id: ObjectId) -> None:
        """It is in use: what was folded ahead, or still is, lacks what comes to it from here on."""
        self._folded_ahead.pop(object_id, None)
        if object_id in self._ahead:
            self._overtaken.add(object_id)

    async def anew(self, opened: OpenObject) -> OpenObject:
        """Opens an object from its history alone; handles of the old one take no more edits."""
        replica, store = opened.live.replica, self._engine.store
        # Who asks for it meanwhile has it from its history, too.
        store.write(removed_state(replica.object))
        return await self._replace(opened, replica.keys, replica.actor, opened.live.nodes)

    async def as_member(self, opened: OpenObject, reference: ObjectReference) -> OpenObject:
        """Opens an object as another member, from its history; handles of the old one take no more edits."""
        engine, capability = self._engine, reference.capability
        keys = {**opened.live.replica.keys, capability.epoch: capability.keys}
        actor = reference.actor(engine.keys.credentials)
        return await self._replace(opened, keys, actor, engine.nodes_of(reference))

    async def _replace(
        self,
        opened: OpenObject,
        keys: Mapping[EpochId, EpochKeys],
        actor: Actor,
        nodes: tuple[str, ...],
    ) -> OpenObject:
        engine, before = self._engine, opened.live.replica
        replica = await self._folded(before.object, before.fold.kind, keys, actor)
        anew = engine.stored.ready(opened.path, replica)
        anew.live.replica.problems, anew.live.modified = before.problems, opened.live.modified
        self._use(anew, opened, nodes)
        return anew

    def _use(self, anew: OpenObject, before: OpenObject, nodes: tuple[str, ...]) -> None:
        engine, anew.entry = self._engine, before.entry
        if anew.path == PROFILE_PATH:
            engine.use_profile(anew)
        else:
            engine.use(anew)
            anew.live.nodes = nodes
        anew.live.save()
        engine.online.bring(anew)
        engine.online.refresh()

    async def _folded(
        self, object_id: ObjectId, kind: Kind, keys: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> Replica:
        """All that is stored of an object, which is not open any more."""
        engine, book = self._engine, self._stored(object_id)
        for _ in range(TRIES if _is_long(book) else 0):
            replica = await asyncio.to_thread(engine.stored.fold_all, book, kind, keys, actor)
            if object_id not in engine.objects:
                return replica
            book = self._stored(object_id)  # somebody asked for it meanwhile, and has it as it was
        return engine.stored.fold_all(book, kind, keys, actor)

    def _stored(self, object_id: ObjectId) -> LogBook:
        """What is stored of an object: nothing comes to it through who has it open now."""
        engine, opened = self._engine, self._engine.objects.get(object_id)
        if opened is not None:
            opened.live.failed = True
            engine.store.write(_journaled(opened))
            engine.forget(object_id)
        return LogBook.load(object_id, engine.store)

    def start_over(self, object_id: ObjectId, damage: Damaged) -> None:
        """Opens an object anew after a repair: something stored of it turned out to be damaged while in use.

        Where that fails, as on a full disk, it stays in use as it is, and says so.

        Raises:
            Damaged: it is not in use.
        """
        engine = self._engine
        opened = engine.objects.get(object_id)
        if opened is None:
            raise damage
        try:
            with suppress(Damaged, Quarantined):  # it may know more than is left, or be what is damaged
                opened.live.save()
            opened.live.journal()
            anew = engine.stored.mended(opened, damage)
        except Damaged as fault:
            problems, words = opened.live.replica.problems, UNMENDED.format(damage.message, fault.message)
            if words not in problems:
                problems.append(words)
            opened.live.kick()
            return
        engine.forget(object_id)
        self._use(anew, opened, opened.live.nodes)


def _is_long(book: LogBook) -> bool:
    return sum(branch.tip + 1 - branch.first for branch in book.numbered.values()) > LONG


def _journaled(opened: OpenObject) -> Batch:
    """What was typed and is on its way to nowhere yet."""
    batch: Batch = []
    while (collected := opened.live.replica.journal_pending()) is not None:
        batch += collected.batch
    return batch
