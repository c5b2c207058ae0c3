"""Who else is here: a colour for each person, and short words for it."""

from __future__ import annotations

from peergos_collab.values import dataclass
from peergos_collab.workspace.api import Presence

from .cells import shown

COLOURS = ("#d9822b", "#3fa66b", "#b565d9", "#2f8fd6", "#d64f6f", "#8f9a1e", "#1fa3a3", "#a0724a")
"""Middle tones: a block of any of them stands out on a dark and on a light background."""

NAME_CELLS = 20


def called(name: str, *, unverified: bool) -> str:
    """Somebody's name, made safe to show; what nobody but himself says is marked."""
    plain = shown(name.strip(), NAME_CELLS) or "somebody"
    return f"{plain} (unverified)" if unverified else plain


def name_of(presence: Presence) -> str:
    """Who is here."""
    return called(presence.name, unverified=presence.unverified)


@dataclass(frozen=True, slots=True)
class Caret:
    """Somebody else's cursor: ``start..end`` is what he selected."""

    name: str
    colour: str
    start: int
    end: int
    head: int


class Colours:
    """Gives every participant a colour of his own as long as there are enough."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def of(self, key: str) -> str:
        if key not in self._given:
            used = set(self._given.values())
            free = [number for number in range(len(COLOURS)) if number not in used]
            self._given[key] = free[0] if free else len(self._given) % len(COLOURS)
        return COLOURS[self._given[key]]

    def keep(self, keys: set[str]) -> None:
        """Forgets those who left, so that newcomers get their colours."""
        for key in list(self._given):
            if key not in keys:
                del self._given[key]


def account_of(presence: Presence) -> str:
    """Whose colour somebody has: all devices of a person have one, and so has what they wrote."""
    return presence.account or presence.key


def carets(
    presences: list[Presence], colours: Colours, length: int, wrote: frozenset[str] = frozenset()
) -> tuple[Caret, ...]:
    """The cursors of the others, held inside a document of ``length`` code points.

    ``wrote`` are accounts that keep their colours for what they wrote, whether or not they are here.
    """
    colours.keep({account_of(presence) for presence in presences} | wrote)
    found = []
    for presence in presences:
        colour = colours.of(account_of(presence))
        if presence.head is None:
            continue
        head = max(0, min(presence.head, length))
        anchor = head if presence.anchor is None else max(0, min(presence.anchor, length))
        found.append(Caret(name_of(presence), colour, min(anchor, head), max(anchor, head), head))
    return tuple(found)


def typing_words(presences: list[Presence]) -> str:
    """``Ann is typing…`` or nothing."""
    names = [name_of(presence) for presence in presences if presence.typing]
    if not names:
        return ""
    if len(names) == 1:
        return f"{names[0]} is typing…"
    if len(names) <= 3:
        return f"{', '.join(names[:-1])} and {names[-1]} are typing…"
    return f"{len(names)} people are typing…"
