"""The rules of membership once more, as short as they can be said: sets of ops, and no thought of speed.

What ``rules`` finds out with bit sets, common ancestors and tables is compared with this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from peergos_collab.codec.ids import EpochId, PrincipalId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.history import Entry, History
from peergos_collab.objects.key_versions import knows_version, proved_accounts
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import Add, ChangeRole, Create, Leave, Remove, RePin, Rotate
from peergos_collab.objects.operations import SignedOp
from peergos_collab.objects.principals import PrincipalKind
from peergos_collab.objects.records import Epoch


@dataclass(frozen=True)
class Given:
    """A role given by an op: by an add, or by raising."""

    by: bytes
    level: int
    add: bool


def claimed(entry: Entry) -> SignedOp:
    """What an op says, believed or not: here the verdict of the rules must not be asked for."""
    return entry.opened._signed


class Reference:
    """Who is in after a set of ops, by the text of the rules.

    Which key versions somebody is listed with is not found out here, nor are proofs of keys judged.

    Args:
        lies: ids of the ops that list somebody with keys that are not his.
    """

    def __init__(self, history: History, lies: Collection[bytes] = ()) -> None:
        self.lies = lies
        self.entries = {entry.id: entry for entry in history.entries}
        self.pasts: dict[bytes, frozenset[bytes]] = {}
        for entry in history.entries:
            past: set[bytes] = set()
            for head in entry.opened.heads:
                past |= {head} | self.pasts[head]
            self.pasts[entry.id] = frozenset(past)
        self.known: dict[frozenset[bytes], dict[PrincipalId, list[Given]]] = {}
        self.allowed: dict[bytes, bool] = {}
        self.lowers: set[bytes] = set()
        for entry in history.entries:
            self.allowed[entry.id] = self._may(entry)

    def levels(self) -> dict[PrincipalId, Level]:
        """The roles after all ops."""
        members = self.members(frozenset(self.entries))
        return {id_: Level(self._level(members, id_)) for id_ in members}

    def members(self, ops: frozenset[bytes]) -> dict[PrincipalId, list[Given]]:
        if ops not in self.known:
            self.known[ops] = self._members(ops)
        return self.known[ops]

    def beside(self, one: bytes, other: bytes) -> bool:
        return one != other and one not in self.pasts[other] and other not in self.pasts[one]

    def targets(self, id_: bytes) -> dict[PrincipalId, int]:
        """Whom an op removes or lowers as a whole, and what it leaves them."""
        entry = self.entries[id_]
        op = claimed(entry).op
        if isinstance(op, Remove):
            return {target.principal: 0 for target in op.targets}
        if isinstance(op, Leave):
            return {claimed(entry).author.principal: 0}
        return {op.target.principal: op.level} if id_ in self.lowers and isinstance(op, ChangeRole) else {}

    def takes_from(self, removal: bytes, author: Entry) -> int | None:
        """What ``removal`` leaves the author of an op; None where it is not about him."""
        who, op = claimed(author).author, claimed(self.entries[removal]).op
        left = self.targets(removal).get(who.principal)
        if left is None and isinstance(op, RePin):
            named = {(target.principal, target.who) for target in op.targets}
            adders = author.account.adders(who.device) if author.account is not None else ()
            secret = adders and who.device not in self._devices_shown(op, who.principal)
            behind = {bytes(who.account), bytes(who.device), *(map(bytes, adders) if secret else ())}
            if named & {(who.principal, one) for one in behind}:
                return 0
        return left

    @staticmethod
    def _devices_shown(op: RePin, principal: PrincipalId) -> set[bytes]:
        """The devices, gone or not, in the log that a re-pin of an account brings."""
        logs = [account for account in proved_accounts(op.versions) if bytes(account.id) == bytes(principal)]
        return {bytes(device) for log in logs for device in (*log.devices, *log.standing.gone)}

    def accepted(self, removal: bytes) -> tuple[bytes, ...]:
        return getattr(claimed(self.entries[removal]).op, "accepted", ())

    def removals(self, ops: frozenset[bytes], *, re_pins: bool = True) -> list[bytes]:
        sure = [id_ for id_ in ops if self.allowed[id_] and self.targets(id_)]
        if not re_pins:
            return sure
        pins = [id_ for id_ in ops if self.allowed[id_] and isinstance(claimed(self.entries[id_]).op, RePin)]
        return sure + [id_ for id_ in pins if not self.is_void(id_, sure)]

    def namings(self, sure: list[bytes], removals: list[bytes], ops: frozenset[bytes]) -> list[bytes]:
        """The re-pins that are void because their author was removed, and not named as gone himself."""
        found = []
        for id_ in ops - set(removals):
            if not self.allowed[id_] or not isinstance(claimed(self.entries[id_]).op, RePin):
                continue
            sat_on = self._sat_on(id_)
            lacks = self._lacks(id_, sat_on, [one for one in sat_on if not self.is_void(one.by, sure)])
            pins = [one for one in removals if isinstance(claimed(self.entries[one]).op, RePin)]
            named = [one for one in pins if self.takes_from(one, self.entries[id_]) is not None]
            if not lacks and not any(self._ends(one, id_, removals, 0) for one in named):
                found.append(id_)
        return found

    def is_deaf(self, given: bytes, removal: bytes, removals: list[bytes]) -> bool:
        """Whether who gave something knew that the removal's author was gone, or who had let him in."""
        return self._is_ended(removal, [one for one in removals if one in self.pasts[given]])

    def _is_ended(self, id_: bytes, known: list[bytes]) -> bool:
        entry = self.entries[id_]
        for removal in known:
            takes = self.takes_from(removal, entry) is not None
            if takes and self.beside(removal, id_) and id_ not in self.accepted(removal):
                return True
        if self._unheard_by(id_, known):
            return True
        sat_on = self._sat_on(id_)
        return self._lacks(id_, sat_on, [one for one in sat_on if not self._is_ended(one.by, known)])

    def _unheard_by(self, id_: bytes, known: list[bytes]) -> list[bytes]:
        """The re-pins of an object beside an op in its name by somebody they did not know to be in it."""
        entry = self.entries[id_]
        author = claimed(entry).author
        if not self._acts_for_object(author.principal, entry):
            return []
        found = []
        for re_pin in known:
            given = {
                p.principal.version for p in self.entries[re_pin].pins if p.principal.id == author.principal
            }
            if not given or not self.beside(re_pin, id_) or id_ in self.accepted(re_pin):
                continue
            before = [act for act in {re_pin, *self.pasts[re_pin]} if self._same_author(act, id_)]
            newer = [
                pin
                for other in self.pasts[id_]
                for pin in self.entries[other].pins
                if pin.principal.version == entry.acted_at and given & {entry.acted_at, *pin.older}
            ]
            if not newer and not any(self.allowed[act] for act in before):
                found.append(re_pin)
        return found

    def _same_author(self, one: bytes, other: bytes) -> bool:
        first, second = claimed(self.entries[one]).author, claimed(self.entries[other]).author
        return (first.principal, first.account) == (second.principal, second.account)

    def _sat_on(self, id_: bytes) -> list[Given]:
        return self.members(self.pasts[id_]).get(claimed(self.entries[id_]).author.principal, [])

    def _lacks(self, id_: bytes, sat_on: list[Given], left: list[Given]) -> bool:
        """Whether an op needs more than the adds and raises that are left of its author's."""
        if len(left) == len(sat_on):
            return False
        had, has = max(one.level for one in sat_on), max((one.level for one in left), default=0)
        return not any(one.add for one in left) or has < min(had, self.needs(id_))

    def needs(self, id_: bytes) -> int:
        op = claimed(self.entries[id_]).op
        if isinstance(op, Add | ChangeRole | Remove):
            return Level.ADMIN
        return Level.WRITE if isinstance(op, Rotate | RePin) else Level.READ

    def is_void(self, id_: bytes, removals: list[bytes], namings: Iterable[bytes] = ()) -> bool:
        entry = self.entries[id_]
        if self.targets(id_) or isinstance(claimed(entry).op, Create):
            return False
        sat_on = self._sat_on(id_)
        if self._lacks(id_, sat_on, [one for one in sat_on if not self.is_void(one.by, removals, namings)]):
            return True
        gives = isinstance(claimed(entry).op, Add | ChangeRole)
        unheard = self._unheard_by(id_, removals) if gives else []
        for removal in [*removals, *(namings if gives else ())]:
            left = 0 if removal in unheard else self.takes_from(removal, entry)
            if left is not None and self._ends(removal, id_, removals, left):
                return True
        return False

    def _ends(self, removal: bytes, id_: bytes, removals: list[bytes], left: int) -> bool:
        """Whether a removal that leaves the author of an op so much reaches that."""
        if not self.beside(id_, removal) or id_ in self.accepted(removal) or self.needs(id_) <= left:
            return False
        sat_on = self._sat_on(id_)
        return not sat_on or any(not self.is_deaf(one.by, removal, removals) for one in sat_on)

    def _members(self, ops: frozenset[bytes]) -> dict[PrincipalId, list[Given]]:
        removals, sure = self.removals(ops), self.removals(ops, re_pins=False)
        namings = self.namings(sure, removals, ops)
        found: dict[PrincipalId, list[Given]] = {}
        for id_ in ops:
            entry = self.entries[id_]
            op = claimed(entry).op
            known = (sure, ()) if isinstance(op, RePin) else (removals, namings)
            if not self.allowed[id_] or self.is_void(id_, *known):
                continue
            if isinstance(op, Create):
                found.setdefault(op.creator.id, []).append(Given(id_, Level.ADMIN, True))
            elif isinstance(op, Add):
                found.setdefault(op.principal.id, []).append(Given(id_, op.level, True))
            elif isinstance(op, ChangeRole) and id_ not in self.lowers:
                found.setdefault(op.target.principal, []).append(Given(id_, op.level, False))
        left = {id_: self._left(id_, given, sure, removals) for id_, given in found.items()}
        return {id_: self._not_of_before(given) for id_, given in left.items() if any(g.add for g in given)}

    def _not_of_before(self, given: list[Given]) -> list[Given]:
        """Without the raises that all adds were made after."""
        adds = [one.by for one in given if one.add]
        return [one for one in given if one.add or any(one.by not in self.pasts[add] for add in adds)]

    def _left(
        self, principal: PrincipalId, given: list[Given], sure: list[bytes], removals: list[bytes]
    ) -> list[Given]:
        left = []
        for one in given:
            level = one.level
            for removal in sure:
                leaves = self.targets(removal).get(principal)
                if leaves is None or removal in self.pasts[one.by]:
                    continue
                if one.by in self.pasts[removal] or not self.is_deaf(one.by, removal, removals):
                    level = min(level, leaves)
            if level > 0:
                left.append(Given(one.by, level, one.add))
        return left

    def _level(self, members: dict[PrincipalId, list[Given]], principal: PrincipalId) -> int:
        level = max(one.level for one in members[principal])
        everybody = {id_: max(one.level for one in given) for id_, given in members.items()}
        if Level.ADMIN not in everybody.values():
            first = min(members, key=lambda id_: self._rank(members, id_))
            return Level.ADMIN if first == principal else level
        return level

    def _rank(
        self, members: dict[PrincipalId, list[Given]], principal: PrincipalId
    ) -> tuple[int, int, bytes]:
        given = members[principal]
        count, id_ = min((len(self.pasts[one.by]), one.by) for one in given if one.add)
        return -max(one.level for one in given), count, id_

    def _may(self, entry: Entry) -> bool:
        op, author = claimed(entry).op, claimed(entry).author
        if entry.id in self.lies:
            return False
        if isinstance(op, Create):
            return not self.pasts[entry.id]
        before = self.members(self.pasts[entry.id])
        if author.principal not in before or not self._is_signed(entry):
            return False
        level = self._level(before, author.principal)
        if self._acts_for_object(author.principal, entry):
            level = min(level, claimed(entry).level)
        gives_admin_keys = isinstance(entry.record, Epoch) and not entry.record.neutral
        if level < (Level.ADMIN if gives_admin_keys else self.needs(entry.id)):
            return False
        if isinstance(op, Remove):
            return all(self._is_senior(before, author.principal, level, t.principal) for t in op.targets)
        if isinstance(op, ChangeRole):
            return self._may_change(entry, op, before, level)
        return True

    def _may_change(
        self, entry: Entry, op: ChangeRole, before: dict[PrincipalId, list[Given]], level: int
    ) -> bool:
        target = before.get(op.target.principal)
        if target is None:
            return False
        if op.level < max(one.level for one in target):
            self.lowers.add(entry.id)
            return self._is_senior(before, claimed(entry).author.principal, level, op.target.principal)
        return True

    def _is_senior(
        self, before: dict[PrincipalId, list[Given]], author: PrincipalId, level: int, target: PrincipalId
    ) -> bool:
        if target not in before:
            return True
        own = (-level, *self._rank(before, author)[1:])
        return own < self._rank(before, target)

    @staticmethod
    def _is_signed(entry: Entry) -> bool:
        """Whether the author shows to be his principal, at a key version that is listed or that he brings."""
        seat, account = entry.before.get(claimed(entry).author.principal), entry.account
        if seat is None or account is None:
            return False
        versions = [*(pin.principal for pin in seat.pins), *entry.opened.own_versions]
        try:
            _, principal = entry.opened.verify(account, versions)
        except RemoteProtocolError:
            return False
        is_account = principal.kind is PrincipalKind.ACCOUNT
        return not is_account or any(knows_version(account, version) for version in versions)

    def _acts_for_object(self, principal: PrincipalId, entry: Entry) -> bool:
        seat = entry.before.get(principal)
        return seat is not None and seat.pins[0].principal.kind is PrincipalKind.OBJECT


