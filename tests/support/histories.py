"""Small histories of one object for tests of folds: several authors, concurrent segments, forks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from peergos_collab.codec.ids import AccountId, DeviceId, LogId, PrincipalId, RunId, SegmentId
from peergos_collab.objects.payload import Author, Delivery, Kind

RUN = RunId(b"r" * 16)


def author(name: str, device: int = 1) -> Author:
    """A person with a stable account, on one of his devices."""
    account = name.encode()[:31].ljust(31, b"\1")
    return Author(
        AccountId(account + b"\0"),
        DeviceId(account + bytes([device])),
        PrincipalId(account + b"\0"),
        name,
    )


@dataclass
class Written:
    """A segment and what a test may know about it: its Lamport time, and all that is in its past."""

    delivery: Delivery
    lamport: int
    past: frozenset[SegmentId]

    @property
    def id(self) -> SegmentId:
        return self.delivery.segment


@dataclass
class History:
    """Makes deliveries. Each segment may follow, and cite, any others."""

    written: list[Written] = field(default_factory=list)

    def write(
        self,
        who: Author,
        content: bytes | Callable[[int], bytes],
        *,
        log: str = "",
        after: Written | None = None,
        cites: Sequence[Written] = (),
        kind: Kind = Kind.CHAT,
        passed_by: bool = False,
        time: int = 1_000,
    ) -> Written:
        """Adds a segment.

        Args:
            content: bytes, or a function of the Lamport time that the segment ought to carry.
            after: the segment it follows in its log; one that already has a follower makes a fork.
            passed_by: it carries no Lamport time of its own.
        """
        known = [*cites, *([after] if after else [])]
        latest = max((one.lamport for one in known), default=0)
        lamport = latest if passed_by else latest + 1
        number = len(self.written) + 1
        delivery = Delivery(
            segment=SegmentId(Random(number).randbytes(32)),
            log=after.delivery.log if after else LogId((log or who.name).encode()[:32].ljust(32, b"L")),
            seq=after.delivery.seq + 1 if after else 1,
            previous=after.id if after else None,
            cites=tuple(one.id for one in cites),
            author=who,
            run=RUN,
            time=time,
            kind=kind,
            content=content if isinstance(content, bytes) else content(latest + 1),
            via="memory",
        )
        past = frozenset[SegmentId]().union(*({one.id} | one.past for one in known))
        self.written.append(Written(delivery, lamport, past))
        return self.written[-1]

    def causal_order(self, random: Random) -> list[Written]:
        """All segments, each after everything it cites, otherwise in any order."""
        order: list[Written] = []
        waiting, done = list(self.written), set[SegmentId]()
        while waiting:
            ready = [one for one in waiting if one.past <= done]
            one = random.choice(ready)
            waiting.remove(one)
            order.append(one)
            done.add(one.id)
        return order
