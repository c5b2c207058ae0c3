"""Archives made beside everything else that reads and writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from peergos_collab.errors import Damaged
from peergos_collab.sync import archiving
from peergos_collab.sync.archiving import Packed
from peergos_collab.workspace.archiving import _store, archive
from support.homes import RELAYED, Person, online, world


@asynccontextmanager
async def packed(place: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Person, Packed]]:
    """Somebody with a document of some segments, and an archive of the first four."""
    patch.setattr(archiving, "KEEP", 2)
    patch.setattr(archiving, "MAX_SEGMENTS", 4)
    async with world(place) as made:
        node, ana = await made.node(), await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes")
        await online("notes", RELAYED, ana)
        for number in range(8):
            ana.append("notes", f" {number}")
            await ana.opened("notes").live.durable()
        opened = ana.opened("notes")
        (branch,) = opened.live.replica.book.numbered
        found = await asyncio.to_thread(ana.engine.stored.pack, opened, branch)
        assert found is not None
        yield ana, found


def kept(person: Person) -> int:
    (branch,) = person.opened("notes").live.replica.book.numbered.values()
    return branch.kept


async def test_nothing_is_moved_under_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads with a book of his own would find other segments than it says."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        stored, opened = ana.engine.stored, ana.opened("notes")
        with stored.lock(opened):
            await _store(stored, opened, found)
            assert kept(ana) == 1
        await _store(stored, opened, found)

        assert kept(ana) == 5


async def test_an_object_that_was_opened_anew_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book it has now would look for the segments where they were."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        before = ana.opened("notes")
        await ana.engine.open_anew(before)
        await _store(ana.engine.stored, before, found)
        replica = ana.opened("notes").live.replica
        (branch,) = replica.book.numbered.values()

        assert len(replica.book.read(branch, 1, 1 << 18)) == branch.tip


async def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the segments where they are, and nobody is bothered with it."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        store, opened = ana.engine.store, ana.opened("notes")

        def refuse(_: object) -> Future[None]:
            refused: Future[None] = Future()
            refused.set_exception(Damaged("the disk is full"))
            return refused

        with monkeypatch.context() as patch:
            patch.setattr(store, "write", refuse)
            with pytest.raises(Damaged):
                await _store(ana.engine.stored, opened, found)
        assert kept(ana) == 1
        monkeypatch.setattr("peergos_collab.workspace.archiving.REST", 0)
        await archive(ana.engine.stored, opened)
        assert kept(ana) == 5
        assert ana.text("notes") == " 0 1 2 3 4 5 6 7"
