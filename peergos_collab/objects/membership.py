"""Who is in: a pure function of the set of membership records one can open.

``Membership`` holds one object's records on one device and folds them as they come; ``View`` is what
follows from them. The rules are in ``rules``, what one should publish in ``due``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Final

from ..codec.ids import AccountId, DeviceId, EpochId, LogId, ObjectId, PrincipalId
from ..crypto import BoxPair
from ..errors import NoAccess, RemoteProtocolError
from ..identity.account import Account
from ..values import dataclass
from . import rules
from .epoch_keys import EpochKeys, Level
from .history import Entry, History
from .key_ring import KeyRing
from .op_kinds import Close, Complaint
from .operations import UnverifiedOp
from .payload import Author
from .principals import Principal
from .records import Epoch, Grant, MembershipRecord, open_op
from .seats import Seat, Seats


@dataclass(frozen=True, slots=True)
class Member:
    """A member in effect. ``name`` is what an account said of itself in the op that names it, or empty.

    Args:
        principal: with its newest key version.
        rank: lower is more senior.
        contested: its key versions where none is known to be newest; empty normally.
        hidden: gets nothing that was written before it was added.
    """

    principal: Principal
    level: Level
    name: str = ""
    rank: tuple[int, int, bytes] = (0, 0, b"")
    contested: tuple[Principal, ...] = ()
    hidden: bool = False

    @property
    def versions(self) -> tuple[Principal, ...]:
        return self.contested or (self.principal,)


@dataclass
class View:
    """The membership of an object.

    Args:
        kind: what kind of object it is; -1 while its first epoch cannot be opened.
        members: by principal id.
        void: ids of records whose op is false, not allowed or void, with the reason, for the user.
        heads: ids of the newest records: what the next op names as seen.
        object: the object's id; None while nothing of it can be opened.
    """

    kind: int = -1
    members: dict[PrincipalId, Member] = field(default_factory=dict)
    void: dict[bytes, str] = field(default_factory=dict)
    heads: tuple[bytes, ...] = ()
    object: ObjectId | None = None
    history: History = field(default_factory=History, repr=False, compare=False)

    def level(self, principal: PrincipalId) -> Level | None:
        """The role of a member now; None for who is none."""
        member = self.members.get(principal)
        return member.level if member else None

    def closed(
        self,
        principal: PrincipalId,
        *,
        device: DeviceId | None = None,
        account: AccountId | None = None,
        epoch: EpochId | None = None,
        adders: Collection[bytes] = (),
    ) -> dict[LogId, Close] | None:
        """The heads of the logs of a member, or of a device or account behind it, that still count.

        Args:
            epoch: judges a log by the epoch its segments are sealed under: who was added again since then
                is closed in the older epochs only. None judges who is a member now.
            adders: the devices that added this one, by the log it shows: where one of them is removed, it may
                be closed with that.

        Returns:
            None where nothing is closed; else the last segment of each log that counts, and logs that are
            not in there are closed at 0.
        """
        who = bytes(account or b""), bytes(device or b"")

        def reached(removal: rules.Removal) -> bool:
            return removal.takes_from(*who) or removal.takes_from_added(who[1], adders)

        return _closed(self, principal, reached, epoch)

    def accounts(self) -> dict[AccountId, Account]:
        """The verified log of each account that came with these records: all states of it, united."""
        return self._accounts

    @cached_property
    def _accounts(self) -> dict[AccountId, Account]:
        newest: dict[AccountId, Account] = {}
        for account in sorted(self.history.accounts(), key=_shortest_first):
            known = newest.get(account.id)
            newest[account.id] = account if known is None else known.merge(account)
        return newest

    @cached_property
    def table(self) -> rules.Table:
        """All ops, and what they do to each other."""
        return rules.table_of(self.history, self.history.entries)

    @cached_property
    def endings(self) -> int:
        """The ops that ended some access, as a set: keys for writing are made with all of them known.

        Epochs made so that somebody could be added with his history hidden are among them: what was made
        beside such a one he does not get, and what is written under it he would not read. So are the ops that
        make a key version contested: who knows one of them alone forwards to its version.
        """
        mask = self.cuts
        for seat in self.seats:
            for pin in (*seat.pins, *seat.doubts) if seat.contested else ():
                mask |= 1 << pin.op
        for entry in self.history.entries:
            if not entry.refused and rules.ends_access(entry):
                mask |= entry.bit
        return mask

    @cached_property
    def cuts(self) -> int:
        """The epochs with which members begin whose history is hidden, as a set."""
        mask = 0
        for seat in self.seats:
            for cut in seat.cuts:
                mask |= self.history.entry(cut).bit if cut in self.history else 0
        return mask

    @cached_property
    def epochs(self) -> list[Entry]:
        """The ops that made keys, by members who might."""
        return [e for e in self.history.entries if isinstance(e.record, Epoch) and not e.refused]

    @cached_property
    def linking(self) -> dict[EpochId, list[EpochId]]:
        """By epoch, the ones that link back to it."""
        found: dict[EpochId, list[EpochId]] = {}
        for entry in self.epochs:
            assert isinstance(entry.record, Epoch)
            for old in entry.record.back_links:
                found.setdefault(old, []).append(entry.record.id)
        return found

    @cached_property
    def grants(self) -> dict[EpochId, list[Entry]]:
        """By epoch, the grants that hand out its keys."""
        found: dict[EpochId, list[Entry]] = {}
        for entry in self.history.entries:
            if isinstance(entry.record, Grant):
                found.setdefault(entry.record.epoch, []).append(entry)
        return found

    @cached_property
    def seats(self) -> Seats:
        return self.history.seats_of(self.history.everything)

    @cached_property
    def forked(self) -> dict[DeviceId, Author]:
        """Devices that made two ops of which neither has seen the other: a copy, or one that tells two tales.

        All their ops count by the rules, like those of two devices; who it was is for the user to know.
        """
        last: dict[DeviceId, Entry] = {}
        found: dict[DeviceId, Author] = {}
        for entry in self.history.entries:
            if entry.refused:
                continue
            author = entry.signed.author
            before = last.get(author.device)
            if before is not None and not entry.past & before.bit:
                found[author.device] = author
            last[author.device] = entry
        return found

    @cached_property
    def false_adds(self) -> tuple[rules.FalseAdd, ...]:
        """Who listed whom with keys that are not shown to be his, sorted by record: for the user to know."""
        found = [entry.false_add for entry in self.history.entries if entry.false_add is not None]
        return tuple(sorted(found, key=lambda one: one.record))

    @cached_property
    def complaints(self) -> set[bytes]:
        """Ids of records about which a member complained."""
        ops = (entry.signed.op for entry in self.history.entries if not entry.refused)
        return {op.about for op in ops if isinstance(op, Complaint)}

    def seats_at(self, ids: Sequence[bytes]) -> Seats:
        """Who sits where after some records; nobody where one of them is not known."""
        history = self.history
        if any(id_ not in history for id_ in ids):
            return Seats()
        return history.seats_of(history.closure(history.indices[id_] for id_ in ids))


class Membership:
    """The membership of one object on one device: takes records, finds keys, folds.

    Args:
        ring: finds the epoch keys.
    """

    def __init__(self, object_id: ObjectId, ring: KeyRing) -> None:
        self.object = object_id
        self.ring = ring
        self.history = History()
        self._known: set[bytes] = set()
        self._sealed: dict[EpochId, dict[bytes, MembershipRecord]] = {}
        self._false: dict[bytes, str] = {}
        self._waiting: dict[bytes, tuple[MembershipRecord, UnverifiedOp]] = {}
        self._waited: dict[bytes, set[bytes]] = {}
        self._view: View | None = None

    @property
    def keys(self) -> Mapping[EpochId, EpochKeys]:
        return self.ring.keys

    @property
    def view(self) -> View:
        """What follows from all records taken; the same object until something changes."""
        if self._view is None:
            self._view = _view_of(self.object, self.history, self._false)
        return self._view

    def take(self, records: Iterable[MembershipRecord]) -> None:
        """Takes verified records, in any order; what cannot be opened yet waits for its key."""
        fresh = [r for r in records if r.object == self.object and r.id not in self._known]
        self._known.update(record.id for record in fresh)
        for record in fresh:
            for epoch, _ in record.sealed.op_seals:
                self._sealed.setdefault(EpochId(epoch or record.id), {})[record.id] = record
        self._open_sealed(self.ring.take(fresh))
        held = [record for record in fresh if any(e in self.ring.ops for e in _openers(record))]
        self._open_records(held)

    def add_pair(self, pair: BoxPair) -> None:
        """Takes another pair of one's own: a newer user key, or one of a parent object's epochs."""
        self._open_sealed(self.ring.add_pair(pair))

    def _open_sealed(self, epochs: Iterable[EpochId]) -> None:
        for epoch in epochs:
            self._open_records(list(self._sealed.get(epoch, {}).values()))

    def _open_records(self, records: Iterable[MembershipRecord]) -> None:
        for record in records:
            if record.id in self.history or record.id in self._waiting:
                continue
            try:
                opened = open_op(record, self.ring.ops)
            except NoAccess:
                continue
            except RemoteProtocolError as error:
                self._false[record.id] = str(error)
                self._view = None
                continue
            self._false.pop(record.id, None)
            self._place(record, opened)

    def _place(self, record: MembershipRecord, opened: UnverifiedOp) -> None:
        """Enters an op, or lets it wait for what its author had seen; then those that waited for it."""
        ready = [(record, opened)]
        while ready:
            record, opened = ready.pop()
            missing = self.history.missing(opened)
            if missing:
                self._waiting[record.id] = record, opened
                self._waited.setdefault(missing[0], set()).add(record.id)
                continue
            self._waiting.pop(record.id, None)
            self.history.add(record, opened)
            self._view = None
            ready += [self._waiting[id_] for id_ in sorted(self._waited.pop(record.id, ()))]


def fold(records: Iterable[MembershipRecord], keys: Mapping[EpochId, EpochKeys]) -> View:
    """The view that follows from a set of verified records, whatever order they are given in.

    Args:
        keys: the keys that open them; more are found through back-links.
    """
    records = list(records)
    membership = Membership(ObjectId(records[0].object if records else b""), KeyRing((), keys))
    membership.take(records)
    return membership.view


def _shortest_first(account: Account) -> tuple[int, bytes]:
    """In which order logs are united: where one was filled on purpose, what honest devices did is in."""
    return len(account.raw), account.raw


def _openers(record: MembershipRecord) -> list[EpochId]:
    return [EpochId(epoch or record.id) for epoch, _ in record.sealed.op_seals]


_VOID: Final = "an op of somebody who was removed at the same time, or was let in by such a one"


def _view_of(object_id: ObjectId, history: History, false: Mapping[bytes, str]) -> View:
    view = View(history.kind, {}, dict(false), history.head_ids, None, history)
    if not history.entries:
        return view
    view.object = object_id
    view.members = {seat.principal: _member(seat) for seat in view.seats}
    _let_succeed(view.members)
    view.void.update({entry.id: entry.refused for entry in history.entries if entry.refused})
    for index in rules.void_in(view.table):
        view.void[history.entries[index].id] = _VOID
    return view


def _member(seat: Seat) -> Member:
    principals = tuple(pin.principal for pin in seat.pins)
    contested = principals if seat.contested else ()
    return Member(principals[-1], seat.level, seat.name, seat.rank, contested, seat.hidden)


def _let_succeed(members: dict[PrincipalId, Member]) -> None:
    """The last-admin rule: where no admin is left, the most senior member counts as one."""
    if not members or any(member.level is Level.ADMIN for member in members.values()):
        return
    first = min(members.values(), key=lambda member: member.rank)
    members[first.principal.id] = replace(first, level=Level.ADMIN)


def _closed(
    view: View, principal: PrincipalId, reached: Callable[[rules.Removal], bool], epoch: EpochId | None
) -> dict[LogId, Close] | None:
    history = view.history
    seats = view.seats if epoch is None else view.seats_at([epoch])
    seat = seats.get(principal)
    before = 0 if epoch is None or epoch not in history else history.closure([history.indices[epoch]])
    found: dict[LogId, Close] | None = None
    for removal in view.table.removals_of(principal):
        target = removal.target
        if before & removal.by.bit or not reached(removal) or removal.leaves >= Level.WRITE:
            continue
        standings = seat.standings if seat is not None and not target.who else ()
        if not all(rules.hits(view.table, standing, removal) for standing in standings):
            continue
        found = {} if found is None else found
        for close in target.closes:
            if close.log not in found or found[close.log].seq < close.seq:
                found[close.log] = close
    return found
