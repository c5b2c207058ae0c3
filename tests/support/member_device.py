"""One installation in a random membership run: its account as it knows it, its records and its keys."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from peergos_collab.codec.ids import AccountId, ObjectId, PrincipalId
from peergos_collab.crypto import Tag, boxes, copen, signatures
from peergos_collab.identity.account import Account
from peergos_collab.identity.credentials import Credentials, user_pair
from peergos_collab.objects import due as duties
from peergos_collab.objects import key_ring, records
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_proofs import account_proof
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.nested import actor_in, parent_pairs
from peergos_collab.objects.operations import Actor
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import MembershipRecord
from peergos_collab.objects.surroundings import Surroundings, is_behind
from peergos_collab.objects.usable_epochs import tips, usable_epoch
from support.circle import actor_of
from support.member_reference import leads_to_newer
from support.member_shapes import LINKS, Oid, Shape, person

if TYPE_CHECKING:
    from support.member_message import Message


@contextmanager
def remembered() -> Iterator[None]:
    """Computes each signature check, key agreement, opening and parse once, where many devices do the same.

    All of these are functions of their arguments alone; what fails is tried again each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name, key in _REMEMBERED:
            patch.setattr(module, name, _remembering(getattr(module, name), key))
        yield


def _remembering(function: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Any, Any] = {}

    def remembering(*arguments: Any) -> Any:
        asked = key(*arguments)
        if asked not in known:
            known[asked] = function(*arguments)
        return known[asked]

    return remembering


def _itself(*arguments: Any) -> tuple[Any, ...]:
    return arguments


_REMEMBERED: tuple[tuple[ModuleType, str, Callable[..., Any]], ...] = (
    (signatures, "crypto_sign_open", _itself),
    (signatures, "crypto_sign_seed_keypair", _itself),
    (boxes, "crypto_scalarmult", _itself),
    (boxes, "crypto_scalarmult_base", _itself),
    (records, "parse_op_untrusted", _itself),
    (records, "copen", lambda key, tag, sealed, ad: (key.expose(), tag, sealed, ad)),
    (key_ring, "unwrap_untrusted", lambda wraps, pair, seals: (wraps, pair.public_key, seals)),
    (
        key_ring,
        "open_back_link",
        lambda keys, epoch, link, public, seals: (
            keys.history.expose() if keys.history is not None else b"",
            keys.read.expose(),
            epoch,
            link,
            *public.fields(),
            seals,
        ),
    ),
)
"""Functions, with what of their arguments their value depends on."""


_ACTORS: dict[tuple[bytes, bytes], Actor] = {}


def _actor_of(credentials: Credentials) -> Actor:
    """The same every time: to derive the keys anew costs more than all else."""
    key = bytes(credentials.device_id), credentials.account.raw
    if key not in _ACTORS:
        _ACTORS[key] = actor_of(credentials)
    return _ACTORS[key]


