"""An object in use by the engine, with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..codec.shown import show_person
from ..objects.snapshots import SnapshotPlace
from .folds import ChatFold, DocumentFold, EntriesFold
from .live_object import LiveObject
from .peers import PeerMesh
from .presence import PresenceBook

AnyFold = DocumentFold | ChatFold | EntriesFold

PROFILE_PATH: Final = ""
"""What the profile is called, which holds the names of all the others."""


@dataclass(slots=True)
class OpenObject:
    """An object in use: its live state, its fold, and who is in it.

    Args:
        path: its name in the profile; empty for the profile itself.
        mesh: direct connections to others in it, while online.
        handles: how many faces have it open.
        preview: where a snapshot stands that is to be shown until the history is here.
        settling: its snapshot is being compared with its history.
    """

    live: LiveObject
    fold: AnyFold
    path: str
    presence: PresenceBook
    mesh: PeerMesh | None = None
    handles: int = 0
    preview: SnapshotPlace | None = None
    settling: bool = False

    @property
    def removal(self) -> str:
        """Says that this device's member was removed, and by whom as he calls himself; empty if not so."""
        replica = self.live.replica
        if not replica.is_removed:
            return ""
        removals = replica.view.table.removals_of(replica.actor.principal)
        who = show_person(removals[-1].by.signed.author.name) if removals else ""
        return (
            f"{who or 'an admin'} removed you: what is here stays yours, but nothing new comes, and what you "
            "write stays here"
        )
