"""A node that hides logs from one of several members is found out, whatever the network does.

That honest nodes are never blamed, and those that were set back are, is checked in every world of
``test_simulation``, too.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peergos_collab.node.numbering import Numbering
from peergos_collab.sync import node_words
from peergos_collab.sync.node_words import NodeWords
from support.lying_nodes import LyingWorld
from support.simulation import Chances, MemberSite, SimulationFailed, World

SEEDS = 40
STEPS = 120
SET_BACK = Chances(
    edit=8, deliver=40, flush=16, connect=6, disconnect=1.5, replay=0.5, crash=0.3, backup=2, restore=1,
    clone=0.4, partition=1, fold_anew=2,
)  # fmt: skip


def missed(seeds: range) -> list[int]:
    """Worlds in which the node could be proved to hide something, and its victim does not know."""
    return [
        seed
        for seed in seeds
        if (world := LyingWorld(seed, steps=STEPS).run()) and world.provable and "p1" not in world.found
    ]


@pytest.mark.parametrize("block", range(4))
def test_what_can_be_proved_is_found(block: int) -> None:
    """Wherever the node signed to one for what it later signed to another not to have, the other is told."""
    seeds = range(block * SEEDS // 4, (block + 1) * SEEDS // 4)

    assert missed(seeds) == []


def test_a_planted_fault_lets_the_node_get_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """With members who show each other nothing, the same worlds do not find what could be proved."""
    monkeypatch.setattr(MemberSite, "_show", lambda self, end, name, receipts: None)

    assert missed(range(10)) != []


def _order_does_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(node_words, "_is_before", lambda word, whole: True)


def _numbers_go_back(patch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1 << 20, 0, -1))
    patch.setattr(Numbering, "next", lambda self: next(numbers))


def _sessions_are_mixed_up(patch: pytest.MonkeyPatch) -> None:
    take = NodeWords.take
    patch.setattr(NodeWords, "take", lambda self, receipt, now, since=0: take(self, receipt, now, self.mark))


@pytest.mark.parametrize(
    "plant",
    [_order_does_not_matter, _numbers_go_back, _sessions_are_mixed_up],
)
def test_a_planted_fault_blames_an_honest_node(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this fault built in, some world says of an honest node what is not so, or breaks off."""
    plant(monkeypatch)

    def fails(seed: int) -> bool:
        try:
            World(seed, steps=STEPS, chances=SET_BACK).run()
        except SimulationFailed:
            return True
        return False

    assert any(fails(seed) for seed in range(SEEDS))


def test_a_node_that_was_set_back_is_blamed() -> None:
    """By whoever holds its receipts; it then gets all of it again. Where the first of these seeds shows
    nothing any more, name another one: looking for it takes longer."""
    assert any(World(seed, steps=300, chances=SET_BACK).run().blames for seed in (7, *range(60)))
