"""Clocks that jump ten years forward and back in the middle of work: nothing is lost, refused, disordered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from peergos_collab.workspace import Role
from support.homes import RELAYED, Person, agree, online, until, world

YEARS = 10 * 365 * 24 * 3600 * 1_000_000_000


class Clock:
    """The clock of all nodes and people of this process, some years off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off, real = 0, time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + self.off)


async def said(person: Person) -> list[str]:
    return [message.text for message in await person.workspace.read_messages("talk", 99)]


async def test_both_ways_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts and chats go on, in the order in which they were written, are saved, and open again."""
    clock = Clock(monkeypatch)
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        await ana.workspace.new_chat("talk")
        await ben.workspace.join(await ana.workspace.share_link("talk", Role.WRITER))
        await online("notes", RELAYED, ana, ben)
        written: list[str] = []
        for off in (0, YEARS, -YEARS, 0):
            clock.off = off
            for person in (ana, ben):
                word = f"{person.home.name}{len(written)}"
                person.append("notes", f"{word} ")
                await person.workspace.send_message("talk", word)
                written.append(word)
                await agree("notes", ana, ben)
                for one in (ana, ben):
                    await until(
                        lambda one=one: len(one.opened("talk").fold.timeline) == len(written),  # type: ignore[union-attr]
                        ana,
                        ben,
                        what="the message",
                    )
            for one in (ana, ben):
                await until(lambda one=one: one.saved_on("notes", node.address), one, what="saved")
        assert ana.text("notes").split() == written
        assert await said(ana) == await said(ben) == written
        assert await ana.problems() == await ben.problems() == []
        clock.off = -YEARS
        ana = await made.reopen(ana)
        assert ana.text("notes").split() == written
        ana.append("notes", "last ")
        await ana.workspace.sync()
        await agree("notes", ana, ben)
        assert await ana.problems() == []
