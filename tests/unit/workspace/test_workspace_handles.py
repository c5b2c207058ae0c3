"""Open documents and chats, as faces use them."""

from __future__ import annotations

from pathlib import Path

import pytest

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
