"""Adds with hidden history at byte level, against a node that hands newcomers every record of all time.

People gossip, add, remove, change roles, renew their user keys, make keys at the same time and write. At the
end nobody who was added so opens what was written by somebody who did not know that he was to be added;
every member opens what was written for him, and who has the history opens all; all see the same members.

Two rules are switched off, too: then something of that must fail; for the others see the unit tests of hidden
history. ``HYPOTHESIS_PROFILE=long`` makes 1,000 runs of each kind, others each time; otherwise a few.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from peergos_collab.objects import member_changes, rules, usable_epochs
from peergos_collab.objects.op_kinds import Add
from support.hidden_world import HiddenWorld

SEEDS = st.integers(0, 2**32)
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


@settings(max_examples=1_000 if LONG else 5, derandomize=not LONG)
@example(seed=30)  # who has older keys for writing, and the newest for reading, makes no new ones
@given(seed=SEEDS)
def test_newcomers_open_nothing_of_before(seed: int) -> None:
    """Each for himself, with all records; and nobody else loses anything."""
    assert HiddenWorld(seed).run().faults == []


@settings(max_examples=1_000 if LONG else 4, derandomize=not LONG)
@given(seed=SEEDS)
def test_nor_where_they_are_admins_who_lie(seed: int) -> None:
    """They add each other "with history", and put together what they have."""
    run = HiddenWorld(seed, hostile=True).run()
    assert run.leaks + run.diverged + run.stuck == []


def always(*_: Any) -> bool:
    return True


def test_runs_fail_where_keys_made_beside_an_add_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """By who forwards, and by who gives a higher role."""
    for module in (member_changes, usable_epochs):
        monkeypatch.setattr(module, "may_get", always)

    assert any(HiddenWorld(seed).run().leaks for seed in range(40))


def test_hostile_runs_fail_without_the_rule_for_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others would hand an accomplice all that was hidden from who added him."""

    def judge_add(entry: Any, level: Any) -> None:
        op = entry.signed.op
        assert isinstance(op, Add)
        entry.pins = (rules.Pin(entry.index, op.principal),)

    monkeypatch.setitem(rules._JUDGES, Add, judge_add)  # type: ignore[arg-type]

    assert any(HiddenWorld(seed, hostile=True).run().leaks for seed in range(20))
