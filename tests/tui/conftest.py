"""Tests of the terminal program."""

from __future__ import annotations

import pytest
from textual import _wait


@pytest.fixture(autouse=True)
def _brisk_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot looks every 20 ms whether a key was dealt with; every 2 ms gives the same answers."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 1 / 500)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 1 / 5000)
