"""Which STUN servers are asked, and when not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from support.jumping_loop import in_no_time, passing
from transports import reflexive
from transports.reflexive import SILENT_SECONDS, StunServers


def test_one_that_does_not_answer_is_asked_again_after_a_while_or_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In another network it may be reached; there this machine has other addresses."""
    asked: list[str] = []

    async def ask(protocol: Any, *_: object) -> None:
        asked.append(protocol.local_candidate.host)
        await asyncio.Event().wait()  # for an answer that never comes

    monkeypatch.setattr(reflexive, "_ask", ask)
    server = "192.0.2.1", 1

    def at(*hosts: str) -> SimpleNamespace:
        sockets = [SimpleNamespace(local_candidate=SimpleNamespace(type="host", host=host)) for host in hosts]
        return SimpleNamespace(stun_server=server, _protocols=sockets)

    async def work() -> None:
        servers = StunServers()
        for where in (at("10.0.0.7"), at("10.0.0.7"), at("10.9.9.9"), at("10.9.9.9")):
            assert await servers.ask(where) == []
        assert asked == ["10.0.0.7", "10.9.9.9"]
        await passing(SILENT_SECONDS)
        await servers.ask(at("10.9.9.9"))
        assert asked == ["10.0.0.7", "10.9.9.9", "10.9.9.9"]
        assert len(servers._silent) == 1

    in_no_time(work())
