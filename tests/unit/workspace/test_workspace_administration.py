"""Leaving: what somebody does before he goes, and when he is asked to think again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from peergos_collab.errors import Conflict
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.op_kinds import Leave, RePin
from peergos_collab.workspace.opening import open_home
from support.circle import found
from support.homes import Person, world


def add(person: Person, other: object, level: Level) -> None:
    """Makes an account a member, which is nowhere to be reached."""
    live = person.opened("notes").live
    made = live.replica.seat.maker.add(account_principal(other), level)  # type: ignore[arg-type]
    live.take_records([record.raw for record in made])


async def test_the_last_writer_is_told_that_only_readers_would_be_left(tmp_path: Path) -> None:
    """They could make no keys, and nobody would be there to let others write. He may go all the same.

    So it is from a process beside the engine.
    """
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "kept")
        add(ana, found("Ben", os.urandom).account, Level.READ)
        beside = await open_home(ana.home, None, False)
        with pytest.raises(Conflict, match="could write") as problem:
            await beside.leave("notes")
        kept = [entry.name for entry in await ana.workspace.list_entries()]
        await beside.leave("notes", force=True)
        await beside.close()

        assert "--force" in problem.value.hint
        assert kept == ["notes"]
        assert await ana.workspace.list_entries() == []


async def test_who_leaves_a_writer_behind_goes(tmp_path: Path) -> None:
    """So does whoever is alone, or only reads."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes")
        add(ana, found("Ben", os.urandom).account, Level.WRITE)
        await ana.workspace.leave("notes")
        await ana.workspace.new_document("alone")
        await ana.workspace.leave("alone")

        assert await ana.workspace.list_entries() == []


async def test_outdated_keys_are_replaced_before_somebody_goes(tmp_path: Path) -> None:
    """Perhaps nobody who stays knows that they are, or has what they lack."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes")
        ben = found("Ben", os.urandom)
        add(ana, ben.account, Level.WRITE)
        ana.engine.accounts.take([ben.rotate_user_key(os.urandom).account])
        history = ana.opened("notes").live.replica.view.history
        await ana.workspace.leave("notes")

        ops = [type(entry.signed.op) for entry in history.entries]
        assert ops[-2:] == [RePin, Leave]
