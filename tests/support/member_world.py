"""Objects in objects, and people who gossip: random membership at byte level.

Everybody has his own records and keys. Which objects there are, and who may be in which, is for the
``Shape`` to say. Some people come to an object by a folder, some by a link, some by two ways; some have a
second device, which may be removed. Records travel from one to another at random; at the end everybody
gets every record of all time, as from a node that colludes with whoever was removed.
"""

from __future__ import annotations

import random

from peergos_collab.codec.ids import AccountId, EpochId
from peergos_collab.crypto import Tag, cseal
from peergos_collab.errors import PeergosCollabError
from peergos_collab.identity.account import Account
from peergos_collab.identity.credentials import Credentials
from peergos_collab.objects import due as duties
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.op_kinds import Create, Leave, Target
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import Epoch, MembershipRecord, first_epoch
from peergos_collab.objects.wraps import Recipient
from support.circle import actor_of
from support.member_device import Device, remembered
from support.member_forgers import Forgers, Records
from support.member_message import Author, Message
from support.member_shapes import ACCOMPLICES, FOLDER, TWO_DEVICES, Oid, Shape, person
from support.member_verdict import Outcome, Verdict


class World:
    """One run.

    Args:
        hostile: some admins go on with what they had once they are removed.
        liars: besides, they lie about keys before that, and have secret devices after it.
    """

    def __init__(
        self, seed: int, *, hostile: bool = False, liars: bool = False, shape: Shape = FOLDER
    ) -> None:
        self.rng = random.Random(seed)
        self.hostile = hostile
        self.shape = shape
        self.messages: list[Message] = []
        self.outcome = Outcome()
        self.devices: dict[str, Device] = {}
        self._found_objects()
        self.oids: dict[bytes, Oid] = {object_id: oid for oid, object_id in self.objects.items()}
        self.forgers = Forgers(self, liars=liars)

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
                    self.join(f"{name}{number}", name, credentials)
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
                    for record in admin.add(maker, name, role):
                        admin.take(oid, {record.id: record})
                    self.gossip(self.devices[f"{name}1"], admin)

    def installed(self, name: str, who: str, credentials: Credentials, adder: str = "") -> Device:
        """A device that has no records yet."""
        return Device(name, who, credentials, self.rng, self.shape, self.objects, adder)

    def join(self, name: str, who: str, credentials: Credentials, adder: str = "") -> None:
        self.devices[name] = self.installed(name, who, credentials, adder)

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
                    self.forgers.remove_one()
                self._step(self._some_device())
            self._settle()
            self._write_at_last()
            Verdict(self).give()
        return self.outcome

    def _some_device(self) -> Device:
        """Who forges is busier than others."""
        if self.hostile and self.forgers.busy and self.rng.random() < 0.15:
            return self.devices[self.rng.choice(self.forgers.busy)]
        return self.rng.choice(list(self.devices.values()))

    def _step(self, device: Device) -> None:
        roll = self.rng.random()
        if self.hostile and self.forgers.do_evil(device, roll):
            return
        if roll < 0.38:
            self.gossip(device, self.rng.choice(list(self.devices.values())))
        elif roll < 0.41:
            self.remove_device(device)
        elif roll < 0.62:
            oid = self.rng.choice(self.shape.changed)
            admins = [one for one in self.devices.values() if one.level(oid) is Level.ADMIN]
            self._change(self.rng.choice(admins) if admins and roll < 0.59 else device, oid)
        else:
            self._write(device, self.rng.choice(self.shape.written))

    def gossip(self, device: Device, other: Device) -> None:
        oids = "".join(sorted(self.shape.inside, reverse=True))
        for oid in self.rng.choice((*oids, oids, oids, oids)):
            if oid in device.sees:
                device.take(oid, other.records[oid])
        device.learn(other.logs)
        device.learn_from_records()

    def remove_device(self, device: Device) -> None:
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
        absent = [name for name in people if device.principal(name).id not in view.members]
        absent += [folder for folder in self.shape.moved(oid) if self.objects[folder] not in view.members]
        if roll < 0.5 and (absent or links):
            name = self.rng.choice([*absent, *links])
            if name in self.shape.inside:
                return device.add_folder(maker, name, self.rng.choice([Level.WRITE, Level.ADMIN]))
            if device.principal(name).id in view.members:
                return []
            return device.add(maker, name, {**people, **links}[name])
        own_rank = view.members[me].rank
        juniors = [m for m in view.members.values() if m.rank > own_rank and m.principal.id != me]
        juniors = [m for m in juniors if self.shape.may_go(m.principal)]
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
            promised = device.person not in ACCOMPLICES and not device.adder
            if promised and device.could_write(oid):
                self.outcome.stuck.append(f"{device.name} cannot write in {oid}")
            return
        sealed = cseal(device.holds[oid].keys[epoch].content, Tag.SEAL, b"text", b"", self.rng.randbytes)
        self.messages.append(Author(self, device, oid).message(epoch, sealed))

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
