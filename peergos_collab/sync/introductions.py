"""Who writes each branch of an object's logs: what its segments say of their author, once it was verified.

The first segment of a branch in each epoch says it; those after it are by the same. Kept per branch, not
per log: the branches of a forked log may each introduce somebody else. Where that segment is forgotten, the
base that stands for it carries what it said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..codec.ids import EpochId, LogId
from ..objects.bindings import Introduced, check_introduction_untrusted
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.log_writers import UnverifiedWriter
from ..objects.membership import View
from ..objects.payload import Payload, decode_payload_untrusted
from ..objects.segments import Segment
from ..objects.snapshots import SnapshotPlace
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
        self._carried: dict[tuple[int, EpochId], tuple[int, UnverifiedWriter]] = {}

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
        if known is None and self._carried:
            known = self._verify_carried_untrusted(branch, segment.epoch, segment.seq, view)
        if known is None:
            known = self.read_untrusted(segment, payload, view)
            self.said[branch.number, segment.epoch] = segment.seq, known
        return known

    def carry(self, writers: Iterable[UnverifiedWriter]) -> None:
        """Takes what a base says of who writes logs of which the segments that said so are forgotten."""
        for one in writers:
            branch = self._book.find(one.place.log, one.place.seq, one.place.id)
            if branch is not None:
                self._carried.setdefault((branch.number, one.epoch), (one.place.seq, one))

    def to_carry(self, keys: Mapping[EpochId, EpochKeys]) -> list[UnverifiedWriter]:
        """Who writes what logs, for a base that stands for all. Raises Damaged."""
        found = {key: one for key, (_, one) in self._carried.items()}
        for (number, epoch), (seq, _) in self.said.items():
            branch, held = self._book.numbered[number], keys.get(epoch)
            segment = next(self._book.stored(branch, seq), None) if held is not None else None
            if held is None or segment is None or not segment.is_here:
                continue
            payload = decode_payload_untrusted(segment.open(held.content))
            place = SnapshotPlace(segment.log, seq, segment.id)
            found[number, epoch] = UnverifiedWriter(place, epoch, payload.heads, payload.introduction)
        return list(found.values())

    def _verify_carried_untrusted(
        self, branch: BranchState, epoch: EpochId, seq: int, view: View
    ) -> Introduced | None:
        """Who was introduced before a seq by a segment that is forgotten. Raises as ``read_untrusted``."""
        below: BranchState | None = branch
        while below is not None:
            at, one = self._carried.get((below.number, epoch), (seq, None))
            if one is not None and at < seq:
                known = one.verify(self._book.object, view)
                self.said[below.number, epoch] = at, known
                return known
            seq, below = min(seq, below.first), below.base
        return None

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
