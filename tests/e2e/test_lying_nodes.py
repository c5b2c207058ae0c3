"""Nodes that have less than they signed for, or do not show everybody the same: found out and made whole."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from peergos_collab.codec import decode_untrusted
from peergos_collab.crypto import VerifyKey
from peergos_collab.node import RunningNode
from peergos_collab.ports import Connection
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import ReceiptsShown
from peergos_collab.workspace import link_events
from peergos_collab.workspace.api import NodeFault
from peergos_collab.workspace.told import name_of, pin_of
from support.homes import DIRECT, RELAYED, NodeProcess, Person, until, world
from support.lying_nodes import lies


def read(fault: NodeFault) -> tuple[list[Receipt], Receipt]:
    """The receipts of a fault, as anybody reads them who is shown them."""
    receipts = []
    for raw in fault.receipts:
        _, key, *fields = decode_untrusted(bytes.fromhex(raw), 1 << 20)
        receipts.append(Receipt.parse_untrusted(fields).verify(VerifyKey(key)))
    return receipts[:-1], receipts[-1]


def database(node: NodeProcess) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in node.home.glob("node.db*")}


def set_back(node: NodeProcess, before: dict[Path, bytes]) -> None:
    for file in database(node):
        file.unlink()
    for file, data in before.items():
        file.write_bytes(data)


async def test_a_node_that_was_set_back(tmp_path: Path) -> None:
    """An older copy of its database takes nothing from anybody: that is told, proved, and it gets the rest
    again. What it signed before is remembered over restarts of the device, and so is what was found."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address, text="early. ")
        await node.stop()
        before = database(node)
        node = await node.again()
        ana.append("notes", "late. ")
        await ana.workspace.sync()
        await made.close(ana)
        await node.stop()
        set_back(node, before)
        node = await node.again()
        made.nodes.append(node)

        await ben.workspace.sync()
        assert ben.text("notes") == "early. "
        ana = await made.person("Ana")
        await ana.workspace.sync()
        await ben.workspace.sync()
        assert ana.text("notes") == ben.text("notes") == "early. late. "

        ana = await made.reopen(ana)
        (told,) = [words for words in await ana.problems() if "signed that it keeps" in words]
        assert told.startswith(f"notes: the node {node.address} signed that it keeps a saved piece by you")
        assert "has it again" in told
        (fault,) = (await ana.workspace.check()).nodes
        assert (fault.path, fault.node, fault.proved, fault.pieces) == ("notes", node.address, True, 1)
        (had,), lacks = read(fault)
        assert had.number < lacks.number
        assert had.key == lacks.key
        assert max(tip.seq for tip in had.tips) > max(tip.seq for tip in lacks.tips)
        assert await ben.problems() == []


def hide(node: RunningNode, last: Tip, victim: Person) -> None:
    """From here on the node keeps from somebody what follows in a log, in its receipts, too."""

    def show(tip: Tip) -> Tip:
        return last if tip.log == last.log else tip

    def send(session: Session, connection: Connection) -> None:
        links = victim.engine.online.network.links.values() if victim.engine.online.network else ()
        lied_to = session._their_nonce in {each.link.session._nonce for each in links if each.link}
        for frame in session.take_outgoing():
            for sent in lies(frame, show, node._shelf.receipt_key) if lied_to else [frame]:
                connection.send(sent)

    node._send = send  # type: ignore[method-assign]


