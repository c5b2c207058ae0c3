"""Older changes go into archives in a home, and everything goes on as before."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from peergos_collab.sync import archiving
from peergos_collab.workspace import Role
from support.homes import RELAYED, Person, agree, online, until, world
from support.neighbours import connect


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of eight segments, without a rest between; the newest four of a log stay as they are."""
    monkeypatch.setattr("peergos_collab.workspace.archiving.REST", 0)
    monkeypatch.setattr(archiving, "KEEP", 4)
    monkeypatch.setattr(archiving, "MAX_SEGMENTS", 8)


def kept(person: Person) -> list[int]:
    """With which segment each log begins that is not in an archive."""
    return [branch.kept for branch in person.opened("notes").live.replica.book.numbered.values()]


def ids(person: Person) -> dict[bytes, list[bytes | None]]:
    """Of each log, the ids of its segments, as cites and heads find them."""
    book = person.opened("notes").live.replica.book
    return {
        branch.log: [book.id_at(branch, seq) for seq in range(branch.first, branch.tip + 1)]
        for branch in book.numbered.values()
    }


async def write(person: Person) -> None:
    """As many segments as go into some archives, which are made."""
    for number in range(24):
        person.append("notes", f" {number}")
        await person.opened("notes").live.durable()
    person.opened("notes").live.save()
    await asyncio.gather(*person.engine._beside)

    assert max(kept(person)) > 16


def damage_archive(home: Path) -> None:
    """The first one; by then only what was saved of the state holds what is in it."""
    with closing(sqlite3.connect(home / "store.db")) as disk, disk:
        ((key, value),) = disk.execute("SELECT key, value FROM vals WHERE space = 'archives' LIMIT 1")
        flipped = value[:-1] + bytes([value[-1] ^ 1])
        disk.execute("UPDATE vals SET value = ? WHERE space = 'archives' AND key = ?", (flipped, key))


async def test_a_damaged_archive_is_fetched_again(tmp_path: Path) -> None:
    """Damage is found, and what it took comes again from the node."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="begin")
        await online("notes", RELAYED, ana, ben)
        await write(ana)
        text = await agree("notes", ana, ben)
        versions = await ana.workspace.document_versions("notes")
        await made.close(ana)
        damage_archive(ana.home)
        ana = await made.person("Ana")
        await online("notes", RELAYED, ana)
        found = await ana.workspace.check(repair=True)
        assert found.taken_out != ()
        assert found.damaged == ()

        assert await agree("notes", ana, ben) == text
        assert ids(ana) == ids(ben)
        assert await ana.workspace.document_versions("notes") == versions


async def test_where_nobody_has_a_damaged_archive_now(tmp_path: Path) -> None:
    """The text stays what it was, and is written on; a member who comes later brings what is missing."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="begin")
        await online("notes", RELAYED, ana, ben)
        await write(ana)
        text = await agree("notes", ana, ben)
        await ana.workspace.remove_node(node.address)
        await node.close()
        await made.close(ana)
        damage_archive(ana.home)
        ana = await made.person("Ana")
        found = await ana.workspace.check(repair=True)
        assert found.taken_out
        assert found.unreached
        assert ana.text("notes") == text

        ana = await made.reopen(ana)
        ana.append("notes", " more")
        ana = await made.reopen(ana)
        assert ana.text("notes") == f"{text} more"
        await ana.workspace.go_online(RELAYED)
        await connect(ana, ben)
        assert await agree("notes", ana, ben) == f"{text} more"
        await until(lambda: ids(ana) == ids(ben), ana, ben, what="all segments are here again")
        theirs = await ben.workspace.document_versions("notes")
        assert [each.id for each in await ana.workspace.document_versions("notes")] == [e.id for e in theirs]


async def test_archives_in_a_home(tmp_path: Path) -> None:
    """The past, the proofs, a start and a newcomer who gets all of it from this home by way of a new node."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="begin")
        await online("notes", RELAYED, ana, ben)
        await write(ana)
        text = await agree("notes", ana, ben)
        versions = await ana.workspace.document_versions("notes")
        passages = await ana.workspace.blame("notes")
        theirs = await ben.workspace.document_versions("notes")
        assert [each.id for each in versions] == [each.id for each in theirs]
        assert await ana.workspace.document_versions("notes") == versions
        assert await ana.workspace.blame("notes") == passages
        assert (await ana.workspace.check()).damaged == ()

        ana = await made.reopen(ana)
        assert max(kept(ana)) > 16
        assert ana.text("notes") == text
        assert await ana.workspace.document_at("notes", versions[-1].id) != ""
        other = await made.node("other")
        await ana.workspace.add_node(other.address)
        await ana.workspace.sync()
        await node.close()
        cleo = await made.person("Cleo")
        await ana.workspace.remove_node(node.address)
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))

        assert cleo.text("notes") == text
