"""Nodes reached through an entry node: what each of the two sees, and that nothing goes around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from peergos_collab.codec.address import format_address, parse_address
from peergos_collab.errors import Offline, Refused, WrongPin
from peergos_collab.node import RunningNode
from peergos_collab.objects.letters import LetterKind
from peergos_collab.workspace import Role, mail_reader, mail_sender, network
from support.homes import RELAYED, Person, World, agree, direct_connections, online, until, world

TEXT = "Nobody but the two of us reads this line."


@contextlib.asynccontextmanager
async def tap(address: str) -> AsyncIterator[Tap]:
    """A plain TCP forwarder before a node: notes every byte and connection, as an eavesdropper would."""
    made = Tap(address)
    server = await asyncio.start_server(made.forward, "127.0.0.1", 0)
    made.address = format_address(
        replace(parse_address(address), host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    )
    async with server:
        yield made
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


class Tap:
    def __init__(self, target: str) -> None:
        self._target = parse_address(target)
        self.address = ""
        self.connections = 0
        self.seen: list[bytes] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        ends = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(self._target.host, self._target.port)
            ends.append(far_writer)
            back = asyncio.create_task(self._copy(far_reader, writer))
            self.tasks.add(back)
            await self._copy(reader, far_writer)
            await back
        except asyncio.CancelledError:  # which the server of Python 3.11 would report as a fault
            for end in ends:
                end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                self.seen.append(piece)
                writer.write(piece)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def tunnels_of(entry: RunningNode) -> int:
    return entry._tunnels._open.total()  # type: ignore[union-attr]


async def gone(there: Callable[[], bool]) -> None:
    """Returns once something is no longer there at a node."""
    async with asyncio.timeout(60):
        while there():  # noqa: ASYNC110 nodes have no events for it
            await asyncio.sleep(0)


async def on_screen(path: str, *people: Person) -> None:
    """All have it open and are online: behind an entry node only then is a session held."""
    for person in people:
        await person.workspace.open_document(path)
    await online(path, RELAYED, *people)


async def test_two_people_write_behind_an_entry_node(tmp_path: Path) -> None:
    """Two node processes: every session goes through the entry, links and joining included."""
    async with world(tmp_path) as made:
        store, entry = await made.node_process("store"), await made.node_process("entry", entry=True)
        ana, ben = await made.person("Ana"), await made.person("Ben")
        went = [direct_connections(person) for person in (ana, ben)]
        await ana.workspace.set_entry_node(entry.address)
        await ben.workspace.set_entry_node(entry.address)
        for places in went:
            places.clear()  # the entry itself was asked whether it is there
        await ana.workspace.add_node(store.address)
        await ana.workspace.new_document("notes", TEXT)
        await ben.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
        await on_screen("notes", ana, ben)
        ben.append("notes", TEXT)

        assert await agree("notes", ana, ben) == TEXT * 2
        await until(lambda: ana.saved_on("notes", store.address), ana)
        assert went == [[], []]
        status = await ana.workspace.status()
        assert status.entry_node == entry.address
        assert [node.connected for node in status.nodes] == [True]


async def test_what_the_entry_carries_is_ciphertext_of_the_store(tmp_path: Path) -> None:
    """Neither before nor behind the entry does a byte of the store's protocol show, object ids included."""
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node("entry", entry=True)
        async with tap(store.address) as behind, tap(entry.address) as before:
            ana = await made.person("Ana")
            await ana.workspace.set_entry_node(before.address)
            await ana.workspace.add_node(behind.address)
            await ana.workspace.new_document("notes", TEXT)
            await ana.workspace.sync()
            ids = [ana.opened("notes").live.id, ana.engine.keys.profile]
            sessions = behind.connections
            for seen in (b"".join(before.seen), b"".join(behind.seen)):
                assert len(seen) > 10_000
                assert not [id_ for id_ in ids if id_ in seen]
                assert TEXT.encode() not in seen
                assert b"GET / HTTP" not in seen
            # One connection to the entry for each session; the entry asked once who the store is.
            assert before.connections >= sessions - 1
            assert store._shelf.find_book(ids[0]) is not None
            assert entry._shelf.find_book(ids[0]) is None


async def test_nothing_goes_directly_while_the_entry_is_away(tmp_path: Path) -> None:
    """The store would answer and is not asked; the status says why; with the entry all goes on."""
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node_process("entry", entry=True)
        ana = await made.person("Ana")
        await ana.workspace.add_node(store.address)
        await ana.workspace.new_document("notes", TEXT)
        await ana.workspace.set_entry_node(entry.address)
        places = direct_connections(ana)
        await entry.kill()
        with pytest.raises(Offline, match="nothing is sent directly"):
            await ana.workspace.sync(timeout=1)
        await ana.workspace.go_online(RELAYED)
        await until(lambda: _problem(ana) != "", ana, what="a problem is told")

        assert "The entry node cannot be reached; nothing is sent directly." in _problem(ana)
        assert places == []
        assert store._shelf.sessions == {}
        assert store._shelf.find_book(ana.opened("notes").live.id) is None

        made.nodes.append(await entry.again())
        await until(lambda: ana.saved_on("notes", store.address), ana, what="saved through the entry")
        assert places == []


