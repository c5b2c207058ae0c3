"""Contacts and sharing with them: real nodes, real sockets, both sides of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.workspace import Role
from support.homes import Person, World, world


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def friends(made: World) -> tuple[Person, Person, str]:
    """Ana and Ben, with the same node, who gave each other their cards."""
    node = await made.node()
    ana, ben = await made.person("Ana"), await made.person("Ben")
    for person in (ana, ben):
        await person.workspace.add_node(node.address)
    await ana.workspace.add_contact(await ben.workspace.contact_card())
    await ben.workspace.add_contact(await ana.workspace.contact_card())
    return ana, ben, node.address


async def test_sharing_with_a_contact_who_is_away(made: World) -> None:
    """He finds it under its title when he next syncs, reads it, and what he writes comes back."""
    ana, ben, _ = await friends(made)
    await made.close(ben)
    await ana.workspace.new_document("notes", "hello")
    assert await ana.workspace.share_with("notes", "Ben", Role.WRITER) == "Ben"
    ben = await made.person("Ben")
    assert await ben.workspace.list_entries() == []
    await ben.workspace.sync()
    assert [entry.name for entry in await ben.workspace.list_entries()] == ["notes"]
    assert (await ben.workspace.read_document("notes"))[0] == "hello"
    await ben.workspace.write_document("notes", "hello from Ben")
    await ben.workspace.sync()
    await ana.workspace.sync()

    assert ana.text("notes") == "hello from Ben"
