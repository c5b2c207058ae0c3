"""What taking an account back with its recovery code means, and what came of it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contacts import person, title_of
from .devices import device_name

if TYPE_CHECKING:
    from peergos_collab.workspace.recovering import RecoveredAccount

_NAMED = 3

NEW_CODE = (
    "Your account was found. This is its new recovery code: write it down on paper now. Once you go on, the "
    "old code is used up and the old devices are out. It is shown this once, and nobody can give it to you "
    "again."
)
NOTHING_CHANGED = "Stopped: nothing was changed, and your code is as good as before."
TELLING = (
    "Your account is on this device. Now its nodes are told, and what is in it is fetched; where a node "
    "cannot be reached that takes a few minutes."
)
GOES_ON = "Your account is on this device all the same, and it goes on from here once it is online."


def outcome_words(back: RecoveredAccount) -> list[str]:
    """Who is out, and what is not as it should be; each a paragraph."""
    said = [f"Welcome back, {person(back.name)}. {_removed(back.removed)}"]
    if not back.whole:
        said.append("⚠ Somebody had locked your profile; what was changed in it since then is lost.")
    if not back.told:
        said.append(
            "⚠ Not every node has heard of it, so others may go on with the old keys. This device tells them "
            "as soon as it reaches them: stay online."
        )
    if back.waiting:
        objects = "One object still waits" if back.waiting == 1 else f"{back.waiting} objects still wait"
        said.append(f"{objects} for new keys, which come when a member who can write is there.")
    if back.by_link:
        said.append(
            f"⚠ The old devices know links that open {_some(back.by_link)}: until those end they can still "
            "come in. Links are in each one's members (m)."
        )
    return said


def _removed(names: tuple[str, ...]) -> str:
    """Devices that are none any more."""
    if not names:
        return "No other device was left in it."
    shown = ", ".join(device_name(name) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    out = "is no device of yours" if len(names) == 1 else "are no devices of yours"
    return f"{shown}{more} {out} any more: nothing that is written from now on opens there."


def _some(paths: tuple[str, ...]) -> str:
    named = ", ".join(title_of(path) for path in paths[:_NAMED])
    return f"{named} and {len(paths) - _NAMED} more" if len(paths) > _NAMED else named
