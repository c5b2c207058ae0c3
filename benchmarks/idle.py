"""What a connection costs a node that does nothing: memory of its process for each, over TLS.

Two counts: connections that only said hello, and such that have one and the same document open.
"""

from __future__ import annotations

from .crowd import Member, Shared, gather
from .processes import Talk, child, scratch
from .report import Report

SEED = 3
CONNECTIONS = 500
WARM_UP = 20
"""Connections before it is counted: the first ones load and build what all share."""


async def idlers(talk: Talk, address: str) -> None:
    """Holds as many connections as it is told, [how many, whether with a document], until the end."""
    shared = Shared(SEED)
    held: list[Member] = []
    talk.say("here")
    while True:
        number, opens = await talk.listen()
        held += await gather(
            address,
            number,
            lambda connection, opens=opens: Member(connection, shared, shared.book(), opens=opens),  # type: ignore[misc]
        )
        talk.say(len(held))


async def measure(number: int = CONNECTIONS) -> Report:
    report = Report(f"idle: memory of a node for each of {number} connections, TLS")
    with scratch() as place:
        for name, opens, target in (("that said hello", False, "<= 40"), ("with a document open", True, "")):
            home = place / f"node{opens}"
            async with child("crowd", "node", home=str(home)) as node:
                address = await node.hear()
                async with child("idle", "idlers", address=address) as idle:
                    await idle.hear()
                    await idle.ask([WARM_UP, opens])
                    _, before = await node.ask()
                    await idle.ask([number, opens])
                    _, after = await node.ask()
            report.add(f"a connection {name}", (after - before) / number, "KiB", target)
    return report
