"""Tools for tests of screens: the program on a workspace in memory, and what it shows."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from support.screen_workspace import FakeGate, FakeWorkspace
from tui.app import PgcApp
from tui.screens.welcome import Fault


def painted(app: PgcApp) -> str:
    """What the terminal shows."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


def flat(shown: str) -> str:
    """What a screen shows as one line: without frames, and with one blank for any room."""
    return " ".join(re.sub("[│┃▌▐╭╮╰╯─]", " ", shown).split())


async def reads(pilot: Pilot[Any], text: str) -> str:
    """As ``settle``, wherever lines break; returns what is shown, flat."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        await pilot.pause()
        shown = flat(painted(pilot.app))  # type: ignore[arg-type]
        if text in shown:
            return shown
    raise AssertionError(f"{text!r} never came:\n{painted(pilot.app)}")  # type: ignore[arg-type]


async def settle(pilot: Pilot[Any], text: str, *, gone: bool = False) -> str:
    """Lets the program work until a text is shown, or is gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        await pilot.pause()
        shown = painted(pilot.app)  # type: ignore[arg-type]
        if (text in shown) is not gone:
            return shown
    raise AssertionError(f"{text!r} {'stayed' if gone else 'never came'}:\n{painted(pilot.app)}")  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    workspace: FakeWorkspace,
    *,
    gate: FakeGate | None = None,
    size: tuple[int, int] = (80, 24),
    at: str = "Name",
) -> AsyncIterator[Pilot[Any]]:
    app = PgcApp(gate or FakeGate(workspace))
    async with app.run_test(size=size, notifications=True) as pilot:
        if at:
            await settle(pilot, at)
        yield pilot
        assert not any(isinstance(screen, Fault) for screen in app.screen_stack), app.faults
    await app.close_workspace()


async def stocked() -> FakeWorkspace:
    workspace = FakeWorkspace()
    await workspace.new_document("notes", "first line\nsecond line\n")
    await workspace.new_chat("talk")
    return workspace
