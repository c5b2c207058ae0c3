"""Two homes and one node: edits reach the other directly and through the node."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from peergos_collab.crypto import SigningKey
from peergos_collab.sync.receipts import Receipt
from peergos_collab.workspace.api import Event
from support.homes import DIRECT, RELAYED, Person, agree, online, until, world

ROUNDS = 10


async def changes(person: Person, path: str, count: int) -> list[Event]:
    seen = []
    async for event in person.workspace.events(path):
        if event.event == "change":
            seen.append(event)
            if len(seen) == count:
                return seen
    raise AssertionError


async def both_ways(path: str, ana: Person, ben: Person) -> list[Event]:
    """They type in turns, each waiting for the other; what each was told."""
    told = []
    for one, other in ((ana, ben), (ben, ana)):
        seen = asyncio.create_task(changes(other, path, ROUNDS))
        await asyncio.sleep(0)
        for number in range(ROUNDS):
            one.append(path, f"{one.home.name} {number}. ")
            await agree(path, ana, ben)
        async with asyncio.timeout(60):
            told += await seen
    return told


def expected() -> str:
    return "begin. " + "".join(f"{name} {n}. " for name in ("Ana", "Ben") for n in range(ROUNDS))


async def test_live_over_webrtc(tmp_path: Path) -> None:
    """Edits of either reach the other over the data channel, and the events say so."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address, text="begin. ")
        await online("notes", DIRECT, ana, ben)

        # Otherwise the node carries them too, and may be first.
        with node.paused():
            told = await both_ways("notes", ana, ben)

        assert {event.via for event in told} == {"webrtc"}
        assert [event.author for event in told] == ["Ana"] * ROUNDS + ["Ben"] * ROUNDS
        assert ana.text("notes") == expected()
        status = await ben.workspace.status()
        assert (status.objects[0].connection, status.peers) == ("direct", 1)


async def test_live_through_the_node(tmp_path: Path) -> None:
    """Without WebRTC the same edits go through the node, which is another process."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address, text="begin. ")
        await online("notes", RELAYED, ana, ben)

        told = await both_ways("notes", ana, ben)

        assert {event.via for event in told} == {"node"}
        assert ana.text("notes") == expected()
        assert (await ana.workspace.status()).objects[0].connection == "node"


async def test_whoever_forbids_direct_connections_forbids_them_for_all(tmp_path: Path) -> None:
    """Of several that stay online in one home the most careful one wins, for as long as it stays."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address, text="begin. ")
        await online("notes", DIRECT, ana, ben)

        await ana.engine.online.stay(RELAYED)

        assert ana.engine.find("notes").mesh is None
        told = await both_ways("notes", ana, ben)
        assert {event.via for event in told} == {"node"}
        await ana.engine.online.leave(RELAYED)
        await until(lambda: all(p.live_over("notes", "webrtc") for p in (ana, ben)), ana, ben)


async def test_a_receipt_may_come_before_what_it_is_for(tmp_path: Path) -> None:
    """A node signs for all it has at once, and sends it bit by bit: it counts for what comes later."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address, text="begin. ")
        ana.append("notes", "more. ")
        await ana.workspace.sync()
        book, live = ana.opened("notes").live.replica.book, ben.opened("notes").live
        key = SigningKey.generate(os.urandom)
        await ben.workspace.sync()
        ana.append("notes", "and more. ")
        await ana.workspace.sync()
        assert live.saved_on(node.address)

        live.take_receipt(node.address, Receipt.issue(key, live.id, 1 << 50, book.tips(), book.epochs), 0)
        assert not live.saved_on(node.address)
        for branch in book.numbered.values():
            live.take_segments(book.read(branch, branch.first, 1 << 20), "memory", None)
        assert live.saved_on(node.address)
