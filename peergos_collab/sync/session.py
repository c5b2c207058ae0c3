"""One sync session over one connection: frames in, events and frames out. No I/O, no clock.

The same class speaks for a client, a node and a peer. A session names no account: for each object it
proves a key of the object, bound to this very channel and to the other side's nonce.

States of an object on a session::

    closed ──open() sends OPEN──► opened here ──OPEN received──► live
    closed ──OPEN received──► opened there ──open()──► live        (a node answers at once)

What was proved counts until a newer epoch is known: see ``rights``. Who then holds that epoch's keys
proves it with PROVE, in front of the next segments, so that nothing waits for an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..codec.ids import EpochId, LogId, ObjectId
from ..codec.shape import array, blob, boolean, many, number, some_bytes, string
from ..crypto import SigningKey, VerifyKey
from ..errors import Damaged, RemoteProtocolError
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.mail import Mail
from ..objects.segments import epoch_of
from ..objects.snapshots import SnapshotPlace
from ..ports import Random
from .arrivals import Arrival, Record
from .channel import Channel
from .epoch_graph import EVERYTHING
from .frames import (
    MAX_FRAME,
    PROTOCOL_VERSION,
    RECORDS_PER_FRAME,
    WINDOW,
    Frame,
    decode_frame_untrusted,
    encode_frame,
)
from .heads import tips_untrusted, tips_value
from .logbook import LogBook
from .proving import fresh_proofs, opening_proofs, prove
from .receipts import Receipt, shown_untrusted
from .record_book import Admits, record_ids
from .rights import MAX_PROOFS, Rights, UnverifiedProof, proofs_untrusted
from .session_archives import ARCHIVE_FRAMES, SessionArchives
from .session_collections import COLLECTION_FRAMES, SessionCollections
from .session_events import (
    CaughtUp,
    Closed,
    DropCame,
    DropOffered,
    DropWanted,
    EphemeralCame,
    Greeted,
    Met,
    Opened,
    Ponged,
    ReceiptsShown,
    ReceiptWanted,
    RecordsCame,
    RefusedCame,
    SegmentsCame,
    SessionEvent,
    SnapshotCame,
)
from .session_mail import MAIL_FRAMES, SessionMail

CREDIT_PARTS: Final = 16
"""A part of the window is worked off before that is told: a credit a keystroke doubles the messages."""

BULK_WINDOW: Final = 2 * WINDOW // CREDIT_PARTS
"""Bytes on the way beyond which no more goes of an object that has more than one frame to send. A key in
another object waits behind so much at most; the rest of the window is kept for those."""

BULK_FRAME: Final = 16 << 10
"""Bytes of its frames, unless a segment is longer: the other side does nothing else while it takes one in."""

MAX_EPHEMERALS: Final = 32
"""Messages said in passing in one frame."""

MAX_IDS: Final = 12_000
"""Membership records one object has at most, and items of one frame."""


class Session:
    """See the module's text.

    Args:
        channel: names the connection to both ends (``ports.Connection.channel``).
        find_book: gives the book of an object this side has, or None.
        serving: True for a node's side.
        with_node: True for a client's side of a session with a node.
        takes_mail: for a peer's side: mail may be put here.
        receipt_key: what a node signs receipts with.
        stun: whether a node tells clients, at the UDP port of its number, from where it sees them.
    """

    def __init__(
        self,
        channel: bytes,
        find_book: Callable[[ObjectId], LogBook | None],
        random: Random,
        *,
        serving: bool = False,
        with_node: bool = False,
        takes_mail: bool = False,
        receipt_key: SigningKey | None = None,
        stun: bool = False,
    ) -> None:
        self.channels: dict[ObjectId, Channel] = {}
        self.their_stun = False
        """Whether the node on the other side answers STUN."""
        self._channel = channel
        self._find_book = find_book
        self._serving = serving
        self._with_node = with_node
        self._their_receipt_key: VerifyKey | None = None
        self._nonce = random(16)
        self._their_nonce = b""
        self._outgoing: list[bytes] = []
        self._credit = WINDOW
        self._owed = 0
        self._worked_off = 0
        self._wanted: dict[ObjectId, Mapping[EpochId, EpochKeys]] = {}
        self._stirred: dict[ObjectId, None] = {}
        self._hungry: dict[ObjectId, None] = {}
        """Objects that have something to send and wait for credit, of which there may be thousands."""
        self._unproved: set[ObjectId] = set()
        self.damaged: dict[ObjectId, Damaged] = {}
        """Objects of which something stored here could not be read; whoever owns the session repairs them."""
        self.mail = SessionMail(channel, self._nonce, self._send, serving=serving, takes_mail=takes_mail)
        self.collections = SessionCollections(self._send, serving=serving)
        self.archives = SessionArchives(self._send, self._owe, self.channels, self._wanted, serving=serving)
        key = receipt_key.public if receipt_key is not None else b""
        self._send(Frame.HELLO, PROTOCOL_VERSION, self._nonce, key, stun)

    @property
    def greeted(self) -> bool:
        return bool(self._their_nonce)

    @property
    def backlog(self) -> int:
        """Frames that nobody has taken yet."""
        return len(self._outgoing)

    def take_outgoing(self) -> list[bytes]:
        """Frames to send now, segments included as far as the other side's credit goes."""
        self._pump()
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    # -- what this side does --------------------------------------------------------------------

    def open(self, object_id: ObjectId, keys: Mapping[EpochId, EpochKeys]) -> None:
        """Opens an object, proving the highest key held; again, to compare heads anew."""
        self._wanted[object_id] = keys
        if self.greeted:
            self._send_open(object_id)

    def close_object(self, object_id: ObjectId) -> None:
        self._wanted.pop(object_id, None)
        if self.channels.pop(object_id, None) is not None:
            self._send(Frame.CLOSE, object_id)

    def announce(
        self, object_id: ObjectId, arrivals: Iterable[Arrival] = (), forked: Iterable[LogId] = ()
    ) -> None:
        """Records or segments are new here; the next ``take_outgoing`` sends them, if they are lacking."""
        channel = self.channels.get(object_id)
        if channel is None:
            return
        if object_id in self._unproved and object_id in self._wanted and channel.book.epochs:
            # They proved a key before we had the records to see it: they answer a new OPEN with theirs.
            self._unproved.discard(object_id)
            self._send_open(object_id)
        arrivals = list(arrivals)
        channel.book.settle(arrivals)
        self._stirred[object_id] = None
        try:
            for log in forked:
                channel.note_forked(log)
            for arrival in arrivals:
                channel.note_new(arrival.branch)
        except Damaged as damage:
            self.damaged[object_id] = damage

    def note_taken(
        self, object_id: ObjectId, arrivals: Iterable[Arrival], known: Iterable[tuple[Any, int]]
    ) -> None:
        """Segments from this session are now in the book, so the other side has them."""
        channel = self.channels.get(object_id)
        if channel is None:
            return
        for arrival in arrivals:
            channel.note_has(arrival.branch, arrival.segment.seq)
        for branch, seq in known:
            channel.note_has(branch, seq)

    def send_records(self, object_id: ObjectId, raws: list[bytes]) -> None:
        """Sends membership records or certificates, in as many frames as they need."""
        frame: list[bytes] = []
        for raw in raws:
            if frame and sum(map(len, frame)) + len(raw) > RECORDS_PER_FRAME:
                self._send(Frame.RECORDS, object_id, frame)
                frame = []
            frame.append(raw)
        if frame:
            self._send(Frame.RECORDS, object_id, frame)

    def hold(self, object_id: ObjectId) -> None:
        """Asks for no segments of an object until it is opened again: another session brings them."""
        channel = self.channels.get(object_id)
        if channel is not None:
            channel.holds = True
            self._send(Frame.HOLD, object_id)

    def send_ephemeral(self, object_id: ObjectId, key: bytes, counter: int, sealed: bytes) -> None:
        self.send_frame(ephemeral_frame(object_id, [(key, counter, sealed)]))

    def send_frame(self, frame: bytes) -> None:
        """Sends a frame that was made once for many sessions."""
        self._outgoing.append(frame)

    def refuse(self, object_id: ObjectId | None, reason: str, words: str) -> None:
        self._send(Frame.REFUSED, object_id or b"", reason, words)

    def get_receipt(self, object_id: ObjectId) -> None:
        """Asks a node to sign for all that it has, without telling what is here."""
        self._send(Frame.GET_RECEIPT, object_id)

    def show_receipts(self, object_id: ObjectId, node: bytes, receipts: list[Receipt]) -> None:
        """Shows a member what a node signed; all with one key."""
        self._send(
            Frame.SHOW_RECEIPTS, object_id, node, receipts[0].key, [receipt.fields() for receipt in receipts]
        )

    def get_snapshot(self, object_id: ObjectId, place: SnapshotPlace) -> None:
        """Asks for one segment ahead of its log; the answer comes as ``SnapshotCame``."""
        self._send(Frame.GET_SNAPSHOT, object_id, place.log, place.seq)

    def put_drop(self, raw: bytes) -> None:
        self._send(Frame.PUT_DROP, raw)

    def get_drop(self, public: bytes) -> None:
        self._send(Frame.GET_DROP, public)

    def answer_drop(self, public: bytes, raw: bytes) -> None:
        self._send(Frame.DROP, public, raw)

    def put_mail(self, mail: Mail) -> None:
        """Puts mail into its mailbox; the answer comes as ``MailKept`` or ``MailRefused``."""
        self.mail.put(mail)

    def open_mail(self, key: SigningKey, after: int = 0) -> None:
        """Reads the mailbox of ``key``: what came after a number, then live; it comes as ``MailCame``."""
        self.mail.open(key, after)

    def drop_mail(self, key: SigningKey, numbers: Iterable[int]) -> None:
        """Lets the node forget mail that is taken in. At most 256 numbers at once."""
        self.mail.drop(key, numbers)

    def ping(self, number_: int) -> None:
        self._send(Frame.PING, number_)

    def may_see_all(self, object_id: ObjectId) -> bool:
        """Whether nothing of an object has to be kept from the other side, by what it proved."""
        channel = self.channels.get(object_id)
        return channel is not None and channel.book.graph.covers_all(channel.rights.have)

    def gives(self, object_id: ObjectId) -> int:
        """The epochs of an object whose segments are taken from the other side, by what it proved."""
        channel = self.channels.get(object_id)
        return channel.rights.give if channel is not None else 0

    def admits(self, object_id: ObjectId) -> Admits:
        """Which records of an object are taken from the other side, by what it proved."""
        channel = self.channels.get(object_id)
        return channel.rights.admits if channel is not None else _nothing

    def grant_credit(self, size: int) -> None:
        """Segments of ``size`` bytes are worked off; the other side soon hears that it may send more."""
        self._worked_off += size
        if self._worked_off >= WINDOW // CREDIT_PARTS:
            self._owed -= self._worked_off
            self._send(Frame.CREDIT, self._worked_off)
            self._worked_off = 0

    # -- what the other side does ---------------------------------------------------------------

    def receive_untrusted(self, message: bytes) -> list[SessionEvent]:
        """Takes one frame.

        Raises:
            RemoteProtocolError: the frame breaks the protocol; close the connection.
        """
        kind, fields = decode_frame_untrusted(message)
        if not self.greeted and kind is not Frame.HELLO:
            raise RemoteProtocolError("a frame before the hello")
        if kind in MAIL_FRAMES:
            return self.mail.receive_untrusted(kind, fields)
        if kind in COLLECTION_FRAMES:
            return self.collections.receive_untrusted(kind, fields)
        try:
            if kind in ARCHIVE_FRAMES:
                return self.archives.receive_untrusted(kind, fields, len(message))
            return self._HANDLERS[kind](self, fields, len(message))
        except Damaged as damage:
            # Of what is stored here. Frames for which something is read name their object first.
            self.damaged[_object(fields[0])] = damage
            return []

    def _on_hello(self, fields: list[Any], _: int) -> list[SessionEvent]:
        if self.greeted:
            raise RemoteProtocolError("a second hello")
        number(fields[0], PROTOCOL_VERSION, PROTOCOL_VERSION, "protocol version")
        self._their_nonce = blob(fields[1], 16, "nonce")
        if self._their_nonce == self._nonce:
            raise RemoteProtocolError("our own nonce: our proofs would be played back to us")
        key = some_bytes(fields[2], 32, "receipt key")
        stun = boolean(fields[3], "STUN")
        if self._with_node:
            self._their_receipt_key = VerifyKey(blob(key, 32, "receipt key"))
            self.their_stun = stun
        self.mail.greeted(self._their_nonce)
        for object_id in self._wanted:
            self._send_open(object_id)
        return [Greeted(self._their_receipt_key)]

    def _on_open(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id = _object(fields[0])
        book = self._find_book(object_id)
        proofs = proofs_untrusted(fields[1])
        ids = [blob(item, 32, "record id") for item in many(fields[2], MAX_IDS, "record ids")]
        tips = tips_untrusted(fields[3]) if fields[3] is not None else None
        channel = self._proved_channel(object_id, book, proofs) if book is not None else None
        if channel is None:
            # An object that is not here and one that is not theirs are answered alike.
            self.refuse(object_id, "unknown", "no such object here, or no right to it")
            return []
        self.channels[object_id] = channel
        channel.met = True
        channel.waits = False
        channel.opened_there = tips is not None
        self._stirred[object_id] = None
        channel.records = set(ids)
        channel.told_caught_up = False
        channel.certified.clear()
        channel.set_tips(tips or [])
        if self._serving or (channel.refused and object_id in self._wanted):
            self._send_open(object_id)
        return [Met(object_id), Opened(object_id)] if tips is not None else [Met(object_id)]

    def _proved_channel(
        self, object_id: ObjectId, book: LogBook, proofs: list[UnverifiedProof]
    ) -> Channel | None:
        """The channel of who proved a key of any epoch, or None."""
        channel = self.channels.get(object_id) or self._new_channel(object_id, book)
        channel.rights.take_untrusted(proofs)
        if channel.rights.knows:
            return channel
        if channel.rights.waits:
            self._unproved.add(object_id)
        return None

    def _new_channel(self, object_id: ObjectId, book: LogBook) -> Channel:
        # A node takes from writers only; a member takes from any member what a writer signed.
        to_give = Level.WRITE if self._serving else Level.READ
        claim = self._channel + self._nonce + object_id
        rights = Rights(book, claim, trusted=self._with_node, to_give=to_give)
        return Channel(book, rights, takes_archives=not self._with_node)

    def _on_prove(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id, proofs = _object(fields[0]), proofs_untrusted(fields[1])
        channel = self.channels.get(object_id)
        if channel is None or not channel.met:
            return []
        channel.rights.take_untrusted(proofs)
        self._stirred[object_id] = None
        if not (channel.heads_owed and channel.may_read):
            return []
        self._send_open(object_id)
        return [Opened(object_id)]

    def _on_close(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id = _object(fields[0])
        return [Closed(object_id)] if self.channels.pop(object_id, None) is not None else []

    def _on_hold(self, fields: list[Any], _: int) -> list[SessionEvent]:
        channel = self.channels.get(_object(fields[0]))
        if channel is not None:
            channel.waits = True
        return []

    def _on_records(self, fields: list[Any], _: int) -> list[SessionEvent]:
        raws = [some_bytes(raw, MAX_FRAME, "record") for raw in many(fields[1], MAX_IDS, "records")]
        return [RecordsCame(_object(fields[0]), raws)]

    def _on_segments(self, fields: list[Any], size: int) -> list[SessionEvent]:
        raws = [some_bytes(raw, MAX_FRAME, "segment") for raw in many(fields[1], MAX_IDS, "segments")]
        self._owe(size)
        return [SegmentsCame(_object(fields[0]), raws, size)]

    def _owe(self, size: int) -> None:
        self._owed += size
        if self._owed > WINDOW + MAX_FRAME:
            raise RemoteProtocolError("more segments than there was credit for")

    def _on_ephemeral(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id = _object(fields[0])
        return [_ephemeral(object_id, item) for item in many(fields[1], MAX_EPHEMERALS, "ephemerals")]

    def _on_receipt(self, fields: list[Any], _: int) -> list[SessionEvent]:
        if self._their_receipt_key is None:
            raise RemoteProtocolError("a receipt from somebody who is no node")
        said = Receipt.parse_untrusted(fields)
        channel = self.channels.get(said.object)
        if channel is None or said.number == channel.receipts:
            return []  # the last one once more
        receipt = said.verify(self._their_receipt_key)
        return [receipt] if channel.is_next(receipt) else []

    def _on_get_receipt(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id = _object(fields[0])
        return [ReceiptWanted(object_id)] if object_id in self.channels else []

    def _on_show_receipts(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id, node = _object(fields[0]), blob(fields[1], 32, "node")
        key = blob(fields[2], 32, "receipt key")
        receipts = shown_untrusted(fields[3], object_id)
        return [ReceiptsShown(object_id, node, key, receipts)] if object_id in self.channels else []

    def _on_refused(self, fields: list[Any], _: int) -> list[SessionEvent]:
        raw = some_bytes(fields[0], 32, "object id")
        reason, words = string(fields[1], 32, "reason"), string(fields[2], 1024, "words")
        mail = self.mail.refused(raw, reason, words)
        if mail is not None:
            return [mail]
        channel = self.channels.get(ObjectId(raw))
        if channel is not None and reason == "unknown":
            channel.refused = True
        return [RefusedCame(ObjectId(raw) if raw else None, reason, words)]

    def _on_caught_up(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id = _object(fields[0])
        channel = self.channels.get(object_id)
        if channel is not None:
            channel.caught_up = True
        return [CaughtUp(object_id)]

    def _on_get_snapshot(self, fields: list[Any], _: int) -> list[SessionEvent]:
        object_id, log = _object(fields[0]), LogId(blob(fields[1], 32, "log id"))
        seq = number(fields[2], 1, 2**32 - 1, "seq")
        channel = self.channels.get(object_id)
        certificates, raw = _segment_at(channel, log, seq) if channel is not None else ([], b"")
        self._send(Frame.SNAPSHOT, object_id, certificates, raw)
        return []

    def _on_snapshot(self, fields: list[Any], _: int) -> list[SessionEvent]:
        certificates = [some_bytes(raw, 256, "certificate") for raw in many(fields[1], 64, "certificates")]
        raw = some_bytes(fields[2], MAX_FRAME, "segment")
        return [SnapshotCame(_object(fields[0]), certificates, raw)]

    def _on_put_drop(self, fields: list[Any], _: int) -> list[SessionEvent]:
        return [DropOffered(some_bytes(fields[0], 1 << 14, "drop"))]

    def _on_get_drop(self, fields: list[Any], _: int) -> list[SessionEvent]:
        return [DropWanted(blob(fields[0], 32, "drop key"))]

    def _on_drop(self, fields: list[Any], _: int) -> list[SessionEvent]:
        return [DropCame(blob(fields[0], 32, "drop key"), some_bytes(fields[1], 1 << 14, "drop"))]

    def _on_ping(self, fields: list[Any], _: int) -> list[SessionEvent]:
        self._send(Frame.PONG, number(fields[0], 0, 2**53, "ping"))
        return []

    def _on_pong(self, fields: list[Any], _: int) -> list[SessionEvent]:
        return [Ponged(number(fields[0], 0, 2**53, "pong"))]

    def _on_credit(self, fields: list[Any], _: int) -> list[SessionEvent]:
        self._credit = min(WINDOW, self._credit + number(fields[0], 0, WINDOW * 2, "credit"))
        self._stirred, self._hungry = self._hungry | self._stirred, {}
        return []

    _HANDLERS: Final[dict[Frame, Callable[[Session, list[Any], int], list[SessionEvent]]]] = {
        Frame.HELLO: _on_hello,
        Frame.OPEN: _on_open,
        Frame.CLOSE: _on_close,
        Frame.RECORDS: _on_records,
        Frame.SEGMENTS: _on_segments,
        Frame.EPHEMERAL: _on_ephemeral,
        Frame.RECEIPT: _on_receipt,
        Frame.REFUSED: _on_refused,
        Frame.CAUGHT_UP: _on_caught_up,
        Frame.PUT_DROP: _on_put_drop,
        Frame.GET_DROP: _on_get_drop,
        Frame.DROP: _on_drop,
        Frame.PING: _on_ping,
        Frame.PONG: _on_pong,
        Frame.CREDIT: _on_credit,
        Frame.GET_SNAPSHOT: _on_get_snapshot,
        Frame.SNAPSHOT: _on_snapshot,
        Frame.PROVE: _on_prove,
        Frame.GET_RECEIPT: _on_get_receipt,
        Frame.SHOW_RECEIPTS: _on_show_receipts,
        Frame.HOLD: _on_hold,
    }

    # -- sending --------------------------------------------------------------------------------

    def _send(self, kind: Frame, *fields: Any) -> None:
        self._outgoing.append(encode_frame(kind, *fields))

    def _send_open(self, object_id: ObjectId) -> None:
        try:
            book = self._find_book(object_id)
            if book is not None:
                self._send_open_of(object_id, book)
        except Damaged as damage:
            self.damaged[object_id] = damage

    def _send_open_of(self, object_id: ObjectId, book: LogBook) -> None:
        channel = self.channels.setdefault(object_id, self._new_channel(object_id, book))
        channel.opened_here = True
        channel.refused = channel.holds = False
        self._stirred[object_id] = None
        channel.caught_up = False
        proved = opening_proofs(book, self._wanted.get(object_id, {}))
        channel.told.clear()
        channel.opened_with = tuple(proved)
        proofs = self._signed(object_id, channel, proved)
        # Heads tell how much is written. A peer whose OPEN is still to come came by an offer of a member.
        channel.heads_owed = channel.met and not channel.may_read
        within = channel.rights.have if channel.met else EVERYTHING
        tips = None if channel.heads_owed else tips_value(book.tips_within(within))
        self._send(Frame.OPEN, object_id, proofs, record_ids(book), tips)

    def _taken_from_us(self, book: LogBook, held: Mapping[EpochId, EpochKeys]) -> int:
        """The epochs of which the other side takes segments; a node proves nothing and is sent all."""
        if self._serving:
            return EVERYTHING
        least = Level.WRITE if self._with_node else Level.READ
        graph = book.plain_graph if self._with_node else book.graph
        return graph.past(epoch for epoch in graph.newest if epoch in held and held[epoch].level >= least)

    def _signed(self, object_id: ObjectId, channel: Channel, epochs: Iterable[EpochId]) -> list[list[Any]]:
        claim = self._channel + self._their_nonce + object_id
        held = self._wanted.get(object_id, {})
        proofs = [prove(epoch, held[epoch], claim) for epoch in epochs]
        channel.told.update((epoch, level) for epoch, level, _ in proofs)
        return proofs

    def _send_proofs(self, object_id: ObjectId, channel: Channel, epochs: list[EpochId]) -> None:
        for start in range(0, len(epochs), MAX_PROOFS):
            proofs = self._signed(object_id, channel, epochs[start : start + MAX_PROOFS])
            self._send(Frame.PROVE, object_id, proofs)

    def _pump(self) -> None:
        for object_id in sorted(self._stirred, key=self._is_behind):
            channel = self.channels.get(object_id)
            if channel is not None and channel.acquainted:
                self._pump_records(object_id, channel)
                channel.look_again()
            if channel is not None and channel.sends:
                try:
                    self._pump_segments(object_id, channel)
                except Damaged as damage:
                    self.damaged[object_id] = damage
            del self._stirred[object_id]
            if channel is not None and channel.sends and channel.dirty and object_id not in self.damaged:
                self._hungry[object_id] = None  # another comes first once more is granted

    def _is_behind(self, object_id: ObjectId) -> bool:
        channel = self.channels.get(object_id)
        return channel is not None and channel.behind

    def _pump_records(self, object_id: ObjectId, channel: Channel) -> None:
        """Membership records they lack, each after the proofs it needs; then proofs of what is newest."""
        held = self._wanted.get(object_id, {})
        if not channel.has_news(held):
            return
        batch: list[bytes] = []
        for record in channel.next_records(None if self._serving else held):
            lacking = [] if self._serving else channel.unproved_parents(record)
            if lacking:
                self.send_records(object_id, batch)
                batch = []
                self._send_proofs(object_id, channel, lacking)
            batch.append(record.raw)
        self.send_records(object_id, batch)
        if not self._serving:
            fresh = fresh_proofs(channel.book, held, channel.told)
            self._send_proofs(object_id, channel, fresh)
            if fresh and self._with_node:
                self.get_receipt(object_id)  # of what it has in these epochs it did not speak before
            channel.ours = self._taken_from_us(channel.book, held)

    def _pump_segments(self, object_id: ObjectId, channel: Channel) -> None:
        while channel.dirty and self._credit > (WINDOW - BULK_WINDOW if channel.behind else 0):
            closed = channel.next_closed()
            if closed is not None:
                certificates, archive = closed
                self.send_records(object_id, [certificate.raw for certificate in certificates])
                frame = encode_frame(Frame.ARCHIVE, object_id, archive.id, archive.raw)
            else:
                room = min(self._credit, BULK_FRAME) if channel.behind else self._credit
                certificates, raws = channel.next_segments(room)
                self.send_records(object_id, [certificate.raw for certificate in certificates])
                if not raws:
                    continue
                frame = channel.book.last_sent.frame(raws)
            self._credit -= len(frame)
            self._outgoing.append(frame)
            channel.behind = bool(channel.dirty)
        if not channel.dirty and not channel.told_caught_up:
            channel.told_caught_up = True
            self._send(Frame.CAUGHT_UP, object_id)


def _segment_at(channel: Channel, log: LogId, seq: int) -> tuple[list[bytes], bytes]:
    """A segment with what certifies it; nothing where it is not here, or not for the other side."""
    book = channel.book
    branch = next((b for b in book.branches.get(log, []) if b.first <= seq <= b.tip), None)
    raw = next(iter(book.read(branch, seq, 1)), b"") if branch is not None else b""
    epoch = epoch_of(raw)
    if epoch is None or not book.graph.covers(channel.rights.have, epoch):
        return [], b""
    certificate = book.certificates.get((log, epoch))
    return ([certificate.raw] if certificate is not None else []), raw


def ephemeral_frame(object_id: ObjectId, messages: Iterable[tuple[bytes, int, bytes]]) -> bytes:
    """Messages said in passing, at most ``MAX_EPHEMERALS``: key, counter, sealed."""
    return encode_frame(Frame.EPHEMERAL, object_id, [list(message) for message in messages])


def _ephemeral(object_id: ObjectId, value: object) -> EphemeralCame:
    key, counter, sealed = array(value, 3, "ephemeral")
    key, counter = blob(key, 16, "ephemeral key"), number(counter, 0, 2**53, "counter")
    return EphemeralCame(object_id, key, counter, some_bytes(sealed, 1 << 14, "ephemeral"))


def _nothing(_: Record) -> bool:
    return False


def _object(value: object) -> ObjectId:
    return ObjectId(blob(value, 32, "object id"))
