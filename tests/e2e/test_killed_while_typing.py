"""SIGKILL in the middle of typing: what a reader had been shown is still there."""

from __future__ import annotations

import json
from pathlib import Path

from support.homes import DIRECT, EngineProcess, agree, online, until, world
from support.kill_runs import run

ROUNDS = 3
READS = (7, 23, 40)


def shown(lines: list[str]) -> list[str]:
    """Texts that ``read_document`` returned, out of what a process printed."""
    answers = [json.loads(line) for line in lines]
    return [answer[2] for answer in answers if answer[1] == "read"]


def words(text: str) -> list[str]:
    return text.split()


async def test_nothing_that_was_shown_is_gone(tmp_path: Path) -> None:
    """Both are killed again and again while they type; all that either had read comes back, once, on both."""
    async with world(tmp_path) as made:
        node = await made.node_process()
        ana, ben = await made.pair(node.address)
        for person in (ana, ben):
            await made.close(person)
        seen: set[str] = set()
        for number in range(ROUNDS):
            typists = [await EngineProcess.start(tmp_path / name) for name in ("Ana", "Ben")]
            for typist, webrtc in zip(typists, (True, number % 2 == 0), strict=True):
                await typist.call("go_online", webrtc)
            for typist, name in zip(typists, "ab", strict=True):
                typist.tell("type", "notes", f"{name}{number}.")
            for _ in range(READS[number]):
                await typists[0].news("read")
            for typist in typists:
                for text in shown(await typist.kill()):
                    seen.update(words(text))
            for name in ("Ana", "Ben"):
                person = await made.person(name)
                assert seen - set(words(person.text("notes"))) <= foreign(seen, name)
                await made.close(person)
        ana, ben = await made.person("Ana"), await made.person("Ben")
        await online("notes", DIRECT, ana, ben)
        await until(lambda: seen <= set(words(ana.text("notes"))), ana, ben, what="all that was shown")
        text = await agree("notes", ana, ben)

        assert len(words(text)) == len(set(words(text)))
        for one in ("a", "b"):
            for number in range(ROUNDS):
                mine = [int(word.split(".")[1]) for word in words(text) if word.startswith(f"{one}{number}.")]
                assert sorted(mine) == list(range(1, len(mine) + 1))
        assert await ana.problems() == await ben.problems() == []


def foreign(seen: set[str], name: str) -> set[str]:
    """Words of the other: this one may have been killed before they reached it."""
    return {word for word in seen if not word.startswith(name[0].lower())}


async def test_killed_again_and_again(tmp_path: Path) -> None:
    """A few rounds of ``support.kill_runs``, which looks longer: one home, killed at random moments."""
    assert await run(tmp_path, seed=5, count=3, told=False) == []
