"""The screens, driven by keys as a person would, on a workspace in memory."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, cast

import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, Static

from peergos_collab.errors import Damaged, NoAccess, Offline
from peergos_collab.workspace.api import (
    Event,
    Lan,
    Member,
    Message,
    NodeState,
    ObjectState,
    Path,
    Presence,
    Role,
    Status,
    Writer,
)
from support.screen_workspace import FakeGate, FakeWorkspace, join, said
from support.screens import painted, reads, running, settle, stocked
from tui.app import PgcApp
from tui.screens.home import Home
from tui.screens.recovery_code import RecoveryCode
from tui.screens.welcome import FirstRun, Unlock
from tui.screens.writing import Writing
from tui.viewmodels.people import COLOURS
from tui.widgets.chat_pane import ChatPane
from tui.widgets.message_box import MessageBox

NODE = "pgc://abcdef@node.example:7000"


async def test_a_screenful_is_shown_before_anything_is_known_of_all() -> None:
    """Of very many documents the first are there at once; the rest comes with the status."""
    workspace, asked = FakeWorkspace(), asyncio.Event()
    for number in range(60):
        await workspace.new_document(f"d{number:02}")
    status = workspace.status

    async def later() -> Status:
        await asked.wait()
        return await status()

    workspace.status = later  # type: ignore[method-assign]
    async with running(workspace, at="d00") as pilot:
        await pilot.press("end")
        first = await settle(pilot, "d49")
        asked.set()
        await settle(pilot, "no node yet")
        await pilot.press("end")
        await settle(pilot, "d59")

    assert "d50" not in first


# The first minute


async def test_first_run_asks_for_a_name_and_shows_the_recovery_code_once() -> None:
    """A newcomer gives a name, sees the code, must confirm it, and lands in an empty list that teaches."""
    workspace = FakeWorkspace()
    gate = FakeGate(workspace, exists=False)
    async with running(workspace, gate=gate, at="Welcome") as pilot:
        assert isinstance(pilot.app.screen, FirstRun)
        await pilot.press(*"Ann", "enter", *"pass", "enter", *"pass", "enter")
        await settle(pilot, "apple-birch-cedar")
        await pilot.press("enter")
        await settle(pilot, "Please confirm")
        assert isinstance(pilot.app.screen, RecoveryCode)
        await pilot.press("tab", "enter")
        shown = await settle(pilot, "write a new document")

    assert (gate.name, gate.passphrase) == ("Ann", "pass")
    assert "apple-birch" not in shown
    assert workspace.online
    assert workspace.closed


async def test_two_different_passphrases_make_nothing() -> None:
    """The difference is said, and no account is made."""
    gate = FakeGate(FakeWorkspace(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await pilot.press(*"Ann", "enter", *"pass", "enter", *"pasz", "enter")
        await settle(pilot, "passphrases differ")

    assert gate.name == ""


async def test_a_name_that_turns_text_around_makes_nothing() -> None:
    """It says so where it was typed."""
    gate = FakeGate(FakeWorkspace(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        pilot.app.screen.query_one("#name", Input).value = "Ann\u202eneB"
        await pilot.press("enter", "enter", "enter")
        await settle(pilot, "turn text around")

    assert gate.name == ""


async def test_a_locked_home_asks_until_the_passphrase_is_right() -> None:
    """A wrong one is said to be wrong, with its hint."""
    gate = FakeGate(await stocked(), passphrase="right")
    async with running(gate.workspace, gate=gate, at="locked") as pilot:
        assert isinstance(pilot.app.screen, Unlock)
        await pilot.press(*"wrong", "enter")
        shown = await settle(pilot, "does not open this home")
        assert "recovery code" in shown
        assert "wrong" not in shown
        await settle(pilot, "Passphrase")
        await pilot.press(*"right", "enter")
        await settle(pilot, "notes")


async def test_a_home_that_cannot_be_opened_says_why() -> None:
    """Damage is named with what to do, and the program can be left."""

    class Broken(FakeGate):
        async def open(self, passphrase: str | None) -> FakeWorkspace:
            raise Damaged("The key store of this home is damaged.")

    gate = Broken(FakeWorkspace())
    async with running(gate.workspace, gate=gate, at="The key store of this home is damaged.") as pilot:
        await pilot.press("escape")

    assert pilot.app.return_value == 0


# The list


async def test_a_new_document_opens_at_once_and_takes_typing() -> None:
    """n, a name, and one writes."""
    workspace = FakeWorkspace()
    async with running(workspace, at="write a new document") as pilot:
        await pilot.press("n")
        await settle(pilot, "New document")
        await pilot.press(*"plan", "enter")
        await settle(pilot, "saved here")
        await pilot.press(*"hi!", "enter", *"there")

    assert workspace.documents["plan"].text == "hi!\nthere"
    assert workspace.open_handles["plan"].closed


async def test_a_name_that_is_taken_is_refused_in_words() -> None:
    """The error of the workspace shows as a notice; nothing crashes."""
    workspace = await stocked()
    async with running(workspace) as pilot:
        await pilot.press("n")
        await settle(pilot, "New document")
        await pilot.press(*"notes", "enter")
        await settle(pilot, "nothing was changed")

    assert workspace.documents["notes"].text == "first line\nsecond line\n"


async def test_rename_and_remove_change_the_list() -> None:
    """Both ask first; the list follows."""
    workspace = await stocked()
    async with running(workspace) as pilot:
        await pilot.press("r")
        await settle(pilot, "Only your own list changes")
        await pilot.press("end", "2", "enter")
        await settle(pilot, "notes2")
        await pilot.press("d")
        await settle(pilot, "Take")
        await pilot.press("tab", "enter")
        await settle(pilot, "notes2", gone=True)

    assert list(workspace.documents) == []
    assert list(workspace.chats) == ["talk"]


async def test_nodes_are_added_and_removed() -> None:
    """A wrong address is explained; a right one is listed; Delete takes it away."""
    workspace = await stocked()
    async with running(workspace) as pilot:
        await pilot.press("o")
        await settle(pilot, "No node yet")
        await pilot.press(*"x", "enter")
        await settle(pilot, "It looks like pgc://")
        pilot.app.screen.query_one("#address", Input).value = NODE
        await pilot.press("enter")
        await settle(pilot, "node.example:7000  connected")
        pilot.app.screen.query_one("#nodes").focus()
        await pilot.press("down", "delete")
        await settle(pilot, "No node yet")

    assert workspace.node_states == []


async def test_a_node_that_goes_is_shown_where_nodes_are_listed() -> None:
    """The list follows the status while it is open, and what is chosen stays chosen."""
    workspace = await stocked()
    workspace.node_states.append(NodeState(NODE, connected=True))
    async with running(workspace) as pilot:
        await pilot.press("o")
        await settle(pilot, "node.example:7000  connected")
        pilot.app.screen.query_one("#nodes").focus()
        await pilot.press("home")

        workspace.node_states[0] = NodeState(NODE, connected=False, problem="it does not answer")
        await cast(PgcApp, pilot.app).update_status()

        await settle(pilot, "node.example:7000  it does not answer")
        assert pilot.app.screen.query_one(OptionList).highlighted == 0


async def test_the_entry_node_is_set_named_and_taken_away() -> None:
    """Who sets one is told what it does; going without it is asked first, for it shows who one is."""
    workspace = await stocked()
    workspace.node_states.append(NodeState(NODE, connected=True))
    async with running(workspace) as pilot:
        await pilot.press("o")
        await settle(pilot, "Use as entry node")
        await reads(pilot, "Local network: nothing is announced now.")
        workspace.lan = Lan.OFF
        await reads(pilot, "'pgc lan on' ends that")
        pilot.app.screen.query_one("#entry", Button).press()
        await settle(pilot, "Paste the address of a node first.")
        pilot.app.screen.query_one("#address", Input).value = "entry.example"
        pilot.app.screen.query_one("#entry", Button).press()
        await reads(pilot, "It looks like pgc://PIN@host:port.")
        pilot.app.screen.query_one("#address", Input).value = "pgc://zEntry@entry.example:8470"
        pilot.app.screen.query_one("#entry", Button).press()
        await reads(pilot, "entry.example:8470 entry: all others are reached through it")
        assert workspace.entry_node == "pgc://zEntry@entry.example:8470"
        for keys, then in ((("enter",), True), (("tab", "enter"), False)):
            pilot.app.screen.query_one("#nodes").focus()
            await pilot.press("end", "delete")
            await reads(pilot, "they see your network address")
            await pilot.press(*keys)
            await settle(pilot, "they see your", gone=True)
            await settle(pilot, "entry.example", gone=not then)

    assert workspace.entry_node == ""
    assert [node.address for node in workspace.node_states] == [NODE]


async def test_sharing_without_a_node_says_what_is_missing() -> None:
    """The error and its hint stand in the dialog."""
    async with running(await stocked()) as pilot:
        await pilot.press("s")
        await settle(pilot, "You can revoke it in the list of members.")
        await pilot.click("#make")
        shown = await settle(pilot, "no node yet")

    assert "pgc node add" in shown


async def test_sharing_shows_and_copies_the_link() -> None:
    """The role chosen is in the warning and in the link; copy puts it on the clipboard; the QR code shows."""
    workspace = await stocked()
    workspace.node_states.append(NodeState(NODE, connected=True))
    async with running(workspace, size=(100, 50)) as pilot:
        await pilot.press("s")
        await settle(pilot, "Anyone with this link can read it.")
        await pilot.press("down", "space")
        await settle(pilot, "Anyone with this link can read and change it.")
        await pilot.click("#make")
        await settle(pilot, "#writer-")
        await pilot.click("#copy")
        await pilot.click("#picture")
        await settle(pilot, "█▀▀▀▀▀█")

        assert pilot.app.clipboard.startswith("pgc://node.example:7000/#writer-")


async def test_a_link_can_have_a_password_and_an_end() -> None:
    """Both fields reach the workspace; the end is counted from now."""
    workspace = await stocked()
    workspace.node_states.append(NodeState(NODE, connected=True))
    async with running(workspace) as pilot:
        await pilot.press("s")
        await settle(pilot, "The link ends")
        await pilot.press("tab", *"secret", "tab", "right", "right", "space")
        await pilot.click("#make")
        await settle(pilot, "#reader-")

    assert workspace.shared is not None
    path, role, expires, password = workspace.shared
    assert (path, role, password) == ("notes", Role.READER, "secret")
    assert abs((expires or 0) / 1000 - time.time() - 7 * 86_400) < 60


async def test_members_are_listed_and_guests_are_not_vouched_for() -> None:
    """From the list, the editor and the chat: me, a guest by his own word, and the link itself."""
    workspace = await stocked()
    workspace.people += [
        Member("Bo", Role.WRITER, "guest", "zguest", unverified=True),
        Member("link (writer)", Role.WRITER, "link", "zlink1234"),
    ]
    async with running(workspace) as pilot:
        for keys in (("m",), ("enter", "ctrl+r"), ("escape", "down", "enter", "ctrl+r")):
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            shown = await settle(pilot, "says: Bo")
            assert re.search(r"Me +admin +you", shown)
            assert re.search(r"says: Bo +writer .*unverified", shown)
            assert re.search(r"whoever has the link +writer +link nk1234", shown)
            await pilot.press("escape")
            await settle(pilot, "says: Bo", gone=True)


async def test_joining_explains_bad_links_and_opens_good_ones() -> None:
    """Line breaks in a pasted link do not matter."""
    workspace = await stocked()
    workspace.offered["pgc://good-link"] = "theirs"
    async with running(workspace) as pilot:
        await pilot.press("j")
        await settle(pilot, "The link somebody gave you")
        await pilot.press(*"nonsense", "enter")
        assert "Copy the whole link again" in await settle(pilot, "not a complete share link")
        pilot.app.screen.query_one("#link", Input).value = " pgc://good -link "
        await pilot.press("enter")
        await settle(pilot, "saved here")

        assert isinstance(pilot.app.screen, Writing)
        assert pilot.app.screen.handle.path == "theirs"


@pytest.mark.parametrize("opened", [(), ("enter",), ("down", "enter")])
async def test_one_key_explains_whatever_has_the_focus(opened: tuple[str, ...]) -> None:
    """F1 lists keys in the list, the editor and the chat; Escape closes it."""
    async with running(await stocked()) as pilot:
        await pilot.press(*opened)
        await pilot.pause()
        before = pilot.app.screen
        await pilot.press("f1")
        await settle(pilot, "Help")
        words = {(): "New document", ("enter",): "Undo takes back", ("down", "enter"): "press Enter"}
        assert words[opened] in painted(pilot.app) or opened == ()  # type: ignore[arg-type]
        await pilot.press("escape")
        await pilot.pause()

        assert pilot.app.screen is before


async def test_the_list_shows_what_changes_elsewhere() -> None:
    """An event of the workspace brings the list up to date without a key."""
    workspace = await stocked()
    async with running(workspace) as pilot:
        workspace.states["notes"] = ObjectState("", "doc", ("here", NODE), 0, Path.NODE, 1)
        workspace.announce(Event("saved", "notes"))
        shown = await settle(pilot, "on node node.example:7000")

    assert "● via node" in shown


async def test_an_alarm_stays_on_the_list_until_it_is_over() -> None:
    """What concerns no object, such as an account that was forked, stands above the list, as letters."""
    workspace = await stocked()
    async with running(workspace) as pilot:
        workspace.problems.append("the account of [b]Ben[/] was forked: one of his devices was copied")
        workspace.announce(Event("change"))
        shown = await settle(pilot, "⚠ the account of [b]Ben[/] was forked")
        assert "notes" in shown
        workspace.problems.clear()
        workspace.announce(Event("change"))
        await settle(pilot, "forked", gone=True)


async def test_the_key_bar_shows_what_fits_and_a_click_presses_a_key() -> None:
    """On a narrow terminal the way to all commands is still there; every key acts once."""
    async with running(await stocked(), size=(40, 12)) as pilot:
        bar = painted(pilot.app).splitlines()[-1]  # type: ignore[arg-type]
        assert bar.startswith(" n Document  c Chat")
        assert bar.endswith("^p Commands")
        await pilot.click("KeyBar", offset=(bar.index("Chat"), 0))
        await settle(pilot, "New chat")


# The editor


@asynccontextmanager
async def writing(
    workspace: FakeWorkspace, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[Any], Writing]]:
    async with running(workspace, size=size) as pilot:
        await pilot.press("enter")
        await settle(pilot, "Back")
        assert isinstance(pilot.app.screen, Writing)
        yield pilot, pilot.app.screen


async def test_edits_of_another_person_appear_without_moving_mine() -> None:
    """Two screens on one document hold one text; the cursor stays with its words."""
    mine, theirs = await stocked(), FakeWorkspace()
    join(mine, theirs, "notes")
    async with writing(mine) as (pilot, screen):
        await pilot.press("down")
        theirs.documents["notes"].edit(0, 0, "above\n")
        await settle(pilot, "above")
        await pilot.press("X")

        assert theirs.documents["notes"].text == "above\nfirst line\nXsecond line\n"
        assert screen.handle.cursor == (len("above\nfirst line\nX"),) * 2  # type: ignore[attr-defined]


async def test_other_people_show_with_cursor_name_and_in_the_bar() -> None:
    """Their name stands beside their cursor; the bar says who is here."""
    workspace = await stocked()
    async with writing(workspace) as (pilot, screen):
        workspace.open_handles["notes"].show(Presence("k", "Ann", 2, 8, False, "webrtc"))
        await settle(pilot, "first line   Ann")
        await settle(pilot, "with Ann")
        strip = screen.editor._strips[0]
        colours = {
            segment.text: segment.style.bgcolor.name
            for segment in strip
            if segment.style and segment.style.bgcolor
        }
        assert colours[" Ann "] == COLOURS[0]
        workspace.open_handles["notes"].show()
        await settle(pilot, "with Ann", gone=True)


async def test_the_bar_says_who_wrote_what_is_under_the_cursor() -> None:
    """Nothing while all is one's own; then the other's name on his words, and "you" on one's own."""
    mine, theirs = await stocked(), FakeWorkspace()
    join(mine, theirs, "notes")
    async with writing(mine) as (pilot, _):
        other = theirs.documents["notes"].client
        mine.open_handles["notes"].writers[other] = Writer("Ann [b]", "ann", unverified=True)
        assert "by you" not in await settle(pilot, "first line")
        theirs.documents["notes"].edit(0, 0, "above\n")
        await settle(pilot, "above")
        await pilot.press("up")
        await settle(pilot, "by Ann [b] (unverified)")
        await pilot.press("down")
        await settle(pilot, "by you")


