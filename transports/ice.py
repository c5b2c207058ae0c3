# ruff: noqa: SLF001 aioice gives sockets, checks and who called only by private names.
"""What is done otherwise than aioice does it: gathering, and when an answerer begins.

Its methods are replaced on the one connection, not in the library.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from .reflexive import GATHER_SECONDS, StunServers, ask_again

MAPPING_SECONDS: Final = 15.0
"""Shorter than what any NAT in use keeps (RFC 4787 asks for two minutes, some keep half of one)."""

KNOCK_SECONDS: Final = (0.25, 5.0)
"""First and longest pause between two knocks."""


def gather_quickly(connection: Any, servers: StunServers, *, relay_only: bool) -> None:
    """Makes an ``aioice.Connection`` gather for at most a second, on loopback if need be.

    It leaves out 127.0.0.1, so two processes on a machine without a network would not find each other, and
    it waits 5 s for a server that does not answer.
    """
    gather = connection.get_component_candidates

    async def gather_here(component: int, addresses: list[str], timeout: float = 0) -> list[Any]:
        if not addresses and not relay_only:
            addresses = ["127.0.0.1"]
        server, connection.stun_server = connection.stun_server, None
        found: list[Any] = await gather(component=component, addresses=addresses, timeout=GATHER_SECONDS)
        connection.stun_server = server
        return found + await servers.ask(connection)

    connection.get_component_candidates = gather_here


async def until_called(connection: Any) -> None:
    """Returns once the offerer, who has the answer by then, sends a check; lasts until cancelled.

    An answer may be carried over by people. ICE gives up who sends checks meanwhile after 40 s, and before
    that repeats them so rarely that the other would wait for him. So he only knocks: a STUN indication, to
    which nobody answers, opens his side of a NAT.
    """
    from aioice.stun import Class, Message, Method

    called = asyncio.Event()
    take = connection.request_received

    def request_received(*request: Any) -> None:
        take(*request)
        if connection._early_checks:  # a false one is refused, and not kept
            called.set()

    connection.request_received = request_received
    pause, longest = KNOCK_SECONDS
    while not connection._early_checks:
        for protocol in connection._protocols:
            for remote in connection.remote_candidates:
                if protocol.local_candidate.can_pair_with(remote):
                    knock = Message(message_method=Method.BINDING, message_class=Class.INDICATION)
                    protocol.send_stun(knock, (remote.host, remote.port))
        try:
            async with asyncio.timeout(pause):
                await called.wait()
        except TimeoutError:
            pause = min(longest, 2 * pause)


async def keep_mapped(connection: Any) -> None:
    """Asks the STUN server, if there is one, again and again until cancelled: a NAT keeps what it answered.

    For an offerer: his offer may be minutes on its way, and NATs forget within one.
    """
    while connection.stun_server is not None:
        await asyncio.sleep(MAPPING_SECONDS)
        await ask_again(connection)
