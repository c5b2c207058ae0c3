"""From ``share_with`` in A to the text in B's document, both online through one node, each a process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from peergos_collab.workspace import Options, Role, create_workspace, open_workspace

from .processes import Talk, child, scratch
from .report import Report, percentile

SHARES = 30
WARM_UP = 3
TEXT = "All happy families are alike; each unhappy family is unhappy in its own way.\n" * 20


async def sharer(talk: Talk, home: str) -> None:
    """Makes a document of each name it hears, shares it, and says when it began, in ns."""
    workspace = await open_workspace(Path(home))
    try:
        await workspace.go_online(Options(webrtc=False))
        talk.say("online")
        while True:
            name = await talk.listen()
            await workspace.new_document(name, TEXT)
            await asyncio.sleep(0.3)  # it is on the node before anybody thinks of sharing it
            began = time.perf_counter_ns()
            await workspace.share_with(name, "B", Role.WRITER)
            talk.say([began, time.perf_counter_ns()])
    finally:
        await workspace.close()


async def receiver(talk: Talk, home: str) -> None:
    """Says of each document that comes when its text could be read, in ns."""
    workspace = await open_workspace(Path(home))
    try:
        events = workspace.events()
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await workspace.go_online(Options(webrtc=False))
        talk.say("online")
        while True:
            event = await waiting
            waiting = asyncio.ensure_future(anext(events))
            if event.event == "joined":
                text, _ = await workspace.read_document(event.path)
                assert text == TEXT
                talk.say(time.perf_counter_ns())
    finally:
        await workspace.close()


async def make_friends(place: Path, address: str) -> None:
    """Homes ``a`` and ``b`` of A and B, who know each other and use the node."""
    for name in ("a", "b"):
        create_workspace(place / name, name=name.upper(), passphrase=None)
    a, b = await open_workspace(place / "a"), await open_workspace(place / "b")
    try:
        for one, other in ((a, b), (b, a)):
            await one.add_node(address)
            await one.add_contact(await other.contact_card())
        for one in (a, b, a):
            await one.sync()
    finally:
        await a.close()
        await b.close()


async def measure() -> Report:
    report = Report("sharing: share_with in A to readable text in B, both online through one node")
    delivered, returned = [], []
    with scratch() as place:
        async with child("people", "node", home=str(place / "node")) as node:
            await make_friends(place, await node.hear())
            async with (
                child("sharing", "sharer", home=str(place / "a")) as a,
                child("sharing", "receiver", home=str(place / "b")) as b,
            ):
                await asyncio.gather(a.hear(), b.hear())
                for number in range(WARM_UP + SHARES):
                    a.tell(f"document {number}")
                    (began, ended), came = await asyncio.gather(a.hear(), b.hear())
                    if number >= WARM_UP:
                        delivered.append((came - began) / 1e6)
                        returned.append((ended - began) / 1e6)
    note = f"{SHARES} shares; most {max(delivered):.0f}"
    report.add("delivered: p50", percentile(delivered, 0.5), "ms", "<= 150", note)
    report.add("delivered: p95", percentile(delivered, 0.95), "ms")
    report.add(
        "share_with returns: p50", percentile(returned, 0.5), "ms", "", "the node keeps the invitation"
    )
    return report
