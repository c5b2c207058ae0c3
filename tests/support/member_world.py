"""Objects in objects, and people who gossip: random membership at byte level.

Everybody has his own records and keys. Which objects there are, and who may be in which, is for the
``Shape`` to say. Some people come to an object by a folder, some by a link, some by two ways; some have a
second device, which may be removed. Records travel from one to another at random; at the end everybody
gets every record of all time, as from a node that colludes with whoever was removed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from peergos_collab.codec.ids import AccountId, EpochId
from peergos_collab.crypto import Tag, cseal
from peergos_collab.errors import PeergosCollabError
from peergos_collab.identity.account import Account
from peergos_collab.objects import due as duties
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.history import History
from peergos_collab.objects.key_proofs import account_proof
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.op_kinds import Add, Create, Leave, RePin, Target
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.principals import Principal, PrincipalKind
from peergos_collab.objects.records import Epoch, MembershipRecord, first_epoch
from peergos_collab.objects.wraps import Recipient
from support.circle import actor_of
from support.member_device import Device, Message, remembered
from support.member_reference import claimed
from support.member_shapes import (
    ACCOMPLICE,
    ACCOMPLICES,
    FOLDER,
    LINKS,
    TWO_DEVICES,
    Oid,
    Shape,
    name_of,
    person,
)
from support.member_verdict import Outcome, Verdict

Records = dict[bytes, MembershipRecord]


class World:
    """One run. ``hostile``: some admins go on with what they had once they are removed."""

    def __init__(self, seed: int, *, hostile: bool = False, shape: Shape = FOLDER) -> None:
        self.rng = random.Random(seed)
        self.hostile = hostile
        self.shape = shape
        self.messages: list[Message] = []
        self.outcome = Outcome()
        self.devices: dict[str, Device] = {}
        self._found_objects()
        self._homes = dict(shape.forgers)
        self._had: dict[str, dict[Oid, Records]] = {}

    # -- making -----------------------------------------------------------------------------------

    def _found_objects(self) -> None:
        rng = self.rng.randbytes
        keys = {oid: EpochKeys.generate(rng) for oid in self.shape.inside}
        made: dict[Oid, Epoch] = {}
        for oid, founder in self.shape.founders.items():
            first, _, _ = person(founder)
            creator = account_principal(first.account)
            to = Recipient(creator.box, Level.ADMIN)
            made[oid] = first_epoch(keys[oid], to, Create(Kind.ENTRIES, creator), actor_of(first), rng)
        self.objects = {oid: epoch.object for oid, epoch in made.items()}
        for name in [*self.shape.names, *(ACCOMPLICES if self.hostile else [])]:
            one, two, _ = person(name)
            for number, credentials in enumerate((one, two), 1):
                if credentials is not None:
                    self._device(f"{name}{number}", name, credentials)
        founders = [self.devices[f"{name}1"] for name in dict.fromkeys(self.shape.founders.values())]
        for founder in founders:
            for oid in founder.sees:
                founder.take(oid, {made[oid].id: made[oid]})
        for oid in self.shape.inside:
            for folder in self.shape.inside[oid]:
                self._put_into(oid, made[folder])
            if None not in self._founder(oid).ways[oid]:
                self._leave(oid)
        for founder in founders:
            for oid in founder.sees:
                founder.take(oid, self.all_records(oid))
        self._invite()

    def _founder(self, oid: Oid) -> Device:
        return self.devices[f"{self.shape.founders[oid]}1"]

    def _invite(self) -> None:
        """Some people are in from the start, so that something can go wrong soon."""
        for oid in self.shape.inside:
            admin = self._founder(oid)
            maker = admin.maker(oid)
            assert maker is not None
            for name, role in {**self.shape.people[oid], **self.shape.links[oid]}.items():
                if name != admin.person and self.rng.random() < 0.7:
                    for record in self._add(maker, admin, name, role):
                        admin.take(oid, {record.id: record})
                    self._gossip(self.devices[f"{name}1"], admin)

    def _device(self, name: str, who: str, credentials: object) -> None:
        self.devices[name] = Device(name, who, credentials, self.rng, self.shape, self.objects)  # type: ignore[arg-type]

    def _own_maker(self, oid: Oid) -> Maker:
        """Of the founder, who is a member himself as yet."""
        one = self._founder(oid)
        return Maker(one.holds[oid], actor_of(one.credentials), self.rng.randbytes, one.surroundings)

    def _put_into(self, oid: Oid, epoch: Epoch) -> None:
        """The folder becomes an admin of what is in it."""
        folder = Principal.of_object(epoch.object, EpochId(epoch.id), epoch.keys)
        for record in self._own_maker(oid).add(folder, Level.ADMIN, proof=(epoch.public_link,)):
            self._founder(oid).take(oid, {record.id: record})

    def _leave(self, oid: Oid) -> None:
        """Its founder is a member only through a folder."""
        leave = self._own_maker(oid).leave(Leave())
        self._founder(oid).take(oid, {leave.id: leave})

    # -- running ----------------------------------------------------------------------------------

    def run(self, steps: int = 120) -> Outcome:
        with remembered():
            for step in range(steps):
                if self.hostile and step in (steps // 4, steps // 2):
                    self._remove_a_forger()
                self._step(self._some_device())
            self._settle()
            self._write_at_last()
            Verdict(self).give()
        return self.outcome

    def _some_device(self) -> Device:
        """Who forges is busier than others."""
        if self.hostile and self._had and self.rng.random() < 0.15:
            return self.devices[self.rng.choice(sorted(self._had))]
        return self.rng.choice(list(self.devices.values()))

    def _step(self, device: Device) -> None:
        roll = self.rng.random()
        if self.hostile and device.name in self._homes and self._do_evil(device, roll):
            return
        if roll < 0.38:
            self._gossip(device, self.rng.choice(list(self.devices.values())))
        elif roll < 0.41:
            self._remove_device(device)
        elif roll < 0.62:
            oid = self.rng.choice(self.shape.changed)
            admins = [one for one in self.devices.values() if one.level(oid) is Level.ADMIN]
            self._change(self.rng.choice(admins) if admins and roll < 0.59 else device, oid)
        else:
            self._write(device, self.rng.choice(self.shape.written))

    def _gossip(self, device: Device, other: Device) -> None:
        oids = "".join(sorted(self.shape.inside, reverse=True))
        for oid in self.rng.choice((*oids, oids, oids, oids)):
            if oid in device.sees:
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
        people, links = self.shape.people[oid], self.shape.links[oid]
        roll = self.rng.random()
        if roll < 0.04 and maker.actor.for_itself:
            return [maker.leave(Leave())]
        if roll < 0.12 and level >= Level.WRITE:
            return [maker.rotate()]
        if level < Level.ADMIN:
            return []
        absent = [name for name in people if self._principal(device, name).id not in view.members]
        if roll < 0.5 and (absent or links):
            name = self.rng.choice([*absent, *links])
            if self._principal(device, name).id in view.members:
                return []
            return self._add(maker, device, name, {**people, **links}[name])
        own_rank = view.members[me].rank
        juniors = [m for m in view.members.values() if m.rank > own_rank and m.principal.id != me]
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
        return LINKS[name].principal if name in LINKS else account_principal(self._log(device, name))

    def _log(self, device: Device, name: str) -> Account:
        account = person(name)[0].account
        return device.logs.get(account.id, account)

    def _add(self, maker: Maker, device: Device, name: str, role: Level) -> list[MembershipRecord]:
        """With the log as this device knows it, where that is needed to show whose the keys are."""
        proof = b"" if name in LINKS else account_proof(self._log(device, name))
        return maker.add(self._principal(device, name), role, proof=proof)

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
            if device.could_write(oid) and device.person not in ACCOMPLICES:  # who are promised nothing
                self.outcome.stuck.append(f"{device.name} cannot write in {oid}")
            return
        sealed = cseal(device.holds[oid].keys[epoch].content, Tag.SEAL, b"text", b"", self.rng.randbytes)
        readers = frozenset(self._readers(device, oid))
        ever = frozenset(self._ever(device, oid))
        adds, relied = frozenset(self._adds(device)), frozenset(self._relied(device, oid))
        removed = frozenset(name for name in self.shape.forgers if self._is_known_removed(device, name))
        accepted = any(self._was_accepted(device.holds[one].history) for one in self._heeded(device, oid))
        self.messages.append(
            Message(oid, epoch, sealed, device.name, readers, ever - readers, adds, relied, removed, accepted)
        )

    def _heeded(self, device: Device, oid: Oid) -> Iterator[Oid]:
        """The object, and the folders that lead there which the device is in."""
        yield from (one for one in dict.fromkeys([oid, *self.shape.above(oid)]) if device.is_in(one))

    @staticmethod
    def _was_accepted(history: History) -> bool:
        """Whether an add of an accomplice is in the past of all that named its author as gone.

        That author had time to act until then, and nobody can tell that he used it late.
        """
        removals = [removal for entry in history.entries for removal in entry.removals]
        for entry in history.entries:
            op = claimed(entry).op
            if isinstance(op, Add) and not entry.refused and op.principal.kind is PrincipalKind.ACCOUNT:
                named = [removal.by for removal in removals if removal.concerns(entry)]
                told = bool(named) and all(by.past & entry.bit for by in named)
                if told and name_of(op.principal.id) in ACCOMPLICES:
                    return True
        return False

    def _is_known_removed(self, device: Device, forger: str) -> bool:
        one, home = self.devices[forger], self.shape.forgers[forger]
        account = person(one.person)[0].account
        if not device.is_in(home):
            return False
        id_, view = account_principal(account).id, device.holds[home].view
        removed = id_ not in view.members and bool(view.table.removals_of(id_))
        return removed or one.credentials.device_id not in device.logs.get(account.id, account).devices

    def _relied(self, device: Device, oid: Oid) -> Iterator[tuple[Oid, bytes]]:
        """What of the records of folders it does not see into has reached a device: by re-pins."""
        oids = {object_id: one for one, object_id in self.objects.items()}
        for where in self._heeded(device, oid):
            for entry in device.holds[where].history.entries:
                if isinstance(claimed(entry).op, RePin) and not entry.refused:
                    for one in claimed(entry).relied:
                        if not device.is_in(oids[one.object]):
                            yield from ((oids[one.object], head) for head in one.heads)

    def _readers(self, device: Device, oid: Oid) -> Iterator[str]:
        """The devices that may read, as far as this one knows."""
        for member in device.holds[oid].view.members.values():
            for name, seen in self._people_of(device, member.principal):
                yield from self._devices_of(device, name) if seen else self._all_devices_of(name)

    def _all_devices_of(self, name: str) -> Iterator[str]:
        yield from (one.name for one in self.devices.values() if one.person == name)

    def _devices_of(self, device: Device, name: str) -> Iterator[str]:
        for one in self.devices.values():
            log = device.logs.get(one.credentials.account_id)
            if one.person == name and (log is None or one.credentials.device_id in log.devices):
                yield one.name

    def _people_of(self, device: Device, principal: Principal) -> Iterator[tuple[str, bool]]:
        """Who is behind a principal, and whether one knows it: not of a folder that one does not see into."""
        if principal.kind is not PrincipalKind.OBJECT:
            yield name_of(principal.id), True
            return
        oid = next(oid for oid, object_id in self.objects.items() if bytes(object_id) == bytes(principal.id))
        if not device.is_in(oid):
            yield from ((name, False) for name in self.shape.behind(oid))
            return
        for member in device.holds[oid].view.members.values():
            yield from self._people_of(device, member.principal)

    def _ever(self, device: Device, oid: Oid) -> Iterator[str]:
        """The devices that could read some time, as far as this one knows."""
        for where in self._heeded(device, oid):
            for entry in device.holds[where].history.entries:
                op = claimed(entry).op
                principal = (
                    op.principal if isinstance(op, Add) else op.creator if isinstance(op, Create) else None
                )
                if principal is None or entry.refused or principal.kind is PrincipalKind.OBJECT:
                    continue
                yield from self._all_devices_of(name_of(principal.id))

    @staticmethod
    def _adds(device: Device) -> Iterator[bytes]:
        """Those it heeds: who comes back to a folder that it is in no more it cannot know."""
        for oid in (oid for oid in device.holds if device.is_in(oid)):
            entries = device.holds[oid].history.entries
            yield from (entry.id for entry in entries if isinstance(claimed(entry).op, Add))

    # -- evil -------------------------------------------------------------------------------------

    def _remove_a_forger(self) -> None:
        """An admin of a folder removes another, or a device of his own, which goes on as if it were in."""
        admins = [
            name
            for name, home in sorted(self.shape.forgers.items())
            if self.devices[name].level(home) is Level.ADMIN
        ]
        if not admins:
            return
        name = self.rng.choice(admins)
        forger, home = self.devices[name], self.shape.forgers[name]
        who = forger.person
        self._had[name] = {oid: dict(forger.records[oid]) for oid in forger.sees}
        if name.endswith("2"):
            first = self.devices[f"{who}1"]
            self._remove_device(first)
            first.do_duties(home, to_write=True)
            self._gossip(forger, first)
            return
        id_ = account_principal(person(who)[0].account).id
        for admin in [one for one in self.devices.values() if one.level(home) is Level.ADMIN]:
            members, maker = admin.holds[home].view.members, admin.maker(home)
            if maker is None or id_ not in members:
                continue
            if members[maker.actor.principal].rank < members[id_].rank:
                record = maker.remove([Target(id_)])
                admin.take(home, {record.id: record})
                self.outcome.removals += 1
                forger.take(home, admin.records[home])
                return

    def _do_evil(self, device: Device, roll: float) -> bool:
        """Once removed, an admin forges with what he had as one, dated back to then.

        So does who was let in by one, with what he was given: whatever he has heard since.
        """
        home = self._homes[device.name]
        level = device.level(home) if device.name in self.shape.forgers else None
        if level is Level.ADMIN:
            self._had[device.name] = {oid: dict(device.records[oid]) for oid in device.sees}
            return False
        if device.name not in self._had or roll < 0.5 or level is not None:
            return False
        ghost = Device(device.name, device.person, device.credentials, self.rng, self.shape, self.objects)
        for oid, records in self._had[device.name].items():
            ghost.take(oid, records)
        oid = self.rng.choice([home, *device.sees])
        try:
            self._forge(ghost, oid)
        except PeergosCollabError:
            return False
        for oid in device.sees:
            device.take(oid, ghost.records[oid])
        self.outcome.forged += 1
        return True

    def _forge(self, ghost: Device, oid: Oid) -> None:
        """Lets somebody in, shuts somebody out, or makes keys, also for what is below."""
        maker, level = ghost.maker(oid), ghost.level(oid)
        if maker is None or level is None:
            return
        roll, view = self.rng.random(), ghost.holds[oid].view
        own = view.members[maker.actor.principal].rank
        juniors = [
            m for m in view.members.values() if m.rank > own and m.principal.kind is not PrincipalKind.OBJECT
        ]
        made: list[MembershipRecord] = []
        if roll < 0.45 and juniors and level is Level.ADMIN:
            made = [maker.remove([Target(self.rng.choice(juniors).principal.id)])]
        elif roll < 0.7 and level is Level.ADMIN:
            name = ACCOMPLICES[ghost.person == ACCOMPLICE]
            made = self._add(maker, ghost, name, Level.ADMIN)
        else:
            made = [maker.rotate()]
        ghost.take(oid, {record.id: record for record in made})
        if made and isinstance(claimed(ghost.holds[oid].history.entry(made[0].id)).op, Add):
            self._let_in(ghost, oid)
        for below in self.shape.inside:
            if oid in self.shape.inside[below] and self.rng.random() < 0.5:
                ghost.do_duties(below, to_write=True)

    def _let_in(self, ghost: Device, oid: Oid) -> None:
        """The accomplice forges, too, with what he was given."""
        if ghost.person != ACCOMPLICE:
            name = f"{ACCOMPLICE}1"
            self._homes[name] = oid
            self._had[name] = {one: dict(ghost.records[one]) for one in ghost.sees}

    # -- the end ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Everybody gets everything, and does what is due, until nothing is."""
        for _ in range(12):
            self._tell_all()
            done = 0
            for device in self.devices.values():
                for oid in self.shape.inside:
                    done += device.do_duties(oid)
                if done:
                    break
            if not done:
                return
        for _ in range(60):
            self._tell_all()
            every = [(device, oid) for device in self.devices.values() for oid in self.shape.inside]
            if not any(device.do_duties(oid) for device, oid in every):
                return
        raise AssertionError("the group does not settle")

    def _write_at_last(self) -> None:
        """Who may write everywhere can do so with all there is to know."""
        for oid in self.shape.inside:
            writers = [one for one in self.devices.values() if (one.level(oid) or 0) >= Level.WRITE]
            if writers:
                self._write(self.rng.choice(writers), oid)
                self._settle()

    def _tell_all(self) -> None:
        everything = {oid: self.all_records(oid) for oid in self.shape.inside}
        logs: dict[AccountId, Account] = {}
        for device in self.devices.values():
            for id_, log in device.logs.items():
                if id_ not in logs or logs[id_].raw != log.raw:
                    logs[id_] = log.merge(logs[id_]) if id_ in logs else log
        for device in self.devices.values():
            for oid in self.shape.inside:
                device.take(oid, everything[oid])
            device.learn(logs)
            device.learn_from_records()

    def all_records(self, oid: Oid) -> Records:
        together: Records = {}
        for device in self.devices.values():
            together.update(device.records[oid])
        return together
