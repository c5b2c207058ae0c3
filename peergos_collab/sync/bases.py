"""Bases: states that stand for segments which members whose history is hidden never open.

A base is a snapshot by a writer, sealed under an epoch that they have. For whoever lacks the epochs of some
segments these *pass*, once a base that he uses covers them. Which bases he uses follows from the set of them:
those of members with history before others, of seniors before juniors, and of each the one that covers most;
each only where it covers something hidden that those before it do not. So a false base has no effect any more
once somebody more senior has made a true one.

Whoever has the history uses none. He sees from them whether another one is due: where somebody is in who
never opens a segment that no base covers for him.

Once the history is forgotten a base stands for it to all members: see ``pruning``. All that it covers passes
then, whether it could be opened or not; what is written from then on is folded on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final

from ..codec.ids import AccountId, DeviceId, EpochId, LogId, ObjectId, PrincipalId, RunId, SegmentId
from ..codec.shape import array
from ..objects.epoch_keys import EpochKeys
from ..objects.membership import Member, View
from ..objects.payload import Author
from ..objects.segments import Segment
from ..objects.snapshots import SnapshotPlace, run_mark
from ..objects.usable_epochs import who_is_given
from ..values import dataclass
from .arrivals import BranchState
from .extents import Extents, widen
from .logbook import LogBook
from .pruning import named_to_forget

_LAST: Final = (1, 0, b"")
"""The rank of who is no member any more: after all who are."""


MAX_OF_A_LOG: Final = 4
"""Bases of one log that are kept, the newest, beside those that are used. Of an honest device's each says
more than the one before; but one can be made to name what never comes, and never be outdone."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a base says of itself; its state stays in the segment.

    Args:
        time: when it was made, by its author's clock, ms since 1970.
        heads: the last segment of each branch that is in it.
        following: the number of the next change of each run, by its mark.
        adders: the devices that added its author's.
        for_all: it can stand for all, also for who had the history.
    """

    log: LogId
    seq: int
    id: SegmentId
    epoch: EpochId
    author: Author
    time: int
    heads: tuple[SnapshotPlace, ...]
    following: Mapping[bytes, int] = field(repr=False)
    adders: frozenset[DeviceId] = frozenset()
    for_all: bool = False


class Bases:
    """See the module's text.

    Args:
        principal: as which member this device is in.

    Attributes:
        known: bases whose author was a writer, by id.
        used: ids of those whose state is in the fold, in the order in which they were taken.
        false: ids of those that do not hold what the history holds, as this device found out.
        unchecked: ids of those that this device has not compared with the history yet.
        passed: branch numbers and epochs of which segments passed.
        reach: per branch number and epoch, the last segment that is here.
    """

    def __init__(self, object_id: ObjectId, book: LogBook, principal: PrincipalId) -> None:
        self.object = object_id
        self.book = book
        self.principal = principal
        self.known: dict[SegmentId, Base] = {}
        self.used: list[SegmentId] = []
        self.false: set[SegmentId] = set()
        self.unchecked: dict[SegmentId, None] = {}
        self.passed: set[tuple[int, EpochId]] = set()
        self.reach: dict[tuple[int, EpochId], int] = {}
        self._extents = Extents(book)
        self._refused: set[SegmentId] = set()
        self._covered: dict[int, int] = {}
        self._forgotten: dict[int, int] = {}
        self._following: dict[bytes, int] = {}
        self._view: View | None = None
        self._given: dict[EpochId, frozenset[PrincipalId]] = {}
        self._open: dict[EpochId, bool] = {}
        self._not_due: int | None = None
        self._looked_at = -1
        self._version = 0

    # -- which epochs ---------------------------------------------------------------------------

    def take_view(self, view: View) -> None:
        if view is not self._view:
            self._view = view
            self._given.clear()
            self._open.clear()
            self._version += 1

    @property
    def is_hidden(self) -> bool:
        """Whether the history is hidden from this device's member."""
        own = self._view.members.get(self.principal) if self._view is not None else None
        return own is not None and own.hidden

    def is_closed(self, epoch: EpochId, keys: Mapping[EpochId, EpochKeys]) -> bool:
        """Whether this device does not open what is sealed under an epoch, and perhaps never will.

        If it is given the keys later, all is folded anew.
        """
        return epoch not in keys and self.is_hidden

    def _is_closed_to(self, member: Member, epoch: EpochId) -> bool:
        """Whether somebody whose history is hidden lacks an epoch, as far as the records say."""
        view = self._view
        if view is None or not member.hidden or epoch not in view.history:
            return False
        if epoch not in self._given:
            self._given[epoch] = who_is_given(view, epoch)
        return member.principal.id not in self._given[epoch]

    # -- what is here ---------------------------------------------------------------------------

    def came(self, segment: Segment) -> None:
        """Notes that a segment is in the book now."""
        place = SnapshotPlace(segment.log, segment.seq, segment.id)
        self._version += self._extents.came(place)

    def note(self, branch: BranchState, seq: int, epoch: EpochId) -> None:
        """Notes that a segment is here to be used."""
        key = branch.number, epoch
        if self.reach.get(key, 0) < seq:
            self.reach[key] = seq
            self._version += not self._is_open_to_all(epoch)

    def _is_open_to_all(self, epoch: EpochId) -> bool:
        """Whether all members open what is sealed under an epoch, or will: asked at every keystroke."""
        view = self._view
        if view is None or not view.cuts:
            return view is not None
        if epoch not in self._open:
            self._open[epoch] = not any(self._is_closed_to(one, epoch) for one in view.members.values())
        return self._open[epoch]

    def add(self, base: Base) -> bool:
        """Takes a base whose author is known to be a writer; of that device's, what says less goes.

        Returns:
            Whether it is new, and says more than what is known.
        """
        his = [one for one in self.known.values() if one.author.device == base.author.device]
        known = base.id in self.known or base.id in self._refused
        if known or (not base.for_all and any(self._says_less(base, one) for one in his)):
            self._extents.keep_only(self.known.keys())
            return False
        self._version += 1
        for one in his:
            if not one.for_all and self._says_less(one, base):
                del self.known[one.id]
        self.known[base.id] = base
        kept = {*self.used, *(forgets.base.id for forgets, _ in named_to_forget(self.book))}
        unused = [one for one in self.known.values() if one.log == base.log and one.id not in kept]
        unused.sort(key=lambda one: (one.seq, one.id))
        for one in unused[:-MAX_OF_A_LOG]:
            del self.known[one.id]
        self._extents.keep_only(self.known.keys())
        return base.id in self.known

    def _says_less(self, old: Base, new: Base) -> bool:
        graph = self.book.graph
        follows = new.epoch in self.book.epochs and graph.covers(graph.past([new.epoch]), old.epoch)
        if not follows or not self._extents.is_whole(old):
            return False
        extent = self._extents.of(new)
        return all(extent.get(n, 0) >= seq for n, seq in self._extents.of(old).items())

    # -- where the history is forgotten ---------------------------------------------------------

    def is_forgotten(self, branch: BranchState, seq: int) -> bool:
        """Whether a segment passes for everybody: a base that stands for all is used, and covers it."""
        return seq <= self._forgotten.get(branch.number, 0)

    @property
    def forgotten(self) -> Mapping[int, int]:
        """By branch, up to where a base that stands for all covers it."""
        return self._forgotten

    def named(self) -> Iterator[tuple[Base, bool]]:
        """Bases that an admin said are to stand for all, and whether somebody objected."""
        for forgets, objected in named_to_forget(self.book):
            base = self.known.get(forgets.base.id)
            if base is not None and base.for_all:
                yield base, objected

    def _stand_for_all(self) -> list[Base]:
        """Of those the ones to use: for what is forgotten here there is nothing else.

        Those for which it was forgotten on this disk come first. Others are the last choice where somebody
        objected, or where they stand for more than is forgotten.
        """
        archived = self.book.archived
        needed = archived.forgotten
        if not needed or self._view is None:
            return []
        trust: dict[SegmentId, tuple[object, ...]] = {}
        for base, objected in self.named():
            branch = self.book.find(base.log, base.seq, base.id)
            if branch is None or archived.is_forgotten(branch.number, base.seq):
                continue
            beyond = any(seq > needed.get(n, seq) for n, seq in self._extents.of(base).items())
            trust[base.id] = not archived.is_relied_on(base.id), objected, beyond
        by_trust = self._by_trust(self.known[id_] for id_ in trust)
        return _needed(sorted(by_trust, key=lambda one: trust[one[0].id]), needed, {})

    # -- for whoever the history is hidden from -------------------------------------------------

    def passes(self, branch: BranchState, seq: int) -> bool:
        """Whether a base that is used covers a segment."""
        return seq <= self._covered.get(branch.number, 0)

    def following(self, device: DeviceId, run: RunId) -> int:
        """The number of a run's next change, by the bases that are used."""
        return self._following.get(run_mark(self.object, device, run), 1) if self.used else 1

    def all_following(self) -> Mapping[bytes, int]:
        """The same of all runs, by their marks."""
        return self._following

    def choose(self, keys: Mapping[EpochId, EpochKeys], counts: Callable[[Base], bool]) -> list[Base]:
        """The bases to use, in order.

        Args:
            counts: whether a base counts, by where the log of its author ends.
        """
        chosen = self._stand_for_all()
        if not self.is_hidden:
            return chosen
        needed: dict[int, int] = {}
        for (number, epoch), seq in self.reach.items():
            if self.is_closed(epoch, keys):
                needed[number] = max(seq, needed.get(number, 0))
        covered: dict[int, int] = {}
        for base in chosen:
            widen(covered, self._extents.of(base))
        used = {base.id for base in chosen}
        others = (base for base in self.known.values() if counts(base) and base.id not in used)
        return chosen + _needed(self._by_trust(others), needed, covered)

    def _by_trust(self, bases: Iterable[Base]) -> list[tuple[Base, Mapping[int, int]]]:
        def place(one: tuple[Base, Mapping[int, int]]) -> tuple[object, ...]:
            base, extent = one
            assert self._view is not None
            author = self._view.members.get(base.author.principal)
            own = base.author.principal == self.principal
            rank = author.rank if author is not None else _LAST
            return author is None or author.hidden or own, rank, -sum(extent.values()), base.id

        return sorted(((base, self._extents.of(base)) for base in bases), key=place)

    def use(self, base: Base) -> None:
        """Its state is in the fold now, so what it covers passes."""
        self.used.append(base.id)
        self._version += 1
        self.look_again()

    def refuse(self, base: Base) -> None:
        """No fold takes its state."""
        self._refused.add(base.id)
        self.known.pop(base.id, None)
        self._extents.keep_only(self.known.keys())
        self._version += 1

    def doubt(self) -> None:
        """More is known of members or keys, so all is to be looked at again."""
        self._version += 1

    def look_again(self) -> bool:
        """Finds out what the used bases cover, if there is news of that; says whether there is."""
        if self._looked_at == self._version:
            return False
        self._looked_at = self._version
        for each in (self._covered, self._forgotten, self._following):
            each.clear()
        for_all = [base for base, _ in self.named()] if self.book.archived.forgotten else []
        for base in (self.known[id_] for id_ in self.used if id_ in self.known):
            extent = self._extents.of(base)
            widen(self._covered, extent)
            widen(self._following, base.following)
            if any(one.id == base.id for one in for_all):
                widen(self._forgotten, extent)
        for base in self.known.values():
            self._extents.of(base)  # what it lacks is awaited from now on
        return True

    # -- for whoever has the history ------------------------------------------------------------

    def is_due(self, applied: Mapping[int, int], counts: Callable[[Base], bool]) -> bool:
        """Whether somebody is in who lacks a base that this device could make."""
        view = self._view
        if view is None or not view.cuts:
            return False
        if self._not_due == self._version:
            return False
        due = any(self._lacks(view, one, applied, counts) for one in view.members.values() if one.hidden)
        self._not_due = None if due else self._version
        return due

    def _lacks(
        self, view: View, member: Member, applied: Mapping[int, int], counts: Callable[[Base], bool]
    ) -> bool:
        covered: dict[int, int] = {}
        for base in self.known.values():
            author = view.members.get(base.author.principal)
            told = author is not None and not author.hidden and base.id not in self.false
            if told and counts(base) and not self._is_closed_to(member, base.epoch):
                widen(covered, self._extents.of(base))
        return any(
            covered.get(number, 0) < seq <= applied.get(number, 0) and self._is_closed_to(member, epoch)
            for (number, epoch), seq in self.reach.items()
        )

    def find_false(self, base: Base) -> None:
        """A base turned out not to hold what the history holds: it stands for nothing here."""
        self.false.add(base.id)
        self._version += 1

    # -- local state ----------------------------------------------------------------------------

    def stored(self) -> list[Any]:
        """As fields of this device's own checkpoint."""
        known = [
            [
                *(base.log, base.seq, base.id, base.epoch),
                *(base.author.account, base.author.device, base.author.principal, base.author.name),
                base.time,
                [head.fields() for head in base.heads],
                [list(item) for item in base.following.items()],
                sorted(base.adders),
                base.for_all,
            ]
            for base in self.known.values()
        ]
        reach = [[*key, seq] for key, seq in self.reach.items()]
        passed = [list(key) for key in self.passed]
        return [known, self.used, sorted(self.false), list(self.unchecked), reach, passed]

    def restore(self, fields: Any) -> None:
        """Takes back what ``stored`` gave. Raises RemoteProtocolError."""
        known, used, false, unchecked, reach, passed = array(fields, 6, "bases")
        for log, seq, id_, epoch, account, device, principal, name, time, *rest in known:
            heads, following, adders, for_all = array(rest, 4, "bases")
            author = Author(AccountId(account), DeviceId(device), PrincipalId(principal), name)
            places = tuple(SnapshotPlace.parse_untrusted(head) for head in heads)
            place = LogId(log), seq, SegmentId(id_), EpochId(epoch)
            added = frozenset(map(DeviceId, adders))
            base = Base(*place, author, time, places, dict(following), added, for_all)
            self.known[base.id] = base
        self.used = [SegmentId(id_) for id_ in used]
        self.false = {SegmentId(id_) for id_ in false}
        self.unchecked = {SegmentId(id_): None for id_ in unchecked}
        self.reach = {(number, EpochId(epoch)): seq for number, epoch, seq in reach}
        self.passed = {(number, EpochId(epoch)) for number, epoch in passed}
        self._version += 1
        self.look_again()

    # -- all once more --------------------------------------------------------------------------

    def begin_anew(self, book: LogBook) -> Bases:
        """The same without any state in a fold."""
        anew = Bases(self.object, book, self.principal)
        anew.known, anew.reach = dict(self.known), dict(self.reach)
        anew.false, anew.unchecked = set(self.false), dict(self.unchecked)
        anew._refused = set(self._refused)
        if self._view is not None:
            anew.take_view(self._view)
        return anew

    def succeed(self, before: Bases) -> None:
        """Takes what came since it was begun anew from those."""
        self.book = before.book
        self._extents = Extents(before.book)
        self.false |= before.false
        self._refused |= before._refused
        self.unchecked = {id_: None for id_ in before.unchecked if id_ not in self.false}
        for key, seq in before.reach.items():
            self.reach[key] = max(seq, self.reach.get(key, 0))
        for base in before.known.values():
            self.add(base)
        self._version += 1
        self.look_again()


def _needed(
    bases: Iterable[tuple[Base, Mapping[int, int]]], needed: Mapping[int, int], covered: dict[int, int]
) -> list[Base]:
    """Of bases with what they cover, in order: each that covers more of what is needed than those before."""
    chosen = []
    for base, extent in bases:
        more = {n: min(seq, needed[n]) for n, seq in extent.items() if n in needed}
        if any(seq > covered.get(n, 0) for n, seq in more.items()):
            chosen.append(base)
            widen(covered, extent)
    return chosen
