"""Offline work that meets, devices that come late, and readers who try to write."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from peergos_collab.codec.address import parse_address
from peergos_collab.codec.ids import LogId, RunId
from peergos_collab.crypto import SigningKey
from peergos_collab.documents import Document
from peergos_collab.documents.client_id import client_id
from peergos_collab.errors import NoAccess
from peergos_collab.objects.bindings import introduce
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind, Payload, encode_payload
from peergos_collab.objects.segments import seal_segment
from peergos_collab.ports import Connection
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.workspace import Role
from peergos_collab.workspace.sync_link import SyncLink
from support.homes import DIRECT, RELAYED, Person, agree, online, until, world
from transports.websocket import WebSocketTransport


async def test_offline_edits_merge(tmp_path: Path) -> None:
    """What both wrote without a network is in both, once they have one; a third who joins late has it all."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="one two three")
        await ana.workspace.new_chat("talk")
        await ben.workspace.join(await ana.workspace.share_link("talk", Role.WRITER))
        link, chat = [await ana.workspace.share_link(path, Role.WRITER) for path in ("notes", "talk")]
        ana.document("notes").edit(0, 3, "ONE")
        ben.append("notes", " four")
        ben.document("notes").edit(4, 7, "2")
        await ana.workspace.send_message("talk", "from Ana")
        await ben.workspace.send_message("talk", "from Ben")
        ana, ben = await made.reopen(ana), await made.reopen(ben)
        assert (ana.text("notes"), ben.text("notes")) == ("ONE two three", "one 2 three four")

        await asyncio.gather(ana.workspace.sync(), ben.workspace.sync())
        await ana.workspace.sync()
        await ben.workspace.sync()

        assert ana.text("notes") == ben.text("notes") == "ONE 2 three four"
        told = [[m.text for m in await p.workspace.read_messages("talk", 9)] for p in (ana, ben)]
        assert told[0] == told[1]
        assert sorted(told[0]) == ["from Ana", "from Ben"]
        cleo = await made.person("Cleo")
        for one in (link, chat):
            await cleo.workspace.join(one)
        assert cleo.text("notes") == "ONE 2 three four"
        assert [m.text for m in await cleo.workspace.read_messages("talk", 9)] == told[0]
        assert [m.author for m in await cleo.workspace.read_messages("talk", 9)] == [t[5:] for t in told[0]]


async def test_documents_made_while_syncing(tmp_path: Path) -> None:
    """What is opened in the midst of a sync does not disturb it."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, _ = await made.pair(node.address, text="one. ")
        syncing = asyncio.create_task(ana.workspace.sync())
        number = 0
        while not syncing.done() and number < 50:
            await ana.workspace.new_document(f"more {number}")
            number += 1
        await syncing


async def test_a_third_joins_while_two_type(tmp_path: Path) -> None:
    """Whoever joins in the middle has the past, and what comes, over the node and over both data channels."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        link = await ana.workspace.share_link("notes", Role.WRITER)
        await online("notes", DIRECT, ana, ben)
        cleo = await made.person("Cleo")
        for number in range(20):
            ana.append("notes", f"a{number} ")
            ben.append("notes", f"b{number} ")
            if number == 10:
                await cleo.workspace.join(link)
                await cleo.workspace.go_online(DIRECT)
        cleo.append("notes", "c ")
        words = {f"{who}{n}" for who in "ab" for n in range(20)} | {"c"}
        everybody = (ana, ben, cleo)
        await until(lambda: all(set(p.text("notes").split()) == words for p in everybody), *everybody)

        text = await agree("notes", *everybody)
        assert len(text.split()) == len(words)
        await until(
            lambda: all(len(p.opened("notes").live.links) == 3 for p in everybody), *everybody, what="mesh"
        )