async def test_saved_is_not_said_before_it_is_proved() -> None:
    """After an edit the bar says saving until a later status proves it."""
    workspace = await stocked()
    async with writing(workspace) as (pilot, _):
        await settle(pilot, "saved here")
        workspace.states["notes"] = ObjectState("", "doc", (), 1, Path.OFFLINE, 0)
        await pilot.press("x")
        await settle(pilot, "saving…")
        workspace.states["notes"] = replace(workspace.states["notes"], saved=("here",), pending=0)
        workspace.announce(Event("saved", "notes"))
        await settle(pilot, "saved here")


async def test_find_counts_and_steps() -> None:
    """ctrl+f, a word, Enter for the next; Escape returns to the text with the match selected."""
    async with writing(await stocked()) as (pilot, screen):
        await pilot.press("ctrl+f", *"line")
        await settle(pilot, "1 of 2")
        await pilot.press("enter")
        await settle(pilot, "2 of 2")
        await pilot.press("escape", "X")

        assert screen.handle.document.text == "first line\nsecond X\n"


async def test_copy_cut_and_paste_keep_the_exact_text() -> None:
    """What is cut comes back as it was, also through the terminal's own paste."""
    async with writing(await stocked()) as (pilot, screen):
        await pilot.press("shift+end", "ctrl+x", "ctrl+v", "ctrl+v")

        assert pilot.app.clipboard == "first line"
        assert screen.handle.document.text == "first linefirst line\nsecond line\n"


