"""Membership at size: one change among 1,000 members, and joining after 5,000 changes.

The history is 2,000 adds, 100 removals of ten people each, and 2,900 changes of role, by ten admins. It
is made without anybody watching; what is measured is one newcomer who gets it as bytes. All of it is one
thread's arithmetic, so what counts is the processor's time, not that of a machine that does other things.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from peergos_collab.codec.ids import EpochId, PrincipalId
from peergos_collab.crypto import BoxPair, SigningKey
from peergos_collab.identity.account import UserKey, founded_with
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import Add, ChangeRole, Create, Op, Remove, Target
from peergos_collab.objects.operations import Actor
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.principals import Principal, PrincipalKind
from peergos_collab.objects.records import (
    Epoch,
    Grant,
    MembershipRecord,
    Said,
    first_epoch,
    make_grant,
    next_epoch,
)
from peergos_collab.objects.usable_epochs import usable_epoch
from peergos_collab.objects.wraps import Recipient, recipients_of
from peergos_collab.sync.logbook import LogBook
from peergos_collab.testing.store import MemoryStore

from .report import Report, percentile

MEMBERS = 1_000
OPS = 5_000
ADMINS = 10
ADDS = 2_000
REMOVALS = 100
REPEATS = 9


def person(name: str) -> Credentials:
    return Credentials.found(name, RecoveryCode.generate(os.urandom), os.urandom)


def acting(who: Credentials) -> Actor:
    return Actor(
        who.account,
        who.device_sign,
        PrincipalId(who.account_id),
        who.user.sign,
        who.name,
        pairs=(who.user.box,),
    )


def stranger() -> Principal:
    """Somebody who never acts, so that of his account only the first user key need exist."""
    sign, box = SigningKey.generate(os.urandom), BoxPair.generate(os.urandom)
    first = UserKey(os.urandom(32), sign.verify_key, box.public_key)
    id_ = PrincipalId(founded_with(first))
    return Principal(PrincipalKind.ACCOUNT, id_, first.generation, first.sign, first.box)


@dataclass
class History:
    """An object that grows by one op after another."""

    admins: list[Credentials] = field(default_factory=lambda: [person(f"admin {n}") for n in range(ADMINS)])
    members: dict[PrincipalId, tuple[Principal, Level]] = field(default_factory=dict)
    records: list[Epoch | Grant] = field(default_factory=list)
    known: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        first = self.admins[0]
        creator = account_principal(first.account)
        self.keys = EpochKeys.generate(os.urandom)
        to = Recipient(creator.box, Level.ADMIN)
        epoch = first_epoch(self.keys, to, Create(Kind.DOCUMENT, creator), acting(first), os.urandom)
        self.object, self.epoch = epoch.object, epoch.id
        self.records.append(epoch)
        self.known.add(first.account_id)
        self.members[creator.id] = creator, Level.ADMIN
        for admin in self.admins[1:]:
            self.add(account_principal(admin.account), Level.ADMIN)

    def said(self, op: Op, by: Credentials) -> Said:
        log_known = by.account_id in self.known
        self.known.add(by.account_id)
        return Said(op, acting(by), (self.records[-1].id,), (), log_known)

    def author(self) -> Credentials:
        return self.admins[len(self.records) % ADMINS if len(self.records) > ADMINS else 0]

    def add(self, principal: Principal, level: Level) -> None:
        self.members[principal.id] = principal, level
        self._grant(Add(principal, level), principal, level)

    def change_role(self, principal: Principal, level: Level) -> None:
        self.members[principal.id] = principal, level
        self._grant(ChangeRole(Target(principal.id), level), principal, level)

    def _grant(self, op: Op, principal: Principal, level: Level) -> None:
        to = recipients_of(principal, level, self.keys)
        said = self.said(op, self.author())
        self.records.append(make_grant(self.object, self.epoch, self.keys, to, said, os.urandom))

    def remove(self, gone: list[PrincipalId]) -> None:
        for id_ in gone:
            del self.members[id_]
        keys = EpochKeys.generate(os.urandom)
        to = [
            one for principal, level in self.members.values() for one in recipients_of(principal, level, keys)
        ]
        held = {self.epoch: self.keys}
        said = self.said(Remove(tuple(Target(id_) for id_ in gone)), self.author())
        epoch = next_epoch(self.object, keys, held, held, to, said, os.urandom)
        self.records.append(epoch)
        self.epoch, self.keys = epoch.id, keys

    def strangers(self) -> Iterator[tuple[Principal, Level]]:
        admins = {PrincipalId(admin.account_id) for admin in self.admins}
        return iter([one for id_, one in self.members.items() if id_ not in admins])


def large_history(newcomer: Principal) -> History:
    """``OPS`` ops, of which the last adds ``newcomer``."""
    history = History()
    per_removal = (ADDS - MEMBERS) // REMOVALS
    left = ADDS
    while left > 1:
        for _ in range(min(ADDS // REMOVALS, left - 1)):
            history.add(stranger(), Level.READ)
            left -= 1
        if len(history.members) > per_removal + ADMINS and left > 1:
            history.remove([principal.id for principal, _ in list(history.strangers())[:per_removal]])
    while len(history.records) < OPS - 1:
        for principal, level in list(history.strangers()):
            if len(history.records) < OPS - 1:
                history.change_role(principal, Level.WRITE if level is Level.READ else Level.ADMIN)
    history.add(newcomer, Level.WRITE)
    return history


def member_of(history: History, who: Credentials) -> Membership:
    membership = Membership(history.object, KeyRing([who.user.box]))
    membership.take(history.records)
    return membership


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_changes(report: Report) -> None:
    history = History()
    while len(history.members) < MEMBERS:
        history.add(stranger(), Level.WRITE)
    maker = Maker(member_of(history, history.admins[0]), acting(history.admins[0]), os.urandom)
    others = [principal for principal, _ in history.strangers()]
    _ = maker.membership.view.seats
    adding = [seconds(lambda: maker.add(stranger(), Level.WRITE)) for _ in range(REPEATS)]
    removing = [seconds(lambda: maker.remove([Target(others[0].id)])) for _ in range(REPEATS)]
    added = sum(len(record.raw) for record in maker.add(stranger(), Level.WRITE))
    removal = maker.remove([Target(others[0].id)])
    report.add("add one of 1,000 members", percentile(adding, 0.5) * 1e3, "ms", "<= 150")
    report.add("its records", added / 1024, "KiB", "<= 146", "150 KB")
    report.add("remove one of 1,000 members", percentile(removing, 0.5) * 1e3, "ms", "<= 150")
    report.add("its record", len(removal.raw) / 1024, "KiB", "<= 146", "150 KB")


def measure_joining(report: Report) -> None:
    newcomer = person("newcomer")
    history = large_history(account_principal(newcomer.account))
    raws = [record.raw for record in history.records]

    def read() -> list[MembershipRecord]:
        book = LogBook(history.object, MemoryStore())
        offered = book.take_records(raws)
        ring = KeyRing([newcomer.user.box])
        ring.take(book.membership_records())
        if offered.refused or history.epoch not in ring.keys:
            raise RuntimeError("the newcomer cannot read")
        return book.membership_records()

    def join() -> None:
        membership = Membership(history.object, KeyRing([newcomer.user.box]))
        membership.take(read())
        if usable_epoch(membership.view, membership.keys) != EpochId(history.epoch):
            raise RuntimeError("the newcomer cannot write")

    reading, writing = ([seconds(work) for _ in range(3)] for work in (read, join))
    size = sum(map(len, raws)) / (1 << 20)
    note = f"{len(history.members)} members, {len(raws)} ops, {size:.1f} MiB; nodes' signatures checked"
    report.add("join: bytes to the keys that open content", percentile(reading, 0.5), "s", "<= 1", note)
    note = "every op opened, its device's signature checked, all rules applied"
    report.add("join: bytes to a verified member list", percentile(writing, 0.5), "s", "", note)


async def measure() -> Report:
    report = Report("membership")
    measure_changes(report)
    measure_joining(report)
    return report
