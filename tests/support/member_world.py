"""A folder, a document in it, and people who gossip: random membership at byte level.

Everybody has his own records and keys. Two objects: the folder ``P``, and the document ``C``, of which
``P`` is a member. Some people are only members of C, one of them by a link. Everybody may have a second
device, which may be removed. Records travel from one to another at random; at the end everybody gets every
record of all time, as from a node that colludes with whoever was removed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import pytest

from peergos_collab.codec.ids import AccountId, EpochId, ObjectId, PrincipalId
from peergos_collab.crypto import LinkSeed, Tag, boxes, copen, cseal, signatures
from peergos_collab.errors import PeergosCollabError
from peergos_collab.identity.account import Account
from peergos_collab.identity.credentials import Credentials, DeviceSecrets, user_pair
from peergos_collab.objects import due as duties
from peergos_collab.objects import records
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.links import LinkKeys
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.nested import actor_in, parent_pairs
from peergos_collab.objects.op_kinds import Add, Create, Leave, RePin, Target
from peergos_collab.objects.operations import Actor
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.principals import Principal, PrincipalKind
from peergos_collab.objects.records import MembershipRecord, first_epoch
from peergos_collab.objects.usable_epochs import Surroundings, tips
from peergos_collab.objects.wraps import Recipient
from support.circle import actor_of, found
from support.member_reference import Reference, claimed

FOLDER_PEOPLE = {"A": Level.ADMIN, "B": Level.ADMIN, "E": Level.WRITE, "F": Level.READ, "G": Level.WRITE}
CHILD_PEOPLE = {"D": Level.WRITE, "H": Level.READ}
GUEST = "L"
TWO_DEVICES = ("A", "E", "D")
Oid = str


@contextmanager
def remembered() -> Iterator[None]:
    """Computes each signature check, key agreement and parse once, where eleven devices do the same.

    All of these are functions of their arguments alone.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (signatures, "crypto_sign_open"),
            (boxes, "crypto_scalarmult"),
            (boxes, "crypto_scalarmult_base"),
            (signatures, "crypto_sign_seed_keypair"),
            (records, "parse_op_untrusted"),
        ):
            patch.setattr(module, name, lru_cache(maxsize=100_000)(getattr(module, name)))
        yield


@cache
def person(name: str) -> tuple[Credentials, Credentials | None, Account]:
    """Somebody's first device, the second one if there is one, and the account once that is removed.

    People are the same in all runs: what they do in an object depends on the object's records alone.
    """
    rng = random.Random(f"person {name}").randbytes
    first = found(name, rng)
    if name not in TWO_DEVICES:
        return first, None, first.account
    second = DeviceSecrets.generate(rng)
    first = first.add_device(second.public).rotate_user_key(rng)
    joined = Credentials(first.name, first.account, dict(first.user_seeds), second)
    return first, joined, first.remove_device(second.public.id, rng).account


@cache
def after_removal(name: str) -> Credentials:
    """The first device once it has removed the second."""
    first, _, account = person(name)
    return first.with_log(account)


_ACTORS: dict[tuple[bytes, bytes], Actor] = {}


def _actor_of(credentials: Credentials) -> Actor:
    """The same every time: to derive the keys anew costs more than all else."""
    key = bytes(credentials.device_id), credentials.account.raw
    if key not in _ACTORS:
        _ACTORS[key] = actor_of(credentials)
    return _ACTORS[key]


LINK = LinkKeys.from_seed(LinkSeed.generate(random.Random("link").randbytes))


@dataclass
class Message:
    """Something written: sealed for whoever holds the epoch."""

    object: Oid
    epoch: EpochId
    sealed: bytes
    author: str
    readers: frozenset[str]
    former: frozenset[str]
    seen_adds: frozenset[bytes]
    relied: frozenset[bytes]


