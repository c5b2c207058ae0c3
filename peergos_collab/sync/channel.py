"""One object on one session: what the other side has, what it may do, and what it still needs.

Nothing is queued for the other side: what it lacks is read from the store when there is room to send
it. So a slow peer costs no memory, and a change of path or a repeated segment changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from typing import Final

from ..codec.ids import EpochId, LogId
from ..errors import RemoteProtocolError
from ..objects.archives import Archive
from ..objects.certificates import Certificate
from ..objects.epoch_keys import EpochKeys
from ..objects.prunes import Prune
from ..objects.records import Epoch, MembershipRecord
from ..objects.segments import epoch_of
from ..values import dataclass
from .arrivals import BranchState
from .epoch_graph import EVERYTHING
from .frames import SEGMENTS_PER_FRAME
from .heads import Tip
from .logbook import LogBook
from .receipts import Receipt
from .rights import Rights

_NEVER: Final = (-1, -1, -1)


@dataclass(slots=True)
class Channel:
    """See the module's text.

    Args:
        rights: what the other side proved.
        ours: the epochs of which it takes segments from us.
        told: the epochs we proved to it, with the level.
        opened_with: those that our last OPEN proved.
        receipts: the number of the last receipt that came.
        has: branch number → seq up to which the other side has it.
        tips: the other side's heads, as it said them or proved them by sending.
        assumed: logs in which its unknown head is taken to be ahead of ours.
        dirty: branches that may hold something it lacks.
        withheld: branches whose next segment is of an epoch that one of us has not proved.
        opened_here, opened_there: which sides have opened the object on this session.
        met: it told us which membership records it has.
        heads_owed: it has proved no newest epoch, so it was not told our heads.
        behind: a frame of segments was sent, and there is more.
        takes_archives: it takes an archive in place of segments; a node does not, but for a husk.
        refused: it refused our last OPEN, so it does not know yet what we have and may do.
        waits: it takes no segments before its next OPEN; they come to it another way.
        holds: we asked it so.
    """

    book: LogBook
    rights: Rights
    ours: int = EVERYTHING
    told: dict[EpochId, int] = field(default_factory=dict)
    opened_with: tuple[EpochId, ...] = ()
    receipts: int = 0
    has: dict[int, int] = field(default_factory=dict)
    tips: dict[LogId, list[Tip]] = field(default_factory=dict)
    assumed: set[LogId] = field(default_factory=set)
    dirty: dict[int, None] = field(default_factory=dict)
    withheld: dict[int, None] = field(default_factory=dict)
    certified: set[tuple[LogId, EpochId]] = field(default_factory=set)
    records: set[bytes] = field(default_factory=set)
    opened_here: bool = False
    opened_there: bool = False
    met: bool = False
    heads_owed: bool = False
    takes_archives: bool = True
    refused: bool = False
    waits: bool = False
    holds: bool = False
    behind: bool = False
    told_caught_up: bool = False
    caught_up: bool = False
    _within: int = EVERYTHING
    _compared: tuple[int, int, int] = _NEVER

    @property
    def may_read(self) -> bool:
        """Whether segments are sent to it at all."""
        return self.rights.have != 0

    def may_have(self, epochs: Iterable[EpochId]) -> bool:
        """Whether segments of all these epochs are sent to it."""
        return all(self.book.graph.covers(self.rights.have, epoch) for epoch in epochs)

    @property
    def may_write(self) -> bool:
        """Whether segments are taken from it at all."""
        return self.rights.give != 0

    @property
    def acquainted(self) -> bool:
        """Both sides have opened it, and the other may have membership records."""
        return self.opened_here and self.met and self.rights.knows

    @property
    def live(self) -> bool:
        """Both sides have opened it, and the other may read."""
        return self.opened_here and self.opened_there and self.may_read

    @property
    def sends(self) -> bool:
        """Whether segments go to it now."""
        return self.live and not self.waits

    @property
    def brings(self) -> bool:
        """Whether what it has and we lack is on its way to us."""
        return self.met and self.opened_here and not (self.caught_up or self.holds)

    def is_next(self, receipt: Receipt) -> bool:
        """Whether it is not the last one once more. Raises RemoteProtocolError if it is an older one."""
        if receipt.number < self.receipts:
            raise RemoteProtocolError("an old receipt after a newer one")
        is_new = receipt.number > self.receipts
        self.receipts = receipt.number
        return is_new

    def answers(self, receipt: Receipt) -> bool:
        """Whether a whole receipt is about all that our last OPEN asked for.

        Epochs that are not the newest by now count no more at a node; whoever knows so has told us first.
        """
        asked = self.book.plain_graph.newest.keys() & set(self.opened_with)
        return receipt.whole and asked <= set(receipt.epochs)

    def look_again(self) -> None:
        """Tries what was withheld once more, if other epochs are proved by now."""
        within = self.rights.have & self.ours
        if within != self._within:
            self._within = within
            self.dirty.update(self.withheld)
            self.withheld.clear()

    def set_tips(self, tips: Iterable[Tip]) -> None:
        """Takes the other side's heads, and finds what it lacks."""
        self._compared = _NEVER
        self.tips = {}
        for tip in tips:
            self.tips.setdefault(tip.log, []).append(tip)
        self.has = {}
        self.withheld.clear()
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

    def next_closed(self) -> tuple[list[Certificate], Archive] | None:
        """An archive to send next, with certificates, where it takes a key to make segments of it again, or
        nothing does."""
        while (branch := self._next_branch()) is not None:
            start = self._start(branch)
            archive = self.book.archived.closed_at(branch.number, start) if start < branch.kept else None
            if archive is None:
                return None
            graph = self.book.graph
            allowed = graph.covers_all(self._within) or graph.covers(self._within, archive.epoch)
            if (self.takes_archives or archive.is_husk) and allowed:
                self.has[branch.number] = archive.last
                return self._certificates(branch.log), archive
            self._withhold(branch.number)
        return None

    def next_segments(self, room: int) -> tuple[list[Certificate], list[bytes]]:
        """What to send next: certificates not sent yet, and raw segments, at most about ``room`` bytes.

        Nothing where ``next_closed`` has something.
        """
        room = min(room, SEGMENTS_PER_FRAME)
        certificates, raws = self._next_run(room)
        room -= sum(map(len, raws))
        while raws and self.dirty and room > 0:
            more, run = self._next_run(room, alone=False)
            if not run:
                break
            certificates += more
            raws = raws + run
            room -= sum(map(len, run))
        return certificates, raws

    def _next_run(self, room: int, *, alone: bool = True) -> tuple[list[Certificate], list[bytes]]:
        """Segments of one branch; the first however long it is, if it goes ``alone``."""
        while (branch := self._next_branch()) is not None:
            start, last = self._start(branch), self.book.sendable(branch)
            if start < branch.kept and self.book.archived.closed_at(branch.number, start) is not None:
                return [], []
            raws = self.book.read(branch, start, room)[: last - start + 1]
            if not raws:  # damaged on this disk: what follows will be a gap for them, not a loop for us
                self.has[branch.number] = last
                continue
            raws = self._allowed(raws)
            if not raws:
                self._withhold(branch.number)
                continue
            if not alone and len(raws[0]) > room:
                return [], []
            self.has[branch.number] = start + len(raws) - 1
            return self._certificates(branch.log), raws
        return [], []

    def _start(self, branch: BranchState) -> int:
        return max(self.has.get(branch.number, 0) + 1, branch.first)

    def _next_branch(self) -> BranchState | None:
        """The branch of which something is to be sent next."""
        while self.dirty:
            # Every turn gives a branch, drops one, or puts a base in front that can be sent.
            number = next(iter(self.dirty))
            branch = self.book.numbered[number]
            if self._start(branch) > self.book.sendable(branch):
                del self.dirty[number]
                continue
            base = branch.base
            if base is None or (had := self.has.get(base.number, base.first - 1)) >= branch.first - 1:
                return branch
            if base.number in self.withheld:
                self._withhold(number)
            elif had < self.book.sendable(base):
                self.dirty = {base.number: None} | self.dirty
            else:
                del self.dirty[number]
        return None

    def _withhold(self, number: int) -> None:
        del self.dirty[number]
        self.withheld[number] = None

    def _allowed(self, raws: list[bytes]) -> list[bytes]:
        """Segments up to the first that it may not have, or would not take from us."""
        graph, within = self.book.graph, self._within
        if graph.covers_all(within):
            return raws
        for at, raw in enumerate(raws):
            epoch = epoch_of(raw)
            if epoch is None or not graph.covers(within, epoch):
                return raws[:at]
        return raws

    def has_news(self, held: Mapping[EpochId, EpochKeys]) -> bool:
        """Whether there are other records or keys than at the last time: to look at all is dear, and this is
        asked at each segment."""
        before = self._compared
        levels = sum(held[epoch].level for epoch in self.told if epoch in held)
        records = len(self.book.epochs) + len(self.book.grants) + len(self.book.prunes)
        self._compared = records, len(held), levels
        return self._compared != before

    def next_records(self, held: Collection[EpochId] | None = None) -> list[MembershipRecord | Prune]:
        """Records the other side lacks.

        Args:
            held: epochs we can prove; who brings an epoch has to prove its parents. None: we need not.
        """
        lacking = [
            record
            for record in self.book.compared_records()
            if record.id not in self.records
            and (held is None or all(parent in held for parent in _parents(record)))
        ]
        self.records.update(record.id for record in lacking)
        return lacking

    def unproved_parents(self, record: MembershipRecord | Prune) -> list[EpochId]:
        """The parents of an epoch that we have not proved on this session."""
        return [parent for parent in _parents(record) if parent not in self.told]

    def _certificates(self, log: LogId) -> list[Certificate]:
        certificates = self.book.certified.get(log, ())
        fresh = [c for c in certificates if (c.log, c.epoch) not in self.certified]
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


def _parents(record: MembershipRecord | Prune) -> tuple[EpochId, ...]:
    return record.parents if isinstance(record, Epoch) else ()
