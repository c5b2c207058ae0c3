"""What is typed before the text it is meant for is open: by the pilot, and in a terminal on a real home."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from peergos_collab.errors import Offline
from support.programs import PROGRAM, ROOT, pgc
from support.screen_workspace import FakeChatHandle, FakeDocumentHandle, FakeGate, FakeWorkspace, said
from support.screens import reads, running, settle, stocked
from support.terminal import Terminal, key


class SlowWorkspace(FakeWorkspace):
    """Opens things once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.failure: Exception | None = None

    async def _wait(self) -> None:
        self.asked.set()
        await self.let.wait()
        if self.failure is not None:
            raise self.failure

    async def open_document(self, path: str) -> FakeDocumentHandle:
        await self._wait()
        return await super().open_document(path)

    async def open_chat(self, path: str) -> FakeChatHandle:
        await self._wait()
        return await super().open_chat(path)


async def slow() -> SlowWorkspace:
    workspace = SlowWorkspace()
    await workspace.new_document("notes", "old")
    await workspace.new_chat("talk")
    return workspace


async def test_what_is_typed_while_a_new_document_opens_goes_into_it() -> None:
    """Letters, a move and a deletion, in their order; none of them is a command of the list."""
    workspace = await slow()
    async with running(workspace) as pilot:
        await pilot.press("n")
        await settle(pilot, "New document")
        await pilot.press(*"plan", "enter")
        await workspace.asked.wait()
        await pilot.press(*"dense", "backspace", "home", "x")
        workspace.let.set()
        await settle(pilot, "xdens")
        await pilot.press("y")
        await settle(pilot, "xydens")

    assert workspace.documents["plan"].text == "xydens"
    assert set(workspace.documents) == {"plan", "notes"}


async def test_what_is_typed_while_an_old_text_opens_goes_into_it() -> None:
    """Behind Enter on the list d would remove what is chosen, and n make something new."""
    workspace = await slow()
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await workspace.asked.wait()
        await pilot.press("d", "n")
        workspace.let.set()
        await settle(pilot, "dnold")
        await pilot.press("escape")
        await settle(pilot, "Kind")
        workspace.let.clear()
        workspace.asked.clear()
        await pilot.press("down", "enter")
        await workspace.asked.wait()
        await pilot.press("d", "n", "enter")
        workspace.let.set()
        await settle(pilot, "You")

    assert [message.text for message in workspace.chats["talk"].messages(0, 9)] == ["dn"]


async def test_what_cannot_be_opened_gives_the_keys_back() -> None:
    """What was typed is said to be lost, and the list has its keys again."""
    workspace = await slow()
    workspace.failure = Offline("it is away")
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await workspace.asked.wait()
        await pilot.press("d")
        workspace.let.set()
        await reads(pilot, "went nowhere")
        await pilot.press("r")
        await settle(pilot, "Only your own list changes")


async def test_a_name_that_is_taken_can_be_changed_where_it_was_typed() -> None:
    """The dialog stays, with the name and the reason, and goes on to the text."""
    workspace = await slow()
    workspace.let.set()
    async with running(workspace) as pilot:
        await pilot.press("n")
        await settle(pilot, "New document")
        await pilot.press(*"notes", "enter")
        await reads(pilot, "nothing was changed")
        await pilot.press("end", *"2", "enter", *"cd")
        await settle(pilot, "cd")

    assert workspace.documents["notes2"].text == "cd"


async def test_quitting_works_though_nothing_opens() -> None:
    """The second time it is not kept for later."""
    workspace = await slow()
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await workspace.asked.wait()
        await pilot.press("ctrl+q", "ctrl+q")
        await pilot.pause()
        assert pilot.app.return_value == 0


@pytest.mark.parametrize("rest", ["", key("enter") + "and more"])
def test_name_enter_and_text_in_one_write(tmp_path: Path, rest: str) -> None:
    """As a fast hand or a slow line sends them; all of it is in the document afterwards."""
    home = tmp_path / "home"
    pgc(home, "init", "--name", "Ann", "--no-passphrase")
    with Terminal([*PROGRAM, "--home", str(home)], cwd=str(ROOT)) as terminal:
        terminal.wait_for("write a new document")
        terminal.send("n")
        terminal.wait_cursor_below("Only you can see it")
        terminal.send(f"plan{key('enter')}dear all{rest}")
        terminal.wait_for((rest or "dear all").strip())
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
    assert pgc(home, "doc", "cat", "plan").decode() == f"dear all{rest}".replace("\r", "\n")


def test_text_and_quit_in_one_write(tmp_path: Path) -> None:
    """Who types and leaves at once finds it there again."""
    home = tmp_path / "home"
    pgc(home, "init", "--name", "Ann", "--no-passphrase")
    with Terminal([*PROGRAM, "--home", str(home)], cwd=str(ROOT)) as terminal:
        terminal.wait_for("write a new document")
        terminal.send("n")
        terminal.wait_cursor_below("Only you can see it")
        terminal.send(f"plan{key('enter')}dear all{key('ctrl+q')}")

        assert terminal.wait_end() == 0
    assert pgc(home, "doc", "cat", "plan").decode() == "dear all"


