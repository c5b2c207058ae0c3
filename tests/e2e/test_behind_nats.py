"""Two people behind NATs of their own, a node on the Internet: Linux's NATs, in network namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from peergos_collab.workspace import create_workspace
from support.command_line import PROGRAM, ROOT
from support.homes import PATIENCE, EngineProcess
from support.nats import NODE, Machines, machines


@asynccontextmanager
async def node(made: Machines, home: Path) -> AsyncIterator[str]:
    """``pgc node serve`` on the Internet; gives its address."""
    command = [*PROGRAM, "--home", str(home), "node", "serve", "--listen", f"{NODE}:8470"]
    serving = await asyncio.create_subprocess_exec(
        *made.on("world"), *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert serving.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            yield (await serving.stdout.readline()).decode().strip()
    finally:
        serving.terminate()
        await serving.wait()


async def say(word: str, writer: EngineProcess, *readers: EngineProcess) -> None:
    await writer.call("append", "notes", word)
    for reader in readers:
        await reader.call("text_with", "notes", word)


async def test_a_node_leads_two_people_through_their_nats(tmp_path: Path) -> None:
    """Through NATs that show one port to everybody; where each destination sees another one, the node's way
    goes on and nothing is lost. Both have one and the same address behind them."""
    async with machines() as made, node(made, tmp_path / "node") as address:
        engines = []
        for name in ("ana", "ben"):
            await made.nat(name, "symmetric")
            create_workspace(tmp_path / name, name=name, passphrase=None)
            engines.append(await EngineProcess.start(tmp_path / name, on=made.on(name)))
        ana, ben = engines
        try:
            await ana.call("add_node", address)
            await ana.call("new_document", "notes", "one ")
            await ben.call("join", await ana.call("share_link", "notes", "writer"))
            for engine in engines:
                await engine.call("go_online", True)

            tried = await asyncio.gather(*(engine.call("tried", "notes", 2.0) for engine in engines))
            assert tried == [["node"], ["node"]]
            await say("two ", ana, ben)
            await say("three ", ben, ana)

            for name in ("ana", "ben"):
                await made.nat(name, "cone")
            await asyncio.gather(*(engine.call("connected", "notes", "webrtc") for engine in engines))
            await say("four ", ana, ben)
            assert await ana.call("text_with", "notes") == "one two three four "
        finally:
            for engine in engines:
                await engine.stop()
