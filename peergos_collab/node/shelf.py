"""What a node does with the frames of its sessions: check, keep, pass on. No key, no I/O, no names.

A node is a peer without keys. It keeps the same log books as members do, serves an object to sessions
that prove a read key of it, and takes segments from those that prove a write key. Which epochs count is
in ``sync.rights``: with a key of an old one a session gets membership records, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Final

from ..codec.ids import EpochId, LogId, ObjectId
from ..crypto import SigningKey
from ..errors import Damaged, RemoteProtocolError
from ..objects.links import Drop
from ..objects.records import Epoch
from ..ports import Clock, PutValue, Random, SegmentStore
from ..sync.arrivals import Offered, Record
from ..sync.channel import Channel
from ..sync.frames import Frame, encode_frame
from ..sync.heads import Tip
from ..sync.logbook import LogBook
from ..sync.receipts import Receipt
from ..sync.session import Session
from ..sync.session_events import (
    ArchiveCame,
    Closed,
    ClosedArchiveCame,
    CollectionChanged,
    CollectionOffered,
    CompareWanted,
    DropOffered,
    DropWanted,
    EphemeralCame,
    MailDropped,
    MailOffered,
    MailWanted,
    Met,
    Opened,
    ReceiptWanted,
    RecordsCame,
    SegmentsCame,
    SessionEvent,
    WatchwordCame,
)
from ..values import dataclass
from .asked_receipts import AskedReceipts
from .collections import CHANGES, COMPARES, Collections
from .commits import Commit, nothing
from .mailboxes import Mailboxes
from .numbering import Numbering
from .passing import Passing
from .pruning import GRACE_HOURS, Pruning
from .rates import Rate

DROPS: Final = "drops"
DROP_LIFETIME: Final = 366 * 24 * 3600 * 1000
"""Milliseconds a drop is kept at most; whoever wants a link to live longer shares anew."""

IDLE_BOOKS: Final = 64
"""Books kept, at least, of objects that no session has open: those who know an object's id have it read, and
reading it again is dear. Twice as many are let go down to this."""

BEAT_SECONDS: Final = 0.25
"""Within which others than its author hear that something is durable: at each keystroke a receipt to
everybody would cost as much as the keystroke itself."""


@dataclass(slots=True)
class _Durable:
    """Heads that became durable, of which not all have heard."""

    logs: dict[LogId, list[Tip]] = field(default_factory=dict)
    epochs: set[EpochId] = field(default_factory=set)

    @property
    def tips(self) -> list[Tip]:
        return [tip for tips in self.logs.values() for tip in tips]

    def take(self, tips: Iterable[Tip], epochs: set[EpochId]) -> None:
        newer: dict[LogId, list[Tip]] = {}
        for tip in tips:
            newer.setdefault(tip.log, []).append(tip)
        self.logs |= newer
        self.epochs |= epochs


@dataclass(slots=True)
class Shelf:
    """See the module's text.

    Args:
        receipt_key: signs what is durable.
        stun: whether clients are told that the node answers STUN.
        grace: hours that members have to object before archives take the place of segments.
        touched: sessions that may have frames to send; the shell empties it.
    """

    store: SegmentStore
    receipt_key: SigningKey
    clock: Clock
    random: Random
    stun: bool = False
    grace: int = GRACE_HOURS
    sessions: dict[int, Session] = field(default_factory=dict)
    touched: dict[int, Session] = field(default_factory=dict)
    mailboxes: Mailboxes = field(init=False)
    numbering: Numbering = field(init=False)
    collections: Collections = field(init=False)
    passing: Passing = field(init=False)
    pruning: Pruning = field(init=False)
    asked_receipts: AskedReceipts = field(default_factory=AskedReceipts)
    _open: dict[ObjectId, dict[int, Session]] = field(default_factory=dict)
    """The sessions on which an object is open: whoever has many others open costs this one nothing."""
    _books: dict[ObjectId, LogBook] = field(default_factory=dict)
    _most_books: int = 2 * IDLE_BOOKS
    _durable: dict[ObjectId, _Durable] = field(default_factory=dict)
    _compares: dict[int, Rate] = field(default_factory=dict)
    _changes: dict[int, Rate] = field(default_factory=dict)
    _asked: dict[int, CompareWanted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mailboxes = Mailboxes(self.store, self.clock, self._touch)
        self.numbering = Numbering(self.store, self.clock)
        self.collections = Collections(self.store, self.random, self._books.get)
        self.passing = Passing(self.clock, self._readers, self._touch)
        self.pruning = Pruning(self.store, self.find_book, self._touch, self._readers, self.grace)

    def attach(self, channel: bytes) -> Session:
        """A session for a new connection."""
        session = Session(
            channel,
            self.find_book,
            self.random,
            serving=True,
            receipt_key=self.receipt_key,
            stun=self.stun,
        )
        self.sessions[id(session)] = session
        self._touch(session)
        return session

    def detach(self, session: Session) -> None:
        self.sessions.pop(id(session), None)
        self.touched.pop(id(session), None)
        self._compares.pop(id(session), None)
        self._changes.pop(id(session), None)
        self._asked.pop(id(session), None)
        self.mailboxes.detach(session)
        self.passing.detach(session)
        self.collections.detach(session)
        self.pruning.detach(session)
        self.asked_receipts.detach(session)
        for object_id in session.channels:
            self._closed(session, object_id)

    def _closed(self, session: Session, object_id: ObjectId) -> None:
        others = self._open.get(object_id, {})
        others.pop(id(session), None)
        if not others:
            self._open.pop(object_id, None)
            self._books.pop(object_id, None)
            self.passing.forget(object_id)

    def _keep_book(self, book: LogBook) -> None:
        self._books[book.object] = book
        if len(self._books) > self._most_books:
            idle = [object_id for object_id in self._books if object_id not in self._open]
            for object_id in idle[:-IDLE_BOOKS]:
                del self._books[object_id]
            self._most_books = len(self._books) + IDLE_BOOKS

    def find_book(self, object_id: ObjectId) -> LogBook | None:
        """The book of a stored object, or None."""
        book = self._stored_book(object_id)
        return book if book is not None and book.epochs else None

    def _stored_book(self, object_id: ObjectId) -> LogBook | None:
        """The book of an object of which something is stored, even if its first epoch is damaged."""
        book = self._books.get(object_id)
        if book is None:
            book = LogBook.load(object_id, self.store)
            if not book.epochs and not book.damage and not book.branches:
                return None
            self._keep_book(book)
        return book

    def mend(self, session: Session) -> list[Session]:
        """Repairs objects whose stored segments a session could not read.

        Returns:
            Sessions that hold what is no longer so, this one first; their connections must be made anew.
        """
        damaged = dict(session.damaged)
        session.damaged.clear()
        stale = {id(session): session}
        for object_id, damage in damaged.items():
            self._books.pop(object_id, None)
            try:
                self._keep_book(LogBook.mend(object_id, self.store, damage))
            except Damaged:
                pass  # whole pages are damaged: this object cannot be served before the store is salvaged
            stale |= self._open.get(object_id, {})
            self._stir(object_id)
        return list(stale.values())

    def lose(self, object_id: ObjectId) -> list[Session]:
        """What was to be written of an object is not on the disk: its book is read from there again.

        Returns:
            Sessions that were told of what is lost; their connections must be made anew.
        """
        self._books.pop(object_id, None)
        self.pruning.lose(object_id)
        self._stir(object_id)
        return list(self._open.get(object_id, {}).values())

    def receive_untrusted(self, session: Session, message: bytes) -> list[Commit]:
        """Takes a frame. Raises RemoteProtocolError where the connection must be closed."""
        commits: list[Commit] = []
        for event in session.receive_untrusted(message):
            try:
                commit = self._handle(session, event)
            except Damaged as damage:
                session.damaged[getattr(event, "object", None) or ObjectId(b"")] = damage
                continue
            if commit is not None:
                commits.append(commit)
        self._touch(session)
        return commits

    def _handle(self, session: Session, event: SessionEvent) -> Commit | None:
        match event:
            case Met():
                self._open.setdefault(event.object, {})[id(session)] = session
            case Closed():
                self._closed(session, event.object)
            case Opened():
                self.pruning.opened(session, session.channels[event.object].book)
                return self._whole_receipt(session, event.object, and_who=True)
            case ReceiptWanted():
                if self.asked_receipts.may_have(session, event.object):
                    return self._whole_receipt(session, event.object)
            case RecordsCame():
                return self._records(session, event)
            case SegmentsCame():
                return self._segments(session, event)
            case ClosedArchiveCame():
                return self._husk(session, event)
            case ArchiveCame():
                channel = session.channels.get(event.object)
                return self.pruning.take(session, channel.book, event) if channel is not None else None
            case EphemeralCame():
                self.passing.take(session, event)
            case DropOffered():
                return self._put_drop(session, event.raw)
            case DropWanted():
                self._get_drop(session, event.public)
            case MailOffered():
                return self.mailboxes.put(session, event.raw)
            case WatchwordCame():
                return self._watchword(session, event)
            case CollectionOffered():
                self.collections.offer(event.name, event.objects)
            case CollectionChanged():
                self._check_pace(self._changes, session, CHANGES)
                self.collections.change(session, event)
            case CompareWanted():
                self._compare(session, event)
            case MailWanted():
                return self.mailboxes.open(session, event.address, event.after)
            case MailDropped():
                return self.mailboxes.drop(event.address, event.numbers)
            case _:
                pass
        return None

    # -- objects --------------------------------------------------------------------------------

    def _whole_receipt(
        self, session: Session, object_id: ObjectId, *, and_who: bool = False
    ) -> Commit | None:
        """Says what is durable, once everything taken before is; and perhaps who else is here."""
        channel = session.channels[object_id]
        if not channel.rights.have:
            return None  # it comes once a newest epoch is proved
        receipt = self._sign(object_id, channel.book.tips_within(channel.rights.have), channel.rights.newest)

        def durable() -> None:
            if self._books.get(object_id) is not channel.book:
                return  # something that it names was lost on the way to the disk
            session.send_frame(receipt)
            if and_who:
                self.passing.greet(session, object_id)
            self._touch(session)

        return Commit(self.numbering.batch(), durable, object_id)

    def _sign(self, object_id: ObjectId, tips: Iterable[Tip], newest: Iterable[EpochId] = ()) -> bytes:
        """A receipt as a frame. It may leave once what it names is durable, and ``numbering.batch``."""
        number = self.numbering.next()
        receipt = Receipt.issue(self.receipt_key, object_id, number, tips, newest)
        return encode_frame(Frame.RECEIPT, *receipt.fields())

    def _records(self, session: Session, event: RecordsCame) -> Commit | None:
        book = self.find_book(event.object)
        channel = session.channels.get(event.object)
        if book is None:
            book = self._stored_book(event.object) or LogBook(event.object, self.store)
            offered = book.take_records(event.raws, _makes_an_object)
        elif channel is None:
            session.refuse(event.object, "unknown", "no such object here, or no right to it")
            return None
        else:
            offered = book.take_records(event.raws, channel.rights.admits)
        if not book.epochs:
            session.refuse(event.object, "unknown", "no such object here, or no right to it")
            return None
        self._keep_book(book)
        if any(isinstance(record, Epoch) for record in offered.records):
            offered.batch += self.collections.drop_word(event.object)
        if channel is not None:
            self._answer(session, event.object, offered)
            self.pruning.take_records(session, book, offered.records)
        self._spread(session, event.object, offered)
        return Commit(offered.batch, nothing, event.object) if offered.batch else None

    def _compare(self, session: Session, event: CompareWanted) -> None:
        self._check_pace(self._compares, session, COMPARES)
        self._asked[id(session)] = event

    def _check_pace(self, rates: dict[int, Rate], session: Session, most: int) -> None:
        if rates.setdefault(id(session), Rate(most, 1000)).exceeded(self.clock()):
            raise RemoteProtocolError("collections compared or changed too fast")

    def work(self, session: Session) -> bool:
        """Does a little of what a session asked for and what takes time; says whether there is more to do."""
        event = self._asked.get(id(session))
        if event is None:
            return False
        if self.collections.prepare(event.name):
            return True
        del self._asked[id(session)]
        differing = self.collections.compare(session, event.name, event.left_out, event.asked)
        session.collections.answer(differing)
        self._touch(session)
        return False

    def _watchword(self, session: Session, event: WatchwordCame) -> Commit | None:
        """Taken from who proved the one newest epoch; where there are several, no word is of them all."""
        channel = session.channels.get(event.object)
        if channel is None or len(channel.book.graph.newest) != 1 or not channel.rights.newest:
            return None
        batch = self.collections.take_word(event.object, event.word)
        return Commit(batch, nothing) if batch else None

    def _segments(self, session: Session, event: SegmentsCame) -> Commit | None:
        channel = self._writable(session, event)
        if channel is None:
            return None
        return self._taken(session, event, channel.book.take_segments(event.raws, channel.rights.give))

    def _husk(self, session: Session, event: ClosedArchiveCame) -> Commit | None:
        """What is forgotten elsewhere, and never was here."""
        channel = self._writable(session, event)
        if channel is None:
            return None
        book, over = channel.book, self.pruning.is_over(channel.book, event.archive)
        return self._taken(
            session, event, book.take_closed(event.archive, channel.rights.give, gives_up=over)
        )

    def _writable(self, session: Session, event: SegmentsCame | ClosedArchiveCame) -> Channel | None:
        """The object that something is for, if the session may write to it; else it is told why not."""
        channel = session.channels.get(event.object)
        if channel is not None and channel.may_write:
            return channel
        self._bar(session, event.object)
        session.grant_credit(event.size)
        return None

    def _taken(self, session: Session, event: SegmentsCame | ClosedArchiveCame, offered: Offered) -> Commit:
        book = session.channels[event.object].book
        session.note_taken(event.object, offered.arrivals, offered.known)
        self._answer(session, event.object, offered)
        self._spread(session, event.object, offered)
        logs = dict.fromkeys(arrival.segment.log for arrival in offered.arrivals)
        self.pruning.take_segments(session, book, logs)
        tips = book.tips_of(logs)
        receipt = self._sign(event.object, tips) if tips else b""
        epochs = {arrival.segment.epoch for arrival in offered.arrivals}

        def durable() -> None:
            session.grant_credit(event.size)
            self._touch(session)
            if receipt:
                self._say_durable(event.object, receipt, epochs, [session])
                self._durable.setdefault(event.object, _Durable()).take(tips, epochs)

        return Commit([*offered.batch, *self.numbering.batch()], durable, event.object)

    def _say_durable(
        self, object_id: ObjectId, receipt: bytes, epochs: set[EpochId], to: Iterable[Session]
    ) -> None:
        for session in to:
            channel = session.channels.get(object_id)
            if channel is not None and channel.live and channel.may_have(epochs):
                session.send_frame(receipt)
                self._touch(session)

    @property
    def waits(self) -> bool:
        """Whether something is to be said with the next ``beat``."""
        return bool(self._durable) or self.passing.waits or self.asked_receipts.waits

    def beat(self) -> list[Commit]:
        """Says to all what only its author had to hear at once; due ``BEAT_SECONDS`` after it came.

        What is signed goes by way of the store: it may not overtake what was signed before it.
        """
        self.passing.beat()
        durable, self._durable = self._durable, {}
        said = [
            self._beat(object_id, what) for object_id, what in durable.items() if object_id in self._books
        ]
        asked = (self._asked_again(self.sessions[key], each) for key, each in self.asked_receipts.beat())
        return said + [commit for commit in asked if commit is not None]

    def _asked_again(self, session: Session, object_id: ObjectId) -> Commit | None:
        try:
            return self._whole_receipt(session, object_id) if object_id in session.channels else None
        except Damaged as damage:
            session.damaged[object_id] = damage
            self._touch(session)
            return None

    def _beat(self, object_id: ObjectId, what: _Durable) -> Commit:
        receipt = self._sign(object_id, what.tips)

        def durable() -> None:
            self._say_durable(object_id, receipt, what.epochs, self._readers(object_id))

        return Commit(self.numbering.batch(), durable, object_id)

    def _answer(self, session: Session, object_id: ObjectId, offered: Offered) -> None:
        if offered.refused:
            session.refuse(object_id, "false", offered.refused[0])
        if offered.gaps or offered.early:
            session.refuse(object_id, "gap", "something that comes before is missing; compare again")
        elif offered.barred:
            self._bar(session, object_id)

    def _bar(self, session: Session, object_id: ObjectId) -> None:
        """Says why something is not taken: other keys might help, or only a writer's."""
        channel = session.channels.get(object_id)
        if channel is not None and (channel.may_write or not channel.may_read):
            session.refuse(
                object_id, "gap", "a key of a newer epoch has to be proved for this; compare again"
            )
        else:
            session.refuse(object_id, "read_only", "no right to write to this object was proved")

    def _spread(self, origin: Session, object_id: ObjectId, offered: Offered) -> None:
        if not offered.arrivals and not offered.records:
            return
        self._stir(object_id)
        for other in self._open.get(object_id, {}).values():
            other.announce(object_id, offered.arrivals, offered.forked)
            self._touch(other)

    def _stir(self, object_id: ObjectId) -> None:
        """Tells those who have it not open, but compared it with others."""
        for watching in self.collections.changed(object_id):
            self._touch(watching)

    def _readers(self, object_id: ObjectId) -> list[Session]:
        return [s for s in self._open.get(object_id, {}).values() if s.channels[object_id].live]

    # -- drops ----------------------------------------------------------------------------------

    def _put_drop(self, session: Session, raw: bytes) -> Commit | None:
        try:
            drop = Drop.parse_untrusted(raw)
        except RemoteProtocolError as error:
            session.refuse(None, "false", str(error))
            return None
        known = self._stored_drop(drop.public.public)
        # An expired one counts too, or whoever kept an older one could bring back a link that was ended.
        if known is not None and known[1].counter >= drop.counter and known[1].raw != raw:
            session.refuse(None, "old", "a newer version of this drop is here")
            return None

        def durable() -> None:
            session.answer_drop(drop.public.public, raw)
            self._touch(session)

        stored = self.clock().to_bytes(8, "big") + raw
        return Commit([PutValue(DROPS, drop.public.public, stored)], durable)

    def _get_drop(self, session: Session, public: bytes) -> None:
        known = self._stored_drop(public)
        session.answer_drop(public, known[1].raw if known is not None and self._lasts(*known) else b"")

    def _stored_drop(self, public: bytes) -> tuple[int, Drop] | None:
        """When it was put, and the drop, expired or not."""
        try:
            stored = self.store.value(DROPS, public)
            return (
                None
                if stored is None
                else (int.from_bytes(stored[:8], "big"), Drop.parse_untrusted(stored[8:]))
            )
        except (Damaged, RemoteProtocolError):
            return None

    def _lasts(self, put: int, drop: Drop) -> bool:
        ends = put + DROP_LIFETIME
        return self.clock() < (min(ends, drop.expires) if drop.expires else ends)

    def _touch(self, session: Session) -> None:
        self.touched[id(session)] = session


def _makes_an_object(record: Record) -> bool:
    """What is taken before anything is proved."""
    return isinstance(record, Epoch) and record.first
