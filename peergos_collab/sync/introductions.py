"""Who writes each branch of an object's logs: what its segments say of their author, once it was verified.

The first segment of a branch in each epoch says it; those after it are by the same. Kept per branch, not
per log: the branches of a forked log may each introduce somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..codec.ids import EpochId, LogId
from ..objects.bindings import Introduced, check_introduction_untrusted
from ..objects.epoch_keys import Level
from ..objects.membership import View
from ..objects.payload import Payload
from ..objects.segments import Segment
from .arrivals import BranchState
from .logbook import LogBook


class Introductions:
    """See the module's text.

    Attributes:
        said: by branch number and epoch: the seq of the segment that says it, and who writes there.
    """

    def __init__(self, book: LogBook) -> None:
        self.said: dict[tuple[int, EpochId], tuple[int, Introduced]] = {}
        self._book = book

    def take_book(self, book: LogBook) -> None:
        """Goes on with another book of the same store."""
        self._book = book

    def writers(self) -> Iterator[Introduced]:
        """Everybody who wrote, once per log and epoch at least."""
        return (introduced for _, introduced in self.said.values())

    def writer_of(self, log: LogId) -> Introduced | None:
        """Who writes a log, as far as it was delivered."""
        return next((who for branch, _, who in self.all() if branch.log == log), None)

    def all(self) -> Iterator[tuple[BranchState, EpochId, Introduced]]:
        """Who writes each branch, under each epoch in which it was said."""
        epochs = dict.fromkeys(epoch for _, epoch in self.said)
        for branch in self._book.numbered.values():
            for epoch in epochs:
                who = self.before(branch, epoch, branch.tip + 1)
                if who is not None:
                    yield branch, epoch, who

    def before(self, branch: BranchState, epoch: EpochId, seq: int) -> Introduced | None:
        """Who was introduced before a seq, on this branch or on what it forks from."""
        below: BranchState | None = branch
        while below is not None:
            said = self.said.get((below.number, epoch))
            if said is not None and said[0] < seq:
                return said[1]
            seq, below = min(seq, below.first), below.base
        return None

    def take_untrusted(
        self, branch: BranchState, segment: Segment, payload: Payload, view: View
    ) -> Introduced:
        """Who wrote a segment: as was said before it, or as it says itself. Raises as ``read_untrusted``."""
        known = self.before(branch, segment.epoch, segment.seq)
        if known is None:
            known = self.read_untrusted(segment, payload, view)
            self.said[branch.number, segment.epoch] = segment.seq, known
        return known

    def read_untrusted(self, segment: Segment, payload: Payload, view: View) -> Introduced:
        """Who a segment says wrote it.

        Raises:
            NoMember: he may not write, as far as the members are known.
            RemoteProtocolError: it says nothing, or something false.
        """
        return check_introduction_untrusted(
            payload.introduction,
            self._book.object,
            segment.epoch,
            segment.log,
            view,
            Level.WRITE,
            payload.heads,
        )
