"""Who is in each circle of which objects are at rest: those who come directly wake no others.

people = [[circle (16), first 8 bytes of each account, in order] …]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..codec.ids import AccountId
from ..codec.shape import array, blob, some_bytes

if TYPE_CHECKING:
    from .live_object import LiveObject

CIRCLE: Final = 16
"""Bytes that name a circle."""

_SHORT: Final = 8
"""Bytes of an account: whoever finds another one with the same ones wakes more than he would."""

_MOST: Final = 1 << 24


def people_in(live: LiveObject) -> Iterator[AccountId]:
    """The members of an object, and who was seen to write by a link that still is one."""
    members = live.replica.view.members
    yield from map(AccountId, members)
    for writer in live.replica.order.introductions.writers():
        if writer.author.principal in members:
            yield writer.author.account


class CirclePeople:
    """See the module's text.

    Args:
        stored: what ``value`` gave, or None. Raises RemoteProtocolError where it is something else.
    """

    def __init__(self, stored: list[Any] | None) -> None:
        self._known: dict[bytes, frozenset[bytes]] = {}
        self.changed = False
        for each in stored or ():
            circle, people = array(each, 2, "people of a circle")
            packed = some_bytes(people, _MOST, "people of a circle")
            starts = range(0, len(packed), _SHORT)
            self._known[blob(circle, CIRCLE, "circle")] = frozenset(packed[at : at + _SHORT] for at in starts)

    def take(self, circle: bytes, accounts: Iterable[AccountId]) -> None:
        """These are in an object of a circle that comes to rest, or may be."""
        before = self._known.get(circle)
        self._known[circle] = (before or frozenset()) | {account[:_SHORT] for account in accounts}
        self.changed |= self._known[circle] != before

    def may_have(self, circle: bytes, account: AccountId) -> bool:
        """Whether an account may be in a circle; so may anybody of whose people nothing is known."""
        known = self._known.get(circle)
        return known is None or account[:_SHORT] in known

    def value(self, circles: Iterable[bytes]) -> list[Any]:
        """To be stored: of circles in which anything is at rest."""
        self.changed = False
        kept = {circle: self._known[circle] for circle in circles if circle in self._known}
        return [[circle, b"".join(sorted(people))] for circle, people in sorted(kept.items())]
