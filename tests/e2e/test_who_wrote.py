"""Who wrote what: known from the history, in the engine and in a process attached to it."""

from __future__ import annotations

from pathlib import Path

from peergos_collab.workspace import open_workspace
from peergos_collab.workspace.api import DocumentHandle, Writer
from support.homes import RELAYED, agree, online, world


async def names(handle: DocumentHandle) -> list[str]:
    """The writer of each run of characters; mine is told from others'."""
    found: list[str] = []
    for offset in range(len(handle.document)):
        writer = await handle.writer_at(offset)
        assert writer is not None
        name = f"{writer.name}{'*' if writer.me else ''}{'?' if writer.unverified else ''}"
        if not found or found[-1] != name:
            found.append(name)
    return found


async def test_every_word_has_its_writer(tmp_path: Path) -> None:
    """Before anything is sealed, at both ends, in an attached process, and after a restart."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="Ana ")
        mine = await ana.workspace.open_document("notes")
        before = await mine.writer_at(0)
        await online("notes", RELAYED, ana, ben)
        ben.append("notes", "Ben ")
        await agree("notes", ana, ben)
        ana.document("notes").edit(2, 2, "漢😀")
        ben.append("notes", "again")
        await agree("notes", ana, ben)
        theirs = await ben.workspace.open_document("notes")
        attached = await open_workspace(ben.home)
        handle = await attached.open_document("notes")
        handle.document.edit(0, 0, "attached ")
        first = await handle.writer_at(0)

        account = (await ana.workspace.status()).account
        assert before == Writer("Ana", account, me=True)
        assert first is not None
        assert (first.name, first.me) == ("Ben", True)
        assert await names(handle) == ["Ben*", "Ana?", "Ben*"]

        await handle.saved()
        await agree("notes", ana, ben)
        await attached.close()
        await theirs.close()
        ben = await made.reopen(ben)
        assert await names(await ben.workspace.open_document("notes")) == ["Ben*", "Ana?", "Ben*"]
        await online("notes", RELAYED, ben)
        assert await names(mine) == ["Ben?", "Ana*", "Ben?"]
