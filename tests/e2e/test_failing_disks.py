"""Disks that are full or fail, under homes and nodes: nothing passes for saved, and all goes on after."""

from __future__ import annotations

import asyncio
import resource
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from peergos_collab.errors import Damaged, DiskFull
from peergos_collab.objects import chunks
from peergos_collab.ports import PutValue
from peergos_collab.testing.disk import FULL, OK, SYNC_ERROR, SqliteDisk
from peergos_collab.workspace.local_state import STATES
from peergos_collab.workspace.open_object import OpenObject
from support.homes import RELAYED, Person, agree, online, until, world
from support.power_cuts import below_sqlite
from support.programs import PROGRAM, ROOT

pytestmark = below_sqlite


def refuse(disk: SqliteDisk, home: Path, kind: str = "write", code: int = FULL) -> None:
    """From now on the disk refuses one kind of operation on the files of a home."""
    disk.before = lambda what, path: code if what == kind and Path(path).parent == home else OK


def make_room(disk: SqliteDisk) -> None:
    disk.before = lambda what, path: OK


async def is_saved_here(person: Person) -> bool:
    status = await person.workspace.status()
    return all("here" in state.saved for state in status.objects)


async def test_a_home(tmp_path: Path) -> None:
    """What is typed stays in the window and goes to nobody, and that is told; with room all goes on."""
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            node = await made.node()
            ana, ben = await made.pair(node.address, text="begin. ")
            await online("notes", RELAYED, ana, ben)
            refuse(disk, ana.home)
            ana.append("notes", "a1. ")
            with pytest.raises(DiskFull, match="not saved yet") as caught:
                await ana.workspace.read_document("notes")
            assert "Make room" in caught.value.hint
            ana.append("notes", "a2. ")
            ben.append("notes", "b1. ")
            await until(lambda: ben.saved_on("notes", node.address), ben, what="Ben's is at the node")
            assert not await is_saved_here(ana)
            assert ana.text("notes") == "begin. a1. a2. "
            assert ben.text("notes") == "begin. b1. "

            make_room(disk)
            text = await agree("notes", ana, ben)
            assert sorted(text.split()) == ["a1.", "a2.", "b1.", "begin."]
            await ana.workspace.read_document("notes")
            assert await is_saved_here(ana)
            assert await ana.problems() == await ben.problems() == []
            await made.crash(ana)
            assert (await made.person("Ana")).text("notes") == text


async def test_a_home_that_is_closed_meanwhile(tmp_path: Path) -> None:
    """What was never said to be saved may be gone; the home opens, and what was saved before is there."""
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            ana = await made.person("Ana")
            await ana.workspace.new_document("notes", "saved. ")
            refuse(disk, ana.home)
            ana.append("notes", "not saved. ")
            with pytest.raises(DiskFull):
                await ana.workspace.read_document("notes")
            await made.close(ana)
            ana = await made.person("Ana")  # still full
            assert ana.text("notes") == "saved. "
            ana.append("notes", "again. ")
            with pytest.raises(DiskFull):
                await ana.workspace.read_document("notes")
            make_room(disk)
            await made.close(ana)  # tries a last time
            ana = await made.person("Ana")
            assert ana.text("notes") == "saved. again. "
            assert await ana.problems() == []


async def damage_profile(person: Person) -> OpenObject:
    """From now on nothing that it keeps on disk of the profile's state can be read."""
    store, profile = person.engine.store, person.engine.objects[person.engine.keys.profile]
    start, stop = profile.live.id + bytes(7) + b"\1", profile.live.id + b"\xff" * 9
    nonsense = [PutValue(STATES, key, b"nonsense") for key in store.keys(STATES, start, stop, 99)]
    await asyncio.wrap_future(store.write(nonsense))
    person.engine.profile._map._chunks.trim()
    return profile


async def stumble(person: Person) -> None:
    """Somebody needs what is damaged; returns once the engine has seen to that."""
    with pytest.raises(Damaged):
        await person.workspace.list_entries()
    await asyncio.sleep(0)


