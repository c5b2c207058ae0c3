"""People are added, removed, lowered and leave in a bad network, with a node that withholds."""

from __future__ import annotations

import os

import pytest

from support.removal_world import World

SEEDS = int(os.environ.get("PGC_REMOVAL_SEEDS", "24"))
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_members_read_the_same_and_the_removed_nothing_new(block: int) -> None:
    """Those who are in at the end agree, nothing of theirs is lost, and nothing leaked to who was out."""
    for seed in range(block, SEEDS, BLOCKS):
        World(seed).run()