async def test_export_writes_the_text_to_the_chosen_file(tmp_path: FilePath) -> None:
    """The bytes on disk are the text; an existing file is only replaced when told so."""
    target = tmp_path / "out.txt"
    async with writing(await stocked()) as (pilot, _):
        for answer in ("first", "second"):
            await pilot.press("ctrl+e")
            await settle(pilot, "not encrypted")
            pilot.app.screen.query_one(Input).value = str(target)
            await pilot.press("enter")
            if answer == "first":
                await settle(pilot, "Written to")
                target.write_text("changed elsewhere")
            else:
                await settle(pilot, "Replace it?")
                await pilot.press("enter")
                await settle(pilot, "Replace it?", gone=True)

    assert target.read_text() == "changed elsewhere"


@pytest.mark.parametrize(
    ("name", "why"), [("n" * 300, "File name too long"), ("~no-such-user/x", "there is no such user")]
)
async def test_export_to_what_is_no_name_is_no_fault(name: str, why: str) -> None:
    """A name that the system does not even look at is told as any other that cannot be written."""
    async with writing(await stocked(), (200, 24)) as (pilot, _):
        await pilot.press("ctrl+e")
        await settle(pilot, "not encrypted")
        pilot.app.screen.query_one(Input).value = name
        await pilot.press("enter")
        await reads(pilot, f"could not be written: {why}. The document is unchanged.")