def leads_to_newer(
    history: History,
    folder: Membership,
    by: PrincipalId,
    account: bytes,
    level: int,
    sides: Collection[bytes],
    epoch: EpochId,
) -> bool:
    """Whether somebody can prove that ``epoch`` of a folder is newer than a key version it has below.

    Args:
        history: of the object below.
        folder: his records and keys of the folder.
        by: as whom he acts there.
        account: who he is.
        level: his role there.
        sides: the key versions that stand side by side: any will do but one that is shown to be older.
    """
    id_ = PrincipalId(folder.object)
    listed = [(entry, pin) for entry in history.entries for pin in entry.pins if pin.principal.id == id_]
    if any(epoch in pin.older for _, pin in listed):
        return False  # more is known of the folder there than he has of it
    acts = [
        entry.bit
        for entry in history.entries
        if not entry.refused
        and (claimed(entry).author.principal, bytes(claimed(entry).author.account)) == (by, account)
    ]
    named = [
        entry
        for entry in history.entries
        if any(gone.target.principal == id_ and gone.target.who == account for gone in entry.removals)
        or (
            bytes(by) != account
            and isinstance(claimed(entry).op, RePin)
            and any(pin.principal.id == id_ for pin in entry.pins)
            and not any(entry.past & act for act in acts)
        )
    ]

    def is_since(entry: Entry, version: bytes, older: frozenset[bytes], naming: Entry) -> bool:
        given = {pin.principal.version for other, pin in listed if other is naming}
        return entry is naming or bool(entry.past & naming.bit) or bool(given & {version, *older})

    is_admin_himself = level == Level.ADMIN and bytes(by) == account
    believed = {
        EpochId(pin.principal.version)
        for entry, pin in listed
        if is_admin_himself
        or all(is_since(entry, pin.principal.version, pin.older, naming) for naming in named)
    }
    older = {version for _, pin in listed for version in pin.older}
    believed |= {EpochId(side) for side in sides if side not in older}
    if epoch in sides or any(
        one in folder.keys and folder.keys[one].level >= Level.WRITE for one in believed
    ):
        return True
    believed -= {epoch}
    while epoch not in believed:
        record = folder.ring.epochs.get(epoch)
        if record is None or record.first:
            return False
        epoch = record.sealed.outer.signer
    return True
