"""What the disks of nodes and homes give away, and what a node sees of who belongs together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from peergos_collab.codec import to_multibase
from peergos_collab.identity.cards import mailbox_key
from peergos_collab.node import RunningNode
from peergos_collab.workspace import Role
from support.homes import DIRECT, RELAYED, Person, agree, online, until, world

ANA, BEN = "Annabel-Zwetschge", "Benedikt-Wacholder"
TITLE, CHAT = "Quarterly-merger-plans", "Kaffeekränzchen"
TEXT = "The password of the safe is written under the flowerpot, näher am Fenster."
MESSAGE = "Meet me at the lighthouse at midnight."
RUN = 8


def runs(*secrets: bytes) -> set[bytes]:
    """Every run of 8 bytes."""
    return {secret[at : at + RUN] for secret in secrets for at in range(len(secret) - RUN + 1)}


def found(files: Iterable[Path], needles: set[bytes]) -> set[bytes]:
    """Those of the needles that lie anywhere in the files."""
    seen: set[bytes] = set()
    for file in files:
        data = file.read_bytes()
        seen |= {data[at : at + RUN] for at in range(len(data) - RUN + 1)} & needles
    return seen


def contents() -> list[bytes]:
    return [word.encode() for word in (ANA, BEN, TITLE, CHAT, TEXT, MESSAGE)]


def forms(id_: bytes) -> list[bytes]:
    return [id_, id_.hex().encode(), id_.hex().upper().encode(), to_multibase(id_).encode()[1:]]


async def test_neither_node_nor_home_shows_anything(tmp_path: Path) -> None:
    """No 8 bytes of text, title or name on any disk; at the node, none of who takes part either."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.person(ANA), await made.person(BEN)
        await ana.workspace.add_node(node.address)
        await ben.workspace.add_node(node.address)
        await ana.workspace.new_document(TITLE, TEXT)
        await ana.workspace.new_chat(CHAT)
        for path in (TITLE, CHAT):
            await ben.workspace.join(await ana.workspace.share_link(path, Role.WRITER))
        await online(TITLE, DIRECT, ana, ben)
        ben.append(TITLE, TEXT)
        assert await agree(TITLE, ana, ben) == TEXT * 2
        await ana.workspace.read_document(TITLE)
        await ben.workspace.send_message(CHAT, MESSAGE)
        await until(lambda: all(p.saved_on(TITLE, node.address) for p in (ana, ben)), ana, ben)
        members = [person.engine.keys.credentials for person in (ana, ben)]
        ids = [
            form for member in members for id_ in (member.account_id, member.device_id) for form in forms(id_)
        ]
        node_files = [
            file for file in (tmp_path / "node").iterdir() if file.is_file() and file.name != "lock"
        ]
        home_files = [
            file
            for name in (ANA, BEN)
            for file in (tmp_path / name).iterdir()
            if file.is_file() and file.name != "lock"
        ]

        assert any(file.name.endswith("-wal") for file in node_files)
        assert found(node_files, runs(*contents(), *ids)) == set()
        assert found(home_files, runs(*contents())) == set()
        # The search itself works: what must be there is found.
        shared = ana.opened(TITLE).live.id
        assert found(node_files, runs(shared)) == runs(shared)


def seen_together(node: RunningNode) -> set[frozenset[bytes]]:
    """For each connection that the node has now, which objects are open on it, or else which mailboxes."""
    shelf = node._shelf
    return {
        frozenset(session.channels) | shelf.mailboxes._opened.get(key, set())
        for key, session in shelf.sessions.items()
    }


async def test_one_session_for_each_circle(tmp_path: Path) -> None:
    """A node sees together only what has the same members; profile and shared things never are."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, "shared")
        for path in ("private", "diary"):
            await ana.workspace.new_document(path)
        await ana.workspace.new_document("with Cleo")
        cleo = await made.person("Cleo")
        await cleo.workspace.join(await ana.workspace.share_link("with Cleo", Role.WRITER))
        for path in ("shared", "with Cleo"):
            people: tuple[Person, ...] = (ana, ben) if path == "shared" else (ana, cleo)
            await online(path, RELAYED, *people)
        await until(lambda: ana.live_over("private", "node") and ana.live_over("diary", "node"), ana)

        def of(*paths: str) -> frozenset[bytes]:
            return frozenset(ana.opened(path).live.id for path in paths)

        profile = frozenset([ana.engine.keys.profile])
        strangers = frozenset([mailbox_key(ana.engine.keys.credentials.user_seed).public])
        await until(ana.engine.mailroom.reader.caught_up, ana)
        assert seen_together(node) == {
            profile | of("private", "diary"),
            of("shared"),
            of("with Cleo"),
            strangers,
        }
        # Ana's three and her mailbox, Ben's one and Cleo's one: what their profiles have is on no node.
        assert len(node._shelf.sessions) == 6
