"""Which of several entries for one object stays."""

from __future__ import annotations

import itertools

from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.crypto import LinkSeed
from peergos_collab.files.changes import EntryId
from peergos_collab.files.entries import EntryView
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.links import Capability
from peergos_collab.workspace.one_entry import surplus
from peergos_collab.workspace.references import ObjectReference

Found = tuple[EntryView, ObjectReference]


def entry(
    number: int, *, to: int = 1, level: Level = Level.READ, link: bool = False, created: int = 1
) -> Found:
    capability = Capability(
        ObjectId(bytes([to]) * 32), EpochId(bytes(32)), EpochKeys(level, bytes(32)), 1, "", ()
    )
    reference = ObjectReference(capability, LinkSeed(bytes(32)) if link else None)
    id_, name = EntryId(bytes([number]) * 16), f"entry {number}"
    return EntryView(id_, name, name, "doc", b"", created, created), reference


def test_entries_of_different_objects_all_stay() -> None:
    """By links or not."""

    assert surplus([entry(1), entry(2, to=2, link=True), entry(3, to=3)]) == set()


def test_one_entry_of_each_object_stays_whatever_their_order() -> None:
    """The account's own before a link's, then the higher level, then the older, then the higher id."""
    best = entry(3, level=Level.WRITE, created=5)
    others = [
        entry(1, level=Level.ADMIN, link=True, created=1),
        entry(2, level=Level.READ, created=1),
        entry(4, level=Level.WRITE, created=6),
        entry(0, level=Level.WRITE, created=5),
    ]
    for order in itertools.permutations([best, *others, entry(9, to=2)]):
        assert surplus(order) == {view.id for view, _ in others}
