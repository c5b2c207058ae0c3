"""Open documents and chats, as faces use them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from peergos_collab.workspace import folds
from peergos_collab.workspace.handles import LocalDocument
from peergos_collab.workspace.live_object import LiveObject
from support.homes import world


async def test_the_id_is_of_what_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another one came behind it before the sender heard that it is durable."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_chat("talk")
        chat = await ana.workspace.open_chat("talk")
        ana.opened("talk").live.release()
        durable = LiveObject.durable

        async def and_another(live: LiveObject) -> None:
            monkeypatch.undo()
            await durable(live)
            await chat.send("second")

        monkeypatch.setattr(LiveObject, "durable", and_another)
        first = await chat.send("first")

        assert {message.text: message.id for message in chat.messages(0, 9)}["first"] == first != ""


async def test_a_document_that_was_closed_with_its_home_stays_asleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened it was about to write, and left before the engine had taken it in."""
    monkeypatch.setattr(folds, "SHORT", 0)
    monkeypatch.setattr(folds, "LIVED", 0)
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "hello")
        ana = await made.reopen(ana)
        handle = cast(LocalDocument, await ana.workspace.open_document("notes"))
        await made.close(ana)
        handle._wake()
        assert handle.document.text == "hello"
