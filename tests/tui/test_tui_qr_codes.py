"""QR codes: whole on a small terminal where that is possible; where it is not, what they need is said."""

from __future__ import annotations

import pytest
import segno

from peergos_collab.workspace.api import DeviceOffer, NodeState
from support.screen_workspace import START, WORDS, FakeWorkspace
from support.screens import painted, reads, running, settle
from tui.viewmodels.sharing import qr_lines, too_small_words

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
