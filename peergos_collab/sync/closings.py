"""Where membership records end the logs of who was removed or lowered, and what counts past such an end.

A removal names the last segment of each log that its author had accepted; what comes after it, and logs
it does not name, count only if a segment that counts cites them. So a removed member cannot add to what
he wrote in the epochs whose keys he has, and nothing falls away that others have built upon. This is a
function of the set of records and segments: the least set that holds what is not past an end, and what
its segments cite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

from ..codec.ids import DeviceId, EpochId, LogId, SegmentId
from ..objects.membership import View
from ..objects.op_kinds import Close
from ..objects.payload import LOG_PREFIX, Author, Cite
from .arrivals import BranchState
from .logbook import LogBook

Ends: TypeAlias = Mapping[LogId, Close]
"""The last segment of each log that counts; of one that is not in here, none does."""


class Placed(Protocol):
    """A segment, or what stands for one."""

    @property
    def log(self) -> LogId: ...
    @property
    def seq(self) -> int: ...
    @property
    def id(self) -> SegmentId: ...
    @property
    def epoch(self) -> EpochId: ...


def ends_of(view: View, author: Author, adders: frozenset[DeviceId], epoch: EpochId) -> Ends | None:
    """Where the logs of an author end that were written under an epoch; None where they do not.

    Whose only add turned out to be void, as one that an ex-admin dated back, never was a member.
    """
    ends = view.closed(
        author.principal, device=author.device, account=author.account, epoch=epoch, adders=adders
    )
    if ends is None and author.principal not in view.members:
        return {}
    return ends


class Closings:
    """See the module's text.

    Attributes:
        version: grows when more may count than before.
    """

    def __init__(self, book: LogBook) -> None:
        self.version = 0
        self._book = book
        self._cited: dict[bytes, set[tuple[int, bytes]]] = {}
        self._view: View | None = None
        self._ends: dict[tuple[Author, frozenset[DeviceId], EpochId], Ends | None] = {}

    def take_book(self, book: LogBook) -> None:
        """Goes on with another book of the same store."""
        self._book = book

    def counts(self, view: View, segment: Placed, author: Author, adders: frozenset[DeviceId]) -> bool:
        """Whether a segment is not past the end of its log, or is cited by one that counts.

        Args:
            adders: the devices that added its author's, by the account log that came with it.
        """
        ends = self._ends_of(view, author, adders, segment.epoch)
        if ends is None:
            return True
        end = ends.get(segment.log)
        if end is not None and self._leads_to(segment, end.seq, end.id):
            return True
        return any(
            self._book.find(segment.log, seq, id_) is not None and self._leads_to(segment, seq, id_)
            for seq, id_ in self._cited.get(segment.log[:LOG_PREFIX], ())
        )

    def keep(self, cites: Iterable[Cite]) -> None:
        """A segment that counts cites these: they count, too."""
        for cite in cites:
            known = self._cited.setdefault(cite.log, set())
            if (cite.seq, cite.id) not in known:
                known.add((cite.seq, cite.id))
                self.version += 1

    def passes_end(
        self,
        view: View,
        author: Author,
        adders: frozenset[DeviceId],
        epoch: EpochId,
        branch: BranchState,
        seq: int,
    ) -> bool:
        """Whether a branch that was followed up to ``seq`` ends before, by what is known now."""
        ends = self._ends_of(view, author, adders, epoch)
        if ends is None:
            return False
        end = ends.get(branch.log)
        return end is None or not self._is_on_the_way(branch, seq, end.seq, end.id)

    def take_view(self, view: View) -> None:
        """Judges by these members from now on."""
        if self._view is not view:
            self._view = view
            self._ends.clear()
            self._cited.clear()  # by segments that may not count any more; those that do are asked again

    def _ends_of(
        self, view: View, author: Author, adders: frozenset[DeviceId], epoch: EpochId
    ) -> Ends | None:
        self.take_view(view)
        key = author, adders, epoch
        try:
            return self._ends[key]  # asked for each segment: the key is hashed once
        except KeyError:
            ends = self._ends[key] = ends_of(view, *key)
            return ends

    def _leads_to(self, segment: Placed, seq: int, id_: bytes) -> bool:
        """Whether a segment is the one at ``seq`` of its log, or before it on the same branch."""
        branch = self._book.find(segment.log, segment.seq, segment.id)
        return branch is not None and self._is_on_the_way(branch, segment.seq, seq, id_)

    def _is_on_the_way(self, branch: BranchState, at: int, seq: int, id_: bytes) -> bool:
        """Whether what a branch has at one place leads to the segment at ``seq`` with this id.

        While that one is not here, it is taken to follow on the same branch.
        """
        if at > seq:
            return False
        holder = self._book.find(branch.log, seq, id_)
        if holder is None:
            return True
        while holder is not None and at < holder.first:
            holder = holder.base
        return holder is branch