@dataclass(eq=False)
class Device:
    """One installation: its account as it knows it, and its records and keys of both objects."""

    name: str
    person: str
    credentials: Credentials
    rng: random.Random
    objects: dict[Oid, ObjectId]
    records: dict[Oid, dict[bytes, MembershipRecord]] = field(default_factory=lambda: {"P": {}, "C": {}})
    logs: dict[AccountId, Account] = field(default_factory=dict)
    holds: dict[Oid, Membership] = field(default_factory=dict)
    paired: int = 0

    def __post_init__(self) -> None:
        own = [user_pair(seed).box for seed in self.credentials.user_seeds.values()]
        pairs = {"P": own, "C": [LINK.box] if self.person == GUEST else own}
        for oid in "PC":
            seen = self._has_seen if oid == "C" and self.sees_folder else None
            self.holds[oid] = Membership(self.objects[oid], KeyRing(pairs[oid]), seen)
        self.logs[self.credentials.account_id] = self.credentials.account

    @property
    def sees_folder(self) -> bool:
        return self.person in FOLDER_PEOPLE

    def _has_seen(self, object_id: ObjectId, record: bytes) -> bool:
        return object_id != self.objects["P"] or record in self.holds["P"].history

    # -- taking -----------------------------------------------------------------------------------

    def take(self, oid: Oid, records: dict[bytes, MembershipRecord]) -> None:
        fresh = {id_: record for id_, record in records.items() if id_ not in self.records[oid]}
        if not fresh:
            return
        self.records[oid].update(fresh)
        self.holds[oid].take(fresh.values())
        if self.sees_folder:
            self.open_child()

    def open_child(self) -> None:
        """What the folder's records and keys open in the document."""
        self.holds["C"].look_again()
        before = -1
        while before != len(self.holds["C"].keys):
            before = len(self.holds["C"].keys)
            for pair in list(parent_pairs(self.holds["P"], self.holds["C"].view)):
                self.holds["C"].add_pair(pair)

    def learn(self, logs: dict[AccountId, Account]) -> None:
        for id_, log in logs.items():
            known = self.logs.get(id_)
            if known is None or known.raw != log.raw:
                self.logs[id_] = log if known is None else known.merge(log)
        own = self.logs[self.credentials.account_id]
        if own is not self.credentials.account and self.credentials.device_id in own.devices:
            self.credentials = self.credentials.with_log(own)
            for seed in self.credentials.user_seeds.values():
                for oid in "PC":
                    if self.person != GUEST:
                        self.holds[oid].add_pair(user_pair(seed).box)

    def learn_from_records(self) -> None:
        for oid in "PC":
            self.learn(self.holds[oid].view.accounts())

    # -- acting -----------------------------------------------------------------------------------

    @property
    def surroundings(self) -> Surroundings:
        objects = {self.objects["P"]: self.holds["P"].view} if self.sees_folder else {}
        return Surroundings(objects, self.logs)

    def actor(self, oid: Oid) -> Actor | None:
        own = _actor_of(self.credentials)
        if oid == "C" and self.sees_folder:
            return actor_in(own, self.holds["P"], self.holds["C"].view)
        if oid == "C" and self.person == GUEST:
            return replace(own, principal=LINK.principal.id, principal_key=LINK.sign)
        return own

    def maker(self, oid: Oid) -> Maker | None:
        actor = self.actor(oid)
        if actor is None or not self.stands:
            return None
        return Maker(self.holds[oid], actor, self.rng.randbytes, self.surroundings)

    @property
    def stands(self) -> bool:
        return self.credentials.device_id in self.logs[self.credentials.account_id].devices

    def level(self, oid: Oid) -> Level | None:
        """This device's own role, as it sees it."""
        actor = self.actor(oid)
        level = self.holds[oid].view.level(actor.principal) if actor is not None else None
        if level is None or not self.stands:
            return None
        if oid == "C" and self.sees_folder:
            own = self.holds["P"].view.level(account_principal(self.credentials.account).id)
            return min(level, own) if own is not None and actor is not None else None
        return level

    def due(self, oid: Oid, *, to_write: bool) -> tuple[Oid, MembershipRecord] | None:
        """What is due there, or in the folder before that."""
        maker = self.maker(oid)
        if maker is None or self.level(oid) is None:
            return None
        parent = self.maker("P") if oid == "C" and self.sees_folder else None
        parents = {self.objects["P"]: parent} if parent is not None else {}
        found = duties.due(maker, parents, to_write=to_write)
        if isinstance(found, duties.ParentFirst):
            return self.due("P", to_write=True) if self.level("P") is not None else None
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

    def opens(self, message: Message) -> bool:
        keys = self.holds[message.object].keys.get(message.epoch)
        if keys is None:
            return False
        return copen(keys.content, Tag.SEAL, message.sealed, b"") == b"text"


