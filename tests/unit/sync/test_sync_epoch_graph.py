"""Which epochs follow which."""

from __future__ import annotations

import random

from peergos_collab.codec.ids import EpochId
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch, Said, next_epoch
from peergos_collab.sync.epoch_graph import EVERYTHING, EpochGraph
from support.circle import make_circle

RANDOM = random.Random(62).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE], RANDOM)
KEYS = {CIRCLE.epoch_id: CIRCLE.members[0].keys}


def after(*parents: Epoch) -> Epoch:
    keys = EpochKeys.generate(RANDOM)
    held = {parent.id: KEYS[parent.id] for parent in parents}
    made = next_epoch(CIRCLE.object, keys, held, {}, [], Said(Rotate(), CIRCLE.members[0].actor), RANDOM)
    KEYS[made.id] = keys
    return made


FIRST = CIRCLE.epoch
LEFT, RIGHT = after(FIRST), after(FIRST)
MERGED = after(LEFT, RIGHT)


def graph(*epochs: Epoch) -> EpochGraph:
    made = EpochGraph()
    for epoch in epochs:
        made.add(epoch)
    return made


def test_the_newest_are_those_that_nobody_follows() -> None:
    """Two beside each other both count, until one follows both."""
    assert set(graph(FIRST).newest) == {FIRST.id}
    assert set(graph(FIRST, LEFT, RIGHT).newest) == {LEFT.id, RIGHT.id}
    assert set(graph(FIRST, LEFT, RIGHT, MERGED).newest) == {MERGED.id}


def test_a_past_holds_all_before() -> None:
    """The epoch itself, too; but not what is beside it."""
    made = graph(FIRST, LEFT, RIGHT, MERGED)

    def covered(*of: Epoch) -> set[EpochId]:
        past = made.past(epoch.id for epoch in of)
        return {epoch.id for epoch in (FIRST, LEFT, RIGHT, MERGED) if made.covers(past, epoch.id)}

    assert covered(MERGED) == {FIRST.id, LEFT.id, RIGHT.id, MERGED.id}
    assert covered(LEFT) == {FIRST.id, LEFT.id}
    assert covered(LEFT, RIGHT) == {FIRST.id, LEFT.id, RIGHT.id}
    assert covered() == set()


def test_sets_cover_what_is_known() -> None:
    """Everything covers what is to come as well; an epoch that is not known is in no set."""
    made = graph(FIRST, LEFT)
    past = made.past([LEFT.id])

    assert made.covers_all(past)
    assert made.covers_all(EVERYTHING)
    assert not made.covers(EVERYTHING, RIGHT.id)
    made.add(RIGHT)
    assert not made.covers_all(past)
    assert made.covers_all(EVERYTHING)
    assert made.version == 3


def test_a_disowned_epoch_ends_nothing() -> None:
    """It stands for itself: neither does it bury its parents, nor does it lead to them."""
    made = graph(FIRST, LEFT, RIGHT, MERGED)
    made.disown([MERGED.id])

    assert set(made.newest) == {LEFT.id, RIGHT.id, MERGED.id}
    assert made.covers(made.past([MERGED.id]), MERGED.id)
    assert not made.covers(made.past([MERGED.id]), FIRST.id)
    made.disown([LEFT.id])
    assert set(made.newest) == {MERGED.id}
    assert made.covers(made.past([MERGED.id]), LEFT.id)
    assert made.version == 6
