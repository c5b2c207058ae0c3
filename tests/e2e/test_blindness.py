"""What the disks of nodes and homes give away, and what a node sees of who belongs together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from peergos_collab.codec.address import parse_address
from peergos_collab.errors import Offline
from peergos_collab.identity.cards import mailbox_key
from peergos_collab.node import RunningNode
from peergos_collab.workspace import Role
from support.command_line import PROGRAM, ROOT
from support.homes import DIRECT, RELAYED, Person, agree, online, until, world
from support.needles import forms, found, runs, runs_in

ANA, BEN = "Annabel-Zwetschge", "Benedikt-Wacholder"
TITLE, CHAT = "Quarterly-merger-plans", "Kaffeekränzchen"
TEXT = "The password of the safe is written under the flowerpot, näher am Fenster."
MESSAGE = "Meet me at the lighthouse at midnight."


def contents() -> list[bytes]:
    return [word.encode() for word in (ANA, BEN, TITLE, CHAT, TEXT, MESSAGE)]


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


@asynccontextmanager
async def talkative(home: Path, *options: str) -> AsyncIterator[tuple[str, Path]]:
    """A node in a process of its own that says all it has to say into a file; its address, and the file."""
    output = home.with_suffix(".output")
    arguments = ("--home", str(home), "-v", "node", "serve", "--listen", "127.0.0.1:0", *options)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, *arguments, stdout=asyncio.subprocess.PIPE, stderr=file, cwd=ROOT, env=environment
        )
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    try:
        yield address, output
    finally:
        process.terminate()
        rest, _ = await process.communicate()
        with output.open("ab") as file:
            file.write(rest)


async def test_nodes_print_and_store_nothing_of_their_users(tmp_path: Path) -> None:
    """Two nodes with every kind of output on: mail, shares, bad frames and a restart of a client included."""
    async with world(tmp_path) as made, talkative(tmp_path / "store") as (store, output):
        async with talkative(tmp_path / "entry", "--relay", "--relay-private") as (entry, entry_output):
            ana, ben = await made.person(ANA), await made.person(BEN)
            for person in (ana, ben):
                await person.workspace.set_entry_node(entry)
                await person.workspace.add_node(store)
            await ana.workspace.new_document(TITLE, TEXT)
            await ana.workspace.add_contact(await ben.workspace.contact_card())
            await ben.workspace.add_contact(await ana.workspace.contact_card())
            for person in (ana, ben, ana):
                await person.workspace.sync()
            await ana.workspace.share_with(TITLE, BEN, Role.WRITER)
            await ben.workspace.sync()
            await ana.workspace.new_chat(CHAT)
            await ben.workspace.join(await ana.workspace.share_link(CHAT, Role.READER))
            await ana.workspace.send_message(CHAT, MESSAGE)
            for person in (ana, ben):
                await person.workspace.sync()
            shared = ana.opened(TITLE).live.id
            rude = await ana.engine.transport.direct.connect(parse_address(store))
            rude.send(TITLE.encode() + bytes(600))
            with contextlib.suppress(Offline):
                while True:
                    await rude.receive()
            await rude.close()
            members = [person.engine.keys.credentials for person in (ana, ben)]
            await made.close(ben)
            ben = await made.person(BEN)
            await ben.workspace.sync()
            assert ben.text(TITLE) == TEXT
        ids = [form for one in members for id_ in (one.account_id, one.device_id) for form in forms(id_)]
        secrets = runs(*contents(), *ids)
        files = [
            file
            for home in (tmp_path / "store", tmp_path / "entry")
            for file in home.iterdir()
            if file.name != "lock"
        ]

        assert found([*files, output, entry_output], secrets) == set()
        assert found([file for file in files if "store" in str(file)], runs(shared)) == runs(shared)
        # The entry holds nothing of what went through it, and neither says a word about anything.
        assert found([file for file in files if "entry" in str(file)], runs(shared)) == set()
        assert runs_in(output.read_bytes() + entry_output.read_bytes(), runs(*forms(shared))) == set()
