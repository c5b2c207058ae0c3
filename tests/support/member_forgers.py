"""Who does evil in a random membership run: admins, devices of theirs, and accomplices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.crypto import BoxPair, SigningKey
from peergos_collab.errors import NoAccess, PeergosCollabError
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_proofs import account_proof
from peergos_collab.objects.op_kinds import Add, NewVersion, Proof, Target
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import MembershipRecord
from support.member_device import Device
from support.member_reference import claimed
from support.member_shapes import ACCOMPLICE, ACCOMPLICES, LINKS, Oid, account_id_of

if TYPE_CHECKING:
    from support.member_world import World

Records = dict[bytes, MembershipRecord]


class Forgers:
    """Some go on with what they had once they are removed, as if they had done it before.

    Args:
        liars: before that they list others with keys of their own, and after it some have a device that
            nobody knew of.

    Attributes:
        lies: by object, the records that say what is not so.
    """

    def __init__(self, world: World, *, liars: bool) -> None:
        self.world, self.rng, self.shape = world, world.rng, world.shape
        self.liars = liars
        self.lies: dict[Oid, set[bytes]] = {oid: set() for oid in self.shape.inside}
        self._homes = dict(self.shape.forgers)
        self._had: dict[str, dict[Oid, Records]] = {}

    @property
    def busy(self) -> list[str]:
        """Those who forge by now, or might."""
        return sorted(self._had)

    def remove_one(self) -> None:
        """An admin of a folder removes another, or a device of his own, which goes on as if it were in."""
        devices = self.world.devices
        admins = [
            name
            for name, home in sorted(self.shape.forgers.items())
            if devices[name].level(home) is Level.ADMIN
        ]
        if not admins:
            return
        name = self.rng.choice(admins)
        forger, home = devices[name], self.shape.forgers[name]
        self._had[name] = {oid: dict(forger.records[oid]) for oid in forger.sees}
        if name.endswith("2"):
            first = devices[f"{forger.person}1"]
            self.world.remove_device(first)
            first.do_duties(home, to_write=True)
            self.world.gossip(forger, first)
        elif not self._remove_person(forger, home):
            return
        if self.liars and self.rng.random() < 0.7:
            self._hide_a_device(forger)

    def _remove_person(self, forger: Device, home: Oid) -> bool:
        id_ = account_id_of(forger.person)
        for admin in [one for one in self.world.devices.values() if one.level(home) is Level.ADMIN]:
            members, maker = admin.holds[home].view.members, admin.maker(home)
            if maker is None or id_ not in members:
                continue
            if members[maker.actor.principal].rank < members[id_].rank:
                try:
                    record = maker.remove([Target(id_)])
                except NoAccess:  # an admin who has readers' keys alone makes none
                    continue
                admin.take(home, {record.id: record})
                self.world.outcome.removals += 1
                forger.take(home, admin.records[home])
                return True
        return False

    def _hide_a_device(self, forger: Device) -> None:
        """One that he added without telling anybody goes on for him, perhaps by a user key of his own."""
        name = f"{forger.person}3"
        if name in self.world.devices:
            return
        secrets = DeviceSecrets.generate(self.rng.randbytes)
        by = forger.credentials.add_device(secrets.public)
        if self.rng.random() < 0.5:
            by = by.rotate_user_key(self.rng.randbytes)
        joined = Credentials(by.name, by.account, dict(by.user_seeds), secrets)
        self.world.join(name, forger.person, joined, adder=forger.name)
        self._homes[name] = self._homes[forger.name]
        self._had[name] = {oid: dict(records) for oid, records in self._had[forger.name].items()}

    def do_evil(self, device: Device, roll: float) -> bool:
        """Once removed, an admin forges with what he had as one, dated back to then.

        So does who was let in by one, with what he was given: whatever he has heard since.
        """
        if device.name not in self._homes:
            return False
        home = self._homes[device.name]
        level = device.level(home) if device.name in self.shape.forgers else None
        if level is Level.ADMIN:
            self._had[device.name] = {oid: dict(device.records[oid]) for oid in device.sees}
            return self.liars and roll < 0.1 and self._lie(device)
        if device.name not in self._had or roll < 0.5 or level is not None:
            return False
        ghost = self.world.installed(device.name, device.person, device.credentials)
        for oid, records in self._had[device.name].items():
            ghost.take(oid, records)
        oid = self.rng.choice([home, *device.sees])
        try:
            self._forge(ghost, oid)
        except PeergosCollabError:
            return False
        for oid in device.sees:
            device.take(oid, ghost.records[oid])
        self.world.outcome.forged += 1
        return True

    def _forge(self, ghost: Device, oid: Oid) -> None:
        """Lets somebody in, shuts somebody out, or makes keys, also for what is below."""
        maker, level = ghost.maker(oid), ghost.level(oid)
        if maker is None or level is None:
            return
        roll, view = self.rng.random(), ghost.holds[oid].view
        own = view.members[maker.actor.principal].rank
        juniors = [m for m in view.members.values() if m.rank > own and self.shape.may_go(m.principal)]
        made: list[MembershipRecord] = []
        if roll < 0.45 and juniors and level is Level.ADMIN:
            made = [maker.remove([Target(self.rng.choice(juniors).principal.id)])]
        elif roll < 0.7 and level is Level.ADMIN:
            name = ACCOMPLICES[ghost.person == ACCOMPLICE]
            made = ghost.add(maker, name, Level.ADMIN)
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

    # -- keys that are another's ------------------------------------------------------------------

    def _lie(self, device: Device) -> bool:
        """Lists somebody with keys of his own: he would go on reading in that one's name."""
        oid = self.rng.choice(device.sees)
        maker = device.maker(oid)
        if maker is None or device.level(oid) is not Level.ADMIN:
            return False
        false, pairs, proof = self._false_principal(device, oid)
        known = false.id in maker.membership.view.members
        try:
            if known and self.rng.random() < 0.5:
                made: list[MembershipRecord] = [maker.re_pin([NewVersion(false, proof)])]
            else:
                made = maker.add(false, Level.ADMIN, proof=proof)
        except PeergosCollabError:
            return False
        self.lies[oid].add(made[0].id)
        device.take(oid, {record.id: record for record in made})
        for pair in pairs:
            device.holds[oid].add_pair(pair)
        for other in [one for one in self.world.devices.values() if one.level(oid) is Level.ADMIN]:
            self.world.gossip(other, device)  # else it is void with all he did, once he is removed
        self.world.outcome.forged += 1
        return True

    def _false_principal(self, device: Device, oid: Oid) -> tuple[Principal, list[BoxPair], Proof]:
        """Somebody with other keys than his, the secret halves of these, and what seems to prove them."""
        random = self.rng.randbytes
        people = [name for name in (*self.shape.people[oid], *self.shape.links[oid]) if name != device.person]
        name = self.rng.choice([*people, *self.shape.inside[oid]])
        if name in self.shape.inside[oid]:
            keys, folder = EpochKeys.generate(random), ObjectId(self.world.objects[name])
            false = Principal.of_object(folder, EpochId(random(32)), keys.public())
            return false, [keys.box_pair(level) for level in Level], self._some_links(device, name)
        pair, sign = BoxPair.generate(random), SigningKey.generate(random)
        true = device.principal(name)
        version = true.version if name in LINKS or self.rng.random() < 0.5 else random(32)
        false = replace(true, version=version, sign=sign.verify_key, box=pair.public_key)
        known = device.log(name) if name not in LINKS else None
        return false, [pair], b"" if known is None else self.rng.choice([account_proof(known), known.raw])

    def _some_links(self, device: Device, folder: Oid) -> Proof:
        """What proves an epoch of the folder, only not this one."""
        history = device.holds[folder].history
        return tuple(entry.record.public_link for entry in history.entries[:1])
