"""What went wrong in a random membership run: who reads what he must not, and who does not what he should."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peergos_collab.codec.ids import EpochId, PrincipalId
from peergos_collab.objects import due as duties
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.history import Entry, History
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import Add, Create, RePin
from peergos_collab.objects.principals import PrincipalKind
from peergos_collab.objects.records import Epoch
from peergos_collab.objects.usable_epochs import is_good_version
from support.member_device import Device
from support.member_message import Message
from support.member_reference import Reference, claimed
from support.member_shapes import ACCOMPLICE, ACCOMPLICES, TWO_DEVICES, Oid, name_of, person

if TYPE_CHECKING:
    from support.member_world import World


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
    forged: int = 0

    @property
    def faults(self) -> list[str]:
        return self.leaks + self.unreadable + self.stuck + self.diverged


@dataclass(frozen=True)
class _Added:
    """An add, allowed or not: of whom or which folder, at which key version, by which device of whom."""

    id: bytes
    name: str
    version: bytes
    by: str


class Verdict:
    """Looks at a run once everybody has every record of all time.

    Attributes:
        oracles: by object, all its records, opened with all keys that anybody has.
        now: by object, the devices of who is a member, by all records together. Somebody who was added by
            one who had been removed may not know that he is none.
        heard: by object, what those who are members can open together of all its records.
    """

    def __init__(self, world: World) -> None:
        self.world, self.shape, self.outcome = world, world.shape, world.outcome
        self.devices, self.objects = world.devices, world.objects
        self.records = {oid: world.all_records(oid) for oid in self.shape.inside}
        self.oracles = {oid: self._oracle(oid, self.devices) for oid in self.shape.inside}
        self.people = {oid: self._people(oid, self.oracles) for oid in self.shape.inside}
        self.now = {
            oid: {one.name for one in self.devices.values() if one.person in people and one.stands}
            for oid, people in self.people.items()
        }
        self.heard = {oid: self._oracle(oid, self.now[oid]) for oid in self.shape.inside}

    def give(self) -> None:
        self.outcome.messages = len(self.world.messages)
        self.outcome.records = sum(len(records) for records in self.records.values())
        added = {oid: list(self._added(oid)) for oid in self.shape.inside}
        for message in self.world.messages:
            self._look_at(message, added)
        self._compare_views()
        self._look_at_adds()
        self._look_at_lies()
        for oid, oracle in self.oracles.items():
            found = {id_: member.level for id_, member in oracle.view.members.items()}
            lies = self.world.forgers.lies[oid]
            if found != Reference(oracle.history, lies).levels():
                self.outcome.diverged.append(f"the rules put others into {oid} than their text does")

    def _people(self, oid: Oid, seen: dict[Oid, Membership]) -> set[str]:
        """Who is a member, himself or by a folder, by what is ``seen`` of each object."""
        people: set[str] = set()
        for id_, member in seen[oid].view.members.items():
            if member.principal.kind is PrincipalKind.OBJECT:
                people |= self._people(self.world.oids[id_], seen)
            else:
                people.add(name_of(id_))
        return people

    def _oracle(self, oid: Oid, names: Iterable[str]) -> Membership:
        """All records, opened with all keys that some devices have."""
        keys: dict[EpochId, EpochKeys] = {}
        for name in names:
            for epoch, held in self.devices[name].holds[oid].keys.items():
                if epoch not in keys or keys[epoch].level < held.level:
                    keys[epoch] = held
        oracle = Membership(self.objects[oid], KeyRing((), keys))
        oracle.take(self.records[oid].values())
        return oracle

    # -- messages ---------------------------------------------------------------------------------

    def _added(self, oid: Oid) -> Iterator[_Added]:
        """All adds but those that give keys to somebody else than they say."""
        names = {one.credentials.device_id: one.name for one in self.devices.values()}
        for entry in self.oracles[oid].history.entries:
            op, author = claimed(entry).op, claimed(entry).author
            if isinstance(op, Add) and entry.id not in self.world.forgers.lies[oid]:
                who = op.principal
                yield _Added(entry.id, self._name_of(who.id), who.version, names[author.device])

    def _name_of(self, id_: bytes) -> str:
        """Who is a member, or which folder."""
        return self.world.oids.get(id_) or name_of(id_)

    def _look_at(self, message: Message, added: dict[Oid, list[_Added]]) -> None:
        oid, now = message.object, self.now[message.object]
        adds = [one for where in self._leading(message, added) for one in added[where]]
        unseen = [one for one in adds if one.id not in message.seen_adds]
        accomplices = {name for name, one in self.devices.items() if one.person in ACCOMPLICES}
        honest = {(one.name, one.version) for one in unseen if one.by not in accomplices | message.removed}
        barred = self._is_barred_from(message, adds, honest)
        later = honest if barred else {(one.name, one.version) for one in unseen}
        former = message.former | self._former_in_folders(message)
        former |= {one.name for one in self.devices.values() if one.adder in former}
        handed_on = not barred and any(self.devices[name].opens(message) for name in accomplices)
        # Of whose removal those who are left hear nothing is a member to them: nobody who knew of it is left.
        forgotten = self._people(oid, self.heard) - self.people[oid]
        author = self.devices[message.author]
        author_counts = author.name in now and not self._is_cut_off(author, oid)
        for device in self.devices.values():
            out = device.name in former - now and not self._is_readmitted(device, later)
            out = out and device.person not in forgotten
            if out and not handed_on and device.opens(message):
                self.outcome.leaks.append(f"{device.name} reads {oid} of {message.author}")
            if barred and device.person in ACCOMPLICES and device.opens(message):
                self.outcome.leaks.append(
                    f"{device.name}, let in by a forger, reads {oid} of {message.author}"
                )
            reads = device.name in now and author_counts and not self._is_cut_off(device, oid)
            lacked = self._before(message) - device.holds[oid].keys.keys()
            stranded = self._is_unheard(device, message) and self._is_stranded(device, oid, lacked)
            if reads and not stranded and not device.opens(message):
                self.outcome.unreadable.append(f"{device.name} cannot read {oid} of {message.author}")

    def _leading(self, message: Message, added: dict[Oid, list[_Added]]) -> set[Oid]:
        """The object of a message, and the folders that led there, or were added again."""
        found, waiting = {message.object}, [message.object]
        while waiting:
            oid = waiting.pop()
            again = {one.name for one in added[oid] if one.id not in message.seen_adds}
            fresh = {one for one in self.shape.inside[oid] if one in message.ways or one in again} - found
            found |= fresh
            waiting += fresh
        return found

    @staticmethod
    def _is_readmitted(device: Device, later: set[tuple[str, bytes]]) -> bool:
        """Whether one of the adds ``later``, each of whom at which key version, gave a device keys anew."""
        own = {(device.person, version) for version in (b"", *device.credentials.user_seeds)}
        return not own.isdisjoint(later) or any(
            EpochId(version) in device.holds[name].keys for name, version in later if name in device.holds
        )

    def _is_barred_from(self, message: Message, adds: list[_Added], later: set[tuple[str, bytes]]) -> bool:
        """Whether only forgers let the accomplice in, of whose removal the author knew: all who ever did so.

        Not where such an add had come to everybody who named its author as gone, before he did so; nor where
        one of them is added again ``later``: he gets the text, and can hand on what he has. Nor where
        nobody is left in a folder that led there, who could say that his keys are old.
        """
        let_in = {one.by for one in adds if one.name == ACCOMPLICE}
        if not let_in or self.devices[message.author].person in ACCOMPLICES:
            return False
        if not all(self.now[folder] for folder in message.ways):
            return False
        again = any(self._is_readmitted(self.devices[name], later) for name in let_in)
        return let_in <= message.removed and not message.may_have_let_in and not again

    # -- adds -------------------------------------------------------------------------------------

    def _look_at_adds(self) -> None:
        """Nobody is out because of what was dated back, if who added him knew that its author was gone."""
        for oid, oracle in self.oracles.items():
            history, view = oracle.history, oracle.view
            for entry in history.entries:
                if entry.refused or entry.id in view.void or not isinstance(claimed(entry).op, Add):
                    continue
                member = entry.pins[0].principal.id
                others = [one for one in view.table.removals_of(member) if not one.target.who]
                late = [one.by for one in others if not one.by.bit & entry.past]
                if all(self._is_dated_back(history, one, entry.past) for one in late):
                    seat = view.seats.get(member)
                    if seat is None or all(standing.op != entry.index for standing in seat.standings):
                        self.outcome.diverged.append(f"{self._name_of(member)} is kept out of {oid}")

    def _look_at_lies(self) -> None:
        """Who lists somebody with keys of his own is told of."""
        for oid, oracle in self.oracles.items():
            for id_ in self.world.forgers.lies[oid] - oracle.view.void.keys():
                self.outcome.diverged.append(f"{id_.hex()[:4]} is believed in {oid}")

    def _is_dated_back(self, history: History, entry: Entry, known: int) -> bool:
        """Whether the author was gone by what is ``known``, or, of an accomplice, all who had let him in."""
        author = claimed(entry).author.principal
        for other in history.members_of(known):
            for removal in other.removals:
                if removal.concerns(entry) and history.concurrent(other, entry):
                    return True
        let_in = [
            add
            for add in history.members_of(entry.past)
            if not add.refused and isinstance(op := claimed(add).op, Add) and op.principal.id == author
        ]
        is_accomplice = any(bytes(person(name)[0].account_id) == bytes(author) for name in ACCOMPLICES)
        return is_accomplice and all(self._is_dated_back(history, add, known) for add in let_in)

    def _former_in_folders(self, message: Message) -> set[str]:
        """Who had been removed from a folder by the records that a re-pin relied on."""
        relied: dict[Oid, set[bytes]] = {}
        for oid, id_ in message.relied:
            relied.setdefault(oid, set()).add(id_)
        former: set[str] = set()
        for folder in reversed(list(self.shape.inside)):  # what is below tells of what is above
            if folder in relied:
                former |= self._former_in(folder, relied)
        elsewhere = {one for one in former if self.shape.paths(message.object, one[0]) > 1}
        return former - elsewhere

    def _former_in(self, folder: Oid, relied: dict[Oid, set[bytes]]) -> set[str]:
        history = self.oracles[folder].history
        if not all(id_ in history for id_ in relied[folder]):
            return set()
        closure = history.closure(history.indices[id_] for id_ in relied[folder])
        seats = [seat for seat in history.seats_of(closure) if self._is_person(seat.pins[0].principal.kind)]
        inside = {name_of(seat.principal): seat for seat in seats}
        former: set[str] = set()
        for entry in history.members_of(closure):
            op = claimed(entry).op
            principal = (
                op.principal if isinstance(op, Add) else op.creator if isinstance(op, Create) else None
            )
            if principal is not None and not entry.refused and self._is_person(principal.kind):
                name = name_of(principal.id)
                if name not in inside:
                    former |= {one.name for one in self.devices.values() if one.person == name}
            if isinstance(op, RePin) and not entry.refused:
                given = {pin.principal.id for pin in entry.pins}
                for one in claimed(entry).relied:
                    if one.object in given:
                        relied.setdefault(self.world.oids[one.object], set()).update(one.heads)
        for name, seat in inside.items():
            newest = person(name)[2]
            if seat.pins[-1].principal.version == newest.user_key.generation and name in TWO_DEVICES:
                former.add(f"{name}2")
        return former

    @staticmethod
    def _is_person(kind: PrincipalKind) -> bool:
        return kind is not PrincipalKind.OBJECT

    # -- who is lost with those who left ------------------------------------------------------------

    def _ways(self, device: Device, oid: Oid) -> list[Oid | None]:
        """The ways by which a device's person is a member in the end."""
        members = self.oracles[oid].view.members
        return [
            way
            for way in device.ways[oid]
            if device.principal_of(oid, way) in members and (way is None or device.name in self.now[way])
        ]

    def _level(self, device: Device, oid: Oid) -> int:
        """A device's role in the end, of which it has perhaps not heard."""
        members = self.oracles[oid].view.members
        roles = [
            min(
                members[device.principal_of(oid, way)].level, self._level(device, way) if way else Level.ADMIN
            )
            for way in self._ways(device, oid)
        ]
        return max(roles, default=0)

    def _is_cut_off(self, device: Device, oid: Oid) -> bool:
        """Whether a device comes to an object only by folders whose listed keys nobody in them has."""
        return all(self._is_cut_off_by(device, oid, way) for way in self._ways(device, oid))

    def _is_cut_off_by(self, device: Device, oid: Oid, folder: Oid | None) -> bool:
        """Whether the object lists the folder at keys of somebody who is in it no more, and nobody who is
        left in it can give it others: all who had its write key left before they re-pinned it, or only
        readers are left; or somebody named as gone who is left, and nobody can show that he is back.
        """
        if folder is None:
            return False
        if device.holds[folder].view != self.oracles[folder].view or self._is_cut_off(device, folder):
            return True  # so it is with what of the folder itself no member can open any more
        listed = self.oracles[oid].view.members[PrincipalId(self.objects[folder])]
        inside = [self.devices[name] for name in self.now[folder]]
        if listed.contested:  # it gets no keys until one who may write shows which version is newest
            return not any(self._level(one, oid) >= Level.WRITE and one.could_write(oid) for one in inside)
        view, known = self.oracles[oid].view, [one.surroundings for one in inside]
        outdated = not any(is_good_version(view, listed.principal, what) for what in known)
        if outdated and not any(one.has_keys_of(folder) for one in inside):
            return True  # who knows that it is gives nothing to it
        if any(one.version in device.holds[folder].keys for one in listed.versions):
            return False
        return not any(one.could_write(oid) for one in inside)

    def _is_stranded(self, device: Device, oid: Oid, lacked: Collection[EpochId]) -> bool:
        """Whether all who knew of a member, and had keys that he lacks, are members no more.

        They left at the same time as somebody was added: the two do not hear of each other.
        """
        id_ = device.principal_of(oid, device.way(oid))
        able = [
            one
            for one in self.devices.values()
            if id_ in one.holds[oid].view.members and any(epoch in one.holds[oid].keys for epoch in lacked)
        ]
        left = [one for one in able if one.name in self.now[oid]]
        return bool(able) and not any(self._reaches(one, device, oid) for one in left)

    def _before(self, message: Message) -> set[EpochId]:
        """Its epoch, and those before: who knew a former one, and is out, could not forward the newest."""
        history = self.oracles[message.object].history
        closure = history.closure([history.indices[message.epoch]])
        return {EpochId(one.id) for one in history.members_of(closure) if isinstance(one.record, Epoch)}

    def _is_unheard(self, device: Device, message: Message) -> bool:
        """Whether a device does not know of an epoch, or can tell nobody who has it that it is a member."""
        oid = message.object
        if message.epoch not in device.holds[oid].history:
            return True
        holders = [self.devices[name] for name in self.now[oid]]
        holders = [one for one in holders if message.epoch in one.holds[oid].keys]
        return not any(self._reaches(device, one, oid) for one in holders)

    def _reaches(self, one: Device, other: Device, oid: Oid) -> bool:
        """Whether a device knows another as a member, in a folder at keys which that one has of it."""
        way = other.way(oid)
        member = one.holds[oid].view.members.get(other.principal_of(oid, way))
        if member is None or way is None:
            return member is not None
        return any(version.version in other.holds[way].keys for version in member.versions)

    def _is_silent(self, device: Device, oid: Oid) -> bool:
        """Whether nobody believes what a device says: it is cut off, and has no keys that are listed."""
        maker = device.maker(oid)
        heard = maker is not None and device.level(oid) is not None and duties.acts_as_listed(maker)
        return not heard and self._is_cut_off(device, oid)

    # -- views --------------------------------------------------------------------------------------

    def _compare_views(self) -> None:
        """All members have one view, and so has who gets the records in another order."""
        for oid in self.shape.inside:
            inside = [self.devices[name] for name in sorted(self.now[oid])]
            # What only former members could open is lost with them, and members need not know it; nor what
            # only those could whom nobody believes.
            oracle = self._oracle(oid, [one.name for one in inside if not self._is_silent(one, oid)])
            for device in inside:
                differs = device.holds[oid].view != oracle.view
                lacked = oracle.keys.keys() - device.holds[oid].keys.keys()
                unknown = len(device.holds[oid].history.entries) < len(oracle.history.entries)
                stranded = unknown and self._is_stranded(device, oid, lacked)
                lacks = self._is_cut_off(device, oid) or stranded
                if differs and not lacks:
                    self.outcome.diverged.append(f"{device.name} sees {oid} otherwise")
            records = list(self.records[oid].values())
            self.world.rng.shuffle(records)
            again = Membership(self.objects[oid], KeyRing((), self.oracles[oid].keys))
            for start in range(0, len(records), 3):
                again.take(records[start : start + 3])
            if again.view != self.oracles[oid].view:
                self.outcome.diverged.append(f"another order gives another view of {oid}")
