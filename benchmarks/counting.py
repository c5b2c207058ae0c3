"""Counts the bytes that a workspace gives to its connections, by the kind of connection."""

from __future__ import annotations

from collections import Counter
from typing import Any


def count_bytes(workspace: Any) -> Counter[str]:
    """Counts from now on, for connections made after this call."""
    counted: Counter[str] = Counter()
    engine = workspace.engine
    transport, peers = engine.transport, engine.peers
    engine.transport = _CountedTransport(transport, counted)
    engine.peers = lambda: _CountedPeers(peers(), counted)
    return counted


class _Wrapped:
    """Everything but what a subclass defines goes to the thing wrapped."""

    def __init__(self, inner: Any, counted: Counter[str]) -> None:
        self._inner = inner
        self._counted = counted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _CountedConnection(_Wrapped):
    def send(self, message: bytes) -> None:
        self._counted[self._inner.kind] += len(message)
        self._inner.send(message)


class _CountedTransport(_Wrapped):
    async def connect(self, address: Any, **options: Any) -> Any:
        return _CountedConnection(await self._inner.connect(address, **options), self._counted)


class _CountedPeers(_Wrapped):
    async def offer(self, *arguments: Any) -> Any:
        return _CountedPending(await self._inner.offer(*arguments), self._counted)

    async def answer(self, *arguments: Any, **options: Any) -> Any:
        description, pending = await self._inner.answer(*arguments, **options)
        return description, _CountedPending(pending, self._counted)


class _CountedPending(_Wrapped):
    async def accept(self, answer: bytes, **options: Any) -> Any:
        return _CountedConnection(await self._inner.accept(answer, **options), self._counted)

    async def opened(self, **options: Any) -> Any:
        return _CountedConnection(await self._inner.opened(**options), self._counted)
