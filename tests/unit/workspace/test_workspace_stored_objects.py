"""Objects made ready from what is stored, after a process ended in the midst."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId
from peergos_collab.documents.replica import EngineFailed, Replica
from peergos_collab.errors import Damaged, NoAccess
from peergos_collab.storage import SqliteStore
from peergos_collab.workspace.home import STORE
from peergos_collab.workspace.live_object import LiveObject
from support.homes import RELAYED, Person, World, agree, copy_home, online, world


async def left_in_the_midst(made: World, target: Path) -> str:
    """A copy of a home with a long tail of a colleague's and of own segments, and some that never left."""
    node = await made.node()
    ana, ben = await made.pair(node.address, "notes", "first. ")
    for number in range(20):
        writer: Person = (ana, ben)[number % 2]
        writer.append("notes", f"{number} ")
        await writer.workspace.sync()
        await (ana, ben)[1 - number % 2].workspace.sync()
    text = await agree("notes", ana, ben)
    copy_home(ana.home, target)
    return text


async def test_a_tail_is_taken_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came after the state was saved enters the engine in one go, and the text is what it was."""
    monkeypatch.setattr(LiveObject, "_plan_checkpoint", lambda self: None)
    together: list[int] = []
    apply_together = Replica.apply_together
    monkeypatch.setattr(
        Replica,
        "apply_together",
        lambda self, updates: (together.append(len(updates)), apply_together(self, updates)),
    )
    async with world(tmp_path) as made:
        text = await left_in_the_midst(made, tmp_path / "left")
        ana = await made.person("left")

        assert ana.text("notes") == text
        assert max(together) >= 20
        assert await ana.problems() == []


async def test_a_tail_that_is_not_taken_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the engine fail at it, all is taken one by one; nothing is lost, and nobody hears of damage."""
    monkeypatch.setattr(LiveObject, "_plan_checkpoint", lambda self: None)
    failed: list[bool] = []

    def fails(*_: object) -> None:
        failed.append(True)
        raise EngineFailed("together")

    async with world(tmp_path) as made:
        text = await left_in_the_midst(made, tmp_path / "left")
        monkeypatch.setattr(Replica, "apply_together", fails)
        ana = await made.person("left")

        assert ana.text("notes") == text
        assert failed
        assert await ana.problems() == []
        assert not list(ana.home.glob("*.damaged*"))


async def test_a_replay_beside_an_object_in_use_changes_nothing(tmp_path: Path) -> None:
    """Damage it meets is told, and left to whoever has the object open: he believes in what is stored."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, _ = await made.pair(node.address, "notes", "text")
        opened = ana.opened("notes")
        (branch,) = opened.live.replica.book.numbered
        with sqlite3.connect(ana.home / STORE) as store:
            store.execute("UPDATE segments SET raw = zeroblob(9) WHERE place = ?", (branch << 32 | 1,))
        store.close()
        with pytest.raises(Damaged):
            ana.engine.replay(opened)

        assert ana.engine.store.segment_id(branch, 1) is not None


async def test_nothing_is_repaired_beside_an_object_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a page of its branches cannot be read, whoever reads it beside its user says so, and no more."""

    def unreadable(*_: object) -> None:
        raise Damaged("a page cannot be read")

    repaired: list[object] = []
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "text")
        opened, stored = ana.opened("notes"), ana.engine.stored
        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "branches", unreadable)
            patch.setattr(SqliteStore, "repair", lambda *the: repaired.append(the))
            for read in (stored.replay, stored.fold_anew, stored.record):
                with pytest.raises(Damaged, match="a page"):
                    read(opened)

        assert repaired == []


async def test_a_log_in_doubt_whose_object_is_opened_late(tmp_path: Path) -> None:
    """After a crash others may know more of a log than this disk, also where a start that opened other things
    only, and ended in order, lies between."""
    async with world(tmp_path) as made:
        node, ana = await made.node(), await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes")
        await online("notes", RELAYED, ana)
        ana.append("notes", "one")
        await ana.opened("notes").live.durable()
        log = ana.opened("notes").live.replica.own.current
        await made.crash(ana)
        await made.close(await made.person("Ana"))
        own = (await made.person("Ana")).opened("notes").live.replica.own

        assert log is not None
        assert own.owns(LogId(log.public))
        assert own.current is None


async def test_what_is_typed_just_before_an_object_is_opened_anew(tmp_path: Path) -> None:
    """Is in it, also what waits for an append that is under way. Who has the old one opens it again:
    it would number his changes, and count his letters, as the new one does its own."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes")
        before = ana.opened("notes")
        for word in ("one ", "two"):
            ana.append("notes", word)
        await ana.engine.open_anew(before)
        with pytest.raises(NoAccess, match="opened anew"):
            before.fold.document.edit(0, 0, "nobody would see this")

        assert ana.opened("notes") is not before
        assert ana.text("notes") == "one two"
