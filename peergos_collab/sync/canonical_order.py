"""The order of all segments of an object that follows from the set of them alone.

By (length of the longest path of citations below a segment, segment id). A segment comes after what it
cites, and its place does not change when others are added. Of two that carry the same change the lower
one counts. One that builds on what it does not cite is put off until nothing else is left; what then
still builds on what is not here is set aside, the lowest first.
"""

from __future__ import annotations

from dataclasses import field
from heapq import heappop, heappush

from ..errors import NotYet, PeergosCollabError
from ..objects.payload import Payload
from ..objects.segments import Segment
from ..values import dataclass
from .arrivals import BranchState
from .causal_order import CausalOrder, Ready, Waits
from .opened import Opened, OpenedAhead
from .run_ids import DeviceRun


def deliver_canonically(order: CausalOrder) -> None:
    """Delivers everything stored to an order to which nothing was delivered yet.

    Costs as much as opening without a checkpoint.

    Raises:
        Damaged: a stored segment is.
    """
    _Pass(order).run()


@dataclass(order=True, slots=True)
class _Next:
    """The next segment of a branch, with its place in the order."""

    depth: int
    id: bytes
    branch: BranchState = field(compare=False)
    segment: Segment = field(compare=False)
    payload: Payload | PeergosCollabError = field(compare=False)


@dataclass(order=True, slots=True)
class _Early:
    """One that builds on what is not here."""

    item: _Next
    why: NotYet = field(compare=False)


class _Pass:
    """One walk over all branches: of the segments that could be next, always the lowest."""

    def __init__(self, order: CausalOrder) -> None:
        self._order = order
        self._streams = {
            number: OpenedAhead(order.book.stored(branch, branch.first), order.keys)
            for number, branch in order.book.numbered.items()
        }
        self._heads: dict[int, tuple[Segment, Opened]] = {}
        self._depths: dict[bytes, int] = {}
        self._heap: list[_Next] = []
        self._asleep: dict[int | DeviceRun | None, list[tuple[int, Ready]]] = {}
        self._early: list[_Early] = []
        self._kept = 0

    def run(self) -> None:
        self._order.take_bases()
        for number in self._streams:
            self._advance(number)
        while True:
            self._wake_kept()
            if self._heap:
                self._deliver(heappop(self._heap))
            elif not self._early:
                return
            elif not self._wake_early():
                self._set_aside_lowest()

    def _wake_kept(self) -> None:
        """Looks again at what is past the end of its log, where more is built upon than before."""
        while self._kept != self._order.closings.version:
            self._kept = self._order.closings.version
            self._wake(None)

    def _advance(self, number: int) -> None:
        """Looks at the next segment of a branch."""
        head = next(self._streams[number], None)
        if head is not None and self._order.delivers(self._order.book.numbered[number], head[0].seq):
            self._heads[number] = head
            self._consider(number)

    def _consider(self, number: int) -> None:
        """Finds the place of a branch's next segment, once what it follows and cites was delivered."""
        branch, (segment, opened) = self._order.book.numbered[number], self._heads[number]
        if branch.base is not None and not self._order.base_applied(branch):
            waits = Waits(branch.base.number, lambda: self._order.base_applied(branch))
            self._sleep(number, waits)
            return
        try:
            payload = self._order.payload_of(branch, segment, opened)
        except Waits as waits:
            self._sleep(number, waits)
            return
        below = [segment.previous]
        if isinstance(payload, Payload):
            below += [cite.id for cite in payload.cites]
        depth = 1 + max(self._depths.get(id_, 0) for id_ in below)
        heappush(self._heap, _Next(depth, segment.id, branch, segment, payload))

    def _sleep(self, number: int, waits: Waits) -> None:
        self._asleep.setdefault(waits.what, []).append((number, waits.ready))

    def _wake(self, what: int | DeviceRun | None) -> None:
        """Looks at what waited for a branch or a run that went on."""
        sleepers = self._asleep.pop(what, [])
        for number, ready in sleepers:
            if ready():
                self._consider(number)
            else:
                self._asleep.setdefault(what, []).append((number, ready))

    def _deliver(self, item: _Next) -> None:
        try:
            self._order.deliver_segment(item.branch, item.segment, item.payload, "local")
        except Waits as waits:
            self._sleep(item.branch.number, waits)
        except NotYet as too_early:
            heappush(self._early, _Early(item, too_early))
        else:
            self._went(item)

    def _went(self, item: _Next) -> None:
        self._depths[item.id] = item.depth
        self._advance(item.branch.number)
        self._wake(item.branch.number)
        author = self._order.introductions.before(item.branch, item.segment.epoch, item.segment.seq + 1)
        if author is not None and isinstance(item.payload, Payload):
            self._wake((author.author.device, item.payload.run))

    def _wake_early(self) -> bool:
        """Nothing else is left: what was put off is tried again, if what it lacked has come."""
        knows = self._order.fold.knows
        early, self._early = self._early, []
        for each in early:
            if knows(each.why.missing):
                heappush(self._heap, each.item)
            else:
                heappush(self._early, each)
        return bool(self._heap)

    def _set_aside_lowest(self) -> None:
        lowest = heappop(self._early)
        item = lowest.item
        assert isinstance(item.payload, Payload)
        self._order.give_up(item.branch, item.segment, item.payload, lowest.why)
        self._went(item)