async def test_a_damaged_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays in use while there is no room to mend it, and is mended once there is, and somebody asks."""
    monkeypatch.setattr(chunks, "KEEP", 0)
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            ana, _ = await made.pair((await made.node()).address, "notes", "begin. ")
            await ana.workspace.sync()
            ana = await made.reopen(ana)
            profile = await damage_profile(ana)
            refuse(disk, ana.home)
            await stumble(ana)
            assert ana.engine.objects[profile.live.id] is profile
            assert any("cannot be mended now" in words for words in profile.live.replica.problems)

            make_room(disk)
            await until(lambda: not profile.live.failed, ana, what="room is found")
            await stumble(ana)
            assert [entry.name for entry in await ana.workspace.list_entries()] == ["notes"]
            assert len(list(ana.home.glob("store.db.damaged*"))) == 1
            await damage_profile(ana)
            ana = await made.reopen(ana)  # without a fault
            await stumble(ana)
            assert [entry.name for entry in await ana.workspace.list_entries()] == ["notes"]


async def test_a_damaged_document(tmp_path: Path) -> None:
    """What was typed and is not saved stays in the window, and comes into the one that is mended."""
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            ana = await made.person("Ana")
            await ana.workspace.new_document("notes", "begin. ")
            before = ana.opened("notes")
            refuse(disk, ana.home)
            ana.append("notes", "typed. ")
            ana.engine.start_over(before.live.id, Damaged("It is damaged."))
            assert ana.opened("notes") is before
            assert ana.text("notes") == "begin. typed. "

            make_room(disk)
            await until(lambda: before.live.is_saved, ana, what="saved")
            ana.append("notes", "more. ")
            ana.engine.start_over(before.live.id, Damaged("It is damaged."))
            assert ana.opened("notes") is not before
            assert ana.text("notes") == "begin. typed. more. "
            await made.crash(ana)
            assert (await made.person("Ana")).text("notes") == "begin. typed. more. "


async def test_a_node(tmp_path: Path) -> None:
    """It signs for nothing meanwhile; with room it takes what was refused, without anybody doing anything."""
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            node = await made.node()
            ana, ben = await made.pair(node.address, text="begin. ")
            await online("notes", RELAYED, ana, ben)
            refuse(disk, tmp_path / "node")
            ana.append("notes", "a1. ")
            await ana.workspace.read_document("notes")
            await until(lambda: bool(ana.ways("notes")) is False, ana, what="the node ends the session")
            assert not ana.saved_on("notes", node.address)
            make_room(disk)
            await until(lambda: ana.saved_on("notes", node.address), ana, what="saved at the node")
            assert await agree("notes", ana, ben) == "begin. a1. "


async def test_a_home_whose_disk_fails(tmp_path: Path) -> None:
    """It is said so, what is in the window can be exported, and a new start has all that was saved."""
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            ana = await made.person("Ana")
            await ana.workspace.new_document("notes", "saved. ")
            refuse(disk, ana.home, "sync", SYNC_ERROR)
            ana.append("notes", "only here. ")
            with pytest.raises(Damaged, match="export the content now"):
                await ana.workspace.read_document("notes")
            make_room(disk)
            ana.append("notes", "this too. ")
            with pytest.raises(Damaged, match="export the content now"):
                await ana.workspace.read_document("notes")
            exported = await ana.workspace.export_document("notes", "text")
            assert exported == b"saved. only here. this too. "
            ana = await made.reopen(ana)
            assert ana.text("notes") in ("saved. ", "saved. only here. ")
            assert await ana.problems() == []


async def test_a_node_whose_disk_fails(tmp_path: Path) -> None:
    """It ends itself, because only a new start may write again; then it takes what it had not signed for."""
    with SqliteDisk() as disk:
        async with world(tmp_path) as made:
            node = await made.node()
            ana, ben = await made.pair(node.address, text="begin. ")
            await online("notes", RELAYED, ana, ben)
            refuse(disk, tmp_path / "node", "sync", SYNC_ERROR)
            ana.append("notes", "a1. ")
            with pytest.raises(Damaged, match="could not be saved"):
                await node.closed()
            assert not ana.saved_on("notes", node.address)
            make_room(disk)
            made.nodes.remove(node)
            await made.node(port=node.port)
            await until(lambda: ana.saved_on("notes", node.address), ana, what="saved at the node")
            assert await agree("notes", ana, ben) == "begin. a1. "


async def test_a_node_process_whose_files_may_not_grow(tmp_path: Path) -> None:
    """The program ends with the exit code of damage and says what to do; nothing it signed for is gone."""
    serve = [*PROGRAM, "--home", str(tmp_path / "node"), "node", "serve", "--listen", "127.0.0.1:0"]
    async with world(tmp_path) as made:
        process = await asyncio.create_subprocess_exec(*serve, stdout=PIPE, stderr=PIPE, cwd=ROOT)
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        ana = await made.person("Ana")
        await ana.workspace.add_node(address)
        await ana.workspace.new_document("notes", "")
        await online("notes", RELAYED, ana)
        size = (tmp_path / "node" / "node.db-wal").stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 40_000, size + 40_000))
        said = 0
        while ana.saved_on("notes", address) or ana.ways("notes"):
            said += 1
            ana.append("notes", f"w{said} " * 500)
            await until(lambda: ana.saved_on("notes", address) or not ana.ways("notes"), ana)
        _, narrated = await process.communicate()
        assert process.returncode == 6
        assert "could not be saved" in narrated.decode()
        assert "start the program again" in narrated.decode()
        node = await made.node("node", int(address.rpartition(":")[2]))
        assert node.address == address
        await until(lambda: ana.saved_on("notes", address), ana, what="saved at the node")
