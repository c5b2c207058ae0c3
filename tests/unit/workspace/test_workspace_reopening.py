"""Opening an object once more: what takes long is done beside the rest, and nothing is lost meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.codec.ids import ObjectId
from peergos_collab.errors import NoAccess
from peergos_collab.ports import PutValue
from peergos_collab.workspace import checkpoint, reopening
from peergos_collab.workspace.local_state import CHECKPOINTS
from peergos_collab.workspace.stored_objects import StoredObjects
from support.homes import Person, world


def folded_in(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each fold of a history was done in the thread of the event loop."""
    here: list[bool] = []
    fold_all: Callable[..., Any] = StoredObjects.fold_all

    def noted(self: StoredObjects, *arguments: Any) -> Any:
        here.append(threading.current_thread() is threading.main_thread())
        return fold_all(self, *arguments)

    monkeypatch.setattr(StoredObjects, "fold_all", noted)
    return here


async def person(made: Any) -> Person:
    """Ana, who has written a word in a new document."""
    ana: Person = await made.person("Ana")
    await ana.workspace.new_document("notes")
    ana.append("notes", "one ")
    return ana


@pytest.mark.parametrize(("long", "in_loop"), [(-1, False), (256, True)])
async def test_a_long_history_is_folded_beside_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: int, in_loop: bool
) -> None:
    """A short one at once, which takes less than to ask a thread."""
    monkeypatch.setattr(reopening, "LONG", long)
    async with world(tmp_path) as made:
        ana, here = await person(made), folded_in(monkeypatch)
        before = ana.opened("notes")
        await ana.engine.open_anew(before)

        assert here == [in_loop]
        assert ana.opened("notes") is not before
        assert ana.text("notes") == "one "


async def test_who_asks_for_it_meanwhile_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He gets it as it was, and what he writes is in the new one; then he opens it again."""
    monkeypatch.setattr(reopening, "LONG", -1)
    async with world(tmp_path) as made:
        ana, here = await person(made), folded_in(monkeypatch)
        before = ana.opened("notes")
        reopened = asyncio.create_task(ana.engine.open_anew(before))
        await asyncio.sleep(0)
        between = ana.opened("notes")
        ana.append("notes", "two ")
        await reopened
        with pytest.raises(NoAccess, match="opened anew"):
            between.fold.document.edit(0, 0, "nobody would see this")

        assert between is not before
        assert here == [False, False]
        assert ana.opened("notes") is not between
        assert ana.text("notes") == "one two "


async def without_state(made: Any) -> tuple[Person, ObjectId]:
    """Ana, who starts again with a document of which no state is saved."""
    ana = await person(made)
    object_id = ana.opened("notes").live.id
    ana = await made.reopen(ana)
    await asyncio.wrap_future(ana.engine.store.write([PutValue(CHECKPOINTS, object_id, None)]))
    assert object_id not in ana.engine.objects
    return ana, object_id


async def test_what_has_no_saved_state_is_folded_beside_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, however many ask for it. Where a state is saved, opening begins with that."""
    monkeypatch.setattr(reopening, "LONG", -1)
    async with world(tmp_path) as made:
        (ana, _), here = await without_state(made), folded_in(monkeypatch)
        one, _ = await asyncio.gather(*(ana.workspace.open_document("notes") for _ in range(2)))
        assert here == [False]
        assert one.document.text == "one "
        ana.append("notes", "two ")
        ana = await made.reopen(ana)
        again = await ana.workspace.open_document("notes")

        assert here == [False]
        assert again.document.text == "one two "


async def test_a_state_that_another_version_saved_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is damaged, and nothing is repaired."""
    monkeypatch.setattr(reopening, "LONG", -1)
    async with world(tmp_path) as made:
        ana = await made.reopen(await person(made))
        here = folded_in(monkeypatch)
        monkeypatch.setattr(checkpoint, "VERSION", checkpoint.VERSION + 1)
        await ana.workspace.open_document("notes")

        assert here == [False]
        assert ana.text("notes") == "one "
        assert ana.opened("notes").live.replica.problems == []


async def test_who_cannot_wait_for_it_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened at once, and what was folded in beside it is of no use, also at the next opening."""
    monkeypatch.setattr(reopening, "LONG", -1)
    async with world(tmp_path) as made:
        ana, object_id = await without_state(made)
        opening = asyncio.create_task(ana.workspace.open_document("notes"))
        await asyncio.sleep(0)
        between = ana.opened("notes")
        await opening
        assert ana.opened("notes") is between
        ana.append("notes", "two ")
        await between.live.durable()
        ana.engine.forget(object_id)

        assert ana.text("notes") == "one two "
