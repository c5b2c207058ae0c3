"""What a member knows beside an object's own records, of other objects and of accounts; is that enough?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from ..codec.ids import AccountId, ObjectId, PrincipalId
from ..identity.account import Account
from ..values import dataclass
from .membership import View
from .principals import Principal, PrincipalKind


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a member knows beside an object's own records.

    Args:
        objects: views of other objects he is in, for those that are principals here.
        accounts: the newest account log he has of each person.
    """

    objects: Mapping[ObjectId, View] = field(default_factory=dict)
    accounts: Mapping[AccountId, Account] = field(default_factory=dict)

    def sees(self, principal: Principal) -> View | None:
        """The view of an object principal; None where this member cannot see into it."""
        view = self.objects.get(ObjectId(principal.id))
        return view if view is not None and view.members else None


ALONE: Final = Surroundings()


def is_behind(view: View, inside: View, surroundings: Surroundings) -> bool:
    """Whether an object is listed at keys of which one does not know in it, by who is not known to be out.

    He who sees less of the object than that rests on gives it no newer keys: they might be open to whom
    somebody removed meanwhile.

    Args:
        view: of what the object is a member of.
        inside: the object itself, as one sees it.
    """
    seat = view.seats.get(PrincipalId(inside.object)) if inside.object is not None else None
    pins = (*seat.pins, *seat.doubts) if seat is not None else ()
    unknown = [pin for pin in pins if pin.principal.version not in inside.history]
    behind = accounts_behind(inside, surroundings)[0] if unknown else set()
    givers = (view.history.entries[pin.op].signed.author.account for pin in unknown)
    return any(bytes(one) in behind or not inside.table.removals_of(PrincipalId(one)) for one in givers)


def accounts_behind(view: View, surroundings: Surroundings) -> tuple[set[bytes], bool]:
    """The members of an object, of objects that are members there, and so on; and whether these are all.

    By a link or an object that one does not see into anybody may have come.
    """
    behind: set[bytes] = set()
    waiting, all_seen = [view], True
    while waiting:
        for member in waiting.pop().members.values():
            inside = surroundings.sees(member.principal)
            if member.principal.kind is not PrincipalKind.ACCOUNT and inside is None:
                all_seen = False
            if inside is not None and bytes(member.principal.id) not in behind:
                waiting.append(inside)
            behind.add(bytes(member.principal.id))
    return behind, all_seen
