"""How addresses are gathered: with a deadline, and 127.0.0.1 where there is nothing else.

aioice leaves out 127.0.0.1, so two processes on a machine without a network would not find each
other, and it waits 5 s for a STUN server that does not answer. Both are arguments of one method
of its connection, which is replaced here on the one object, not in the library.
"""

from __future__ import annotations

from typing import Any, Final

GATHER_SECONDS: Final = 1


def gather_quickly(connection: Any, *, relay_only: bool) -> None:
    """Makes an ``aioice.Connection`` gather for at most a second, on loopback if need be."""
    gather = connection.get_component_candidates

    async def gather_here(component: int, addresses: list[str], timeout: float = 0) -> list[Any]:
        if not addresses and not relay_only:
            addresses = ["127.0.0.1"]
        found: list[Any] = await gather(component=component, addresses=addresses, timeout=GATHER_SECONDS)
        return found

    connection.get_component_candidates = gather_here
