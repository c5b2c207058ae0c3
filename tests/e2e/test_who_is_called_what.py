"""Names: those one gave one's contacts, wherever people are named; of others their own word, and marked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from peergos_collab.workspace import Role, open_workspace
from peergos_collab.workspace.api import DocumentHandle, Event
from support.homes import RELAYED, Person, agree, online, until, world


@asynccontextmanager
async def heard(person: Person) -> AsyncIterator[asyncio.Queue[Event]]:
    """The events of a workspace, from now on."""
    queue = person.engine.news.subscribe()
    try:
        yield queue
    finally:
        person.engine.news.unsubscribe(queue)


async def authors(queue: asyncio.Queue[Event], kind: str, count: int) -> set[tuple[str, bool]]:
    """Who the next authors are, until there are that many."""
    found: set[tuple[str, bool]] = set()
    while len(found) < count:
        event = await asyncio.wait_for(queue.get(), 60)
        if event.event == kind and event.via != "local":
            found.add((event.author, event.unverified))
    return found


def present(handle: DocumentHandle) -> set[tuple[str, bool]]:
    return {(one.name, one.unverified) for one in handle.presences}


async def test_contacts_have_ones_own_names_and_others_are_marked(tmp_path: Path) -> None:
    """In events, messages, cursors, members and in who removed one; in an attached process as well."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben, eve = [await made.person(name) for name in ("Ana", "Ben", "Eve")]
        for person in (ana, ben):
            await person.workspace.add_node(node.address)
        await ana.workspace.add_contact(await ben.workspace.contact_card())
        await ben.workspace.add_contact(await ana.workspace.contact_card(), "Anna from work")
        await ana.workspace.new_document("notes", "begin ")
        await ana.workspace.new_chat("talk")
        for path in ("notes", "talk"):
            await ana.workspace.share_with(path, "Ben", Role.WRITER)
            await eve.workspace.join(await ana.workspace.share_link(path, Role.WRITER))
        await ben.workspace.sync()
        await online("notes", RELAYED, ana, ben, eve)
        handle = await ben.workspace.open_document("notes")
        attached = await open_workspace(ben.home)
        theirs = await attached.open_document("notes")

        async with heard(ben) as queue:
            ana.append("notes", "by Ana ")
            eve.append("notes", "by Eve ")
            changed = await authors(queue, "change", 2)
        await agree("notes", ana, ben, eve)
        for person in (ana, eve):
            await person.workspace.send_message("talk", "hello")
        chat = await ben.workspace.open_chat("talk")
        await until(lambda: len(chat) == 2, ben, what="both messages")
        everybody = {("Anna from work", False), ("Eve", True)}
        await until(lambda: present(handle) == present(theirs) == everybody, ben, what="both cursors")

        assert changed == everybody
        assert {(one.author, one.unverified) for one in chat.messages(0, 2)} == everybody
        members = await ben.workspace.members("notes")
        assert {
            (one.who, one.unverified) for one in members if one.kind != "link" and not one.me
        } == everybody
        assert [one.unverified for one in await ana.workspace.members("notes") if one.me] == [False]

        await attached.close()
        await ana.workspace.unshare("notes", "Ben")
        replica = ben.opened("notes").live.replica
        await until(lambda: replica.is_removed, ben, what="he knows that he was removed")
        removed = next(one.removed for one in (await ben.workspace.status()).objects if one.path == "notes")
        assert removed.startswith("Anna from work removed you: ")
        await ben.workspace.remove_contact("Anna from work")
        removed = next(one.removed for one in (await ben.workspace.status()).objects if one.path == "notes")
        assert removed.startswith("somebody who calls himself Ana removed you: ")


async def test_a_new_name_for_a_contact_shows_at_once(tmp_path: Path) -> None:
    """In what he wrote before as well."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = [await made.person(name) for name in ("Ana", "Ben")]
        await ana.workspace.add_node(node.address)
        await ben.workspace.add_contact(await ana.workspace.contact_card())
        await ana.workspace.new_chat("talk")
        await ana.workspace.send_message("talk", "hello")
        await ben.workspace.join(await ana.workspace.share_link("talk", Role.WRITER))
        [before] = await ben.workspace.read_messages("talk", 9)
        await ben.workspace.rename_contact("Ana", "Anna")
        [renamed] = await ben.workspace.read_messages("talk", 9)
        await ben.workspace.remove_contact("Anna")
        [forgotten] = await ben.workspace.read_messages("talk", 9)

        assert [(one.author, one.unverified) for one in (before, renamed, forgotten)] == [
            ("Ana", False),
            ("Anna", False),
            ("Ana", True),
        ]
