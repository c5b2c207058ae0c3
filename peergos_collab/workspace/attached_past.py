"""The part of an attached workspace that is about the past of documents: it asks the engine."""

from __future__ import annotations

from typing import Any, Protocol

from .api import Compaction, Forgetting, Passage, Version
from .wire import from_wire


class _Calls(Protocol):
    async def call(self, method: str, *arguments: Any) -> Any: ...


class AttachedPast:
    """Implements that part of ``Workspace``."""

    _calls: _Calls

    async def document_versions(self, path: str) -> list[Version]:
        found: list[Version] = from_wire(list[Version], await self._calls.call("document_versions", path))
        return found

    async def document_at(self, path: str, version: str) -> str:
        return str(await self._calls.call("document_at", path, version))

    async def blame(self, path: str, version: str = "now") -> list[Passage]:
        found: list[Passage] = from_wire(list[Passage], await self._calls.call("blame", path, version))
        return found

    async def name_version(self, path: str, version: str, name: str) -> str:
        return str(await self._calls.call("name_version", path, version, name))

    async def restore_document(self, path: str, version: str) -> None:
        await self._calls.call("restore_document", path, version)

    async def compact_document(self, path: str) -> Compaction:
        found: Compaction = from_wire(Compaction, await self._calls.call("compact_document", path))
        return found

    async def forget_document(self, path: str, before: str = "") -> Forgetting:
        found: Forgetting = from_wire(Forgetting, await self._calls.call("forget_document", path, before))
        return found

    async def forgetting(self, path: str) -> list[Forgetting]:
        found: list[Forgetting] = from_wire(list[Forgetting], await self._calls.call("forgetting", path))
        return found
