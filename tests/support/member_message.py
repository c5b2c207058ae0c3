"""A text in a random membership run, and what its author knew of those who might read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peergos_collab.codec.ids import EpochId
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.membership import View
from peergos_collab.objects.op_kinds import Add, Create, RePin
from peergos_collab.objects.principals import Principal, PrincipalKind
from support.member_device import Device
from support.member_reference import claimed
from support.member_shapes import ACCOMPLICES, Oid, name_of, person

if TYPE_CHECKING:
    from support.member_world import World


@dataclass
class Message:
    """Something written: sealed for whoever holds the epoch.

    Args:
        former: the devices that might read it some time and do not now, as far as the author knew.
        seen_adds: the adds that he had seen, in objects that he is in.
        ways: the folders that led to the object, as far as he knew.
        relied: of objects that he does not see into, the records that re-pins relied on.
        removed: the forgers, or who will be some, of whose removal he knew.
        may_have_let_in: whether he had to believe an add of the accomplice.
    """

    object: Oid
    epoch: EpochId
    sealed: bytes
    author: str
    former: frozenset[str]
    seen_adds: frozenset[bytes]
    ways: frozenset[Oid]
    relied: frozenset[tuple[Oid, bytes]]
    removed: frozenset[str]
    may_have_let_in: bool


class Author:
    """A device that writes to an object, with what it knows of the others at that moment."""

    def __init__(self, world: World, device: Device, oid: Oid) -> None:
        self.world, self.device, self.oid = world, device, oid
        self.shape = world.shape
        self.known = [one for one in world.devices.values() if not one.adder]

    def message(self, epoch: EpochId, sealed: bytes) -> Message:
        device = self.device
        removed = {name for name in self.shape.forgers if self._is_known_removed(name)}
        removed |= {one.name for one in self.world.devices.values() if one.adder in removed}
        return Message(
            self.oid,
            epoch,
            sealed,
            device.name,
            frozenset(self._ever()) - frozenset(self._readers(self.oid)),
            frozenset(self._adds()),
            frozenset(self._ways(self.oid)),
            frozenset(self._relied()),
            frozenset(removed),
            any(_was_accepted(device.holds[one].view) for one in self._heeded()),
        )

    def _heeded(self) -> Iterator[Oid]:
        """The object, and the folders that lead there which the device is in."""
        above = dict.fromkeys([self.oid, *self.shape.above(self.oid)])
        yield from (one for one in above if self.device.is_in(one))

    def _is_known_removed(self, forger: str) -> bool:
        device = self.device
        one, home = self.world.devices[forger], self.shape.forgers[forger]
        account = person(one.person)[0].account
        if not device.is_in(home):
            return False
        id_, view = account_principal(account).id, device.holds[home].view
        removed = id_ not in view.members and bool(view.table.removals_of(id_))
        return removed or one.credentials.device_id not in device.logs.get(account.id, account).devices

    def _relied(self) -> Iterator[tuple[Oid, bytes]]:
        """What of the records of folders it does not see into has reached a device: by re-pins of these."""
        device, oids = self.device, self.world.oids
        for where in self._heeded():
            for entry in device.holds[where].history.entries:
                if isinstance(claimed(entry).op, RePin) and not entry.refused:
                    given = {pin.principal.id for pin in entry.pins}
                    for one in claimed(entry).relied:
                        if one.object in given and not device.is_in(oids[one.object]):
                            yield from ((oids[one.object], head) for head in one.heads)

    def _ways(self, oid: Oid) -> Iterator[Oid]:
        """The folders that are members; above one that it does not see into, all that may be."""
        for folder in self.shape.inside[oid]:
            inside = self.device.holds[oid].view.members
            if not self.device.is_in(oid) or self.device.principal_of(oid, folder) in inside:
                yield folder
                yield from self._ways(folder)

    def _readers(self, oid: Oid) -> Iterator[str]:
        """The devices that may read, as far as this one knows."""
        for member in self.device.holds[oid].view.members.values():
            for name, seen in self._people_of(member.principal):
                yield from self._devices_of(name) if seen else self._all_devices_of(name)

    def _all_devices_of(self, name: str) -> Iterator[str]:
        yield from (one.name for one in self.known if one.person == name)

    def _devices_of(self, name: str) -> Iterator[str]:
        for one in self.known:
            log = self.device.logs.get(one.credentials.account_id)
            if one.person == name and (log is None or one.credentials.device_id in log.devices):
                yield one.name

    def _people_of(self, principal: Principal) -> Iterator[tuple[str, bool]]:
        """Who is behind a principal, and whether one knows it: not of a folder that one does not see into."""
        if principal.kind is not PrincipalKind.OBJECT:
            yield name_of(principal.id), True
            return
        oid = self.world.oids[principal.id]
        if not self.device.is_in(oid):
            yield from ((name, False) for name in self.shape.behind(oid))
            return
        for member in self.device.holds[oid].view.members.values():
            yield from self._people_of(member.principal)

    def _ever(self) -> Iterator[str]:
        """The devices that could read some time, as far as this one knows."""
        for where in self._heeded():
            for entry in self.device.holds[where].history.entries:
                op = claimed(entry).op
                principal = (
                    op.principal if isinstance(op, Add) else op.creator if isinstance(op, Create) else None
                )
                if principal is None or entry.refused:
                    continue
                for name in self._all_behind(principal):
                    yield from self._all_devices_of(name)

    def _all_behind(self, principal: Principal) -> set[str]:
        """Of a folder that one sees into its own records tell."""
        if principal.kind is not PrincipalKind.OBJECT:
            return {name_of(principal.id)}
        oid = self.world.oids[principal.id]
        return set() if self.device.is_in(oid) else self.shape.behind(oid)

    def _adds(self) -> Iterator[bytes]:
        """Those it heeds: who comes back to a folder that it is in no more it cannot know."""
        for oid in (oid for oid in self.device.holds if self.device.is_in(oid)):
            entries = self.device.holds[oid].history.entries
            yield from (entry.id for entry in entries if isinstance(claimed(entry).op, Add))


def _was_accepted(view: View) -> bool:
    """Whether an add of an accomplice is in the past of all that named its author as gone.

    That author had time to act until then, and nobody can tell that he used it late.
    """
    removals = [removal for removals in view.table.removals.values() for removal in removals]
    for entry in view.history.entries:
        op = claimed(entry).op
        if isinstance(op, Add) and not entry.refused and op.principal.kind is PrincipalKind.ACCOUNT:
            named = [removal.by for removal in removals if removal.concerns(entry)]
            told = bool(named) and all(by.past & entry.bit for by in named)
            if told and name_of(op.principal.id) in ACCOMPLICES:
                return True
    return False
