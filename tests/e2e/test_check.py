"""``pgc check`` on real homes: each flipped bit at rest is found, named, and fetched again."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

from peergos_collab.storage import row_flaws
from support.command_line import PROGRAM, Home
from support.damage import cells, flip, merge_wal
from support.homes import world, written_by_both


async def test_each_flipped_bit_is_found(tmp_path: Path) -> None:
    """In every kind of row; a whole store has no flaw."""
    async with world(tmp_path) as made:
        ana, _ = await written_by_both(made, "words that are kept\n", "and more\n")
        await made.close(ana)
        store = ana.home / "store.db"
        merge_wal(store)
        assert list(row_flaws(store)) == []
        for number, cell in enumerate(cells(store)):
            if cell[0] == "floors":
                continue
            copy = tmp_path / f"copy{number}.db"
            shutil.copy(store, copy)
            if flip(copy, cell):
                assert list(row_flaws(copy)), cell


async def test_damage_is_named_and_fetched_again(tmp_path: Path) -> None:
    """A segment of one document: the check says which, the repair brings it back, and all else goes on."""
    async with world(tmp_path) as made:
        ana, _ = await written_by_both(made, "words that are kept\n", "and more\n")
        await ana.workspace.sync()
        whole = await ana.workspace.check()
        branch = max(branch.number for branch in ana.engine.store.branches(ana.opened("notes").live.id))
        await made.close(ana)
        merge_wal(ana.home / "store.db")
        with sqlite3.connect(ana.home / "store.db") as database:
            (place,) = database.execute(
                "SELECT max(place) FROM segments WHERE place >> 32 = ?", (branch,)
            ).fetchone()
        assert flip(ana.home / "store.db", ("segments", (place,), "raw"))

        ana = await made.person("Ana")
        found = await ana.workspace.check()
        mended = await ana.workspace.check(repair=True)

        assert (whole.damaged, whole.refused, whole.objects) == ((), (), 2)
        assert {flaw.path for flaw in found.damaged} == {"notes"}
        assert (mended.damaged, mended.unreached) == ((), "")
        assert {flaw.path for flaw in mended.taken_out} == {"notes"}
        assert ana.text("notes") == "words that are kept\nand more\n"


def test_on_the_command_line(tmp_path: Path) -> None:
    """A whole home ends with 0; one with a damaged row names the object, and ends with 6."""
    home = Home(tmp_path / "ana", process=False)
    home.pgc("init", "--name", "Ana", "--no-passphrase")
    home.pgc("doc", "new", "notes", "--from", "-", stdin=b"text")
    assert home.json("check") == {
        "objects": 2, "damaged": [], "refused": [], "forked": [], "nodes": [], "taken_out": [],
        "unreached": "",
    }  # fmt: skip
    store = home.path / "store.db"
    merge_wal(store)
    [entry] = [cell for cell in cells(store) if cell[0] == "journal" and cell[2] == "raw"][-1:]
    assert flip(store, entry)

    run = subprocess.run([*PROGRAM, "--home", home.path, "check"], capture_output=True, check=False)
    assert run.returncode == 6
    assert run.stdout.startswith(b"damaged  (the list of what is here)  ")
    assert b"--repair" in run.stderr