def _problem(person: Person) -> str:
    assert person.engine.online.network is not None
    return next((link.problem for link in person.engine.online.network.links.values() if link.problem), "")


async def test_the_entry_is_remembered_with_the_keys(tmp_path: Path) -> None:
    """A home that lost its store fetches everything again through the entry, and through nothing else."""
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node("entry", entry=True)
        ana = await made.person("Ana")
        await ana.workspace.add_node(store.address)
        await ana.workspace.set_entry_node(entry.address)
        await ana.workspace.new_document("notes", TEXT)
        await ana.workspace.sync()
        await made.close(ana)
        (ana.home / "store.db").unlink()
        ana = await made.person("Ana")
        places = direct_connections(ana)
        await ana.workspace.sync()

        assert ana.text("notes") == TEXT
        assert places == []
        assert (await ana.workspace.status()).entry_node == entry.address


async def test_changing_the_way_ends_sessions_of_the_old_one(tmp_path: Path) -> None:
    """Once an entry is set nothing goes on directly, and once there is none nothing goes through it."""
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node("entry", entry=True)
        ana = await made.person("Ana")
        await ana.workspace.add_node(store.address)
        await ana.workspace.new_document("notes", TEXT)
        await on_screen("notes", ana)
        old = list(store._shelf.sessions.values())

        await ana.workspace.set_entry_node(entry.address)
        await gone(lambda: any(session in store._shelf.sessions.values() for session in old))
        await until(
            lambda: ana.live_over("notes", "node") and tunnels_of(entry) > 0,
            ana,
            what="online through the entry",
        )

        await ana.workspace.set_entry_node("")
        await gone(lambda: tunnels_of(entry) > 0)
        await until(lambda: ana.live_over("notes", "node"), ana, what="online directly")
        assert (await ana.workspace.status()).entry_node == ""


async def test_sessions_nobody_waits_for_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind an entry a circle is connected while it is open, changed or synced; else by chance."""
    monkeypatch.setattr(network, "FIRST_SECONDS", (1e6, 2e6))
    monkeypatch.setattr(network, "LINGER_SECONDS", (0.01, 0.02))
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node("entry", entry=True)
        ana, ben = await made.person("Ana"), await made.person("Ben")
        for person in (ana, ben):
            await person.workspace.set_entry_node(entry.address)
        await ana.workspace.add_node(store.address)
        await ana.workspace.new_document("notes", TEXT)
        await ben.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
        await ana.workspace.sync()
        await gone(lambda: bool(store._shelf.sessions))

        await ben.workspace.go_online(RELAYED)
        handle = await ben.workspace.open_document("notes")
        await until(lambda: ben.live_over("notes", "node"), ben, what="what is open is connected")
        await ana.workspace.go_online(RELAYED)
        ana.append("notes", TEXT)
        assert await agree("notes", ana, ben) == TEXT * 2
        # Ana has nothing open: her session went as soon as her change was at the node.
        await gone(lambda: len(store._shelf.sessions) > 1)
        assert await ana.problems() == []
        assert [node.connected for node in await ana.workspace.nodes()] == [True]
        await handle.close()
        await gone(lambda: bool(store._shelf.sessions))
        assert await ben.problems() == []

        monkeypatch.setattr(network, "POLL_SECONDS", (0.0, 0.01))
        await ana.workspace.sync()
        ben.append("notes", " and Ben")
        await until(lambda: ana.text("notes").endswith("Ben"), ana, what="a session by chance")


async def acquainted(made: World) -> tuple[RunningNode, Person, Person]:
    """A store behind an entry, and two who know each other and have heard so."""
    store, entry = await made.node("store"), await made.node("entry", entry=True)
    ana, ben = await made.person("Ana"), await made.person("Ben")
    for person, other in ((ana, ben), (ben, ana)):
        await person.workspace.set_entry_node(entry.address)
        await person.workspace.add_node(store.address)
        await person.workspace.add_contact(await other.workspace.contact_card())
    for person in (ana, ben, ana, ben):
        await person.workspace.sync()
    return store, ana, ben


async def test_behind_an_entry_no_mailbox_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read by chance, so that only what is open ends when the client does; a sync reads all."""
    async with world(tmp_path) as made:
        store, ana, ben = await acquainted(made)
        await ana.workspace.new_document("notes", TEXT)
        for module in (network, mail_reader):
            monkeypatch.setattr(module, "FIRST_SECONDS", (0.0, 0.01))
        monkeypatch.setattr(network, "LINGER_SECONDS", (0.01, 0.02))
        for span in ("OFTEN_SECONDS", "POLL_SECONDS"):
            monkeypatch.setattr(mail_reader, span, (1e6, 2e6))
        handle = await ana.workspace.open_document("notes")
        await ana.workspace.go_online(RELAYED)
        await until(lambda: ana.live_over("notes", "node"), ana, what="what is open is connected")
        await until(ana.engine.mailroom.reader.caught_up, ana, what="all mail is read")
        await gone(lambda: len(store._shelf.sessions) > 1)
        assert not store._shelf.mailboxes._opened

        await ben.workspace.new_document("from Ben", TEXT)
        await ben.workspace.share_with("from Ben", "Ana", Role.WRITER)
        await ana.workspace.sync()
        assert ana.text("from Ben") == TEXT
        await handle.close()


