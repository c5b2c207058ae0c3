"""Objects at rest: not opened at a start, compared with a node all at once, and woken by what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import pytest

from peergos_collab.errors import Damaged, DiskFull
from peergos_collab.node import RunningNode
from peergos_collab.objects import chunks as chunks_module
from peergos_collab.ports import Batch, PutValue
from peergos_collab.workspace import Role, states_at_rest
from peergos_collab.workspace import waking as waking_module
from peergos_collab.workspace.api import ObjectState
from peergos_collab.workspace.api import Path as Way
from peergos_collab.workspace.local_state import CHECKPOINTS, STATES
from support.damage import cells, flip, merge_wal
from support.homes import RELAYED, Person, World, copy_home, until, world

SHARED, OTHERS = "notes", [f"private {number}" for number in range(5)]


def opened(person: Person) -> set[str]:
    return {each.path for each in person.engine.objects.values()} - {""}


async def at_rest(made: World) -> tuple[Person, Person]:
    """Ana, who closed her home when all was at the node, and opened it again; and Ben, who shares one."""
    node = await made.node()
    ana, ben = await made.pair(node.address, SHARED, "begin")
    for name in OTHERS:
        await ana.workspace.new_document(name, name)
    await ana.workspace.sync()
    return await made.reopen(ana), ben


async def test_nothing_is_opened_where_nothing_is_new(tmp_path: Path) -> None:
    """A sync with the node, and what is told of all objects, leave them as they are."""
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        await ana.workspace.sync()
        status = await ana.workspace.status()
        rows = await ana.workspace.list_entries()

        assert opened(ana) == set()
        assert {state.path for state in status.objects} == {SHARED, *OTHERS}
        assert {len(state.saved) for state in status.objects} == {2}
        assert {row.name: row.size for row in rows} == {SHARED: 5} | {name: len(name) for name in OTHERS}


async def test_what_others_wrote_meanwhile_is_found(tmp_path: Path) -> None:
    """The object is woken, and no other."""
    async with world(tmp_path) as made:
        ana, ben = await at_rest(made)
        ben.append(SHARED, " again")
        await ben.workspace.sync()
        await ana.workspace.sync()

        assert opened(ana) == {SHARED}
        assert ana.text(SHARED) == "begin again"


async def test_what_others_write_now_wakes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While she is online, without an open document."""
    monkeypatch.setattr(waking_module, "LIVELY", 0)
    async with world(tmp_path) as made:
        ana, ben = await at_rest(made)
        await ana.workspace.go_online(RELAYED)
        network = ana.engine.online.network
        assert network is not None
        await until(
            lambda: all(link.link is not None and link.link.compared for link in network.links.values()), ana
        )
        before = opened(ana)
        ben.append(SHARED, " now")
        await ben.workspace.sync()
        await until(lambda: SHARED in opened(ana) and ana.text(SHARED) == "begin now", ana)

        assert before == set()
        assert opened(ana) == {SHARED}


async def test_what_was_written_here_and_not_sent_is_not_at_rest(tmp_path: Path) -> None:
    """Neither after the home was closed, nor after a crash: it is opened at the next start, and goes out."""
    async with world(tmp_path) as made:
        ana, ben = await at_rest(made)
        ana.append(SHARED, " offline")
        await ana.opened(SHARED).live.durable()
        copy_home(ana.home, made.root / "crashed")
        for home in ("Ana", "crashed"):
            ana = await made.reopen(ana) if home == "Ana" else await made.person(home)
            ana.engine.waking.open_awake()
            assert opened(ana) == {SHARED}
            await ana.workspace.sync()
            await made.close(ana)
        await ben.workspace.sync()

        assert ben.text(SHARED) == "begin offline"


async def test_a_full_disk_that_one_wakes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark that it woke is written with room again, before what is written in it."""
    async with world(tmp_path) as made:
        ana, ben = await at_rest(made)
        full: Future[None] = Future()
        full.set_exception(DiskFull())
        with monkeypatch.context() as patch:
            patch.setattr(ana.engine.store, "write", lambda *_: full)
            ana.opened(SHARED)
        ana.append(SHARED, " offline")
        await until(lambda: ana.opened(SHARED).live.failed, ana)
        await ana.opened(SHARED).live.end()
        await ana.opened(SHARED).live.durable()
        copy_home(ana.home, made.root / "crashed")
        again = await made.person("crashed")
        await again.workspace.sync()
        await ben.workspace.sync()

        assert ben.text(SHARED) == "begin offline"


async def test_what_the_disk_refuses_at_the_end_is_not_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its note would stand for what is at the node, and not for what is here."""
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        await ana.workspace.sync()
        id_ = ana.opened(SHARED).live.id
        await ana.workspace.sync()
        write, refused = ana.engine.store.write, Future[None]()

        def full(batch: Batch, *told: Callable[[], None]) -> Future[None]:
            if any(isinstance(op, PutValue) and (op.space, op.key) == (CHECKPOINTS, id_) for op in batch):
                return refused
            if not batch and not refused.done():
                refused.set_exception(DiskFull())
            return write(batch, *told)

        monkeypatch.setattr(ana.engine.store, "write", full)
        again = await made.reopen(ana)

        assert again.engine.resting.asleep
        assert id_ not in again.engine.resting.asleep


