"""An object in use by the engine, with everything that belongs to it."""

from __future__ import annotations

from typing import Final

from ..files.changes import EntryId
from ..values import dataclass
from .called import Names
from .folds import ChatFold, DocumentFold, EntriesFold
from .live_object import LiveObject
from .peers import PeerMesh
from .presence import PresenceBook
from .preview import Preview

AnyFold = DocumentFold | ChatFold | EntriesFold

PROFILE_PATH: Final = ""
"""What the profile is called, which holds the names of all the others."""


@dataclass(slots=True)
class OpenObject:
    """An object in use: its live state, its fold, and who is in it.

    Args:
        path: its name in the profile; empty for the profile itself.
        entry: of the profile, that leads to it; None where none was seen yet.
        mesh: direct connections to others in it, while online.
        handles: how many faces have it open.
        used: when somebody last asked for it, by the loop's clock.
        preview: the snapshot that is to be shown until the history is here.
        settling: its snapshot is being compared with its history.
        removal_told: what was last said of this member's removal; empty while it is one.
    """

    live: LiveObject
    fold: AnyFold
    path: str
    presence: PresenceBook
    mesh: PeerMesh | None = None
    handles: int = 0
    used: float = float("-inf")
    entry: EntryId | None = None
    preview: Preview | None = None
    settling: bool = False
    removal_told: str = ""

    def false_adds(self, names: Names) -> list[str]:
        """Says who tried to pass himself off as somebody else among the members. It has no effect."""
        view, said = self.live.replica.view, []
        for false in view.false_adds:
            who = names.of(false.author.account, false.author.name)
            listed = names.of(false.principal.id, "somebody").name
            said.append(
                f"{'a device of yours' if who.me else who.words} added {listed} with keys that are not shown "
                "to be theirs: that counts for nothing, and nothing is sealed to those keys; but whoever "
                "does this wants to read under another's name"
            )
        return list(dict.fromkeys(said))

    def removal(self, names: Names) -> str:
        """Says that this device's member was removed, and by whom; empty if not so."""
        replica = self.live.replica
        if not replica.is_removed:
            return ""
        removals = replica.view.table.removals_of(replica.actor.principal)
        author = removals[-1].by.signed.author if removals else None
        who = names.of(author.account, author.name).words if author is not None else "an admin"
        return (
            f"{who} removed you: what is here stays yours, but nothing new comes, and what you "
            "write stays here"
        )