def test_a_taken_name_and_text_in_one_write(tmp_path: Path) -> None:
    """The text has nowhere to go: that is said, beside the name that can be changed."""
    home = tmp_path / "home"
    pgc(home, "init", "--name", "Ann", "--no-passphrase")
    pgc(home, "doc", "new", "plan")
    with Terminal([*PROGRAM, "--home", str(home)], cwd=str(ROOT)) as terminal:
        terminal.wait_for("plan")
        terminal.send("n")
        terminal.wait_cursor_below("Only you can see it")
        terminal.send(f"plan{key('enter')}dear")
        terminal.wait_for("went nowhere")
        terminal.press("end")
        terminal.send(f"2{key('enter')}dear all")
        terminal.wait_for("dear all")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
    assert pgc(home, "doc", "cat", "plan2").decode() == "dear all"


def test_a_whole_first_document_in_one_write(tmp_path: Path) -> None:
    """The command, the name, Enter and the text: none of it is a command of the list but the first letter."""
    home = tmp_path / "home"
    pgc(home, "init", "--name", "Ann", "--no-passphrase")
    with Terminal([*PROGRAM, "--home", str(home)], cwd=str(ROOT)) as terminal:
        terminal.wait_for("write a new document")
        terminal.send(f"njcd{key('enter')}dear all")
        terminal.wait_for("dear all")
        terminal.press("escape")
        terminal.wait_for("Kind")
        # The same from a list that is not empty.
        terminal.send(f"nd{key('enter')}second")
        terminal.wait_for("second")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
    assert pgc(home, "doc", "cat", "jcd").decode() == "dear all"
    assert pgc(home, "doc", "cat", "d").decode() == "second"


@pytest.mark.parametrize(("command", "shows"), [("c", "New chat"), ("j", "Join by link"), ("r", "Rename")])
async def test_letters_behind_a_command_are_for_its_dialog(command: str, shows: str) -> None:
    """However fast they come: d and q would remove something, or quit."""
    workspace = await slow()
    async with running(workspace) as pilot:
        for one in (command, *"dq"):
            pilot.app.post_message(events.Key(one, one))
        shown = await settle(pilot, "dq")

        assert shows in shown
        assert pilot.app.screen.query_one(Input).value.endswith("dq")


async def test_a_command_that_shows_no_field_gives_the_keys_back() -> None:
    """Nothing holds them for ever: the next letter is a command again."""

    async def fails() -> None:
        raise Offline("it is away")

    async with running(await slow()) as pilot:
        pilot.app.screen.start_asking(fails())
        await reads(pilot, "It is away.")
        await pilot.press("r")
        await settle(pilot, "Only your own list changes")


async def test_what_is_typed_behind_enter_is_for_the_next_field() -> None:
    """A name and a passphrase in one burst: no letter of the passphrase shows in the name."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        for one in (*"Ann", "enter", *"secret", "enter", *"secret", "enter"):
            pilot.app.post_message(events.Key(one, one if len(one) == 1 else None))
        await settle(pilot, "Your recovery code")

    assert (gate.name, gate.passphrase) == ("Ann", "secret")


def test_what_is_typed_behind_find_is_looked_for(tmp_path: Path) -> None:
    """In one write with the key: none of it goes into the document, nor into the message of a chat."""
    home = tmp_path / "home"
    pgc(home, "init", "--name", "Ann", "--no-passphrase")
    pgc(home, "doc", "new", "plan")
    pgc(home, "doc", "write", "plan", "-", stdin="some words")
    pgc(home, "chat", "new", "talk")
    with Terminal([*PROGRAM, "--home", str(home)], cwd=str(ROOT)) as terminal:
        terminal.wait_for("plan")
        terminal.press("enter")
        terminal.wait_for("some words")
        terminal.send(f"x{key('ctrl+f')}word")
        terminal.wait_for("1 of 1")
        terminal.press("escape")
        terminal.wait_gone("1 of 1")
        terminal.press("escape")
        terminal.wait_for("Kind")
        terminal.send(key("down") + key("enter"))
        terminal.wait_for("Message")
        terminal.send(f"x{key('ctrl+f')}word")
        terminal.wait_for("Search this chat")
        terminal.wait_until(lambda shown: "word" in shown, what="the query")
        terminal.press("escape")
        terminal.wait_gone("Search this chat")
        terminal.wait_until(lambda _: " x" in terminal.text and "word" not in terminal.text, what="the draft")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
    assert pgc(home, "doc", "cat", "plan").decode() == "xsome words"


async def test_escape_leaves_what_is_innermost() -> None:
    """An answer first, then the chat: keys of the screen do not go before those in between."""
    workspace = await slow()
    workspace.let.set()
    workspace.chats["talk"].receive(said("hello"))
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "hello")
        await pilot.press("up", "r")
        await settle(pilot, "↳")
        await pilot.press("escape")
        await settle(pilot, "↳", gone=True)
        await settle(pilot, "hello")
        await pilot.press("escape")
        await settle(pilot, "Kind")


def test_escape_pressed_too_often_leaves_one_screen_only(tmp_path: Path) -> None:
    """In one write, from a document and from a chat: the list stays, and has its keys."""
    home = tmp_path / "home"
    pgc(home, "init", "--name", "Ann", "--no-passphrase")
    pgc(home, "doc", "new", "plan")
    pgc(home, "chat", "new", "talk")
    with Terminal([*PROGRAM, "--home", str(home)], cwd=str(ROOT)) as terminal:
        for move in ("home", "down"):
            terminal.wait_for("Kind")
            terminal.press(move, "enter")
            terminal.wait_for("Back")
            terminal.press(*["escape"] * 4)
        terminal.wait_for("Kind")
        terminal.press("ctrl+q")

        assert terminal.wait_end() == 0
