"""The past of a document on real homes: versions, who wrote what, older texts, and ways back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from peergos_collab.errors import NoAccess, NotFound, UsageError
from peergos_collab.workspace import Role, open_workspace
from peergos_collab.workspace.api import Passage, Version, Workspace
from support.command_line import Home
from support.homes import agree, world, written_by_both
from support.screens import painted, settle
from tui.app import PgcApp
from tui.gate import HomeGate


def said(versions: list[Version]) -> list[tuple[str, int, int]]:
    return [(each.author, each.added, each.removed) for each in versions]


def parts(text: str, passages: list[Passage]) -> list[tuple[str, str]]:
    return [(text[each.start : each.end], each.author) for each in passages]


async def test_both_see_one_past(tmp_path: Path) -> None:
    """Versions by turns, their texts, who wrote what; the same for both, attached, and after a restart."""
    async with world(tmp_path) as made:
        ana, ben = await written_by_both(made, "one two\n", "drei 😀\n")
        ana.document("notes").edit(4, 7, "zwei")
        await agree("notes", ana, ben)

        versions = await ben.workspace.document_versions("notes")
        assert said(versions) == [("Ana", 4, 3), ("Ben", 7, 0), ("Ana", 8, 0)]
        assert [each.me for each in versions] == [False, True, False]
        assert versions == await _as_seen_by(ana.workspace, versions)
        texts = [await ben.workspace.document_at("notes", each.id) for each in versions]
        assert texts == ["one zwei\ndrei 😀\n", "one two\ndrei 😀\n", "one two\n"]

        blame = [("one ", "Ana"), ("zwei", "Ana"), ("\n", "Ana"), ("drei 😀\n", "Ben")]
        assert parts(texts[0], await ana.workspace.blame("notes")) == blame
        assert parts(texts[2], await ana.workspace.blame("notes", versions[2].id)) == [("one two\n", "Ana")]

        attached = await open_workspace(ben.home)
        assert await attached.document_versions("notes") == versions
        await attached.restore_document("notes", versions[1].id[:14])
        await attached.close()
        assert await agree("notes", ana, ben) == texts[1]
        ben = await made.reopen(ben)
        again = await ben.workspace.document_versions("notes")
        assert [each.id for each in again[1:]] == [each.id for each in versions]
        assert await ben.workspace.document_at("notes", "now") == texts[1]


async def test_a_name_is_seen_by_all(tmp_path: Path) -> None:
    """Given on one side, it is a version on the other, attached and after a restart; a reader gives none."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="one\n", role=Role.READER)
        attached = await open_workspace(ana.home)
        id_ = await attached.name_version("notes", "now", "Draft")
        ana.append("notes", "two\n")
        await attached.close()
        await ana.workspace.sync()
        await ben.workspace.sync()

        newest, draft = await ben.workspace.document_versions("notes")
        assert (draft.id, draft.name, draft.named_by, draft.named_by_me) == (id_, "Draft", "Ana", False)
        assert (draft.named_by_unverified, draft.named > draft.time, newest.name) == (True, True, "")
        for version in ("Draft", id_, id_[:8]):
            assert await ben.workspace.document_at("notes", version) == "one\n"
        with pytest.raises(NoAccess):
            await ben.workspace.name_version("notes", "Draft", "Ben's")
        ana = await made.reopen(ana)
        await ana.workspace.restore_document("notes", "Draft")
        assert ana.text("notes") == "one\n"
        assert await ana.workspace.name_version("notes", "Draft", "") != id_
        assert [each.name for each in await ana.workspace.document_versions("notes")] == ["", ""]


async def test_what_is_typed_while_a_version_is_named_is_not_in_it(tmp_path: Path) -> None:
    """Though all of it is sealed only later."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "one ")
        naming = asyncio.create_task(ana.workspace.name_version("notes", "now", "Draft"))
        await asyncio.sleep(0)
        ana.append("notes", "two ")
        await naming
        assert await ana.workspace.document_at("notes", "Draft") == "one "
        await ana.workspace.add_node((await made.node()).address)
        await ana.workspace.sync()
        assert await ana.workspace.document_at("notes", "Draft") == "one "
        assert len(ana.opened("notes").live.replica.unsealed) == 0


async def _as_seen_by(workspace: Workspace, versions: list[Version]) -> list[Version]:
    """The versions another sees, with who is ``me`` and known taken from ours."""
    theirs = await workspace.document_versions("notes")
    return [
        replace(each, me=ours.me, unverified=ours.unverified)
        for each, ours in zip(theirs, versions, strict=True)
    ]


async def test_what_has_not_left_is_the_newest_version(tmp_path: Path) -> None:
    """Offline, nothing is in a segment yet; it is there all the same, and can be told from what is sealed."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="sealed ")
        await ana.workspace.sync()
        ana.append("notes", "not yet")
        [newest] = await ana.workspace.document_versions("notes")
        passages = await ana.workspace.blame("notes")
        before = passages[0].version

        assert (newest.added, [each.end for each in passages]) == (14, [7, 14])
        assert await ana.workspace.document_at("notes", newest.id) == "sealed not yet"
        assert await ana.workspace.document_at("notes", before) == "sealed "
        with pytest.raises(NotFound, match="no version"):
            await ana.workspace.document_at("notes", "zzzzzz")
        with pytest.raises(UsageError, match="too short"):
            await ana.workspace.document_at("notes", before[:3])
        ana.append("notes", " once")
        await ana.workspace.sync()
        [sealed] = await ana.workspace.document_versions("notes")
        assert sealed.id != newest.id
        assert await ana.workspace.document_at("notes", newest.id) == "sealed not yet once"
        await ben.workspace.sync()
        assert await ben.workspace.document_at("notes", newest.id) == "sealed not yet once"