@pytest.mark.parametrize("asked", [False, True])
async def test_a_node_that_hides_a_log_from_one(
    tmp_path: Path, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the two meet directly, he who was kept from it has it, both are told which node it was, and each
    has the receipts that prove it, after a restart too. Where it told him nothing since, it is asked."""
    questions: list[object] = []
    ask = Session.get_receipt
    monkeypatch.setattr(Session, "get_receipt", lambda *the: questions.append(the) or ask(*the))
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="begin. ")
        await ana.workspace.sync()
        (last,) = ana.opened("notes").live.replica.book.tips()
        hide(node, last, ben)
        if asked:
            await ben.workspace.go_online(DIRECT)
            await until(lambda: ben.live_over("notes", "node"), ben)
        ana.append("notes", "hidden. ")
        await ana.workspace.sync()
        if not asked:
            await ben.workspace.sync()
        assert ben.text("notes") == "begin. "
        assert await ana.problems() == await ben.problems() == []

        await ana.workspace.go_online(DIRECT)
        await ben.workspace.go_online(DIRECT)
        await until(lambda: ben.text("notes") == "begin. hidden. ", ana, ben, what="met directly")
        await until(lambda: all(p.opened("notes").live.receipts.told.faults() for p in (ana, ben)), ana, ben)
        assert bool(questions) == asked
        ana, ben = await made.reopen(ana), await made.reopen(ben)
        await both_know(node, last, ana, ben)


async def test_what_is_shown_again_and_again_asks_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member and a node that work together could else have everybody ask it for each short message."""
    monkeypatch.setattr(link_events, "DOUBT_SECONDS", 0)
    questions, asked = list[object](), asyncio.Event()
    monkeypatch.setattr(Session, "get_receipt", lambda *the: questions.append(the) or asked.set())
    async with world(tmp_path) as made:
        node = await made.node()
        _, ben = await made.pair(node.address, text="begin. ")
        await ben.workspace.go_online(RELAYED)
        await until(lambda: ben.live_over("notes", "node"), ben)
        live, key = ben.opened("notes").live, node._shelf.receipt_key
        (last,) = live.replica.book.tips()
        receipt = Receipt.issue(key, live.id, 2**52, [replace(last, seq=99)])
        name = name_of(pin_of(node.address), live.id)
        for _ in range(3):
            unverified = [Receipt.parse_untrusted(receipt.fields())]
            shown = ReceiptsShown(live.id, name, key.public, unverified)
            ben.engine.link_events.on_shown(live, shown, lambda _: None)
        await asyncio.wait_for(asked.wait(), 20)
    assert len(questions) == 1


async def test_a_node_is_found_out_by_way_of_another(tmp_path: Path) -> None:
    """Two who never connect directly, but both use an honest node as well: it carries what they show."""
    async with world(tmp_path) as made:
        good, node = await made.node("good"), await made.node("bad")
        ana, ben = await made.pair(node.address, text="begin. ")
        for person in (ana, ben):
            await person.workspace.add_node(good.address)
            await person.workspace.sync()
        (last,) = ana.opened("notes").live.replica.book.tips()
        hide(node, last, ben)
        ana.append("notes", "hidden. ")
        await ana.workspace.sync()
        for person in (ben, ana):
            await person.workspace.go_online(RELAYED)

        await until(lambda: ben.text("notes") == "begin. hidden. ", ana, ben, what="the honest node's")
        await until(lambda: all(p.opened("notes").live.receipts.told.faults() for p in (ana, ben)), ana, ben)
        await both_know(node, last, *[await made.reopen(person) for person in (ana, ben)])


async def both_know(node: RunningNode, last: Tip, ana: Person, ben: Person) -> None:
    """Each says which node it was, of which object and what, and can prove it."""
    for person, words in ((ana, "signed to you"), (ben, "signed to another member")):
        (told,) = await person.problems()
        assert told.startswith(f"notes: the node {node.address} {words} that it keeps a saved piece by")
        (fault,) = (await person.workspace.check()).nodes
        assert (fault.path, fault.node, fault.proved, fault.pieces) == ("notes", node.address, True, 1)
        before, lacks = read(fault)
        assert last in lacks.tips
        for had in before:
            assert had.number < lacks.number
            assert had.key == lacks.key == node._shelf.receipt_key.public
            assert {tip.seq for tip in had.tips if tip.log == last.log} == {last.seq + 1}