async def test_a_reader_is_told_that_typing_does_nothing() -> None:
    """The text stays, the bar and a notice say why."""
    workspace = await stocked()
    workspace.roles["notes"] = Role.READER
    async with writing(workspace) as (pilot, screen):
        await settle(pilot, "read only")
        await pilot.press("x")
        await settle(pilot, "You can read this document")

        assert screen.handle.document.text == "first line\nsecond line\n"


async def test_who_is_removed_while_writing_is_told_plainly() -> None:
    """The bar, the list and a notice say so and by whom; the text stays, and typing changes nothing."""
    workspace = await stocked()
    words = "Ana [b] removed you: what is here stays yours"
    async with writing(workspace, (110, 24)) as (pilot, screen):
        await pilot.press("a")
        await settle(pilot, "saved here")
        workspace.open_handles["notes"].can_write = False
        workspace.states["notes"] = ObjectState("", "doc", ("here",), 0, Path.NODE, 0, removed=words)
        workspace.announce(Event("change", "notes"))
        await settle(pilot, f"⚠ {words}")
        await pilot.press("x")
        await reads(pilot, f"{words} ⚠ {words}")
        await pilot.press("escape")
        shown = await settle(pilot, "Name")

        assert screen.handle.document.text == "afirst line\nsecond line\n"
        assert f"⚠ {words}" in shown