@dataclass
class Outcome:
    """What went wrong in a run, in words; and how much was tried."""

    leaks: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    messages: int = 0
    records: int = 0
    removals: int = 0

    @property
    def faults(self) -> list[str]:
        return self.leaks + self.unreadable + self.stuck + self.diverged


class World:
    """One run. ``hostile``: B, an admin of the folder, goes on with what he had once he is removed."""

    def __init__(self, seed: int, *, hostile: bool = False) -> None:
        self.rng = random.Random(seed)
        self.hostile = hostile
        self.messages: list[Message] = []
        self.outcome = Outcome()
        self.devices: dict[str, Device] = {}
        self._found_objects()
        self.evil: dict[bytes, MembershipRecord] | None = None

    # -- making -----------------------------------------------------------------------------------

    def _found_objects(self) -> None:
        first, _, _ = person("A")
        rng = self.rng.randbytes
        keys, child_keys = EpochKeys.generate(rng), EpochKeys.generate(rng)
        creator = account_principal(first.account)
        actor = actor_of(first)
        made = {}
        for oid, secret in (("P", keys), ("C", child_keys)):
            to = Recipient(creator.box, Level.ADMIN)
            made[oid] = first_epoch(secret, to, Create(Kind.ENTRIES, creator), actor, rng)
        self.objects = {oid: epoch.object for oid, epoch in made.items()}
        for name in (*FOLDER_PEOPLE, *CHILD_PEOPLE, GUEST):
            one, two, _ = person(name)
            for number, credentials in enumerate((one, two), 1):
                if credentials is not None:
                    self._device(f"{name}{number}", name, credentials)
        a = self.devices["A1"]
        a.take("P", {made["P"].id: made["P"]})
        a.take("C", {made["C"].id: made["C"]})
        self._put_child_into_folder(a)
        self._invite(a)

    def _invite(self, a: Device) -> None:
        """Some people are in from the start, so that something can go wrong soon."""
        for oid, people in (("P", "BEFG"), ("C", "DHL")):
            maker = a.maker(oid)
            assert maker is not None
            for name in people:
                if self.rng.random() < 0.7:
                    role = {**FOLDER_PEOPLE, **CHILD_PEOPLE, GUEST: Level.WRITE}[name]
                    for record in maker.add(self._principal(a, name), role):
                        a.take(oid, {record.id: record})
                    self._gossip(self.devices[f"{name}1"], a)

    def _device(self, name: str, who: str, credentials: Credentials) -> None:
        self.devices[name] = Device(name, who, credentials, self.rng, self.objects)

    def _put_child_into_folder(self, a: Device) -> None:
        """The folder is the document's admin or writer, and its founder is a member only through it."""
        epoch = next(iter(a.records["P"].values()))
        folder = Principal.of_object(self.objects["P"], EpochId(epoch.id), epoch.keys)  # type: ignore[union-attr]
        own = Maker(a.holds["C"], actor_of(a.credentials), self.rng.randbytes, a.surroundings)
        for record in own.add(folder, Level.ADMIN):
            a.take("C", {record.id: record})
        own = replace(own, surroundings=a.surroundings)
        leave = own.leave(Leave())
        a.take("C", {leave.id: leave})

    # -- running ----------------------------------------------------------------------------------

    def run(self, steps: int = 120) -> Outcome:
        with remembered():
            for _ in range(steps):
                self._step(self.rng.choice(list(self.devices.values())))
            self._settle()
            self._look()
        return self.outcome

    def _step(self, device: Device) -> None:
        roll = self.rng.random()
        if self.hostile and device.person == "B" and self._do_evil(device, roll):
            return
        if roll < 0.38:
            self._gossip(device, self.rng.choice(list(self.devices.values())))
        elif roll < 0.41:
            self._remove_device(device)
        elif roll < 0.62:
            oid = self.rng.choice("PPC")
            admins = [one for one in self.devices.values() if one.level(oid) is Level.ADMIN]
            self._change(self.rng.choice(admins) if admins and roll < 0.59 else device, oid)
        else:
            self._write(device, self.rng.choice("PCC"))

    def _gossip(self, device: Device, other: Device) -> None:
        only = self.rng.choice(("P", "C", "PC", "PC", "PC"))
        for oid in only:
            if oid == "C" or device.sees_folder:
                device.take(oid, other.records[oid])
        device.learn(other.logs)
        device.learn_from_records()

    def _remove_device(self, device: Device) -> None:
        if device.name.endswith("1") and device.person in TWO_DEVICES:
            device.learn({device.credentials.account_id: person(device.person)[2]})

    def _change(self, device: Device, oid: Oid) -> None:
        if (device.level(oid) or 0) >= Level.WRITE:
            device.do_duties(oid, to_write=True)  # as whoever changes members has to, before he does
        try:
            for record in self._some_change(device, oid):
                device.take(oid, {record.id: record})
        except PeergosCollabError:
            return

    def _some_change(self, device: Device, oid: Oid) -> list[MembershipRecord]:
        maker, level = device.maker(oid), device.level(oid)
        if maker is None or level is None:
            return []
        view, me = device.holds[oid].view, maker.actor.principal
        people = FOLDER_PEOPLE if oid == "P" else CHILD_PEOPLE
        roll = self.rng.random()
        if roll < 0.04 and maker.actor.for_itself:
            return [maker.leave(Leave())]
        if roll < 0.12 and level >= Level.WRITE:
            return [maker.rotate()]
        if level < Level.ADMIN:
            return []
        absent = [name for name in people if self._principal(device, name).id not in view.members]
        if roll < 0.5 and (absent or oid == "C"):
            name = self.rng.choice([*absent, GUEST] if oid == "C" else absent)
            if self._principal(device, name).id in view.members:
                return []
            role = Level.WRITE if name == GUEST else people[name]
            return maker.add(self._principal(device, name), role)
        own_rank = view.members[me].rank
        juniors = [m for m in view.members.values() if m.rank > own_rank and m.principal.id != me]
        if oid == "C":
            juniors = [m for m in juniors if m.principal.kind is not PrincipalKind.OBJECT]
        if not juniors:
            return []
        member = self.rng.choice(juniors)
        if roll < 0.65:
            to = self.rng.choice(list(Level))
            if to > member.level:
                return maker.raise_role(member.principal.id, to)
            if to < member.level:
                self.outcome.removals += 1
                return [maker.lower_role(Target(member.principal.id), to)]
            return []
        self.outcome.removals += 1
        return [maker.remove([Target(member.principal.id)])]

    def _principal(self, device: Device, name: str) -> Principal:
        """Somebody as this device knows him."""
        if name == GUEST:
            return LINK.principal
        account = person(name)[0].account
        return account_principal(device.logs.get(account.id, account))

    # -- writing ----------------------------------------------------------------------------------

    def _write(self, device: Device, oid: Oid) -> None:
        level = device.level(oid)
        if level is None or level < Level.WRITE:
            return
        device.do_duties(oid, to_write=True)
        maker, level = device.maker(oid), device.level(oid)
        if maker is None or level is None or level < Level.WRITE:
            return
        epoch = duties.usable(maker)
        if epoch is None:
            if self._could_write(device, oid):
                self.outcome.stuck.append(f"{device.name} cannot write in {oid}")
            return
        sealed = cseal(device.holds[oid].keys[epoch].content, Tag.SEAL, b"text", b"", self.rng.randbytes)
        readers = frozenset(self._readers(device, oid))
        ever = frozenset(self._ever(device, oid))
        adds = frozenset(self._adds(device))
        relied = frozenset() if device.sees_folder else frozenset(self._relied(device))
        self.messages.append(Message(oid, epoch, sealed, device.name, readers, ever - readers, adds, relied))

    @staticmethod
    def _relied(device: Device) -> Iterator[bytes]:
        """What of the folder's records has reached somebody who sees only the document: by a re-pin."""
        for entry in device.holds["C"].history.entries:
            if isinstance(claimed(entry).op, RePin) and not entry.refused:
                yield from (head for one in claimed(entry).relied for head in one.heads)

    def _could_write(self, device: Device, oid: Oid) -> bool:
        """Whether it has the keys to make new ones: its role alone is not enough, somebody must forward."""
        for where in "PC" if oid == "C" and device.sees_folder else oid:
            holds = device.holds[where]
            newest = tips(holds.view, holds.ring)
            if all(holds.keys[epoch].level < Level.WRITE for epoch in newest):
                return False
        return True

    def _readers(self, device: Device, oid: Oid) -> Iterator[str]:
        """The devices that may read, as far as this one knows."""
        people: set[str] = set()
        for member in device.holds[oid].view.members.values():
            people |= self._people_of(device, member.principal)
        for name in people:
            if name in FOLDER_PEOPLE and not device.sees_folder:
                yield from (one.name for one in self.devices.values() if one.person == name)
            else:
                yield from self._devices_of(device, name)

    def _devices_of(self, device: Device, name: str) -> Iterator[str]:
        for one in self.devices.values():
            log = device.logs.get(one.credentials.account_id)
            if one.person == name and (log is None or one.credentials.device_id in log.devices):
                yield one.name

    def _people_of(self, device: Device, principal: Principal) -> set[str]:
        if principal.kind is PrincipalKind.LINK:
            return {GUEST}
        if principal.kind is PrincipalKind.ACCOUNT:
            return {self._name_of(principal.id)}
        if device.sees_folder:
            members = device.holds["P"].view.members.values()
            return {self._name_of(member.principal.id) for member in members}
        return set(FOLDER_PEOPLE)  # who does not see into the folder cannot tell

    @staticmethod
    def _name_of(principal: PrincipalId) -> str:
        if principal == LINK.principal.id:
            return GUEST
        names = (*FOLDER_PEOPLE, *CHILD_PEOPLE)
        return next(n for n in names if bytes(person(n)[0].account_id) == bytes(principal))

    def _ever(self, device: Device, oid: Oid) -> Iterator[str]:
        """The devices that could read some time, as far as this one knows."""
        for where in "PC" if oid == "C" and device.sees_folder else oid:
            for entry in device.holds[where].history.entries:
                op = claimed(entry).op
                principal = (
                    op.principal if isinstance(op, Add) else op.creator if isinstance(op, Create) else None
                )
                if principal is None or entry.refused or principal.kind is PrincipalKind.OBJECT:
                    continue
                for name in self._people_of(device, principal):
                    yield from (one.name for one in self.devices.values() if one.person == name)

    @staticmethod
    def _adds(device: Device) -> Iterator[bytes]:
        for holds in device.holds.values():
            yield from (entry.id for entry in holds.history.entries if isinstance(claimed(entry).op, Add))

    # -- evil -------------------------------------------------------------------------------------

    def _do_evil(self, device: Device, roll: float) -> bool:
        """Once removed, B forges with what he had as an admin, dated back to then."""
        holds = device.holds["P"]
        mine = account_principal(device.credentials.account).id
        if holds.view.level(mine) is Level.ADMIN:
            self.evil = dict(device.records["P"])
            return False
        if self.evil is None or roll < 0.5 or holds.view.level(mine) is not None:
            return False
        old = Membership(
            self.objects["P"], KeyRing([user_pair(s).box for s in device.credentials.user_seeds.values()])
        )
        old.take(self.evil.values())
        maker = Maker(old, actor_of(device.credentials), self.rng.randbytes)
        juniors = [m for m in old.view.members.values() if m.rank > old.view.members[mine].rank]
        made: list[MembershipRecord] = []
        if juniors and self.rng.random() < 0.6:
            made = [maker.remove([Target(self.rng.choice(juniors).principal.id)])]
        else:
            made = [maker.rotate()]
        device.take("P", {record.id: record for record in made})
        self.outcome.removals += 1
        return True

    # -- the end ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Everybody gets everything, and does what is due, until nothing is."""
        for _ in range(12):
            self._tell_all()
            done = 0
            for device in self.devices.values():
                for oid in "PC":
                    done += device.do_duties(oid)
                if done:
                    break
            if not done:
                return
        for _ in range(60):
            self._tell_all()
            if not any(device.do_duties(oid) for device in self.devices.values() for oid in "PC"):
                return
        raise AssertionError("the group does not settle")

    def _tell_all(self) -> None:
        everything = {oid: self._all_records(oid) for oid in "PC"}
        logs: dict[AccountId, Account] = {}
        for device in self.devices.values():
            for id_, log in device.logs.items():
                if id_ not in logs or logs[id_].raw != log.raw:
                    logs[id_] = log.merge(logs[id_]) if id_ in logs else log
        for device in self.devices.values():
            for oid in "PC":
                device.take(oid, everything[oid])
            device.learn(logs)
            device.learn_from_records()

    def _all_records(self, oid: Oid) -> dict[bytes, MembershipRecord]:
        together: dict[bytes, MembershipRecord] = {}
        for device in self.devices.values():
            together.update(device.records[oid])
        return together

    def _look(self) -> None:
        self.outcome.messages = len(self.messages)
        self.outcome.records = sum(len(self._all_records(oid)) for oid in "PC")
        self.oracles = {oid: self._oracle(oid, self.devices) for oid in "PC"}
        now = {oid: self._now(oid) for oid in "PC"}
        added = {oid: set(self._added(oid)) for oid in "PC"}
        for message in self.messages:
            self._look_at(message, now[message.object], added)
        self._compare_views(now)
        self._compare_with_reference()

    def _compare_with_reference(self) -> None:
        for oid, oracle in self.oracles.items():
            found = {id_: member.level for id_, member in oracle.view.members.items()}
            if found != Reference(oracle.history).levels():
                self.outcome.diverged.append(f"the rules put others into {oid} than their text does")

    def _now(self, oid: Oid) -> set[str]:
        """The devices of those who are members in the end, by all records together.

        Somebody who was added by one who had been removed may not know that he is none.
        """
        inside = {self._name_of(id_) for id_ in self.oracles["P"].view.members}
        people: set[str] = set()
        for member in self.oracles[oid].view.members.values():
            principal = member.principal
            people |= inside if principal.kind is PrincipalKind.OBJECT else {self._name_of(principal.id)}
        return {device.name for device in self.devices.values() if device.person in people and device.stands}

    def _oracle(self, oid: Oid, names: Iterable[str]) -> Membership:
        """All records, opened with all keys that some devices have."""
        keys: dict[EpochId, EpochKeys] = {}
        for name in names:
            for epoch, held in self.devices[name].holds[oid].keys.items():
                if epoch not in keys or keys[epoch].level < held.level:
                    keys[epoch] = held
        oracle = Membership(self.objects[oid], KeyRing((), keys))
        oracle.take(self._all_records(oid).values())
        return oracle

    def _added(self, oid: Oid) -> Iterator[tuple[bytes, str, bytes]]:
        """All adds, with whom they are of."""
        for entry in self.oracles[oid].history.entries:
            op = claimed(entry).op
            if isinstance(op, Add) and op.principal.kind is not PrincipalKind.OBJECT:
                yield entry.id, self._name_of(op.principal.id), op.principal.version

    def _look_at(
        self, message: Message, now: set[str], added: dict[Oid, set[tuple[bytes, str, bytes]]]
    ) -> None:
        later = {
            (name, version)
            for oid in ("PC" if message.object == "C" else "P")
            for id_, name, version in added[oid]
            if id_ not in message.seen_adds
        }
        former = message.former | self._former_in_folder(message)
        for device in self.devices.values():
            readmitted = any(
                (device.person, version) in later for version in (b"", *device.credentials.user_seeds)
            )
            if device.name in former - now and not readmitted and device.opens(message):
                self.outcome.leaks.append(f"{device.name} reads {message.object} of {message.author}")
            reads = device.name in now and not (message.object == "C" and self._cut_off(device, now))
            if reads and message.author in now and not device.opens(message):
                self.outcome.unreadable.append(
                    f"{device.name} cannot read {message.object} of {message.author}"
                )

    def _cut_off(self, device: Device, now: set[str]) -> bool:
        """Whether the document lists the folder at keys of somebody who is in it no more, and nobody who is
        left in it has the document's write key: all who had it left before they re-pinned.
        """
        if not device.sees_folder:
            return False
        if device.holds["P"].view != self.oracles["P"].view:
            return True  # so it is with what of the folder itself no member can open any more
        listed = self.oracles["C"].view.members.get(PrincipalId(self.objects["P"]))
        if listed is None or any(one.version in device.holds["P"].keys for one in listed.versions):
            return False
        inside = [self.devices[name] for name in now if self.devices[name].sees_folder]
        return not any(keys.level >= Level.WRITE for one in inside for keys in one.holds["C"].keys.values())

    def _former_in_folder(self, message: Message) -> set[str]:
        """Who had been removed from the folder by the records that a re-pin relied on."""
        history = self.oracles["P"].history
        if not message.relied or not all(id_ in history for id_ in message.relied):
            return set()
        closure = history.closure(history.indices[id_] for id_ in message.relied)
        inside = {self._name_of(seat.principal): seat for seat in history.seats_of(closure)}
        former = set()
        for entry in history.members_of(closure):
            op = claimed(entry).op
            principal = (
                op.principal if isinstance(op, Add) else op.creator if isinstance(op, Create) else None
            )
            if principal is not None and not entry.refused:
                name = self._name_of(principal.id)
                if name not in inside:
                    former |= {one.name for one in self.devices.values() if one.person == name}
        for name, seat in inside.items():
            newest = person(name)[2]
            if seat.pins[-1].principal.version == newest.user_key.generation and name in TWO_DEVICES:
                former.add(f"{name}2")
        return former

    def _lost_with_former_members(self, device: Device) -> bool:
        """Whether somebody holds back what relies on records of the folder that no member can open.

        The last who had the keys left, or acted in the document when he was no member any more.
        """
        if device.holds["P"].view != self.oracles["P"].view:
            return True
        listed = device.holds["C"].view.members.get(PrincipalId(self.objects["P"]))
        if listed is not None and EpochId(listed.principal.version) not in device.holds["P"].keys:
            return True
        members = {bytes(id_) for id_ in self.oracles["P"].view.members}
        known = device.holds["C"].history
        unknown = (entry for entry in self.oracles["C"].history.entries if entry.id not in known)
        folder = bytes(self.objects["P"])
        return any(
            bytes(claimed(entry).author.principal) == folder
            and bytes(claimed(entry).author.account) not in members
            for entry in unknown
        )

    def _compare_views(self, now: dict[Oid, set[str]]) -> None:
        """All members have one view, and so has who gets the records in another order."""
        for oid in "PC":
            # What only former members could open is lost with them, and members need not know it.
            oracle = self._oracle(oid, now[oid])
            inside = [self.devices[name] for name in sorted(now[oid])]
            lost = any(one.sees_folder and self._lost_with_former_members(one) for one in inside)
            for device in [] if oid == "C" and lost else inside:
                if device.holds[oid].view != oracle.view:
                    self.outcome.diverged.append(f"{device.name} sees {oid} otherwise")
            records = list(self._all_records(oid).values())
            self.rng.shuffle(records)
            again = Membership(self.objects[oid], KeyRing((), oracle.keys))
            for start in range(0, len(records), 3):
                again.take(records[start : start + 3])
            if again.view != oracle.view:
                self.outcome.diverged.append(f"another order gives another view of {oid}")
