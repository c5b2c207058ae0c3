"""QR codes: whole on a small terminal where that is possible; where it is not, what they need is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import segno
from textual.widgets import Input

from peergos_collab.workspace.api import DeviceOffer, NodeState
from support.screen_workspace import START, WORDS, FakeWorkspace
from support.screens import painted, reads, running, settle, stocked
from tui.viewmodels.qr import qr_lines, too_small_words

CODE = f"pgc-device://{'z' * 48}@a-long-name-of-a-node.example:8470/#{'z' * 19}"
CARD = "pgc-card:" + "g1iBhwFY" * 200


class Offering(FakeWorkspace):
    async def link_device(self) -> DeviceOffer:
        await super().link_device()
        return DeviceOffer("o1", CODE, tuple(WORDS[:8]), "pgc://x@node:7000", START)

    async def contact_card(self) -> str:
        return CARD


async def test_the_code_of_a_device_is_whole_on_a_small_terminal() -> None:
    """80 by 24 cells are enough without a frame; once the devices have met, the frame is back."""
    workspace = Offering()
    workspace.node_states.append(NodeState("pgc://x@node:7000", connected=True))
    async with running(workspace, at="write a new document") as pilot:
        await pilot.press("e")
        await settle(pilot, "this one")
        await pilot.press("l")
        await settle(pilot, "On the new device choose")
        assert qr_lines(CODE, 72, 20) == []
        wanted = qr_lines(CODE, 80, 24)
        assert wanted
        await pilot.press("ctrl+r")
        shown = await settle(pilot, wanted[1].strip())
        await pilot.pause()
        lines = painted(pilot.app).split("\n")  # type: ignore[arg-type]
        # The last line may be blank: the lower half of the light border.
        assert [line.strip() for line in lines if line.strip()][: len(wanted) - 2] == [
            line.strip() for line in wanted if line.strip()
        ][: len(wanted) - 2], shown


async def test_what_does_not_fit_says_what_it_needs() -> None:
    """In numbers, so that nobody tries in vain; the text stays there to copy."""
    async with running(Offering(), at="write a new document") as pilot:
        await pilot.press("p")
        await settle(pilot, "Nobody here yet.")
        await pilot.press("c")
        await settle(pilot, "Your contact card")
        await pilot.press("ctrl+r")
        shown = await reads(pilot, "or copy the text.")

    assert too_small_words(CARD, 80, 24) in shown
    assert "save the code as a picture (ctrl+s)" in shown
    assert "g1iBhwFYg1iBhwFY" in shown


@pytest.mark.parametrize("text", [CODE, CARD])
def test_it_fits_just_where_it_is_said_to(text: str) -> None:
    """Not in a cell less; and what is drawn are the modules of the code."""
    size = segno.make(text, error="l", boost_error=False, micro=False).symbol_size(border=1)[0]
    rows = (size + 1) // 2
    lines = qr_lines(text, size, rows)

    assert f"{size} × {rows}" in too_small_words(text, 1, 1)
    assert (len(lines), {len(line) for line in lines}) == (rows, {size})
    assert qr_lines(text, size - 1, rows) == qr_lines(text, size, rows - 1) == []
    code = segno.make(text, error="l", boost_error=False, micro=False)
    halves = [[cell in dark for cell in line] for line in lines for dark in ("▀█", "▄█")]
    assert halves[:size] == [[bool(one) for one in row] for row in code.matrix_iter(border=1)]


async def test_what_fits_no_terminal_is_saved_as_a_picture(tmp_path: Path) -> None:
    """PNG, by its name SVG or text; for this user only; what is there is replaced after a question."""
    workspace = Offering()
    async with running(workspace, at="write a new document") as pilot:
        await pilot.press("p")
        await settle(pilot, "Nobody here yet.")
        await pilot.press("c")
        await settle(pilot, "Your contact card")

        async def save(name: str) -> None:
            await pilot.press("ctrl+s")
            await settle(pilot, "contact-card.png")
            pilot.app.screen.query_one("#name", Input).value = str(tmp_path / name)
            await pilot.press("enter")

        for name in ("card", "card.svg", "card.txt"):
            await save(name)
            await reads(pilot, "Written to")
            pilot.app.clear_notifications()
            await settle(pilot, "Written to", gone=True)
        await save("card.png")
        await reads(pilot, "Replace it?")
        await pilot.press("escape")
        await settle(pilot, "Replace it?", gone=True)
        await save("no/such/place.png")
        await reads(pilot, "Nothing was changed.")

    png = (tmp_path / "card.png").read_bytes()
    side = segno.make(CARD, error="l", boost_error=False, micro=False).symbol_size()[0]
    assert png[:16] == b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    assert int.from_bytes(png[16:20], "big") % side == 0
    assert 600 < int.from_bytes(png[16:20], "big") <= 1000
    assert (tmp_path / "card.png").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "card.svg").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "card.txt").read_text() == CARD + "\n"


async def test_a_link_that_is_not_made_yet_has_no_picture() -> None:
    """Only then can it be saved, and it is said what the file opens."""
    workspace = await stocked()
    workspace.node_states.append(NodeState("pgc://x@node:7000", connected=True))
    async with running(workspace) as pilot:
        await pilot.press("s")
        await settle(pilot, "Anyone with this link")
        await pilot.press("ctrl+s", "ctrl+r")
        await pilot.click("#make")
        await reads(pilot, "pgc://node.example")
        await pilot.press("ctrl+s")
        await reads(pilot, "Whoever gets the picture has the link.")
