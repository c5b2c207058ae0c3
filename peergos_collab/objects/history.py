"""The causal order of membership ops: each names the ones its author had seen.

Every op gets an index in the order of arrival, which is one that puts causes first, and the set of ops
in its past as a bit set over these indices. Indices differ between devices; verdicts never use them but
to name ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..codec.ids import PrincipalId
from ..errors import RemoteProtocolError
from ..identity.account import Account
from ..values import dataclass
from . import rules
from .epoch_keys import Level
from .op_kinds import RePin
from .operations import SignedOp, UnverifiedOp, log_digest
from .principals import PrincipalKind
from .records import MembershipRecord
from .seats import Pin, Seat, Seats


@dataclass(slots=True)
class Entry:
    """One op in its place.

    Args:
        past: bit set of the ops in its past.
        account: the verified log of its author; None where none of the records seen has it.
        before: who sits where, in its past.
        proved: the op; None until it is judged, and where it is refused.
        refused: why its signatures do not hold or its author may not do this, judged in its past; empty
            where he may.
        acted_at: the key version of his principal that he showed to have.
        removals: whom it removes or lowers.
        pins: the key versions it gives to principals.
        false_add: set where it is refused because it lists somebody with keys that are not his.
        rests: bit set of the adds and raises by which its author has his role, and of those by which their
            authors had theirs, and so on.
    """

    index: int
    record: MembershipRecord
    opened: UnverifiedOp
    past: int
    account: Account | None
    before: Seats
    proved: SignedOp | None = None
    refused: str = ""
    acted_at: bytes = b""
    removals: tuple[rules.Removal, ...] = ()
    pins: tuple[Pin, ...] = ()
    false_add: rules.FalseAdd | None = None
    rests: int = 0

    @property
    def id(self) -> bytes:
        return self.record.id

    @property
    def signed(self) -> SignedOp:
        """The op of an entry that is not refused: of one that is, nothing may be asked."""
        assert self.proved is not None, "an op that is refused"
        return self.proved

    @property
    def bit(self) -> int:
        return 1 << self.index

    @property
    def count(self) -> int:
        """Membership ops in its past."""
        return self.past.bit_count()


class History:
    """All ops that are known with everything in their past."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.indices: dict[bytes, int] = {}
        self.heads: set[int] = set()
        self.kind = -1
        self._listed: dict[PrincipalId, list[Pin]] = {}
        self._gone: dict[tuple[PrincipalId, bytes], int] = {}
        self._acts: dict[tuple[PrincipalId, bytes], int] = {}
        self._accounts: dict[bytes, Account] = {}
        self._carried: dict[bytes, int] = {}
        self._after: dict[int, Seats] = {}
        self._seats: tuple[int, Seats] = (0, Seats())

    def __contains__(self, record_id: bytes) -> bool:
        return record_id in self.indices

    def entry(self, record_id: bytes) -> Entry:
        return self.entries[self.indices[record_id]]

    @property
    def head_ids(self) -> tuple[bytes, ...]:
        """Ids of the ops that no other has in its past, sorted."""
        return tuple(sorted(self.entries[index].id for index in self.heads))

    @property
    def everything(self) -> int:
        return (1 << len(self.entries)) - 1

    def missing(self, opened: UnverifiedOp) -> list[bytes]:
        """Ids of ops it names that are not here yet."""
        return [head for head in opened.heads if head not in self.indices]

    def add(self, record: MembershipRecord, opened: UnverifiedOp) -> Entry:
        """Enters an op whose heads are all here, and judges it in its past."""
        heads = {self.indices[head] for head in opened.heads}
        past = self.closure(heads)
        entry = Entry(
            len(self.entries), record, opened, past, self._account(opened, past), self.seats_of(past)
        )
        rules.judge(self, entry)
        entry.rests = self._rests(entry)
        self._note(entry)
        self.entries.append(entry)
        self.indices[record.id] = entry.index
        self.heads = {head for head in self.heads if not past >> head & 1} | {entry.index}
        return entry

    def pins_of(self, principal: PrincipalId, past: int) -> list[Pin]:
        """All key versions that a principal was ever given by the ops of a set."""
        return [pin for pin in self._listed.get(principal, ()) if past >> pin.op & 1]

    def replaced(self, principal: PrincipalId, past: int) -> frozenset[bytes]:
        """The key versions of a principal that the proofs in a set of ops show to be older than others."""
        return frozenset[bytes]().union(*(pin.older for pin in self.pins_of(principal, past)))

    def pins_believed(
        self, seat: Seat, by: PrincipalId, account: bytes, level: Level, past: int
    ) -> list[Pin]:
        """The key versions of a member from which ``account``, acting as ``by``, may lead to newer ones.

        From each of several side by side, of which anybody may choose one. From all, an admin who acts for
        himself: he could add the member at the newer one as well.

        Once it was named as gone it holds no key of what was listed since, unless it is back. Two who name
        it at the same time say one thing: what is listed with either known, or is shown to follow the
        version that the other gave, which it had no key of, was listed since.

        Who has an object's old keys may say to be any account. So one that had not acted for it when it was
        re-pinned is taken to be named there.
        """
        pins, principal = self.pins_of(seat.principal, past), seat.principal
        if level is Level.ADMIN and bytes(by) == account:
            return pins
        named = list(self.members_of(self._gone.get((principal, account), 0) & past))
        if bytes(by) != account:
            acts = self.acts_of(by, account)
            given = [self.entries[pin.op] for pin in pins if pin.principal.kind is PrincipalKind.OBJECT]
            named += [op for op in given if isinstance(op.signed.op, RePin) and not acts & op.past]
        newest_first = named[::-1]  # most versions are older than the newest of these
        replaced = self.replaced(principal, past)
        sides = [pin for pin in seat.pins if seat.contested and pin.principal.version not in replaced]
        return sides + [pin for pin in pins if all(self.is_listed_since(pin, op) for op in newest_first)]

    def is_listed_since(self, pin: Pin, naming: Entry) -> bool:
        """Whether a key version was given by an op that named somebody as gone, or after it."""
        if pin.op == naming.index or self.entries[pin.op].past & naming.bit:
            return True
        given = (other.principal for other in naming.pins if other.principal.id == pin.principal.id)
        return any(one.version in (pin.principal.version, *pin.older) for one in given)

    def _rests(self, entry: Entry) -> int:
        seat = entry.before.get(entry.opened.principal)
        rests = 0
        for standing in seat.standings if seat is not None else ():
            rests |= 1 << standing.op | self.entries[standing.op].rests
        return rests

    def _note(self, entry: Entry) -> None:
        for pin in entry.pins:
            self._listed.setdefault(pin.principal.id, []).append(pin)
        for removal in entry.removals:
            key = removal.target.principal, removal.target.who
            self._gone[key] = self._gone.get(key, 0) | entry.bit
        if not entry.refused and not entry.signed.for_itself:
            by = entry.signed.author.principal, bytes(entry.signed.author.account)
            self._acts[by] = self._acts.get(by, 0) | entry.bit

    def acts_of(self, principal: PrincipalId, account: bytes) -> int:
        """The ops of an account for a principal that it is not itself, as a set."""
        return self._acts.get((principal, account), 0)

    def closure(self, heads: Iterable[int]) -> int:
        """The set of the ops ``heads`` and everything in their pasts."""
        together = 0
        for index in heads:
            together |= self.entries[index].past | 1 << index
        return together

    def members_of(self, mask: int) -> Iterator[Entry]:
        """The entries of a set, causes first."""
        while mask:
            lowest = mask & -mask
            yield self.entries[lowest.bit_length() - 1]
            mask ^= lowest

    def concurrent(self, one: Entry, other: Entry) -> bool:
        """Whether neither author had seen the other's op."""
        return not (one.past & other.bit or other.past & one.bit) and one is not other

    # -- seats ----------------------------------------------------------------------------------

    def seats_of(self, mask: int) -> Seats:
        """Who sits where, judged on a set of ops that has all its pasts."""
        if mask == self._seats[0]:
            return self._seats[1]
        tops = self._tops(mask)
        if not tops:
            return Seats()
        seats = self.seats_after(tops[0]) if len(tops) == 1 else self._seats_of_branches(mask, tops)
        self._seats = mask, seats
        return seats

    def seats_after(self, index: int) -> Seats:
        """Who sits where after an op and all in its past."""
        seats = self._after.get(index)
        if seats is None:
            entry = self.entries[index]
            seats = rules.fold(self, entry.before, [entry])
            self._after[index] = seats
        return seats

    def _tops(self, mask: int) -> list[int]:
        tops: list[int] = []
        while mask:
            index = mask.bit_length() - 1
            tops.append(index)
            mask &= ~(self.entries[index].past | 1 << index)
        return tops

    def _seats_of_branches(self, mask: int, tops: list[int]) -> Seats:
        """Folds what is not before the branches' last common op, which is concurrent with nothing."""
        common = mask
        for top in tops:
            common &= self.entries[top].past
        while common:
            index = common.bit_length() - 1
            rest = list(self.members_of(mask & ~(self.entries[index].past | 1 << index)))
            beside = next((entry for entry in rest if not entry.past >> index & 1), None)
            if beside is None:
                return rules.fold(self, self.seats_after(index), rest)
            common &= beside.past  # what all branches have in common is before this one, too
        return rules.fold(self, Seats(), list(self.members_of(mask)))

    # -- accounts -------------------------------------------------------------------------------

    def log_known(self, digest: bytes, past: int) -> bool:
        """Whether a record of the set ``past`` carries the account log of this digest."""
        return bool(self._carried.get(digest, 0) & past)

    def _account(self, opened: UnverifiedOp, past: int) -> Account | None:
        digest = opened.log_digest
        if opened.account_log:
            if digest not in self._accounts:
                try:
                    self._accounts[digest] = Account.parse_untrusted(opened.account_log)
                except RemoteProtocolError:
                    return None
            self._carried[digest] = self._carried.get(digest, 0) | 1 << len(self.entries)
        elif not self.log_known(digest, past):
            return None
        return self._accounts[digest]

    def accounts(self) -> Iterator[Account]:
        """All verified account logs that travelled with ops, as their authors' or as a proof."""
        return iter(self._accounts.values())

    def take_proof(self, account: Account) -> None:
        """Keeps the account log that proves a key version."""
        self._accounts.setdefault(log_digest(account.raw), account)
