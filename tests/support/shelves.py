"""A node without sockets, and clients of it that keep a book of one object each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from peergos_collab.codec.ids import EpochId, LogId, ObjectId
from peergos_collab.crypto import SigningKey
from peergos_collab.node.commits import Commit
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.records import MembershipRecord
from peergos_collab.objects.segments import Segment, seal_segment
from peergos_collab.ports import Random
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import (
    EphemeralCame,
    RecordsCame,
    RefusedCame,
    SegmentsCame,
)
from peergos_collab.testing.store import MemoryStore
from peergos_collab.testing.transport import MemoryConnection


class Log:
    """A log that goes through epochs, sealed with whatever keys one has."""

    def __init__(self, object_id: ObjectId, random: Random) -> None:
        self.object = object_id
        self.random = random
        self.key = SigningKey.generate(random)
        self.segments: list[Segment] = []

    @property
    def id(self) -> LogId:
        return LogId(self.key.public)

    def certificate(self, epoch: EpochId, keys: EpochKeys) -> bytes:
        return Certificate.issue(self.object, epoch, self.id, keys.signing_key(Level.WRITE)).raw

    def write(self, epoch: EpochId, keys: EpochKeys, payload: bytes = b"x") -> Segment:
        previous = self.segments[-1].id if self.segments else b""
        seq = len(self.segments) + 1
        segment = seal_segment(
            self.object, self.key, seq, previous, epoch, payload, keys.content, self.random
        )
        self.segments.append(segment)
        return segment


class Client:
    """One side of a session, with a book, the keys it proves, and what came.

    Args:
        keys: shared with whoever finds more of them.
    """

    def __init__(
        self,
        object_id: ObjectId,
        keys: Mapping[EpochId, EpochKeys],
        random: Random,
        records: Iterable[MembershipRecord],
    ) -> None:
        self.object = object_id
        self.keys = keys
        self.random = random
        self.book = LogBook(object_id, MemoryStore())
        self.know(*(record.raw for record in records))
        self.refused: list[str] = []
        self.receipts: list[Receipt] = []
        self.passing: list[bytes] = []
        self.sent: list[bytes] = []
        self.came: list[bytes] = []

    def start(self, channel: bytes, **how: Any) -> Session:
        self.session = Session(channel, self._find, self.random, **how)
        return self.session

    def _find(self, object_id: ObjectId) -> LogBook | None:
        return self.book if object_id == self.object else None

    def open(self) -> None:
        self.session.open(self.object, self.keys)

    def know(self, *raws: bytes) -> None:
        """Takes records as if somebody else had brought them."""
        self.book.store.write(self.book.take_records(raws).batch)

    def bring(self, *raws: bytes) -> None:
        """Takes records and tells the other side, as the engine does."""
        self.know(*raws)
        self.session.announce(self.object)

    def put(self, *segments: Segment) -> None:
        """Takes segments and tells the other side."""
        offered = self.book.take_segments([segment.raw for segment in segments])
        assert not offered.gaps
        self.book.store.write(offered.batch)
        self.session.announce(self.object, offered.arrivals)

    def receive(self, frame: bytes) -> None:
        self.came.append(frame)
        for event in self.session.receive_untrusted(frame):
            self._handle(event)

    def _handle(self, event: Any) -> None:
        if isinstance(event, RecordsCame):
            offered = self.book.take_records(event.raws, self.session.admits(self.object))
            self.book.store.write(offered.batch)
            self.found(offered.records)
            self.session.announce(self.object)
        elif isinstance(event, SegmentsCame):
            offered = self.book.take_segments(event.raws, self.session.gives(self.object))
            self.book.store.write(offered.batch)
            self.session.note_taken(self.object, offered.arrivals, offered.known)
            self.session.grant_credit(event.size)
            if offered.barred:
                self.open()
        elif isinstance(event, RefusedCame):
            self.refused.append(event.reason)
            if event.reason == "unknown" and self.refused.count("unknown") == 1:
                self.introduce()
            elif event.reason == "gap" and self.refused.count("gap") <= 3:
                self.open()
        elif isinstance(event, Receipt):
            self.receipts.append(event)
        elif isinstance(event, EphemeralCame):
            self.passing.append(event.sealed)

    def introduce(self) -> None:
        """The node does not have the object: with its first epoch it can check our proofs."""
        first = [epoch.raw for epoch in self.book.epochs.values() if epoch.first]
        self.session.send_records(self.object, first)
        self.open()

    def found(self, records: Iterable[Any]) -> None:
        """Records are new here: a member finds keys in them."""

    @property
    def heads(self) -> set[tuple[bytes, int]]:
        return {(tip.log, tip.seq) for tip in self.book.tips()}


class Connected(Client):
    """A client of a running node, over a connection."""

    def over(self, connection: MemoryConnection) -> None:
        self.connection = connection
        self.start(connection.channel, with_node=True)
        self.open()

    async def until_silent(self) -> None:
        """Sends what is ready and takes what comes, until the node has answered all of it."""
        self.session.ping(len(self.came))
        while True:
            for frame in self.session.take_outgoing():
                self.connection.send(frame)
            frame = await self.connection.receive()
            self.receive(frame)
            if decode_frame_untrusted(frame)[0] is Frame.PONG:
                return


class NodeAndClients:
    """A shelf and its clients; frames go back and forth until nothing moves."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.time = 1_000
        self.store = MemoryStore()
        self.shelf = Shelf(self.store, SigningKey.generate(random), lambda: self.time, random)
        self.clients: list[tuple[Client, Session]] = []

    def connect(self, client: Client) -> Client:
        client.start(b"pin", with_node=True)
        self.clients.append((client, self.shelf.attach(b"pin")))
        client.open()
        return client

    def session_of(self, client: Client) -> Session:
        """The node's side."""
        return next(session for one, session in self.clients if one is client)

    def to_node(self, client: Client) -> None:
        """Only what the client has to send, and no answer."""
        for frame in client.session.take_outgoing():
            client.sent.append(frame)
            self.write(self.shelf.receive_untrusted(self.session_of(client), frame))
            while self.shelf.work(self.session_of(client)):
                pass

    def write(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self.store.write(commit.batch)
            commit.durable()

    def settle(self) -> None:
        self.move()
        if self.shelf.waits:
            self.write(self.shelf.beat())
            self.move()

    def move(self) -> None:
        """As ``settle``, before the node's next beat."""
        moved = True
        while moved:
            moved = False
            for client, session in self.clients:
                before = len(client.sent)
                self.to_node(client)
                moved |= len(client.sent) > before
                for frame in session.take_outgoing():
                    moved = True
                    client.receive(frame)