async def test_a_change_that_comes_too_late_is_refused_in_words() -> None:
    """Where the right to write ended a moment ago, the document says why, and no fault is shown."""
    workspace = await stocked()

    def refuse() -> None:
        raise NoAccess("your role has changed; nothing was changed")

    async with writing(workspace) as (pilot, screen):
        screen.handle.document.before_edit = refuse
        for key in ("x", "backspace", "ctrl+z"):
            await pilot.press(key)
        await reads(pilot, "your role has changed; nothing was changed")

        assert screen.handle.document.text == "first line\nsecond line\n"


async def test_a_chat_beside_the_text_takes_messages_and_goes_away_again() -> None:
    """ctrl+t shows the chat, Enter sends, Escape returns to the text, ctrl+t hides it."""
    workspace = await stocked()
    async with writing(workspace) as (pilot, screen):
        await pilot.press("ctrl+t")
        await settle(pilot, "No messages yet.")
        await pilot.press(*"hello", "enter")
        await settle(pilot, "hello")
        await pilot.press("escape", "X")
        assert screen.handle.document.text.startswith("X")
        await pilot.press("ctrl+t")
        await settle(pilot, "hello", gone=True)

    assert [message.text for message in workspace.chats["talk"].messages(0, 9)] == ["hello"]


async def test_a_chat_beside_the_text_is_closed_with_it() -> None:
    """Asked for twice at once it opens once, and leaving the text leaves the chat too."""
    workspace = await stocked()
    async with writing(workspace) as (pilot, screen):
        screen.action_chat()
        screen.action_chat()
        await settle(pilot, "No messages yet.")
        assert len(screen.query(ChatPane)) == 1
        await pilot.press("escape", "escape")
        await settle(pilot, "Name")

        assert screen.handle.closed
        assert workspace.chats["talk"].closed == 1


