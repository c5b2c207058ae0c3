"""Documents with a long history: content from a snapshot at once, believed only once replayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from peergos_collab.documents import Document
from peergos_collab.node import serve_node
from peergos_collab.objects.snapshots import PIECE
from peergos_collab.workspace import Options, Role, create_workspace, history, open_workspace
from peergos_collab.workspace.engine import Engine
from peergos_collab.workspace.folds import DocumentFold
from peergos_collab.workspace.history import FALSE_PREVIEW, FALSE_SNAPSHOT, Replayer
from peergos_collab.workspace.local_workspace import LocalWorkspace
from peergos_collab.workspace.open_object import OpenObject
from peergos_collab.workspace.preview import NOT_VERIFIED
from peergos_collab.workspace.sharing import SNAPSHOT_MIN
from support.homes import PATIENCE

LIMIT = PATIENCE


@asynccontextmanager
async def two_homes(place: Path) -> AsyncIterator[tuple[LocalWorkspace, LocalWorkspace]]:
    node = await serve_node(place / "node", "127.0.0.1", 0)
    opened = []
    for name in ("ana", "bo"):
        create_workspace(place / name, name=name, passphrase=None)
        opened.append(cast(LocalWorkspace, await open_workspace(place / name)))
    await opened[0].add_node(node.address)
    try:
        yield opened[0], opened[1]
    finally:
        for workspace in opened:
            await workspace.close()
        await node.close()


async def write_history(workspace: LocalWorkspace, path: str) -> DocumentFold:
    """As many segments as make a link name a snapshot."""
    await workspace.new_document(path)
    await workspace.go_online(Options(webrtc=False))
    opened = workspace.engine.find(path)
    fold = cast(DocumentFold, opened.fold)
    await workspace.engine.news.wait_until(lambda: opened.live.replica.released, LIMIT, "comparing heads")
    for number in range(SNAPSHOT_MIN + 5):
        fold.document.edit(len(fold.document), len(fold.document), f"{number} ")
        await opened.live.durable()
    return fold


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were shown from snapshots."""
    texts: list[str] = []
    original = DocumentFold.load_preview

    def load_preview(fold: DocumentFold, state: bytes) -> None:
        original(fold, state)
        texts.append(fold.document.text)

    monkeypatch.setattr(DocumentFold, "load_preview", load_preview)
    return texts


def problems(engine: Engine, path: str) -> list[str]:
    live = engine.find(path).live
    return live.replica.problems + ([NOT_VERIFIED] if live.unverified else [])


@pytest.mark.parametrize("piece", [PIECE, 300], ids=["in one", "in several segments"])
async def test_a_link_to_a_long_history_names_a_snapshot(
    tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Who joins sees the text, and once the history is replayed it counts as verified."""
    monkeypatch.setattr("peergos_collab.objects.snapshots.PIECE", piece)
    async with two_homes(tmp_path) as (ana, bo):
        fold = await write_history(ana, "notes")
        link = await ana.share_link("notes", Role.WRITER)
        snapshot = ana.engine.find("notes").live.replica.order.snapshots.vouched
        await bo.join(link)
        await bo.go_online(Options(webrtc=False))
        live = bo.engine.find("notes").live
        await bo.engine.news.wait_until(lambda: not live.unverified, LIMIT, "verifying")
        await bo.engine.news.wait_until(
            lambda: live.replica.order.snapshots.vouched is not None, LIMIT, "comparing"
        )
        text, _ = await bo.read_document("notes")

        assert fold.document.text == text
        assert problems(bo.engine, "notes") == []
        assert snapshot == live.replica.order.snapshots.vouched
        assert shown == [text]


async def test_who_has_the_history_finds_out_who_lies(tmp_path: Path, shown: list[str]) -> None:
    """A member who makes a false snapshot is named, and nobody is given it by those who have the history."""
    async with two_homes(tmp_path) as (ana, bo):
        await write_history(ana, "notes")
        await bo.join(await ana.share_link("notes", Role.WRITER))
        await bo.go_online(Options(webrtc=False))
        live = bo.engine.find("notes").live
        await bo.engine.news.wait_until(
            lambda: live.replica.released and not live.unverified, LIMIT, "joined"
        )
        vouched = ana.engine.find("notes").live.replica.order.snapshots.vouched
        lie = Document(1)
        lie.edit(0, 0, "what nobody wrote")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(live.replica.fold, "snapshot_state", lie.state)
            await live.durable()
            live.snapshot()
        words = FALSE_SNAPSHOT.format(who="somebody who calls himself bo")

        await ana.engine.news.wait_until(lambda: words in problems(ana.engine, "notes"), LIMIT, "finding out")
        assert ana.engine.find("notes").live.replica.order.snapshots.vouched == vouched


async def test_a_false_snapshot_is_found_out(
    tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that holds another text than the history is shown at first, then named, then dropped."""
    lie = Document(1)
    lie.edit(0, 0, "what nobody wrote")
    async with two_homes(tmp_path) as (ana, bo):
        fold = await write_history(ana, "notes")
        monkeypatch.setattr(fold, "snapshot_state", lie.state)
        link = await ana.share_link("notes", Role.WRITER)
        await bo.join(link)
        await bo.go_online(Options(webrtc=False))

        def found_out() -> bool:
            words = FALSE_PREVIEW.format(who="somebody who calls himself ana")
            return words in problems(bo.engine, "notes") and not bo.engine.find("notes").live.failed

        await bo.engine.news.wait_until(found_out, LIMIT, "finding out")
        text, _ = await bo.read_document("notes")

        assert "what nobody wrote" in shown[0]
        assert fold.document.text == text


async def test_who_made_a_true_snapshot_is_not_named(
    tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the text that was opened from it is another one, as after somebody else's lies."""
    verify, verdicts = history.verify_history, []

    async def differs(engine: Replayer, opened: OpenObject) -> bool:
        verdicts.append(await verify(engine, opened))
        return False

    open_anew, anew = Engine.open_anew, []

    async def noted(engine: Engine, opened: OpenObject) -> None:
        await open_anew(engine, opened)
        anew.append(opened.path)

    monkeypatch.setattr(history, "verify_history", differs)
    monkeypatch.setattr(Engine, "open_anew", noted)
    async with two_homes(tmp_path) as (ana, bo):
        fold = await write_history(ana, "notes")
        await bo.join(await ana.share_link("notes", Role.WRITER))
        await bo.go_online(Options(webrtc=False))
        await bo.engine.news.wait_until(lambda: bool(anew), LIMIT, "opening it anew")
        text, _ = await bo.read_document("notes")

        assert verdicts == [True]
        assert len(shown) == 1
        assert text == fold.document.text
        assert problems(bo.engine, "notes") == []


async def test_typing_before_the_history_is_here_is_kept(tmp_path: Path) -> None:
    """An edit on top of a snapshot reaches the others once the history is here."""
    async with two_homes(tmp_path) as (ana, bo):
        fold = await write_history(ana, "notes")
        await bo.join(await ana.share_link("notes", Role.WRITER))
        handle = await bo.open_document("notes")
        handle.document.edit(0, 0, "first: ")
        await asyncio.gather(bo.sync(), ana.sync())
        await ana.sync()

        expected = handle.document.text
        assert expected.startswith("first: 0 1 2")
        assert expected == fold.document.text
