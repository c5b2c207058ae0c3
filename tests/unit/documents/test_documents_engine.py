"""What is known of pycrdt's behaviour: where one of these fails after an upgrade, read its module again."""

from __future__ import annotations

import gc
import weakref

import pytest

from peergos_collab.documents.replica import EngineFailed, Replica


def test_offsets_are_unchecked_bytes() -> None:
    """The engine takes byte offsets and does not refuse one inside a character: Document must own them."""
    replica = Replica(1, None)
    replica.edit(0, 0, "日x")
    replica.edit(3, 3, "!")

    assert replica.text() == "日!x"
    replica.edit(1, 2, "")
    assert replica.text() != "日!x"


def test_what_is_not_used_any_more_ends() -> None:
    """The engine holds what it calls, and no collector sees that: none of it holds the replica."""
    replica = Replica(1, None)
    replica.follow()
    replica.edit(0, 0, "a")
    replica.undo()
    alive = weakref.ref(replica)
    del replica
    gc.collect()

    assert alive() is None


def test_deltas_count_bytes() -> None:
    """What the engine tells of a change is counted in bytes too."""
    one, two = Replica(1, None), Replica(2, None)
    two.apply(one.edit(0, 0, "日😀"))

    assert two.apply(one.edit(3, 3, "é")) == [(3, 3, "é")]
    assert two.apply(one.edit(5, 9, "")) == [(5, 9, "")]


def test_waiting_structs_are_dropped_from_the_state() -> None:
    """The engine forgets structs with a gap before them when it writes its state, so none may get in."""
    one, two = Replica(1, None), Replica(2, None)
    one.edit(0, 0, "a")
    two.apply(one.edit(1, 1, "b"))

    assert two.state() == b"\x00\x00"


def test_sticky_positions_mix_units() -> None:
    """The engine's sticky positions add bytes to clocks: anchors must not be taken from it as they are."""
    replica = Replica(1, None)
    replica.edit(0, 0, "日x")

    assert replica.sticky(3) == (1, 3)  # the clock of x is 1


@pytest.mark.parametrize("raw", [b"\xff", b"\x01\x00\x01\x00\x00"])
def test_errors_and_panics_are_one(raw: bytes) -> None:
    """Errors and panics of the engine come out as one error, after which the replica works on."""
    replica = Replica(1, None)
    replica.edit(0, 0, "kept")
    with pytest.raises(EngineFailed):
        replica.apply(raw)
    replica.edit(4, 4, "!")

    assert replica.text() == "kept!"
