"""The past of documents: the part of a workspace that is about it."""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import Damaged, HistoryIncomplete, UsageError
from ..objects.payload import Kind
from .apart import write_apart
from .api import Compaction, Forgetting, Passage, Version
from .compacting import compact
from .document_past import DocumentPast
from .engine import Engine
from .folds import DocumentFold
from .forgetting import all_forgetting, forget
from .open_object import OpenObject


class LocalPast:
    """Implements that part of ``Workspace``. The past last read is kept: one looks at many versions of it."""

    engine: Engine
    _kept: tuple[Any, DocumentPast] | None = None

    async def document_versions(self, path: str) -> list[Version]:
        past = await self._past(path)
        return await asyncio.to_thread(past.versions)

    async def document_at(self, path: str, version: str) -> str:
        past = await self._past(path)
        return await asyncio.to_thread(past.text, version)

    async def blame(self, path: str, version: str = "now") -> list[Passage]:
        past = await self._past(path)
        return await asyncio.to_thread(past.passages, version)

    async def name_version(self, path: str, version: str, name: str) -> str:
        opened, _ = self._document(path)
        self.engine.devices.check_stands()
        opened.live.replica.check_may_write()
        opened.live.replica.unsealed.end_here()
        past = await self._past(path)
        by = opened.live.replica.author.principal
        id_, naming = await asyncio.to_thread(past.naming, version, name, by)
        if naming is not None:
            opened, _ = self._document(path)  # it may have been opened anew meanwhile
            opened.live.submit(naming.encode(), kind=Kind.NAME)
            await opened.live.durable()
        return id_

    async def restore_document(self, path: str, version: str) -> None:
        then = await self.document_at(path, version)
        opened, fold = self._document(path)  # only now: it may have been opened anew meanwhile
        self.engine.devices.check_stands()
        opened.live.replica.check_may_write()
        # Apart, so that it is a version by itself: what was before it can be found again.
        write_apart(opened, fold.document.state(), then)
        await opened.live.durable()

    async def compact_document(self, path: str) -> Compaction:
        opened, _ = self._document(path)
        self.engine.devices.check_stands()
        return await compact(self.engine, opened, path)

    async def forget_document(self, path: str, before: str = "") -> Forgetting:
        opened, _ = self._document(path)
        self.engine.devices.check_stands()
        within = None
        if before:
            past = await self._past(path)
            within = await asyncio.to_thread(past.delivered_at, before)
            opened, _ = self._document(path)  # it may have been opened anew meanwhile
        return await forget(self.engine, opened, path, within)

    async def forgetting(self, path: str) -> list[Forgetting]:
        opened, _ = self._document(path)
        return await all_forgetting(self.engine, opened)

    def _document(self, path: str) -> tuple[OpenObject, DocumentFold]:
        opened = self.engine.find(path)
        if not isinstance(opened.fold, DocumentFold):
            raise UsageError(f"{path!r} is no document")
        return opened, opened.fold

    async def _past(self, path: str) -> DocumentPast:
        """All that is stored, delivered once more in a thread; as long as opening without a checkpoint."""
        opened, fold = self._document(path)
        live = opened.live
        if live.unverified or live.incomplete:
            raise HistoryIncomplete(f"the history of {path!r} is not all here yet; nothing was changed")
        unsealed = list(live.replica.unsealed)
        state = live.id, dict(live.replica.order.applied), [(each.run, each.number) for each in unsealed]
        names = self.engine.mailroom.book.names()
        if self._kept is not None and self._kept[0] == (state, names):
            return self._kept[1]
        # What was sealed is read from the store, so it has to be there.
        await asyncio.wrap_future(live.replica.store.write([]))
        try:
            if fold.document.in_doubt:
                fold.document.prove()  # once for all is quicker than for each update of the history
            recorded = await asyncio.to_thread(self.engine.stored.record, opened)
        except Damaged as damage:
            self.engine.start_over(live.id, damage)
            raise
        recorded.take_unsealed(unsealed, live.replica.author)
        past = await asyncio.to_thread(DocumentPast, recorded, names)
        self._kept = (state, names), past
        return past