async def test_a_search_leads_to_the_very_message_that_has_no_place_yet() -> None:
    """Messages written offline have no id yet; they are told apart all the same."""
    workspace = await stocked()
    chat = workspace.chats["talk"]
    chat.receive(*(replace(said(f"message {number}", number=number), id="") for number in range(300)))
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "message 299")
        await pilot.press("ctrl+f")
        await settle(pilot, "Search this chat")
        await pilot.press(*"message 7", "enter")
        await settle(pilot, "11 found")
        await pilot.press("enter")
        await settle(pilot, "Search this chat", gone=True)
        shown = painted(pilot.app)  # type: ignore[arg-type]

    assert "message 79" in shown


async def test_an_engine_that_is_gone_is_told_once() -> None:
    """The status is asked for every second, and says each time that nobody answers."""

    class Gone(FakeWorkspace):
        gone = False
        asked = 0

        async def status(self) -> Status:
            self.asked += self.gone
            if self.gone:
                raise Offline("The engine of this home has ended")
            return await super().status()

    workspace = Gone()
    await workspace.new_document("notes", "")
    async with running(workspace, size=(100, 30)) as pilot:
        workspace.gone = True
        await settle(pilot, "The engine of this home has ended")
        while workspace.asked < 4:
            await pilot.pause()
        shown = painted(pilot.app)  # type: ignore[arg-type]

    assert shown.count("The engine of this home has ended") == 1


