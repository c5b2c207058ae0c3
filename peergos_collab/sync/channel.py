"""One object on one session: what the other side has, what it may do, and what it still needs.

Nothing is queued for the other side: what it lacks is read from the store when there is room to send
it. So a slow peer costs no memory, and a change of path or a repeated segment changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..codec.ids import EpochId, LogId
from ..objects.certificates import Certificate
from .frames import SEGMENTS_PER_FRAME
from .heads import Tip
from .logbook import BranchState, LogBook


@dataclass(slots=True)
class Channel:
    """See the module's text.

    Args:
        has: branch number → seq up to which the other side has it.
        tips: the other side's heads, as it said them or proved them by sending.
        assumed: logs in which its unknown head is taken to be ahead of ours.
        dirty: branches that may hold something it lacks.
        opened_here, opened_there: which sides have opened the object on this session.
        may_read, may_write: what the other side has proved (a node proves nothing, and may both).
        push: whether segments may be sent to it at all.
        refused: it refused our last OPEN, so it does not know yet what we have and may do.
    """

    book: LogBook
    has: dict[int, int] = field(default_factory=dict)
    tips: dict[LogId, list[Tip]] = field(default_factory=dict)
    assumed: set[LogId] = field(default_factory=set)
    dirty: dict[int, None] = field(default_factory=dict)
    certified: set[tuple[LogId, EpochId]] = field(default_factory=set)
    records: set[bytes] = field(default_factory=set)
    opened_here: bool = False
    opened_there: bool = False
    may_read: bool = False
    may_write: bool = False
    push: bool = True
    refused: bool = False
    told_caught_up: bool = False
    caught_up: bool = False

    @property
    def live(self) -> bool:
        """Both sides have opened it, and the other may read."""
        return self.opened_here and self.opened_there and self.may_read

    def set_tips(self, tips: Iterable[Tip]) -> None:
        """Takes the other side's heads, and finds what it lacks."""
        self.tips = {}
        for tip in tips:
            self.tips.setdefault(tip.log, []).append(tip)
        self.has = {}
        self.assumed = set()
        for log in self.book.branches:
            self._match(log)

    def note_has(self, branch: BranchState, seq: int) -> None:
        """The other side showed that it has a branch up to ``seq``."""
        current: BranchState | None = branch
        while current is not None and self.has.get(current.number, 0) < seq:
            self.has[current.number] = seq
            seq, current = current.first - 1, current.base

    def note_new(self, branch: BranchState) -> None:
        """A branch grew here."""
        if branch.log in self.assumed:
            self._match(branch.log)
        if branch.log not in self.assumed:
            self.dirty[branch.number] = None

    def note_forked(self, log: LogId) -> None:
        """A log turned out to be forked, which makes an earlier guess about it worthless."""
        self._match(log)

    def next_segments(self, room: int) -> tuple[list[Certificate], list[bytes]]:
        """What to send next: certificates not sent yet, and raw segments, at most about ``room`` bytes."""
        room = min(room, SEGMENTS_PER_FRAME)
        while self.dirty:
            # Every turn sends something, drops a branch, or puts a base in front that can be sent.
            number = next(iter(self.dirty))
            branch = self.book.numbered[number]
            start = max(self.has.get(number, 0) + 1, branch.first)
            last = self.book.sendable(branch)
            if start > last:
                del self.dirty[number]
                continue
            base = branch.base
            if base is not None and (had := self.has.get(base.number, base.first - 1)) < branch.first - 1:
                if had < self.book.sendable(base):
                    self.dirty = {base.number: None} | self.dirty
                else:
                    del self.dirty[number]
            else:
                raws = self.book.read(branch, start, room)[: last - start + 1]
                if not raws:  # damaged on this disk: what follows will be a gap for them, not a loop for us
                    self.has[number] = last
                    continue
                self.has[number] = start + len(raws) - 1
                return self._certificates(branch.log), raws
        return [], []

    def next_records(self) -> list[bytes]:
        """Membership records the other side lacks."""
        lacking = [r for r in self.book.membership_records() if r.id not in self.records]
        self.records.update(record.id for record in lacking)
        return [record.raw for record in lacking]

    def _certificates(self, log: LogId) -> list[Certificate]:
        fresh = [
            certificate
            for key, certificate in self.book.certificates.items()
            if key[0] == log and key not in self.certified
        ]
        self.certified.update((certificate.log, certificate.epoch) for certificate in fresh)
        return fresh

    def _match(self, log: LogId) -> None:
        """Finds out from its heads how much of each branch of a log the other side has."""
        branches = self.book.branches.get(log, [])
        unknown: list[Tip] = []
        for tip in self.tips.get(log, ()):
            branch = self.book.find(log, tip.seq, tip.id)
            if branch is None:
                unknown.append(tip)
            else:
                self.note_has(branch, tip.seq)
        highest = max((branch.tip for branch in branches), default=0)
        self.assumed.discard(log)
        if any(tip.seq > highest for tip in unknown):
            # Its head is beyond ours: it has what we have, unless the log forked. If what it sends
            # shows a fork, ``note_new`` finds out.
            self.assumed.add(log)
            return
        for branch in branches:
            self.dirty[branch.number] = None
