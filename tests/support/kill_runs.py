"""Homes whose engine is killed at random moments, from the command line: a line for each round.

    cd tests && ../.venv/bin/python -m support.kill_runs --rounds 1000 --seed 1

One home types into a document, offline or through a node; its process is ended with SIGKILL, now and then the
node's too, and opened again. What a read had shown must be there, once. Ends with 1 where it is not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from support.homes import EngineProcess, World, world

MOST_READS = 60


async def rounds(made: World, chance: random.Random, count: int) -> AsyncIterator[list[str]]:
    """The faults of each round."""
    node = await made.node_process()
    ana = await made.person("Ana")
    await ana.workspace.add_node(node.address)
    await ana.workspace.new_document("notes", "")
    await made.close(ana)
    shown: set[str] = set()
    for number in range(count):
        engine = await EngineProcess.start(ana.home)
        text, _ = await engine.call("read_document", "notes")
        yield _faults(text, shown)
        if chance.random() < 0.5:
            await engine.call("go_online", False)
        engine.tell("type", "notes", f"r{number}.")
        for _ in range(chance.randrange(MOST_READS)):
            shown.update((await engine.news("read")).split())
        if chance.random() < 0.2:
            await node.kill()
            made.nodes.remove(node)
            node = await node.again()
            made.nodes.append(node)
        for line in await engine.kill():
            answer = json.loads(line)
            shown.update(answer[2].split() if answer[1] == "read" else [])
    ana = await made.person("Ana")
    yield _faults(ana.text("notes"), shown) + await ana.problems()


def _faults(text: str, shown: set[str]) -> list[str]:
    counts = Counter(text.split())
    lost = [f"{word} is lost" for word in sorted(shown - counts.keys())]
    return lost + [f"{word} comes {times} times" for word, times in counts.items() if times > 1]


async def run(folder: Path, seed: int, count: int, *, told: bool = True) -> list[str]:
    """All faults."""
    faults: list[str] = []
    async with world(folder) as made:
        number, began = 0, time.monotonic()
        async for found in rounds(made, random.Random(seed), count):
            if told:
                print(f"{number} {time.monotonic() - began:.1f} s {found or 'ok'}", flush=True)
            number += 1
            faults += found
    return faults


def main() -> int:
    arguments = argparse.ArgumentParser(description="Kills an engine that types, again and again.")
    arguments.add_argument("--rounds", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgc-kill-") as folder:
        return bool(asyncio.run(run(Path(folder), given.seed, given.rounds)))


if __name__ == "__main__":
    sys.exit(main())
