"""The past of documents: the part of a workspace that is about it."""

from __future__ import annotations

import asyncio

from ..documents import difference
from ..errors import Damaged, Offline, UsageError
from .api import Passage, Version
from .document_past import DocumentPast
from .engine import Engine
from .folds import DocumentFold
from .open_object import OpenObject


class LocalPast:
    """Implements that part of ``Workspace``."""

    engine: Engine

    async def document_versions(self, path: str) -> list[Version]:
        past = await self._past(path)
        return await asyncio.to_thread(past.versions)

    async def document_at(self, path: str, version: str) -> str:
        past = await self._past(path)
        return await asyncio.to_thread(past.text, version)

    async def blame(self, path: str, version: str = "now") -> list[Passage]:
        past = await self._past(path)
        return await asyncio.to_thread(past.passages, version)

    async def restore_document(self, path: str, version: str) -> None:
        opened, fold = self._open_document(path)
        opened.live.replica.check_may_write()
        then = await self.document_at(path, version)
        fold.document.edit_each(difference(fold.document.text, then))
        await opened.live.durable()

    def _open_document(self, path: str) -> tuple[OpenObject, DocumentFold]:
        opened = self.engine.find(path)
        if not isinstance(opened.fold, DocumentFold):
            raise UsageError(f"{path!r} is no document")
        return opened, opened.fold

    async def _past(self, path: str) -> DocumentPast:
        """All that is stored, delivered once more in a thread; as long as opening without a checkpoint."""
        opened, _ = self._open_document(path)
        live = opened.live
        if live.unverified or live.incomplete:
            raise Offline(f"the history of {path!r} is not all here yet; nothing was changed")
        unsealed = [*live.replica.journaled, *live.replica.pending]
        # What was sealed is read from the store, so it has to be there.
        await asyncio.wrap_future(live.replica.store.write([]))
        try:
            recorded = await asyncio.to_thread(self.engine.stored.record, opened)
        except Damaged as damage:
            self.engine.start_over(live.id, damage)
            raise
        recorded.take_unsealed(unsealed, live.replica.author)
        return DocumentPast(recorded, self.engine.mailroom.book.names())
