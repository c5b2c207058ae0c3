"""Lamport time and causal past of the segments of one object, for the folds that need a total order.

A segment that carries a Lamport time carries 1 + the maximum over everything it cites. A segment that
carries none (a greeting, a snapshot, one set aside) counts as the maximum of what it cites.

Segments are kept by *branch*: a log is one branch, and each fork of it another. Per segment that is
its id, its Lamport time and what it newly cites, about 70 bytes, in pages of which only those in use
are loaded.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import field
from typing import Any, Final, NamedTuple, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import ID_LENGTH, LogId, SegmentId
from ..errors import LocalProtocolError
from ..values import dataclass
from .chunks import Chunks
from .payload import Delivery

PAGE: Final = 256
"""Segments per page: a new segment rewrites about 20 KB of local state at most."""

MAX_LAMPORT: Final = 2**62
"""Never reached honestly; leaves room to add 1 in 64 bits."""

_PAGE_LIMIT: Final = 64 * 1024 * 1024
"""Our own sealed state, not a peer's: only a guard against nonsense."""


class Place(NamedTuple):
    """Where a segment stands. Branch numbers are local to one replica and mean nothing elsewhere."""

    branch: int
    seq: int


@dataclass(slots=True)
class Page:
    """Up to ``PAGE`` consecutive segments of a branch.

    ``known`` is what the branch had cited before this page: the last seq of each other branch.
    ``cites`` adds, per other branch, the rows at which a later seq was cited, and which.
    """

    known: dict[int, int]
    ids: bytearray = field(default_factory=bytearray)
    lamports: array[int] = field(default_factory=lambda: array("Q"))
    cites: dict[int, tuple[array[int], array[int]]] = field(default_factory=dict)

    def append(self, segment: SegmentId, lamport: int, cited: dict[int, int]) -> None:
        row = len(self.lamports)
        self.ids += segment
        self.lamports.append(lamport)
        for branch, seq in cited.items():
            if seq > self.about(row, branch):
                rows, seqs = self.cites.setdefault(branch, (array("Q"), array("Q")))
                rows.append(row)
                seqs.append(seq)

    def about(self, row: int, branch: int) -> int:
        """The last seq of ``branch`` that was cited up to this row, or 0."""
        if (cites := self.cites.get(branch)) is not None:
            at = bisect_right(cites[0], row)
            if at:
                return cites[1][at - 1]
        return self.known.get(branch, 0)

    def vector(self, row: int) -> dict[int, int]:
        """``about`` for every branch."""
        return {branch: seq for branch in {*self.known, *self.cites} if (seq := self.about(row, branch))}

    def id(self, row: int) -> bytes:
        return bytes(self.ids[row * ID_LENGTH : (row + 1) * ID_LENGTH])

    def row_of(self, segment: SegmentId) -> int | None:
        at = self.ids.find(segment)
        while at > 0 and at % ID_LENGTH:
            at = self.ids.find(segment, at + 1)
        return None if at < 0 else at // ID_LENGTH

    def encode(self) -> bytes:
        cites = [[branch, _packed(rows), _packed(seqs)] for branch, (rows, seqs) in self.cites.items()]
        return encode([1, self.known, bytes(self.ids), _packed(self.lamports), cites])

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        _, known, ids, lamports, cites = decode_untrusted(raw, _PAGE_LIMIT)
        page = cls(known, bytearray(ids), _unpacked(lamports))
        page.cites = {branch: (_unpacked(rows), _unpacked(seqs)) for branch, rows, seqs in cites}
        return page


@dataclass(slots=True)
class _Branch:
    log: LogId
    first: int
    tip: int
    tip_id: SegmentId
    tip_lamport: int
    pages: list[int]


class Past:
    """The causal past of one segment: everything it cites, and what that cites."""

    def __init__(self, clock: LamportClock, previous: Place | None, cited: list[Place], latest: int) -> None:
        self.latest = latest
        """The maximum Lamport time in it, 0 where it is empty."""
        self.previous = previous
        self.cited = _highest(cited)
        self._clock = clock
        self._whole: dict[int, int] | None = None

    def covers(self, place: Place) -> bool:
        """Whether the segment at ``place`` is in this past."""
        if self._covers_directly(place):
            return True
        if self._whole is None:
            self._whole = self._closure()
        return self._whole.get(place.branch, 0) >= place.seq

    def _covers_directly(self, place: Place) -> bool:
        """What the author cited himself: true for nearly all honest references."""
        branch, seq = place
        if self.cited.get(branch, 0) >= seq:
            return True
        if self.previous is None:
            return False
        if self.previous.branch == branch:
            return self.previous.seq >= seq
        return self._clock.cited_at(self.previous, branch) >= seq

    def _closure(self) -> dict[int, int]:
        whole = dict(self.cited)
        if self.previous is not None:
            whole[self.previous.branch] = max(self.previous.seq, whole.get(self.previous.branch, 0))
        todo = set(whole)
        while todo:
            branch = todo.pop()
            for other, seq in self._clock.vector_at(Place(branch, whole[branch])).items():
                if seq > whole.get(other, 0):
                    whole[other] = seq
                    todo.add(other)
        return whole


