"""Acting in an object as a member of another one that is a member there: of a document in a folder, say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..codec.ids import EpochId, PrincipalId
from ..crypto import BoxPair
from .epoch_keys import Level
from .membership import Membership, View
from .operations import Actor
from .usable_epochs import frontier


def parent_pairs(parent: Membership, child: View) -> Iterator[BoxPair]:
    """The box pairs that open what ``child`` wraps to ``parent``, those of the newest epochs first.

    Call it again after records of either came: which of the parent's epochs matter shows by and by.
    """
    _deepen_listed(parent, child)
    history = parent.history
    newest_first = sorted(
        (epoch for epoch in parent.keys if epoch in history),
        key=lambda epoch: (-history.entry(epoch).count, epoch),
    )
    for epoch in newest_first:
        keys = parent.keys[epoch]
        for level in sorted(Level, reverse=True):
            if level <= keys.level:
                yield keys.box_pair(level)


def _deepen_listed(parent: Membership, child: View) -> list[EpochId]:
    """The key versions that ``child`` lists ``parent`` with, their best keys looked for."""
    member = child.members.get(PrincipalId(parent.object))
    listed = [EpochId(one.version) for one in member.versions] if member is not None else []
    return [epoch for epoch in listed if parent.ring.deepen(epoch) is not None]


def acting_for(actor: Actor, parent: Membership, epoch: EpochId) -> Actor:
    """``actor``'s account and device, acting for ``parent`` by the keys it holds of one of its epochs."""
    keys = parent.keys[epoch]
    return replace(
        actor,
        principal=PrincipalId(parent.object),
        principal_key=keys.signing_key(keys.level),
        level=keys.level,
        version=epoch,
    )


def actor_in(actor: Actor, parent: Membership, child: View) -> Actor | None:
    """The same at the key version that ``child`` lists ``parent`` with.

    Where no key of that is held, by the best of the parent's newest epochs: good for a re-pin and nothing
    else. None where there is none either.
    """
    held = _deepen_listed(parent, child) or frontier(parent.view, parent.ring)
    if not held:
        return None
    return acting_for(actor, parent, max(held, key=lambda epoch: (parent.keys[epoch].level, epoch)))
