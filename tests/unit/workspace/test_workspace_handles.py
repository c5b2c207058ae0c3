"""Open documents and chats, as faces use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest

from peergos_collab.chat.events import ChatEvent
from peergos_collab.chat.timeline import Timeline
from peergos_collab.objects.payload import Author
from peergos_collab.ports import Batch
from peergos_collab.storage import SqliteStore
from peergos_collab.workspace import folds
from peergos_collab.workspace.handles import LocalChat, LocalDocument
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


async def test_what_waits_costs_those_nothing_who_write_or_read_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is sent, as with no network for days: each message is made ready only to be shown."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_chat("talk")
        chat = await ana.workspace.open_chat("talk")
        await asyncio.gather(*(chat.send(f"message {number}") for number in range(100)))
        assert len(cast(LocalChat, chat)._fold.waiting.messages) == 100
        made_ready: list[int] = []
        show = Timeline.unsealed

        def counted(timeline: Timeline, author: Author, time: int, events: Sequence[ChatEvent]) -> object:
            made_ready.append(len(events))
            return show(timeline, author, time, events)

        monkeypatch.setattr(Timeline, "unsealed", counted)
        await ana.workspace.send_message("talk", "one more")
        assert len(chat) == 101
        assert [each.text for each in chat.messages(98, 101)] == ["message 98", "message 99", "one more"]
        assert [each.text for each in chat.search("message 9", 2)] == ["message 99", "message 98"]

        assert sum(made_ready) <= 1 + 3 + 2


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


async def test_only_who_has_it_open_keeps_it_in_use(tmp_path: Path) -> None:
    """Who sends, reads or searches is done with it then: it may rest, and behind an entry node be let go."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_chat("talk")
        await ana.workspace.new_document("notes", "hello")
        await ana.workspace.send_message("talk", "hello")
        await ana.workspace.read_messages("talk", 9)
        await ana.workspace.search_messages("talk", "hello")
        await ana.workspace.read_document("notes")
        talk, notes = ana.opened("talk"), ana.opened("notes")
        assert (talk.handles, notes.handles) == (0, 0)

        handles = [await ana.workspace.open_chat("talk"), await ana.workspace.open_document("notes")]
        assert (talk.handles, notes.handles) == (1, 1)
        for handle in handles * 2:
            await handle.close()
        assert (talk.handles, notes.handles) == (0, 0)


async def test_reading_the_same_once_more_keeps_no_other_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state that somebody may write on top of is on the disk already."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "hello")
        read = await ana.workspace.read_document("notes")
        written: list[Batch] = []
        write = SqliteStore.write

        def noted(self: SqliteStore, batch: Batch, *told: Callable[[], None]) -> Future[None]:
            written.append(batch)
            return write(self, batch, *told)

        monkeypatch.setattr(SqliteStore, "write", noted)
        assert await ana.workspace.read_document("notes") == read
        assert [batch for batch in written if batch] == []
        ana.append("notes", " there")
        await ana.workspace.write_document("notes", "hello!", base=read[1])
        assert sorted(ana.text("notes")) == sorted("hello! there")