def test_on_the_command_line(tmp_path: Path) -> None:
    """History, diff, blame and restore, as text and as JSON; a bad version changes nothing."""
    home = Home(tmp_path / "ana", process=False)
    home.pgc("init", "--name", "Ana", "--no-passphrase")
    home.pgc("doc", "new", "notes", "--from", "-", stdin=b"first\n\x1b[31mred\n\nlast")
    home.pgc("doc", "write", "notes", "-", stdin=b"first\nsecond\n\nlast")

    version, before = home.json("doc", "history", "notes")["versions"]
    assert (version["author"], version["me"], version["added"], version["removed"]) == ("Ana", True, 5, 7)
    shown = home.pgc("doc", "history", "notes").decode().splitlines()[0].split("  ")
    assert (shown[0], shown[2]) == (version["id"][:12], "Ana")
    blame = home.pgc("doc", "blame", "notes").decode().splitlines()
    assert [line.split("  ")[1:] for line in blame] == [
        ["Ana", "first"],
        ["Ana", "second"],
        ["Ana"],
        ["Ana", "last"],
    ]
    ranges = home.json("doc", "blame", "notes")["ranges"]
    assert ranges[-1]["end"] == len("first\nsecond\n\nlast")
    assert home.pgc("doc", "at", "notes", "now") == b"first\nsecond\n\nlast"
    assert home.pgc("doc", "diff", "notes", "now") == b""
    begin = before["id"]
    red = b"first\n\x1b[31mred\n\nlast"
    assert home.pgc("doc", "at", "notes", begin) == red
    assert b"-\x1b[31mred\n+second\n" in home.pgc("doc", "diff", "notes", begin)
    home.pgc("doc", "restore", "notes", begin)
    assert home.pgc("doc", "cat", "notes") == red
    home.pgc("doc", "restore", "notes", version["id"])
    home.fails(3, "doc", "restore", "notes", "zzz")
    named = home.json("doc", "name", "notes", begin, "As it was")
    assert named["name"] == "As it was"
    line = home.pgc("doc", "history", "notes").decode().splitlines()[-1].split("  ")
    assert (line[0], line[5][:20]) == (named["version"], "“As it was”, by Ana,")
    assert b"--- notes@As it was\n" in home.pgc("doc", "diff", "notes", "As it was")
    home.fails(8, "doc", "name", "notes", "now", "As it was")
    home.fails(2, "doc", "name", "notes", "now", "x\u202e")
    home.fails(2, "doc", "name", "notes", "now", "x", "--remove")
    home.pgc("doc", "name", "notes", "As it was", "--remove")
    home.fails(3, "doc", "at", "notes", "As it was")
    assert home.pgc("doc", "cat", "notes") == b"first\nsecond\n\nlast"


async def test_in_the_terminal_interface(tmp_path: Path) -> None:
    """F7 lists the versions; up and down show what was, N names it, Enter goes back once confirmed."""
    async with world(tmp_path) as made:
        ana, ben = await written_by_both(made, "one two\n", "drei\n")
        ana.document("notes").edit(0, 7, "eins")
        await agree("notes", ana, ben)

        app = PgcApp(HomeGate(ana.home, None))
        async with app.run_test(size=(120, 24), notifications=True) as pilot:
            await settle(pilot, "notes")
            await pilot.press("enter")
            await settle(pilot, "drei")
            await pilot.press("f7")
            shown = await settle(pilot, "eins")
            assert [line.split("│")[0].split()[3:] for line in shown.splitlines()[3:6]] == [
                ["you", "+4", "-7"], ["Ben", "(unverified)", "+5", "-0"], ["you", "+8", "-0"],
            ]  # fmt: skip
            await pilot.press("down")
            assert "drei" in await settle(pilot, "one two")
            assert "eins" not in painted(app)
            assert "Ben" in painted(app).splitlines()[0]
            await pilot.press("down")
            await settle(pilot, "drei", gone=True)
            await pilot.press("x")
            await pilot.press("up", "n", *"Both", "enter")
            await settle(pilot, "◆ Both")
            await pilot.press("enter")
            await settle(pilot, "Go back to")
            await pilot.press("tab", "enter")
            await settle(pilot, "Find")  # the editor's keys
            await settle(pilot, "one two")
        await app.close_workspace()
        assert await agree("notes", ana, ben) == "one two\ndrei\n"
        await ben.workspace.sync()
        assert [each.name for each in await ben.workspace.document_versions("notes")] == ["", "", "Both", ""]
