"""What a node remembers of the objects it keeps, and what it says of what it could not keep."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

import pytest

from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Offline
from peergos_collab.node import serve_node
from peergos_collab.node.server import RunningNode
from peergos_collab.node.shelf import IDLE_BOOKS, Shelf
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.storage import HomeLock
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from peergos_collab.testing.store import MemoryStore
from peergos_collab.testing.transport import memory_pair
from support.circle import make_circle
from support.members import Group
from support.shelves import Client, Connected, Log, NodeAndClients

RANDOM = random.Random(88).randbytes


async def test_what_a_full_disk_did_not_take_is_in_no_receipt(tmp_path: Path) -> None:
    """A node whose disk refused a segment does not sign for it, whoever asks; later it takes it."""
    group = Group(["Ana"], RANDOM)
    ana, store = group.people["Ana"], MemoryStore()
    shelf = Shelf(store, SigningKey.generate(RANDOM), lambda: 1_000, RANDOM)
    node = RunningNode(shelf, store, HomeLock(tmp_path / "lock"))  # type: ignore[arg-type]
    log, serving = Log(group.object, RANDOM), list[asyncio.Task[None]]()

    def connect() -> Connected:
        here, there = memory_pair()
        serving.append(asyncio.create_task(node.accept(there)))
        client = Connected(group.object, ana.membership.keys, RANDOM, ana.records)
        client.over(here)
        return client

    async def settle(client: Connected) -> None:
        for _ in range(6):
            await client.until_silent()
            store.flush()

    keys = ana.membership.keys[group.first.id]
    certificate = log.certificate(group.first.id, keys)
    first = connect()
    await settle(first)
    first.know(certificate)
    first.put(log.write(group.first.id, keys))
    await first.until_silent()
    assert store.fail() > 0
    second = connect()
    await settle(second)
    with pytest.raises(Offline):
        await settle(first)
    told = [tip for client in (first, second) for receipt in client.receipts for tip in receipt.tips]
    second.know(certificate)
    second.put(*log.segments)
    await settle(second)
    await node.close()
    await asyncio.gather(*serving)

    assert told == []
    assert [(tip.log, tip.seq) for tip in second.receipts[-1].tips] == [(log.id, 1)]
    assert second.heads == {(log.id, 1)}


def test_only_the_author_hears_at_once_that_a_segment_is_durable() -> None:
    """The others hear it with the next beat, of many segments together."""
    group = Group(["Ana"], RANDOM)
    ana, node, log = group.people["Ana"], NodeAndClients(RANDOM), Log(group.object, RANDOM)
    keys = ana.membership.keys
    writer, reader = (node.connect(Client(group.object, keys, RANDOM, ana.records)) for _ in range(2))
    node.settle()
    writer.know(log.certificate(group.first.id, keys[group.first.id]))
    before = len(reader.receipts)
    for _ in range(3):
        writer.put(log.write(group.first.id, keys[group.first.id]))
        node.move()
    told = [tip.seq for receipt in writer.receipts for tip in receipt.tips]
    at_once = reader.receipts[before:]
    node.settle()

    assert told == [1, 2, 3]
    assert at_once == []
    assert [[tip.seq for tip in receipt.tips] for receipt in reader.receipts[before:]] == [[3]]


def test_what_is_new_goes_to_those_who_have_it_open() -> None:
    """Sessions with other objects are not even looked at, and who closes an object is forgotten with it."""
    group, other = Group(["Ana"], RANDOM), Group(["Bob"], RANDOM)
    ana, bob, node = group.people["Ana"], other.people["Bob"], NodeAndClients(RANDOM)
    log, keys = Log(group.object, RANDOM), ana.membership.keys
    writer, reader = (node.connect(Client(group.object, keys, RANDOM, ana.records)) for _ in range(2))
    stranger = node.connect(Client(other.object, bob.membership.keys, RANDOM, bob.records))
    node.settle()
    node.shelf.touched.clear()
    writer.know(log.certificate(group.first.id, keys[group.first.id]))
    writer.put(log.write(group.first.id, keys[group.first.id]))
    node.to_node(writer)
    touched = set(node.shelf.touched)
    reader.session.close_object(group.object)
    node.settle()
    closed = len(reader.came)
    writer.put(log.write(group.first.id, keys[group.first.id]))
    node.settle()

    assert touched == {id(node.session_of(client)) for client in (writer, reader)}
    assert id(node.session_of(stranger)) not in touched
    assert len(reader.came) == closed


def test_books_that_nobody_has_open_are_few(tmp_path: Path) -> None:
    """A stranger may make any number of objects; what the node keeps of them in memory has a bound."""
    node = NodeAndClients(RANDOM)
    session = node.shelf.attach(b"pin")
    stranger = Client(make_circle(Kind.CHAT, [], RANDOM).object, {}, RANDOM, [])
    stranger.start(b"pin", with_node=True)
    for frame in session.take_outgoing():
        stranger.receive(frame)
    made = [make_circle(Kind.CHAT, [Level.WRITE], RANDOM) for _ in range(2 * IDLE_BOOKS + 10)]
    for circle in made:
        stranger.session.send_records(circle.object, [circle.records[0]])
    for frame in stranger.session.take_outgoing():
        for commit in node.shelf.receive_untrusted(session, frame):
            node.store.write(commit.batch)

    assert len(node.store.objects()) == len(made)
    assert len(node.shelf._books) <= 2 * IDLE_BOOKS
    assert node.shelf.find_book(made[0].object) is not None


def stores() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "store" in thread.name]


async def test_a_node_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    """Where the port is taken, neither the lock of its home nor a thread of its store stays."""
    first = await serve_node(tmp_path / "first", "127.0.0.1", 0)
    writers = stores()
    with pytest.raises(Offline):
        await serve_node(tmp_path / "second", "127.0.0.1", first.port)
    assert stores() == writers
    second = await serve_node(tmp_path / "second", "127.0.0.1", 0)
    await asyncio.gather(first.close(), second.close())


def test_whoever_asks_gets_a_whole_receipt() -> None:
    """Of all that is there now, as far as he may see it, with a number above all before; and nothing else."""
    group = Group(["Ana"], RANDOM)
    ana = group.people["Ana"]
    node = NodeAndClients(RANDOM)
    one, other = (Client(group.object, ana.membership.keys, RANDOM, ana.records) for _ in range(2))
    for client in (one, other):
        node.connect(client)
    node.settle()
    log = Log(group.object, RANDOM)
    keys = ana.membership.keys[group.first.id]
    one.know(log.certificate(group.first.id, keys))
    one.put(log.write(group.first.id, keys))
    node.settle()
    before, frames = other.receipts[-1], len(other.came)
    other.session.get_receipt(group.object)
    node.settle()
    (frame,) = other.came[frames:]

    assert decode_frame_untrusted(frame)[0] is Frame.RECEIPT
    assert other.receipts[-1].whole
    assert [(tip.log, tip.seq) for tip in other.receipts[-1].tips] == [(log.id, 1)]
    assert other.receipts[-1].number > before.number


def test_who_asks_again_and_again_has_one_receipt_a_beat() -> None:
    """It is of what is there at the beat, and costs the others nothing; who asks once has it at once."""
    group = Group(["Ana"], RANDOM)
    ana, node, log = group.people["Ana"], NodeAndClients(RANDOM), Log(group.object, RANDOM)
    keys = ana.membership.keys
    one, greedy, gone = (Client(group.object, keys, RANDOM, ana.records) for _ in range(3))
    for client in (one, greedy, gone):
        node.connect(client)
    node.settle()
    node.write(node.shelf.beat())
    before = len(greedy.receipts), len(one.receipts)
    for client in (greedy, gone):
        for _ in range(50):
            client.session.get_receipt(group.object)
            node.move()
    assert len(greedy.receipts) == before[0] + 1
    node.shelf.detach(node.session_of(gone))
    one.session.get_receipt(group.object)
    node.move()
    assert len(one.receipts) == before[1] + 1
    one.know(log.certificate(group.first.id, keys[group.first.id]))
    one.put(log.write(group.first.id, keys[group.first.id]))
    node.move()
    node.settle()

    whole = [receipt for receipt in greedy.receipts if receipt.whole]
    assert len(whole) == before[0] + 2
    assert [(tip.log, tip.seq) for tip in whole[-1].tips] == [(log.id, 1)]
    node.settle()
    assert not node.shelf.waits
