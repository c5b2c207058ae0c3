"""``pgc chat``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.errors import Offline
from peergos_collab.workspace.api import Message
from support.fake_workspace import FakeChat, FakeWorkspace


def message(number: int, text: str = "", **more: Any) -> Message:
    return Message(f"m{number}", "Ana", 1_700_000_000_000 + number, text or f"text {number}", **more)


@pytest.fixture
def chat(workspace: FakeWorkspace) -> FakeChat:
    workspace.chats["talk"] = FakeChat("talk", [message(number) for number in range(5)])
    return workspace.chats["talk"]


def test_new_and_send(pgc: Any, workspace: FakeWorkspace) -> None:
    """A chat is made; a message gets an id."""
    assert pgc("chat", "new", "talk").code == 0
    assert pgc("chat", "send", "talk", "héllo", "--json").document == {"v": 1, "path": "talk", "id": "m1"}
    assert ("send_message", "talk", "héllo") in workspace.calls


def test_send_from_stdin(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """``-`` keeps a text out of the list of processes; one line end after it is dropped."""
    pgc("chat", "send", "talk", "-", stdin=b"two\nlines\n")

    assert ("send_message", "talk", "two\nlines") in workspace.calls


def test_send_what_looks_like_an_option(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """After ``--`` everything is text, also --json."""
    assert pgc("chat", "send", "talk", "--", "--json").out == b""
    assert ("send_message", "talk", "--json") in workspace.calls


def test_log(pgc: Any, chat: FakeChat) -> None:
    """{messages: [{id, author, time, text}]}, oldest first."""
    found = pgc("chat", "log", "talk", "--last", "2", "--json").document["messages"]

    assert [each["id"] for each in found] == ["m3", "m4"]
    assert found[0].items() >= {"author": "Ana", "time": 1_700_000_000_003, "text": "text 3"}.items()


def test_log_in_words(pgc: Any, chat: FakeChat) -> None:
    """One message per line; the lines of a longer one are set in, and nothing moves the cursor."""
    chat.timeline[:] = [
        message(1, "one\ntwo\x1b[2J"),
        replace(message(2, "three", edited=True), unverified=True),
    ]

    lines = pgc("chat", "log", "talk").out.decode().splitlines()

    assert lines[0].endswith("  Ana: one")
    assert lines[1] == "    two<U+001B>[2J"
    assert lines[2].endswith("  Ana (unverified): three (edited)")


def test_search(pgc: Any, chat: FakeChat) -> None:
    """The same shape as ``log``."""
    found = pgc("chat", "search", "talk", "text 4", "--json").document["messages"]

    assert [each["id"] for each in found] == ["m4"]


def follow(pgc: Any, workspace: FakeWorkspace, *steps: Any, arguments: Sequence[str] = ()) -> Any:
    """Runs ``follow`` while ``steps`` happen, each seen before the next; then ends it with SIGTERM."""
    pending = list(steps)

    def next_step(chat: FakeChat) -> None:
        if pending:
            pending.pop(0)(chat.timeline)
            for listener in chat.listeners:
                listener()
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, next_step, chat)
        else:
            signal.raise_signal(signal.SIGTERM)

    workspace.on_follow = next_step
    return pgc("chat", "follow", "talk", "-q", *arguments)


def test_follow(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """What was there before is not shown; what comes is, as JSON lines, once each."""
    ran = follow(
        pgc,
        workspace,
        lambda timeline: timeline.append(message(5)),
        lambda timeline: timeline.extend([message(6), message(7)]),
        lambda timeline: None,
    )

    assert ran.code == 0
    assert [each["id"] for each in ran.lines] == ["m5", "m6", "m7"]
    assert set(ran.lines[0]) >= {"id", "author", "time", "text"}
    assert chat.closed
    assert chat.listeners == []


def test_follow_shows_what_came_late(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """A message from offline stands among older ones, and is still shown."""
    ran = follow(pgc, workspace, lambda timeline: timeline.insert(2, message(9)))

    assert [each["id"] for each in ran.lines] == ["m9"]


def test_follow_shows_edits(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """An edited message comes again with its new text."""

    def edit(timeline: list[Message]) -> None:
        timeline[3] = message(3, "better", edited=True)

    ran = follow(pgc, workspace, edit)

    assert [(each["id"], each["text"]) for each in ran.lines] == [("m3", "better")]


def test_follow_tells_ones_own_once(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """Without an id it is told when written, twice if said twice, and not again when it gets its id."""
    waiting = [replace(message(7, "ok"), id="", mine=True), replace(message(8, "ok"), id="", mine=True)]
    sealed = [replace(each, id=f"s{number}", time=99) for number, each in enumerate(waiting)]

    def seal(timeline: list[Message]) -> None:
        timeline[-2:] = [*sealed, message(9)]

    ran = follow(
        pgc,
        workspace,
        lambda timeline: timeline.append(waiting[0]),
        lambda timeline: timeline.append(waiting[1]),
        seal,
        lambda timeline: timeline.append(replace(waiting[0])),
    )

    assert [(each["id"], each["text"]) for each in ran.lines] == [
        ("", "ok"),
        ("", "ok"),
        ("m9", "text 9"),
        ("", "ok"),
    ]


def test_follow_begins_with_the_last(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """--last N shows so many of those before."""
    ran = follow(pgc, workspace, lambda timeline: timeline.append(message(5)), arguments=["--last", "2"])

    assert [each["id"] for each in ran.lines] == ["m3", "m4", "m5"]


def test_follow_a_chat_that_is_not_there(pgc: Any) -> None:
    """Exit 3."""
    assert pgc("chat", "follow", "nothing").code == 3


def test_follow_when_the_engine_fails(pgc: Any, workspace: FakeWorkspace, chat: FakeChat) -> None:
    """The engine's error ends it with its exit code."""
    workspace.failure = Offline()

    assert pgc("chat", "follow", "talk").code == 5