@dataclass(eq=False)
class Device:
    """See the module's text. ``adder``: of a device that nobody knows, the one that added it; else empty."""

    name: str
    person: str
    credentials: Credentials
    rng: random.Random
    shape: Shape
    objects: dict[Oid, ObjectId]
    adder: str = ""
    records: dict[Oid, dict[bytes, MembershipRecord]] = field(default_factory=dict)
    logs: dict[AccountId, Account] = field(default_factory=dict)
    holds: dict[Oid, Membership] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ways = {oid: self.shape.ways(oid, self.person) for oid in self.shape.inside}
        self.sees = [oid for oid, ways in self.ways.items() if ways]
        self._one_way = all(len(ways) < 2 for ways in self.ways.values())
        self._oids = {object_id: oid for oid, object_id in self.objects.items()}
        own = [user_pair(seed).box for seed in self.credentials.user_seeds.values()]
        for oid in self.shape.inside:
            by_link = self.person in LINKS and None in self.ways[oid]
            pairs = [LINKS[self.person].box] if by_link else own
            self.records[oid] = {}
            self.holds[oid] = Membership(self.objects[oid], KeyRing(pairs))
        self.logs[self.credentials.account_id] = self.credentials.account

    def is_in(self, oid: Oid) -> bool:
        """Whether the object is this device's business.

        Who comes to a document by one folder alone loses nothing by heeding that after he was removed.
        """
        return oid in self.sees and (self._one_way or self.level(oid) is not None)

    def folders_of(self, oid: Oid) -> list[Oid]:
        """The folders right above that it sees into."""
        return [folder for folder in self.shape.inside[oid] if self.is_in(folder)]

    # -- taking -----------------------------------------------------------------------------------

    def take(self, oid: Oid, records: dict[bytes, MembershipRecord]) -> None:
        fresh = {id_: record for id_, record in records.items() if id_ not in self.records[oid]}
        if not fresh:
            return
        self.records[oid].update(fresh)
        self.holds[oid].take(fresh.values())
        self._open_what_is_below()

    def _open_what_is_below(self) -> None:
        """What the folders' records and keys open in what they are members of."""
        for oid in self.shape.inside:
            above = [folder for folder in self.shape.inside[oid] if folder in self.sees]
            child = self.holds[oid]
            before = -1
            while above and before != len(child.keys):
                before = len(child.keys)
                for folder in above:
                    for pair in list(parent_pairs(self.holds[folder], child.view)):
                        child.add_pair(pair)

    def learn(self, logs: dict[AccountId, Account]) -> None:
        for id_, log in logs.items():
            known = self.logs.get(id_)
            if known is None or known.raw != log.raw:
                self.logs[id_] = log if known is None else known.merge(log)
        own = self.logs[self.credentials.account_id]
        if own is not self.credentials.account and self.credentials.device_id in own.devices:
            self.credentials = self.credentials.with_log(own)
            if self.person not in LINKS:
                for seed in self.credentials.user_seeds.values():
                    for holds in self.holds.values():
                        holds.add_pair(user_pair(seed).box)

    def learn_from_records(self) -> None:
        for holds in self.holds.values():
            self.learn(holds.view.accounts())

    def log(self, name: str) -> Account:
        """Somebody's account as this device knows it."""
        account = person(name)[0].account
        return self.logs.get(account.id, account)

    def principal(self, name: str) -> Principal:
        """A person or a link as this device knows it."""
        return LINKS[name].principal if name in LINKS else account_principal(self.log(name))

    # -- acting -----------------------------------------------------------------------------------

    @property
    def stands(self) -> bool:
        return self.credentials.device_id in self.logs[self.credentials.account_id].devices

    @property
    def surroundings(self) -> Surroundings:
        inside = [oid for oid in self.shape.folders if self.is_in(oid)]
        return Surroundings({self.objects[oid]: self.holds[oid].view for oid in inside}, self.logs)

    def way(self, oid: Oid) -> Oid | None:
        """By what it acts there: itself, or the folder that gives it the higher role."""
        ways = self.ways[oid]
        return max(ways, key=lambda way: self._level_by(oid, way) or 0) if len(ways) > 1 else [*ways, None][0]

    def actor(self, oid: Oid) -> Actor | None:
        return self._actor_by(oid, self.way(oid))

    def _actor_by(self, oid: Oid, folder: Oid | None) -> Actor | None:
        own = _actor_of(self.credentials)
        if folder is not None:
            return actor_in(own, self.holds[folder], self.holds[oid].view)
        if self.person in LINKS and None in self.ways[oid]:
            link = LINKS[self.person]
            return replace(own, principal=link.principal.id, principal_key=link.sign)
        return own

    def maker(self, oid: Oid) -> Maker | None:
        actor = self.actor(oid)
        if actor is None or not self.stands:
            return None
        return Maker(self.holds[oid], actor, self.rng.randbytes, self.surroundings)

    def add(self, maker: Maker, name: str, role: Level) -> list[MembershipRecord]:
        """With the log as this device knows it, where that is needed to show whose the keys are."""
        proof = b"" if name in LINKS else account_proof(self.log(name))
        return maker.add(self.principal(name), role, proof=proof)

    def add_folder(self, maker: Maker, folder: Oid, role: Level) -> list[MembershipRecord]:
        """At the keys that may be used there, as far as it sees."""
        holds = self.holds[folder]
        epoch = usable_epoch(holds.view, holds.keys, self.surroundings, Level.READ)
        if epoch is None or not self.is_in(folder):
            return []
        keys = holds.ring.epochs[epoch].keys
        return maker.add(Principal.of_object(self.objects[folder], epoch, keys), role)

    def level(self, oid: Oid) -> Level | None:
        """This device's own role, as it sees it."""
        return self._level_by(oid, self.way(oid))

    def _level_by(self, oid: Oid, folder: Oid | None) -> Level | None:
        actor = self._actor_by(oid, folder)
        level = self.holds[oid].view.level(actor.principal) if actor is not None else None
        if level is None or not self.stands or folder is None:
            return level if self.stands else None
        inside = self.level(folder)
        return min(level, inside) if inside is not None else None

    def due(self, oid: Oid, *, to_write: bool) -> tuple[Oid, MembershipRecord] | None:
        """What is due there, or in a folder before that."""
        maker = self.maker(oid)
        if maker is None or self.level(oid) is None:
            return None
        above = {folder: self.maker(folder) for folder in self.folders_of(oid)}
        parents = {self.objects[folder]: one for folder, one in above.items() if one is not None}
        found = duties.due(maker, parents, to_write=to_write)
        if isinstance(found, duties.ParentFirst):
            folder = self._oids[found.object]
            return self.due(folder, to_write=True) if self.level(folder) is not None else None
        return (oid, found) if found is not None else None

    def do_duties(self, oid: Oid, *, to_write: bool = False, most: int = 40) -> int:
        done = 0
        while done < most and (found := self.due(oid, to_write=to_write)) is not None:
            where, record = found
            self.take(where, {record.id: record})
            self.learn_from_records()
            done += 1
        if done == most:
            raise AssertionError("duties without end")
        return done

    def could_write(self, oid: Oid) -> bool:
        """Whether it has the keys to make new ones, if need be: its role alone is not enough.

        Somebody else must forward, or re-pin, where it has none for writing of the newest epochs, and where
        it cannot show which key version of a folder is newer than what is listed.
        """
        holds = self.holds[oid]
        newest = tips(holds.view, holds.ring)
        if all(holds.keys[epoch].level < Level.WRITE for epoch in newest):
            return False
        above = [one for one in self.folders_of(oid) if PrincipalId(self.objects[one]) in holds.view.members]
        return all(self.has_keys_of(one) and self._leads(oid, one) for one in above)

    def has_keys_of(self, folder: Oid) -> bool:
        """Whether a folder has keys that may be used, or this device could make some."""
        maker, role = self.maker(folder), self.level(folder)
        if maker is None or role is None:
            return False
        return self.could_write(folder) if role >= Level.WRITE else duties.usable(maker, role) is not None

    def _leads(self, oid: Oid, folder: Oid) -> bool:
        """Whether it can show that a folder's newest key version follows one that is listed."""
        maker, member = (
            self.maker(folder),
            self.holds[oid].view.members.get(PrincipalId(self.objects[folder])),
        )
        role = min(self.level(folder) or Level.READ, Level.WRITE)
        epoch = duties.usable(maker, role) if maker is not None else None
        if member is None or (not member.contested and member.principal.version == epoch):
            return True
        account, history, acting = (
            bytes(self.credentials.account_id),
            self.holds[oid].history,
            self.actor(oid),
        )
        if is_behind(self.holds[oid].view, self.holds[folder].view, self.surroundings):
            return False
        if epoch is None:
            return True
        level = self.level(oid) or Level.READ
        sides = [side.version for side in member.contested]
        return acting is not None and leads_to_newer(
            history, self.holds[folder], acting.principal, account, level, sides, epoch
        )

    def opens(self, message: Message) -> bool:
        keys = self.holds[message.object].keys.get(message.epoch)
        if keys is None:
            return False
        return copen(keys.content, Tag.SEAL, message.sealed, b"") == b"text"

    def principal_of(self, oid: Oid, folder: Oid | None) -> PrincipalId:
        """As whom it is a member there."""
        if folder is not None:
            return PrincipalId(self.objects[folder])
        link = LINKS.get(self.person)
        return link.principal.id if link is not None else account_principal(self.credentials.account).id
