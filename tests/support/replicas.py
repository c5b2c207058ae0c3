"""Replicas of people who share a chat, and a pretended network between them."""

from __future__ import annotations

from collections.abc import Iterable

from peergos_collab.chat import Message
from peergos_collab.codec.ids import RunId
from peergos_collab.objects.payload import Payload, decode_payload_untrusted
from peergos_collab.objects.records import MembershipRecord
from peergos_collab.objects.segments import Segment
from peergos_collab.ports import Random
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.testing.store import MemoryStore, _copy
from peergos_collab.workspace.folds import ChatFold
from support.members import Group, Person


class Chatting:
    """One person's replica of a group's chat. It is released: what is said is sealed at once."""

    def __init__(
        self,
        group: Group,
        person: Person,
        random: Random,
        store: MemoryStore | None = None,
        *,
        told: bool = True,
    ) -> None:
        self.person = person
        self._group, self._random = group, random
        store = store or MemoryStore()
        time = iter(range(1_000, 1 << 40))
        self.clock = lambda: next(time)
        self.fold = ChatFold()
        self.replica = Replica(
            group.object,
            LogBook.load(group.object, store),
            self.fold,
            {},
            person.maker.actor,
            person.credentials.local,
            RunId(random(16)),
            self.clock,
            random,
        )
        self.replica.released = True
        self.replica.deliver_stored()
        if told:
            self.know(*person.records)

    def again(self) -> Chatting:
        """The same person on a copy of the disk, folded from what is stored."""
        store = MemoryStore()
        own: MemoryStore = self.replica.store  # type: ignore[assignment]
        store._durable, store._seen = _copy(own._seen), _copy(own._seen)
        store._branch, store._journal = own._branch, own._journal
        return Chatting(self._group, self.person, self._random, store, told=False)

    def know(self, *records: MembershipRecord) -> None:
        self.take([record.raw for record in records], [])

    def take(self, records: Iterable[bytes], segments: Iterable[bytes]) -> None:
        """Takes what others have, as a shell does."""
        replica = self.replica
        replica.store.write(replica.take_records(records).batch)
        replica.deliver_waiting("memory")
        replica.store.write(replica.take_segments(segments, "memory").offered.batch)

    def say(self, text: str) -> list[Segment]:
        """Says something; the segments that were sealed, none where it had to stay in the journal."""
        self.replica.submit(self.fold.add_local(Message(text), self.clock()))
        sealed: list[Segment] = []
        while (collected := self.replica.collect()) is not None:
            self.replica.store.write(collected.batch)
            sealed += [arrival.segment for arrival in collected.arrivals]
        self.person.take(*self.replica.book.membership_records())
        return sealed

    def tell(self, *others: Chatting) -> None:
        """Gives everything it has to some others."""
        for other in others:
            other.take(*self.all())
            other.person.take(*other.replica.book.membership_records())

    def all(self) -> tuple[list[bytes], list[bytes]]:
        """Its records and its segments."""
        book = self.replica.book
        records = [record.raw for record in book.membership_records()]
        return [*records, *(certificate.raw for certificate in book.certificates.values())], self.segments()

    def segments(self) -> list[bytes]:
        book = self.replica.book
        return [raw for branch in book.numbered.values() for raw in book.read(branch, branch.first, 1 << 30)]

    def open(self, segment: Segment) -> Payload:
        return decode_payload_untrusted(segment.open(self.replica.keys[segment.epoch].content))

    @property
    def texts(self) -> list[str]:
        timeline = self.fold.timeline
        return [message.text for message in timeline.messages(0, len(timeline))]


def meet(*people: Chatting) -> None:
    """Everybody has what everybody has."""
    for _ in range(2):
        for one in people:
            one.tell(*(other for other in people if other is not one))
