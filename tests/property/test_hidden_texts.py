"""Random runs in which people write one text and add others from now on, with real replicas of it.

At the end everybody in it sees the same text, also after a start and after all was folded anew; nobody who
was added so can make out what was written and taken away by somebody who did not know of him; and whoever has
the history takes no base to be false. ``HYPOTHESIS_PROFILE=long`` makes hundreds of runs, others each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from peergos_collab.documents import Document
from peergos_collab.sync import archiving
from peergos_collab.sync.bases import Bases
from support.hidden_texts import HiddenTexts, Writing

SEEDS = st.integers(0, 2**32)
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
ARCHIVED = range(9000, 9004)
TOLD = range(40)
"""Runs of which some have what a rule is about."""


@settings(max_examples=300 if LONG else 6, derandomize=not LONG)
@example(seed=0)  # three bases made at the same moment
@given(seed=SEEDS)
def test_all_see_one_text(seed: int) -> None:
    """Newcomers too, who pass what they never open."""
    assert HiddenTexts(seed).run().faults == []


@settings(max_examples=300 if LONG else 6, derandomize=not LONG)
@example(seed=108)  # the newcomer had all segments before he was a member
@example(seed=109)
@given(seed=SEEDS)
def test_also_where_members_are_removed(seed: int) -> None:
    """The authors of bases among them."""
    assert HiddenTexts(seed, removals=True).run().faults == []


@settings(max_examples=300 if LONG else 4, derandomize=not LONG)
@example(seed=19)  # five lies
@example(seed=39)
@given(seed=SEEDS)
def test_also_where_a_writer_lies_to_newcomers(seed: int) -> None:
    """What he tells them has no effect once somebody more senior has told the truth."""
    assert HiddenTexts(seed, liar=True).run().faults == []


def test_lying_runs_fail_where_nobody_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newcomers go on with what nobody wrote."""
    monkeypatch.setattr(Writing, "check_bases", lambda _: None)

    assert any(HiddenTexts(seed, liar=True).run().faults for seed in TOLD)


def test_runs_fail_without_late_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits for ever for what was written under older keys."""
    monkeypatch.setattr(Bases, "is_due", lambda *_: False)

    assert any("another text" in fault for seed in TOLD for fault in HiddenTexts(seed).run().faults)


def test_runs_fail_where_bases_hold_what_undo_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text that somebody took out and could bring back would go with it."""
    monkeypatch.setattr(Document, "state_without_deleted", Document.state)

    assert any("took away" in fault for seed in TOLD for fault in HiddenTexts(seed).run().faults)


def test_archives_change_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody archives what he can, whenever he comes to rest; members go, and newcomers lack keys."""
    monkeypatch.setattr(archiving, "KEEP", 1)
    monkeypatch.setattr(archiving, "MAX_SEGMENTS", 2)
    settle, made = Writing.settle, []

    def archive_too(self: Writing) -> None:
        settle(self)
        made.append(self.archive())

    monkeypatch.setattr(Writing, "settle", archive_too)

    assert [fault for seed in ARCHIVED for fault in HiddenTexts(seed, removals=True).run().faults] == []
    assert sum(made) > 10