class LamportClock:
    """Knows every segment of one object: when, where, and after what.

    Args:
        chunks: where its pages are kept; may be shared with the fold that owns the clock.
    """

    def __init__(self, chunks: Chunks) -> None:
        self.latest = 0
        """The highest Lamport time of all."""
        self._chunks = chunks
        self._branches: list[_Branch] = []
        self._by_log: dict[LogId, list[int]] = {}
        self._tips: dict[SegmentId, int] = {}

    def next(self) -> int:
        """The Lamport time of a segment that cites everything known."""
        return self.latest + 1

    def knows(self, delivery: Delivery) -> bool:
        """Whether this very segment was noted before."""
        return self._in_log(delivery.log, delivery.seq, delivery.segment) is not None

    def past(self, delivery: Delivery) -> Past:
        """What a segment has in its past.

        Raises:
            LocalProtocolError: something it cites was never noted; deliveries must come causally.
        """
        previous = None
        if delivery.previous is not None:
            previous = self._in_log(delivery.log, delivery.seq - 1, delivery.previous)
            if previous is None:
                raise LocalProtocolError("a segment was delivered before the one it follows")
        cited = [self.place(segment) for segment in delivery.cites]
        places = cited if previous is None else [previous, *cited]
        return Past(self, previous, cited, max(map(self._lamport_at, places), default=0))

    def note(self, delivery: Delivery, past: Past, lamport: int | None = None) -> Place:
        """Remembers a segment. ``lamport`` None: it carries none of its own."""
        lamport = past.latest if lamport is None else lamport
        previous, cited = past.previous, dict(past.cited)
        if previous is not None and self._branches[previous.branch].tip == previous.seq:
            number = previous.branch
        else:
            number = self._new_branch(delivery)
            if previous is not None:  # a fork: what came before is cited like another log
                cited[previous.branch] = max(previous.seq, cited.get(previous.branch, 0))
        self._append(number, delivery.segment, lamport, cited)
        self.latest = max(self.latest, lamport)
        return Place(number, delivery.seq)

    def place(self, segment: SegmentId) -> Place:
        """Where a segment stands. Raises LocalProtocolError where it was never noted."""
        if (tip := self._tips.get(segment)) is not None:
            return Place(tip, self._branches[tip].tip)
        for number, index in self._newest_first():
            branch = self._branches[number]
            row = self._chunks.peek(branch.pages[index], Page).row_of(segment)
            if row is not None:
                return Place(number, branch.first + index * PAGE + row)
        raise LocalProtocolError("a segment was delivered before one it cites")

    def cited_at(self, place: Place, branch: int) -> int:
        """The last seq of ``branch`` that the segment at ``place`` or one before it cites itself."""
        page, row = self._page(place)
        return page.about(row, branch)

    def vector_at(self, place: Place) -> dict[int, int]:
        """``cited_at`` for every branch."""
        page, row = self._page(place)
        return page.vector(row)

    def head(self) -> list[Any]:
        """What ``restore`` needs beside the pages: about 80 bytes per log."""
        branches = [[b.log, b.first, b.tip, b.tip_id, b.tip_lamport, b.pages] for b in self._branches]
        return [self.latest, branches]

    def restore(self, head: list[Any]) -> None:
        """Sets an empty clock to what ``head`` gave."""
        self.latest, branches = head
        for number, fields in enumerate(branches):
            branch = _Branch(*fields)
            self._branches.append(branch)
            self._by_log.setdefault(branch.log, []).append(number)
            self._tips[branch.tip_id] = number

    def _newest_first(self) -> Iterator[tuple[int, int]]:
        """Every page as (branch, index in it): who cites no tip cites something shortly before one."""
        deepest = max((len(branch.pages) for branch in self._branches), default=0)
        for depth in range(deepest):
            for number, branch in enumerate(self._branches):
                if depth < len(branch.pages):
                    yield number, len(branch.pages) - 1 - depth

    def _in_log(self, log: LogId, seq: int, segment: SegmentId) -> Place | None:
        for number in self._by_log.get(log, ()):
            branch = self._branches[number]
            if seq == branch.tip and segment == branch.tip_id:
                return Place(number, seq)
            if branch.first <= seq < branch.tip:
                page, row = self._page(Place(number, seq))
                if page.id(row) == segment:
                    return Place(number, seq)
        return None

    def _page(self, place: Place) -> tuple[Page, int]:
        branch = self._branches[place.branch]
        index, row = divmod(place.seq - branch.first, PAGE)
        return self._chunks.get(branch.pages[index], Page), row

    def _lamport_at(self, place: Place) -> int:
        branch = self._branches[place.branch]
        if place.seq == branch.tip:
            return branch.tip_lamport
        page, row = self._page(place)
        return page.lamports[row]

    def _new_branch(self, delivery: Delivery) -> int:
        number = len(self._branches)
        before = delivery.seq - 1
        self._branches.append(_Branch(delivery.log, delivery.seq, before, SegmentId(b""), 0, []))
        self._by_log.setdefault(delivery.log, []).append(number)
        return number

    def _append(self, number: int, segment: SegmentId, lamport: int, cited: dict[int, int]) -> None:
        branch = self._branches[number]
        row = (branch.tip + 1 - branch.first) % PAGE
        if row == 0:
            known = self._page(Place(number, branch.tip))[0].vector(PAGE - 1) if branch.pages else {}
            branch.pages.append(self._chunks.add(Page(known)))
        page = self._chunks.get(branch.pages[-1], Page)
        page.append(segment, lamport, cited)
        self._chunks.touch(branch.pages[-1])
        self._tips.pop(branch.tip_id, None)
        self._tips[segment] = number
        branch.tip, branch.tip_id, branch.tip_lamport = branch.tip + 1, segment, lamport


def _highest(places: list[Place]) -> dict[int, int]:
    highest: dict[int, int] = {}
    for branch, seq in places:
        highest[branch] = max(seq, highest.get(branch, 0))
    return highest


def _packed(numbers: array[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def _unpacked(raw: bytes) -> array[int]:
    return array("Q", struct.unpack(f"<{len(raw) // 8}Q", raw))