async def test_behind_an_entry_news_to_contacts_goes_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a card, and all contacts may get one; an invitation goes at once."""
    for module in (network, mail_reader, mail_sender):
        monkeypatch.setattr(module, "FIRST_SECONDS", (1e6, 2e6))
    async with world(tmp_path) as made:
        _, ana, ben = await acquainted(made)
        await ana.workspace.new_document("notes", TEXT)
        await ana.workspace.go_online(RELAYED)
        await ana.workspace.share_with("notes", "Ben", Role.WRITER)
        assert ana.engine.mailroom.outbox.letters() == []
        await ana.engine.mailroom.tell_card()
        for _ in range(3):  # longer than a letter takes
            await ana.workspace.share_link("notes", Role.READER)
        waiting = [letter.kind for letter in ana.engine.mailroom.outbox.letters()]
        await ana.workspace.sync()
        await ben.workspace.sync()

        assert waiting == [LetterKind.HELLO]
        assert ana.engine.mailroom.outbox.letters() == []
        assert ben.text("notes") == TEXT


async def test_without_an_entry_sessions_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node sees one address for all of them, so nothing would be hidden, and all is live."""
    monkeypatch.setattr(network, "FIRST_SECONDS", (1e6, 2e6))
    monkeypatch.setattr(network, "LINGER_SECONDS", (0.0, 0.001))
    async with world(tmp_path) as made:
        store = await made.node("store")
        ana, ben = await made.pair(store.address, "notes", TEXT)
        await online("notes", RELAYED, ana, ben)
        ana.append("notes", TEXT)

        assert await agree("notes", ana, ben) == TEXT * 2
        assert ana.live_over("notes", "node")
        assert ben.live_over("notes", "node")


@pytest.mark.parametrize("hop", ["entry", "store"])
async def test_a_wrong_pin_at_either_hop(tmp_path: Path, hop: str) -> None:
    """Nothing is set or added, and the message says which one it was."""
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node("entry", entry=True)
        ana = await made.person("Ana")
        if hop == "entry":
            await ana.workspace.add_node(store.address)
            with pytest.raises(WrongPin, match="The entry node is not itself"):
                await ana.workspace.set_entry_node(other_pin(entry.address))
            assert (await ana.workspace.status()).entry_node == ""
        else:
            await ana.workspace.set_entry_node(entry.address)
            with pytest.raises(WrongPin, match=f"{store.port} shows another certificate"):
                await ana.workspace.add_node(other_pin(store.address))
            assert await ana.workspace.nodes() == []


def other_pin(address: str) -> str:
    return format_address(replace(parse_address(address), pin=bytes(32)))


async def test_the_entry_is_another_operators(tmp_path: Path) -> None:
    """One node cannot be both, whichever was there first; and a node that does not relay is no entry."""
    async with world(tmp_path) as made:
        both, plain = await made.node("both", entry=True), await made.node("plain")
        ana, ben = await made.person("Ana"), await made.person("Ben")
        await ana.workspace.add_node(both.address)
        with pytest.raises(Refused, match="one of this account's nodes"):
            await ana.workspace.set_entry_node(both.address)
        with pytest.raises(Refused, match="does not relay"):
            await ana.workspace.set_entry_node(plain.address)
        await ben.workspace.set_entry_node(both.address)
        with pytest.raises(Refused, match="is the entry node itself"):
            await ben.workspace.add_node(both.address)

        assert (await ana.workspace.status()).entry_node == ""
        assert await ben.workspace.nodes() == []


async def test_leaving_closes_everything(tmp_path: Path) -> None:
    """A closed workspace leaves no tunnel at the entry and no session at the store."""
    async with world(tmp_path) as made:
        store, entry = await made.node("store"), await made.node("entry", entry=True)
        ana = await made.person("Ana")
        await ana.workspace.set_entry_node(entry.address)
        await ana.workspace.add_node(store.address)
        await ana.workspace.new_document("notes", TEXT)
        await on_screen("notes", ana)
        await made.close(ana)
        await gone(lambda: bool(store._shelf.sessions) or tunnels_of(entry) > 0)
