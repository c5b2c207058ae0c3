"""Tests of the terminal program."""

from __future__ import annotations

from typing import Any

import pytest
from textual import _wait
from textual.driver import Driver
from textual.message import Message
from textual.pilot import Pilot

HOPS = 4
"""From the program to the screen, to the widget, and what that says of it back again."""


@pytest.fixture(autouse=True)
def _brisk_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot looks every 20 ms whether a key was dealt with; every 2 ms gives the same answers."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 1 / 500)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 1 / 5000)


@pytest.fixture(autouse=True)
def _thorough_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key was dealt with once it went through every queue: a program looks idle, too, that gets no time."""
    press = Pilot.press

    async def press_through(pilot: Pilot[Any], *keys: str) -> None:
        for key in keys:
            await press(pilot, key)
            for _ in range(HOPS):
                await pilot._wait_for_screen()

    def send_at_once(driver: Driver, message: Message) -> None:
        driver._app.post_message(message)

    monkeypatch.setattr(Pilot, "press", press_through)
    monkeypatch.setattr(Driver, "send_message", send_at_once)
