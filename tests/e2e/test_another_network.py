"""What failed while there was no way is tried at once when there may be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from peergos_collab.workspace import mail_reader, network
from support.homes import RELAYED, until, world


async def test_nothing_waits_for_its_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of objects and of mailboxes, which would be tried again in hours."""
    for module in (network, mail_reader):
        monkeypatch.setattr(module, "RETRY_SECONDS", (10_000.0, 10_000.0))
    async with world(tmp_path) as made:
        node, ana = await made.node(), await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await node.close()
        made.nodes.clear()
        await ana.workspace.go_online(RELAYED)
        reader, online = ana.engine.mailroom.reader, ana.engine.online
        await until(lambda: reader.caught_up() and not reader._done, ana)
        assert online.network is not None
        links = online.network.links.values()
        await until(lambda: all(link.problem for link in links), ana)

        await made.node(port=int(node.address.rsplit(":", 1)[1]))
        online.changed_place(moved=False)
        await until(lambda: bool(reader._done) and all(link.connected for link in links), ana)