async def test_the_editor_fits_a_small_terminal() -> None:
    """At 80 by 24 with a chat beside, and at 40 by 12, the text and the bar are there."""
    for size in ((80, 24), (40, 12)):
        async with writing(await stocked(), size) as (pilot, _):
            await pilot.press("ctrl+t")
            shown = await settle(pilot, "talk")

            assert "first line" in shown
            assert "offline" in shown


async def test_strange_characters_survive_editing_around_them() -> None:
    """CRLF, U+2028, form feed, U+0085, emoji and wide characters are as they were after typing and undo."""
    text = "é\u2028漢\x0c\x85字\r\n👨\u200d👩\u200d👧 end\r\n"
    workspace = FakeWorkspace()
    await workspace.new_document("notes", text)
    async with writing(workspace) as (pilot, screen):
        await pilot.press("end", "enter", "a", "down", "end", "b", "backspace", "ctrl+z")
        assert "\r" not in screen.handle.document.text.replace("\r\n", "")
        await pilot.press(*["ctrl+z"] * 5)

        assert screen.handle.document.text == text
        assert "é⏎漢␌␤字" in painted(pilot.app)  # type: ignore[arg-type]


# The chat


async def test_a_chat_shows_history_typing_and_search() -> None:
    """Scrolled back, a search leads to the message found."""
    workspace = await stocked()
    chat = workspace.chats["talk"]
    chat.receive(*(said(f"message {number}", number=number) for number in range(300)))
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "message 299")
        chat.show(Presence("k", "Ann", None, None, True, "node"))
        await settle(pilot, "Ann is typing…")
        await pilot.press("pageup")
        await settle(pilot, "message 299", gone=True)
        await pilot.press("ctrl+f")
        await settle(pilot, "Search this chat")
        await pilot.press(*"message 7", "enter")
        await settle(pilot, "11 found")
        await pilot.press("end", "enter")
        await settle(pilot, "message 7")
        await pilot.press("x")

    assert chat.typed >= 1


async def test_a_message_is_chosen_copied_and_answered() -> None:
    """Up goes to the messages; c copies one as it is, r answers it, and the answer shows what it answers."""
    workspace = await stocked()
    chat = workspace.chats["talk"]
    odd = "two\u2028 lines 👨\u200d👩\u200d👧"
    chat.receive(said("first", number=0), said(odd, number=1), said("third", number=2))
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "third")
        await pilot.press("up", "up", "c")
        await pilot.pause()
        assert pilot.app.clipboard == odd
        await pilot.press("r")
        await settle(pilot, "↳ Ann: two")
        await pilot.press(*"yes", "enter")
        await settle(pilot, "You  ")
        lines = painted(pilot.app).splitlines()  # type: ignore[arg-type]
        await pilot.press(*"more", "enter")
        await settle(pilot, "more")

    assert [line.strip()[:10] for line in lines if "↳" in line or "yes" in line] == ["↳ Ann: two", "yes"]
    assert [message.reply_to for message in chat.messages(3, 9)] == ["m1", ""]


async def test_escape_leaves_the_answer_before_the_chat() -> None:
    """After it, what is written answers nothing; the next Escape goes back to the list."""
    workspace = await stocked()
    workspace.chats["talk"].receive(said("first", number=0))
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "first")
        await pilot.press("up", "r")
        await settle(pilot, "↳ Ann: first")
        await pilot.press("escape")
        await settle(pilot, "↳", gone=True)
        await pilot.press(*"hi", "enter")
        await settle(pilot, "hi")
        await pilot.press("escape")
        await settle(pilot, "Name")

    assert [message.reply_to for message in workspace.chats["talk"].messages(1, 9)] == [""]


async def test_a_message_is_sent_as_it_was_written() -> None:
    """Backspace takes a whole cluster; separators and line ends of a paste stay; alt+enter is a new line."""
    workspace = await stocked()
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "No messages")
        box = pilot.app.screen.query_one(MessageBox)
        box.post_message(Paste("a\u2028b\x85 👨\u200d👩\u200d👧"))
        await pilot.press("backspace", "e", "alt+enter", "x")
        await pilot.pause()
        assert box.size.height == 2
        await pilot.press("enter")
        await settle(pilot, "You  ")

    assert [message.text for message in workspace.chats["talk"].messages(0, 9)] == ["a\u2028b\x85 e\nx"]


