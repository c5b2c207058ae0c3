"""Flipped bits in every kind of stored value, of homes and of nodes."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from peergos_collab.documents import Document
from peergos_collab.errors import Damaged, Offline, WrongPassphrase
from peergos_collab.ports import Batch
from peergos_collab.storage import hangs_together
from peergos_collab.sync.arrivals import BranchState
from peergos_collab.sync.logbook import LogBook
from peergos_collab.workspace import Role, folds
from support.damage import cells, flip, merge_wal
from support.homes import Person, World, copy_home, world

LOST_FOR_GOOD = "journal.raw"
"""What was never sent to anybody and is sealed has no second copy."""


async def everything(person: Person) -> tuple[object, ...]:
    messages = await person.workspace.read_messages("talk", 99)
    names = sorted(entry.name for entry in await person.workspace.list_entries())
    return person.text("shared"), person.text("private"), [message.text for message in messages], names


async def filled(made: World) -> Person:
    """A home with a shared document, a private one and a chat, all of it at a node."""
    node = await made.node()
    ana, ben = await made.pair(node.address, "shared", "by Ana. ")
    await ana.workspace.new_document("private", "my own. ")
    await ana.workspace.new_chat("talk")
    for word in ("one", "two", "three"):
        await ana.workspace.send_message("talk", word)
        ana.append("shared", f"{word} ")
        await ana.workspace.sync()
    ben.append("shared", "by Ben. ")
    await ben.workspace.sync()
    await ana.workspace.sync()
    await ana.workspace.read_document("shared")
    return ana


@pytest.mark.parametrize("ended", ["in order", "killed"])
async def test_any_cell_of_a_home(tmp_path: Path, ended: str) -> None:
    """The home opens, says what it lost if that can be seen, goes on, and one sync brings all of it back."""
    async with world(tmp_path) as made:
        ana = await filled(made)
        whole = await everything(ana)
        if ended == "killed":
            copy_home(ana.home, tmp_path / "base")
        await made.close(ana)
        if ended == "in order":
            copy_home(ana.home, tmp_path / "base")
        merge_wal(tmp_path / "base" / "store.db")
        for number, cell in enumerate(cells(tmp_path / "base" / "store.db")):
            shutil.copytree(tmp_path / "base", tmp_path / f"home{number}")
            if not flip(tmp_path / f"home{number}" / "store.db", cell):
                continue
            person = await made.person(f"home{number}")
            seen = await everything(person) if _readable(person) else ()
            assert seen == whole or await person.problems(), cell

            await person.workspace.sync()

            assert await everything(person) == whole, cell
            await made.close(person)


def _readable(person: Person) -> bool:
    return all(person.engine.profile.view.find(path) is not None for path in ("shared", "private", "talk"))


@pytest.mark.parametrize("by", ["reading", "writing", "typing", "exporting", "a colleague"])
async def test_the_state_of_a_long_life(tmp_path: Path, by: str) -> None:
    """It is looked at once somebody needs it: the text is shown before, and all of it is there after."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        for number in range(300):
            document = ana.document("notes")
            document.edit(0, len(document), f"round {number}, ")
            document.edit(0, 0, "x")
        await ana.workspace.sync()
        object_id = ana.opened("notes").live.id
        await made.close(ana)
        assert flip(ana.home / "store.db", ("vals", ("states", object_id + b"state"), "value"))

        ana = await made.person("Ana")
        text = "xround 299, "
        assert ana.text("notes") == text
        if by == "typing":
            with pytest.raises(Damaged):
                ana.append("notes", "more")
            await asyncio.sleep(0)
            ana.append("notes", "more")
        elif by == "writing":
            await ana.workspace.write_document("notes", text + "more")
        elif by == "reading":
            assert (await ana.workspace.read_document("notes"))[0] == text
        elif by == "exporting":
            assert Document(1, await ana.workspace.export_document("notes", "yjs")).text == text
        await ben.workspace.sync()
        ben.append("notes", ", ben")
        await ben.workspace.sync()
        await ana.workspace.sync()

        typed = "more" if by in ("typing", "writing") else ""
        assert sorted(ana.text("notes")) == sorted(f"{text}{typed}, ben")
        ana = await made.reopen(ana)
        ana.append("notes", ", ana")
        assert sorted(ana.text("notes")) == sorted(f"{text}{typed}, ben, ana")
        assert (ana.home / "store.db.damaged-1").exists()


