"""Who names neighbours that never were gets the same verdict from everybody, however what he wrote came.

``PGC_FALSE_NEIGHBOURS=N`` makes N worlds instead of a few.
"""

from __future__ import annotations

import os
import random

from support.false_neighbours import Reader, world

WORLDS = int(os.environ.get("PGC_FALSE_NEIGHBOURS", "15"))
FIRST = 60


def test_everybody_comes_to_one_verdict() -> None:
    """In any order and portions, out of archives, and started again at any moment, before any look, too."""
    apart, lies, aside = [], 0, 0
    for seed in range(FIRST, FIRST + WORLDS):
        made = world(seed)
        readers = [Reader(made, random.Random(order)).get_all() for order in range(6)]
        expected = readers[0].verdict()
        lies += made.lies
        aside += len(readers[0].replica.order.set_aside)
        for reader in readers:
            found = reader.verdict()
            reader.start_again()
            if not found == expected == reader.verdict():
                apart.append(seed)

    assert not apart
    assert min(lies, aside) > WORLDS