async def test_a_reader_reads_and_is_kept_from_writing(tmp_path: Path) -> None:
    """A reader link opens everything, live, and its own engine lets nothing be written."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="read me", role=Role.READER)
        await online("notes", DIRECT, ana, ben)
        ana.append("notes", " and this")
        await until(lambda: ben.text("notes") == "read me and this", ben)
        handle = await ben.workspace.open_document("notes")

        assert not handle.can_write
        with pytest.raises(NoAccess):
            await ben.workspace.write_document("notes", "mine")
        with pytest.raises(NoAccess):
            handle.document.edit(0, 0, "mine")
        with pytest.raises(NoAccess):
            await ben.workspace.share_link("notes", Role.READER)
        ana.append("notes", ".")
        await until(lambda: ben.text("notes") == "read me and this.", ben)
        assert ana.text("notes") == "read me and this."


def forged(reader: Person, path: str) -> tuple[list[bytes], list[bytes]]:
    """Records and a segment, well formed in every way, with the keys that a reader has."""
    live = reader.opened(path).live
    replica = live.replica
    (epoch, keys) = next(iter(replica.keys.items()))
    log_key, run = SigningKey.generate(os.urandom), RunId(os.urandom(16))
    log = LogId(log_key.public)
    certificate = Certificate.issue(live.id, epoch, log, keys.signing_key(Level.READ))
    updates: list[bytes] = []
    state = reader.document(path).state()
    patched = Document(client_id(live.id, reader.engine.keys.credentials.device_id, run), state)
    patched.on_update(updates.append)
    patched.edit(0, 0, "FORGED")
    payload = Payload(
        run, 1, 1, (), (epoch,), Kind.DOCUMENT, 0, updates[0], introduce(live.id, epoch, log, replica.actor)
    )
    segment = seal_segment(live.id, log_key, 1, b"", epoch, encode_payload(payload), keys.content, os.urandom)
    return [certificate.raw], [segment.raw]


async def refusals(connection: Connection, object_id: bytes, count: int) -> list[str]:
    """Reads until the other side has refused ``count`` times something of this object."""
    reasons: list[str] = []
    async with asyncio.timeout(60):
        while len(reasons) < count:
            kind, fields = decode_frame_untrusted(await connection.receive())
            if kind is Frame.REFUSED and fields[0] == object_id:
                reasons.append(fields[1])
    return reasons


async def test_a_patched_reader_is_refused_by_the_node(tmp_path: Path) -> None:
    """Well-formed segments and certificates, sent in a real session, get nowhere."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="true. ", role=Role.READER)
        await online("notes", RELAYED, ana)
        live = ben.opened("notes").live
        records, segments = forged(ben, "notes")
        connection = await WebSocketTransport().connect(parse_address(node.address))
        patched = SyncLink(connection, {live.id: live}, ben.engine, os.urandom, node.address)
        patched.session.open(live.id, live.replica.keys)
        patched.flush()
        while live.id not in patched.session.channels or not patched.session.channels[live.id].live:
            patched.session.receive_untrusted(await connection.receive())
            patched.flush()

        connection.send(encode_frame(Frame.RECORDS, live.id, records))
        connection.send(encode_frame(Frame.SEGMENTS, live.id, segments))
        assert await refusals(connection, live.id, 2) == ["false", "read_only"]

        await connection.close()
        await unharmed(made.person, ana, node.address)


async def test_a_patched_reader_is_refused_by_peers(tmp_path: Path) -> None:
    """The same over a data channel: the peer takes nothing, names the problem, and passes nothing on."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="true. ", role=Role.READER)
        await online("notes", DIRECT, ana, ben)
        live = ben.opened("notes").live
        records, segments = forged(ben, "notes")
        (session, flush) = next((s, flush) for s, way, flush in live.links.values() if way == "webrtc")

        session.send_frame(encode_frame(Frame.RECORDS, live.id, records))
        session.send_frame(encode_frame(Frame.SEGMENTS, live.id, segments))
        flush()
        problems = ana.opened("notes").live.replica.problems
        await until(lambda: bool(problems), ana, what="the problem is told")

        assert "a peer" in problems[0]
        await unharmed(made.person, ana, node.address)


async def unharmed(open_person: Callable[[str], Awaitable[Person]], ana: Person, node: str) -> None:
    """What Ana writes goes on, and a newcomer sees her text alone."""
    ana.append("notes", "still true.")
    await until(lambda: ana.saved_on("notes", node), ana)
    cleo = await open_person("Cleo")
    await cleo.workspace.join(await ana.workspace.share_link("notes", Role.READER))
    assert cleo.text("notes") == ana.text("notes") == "true. still true."
    assert len(cleo.opened("notes").live.replica.book.branches) == 1
    assert len(cleo.opened("notes").live.replica.book.certificates) == 1
