"""The power goes at any flush, in any order of what was not flushed: nothing acknowledged is gone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.storage import SqliteStore, checkpoints, flushing, open_store, row_flaws, schema
from peergos_collab.testing.disk import DiskEvent, SqliteDisk
from peergos_collab.testing.store import MemoryStore
from support.power_cuts import below_sqlite, cuts, lay_out
from support.stored import batches, contents

pytestmark = below_sqlite

SOON = 30.0


def worked(path: Path, turns: int) -> tuple[list[DiskEvent], list[tuple[Any, ...]]]:
    """What happened on the disk of a store that was worked with and closed, twice; and all it held in turn.

    ``Said(n)`` among the events: what it held n-th was acknowledged.
    """
    model = MemoryStore()
    held = [contents(model)]
    chance = random.Random(turns)
    with SqliteDisk() as disk:
        for _ in range(2):
            store = SqliteStore(path)
            waiting = []
            for batch in batches(store, chance, turns):
                model.write(batch)
                held.append(contents(model))
                waiting.append(store.write(batch))
                number = len(held) - 1
                waiting[-1].add_done_callback(lambda _, number=number: disk.say(number))
                if chance.random() < 0.4:
                    waiting[-1].result(SOON)
            store.close()
            assert [done.exception() for done in waiting] == [None] * len(waiting)
    return disk.events, held


@pytest.fixture
def small_wal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints every few commits, by the thread and by the writer, as after MiB of them."""
    monkeypatch.setattr(checkpoints, "_EVERY_BYTES", 100_000)
    monkeypatch.setattr(checkpoints, "_AT_MOST_BYTES", 300_000)
    monkeypatch.setattr(schema, "_WAL_KEPT_BYTES", 50_000)


def losses(tmp_path: Path, turns: int) -> list[str]:
    """What a power cut at any flush takes away that had been acknowledged, or tears apart."""
    path = tmp_path / "work" / "store.db"
    events, held = worked(path, turns)
    found = []
    for number, (files, said) in enumerate(cuts(events, random.Random(5))):
        lay_out(files, tmp_path / f"cut{number}")
        at, acknowledged = tmp_path / f"cut{number}" / path.name, max(said, default=0)
        with SqliteDisk():
            store, report = open_store(at)
            now = contents(store)
            store.close()
        if report is not None or list(row_flaws(at)):
            found.append(f"cut {number} left damage: {report}")
        elif now not in held[acknowledged:]:
            found.append(f"cut {number} lost something of {acknowledged}")
    return found


@pytest.mark.usefixtures("small_wal")
def test_what_was_acknowledged_is_there_after_a_power_cut(tmp_path: Path) -> None:
    """At each flush of work with checkpoints, closings and a new start: whole batches, all acknowledged."""
    assert losses(tmp_path, 25) == []


@pytest.mark.usefixtures("small_wal")
def test_without_flushes_it_would_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work without the flush of each commit, as SQLite does a WAL by itself, loses what was said."""
    monkeypatch.setattr(flushing, "_flush", lambda file: None)

    assert any("lost" in found for found in losses(tmp_path, 8))
