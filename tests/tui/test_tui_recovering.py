"""Recovering an account from the first screen, driven by keys, on a way in without an engine.

On a real home and a real node: tests/e2e/test_recovery_terminal.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input

from peergos_collab.workspace.recovering import RecoveredAccount
from support.screen_workspace import FakeGate
from support.screens import reads, running, settle, stocked
from tui.gate import Way
from tui.viewmodels.recovering import outcome_words

BACK = RecoveredAccount("account", "device", "Ann", (), True, True, 0, (), 1)


async def to_the_new_code(pilot: Pilot[Any], code: str = "GOOD") -> None:
    """Fills the form in, and recovers."""
    await pilot.press("f3")
    await settle(pilot, "Your recovery code")
    for name, value in {"code": code, "node": "pgc://n@n:1", "entry": "pgc://e@e:1"}.items():
        pilot.app.screen.query_one(f"#{name}", Input).value = value
    await pilot.press("enter", "enter", "enter", *"pw", "enter", *"pw", "enter")


async def test_an_account_comes_back_and_says_what_is_not_as_it_should_be() -> None:
    """A wrong code is explained beside it; the new one is confirmed; then what came of it, and the list."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await to_the_new_code(pilot, "bad")
        await reads(pilot, "Group 1 of the recovery code looks wrong.")
        pilot.app.screen.query_one("#code", Input).value = "GOOD"
        await pilot.press("enter")
        assert "the old code is used up" in await reads(pilot, "NEW-CODE")
        await pilot.press("enter", "escape")
        await reads(pilot, "Please confirm")
        assert not gate.exists()
        await pilot.press("tab", "enter")
        shown = await reads(pilot, "Welcome back, Ann. laptop, phone are no devices of yours any more")
        assert "Somebody had locked your profile" in shown
        assert "Not every node has heard of it" in shown
        assert "2 objects still wait for new keys" in shown
        assert "links that open “notes”" in shown
        await pilot.press("enter")
        await settle(pilot, "talk")

    assert (gate.passphrase, gate.way) == ("pw", Way("pgc://n@n:1", "pgc://e@e:1"))


async def test_links_end_with_the_devices_where_that_is_ticked() -> None:
    """It is off until then, and without colours too it shows that it is on."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await pilot.press("f3")
        await settle(pilot, "▐ ▌ End my links")
        pilot.app.screen.query_one(Checkbox).focus()
        await pilot.press("space")
        await settle(pilot, "▐X▌ End my links")
        await pilot.press("escape")
        await settle(pilot, "Welcome")
        await to_the_new_code(pilot)
        await settle(pilot, "NEW-CODE")


async def test_who_stops_at_the_new_code_has_changed_nothing() -> None:
    """The form is there again and says so, and one can go back from it."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome", size=(60, 20)) as pilot:
        await to_the_new_code(pilot)
        await settle(pilot, "NEW-CODE")
        await pilot.click("#stop")
        await reads(pilot, "your code is as good as before")
        assert not gate.exists()
        await pilot.press("escape")
        await settle(pilot, "Welcome")


async def test_what_fails_late_leaves_the_account_here() -> None:
    """The home is made: it is said that it goes on, and it opens."""
    gate = FakeGate(await stocked(), exists=False)
    gate.fails_late = True
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await to_the_new_code(pilot)
        await settle(pilot, "NEW-CODE")
        await pilot.press("tab", "enter")
        assert "The node gave false data." in await reads(pilot, "on this device all the same")
        await pilot.press("enter")
        await settle(pilot, "notes")


@pytest.mark.parametrize(
    ("missing", "said"), [("code", "Type your recovery"), ("node", "of a node is missing")]
)
async def test_what_is_missing_is_named_and_gets_the_focus(missing: str, said: str) -> None:
    """Nothing is asked of any node before."""
    gate = FakeGate(await stocked(), exists=False)
    async with running(gate.workspace, gate=gate, at="Welcome") as pilot:
        await pilot.click("#LOST")
        await settle(pilot, "Your recovery code")
        for name in {"code", "node"} - {missing}:
            pilot.app.screen.query_one(f"#{name}", Input).value = "x"
        await pilot.click("#ok")
        await settle(pilot, said)

        assert pilot.app.focused is pilot.app.screen.query_one(f"#{missing}")


def test_a_recovery_without_remarks_is_one_sentence_more() -> None:
    """Nothing is said of what is as it should be."""

    assert outcome_words(BACK) == ["Welcome back, Ann. No other device was left in it."]
