"""People who share one object, each with his own records and keys, and a node that hands out everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from peergos_collab.codec.ids import EpochId, ObjectId, PrincipalId
from peergos_collab.identity.credentials import Credentials
from peergos_collab.objects import due as duties
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.membership import Membership, View
from peergos_collab.objects.op_kinds import Create
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch, MembershipRecord, first_epoch
from peergos_collab.objects.wraps import Recipient
from peergos_collab.ports import Random
from support.circle import account_principal, actor_of, found


@dataclass
class Person:
    """One account on one device, with what it knows of the object."""

    name: str
    credentials: Credentials
    maker: Maker
    records: list[MembershipRecord] = field(default_factory=list)

    @property
    def membership(self) -> Membership:
        return self.maker.membership

    @property
    def view(self) -> View:
        return self.membership.view

    @property
    def id(self) -> PrincipalId:
        return account_principal(self.credentials).id

    @property
    def usable(self) -> EpochId | None:
        return duties.usable(self.maker)

    def take(self, *records: MembershipRecord) -> None:
        self.records += [record for record in records if record not in self.records]
        self.membership.take(records)

    def duty(self, *, to_write: bool = False) -> MembershipRecord | None:
        """What is due, made but not taken."""
        found = duties.due(self.maker, to_write=to_write)
        assert not isinstance(found, duties.ParentFirst)
        return found


class Group:
    """An object made by the first of ``names``. Nobody hears of anything but through ``tell``."""

    def __init__(self, names: Sequence[str], random: Random, kind: Kind = Kind.DOCUMENT) -> None:
        self.random = random
        everybody = {name: found(name, random) for name in names}
        maker = everybody[names[0]]
        keys, creator = EpochKeys.generate(random), account_principal(maker)
        recipient = Recipient(creator.box, Level.ADMIN)
        self.first: Epoch = first_epoch(keys, recipient, Create(kind, creator), actor_of(maker), random)
        self.people = {name: self._person(name, who) for name, who in everybody.items()}
        self.people[names[0]].take(self.first)

    @property
    def object(self) -> ObjectId:
        return self.first.object

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    def tell(self, records: Iterable[MembershipRecord] | MembershipRecord, *names: str) -> None:
        """Gives records to some people, or to all."""
        batch = [records] if not isinstance(records, Iterable) else list(records)
        for name in names or self.people:
            self.people[name].take(*batch)

    def add(self, by: str, who: str, level: Level, *told: str) -> list[MembershipRecord]:
        """``who`` gets everything that ``by`` has, and the add."""
        records = self[by].maker.add(account_principal(self[who].credentials), level)
        self.tell(records, by, who, *told)
        self.tell(list(self[by].records), who)
        return records

    def meet(self, *names: str) -> None:
        """Everybody named gets all records of the others."""
        together = [record for name in names or self.people for record in self[name].records]
        self.tell(together, *(names or self.people))

    def settle(self, *names: str) -> None:
        """They meet and do what is due until nothing is."""
        chosen = names or tuple(self.people)
        self.meet(*chosen)
        for _ in range(50):
            made = [record for name in chosen if (record := self[name].duty()) is not None]
            if not made:
                return
            self.tell(made, *chosen)
        raise AssertionError("duties without end")

    def _person(self, name: str, credentials: Credentials) -> Person:
        membership = Membership(self.object, KeyRing([credentials.user.box]))
        return Person(name, credentials, Maker(membership, actor_of(credentials), self.random))
