"""One entry of the profile for each object: devices that come by it apart make one each, and all but one go.

Which one stays follows from the entries alone, so that all devices take out the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..files.changes import EntryId
from ..files.entries import EntryView

if TYPE_CHECKING:
    from ..codec.ids import ObjectId
    from .references import ObjectReference


def surplus(entries: Iterable[tuple[EntryView, ObjectReference]]) -> set[EntryId]:
    """The entries to take out. Of one object the account's own stays before a link's, then the higher level,
    then the older one."""
    best: dict[ObjectId, tuple[bool, int, int, EntryId]] = {}
    extra = set()
    for view, reference in entries:
        rank = (reference.link is None, int(reference.capability.keys.level), -view.created, view.id)
        kept = best.setdefault(reference.capability.object, rank)
        best[reference.capability.object] = max(kept, rank)
        if kept is not rank:
            extra.add(min(kept, rank)[3])
    return extra
