"""Random runs in which people write one text and have its history forgotten, with real replicas of it.

Some are away for long, start again from their disk, or are killed in the midst of forgetting. One of them
never forgets: at the end everybody has what he has, also after a start. ``HYPOTHESIS_PROFILE=long`` makes
hundreds of runs, others each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from peergos_collab.sync import archiving
from support.forgetting import ForgettingTexts

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


@pytest.fixture(autouse=True, scope="module")
def small() -> object:
    """Archives of 6 segments; the newest 4 of a log stay as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archiving, "KEEP", 4)
        patch.setattr(archiving, "MAX_SEGMENTS", 6)
        yield


@settings(max_examples=500 if LONG else 12, derandomize=not LONG)
@example(seed=0)  # an older base lies in what a newer one stands for
@example(seed=357)  # somebody had written behind a word that its author went on with
@example(seed=1000)  # two admins who did not know of each other's
@given(seed=st.integers(0, 2**32))
def test_all_see_one_text(seed: int) -> None:
    """Who forgot, who did not, and who came later; and nobody takes what is true to be false."""
    assert ForgettingTexts(seed).run().faults == []


def test_the_runs_have_in_them_what_they_are_about() -> None:
    """Much is forgotten in them, and some are killed at it."""
    runs = [ForgettingTexts(seed).run() for seed in range(4)]

    assert sum(run.said for run in runs) > 3
    assert sum(run.husked for run in runs) > 10
    assert sum(run.killed for run in runs)