async def test_a_message_that_cannot_be_sent_stays_in_the_box() -> None:
    """Nothing typed is lost where sending fails."""
    workspace = await stocked()

    async def refuse(text: str, *, reply_to: str = "") -> str:
        raise Damaged

    workspace.chats["talk"].send = refuse  # type: ignore[method-assign]
    async with running(workspace) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot, "No messages")
        await pilot.press(*"precious", "enter")
        await settle(pilot, "Stored data is damaged")

        assert "precious" in painted(pilot.app)  # type: ignore[arg-type]


# Hostile words, faults


async def test_foreign_words_are_never_markup_or_control() -> None:
    """Names of documents, people and messages with markup and escapes show as letters, everywhere."""
    evil = "[red]x[/] [@click=app.leave]y[/] \x1b[31m[/nope]"
    workspace = FakeWorkspace()
    await workspace.new_document(evil, evil)
    await workspace.new_chat("talk")
    workspace.chats["talk"].receive(Message("1", evil, 0, evil))
    async with running(workspace, size=(110, 30)) as pilot:
        await settle(pilot, "[red]x[/]")
        workspace.announce(Event("problem", evil, text=evil))
        await pilot.press("up", "s")
        await settle(pilot, "Share [red]x[/]")
        await pilot.press("escape", "enter")
        await settle(pilot, "Back")
        workspace.open_handles[evil].show(Presence("k", evil, 0, 0, True, "node"))
        await pilot.press("ctrl+t")
        shown = await settle(pilot, "talk")
        await pilot.press("escape", "ctrl+e")
        await settle(pilot, "not encrypted")

    assert "␛[31m" in shown
    assert "\x1b" not in shown


async def test_a_fault_in_a_task_shows_and_the_program_goes_on() -> None:
    """The error screen says that nothing is lost; after it the editor still works."""
    workspace = await stocked()
    app = PgcApp(FakeGate(workspace))
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot, "notes")
        await pilot.press("enter")
        await settle(pilot, "Back")

        async def broken() -> None:
            raise ZeroDivisionError("private words")

        app.start(broken())
        shown = await settle(pilot, "What you wrote is saved")
        await pilot.press("escape")
        await settle(pilot, "What you wrote is saved", gone=True)
        await pilot.press("X")
    await app.close_workspace()

    assert "ZeroDivisionError" in shown
    assert "private words" not in shown
    assert workspace.documents["notes"].text.startswith("X")


async def test_a_fault_in_a_key_shows_and_the_program_goes_on() -> None:
    """A handler that fails does not take the screen with it."""
    workspace = await stocked()
    app = PgcApp(FakeGate(workspace))
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot, "notes")
        home = app.screen
        assert isinstance(home, Home)

        def broken() -> None:
            raise ZeroDivisionError

        home.action_nodes = broken  # type: ignore[method-assign]
        await pilot.press("o")
        await settle(pilot, "ZeroDivisionError")
        await pilot.press("escape")
        await settle(pilot, "ZeroDivisionError", gone=True)
        await pilot.press("enter")
        await settle(pilot, "Back")
    await app.close_workspace()

    assert len(app.faults) == 1


async def test_a_status_that_comes_as_the_program_ends_is_no_fault() -> None:
    """No screen is left then."""
    workspace = await stocked()
    app = PgcApp(FakeGate(workspace))
    async with app.run_test() as pilot:
        await settle(pilot, "notes")
    await app.update_status()
    await app.close_workspace()

    assert app.screen_stack == []


async def test_both_themes_show_the_screens() -> None:
    """Light and dark, the cursor and the text have different colours."""
    for theme in ("textual-dark", "textual-light"):
        async with writing(await stocked()) as (pilot, screen):
            pilot.app.theme = theme
            await pilot.pause()
            await settle(pilot, "first line")
            base = screen.editor.base_style()

            assert base.color != base.bgcolor
            assert isinstance(screen.query_one("#title"), Static)