async def test_a_new_node_of_the_account_gets_all(tmp_path: Path) -> None:
    """What is at rest is so at the nodes that were the account's then."""
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        second = await made.node("second")
        before = await ana.workspace.status()
        await ana.workspace.add_node(second.address)
        await ana.workspace.sync()
        status = await ana.workspace.status()

        assert {len(state.saved) for state in before.objects} == {2}
        assert {len(state.saved) for state in status.objects} == {3}


async def test_objects_come_to_rest_while_others_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that few are open at a time. The node watches them from then on: what is written wakes them."""
    for name, value in (("ROOM", 4), ("LIVELY", 0), ("AT_ONCE", 0), ("UNUSED_SECONDS", 0.0)):
        monkeypatch.setattr(waking_module, name, value)
    async with world(tmp_path) as made:
        ana, ben = await made.pair((await made.node()).address, SHARED, "begin")
        for number in range(20):
            await ana.workspace.new_document(f"private {number}", "x")
        await ana.workspace.sync()
        ana = await made.reopen(ana)
        ana.engine.store.write(ana.engine.resting.wake(*ana.engine.resting.asleep))  # as after a crash
        ana.engine.resting.others = None
        await ana.workspace.go_online(RELAYED)
        ana.append(SHARED, " again")
        await ana.workspace.sync()
        ana.engine.waking.wake(list(ana.engine.resting.asleep))
        await until(lambda: SHARED not in opened(ana) and not ana.engine.waking.busy, ana)
        await ana.workspace.sync()
        in_use = opened(ana)
        ben.append(SHARED, " now")
        await ben.workspace.sync()
        await until(lambda: SHARED in opened(ana), ana)
        await until(lambda: sorted(ana.text(SHARED)) == sorted("begin again now"), ana)
        asleep = set(ana.engine.resting.asleep)
        await ana.workspace.sync()
        ana = await made.reopen(ana)

        assert len(in_use) <= 12
        assert len(asleep) >= 21 - 12
        assert len(ana.engine.resting.asleep) == 21
        assert len(await ana.workspace.list_entries()) == 21


async def test_what_nobody_uses_any_more_comes_to_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many are open; not what somebody has open, nor what is not at the node yet."""
    for name, value in (("ROOM", 1), ("LIVELY", 0), ("UNUSED_SECONDS", 0.1)):
        monkeypatch.setattr(waking_module, name, value)
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        ana.append(OTHERS[0], "unsent")
        handle = await ana.workspace.open_document(OTHERS[1])
        for name in OTHERS:
            ana.opened(name)
        await until(lambda: opened(ana) == set(OTHERS[:2]), ana)
        await handle.close()

        assert len(ana.engine.resting.asleep) == len(OTHERS) - 1  # and the shared one
        assert ana.text(OTHERS[2]) == OTHERS[2]


async def test_a_large_profile_with_a_damaged_part_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as somebody needs that part. It is said, and all is there when he asks again."""
    monkeypatch.setattr(chunks_module, "KEEP", 0)
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        profile, home = ana.engine.keys.profile, ana.home
        await made.close(ana)
        merge_wal(home / "store.db")
        found = [cell for cell in cells(home / "store.db", 99) if cell[1][0] == STATES]
        damaged = [cell for cell in found if cell[1][1] > profile + bytes(8) and cell[1][1][:32] == profile]
        for cell in damaged:
            flip(home / "store.db", cell)
        ana = await made.person("Ana")
        with suppress(Damaged):
            await ana.workspace.list_entries(SHARED, 2)
        await asyncio.sleep(0)

        assert len(damaged) >= 2
        assert await ana.problems()
        assert [entry.name for entry in await ana.workspace.list_entries(SHARED, 2)] == OTHERS[:2]
        assert {entry.name for entry in await ana.workspace.list_entries()} == {SHARED, *OTHERS}


async def test_what_comes_is_taken_though_the_profile_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is found when an object has to be opened for it; once it is mended it is opened."""
    monkeypatch.setattr(waking_module, "LIVELY", 0)
    monkeypatch.setattr(chunks_module, "KEEP", 0)
    async with world(tmp_path) as made:
        ana, ben = await at_rest(made)
        await ana.workspace.go_online(RELAYED)
        network = ana.engine.online.network
        assert network is not None
        await until(
            lambda: all(link.link is not None and link.link.compared for link in network.links.values()), ana
        )
        assert opened(ana) == set()
        store, profile = ana.engine.store, ana.engine.keys.profile
        pages = store.keys(STATES, profile + bytes(7) + b"\1", profile + b"\xff" * 9, 99)
        await asyncio.wrap_future(store.write([PutValue(STATES, key, b"nonsense") for key in pages]))
        ana.engine.profile._map._chunks.trim()
        ben.append(SHARED, " again")
        await ben.workspace.sync()
        await until(lambda: SHARED in opened(ana), ana)

        assert await ana.problems()