async def test_a_state_that_takes_in_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The segments that were to enter it are whole: none of them is thrown away."""
    cut: list[int] = []
    truncate = LogBook.truncate

    def noted(self: LogBook, branch: BranchState, seq: int) -> Batch:
        cut.append(seq)
        return truncate(self, branch, seq)

    monkeypatch.setattr(folds, "LIVED", 0)
    monkeypatch.setattr(folds, "SHORT", 0)
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="text")
        object_id = ana.opened("notes").live.id
        await made.close(ana)
        assert flip(ana.home / "store.db", ("vals", ("states", object_id + b"state"), "value"))

        ana = await made.person("Ana")
        assert ana.text("notes") == "text"
        monkeypatch.setattr(LogBook, "truncate", noted)
        ben.append("notes", " by Ben")
        await ben.workspace.sync()
        await ana.workspace.sync()
        assert ana.text("notes") == "text by Ben"
        assert cut == []


async def test_unsent_work(tmp_path: Path) -> None:
    """Of unsent work only a damaged entry itself is lost, it is named, and the rest is sent."""
    async with world(tmp_path) as made:
        ana = await filled(made)
        for path in ("shared", "private"):
            ana.append(path, "unsent. ")
            await ana.workspace.read_document(path)
        await made.close(ana)
        copy_home(ana.home, tmp_path / "base")
        merge_wal(tmp_path / "base" / "store.db")
        journal = [cell for cell in cells(tmp_path / "base" / "store.db") if cell[0] == "journal"]
        assert len(journal) == 4
        for number, cell in enumerate(journal):
            shutil.copytree(tmp_path / "base", tmp_path / f"home{number}")
            flip(tmp_path / f"home{number}" / "store.db", cell)
            person = await made.person(f"home{number}")
            for path in ("shared", "private"):
                assert person.text(path).endswith("unsent. ")  # the state has it, damaged or not

            assert bool(await person.problems()) is True
            await made.close(person)


@pytest.mark.parametrize("place", [0.5, 0.9])
async def test_the_key_store(tmp_path: Path, place: float) -> None:
    """Without its keys a home cannot open: the error says so, and nothing is changed."""
    async with world(tmp_path) as made:
        keys = made.home("Ana") / "keys"
        data = bytearray(keys.read_bytes())
        data[int(len(data) * place)] ^= 1
        keys.write_bytes(data)
        with pytest.raises((Damaged, WrongPassphrase)) as caught:
            await made.person("Ana")

        assert caught.value.exit_code in (4, 6)
        assert caught.value.hint
        assert keys.read_bytes() == data


async def _synced(made: World, name: str) -> tuple[str, list[str]]:
    """A document of a home after one sync, and the names in it."""
    person = await made.person(name)
    try:
        await person.workspace.sync()
        text, _ = await person.workspace.read_document("notes")
        return text, [entry.name for entry in await person.workspace.list_entries()]
    finally:
        await made.close(person)


@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
async def test_any_page_of_a_home(tmp_path: Path, fill: bytes) -> None:
    """Whichever page is overwritten: the home opens, its store hangs together from then on, and one sync
    brings back what was on it.

    It is salvaged at once, unless what opening writes has already put the page away: the account is written
    anew where it cannot be read, and whether the pages are gone through before or after is a matter of luck.
    """
    async with world(tmp_path) as made:
        node = await made.node()
        ana = await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes", "one line\n" * 400)
        await ana.workspace.new_document("more", "another")
        await ana.workspace.sync()
        await made.close(ana)
        size = 4096
        for page in range((ana.home / "store.db").stat().st_size // size):
            copy_home(ana.home, tmp_path / f"page{page}")
            store = tmp_path / f"page{page}" / "store.db"
            data = bytearray(store.read_bytes())
            data[page * size : (page + 1) * size] = fill * size
            store.write_bytes(data)
            text, names = await _synced(made, f"page{page}")

            assert text == "one line\n" * 400, page
            assert names == ["more", "notes"], page
            assert hangs_together(store), page


async def test_any_cell_of_a_node(tmp_path: Path) -> None:
    """The node starts and serves, and whoever syncs puts back what is damaged."""
    async with world(tmp_path) as made:
        ana = await filled(made)
        whole = await everything(ana)
        links = {path: await ana.workspace.share_link(path, Role.READER) for path in ("shared", "talk")}
        await ana.workspace.sync()
        (node,) = made.nodes
        port = node.port
        await node.close()  # type: ignore[union-attr]
        merge_wal(tmp_path / "node" / "node.db")
        (tmp_path / "node").rename(tmp_path / "base")
        for number, cell in enumerate(cells(tmp_path / "base" / "node.db", 1)):
            shutil.copytree(tmp_path / "base", tmp_path / f"node{number}")
            if not flip(tmp_path / f"node{number}" / "node.db", cell):
                continue
            damaged = await made.node(f"node{number}", port)
            await ana.workspace.sync()

            reader = await made.person(f"Reader{number}")
            usable = links
            if cell[0] == "vals" and cell[1][0] == "drops":
                usable = {path: await ana.workspace.share_link(path, Role.READER) for path in links}
            for link in usable.values():
                try:
                    await reader.workspace.join(link)
                except Offline:
                    # The node found out while it was sending. Now it lacks something, and Ana has it.
                    await ana.workspace.sync()
                    await reader.workspace.join(link)
            assert reader.text("shared") == whole[0], cell
            assert [m.text for m in await reader.workspace.read_messages("talk", 9)] == whole[2], cell
            await made.close(reader)
            await damaged.close()
            made.nodes.remove(damaged)
