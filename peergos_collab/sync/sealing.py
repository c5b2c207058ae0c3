"""Sealing into this device's own log: what it seals cites all that was delivered before, and says who wrote.

A log key is certified once per epoch. A log of which something does not count any more, as after a removal,
is not gone on with.
"""

from __future__ import annotations

from dataclasses import field

from ..codec.ids import EpochId, LogId, RunId, SegmentId
from ..crypto import SigningKey
from ..errors import NoAccess
from ..objects.bindings import introduce
from ..objects.certificates import Certificate
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.operations import MAX_HEADS
from ..objects.payload import LOG_PREFIX, MAX_CITES, Cite, Kind, Payload, encode_payload
from ..objects.segments import seal_segment
from ..ports import Batch, Random
from ..values import dataclass
from .arrivals import Arrival, BranchState
from .causal_order import CausalOrder
from .logbook import LogBook
from .own_log import OwnLogs
from .own_seat import OwnSeat


@dataclass(slots=True)
class Collected:
    """A batch to make durable. Once it is, ``arrivals`` may be announced to others."""

    batch: Batch
    arrivals: list[Arrival] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a segment.

    Args:
        first: number of the first change of the run in it.
        count: of changes.
        time: ms since 1970.
        alone: it says who wrote it though others before it do: it is read by who opens none of them.
    """

    run: RunId
    first: int
    count: int
    kind: Kind
    time: int
    raw: bytes
    alone: bool = False


class Sealer:
    """See the module's text.

    Attributes:
        order: what was delivered; its owner renews it when all is folded anew.
    """

    def __init__(
        self, book: LogBook, order: CausalOrder, own: OwnLogs, seat: OwnSeat, random: Random
    ) -> None:
        self.order = order
        self._book = book
        self._own = own
        self._seat = seat
        self._random = random
        self._told_heads: tuple[bytes, ...] = ()
        self._collected: tuple[Arrival, ...] = ()

    def settle(self) -> None:
        """What was sealed last is durable."""
        self._book.settle(self._collected)
        self._collected = ()

    def seal(self, content: Content) -> Collected:
        """Raises NoAccess where there is no epoch to write in."""
        epoch = self.epoch()
        keys = self._seat.keys[epoch]
        collected = Collected([])
        log_key = self._log_key(epoch, keys, collected)
        log = LogId(log_key.public)
        branch = self._own_branch(log)
        known = self._is_introduced(branch, epoch) and not content.alone
        heads = self.order.view.heads[:MAX_HEADS]
        cites, cited = self._cites(log)
        payload = Payload(
            content.run,
            content.first,
            content.count,
            cites,
            () if heads == self._told_heads and known else heads,
            content.kind,
            content.time,
            content.raw,
            None if known else introduce(self._book.object, epoch, log, self._seat.actor),
        )
        seq, previous = (branch.tip + 1, branch.tip_id) if branch is not None else (1, b"")
        segment = seal_segment(
            self._book.object,
            log_key,
            seq,
            previous,
            epoch,
            encode_payload(payload),
            keys.content,
            self._random,
            coarse=payload.introduction is not None,
        )
        offered = self._book.append_own(segment)
        collected.batch += offered.batch
        collected.arrivals += offered.arrivals
        self._collected = tuple(offered.arrivals)
        self._told_heads = heads
        self.order.take_own(offered.arrivals[0], payload, cited)
        return collected

    def epoch(self) -> EpochId:
        """The epoch to write in. Raises NoAccess."""
        epoch = self._seat.epoch()
        if epoch is None:
            raise NoAccess("you may read this, but not change it")
        return epoch

    def _log_key(self, epoch: EpochId, keys: EpochKeys, collected: Collected) -> SigningKey:
        log_key = self._own.current
        if log_key is None or self._is_ended(LogId(log_key.public)):
            log_key, put = self._own.open_new()
            collected.batch += put
            self.order.uncited = dict.fromkeys(self.order.applied)
            self._told_heads = ()
        log = LogId(log_key.public)
        if (log, epoch) not in self._book.certificates:
            write_key = keys.signing_key(Level.WRITE)
            certificate = Certificate.issue(self._book.object, epoch, log, write_key)
            collected.batch += self._book.take_records([certificate.raw]).batch
        return log_key

    def _is_ended(self, log: LogId) -> bool:
        """Whether something in an own log does not count, as after a removal: nor would what follows it."""
        branch = self._own_branch(log)
        return branch is not None and self.order.applied.get(branch.number, 0) < branch.tip

    def _is_introduced(self, branch: BranchState | None, epoch: EpochId) -> bool:
        if branch is None:
            return False
        return self.order.introductions.before(branch, epoch, branch.tip + 1) is not None

    def _own_branch(self, log: LogId) -> BranchState | None:
        branches = self._book.branches.get(log, [])
        return branches[0] if branches else None

    def _cites(self, own_log: LogId) -> tuple[tuple[Cite, ...], list[int]]:
        """What to cite, and the numbers of the branches that are cited by it."""
        cites: list[Cite] = []
        cited: list[int] = []
        for number in self.order.uncited:
            if len(cites) == MAX_CITES:
                break  # the rest is cited by the next segment
            cited.append(number)
            branch = self._book.numbered[number]
            seq = self.order.applied.get(number, 0)
            id_ = self._book.id_at(branch, seq) if seq >= branch.first and branch.log != own_log else None
            if id_:
                cites.append(Cite(branch.log[:LOG_PREFIX], seq, SegmentId(id_)))
        return tuple(cites), cited