async def test_what_came_to_rest_with_other_people_in_it_is_woken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session goes on when somebody comes into it, and compares what is at rest with those by then."""
    for name, value in (("ROOM", 1), ("LIVELY", 0), ("UNUSED_SECONDS", 0.1)):
        monkeypatch.setattr(waking_module, name, value)
    async with world(tmp_path) as made:
        ana, ben = await at_rest(made)
        await ana.workspace.go_online(RELAYED)
        handle = await ana.workspace.open_document(SHARED)
        ana.opened(OTHERS[0])
        await ana.workspace.sync()
        await ana.workspace.share_link(SHARED, Role.READER)
        await handle.close()
        network = ana.engine.online.network
        assert network is not None
        await until(lambda: not opened(ana), ana)
        await until(
            lambda: all(link.link is not None and link.link.compared for link in network.links.values()), ana
        )
        ben.append(SHARED, " again")
        await ben.workspace.sync()
        await until(lambda: SHARED in opened(ana), ana)


def to_be_told(person: Person) -> list[ObjectState]:
    """Of the objects at rest, looked up for each by itself."""
    engine, states = person.engine, []
    links = engine.online.network.links if engine.online.network is not None else {}
    for path, view in engine.profile.view.entries().items():
        note = engine.resting.note_at(view.id)
        if note is not None:
            reached = [
                links[note.circle, node].connected for node in note.nodes if (note.circle, node) in links
            ]
            way = Way.NODE if any(reached) else Way.OFFLINE
            states.append(ObjectState(path, view.kind, ("here", *note.nodes), 0, way, 0))
    return states


async def told(person: Person) -> list[ObjectState]:
    """What the status says of them, when it says it; it says of all others what it sees in them."""
    objects = (await person.workspace.status()).objects
    assert {each.path for each in objects[: len(opened(person))]} == opened(person)
    at_rest = list(objects[len(opened(person)) :])
    assert at_rest == to_be_told(person)
    return at_rest


async def test_the_status_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each thing that changes what it says: it is made of what changed only, and a little at a time."""
    monkeypatch.setattr(states_at_rest, "IN_TURN", 2)
    for name, value in (("LIVELY", 0), ("UNUSED_SECONDS", -1.0)):
        monkeypatch.setattr(waking_module, name, value)
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        assert len(await told(ana)) == len(OTHERS) + 1
        ana.opened(OTHERS[0])
        await told(ana)
        await ana.workspace.move(OTHERS[1], "another name")
        await ana.workspace.remove(OTHERS[2])
        assert "another name" in {each.path for each in await told(ana)}
        await ana.workspace.go_online(RELAYED)
        await until(lambda: all(each.connection is Way.NODE for each in to_be_told(ana)), ana)
        await told(ana)
        await ana.workspace.sync()
        await ana.engine.waking._put_to_rest([ana.opened(OTHERS[0])])
        assert OTHERS[0] in {each.path for each in await told(ana)}
        (node,) = made.nodes
        assert isinstance(node, RunningNode)
        await node.close()
        await until(lambda: all(each.connection is Way.OFFLINE for each in to_be_told(ana)), ana)
        await told(ana)


async def test_what_changes_while_the_status_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in it, for each of those who ask."""
    monkeypatch.setattr(states_at_rest, "IN_TURN", 1)
    async with world(tmp_path) as made:
        ana, _ = await at_rest(made)
        asking = [asyncio.create_task(told(ana)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ana.opened(OTHERS[0])
        move = asyncio.create_task(ana.workspace.move(OTHERS[1], "another name"))
        first, second = await asyncio.gather(*asking)
        assert OTHERS[0] not in {each.path for each in (*first, *second)}
        await move

        assert "another name" in {each.path for each in await told(ana)}
