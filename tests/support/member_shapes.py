"""Who takes part in a random membership run, and which object is a member of which.

People and links are the same in all runs: what they do in an object depends on its records alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from peergos_collab.codec.ids import PrincipalId
from peergos_collab.crypto import LinkSeed
from peergos_collab.identity.account import Account
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.links import LinkKeys
from peergos_collab.objects.principals import Principal, PrincipalKind
from support.circle import found

Oid = str
"""An object, by one letter."""

TWO_DEVICES: Final = ("A", "E", "D", "J")
ACCOMPLICE: Final = "Z"
"""Whom a removed admin lets in."""

ACCOMPLICES: Final = (ACCOMPLICE, "Y")
"""And whom that one lets in."""


def _link(seed: str) -> LinkKeys:
    return LinkKeys.from_seed(LinkSeed.generate(random.Random(seed).randbytes))


LINKS: Final = {"L": _link("link"), "M": _link("link M"), "N": _link("link N")}
"""By who came by it."""


@dataclass(frozen=True)
class Shape:
    """Some objects of which some are members of others.

    Args:
        inside: each object, what is above before what is below, with the folders that are its members.
        founders: who makes it, on his first device.
        people: whom an admin there adds, and to what role.
        links: the same of links, by who holds them.
        changed: where members are changed: a letter for each object, the likelier the more often.
        written: where one writes, likewise.
        forgers: devices that go on after they or their people were removed from the folder that is given,
            in a run that has such people.
        moves: folders are removed, lowered and added again, too.
    """

    name: str
    inside: Mapping[Oid, tuple[Oid, ...]]
    founders: Mapping[Oid, str]
    people: Mapping[Oid, Mapping[str, Level]]
    links: Mapping[Oid, Mapping[str, Level]]
    changed: str
    written: str
    forgers: Mapping[str, Oid]
    moves: bool = False

    @cached_property
    def folders(self) -> tuple[Oid, ...]:
        """Those that are members of others."""
        above = {folder for folders in self.inside.values() for folder in folders}
        return tuple(oid for oid in self.inside if oid in above)

    @cached_property
    def names(self) -> list[str]:
        """Everybody, once."""
        names = [name for people in self.people.values() for name in people]
        return list(dict.fromkeys([*names, *(name for links in self.links.values() for name in links)]))

    def moved(self, oid: Oid) -> tuple[Oid, ...]:
        """The folders that an admin may add."""
        return self.inside[oid] if self.moves else ()

    def may_go(self, principal: Principal) -> bool:
        """Whether somebody removes or lowers such a member."""
        return self.moves or principal.kind is not PrincipalKind.OBJECT

    def above(self, oid: Oid) -> Iterator[Oid]:
        """The folders that lead to an object."""
        for folder in self.inside[oid]:
            yield folder
            yield from self.above(folder)

    def is_listed(self, oid: Oid, name: str) -> bool:
        """Whether somebody may be a member himself, not by a folder."""
        return name in ACCOMPLICES or name in self.people[oid] or name in self.links[oid]

    def ways(self, oid: Oid, name: str) -> list[Oid | None]:
        """How somebody may come to an object: himself (None), or by a folder."""
        own: list[Oid | None] = [None] if self.is_listed(oid, name) else []
        return own + [folder for folder in self.inside[oid] if self.ways(folder, name)]

    def paths(self, oid: Oid, name: str) -> int:
        """In how many ways somebody may come to an object, or to the folders that lead there."""
        return self.is_listed(oid, name) + sum(self.paths(folder, name) for folder in self.inside[oid])

    def behind(self, oid: Oid) -> set[str]:
        """All who may be members, by whatever way."""
        own = {*self.people[oid], *self.links[oid]}
        return own.union(*(self.behind(folder) for folder in self.inside[oid]))


_PEOPLE: Final = {"A": Level.ADMIN, "B": Level.ADMIN, "E": Level.WRITE, "F": Level.READ, "G": Level.WRITE}
_OUTSIDE: Final = {"D": Level.WRITE, "H": Level.READ}
_FEWER: Final = {"A": Level.ADMIN, "B": Level.ADMIN, "E": Level.WRITE, "G": Level.READ}
_OTHERS: Final = {"J": Level.ADMIN, "K": Level.WRITE, "E": Level.WRITE}
_TWO_LINKS: Final = {"L": Level.WRITE, "M": Level.READ}

FOLDER: Final = Shape(
    "folder",
    {"P": (), "C": ("P",)},
    {"P": "A", "C": "A"},
    {"P": _PEOPLE, "C": _OUTSIDE},
    {"P": {}, "C": {"L": Level.WRITE}},
    "PPC",
    "PCC",
    {"B1": "P", "A2": "P"},
)
"""A document in a folder."""

NESTED: Final = Shape(
    "nested",
    {"Q": (), "P": ("Q",), "C": ("P",)},
    {"Q": "J", "P": "A", "C": "A"},
    {"Q": _OTHERS, "P": _FEWER, "C": _OUTSIDE},
    {"Q": {}, "P": {"N": Level.WRITE}, "C": _TWO_LINKS},
    "QQPPC",
    "QPCC",
    {"B1": "P", "A2": "P", "J1": "Q"},
)
"""A document in a folder in a folder; one person is in both folders."""

SHARED: Final = Shape(
    "shared",
    {"P": (), "Q": (), "C": ("P", "Q")},
    {"P": "A", "Q": "J", "C": "A"},
    {"P": _FEWER, "Q": _OTHERS, "C": _OUTSIDE},
    {"P": {"N": Level.WRITE}, "Q": {}, "C": _TWO_LINKS},
    "PPQC",
    "PQCC",
    {"B1": "P", "A2": "P", "J1": "Q"},
)
"""A document in two folders; one person is in both."""

_INSIDE: Final = {**_FEWER, "E": Level.ADMIN, "D": Level.READ}
_OWN: Final = {"D": Level.ADMIN, "H": Level.READ}

MOVED: Final = Shape(
    "moved",
    {"P": (), "Q": (), "C": ("P", "Q")},
    {"P": "A", "Q": "J", "C": "D"},
    {
        "P": {**_FEWER, "E": Level.ADMIN, "D": Level.READ},
        "Q": _OTHERS,
        "C": {"D": Level.ADMIN, "H": Level.READ},
    },
    {"P": {"N": Level.WRITE}, "Q": {}, "C": _TWO_LINKS},
    "PQCCC",
    "PQCCC",
    {"B1": "P", "A2": "P", "J1": "Q", "D2": "C"},
    moves=True,
)
"""A document that has an admin of its own, and two folders that come and go."""

DEEP: Final = Shape(
    "deep",
    NESTED.inside,
    {"Q": "J", "P": "A", "C": "D"},
    {"P": _INSIDE, "Q": _OTHERS, "C": _OWN},
    NESTED.links,
    "QPPCC",
    "QPCC",
    MOVED.forgers,
    moves=True,
)
"""The same with a folder in a folder."""

SHAPES: Final = (FOLDER, NESTED, SHARED, MOVED, DEEP)


@cache
def person(name: str) -> tuple[Credentials, Credentials | None, Account]:
    """Somebody's first device, the second one if there is one, and the account once that is removed."""
    rng = random.Random(f"person {name}").randbytes
    first = found(name, rng)
    if name not in TWO_DEVICES:
        return first, None, first.account
    second = DeviceSecrets.generate(rng)
    first = first.add_device(second.public).rotate_user_key(rng)
    joined = Credentials(first.name, first.account, dict(first.user_seeds), second)
    return first, joined, first.remove_device(second.public.id, rng).account


def account_id_of(name: str) -> PrincipalId:
    return PrincipalId(person(name)[0].account_id)


@cache
def name_of(principal: bytes) -> str:
    """Who is an account or a link."""
    for name, link in LINKS.items():
        if link.principal.id == PrincipalId(principal):
            return name
    names = {name for shape in SHAPES for name in (*shape.names, *ACCOMPLICES)}
    return next(name for name in names if bytes(person(name)[0].account_id) == bytes(principal))
