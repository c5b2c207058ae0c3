"""What is left after closing: nothing. And two processes in one home."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from pathlib import Path

import pytest
import uvloop

from peergos_collab.errors import Offline
from peergos_collab.workspace import Role, open_workspace
from support.homes import DIRECT, RELAYED, EngineProcess, agree, online, until, world

OPEN_FILES = Path("/proc/self/fd")


def descriptors() -> int:
    count = 0
    for file in OPEN_FILES.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that listed the folder
            count += not str(file.readlink()).startswith("anon_inode")
    return count


def threads() -> set[str]:
    """Names of threads; the pool that asyncio keeps for ``to_thread`` ends with its loop."""
    return {
        t.name for t in threading.enumerate() if not t.name.startswith(("asyncio_", "ThreadPoolExecutor"))
    }


async def a_whole_session(root: Path) -> None:
    async with world(root) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="one. ")
        await ana.workspace.new_chat("talk")
        await ben.workspace.join(await ana.workspace.share_link("talk", Role.WRITER))
        await online("notes", DIRECT, ana, ben)
        ana.append("notes", "two. ")
        await ben.workspace.send_message("talk", "hello")
        assert await agree("notes", ana, ben) == "one. two. "
        await until(lambda: ana.saved_on("notes", node.address), ana)
        cleo = await made.person("Cleo")  # is closed in the middle of a connection that never gets anywhere
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
        await cleo.workspace.go_online(DIRECT)


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="this system does not list open files")
async def test_closing_leaves_nothing(tmp_path: Path) -> None:
    """No task, socket, file or thread outlives open workspaces, with network and peers, and their node."""
    await a_whole_session(tmp_path / "first")  # imports and caches
    gc.collect()
    tasks, before, running = asyncio.all_tasks(), descriptors(), threads()

    await a_whole_session(tmp_path / "second")
    gc.collect()

    assert asyncio.all_tasks() == tasks
    assert threads() == running
    assert descriptors() == before


def test_all_of_it_under_uvloop(tmp_path: Path) -> None:
    """Engine, node, WebSocket and WebRTC do the same on the other event loop."""
    uvloop.run(a_whole_session(tmp_path))


async def test_a_second_process_in_one_home(tmp_path: Path) -> None:
    """It attaches to the engine of the first, and both type into one document, while a third is elsewhere."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        await online("notes", RELAYED, ana, ben)
        await made.close(ben)
        engine = await EngineProcess.start(ben.home)
        attached = await open_workspace(ben.home)
        assert attached.attached
        await attached.go_online(RELAYED)
        handle = await attached.open_document("notes")
        for word in ("a", "b", "c"):
            handle.document.edit(0, 0, f"attached-{word} ")
            await engine.call("append", "notes", f"engine-{word} ")
            ana.append("notes", f"ana-{word} ")
        await handle.saved()
        words = [f"{who}-{word}" for who in ("attached", "engine", "ana") for word in "abc"]
        await until(lambda: sorted(ana.text("notes").split()) == sorted(words), ana)
        assert await engine.call("text_with", "notes", *words) == ana.text("notes")

        await attached.close()
        await engine.stop()
        ben = await made.person("Ben")
        assert ben.text("notes") == ana.text("notes")


async def test_the_engine_dies_while_another_is_attached(tmp_path: Path) -> None:
    """Calls and edits end in Offline, the text holds nothing that was not saved, and the home opens again."""
    async with world(tmp_path) as made:
        home = made.home("Ana")
        engine = await EngineProcess.start(home)
        await engine.call("new_document", "notes", "kept. ")
        attached = await open_workspace(home)
        handle = await attached.open_document("notes")
        handle.document.edit(0, 0, "saved. ")
        await handle.saved()
        waiting = asyncio.create_task(anext(aiter(attached.events())))
        await asyncio.sleep(0)

        await engine.kill()
        with pytest.raises(Offline, match="nothing is lost"):
            await waiting
        with pytest.raises(Offline):
            await attached.status()
        with pytest.raises(Offline):
            handle.document.edit(0, 0, "lost. ")
        with pytest.raises(Offline):
            await handle.saved()

        assert handle.document.text == "saved. kept. "
        await attached.close()
        assert (await made.person("Ana")).text("notes") == "saved. kept. "
