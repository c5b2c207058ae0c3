# ruff: noqa: SLF001 aioice gives sockets only by private names.
"""Asking a STUN server from where it sees this machine, and waiting for it no longer than needed.

aioice waits for answers to all of a machine's addresses, although some, as those of containers, reach nobody;
and each time anew for a server that never answers, as where a firewall lets no UDP through.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

GATHER_SECONDS: Final = 1

GRACE_SECONDS: Final = 0.1
"""For other addresses, after the first answer: a machine with two ways out has two."""

SILENT_SECONDS: Final = 60.0
"""So long a server that did not answer is not asked again from the same addresses."""


class StunServers:
    """Remembers which did not answer, and to which addresses: in another network they may."""

    def __init__(self) -> None:
        self._silent: dict[tuple[tuple[str, int], frozenset[str]], float] = {}

    async def ask(self, connection: Any) -> list[Any]:
        """Server reflexive candidates for an ``aioice.Connection`` whose sockets are open."""
        loop, server, sockets = asyncio.get_running_loop(), connection.stun_server, _sockets(connection)
        way = server, frozenset(protocol.local_candidate.host for protocol in sockets)
        if server is None or self._silent.get(way, 0.0) > loop.time():
            return []
        found: list[Any] = []
        asked = {loop.create_task(_ask(protocol, server, found)) for protocol in sockets}
        waiting, end = asked, loop.time() + GATHER_SECONDS
        try:
            while waiting and loop.time() < end:
                _, waiting = await asyncio.wait(
                    waiting, timeout=end - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
                if found:
                    end = min(end, loop.time() + GRACE_SECONDS)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if asked and not found:
            self._silent = {each: until for each, until in self._silent.items() if until > loop.time()}
            self._silent[way] = loop.time() + SILENT_SECONDS
        return found


async def ask_again(connection: Any) -> None:
    """Asks the server once more from each socket: a NAT keeps what it answered."""
    asked = [_ask(protocol, connection.stun_server, []) for protocol in _sockets(connection)]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHER_SECONDS):
            await asyncio.gather(*asked)


def _sockets(connection: Any) -> list[Any]:
    hosts = [protocol for protocol in connection._protocols if protocol.local_candidate.type == "host"]
    return [protocol for protocol in hosts if ":" not in protocol.local_candidate.host]


async def _ask(protocol: Any, server: tuple[str, int], found: list[Any]) -> None:
    from aioice.ice import server_reflexive_candidate
    from aioice.stun import TransactionError

    with contextlib.suppress(TransactionError, OSError, KeyError):  # it says nothing, or nonsense
        candidate, _ = await server_reflexive_candidate(protocol, server)
        found.append(candidate)
