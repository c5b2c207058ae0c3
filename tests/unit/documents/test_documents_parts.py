"""Parts: what is too much for one update goes as several; what others delete is taken little by little."""

from __future__ import annotations

import random

import pytest

from peergos_collab.documents import Document, check_untrusted, merge
from peergos_collab.documents.firewall import LIMITS
from peergos_collab.documents.parts import FEW_RANGES, deleting_apart, parts_of
from peergos_collab.documents.structure import structure
from peergos_collab.documents.varints import varint
from peergos_collab.errors import Quarantined

ANA, BOB = 5, 6


def pieces(count: int) -> Document:
    """A text of so many pieces that lie apart: between each two a letter was deleted."""
    document = Document(ANA)
    document.edit(0, 0, "x😀y" * count)
    document.edit_each([(3 * at, 3 * at + 1, "") for at in range(count)])
    return document


def test_undo_of_deleting_all_reaches_others() -> None:
    """A text in 6,000 pieces, deleted and brought back by undo, passes the others' firewall."""
    state = pieces(6_000).state()
    bob, ana = Document(BOB, state), Document(9, state)
    updates: list[bytes] = []
    bob.on_update(updates.append)
    bob.track_undo()
    bob.edit(0, len(bob), "")
    bob.undo()
    bob.redo()
    bob.undo()
    for update in updates:
        ana.apply_untrusted(update, BOB)

    assert ana.text == bob.text == "😀y" * 6_000
    assert len(updates) > 4


def test_parts_do_the_same() -> None:
    """In order they make what the whole makes, deletions too; the small stay whole."""
    state = pieces(3_000).state()
    parted = Document(9)
    for part in deleting_apart(state):
        parted.apply_own(part)

    assert len(deleting_apart(state)) == 1 + 3_000 // FEW_RANGES
    assert structure(parted.state()) == structure(state)
    small = pieces(3).state()
    assert parts_of(small) == [small]


def test_too_many_ranges() -> None:
    """More ranges than an honest segment can hold are refused."""
    ana = Document(ANA)
    ana.edit_each([(0, 0, "x" * 30_000)] * 2)
    count = LIMITS.ranges + 1
    raw = (
        b"\x00\x01" + varint(ANA) + varint(count) + b"".join(varint(2 * at) + b"\x01" for at in range(count))
    )
    document = Document(9, ana.state())
    with pytest.raises(Quarantined, match="more than 20,000 ranges"):
        document.apply_untrusted(raw, BOB)

    assert document.text == ana.text


def test_a_segment_of_parts_is_accepted() -> None:
    """As many parts as a segment takes together stay below the limits, whatever they delete."""
    ranges = sorted(random.Random(1).sample(range(1 << 21), 4_000))
    part = b"\x00\x01" + varint(ANA) + varint(4_000) + b"".join(varint(2 * at) + b"\x01" for at in ranges)
    together = (48 << 10) // len(part) * 4_000

    assert together <= LIMITS.ranges
    assert check_untrusted(merge([part]), BOB, {ANA: 1 << 22}).ranges == 4_000
