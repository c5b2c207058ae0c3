"""Nodes that have less than they signed for, or do not show everybody the same: found out and made whole."""

from __future__ import annotations

from pathlib import Path

from peergos_collab.codec import decode_untrusted
from peergos_collab.crypto import VerifyKey
from peergos_collab.sync.receipts import Receipt
from peergos_collab.workspace.api import NodeFault
from support.homes import NodeProcess, world


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
        assert "it has them again" in told
        (fault,) = (await ana.workspace.check()).nodes
        assert (fault.path, fault.node, fault.proved, fault.pieces) == ("notes", node.address, True, 1)
        (had,), lacks = read(fault)
        assert had.number < lacks.number
        assert had.key == lacks.key
        assert max(tip.seq for tip in had.tips) > max(tip.seq for tip in lacks.tips)
        assert await ben.problems() == []
