"""Devices, driven by keys: the list, linking one more, and the first minute on a new one."""

from __future__ import annotations

import asyncio

import pytest
from textual.widgets import Input

from peergos_collab.errors import TimedOut
from peergos_collab.workspace.api import Device, DeviceComparison, NodeState
from support.screen_workspace import START, FakeGate, FakeWorkspace
from support.screens import painted, reads, running, settle, stocked
from tui.gate import Way
from tui.viewmodels.devices import device_lines, digit_words

NODE = "pgc://abcdef@node.example:7000"


async def noded() -> FakeWorkspace:
    workspace = await stocked()
    workspace.node_states.append(NodeState(NODE, connected=True))
    return workspace


# Words


def test_devices_are_listed_in_columns_and_this_one_is_named() -> None:
    """With the day they came; no day where none is known; a name is never markup or empty."""
    lines = device_lines(
        [Device("desk\x1b", "z1", me=True, added=START), Device("", "z2", me=False, added=0)]
    )

    assert lines[0] == f"{'desk␛':<23}  since 14 November 2023  this one"
    assert lines[1] == "a device without a name"


def test_digits_are_read_out_in_two_groups() -> None:
    """Three and three."""

    assert digit_words("123456") == "123 456"


# Linking one more


async def test_a_device_is_linked_once_both_show_the_same() -> None:
    """The code shows as text, words and QR code; then the digits; said to be the same, it is on the list."""
    workspace = await noded()
    async with running(workspace, size=(100, 44)) as pilot:
        await pilot.press("p", "e")
        await settle(pilot, "laptop")
        await pilot.press("l")
        shown = await settle(pilot, "pgc-device://node/#code")
        assert "acid bone calm deer" in shown
        await pilot.press("c", "ctrl+r")
        await settle(pilot, "█▀▀▀▀▀█")
        assert pilot.app.clipboard == "pgc-device://node/#code"
        workspace.meeting.set_result(DeviceComparison("123456", "[red]phone"))
        assert "the new device, [red]phone, show the same" in await reads(pilot, "123 456")
        await pilot.press("tab", "enter")
        await reads(pilot, "phone is a device of this account now.")
        await settle(pilot, "since 14 November 2023  this one")

    assert workspace.done == [("finish_linking", "o1", "True")]


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_an_enter_too_many_does_not_hand_the_account_over(key: str) -> None:
    """The answer that has the focus is no; leaving means no as well. The other device is refused."""
    workspace = await noded()
    async with running(workspace) as pilot:
        await pilot.press("e")
        await settle(pilot, "laptop")
        await pilot.press("l")
        await settle(pilot, "pgc-device://node/#code")
        workspace.meeting.set_result(DeviceComparison("123456", "phone"))
        await settle(pilot, "123 456")
        await pilot.press(key)
        await reads(pilot, "did not show the same digits")
        await settle(pilot, "123 456", gone=True)

    assert workspace.done == [("finish_linking", "o1", "False")]


async def test_a_code_that_nobody_used_says_so_and_is_ended() -> None:
    """The error stands where the code was; leaving ends the offer."""
    workspace = await noded()
    async with running(workspace) as pilot:
        await pilot.press("e")
        await settle(pilot, "laptop")
        await pilot.press("l")
        await settle(pilot, "pgc-device://node/#code")
        workspace.meeting.set_exception(TimedOut("nobody used the code"))
        await settle(pilot, "Nobody used the code.")
        await pilot.press("escape")
        await settle(pilot, "Nobody used the code", gone=True)

    assert workspace.done == [("finish_linking", "o1", "False")]


async def test_linking_without_a_node_says_what_is_missing() -> None:
    """The error and its hint stand in the list of devices."""
    async with running(await stocked()) as pilot:
        await pilot.press("e")
        await settle(pilot, "laptop")
        await pilot.press("l")
        assert "pgc node add" in await settle(pilot, "no node yet")


@pytest.mark.parametrize(
    ("presses", "end_links", "said"),
    [(1, "False", "It knows links that open “notes”"), (2, "True", "which come as soon as possible.")],
)
async def test_a_device_is_removed_after_a_plain_warning(presses: int, end_links: str, said: str) -> None:
    """Not the one one is at. Before it: what it keeps, what it cannot. After: what waits, what stays open."""
    workspace = await noded()
    workspace.device_list.append(Device("phone", "zd2", me=False, added=START))
    async with running(workspace) as pilot:
        await pilot.press("e")
        await settle(pilot, "phone")
        pilot.app.screen.query_one("#devices").focus()
        await pilot.press("home", "delete")
        await reads(pilot, "This is the device you are at.")
        await pilot.press("end", "delete")
        shown = await reads(pilot, "Remove phone from your account?")
        assert "What phone already has it keeps; nothing can take that back." in shown
        assert "what it writes is refused by everyone" in shown
        await pilot.press("enter")
        await settle(pilot, "already has", gone=True)
        assert workspace.done == []
        await pilot.press("delete")
        await settle(pilot, "already has")
        await pilot.press(*["tab"] * presses, "enter")
        await reads(pilot, "phone is removed. 2 objects still wait for new keys")
        await reads(pilot, said)
        await settle(pilot, "phone  since", gone=True)

    assert workspace.done == [("remove_device", "zd2", end_links)]


# The first minute on a new one


async def test_a_new_device_joins_with_a_code() -> None:
    """A wrong code is explained; the digits are compared; then the list of the account is there."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await pilot.click("#LINKED")
        await settle(pilot, "The code, or its eight words")
        await pilot.press(*"bad", "enter", "enter", *"pgc://e@e:1", "enter", *"pw", "enter", *"pw", "enter")
        assert "Copy it again." in await settle(pilot, "This is not a whole code.")
        pilot.app.screen.query_one("#code", Input).value = "pgc-device://good"
        await pilot.press("enter")
        await settle(pilot, "123 456")
        await pilot.press("tab", "enter")
        await settle(pilot, "notes")
        await reads(pilot, "What is in your account is being fetched.")

    assert gate.passphrase == "pw"
    assert gate.way == Way("", "pgc://e@e:1")


async def test_other_digits_make_no_home() -> None:
    """It is said, and one can try again or go back to the first screen."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome", size=(40, 12)) as pilot:
        await pilot.press("f2")
        await settle(pilot, "Another device of mine")
        pilot.app.screen.query_one("#code", Input).value = "pgc-device://good"
        await pilot.press(*["enter"] * 5)
        await settle(pilot, "123 456")
        await pilot.press("enter")
        await reads(pilot, "did not show the same code.")
        await pilot.press("escape")
        await settle(pilot, "Welcome")

        assert not gate.exists()


async def test_waiting_for_the_other_device_can_be_left() -> None:
    """Escape while it is looked for ends the search, and nothing was made."""
    gate = FakeGate(await stocked(), exists=False)
    ended = asyncio.Event()

    async def forever(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    gate.join = forever  # type: ignore[method-assign, assignment]
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await pilot.click("#LINKED")
        await settle(pilot, "The code, or its eight words")
        await pilot.press(*"x", *["enter"] * 5)
        await settle(pilot, "Looking for your other device…")
        await pilot.press("escape")
        await settle(pilot, "Welcome")
        await ended.wait()

        assert "Looking" not in painted(pilot.app)  # type: ignore[arg-type]
