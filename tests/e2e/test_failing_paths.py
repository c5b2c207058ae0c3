"""Paths that die: the data channel without a word, the node by SIGKILL, the node's database."""

from __future__ import annotations

from pathlib import Path

import pytest

import transports.heartbeat
from peergos_collab.workspace import Role, network, peers, presence
from support.homes import DIRECT, NodeProcess, agree, drop_packets, online, until, world


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machinery with shorter times."""
    monkeypatch.setattr(peers, "RETRY_SECONDS", (0.2, 2.0))
    monkeypatch.setattr(network, "RETRY_SECONDS", (0.1, 0.5))


@pytest.fixture
def _watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data channels are missed early; a machine that stands still meanwhile is no reason."""
    monkeypatch.setattr(transports.heartbeat, "LOST_AFTER", 0.9)
    monkeypatch.setattr(transports.heartbeat, "PING_AFTER", 0.3)
    monkeypatch.setattr(transports.heartbeat, "STALL", 0.3)
    monkeypatch.setattr(presence, "HERE_SECONDS", 0.5)


@pytest.mark.usefixtures("_watchful")
async def test_a_data_channel_that_dies_silently(tmp_path: Path) -> None:
    """Editing goes on through the node, what is shown is true, and the data channel comes back by itself."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address)
        await online("notes", DIRECT, ana, ben)
        ana.append("notes", "direct, ")
        await agree("notes", ana, ben)
        for person in (ana, ben):
            drop_packets(person, "notes")

        ana.append("notes", "into the dark, ")
        await agree("notes", ana, ben)
        ben.append("notes", "and back, ")
        await agree("notes", ana, ben)
        await until(lambda: ana.ways("notes") == ben.ways("notes") == {"node"}, ana, ben, what="loss noticed")
        for person in (ana, ben):
            await person.workspace.read_document("notes")  # flushed here, too
            state = (await person.workspace.status()).objects[0]
            assert (state.connection, state.peers) == ("node", 0)
        ana.append("notes", "through the node, ")
        await agree("notes", ana, ben)

        await until(lambda: ana.live_over("notes", "webrtc") and ben.live_over("notes", "webrtc"), ana, ben)
        ben.append("notes", "direct again.")
        assert (
            await agree("notes", ana, ben)
            == "direct, into the dark, and back, through the node, direct again."
        )
        assert (await ana.workspace.status()).objects[0].connection == "direct"
        assert await ana.problems() == await ben.problems() == []


async def test_a_node_that_is_killed(tmp_path: Path) -> None:
    """Peers go on directly; nothing is called saved that the node did not sign for; later all gets there."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address)
        await online("notes", DIRECT, ana, ben)
        ana.append("notes", "before, ")
        await until(lambda: ana.saved_on("notes", node.address), ana)
        await node.kill()
        await until(
            lambda: ana.ways("notes") == ben.ways("notes") == {"webrtc"}, ana, ben, what="loss of the node"
        )

        ana.append("notes", "without, ")
        await agree("notes", ana, ben)
        ben.append("notes", "the node, ")
        await agree("notes", ana, ben)
        for person in (ana, ben):
            await person.workspace.read_document("notes")  # flushed here, too
            state = (await person.workspace.status()).objects[0]
            assert (state.saved, state.connection) == (("here",), "direct")
        assert not (await ana.workspace.status()).nodes[0].connected
        assert (await ana.workspace.status()).nodes[0].problem

        again = await node.again()
        made.nodes.append(again)
        await until(
            lambda: ana.saved_on("notes", node.address) and ben.saved_on("notes", node.address), ana, ben
        )
        links = ana.engine.online.network.links.values() if ana.engine.online.network else ()
        await until(lambda: all(link.connected for link in links), ana, what="all circles back")
        assert (await ana.workspace.status()).nodes[0].problem == ""
        cleo = await made.person("Cleo")
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.READER))
        assert cleo.text("notes") == "before, without, the node, "


async def test_a_node_that_lost_its_database(tmp_path: Path) -> None:
    """It gets everything again, and until then nobody says that it has it."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address, text="kept here. ")
        await online("notes", DIRECT, ana, ben)
        await until(lambda: ben.saved_on("notes", node.address), ben)
        await node.kill()
        for file in node.home.glob("node.db*"):
            file.unlink()

        again = await NodeProcess.start(node.home, node.port)
        made.nodes.append(again)
        ben.append("notes", "and more.")
        await until(
            lambda: all(
                p.live_over("notes", "node") and p.saved_on("notes", node.address) for p in (ana, ben)
            ),
            ana,
            ben,
            what="the node has it again",
        )
        await agree("notes", ana, ben)
        cleo = await made.person("Cleo")
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.READER))
        assert cleo.text("notes") == "kept here. and more."
        # Whoever came back first was told; by then the other found everything in its place.
        told = f"notes: the node {node.address} signed that it keeps "
        problems = await ana.problems() + await ben.problems()
        assert any(words.startswith(told) and "the node has it again" in words for words in problems)
