"""The saved state of an object, and what the journal has beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from peergos_collab.documents import Document
from peergos_collab.ports import Batch, PutJournal, PutValue
from peergos_collab.workspace import folds
from peergos_collab.workspace.local_state import STATES
from peergos_collab.workspace.writes import Writes
from support.damage import cells, flip, merge_wal
from support.homes import Person, until, world


async def _typed(person: Person, *words: str) -> None:
    """Each word is an entry of the journal."""
    for word in words:
        person.append("notes", word)
        await person.opened("notes").live.durable()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What documents took back of their own."""
    found: list[bytes] = []
    apply_own = Document.apply_own

    def noted(self: Document, update: bytes) -> None:
        found.append(update)
        apply_own(self, update)

    monkeypatch.setattr(Document, "apply_own", noted)
    return found


async def test_what_the_state_has_is_not_taken_from_the_journal(tmp_path: Path, taken: list[bytes]) -> None:
    """Who typed for a week without a network opens the document as fast as before."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "begin ")
        await _typed(ana, "one ", "two ")
        ana = await made.reopen(ana)
        assert ana.text("notes") == "begin one two "
        assert taken == []
        assert len(list(ana.opened("notes").live.replica.unsealed)) == 3

        await _typed(ana, "three ", "four ")
        await made.crash(ana)
        ana = await made.person("Ana")
        assert ana.text("notes") == "begin one two three four "
        assert len(taken) == 2
        ana = await made.reopen(ana)
        assert ana.text("notes") == "begin one two three four "
        assert len(taken) == 2


async def test_a_long_life_that_is_known_to_nobody_opens_by_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine need not take in what the journal has as well."""
    monkeypatch.setattr(folds, "LIVED", 0)
    monkeypatch.setattr(folds, "SHORT", 0)
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "begin ")
        await _typed(ana, "one ")
        ana = await made.reopen(ana)
        document = ana.document("notes")
        assert document.text == "begin one "
        assert document._engine is None


@pytest.mark.parametrize(("which", "left"), [(0, 99), (1, 99), (2, 14), (3, 20)])
async def test_a_damaged_entry_of_what_was_not_sent(tmp_path: Path, which: int, left: int) -> None:
    """What the saved state has of it is typed once more, and all that is built on it reaches the others.

    The state has the first two. Without it an entry is lost, with what the same run wrote after it.
    """
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="begin ")
        await ana.workspace.sync()
        ana = await made.reopen(ana)
        await _typed(ana, "one ", "two ")
        ana = await made.reopen(ana)
        await _typed(ana, "three ", "four ")
        await made.crash(ana)
        shutil.rmtree(tmp_path / "Ana.closed")
        merge_wal(ana.home / "store.db")
        found = cells(ana.home / "store.db", 9)
        entries = [cell for cell in found if cell[0] == "journal" and cell[2] == "raw"]
        assert len(entries) == 4
        assert flip(ana.home / "store.db", entries[which])

        for _ in range(2):
            ana = await made.person("Ana")
            assert ana.text("notes") == "begin one two three four "[:left]
            await made.crash(ana)
            shutil.rmtree(tmp_path / "Ana.closed")
        ana = await made.person("Ana")
        ana.append("notes", "five")
        await ana.workspace.sync()
        await ben.workspace.sync()
        assert ana.text("notes") == ben.text("notes") == "begin one two three four "[:left] + "five"


async def test_a_damaged_entry_beside_damaged_segments(tmp_path: Path) -> None:
    """What others wrote is fetched again before anything is typed once more, or it would be there twice."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="begin ")
        ben.append("notes", "by Ben ")
        await ben.workspace.sync()
        await ana.workspace.sync()
        ana = await made.reopen(ana)
        await _typed(ana, "one ", "two ")
        ana = await made.reopen(ana)
        await made.crash(ana)
        merge_wal(ana.home / "store.db")
        found = cells(ana.home / "store.db", 9)
        assert flip(ana.home / "store.db", next(cell for cell in found if cell[::2] == ("journal", "raw")))
        for cell in found:
            assert cell[::2] != ("segments", "raw") or flip(ana.home / "store.db", cell)

        ana = await made.person("Ana")
        await _typed(ana, "three ")
        await ana.workspace.sync()
        await until(lambda: not ana.opened("notes").live.replica.unsealed.is_lost, ana)
        await ana.workspace.sync()
        await ben.workspace.sync()
        assert ben.text("notes") == "begin by Ben one two three "


async def test_what_is_put_back_is_saved_with_the_state_that_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash finds both or neither."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "begin ")
        opened = ana.opened("notes")
        anew = ana.engine.fold_anew(opened)
        written: list[Batch] = []
        write = Writes.write

        def noted(self: Writes, batch: Batch, *told: Callable[[], None]) -> None:
            written.append(batch)
            write(self, batch, *told)

        with monkeypatch.context() as patch:
            patch.setattr(Writes, "write", noted)
            opened.live.adopt(anew, lambda: ana.append("notes", "more"))
        assert len(written) == 1
        assert any(isinstance(each, PutJournal) for each in written[0])
        assert any(isinstance(each, PutValue) and each.space == STATES for each in written[0])
        assert ana.text("notes") == "begin more"


async def test_what_was_not_taken_from_the_journal_is_at_the_next_start(tmp_path: Path) -> None:
    """What it is written on was damaged, and is fetched again; what is typed meanwhile comes after it."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        ben.append("notes", "by Ben ")
        await ben.workspace.sync()
        await ana.workspace.sync()
        ana = await made.reopen(ana)
        await _typed(ana, "one ")
        object_id = ana.opened("notes").live.id
        await made.crash(ana)
        merge_wal(ana.home / "store.db")
        assert flip(ana.home / "store.db", ("vals", (STATES, object_id), "value"))
        for cell in cells(ana.home / "store.db", 9):
            assert cell[::2] != ("segments", "raw") or flip(ana.home / "store.db", cell)

        ana = await made.person("Ana")
        assert "one" not in ana.text("notes")
        await ana.workspace.sync()
        await _typed(ana, "two ")
        ana = await made.reopen(ana)
        assert sorted(ana.text("notes").split()) == ["Ben", "by", "one", "two"]
        await ana.workspace.sync()
        await ben.workspace.sync()
        assert ben.text("notes") == ana.text("notes")
