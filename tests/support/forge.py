"""Hostile hands: segments, certificates and payloads made with whatever keys one has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from peergos_collab.codec.ids import LogId, RunId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.bindings import introduce
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.operations import Actor
from peergos_collab.objects.payload import Cite, Kind, Payload, encode_payload
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.objects.segments import Segment, seal_segment
from peergos_collab.objects.wraps import Recipient
from peergos_collab.ports import Random
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.folds import ChatFold, DocumentFold, EntriesFold
from support.circle import Circle, Membership, account_principal, found


@dataclass
class Forger:
    """Writes one log of a circle's object, and says in it whatever it likes.

    Args:
        write_key: signs the certificate; a writer's by default.
        run: one of its own by default.
    """

    circle: Circle
    actor: Actor
    random: Random
    write_key: SigningKey | None = None
    key: SigningKey = field(init=False)
    run: RunId = field(default_factory=lambda: RunId(b""))
    segments: list[Segment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = SigningKey.generate(self.random)
        self.run = self.run or RunId(self.random(16))

    @property
    def log(self) -> LogId:
        return LogId(self.key.public)

    @property
    def certificate(self) -> bytes:
        signer = self.write_key or self.circle.members[0].keys.signing_key(Level.WRITE)
        return Certificate.issue(self.circle.object, self.circle.epoch_id, self.log, signer).raw

    def introduction(self) -> list[Any]:
        return introduce(self.circle.object, self.circle.epoch_id, self.log, self.actor)

    def payload(self, content: bytes, **changed: Any) -> bytes:
        """A payload that is right but for what is ``changed``."""
        known = {
            "run": self.run,
            "first": 1,
            "count": 1,
            "cites": (),
            "heads": tuple(one.id for one in self.circle.grants) or (self.circle.epoch_id,),
            "kind": self.circle.kind,
            "time": 1_000,
            "content": content,
            "introduction": None if self.segments else self.introduction(),
        }
        return encode_payload(Payload(**{**known, **changed}))

    def write(self, content: bytes, **changed: Any) -> bytes:
        """The next segment of the log."""
        return self.write_raw(self.payload(content, **changed))

    def write_raw(self, payload: bytes, *, after: int | None = None) -> bytes:
        """A segment with any bytes in it; after the segment at ``after``, which makes a fork."""
        before = self.segments if after is None else self.segments[:after]
        previous = before[-1].id if before else b""
        segment = seal_segment(
            self.circle.object,
            self.key,
            len(before) + 1,
            previous,
            self.circle.epoch_id,
            payload,
            self.circle.members[0].keys.content,
            self.random,
        )
        self.segments.append(segment)
        return segment.raw


def cite(segment: Segment) -> Cite:
    return Cite(segment.log[:8], segment.seq, segment.id)


def replica_of(
    circle: Circle,
    member: Membership,
    random: Random,
    store: MemoryStore | None = None,
    records: Sequence[bytes] | None = None,
) -> Replica:
    """A member's replica with the membership records (or some), and a fold of the circle's kind."""
    store = store or MemoryStore()
    book = LogBook.load(circle.object, store)
    store.write(book.take_records(circle.records if records is None else records).batch)
    run = RunId(random(16))
    time = iter(range(1_000, 1 << 40))
    fold = _fold(circle, member, run, lambda: next(time))
    keys = {circle.epoch_id: member.keys}
    return Replica(
        circle.object,
        book,
        fold,
        keys,
        member.actor,
        member.credentials.local,
        run,
        lambda: next(time),
        random,
    )


def _fold(circle: Circle, member: Membership, run: RunId, clock: Callable[[], int]) -> Any:
    device = member.credentials.device_id
    if circle.kind is Kind.DOCUMENT:
        return DocumentFold(circle.object, device, run, clock)
    return ChatFold() if circle.kind is Kind.CHAT else EntriesFold(device)


def settle(replica: Replica, circle: Circle, member: Membership, random: Random) -> int:
    """Folds anew until nothing depends on what came first, as the workspace does; says how often."""
    times = 0
    while replica.unsettled or not _is_true(replica):
        book = LogBook.load(circle.object, replica.store)
        anew = replica.fold_anew(book, _fold(circle, member, RunId(random(16)), lambda: 0))
        replica.store.write(replica.adopt(anew))
        times += 1
    return times


def _is_true(replica: Replica) -> bool:
    return not isinstance(replica.fold, DocumentFold) or replica.fold.document.prove()


def take(replica: Replica, *raws: bytes) -> None:
    """Gives a replica segments and writes the batch, as a shell does."""
    replica.store.write(replica.take_segments(raws, "memory").offered.batch)


def take_certificates(replica: Replica, *raws: bytes) -> None:
    replica.store.write(replica.take_records(raws).batch)


def child_epoch(circle: Circle, member: Membership, random: Random) -> bytes:
    """A well-formed second epoch, signed with the write key, with keys that only its maker has."""
    keys = EpochKeys.generate(random)
    stranger = account_principal(found("Stranger", random))
    held = {circle.epoch_id: member.keys}
    recipients = [Recipient(stranger.box, Level.READ)]
    said = Said(Rotate(), member.actor)
    return next_epoch(circle.object, keys, held, {}, recipients, said, random).raw
