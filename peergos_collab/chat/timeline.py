"""The messages of one chat in their total order, folded from segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, RunId, SegmentId
from ..codec.shown import show_person
from ..errors import Damaged, NotFound, Quarantined, RemoteProtocolError
from ..objects.chunks import HEAD, Chunks
from ..objects.lamport import LamportClock, Past, Place
from ..objects.payload import Author, Delivery
from ..values import dataclass
from .events import (
    ChatEvent,
    Delete,
    Edit,
    Message,
    Pin,
    Reaction,
    ReadMarker,
    Reference,
    Reply,
    Topic,
    decode_events_untrusted,
    same_segment,
)
from .order import Order
from .rows import Key, Row, Source

_VERSION: Final = 1

_STATE_LIMIT: Final = 1 << 32
"""Our own sealed state, not a peer's: only a guard against nonsense."""

_MAX_TIME: Final = 2**62
"""The payload's clock is the author's word; beyond this it would not fit in 64 bits."""


@dataclass(frozen=True, slots=True)
class TimelineMessage:
    """A message as it stands now.

    Args:
        id: its text form; empty for one that is not sealed yet.
        author: who wrote it. Show ``codec.shown.show_person(author.name)``, never the name itself.
        time: the author's wall clock, ms since 1970; the order does not depend on it.
        text: the last text; empty where ``deleted``. Show ``codec.shown.show_message(text)``.
        reply_to: id of the message it answers, or empty.
        reactions: per emoji the accounts that set it, both sorted.
        reference: to be used in events about this message; None while it is not sealed.
    """

    id: str
    author: Author
    time: int
    text: str
    edited: bool = False
    deleted: bool = False
    reply_to: str = ""
    reactions: tuple[tuple[str, tuple[AccountId, ...]], ...] = ()
    pinned: bool = False
    reference: Reference | None = None


_Number: TypeAlias = tuple[DeviceId, RunId, int]
"""Which change of a run brought a message."""

_Copy: TypeAlias = tuple[Place, Reference]
"""Where the copy of a message stands that does not count, and the message that does."""

_Target: TypeAlias = tuple[int | None, Row]
"""A message that an event is about: its position, None where it comes in the same segment."""


def _nobody(author: Author) -> bool:
    return False


class Timeline:
    """A chat's messages, in the order (Lamport time, author account, seq, segment id, index).

    Args:
        may_moderate: whether an author may delete what others wrote. It must answer the same on every
            device: from what the segment's own causal past says, not from the latest membership.
        load_chunk: gives what ``dirty_chunks`` once handed out under a number.
    """

    def __init__(
        self,
        may_moderate: Callable[[Author], bool] = _nobody,
        load_chunk: Callable[[int], bytes] | None = None,
    ) -> None:
        self._may_moderate = may_moderate
        self._chunks = Chunks(load_chunk)
        self._clock = LamportClock(self._chunks)
        self._order = Order(self._chunks)
        self._topic: tuple[Key, str] | None = None
        self._markers: dict[AccountId, Reference] = {}
        self._pins: dict[Reference, tuple[Key, bool]] = {}
        self._contested: dict[_Number, Reference] = {}
        self._copies: dict[Reference, _Copy] = {}
        self._changed = False

    def __len__(self) -> int:
        """Messages, deleted ones included."""
        return len(self._order)

    @property
    def topic(self) -> str:
        return self._topic[1] if self._topic else ""

    def next_lamport(self) -> int:
        """The Lamport time for a segment that cites everything delivered so far."""
        return self._clock.next()

    def add_untrusted(self, delivery: Delivery) -> None:
        """Folds in a segment of kind CHAT. One that was folded in before changes nothing.

        Raises:
            Quarantined: it breaks a rule of docs/spec/chat.md. No message changes; the segment counts as
                passed by, so that later ones may cite it.
            LocalProtocolError: it was delivered before something it cites.
        """
        if self._clock.knows(delivery):
            return
        past = self._clock.past(delivery)
        lamport = None
        try:
            lamport, events = _read_untrusted(delivery, past)
            self._fold(delivery, past, lamport, events)
        except (RemoteProtocolError, Quarantined) as error:
            # Its time counts if that is right: whether its events do may turn out later, as in ``_copies``.
            self._note(delivery, past, lamport)
            raise Quarantined(_blame(delivery, error)) from error
        finally:
            self._chunks.trim()

    def pass_by(self, delivery: Delivery) -> None:
        """Notes a segment without events: a greeting, or one that was set aside elsewhere."""
        if not self._clock.knows(delivery):
            self._note(delivery, self._clock.past(delivery), None)

    def messages(self, start: int, stop: int) -> list[TimelineMessage]:
        """A slice, oldest first; costs O(slice). Positions outside the timeline are left out."""
        rows = self._order.slice(max(start, 0), min(stop, len(self)))
        shown = [self._shown(row) for row in rows]
        self._chunks.trim()
        return shown

    def newest_id(self, device: DeviceId, text: str, within: int) -> str:
        """The id of a device's newest message of that text among so many; empty where there is none."""
        for row in reversed(self._order.slice(max(0, len(self) - within), len(self))):
            if (row.source.author.device, row.text) == (device, text):
                return row.reference.to_text()
        return ""

    def index_of(self, id: str) -> int:
        """Position of a message. Raises UsageError for no id, NotFound where no such message is here."""
        return self._position(Reference.from_text(id))

    def reference(self, id: str) -> Reference:
        """What events about a message need. Raises UsageError, NotFound."""
        reference = Reference.from_text(id)
        self._position(reference)
        return reference

    def search(self, query: str, limit: int) -> list[TimelineMessage]:
        """The newest ``limit`` messages that hold every word of ``query``, newest first; case is ignored.

        A scan, without an index: a chunk is looked at message by message only if it holds all words.
        """
        words = query.casefold().split()
        found: list[TimelineMessage] = []
        if not words or limit <= 0:
            return found
        for start, texts in self._order.newest_texts():
            hits = _hits(texts, words)[: limit - len(found)]
            found += [self.messages(start + hit, start + hit + 1)[0] for hit in hits]
            if len(found) >= limit:
                break
        return found

    def pins(self) -> list[TimelineMessage]:
        """Pinned messages, oldest first."""
        pinned = [found for ref, (_, on) in self._pins.items() if on and (found := self._order.find(ref))]
        return [self._shown(row) for _, row in sorted(pinned, key=lambda found: found[0]) if not row.deleted]

    def read_marker(self, account: AccountId) -> int | None:
        """Position up to which an account says it has read, or None."""
        reference = self._markers.get(account)
        return None if reference is None else self._position(reference)

    def unsealed(self, author: Author, time: int, events: Sequence[ChatEvent]) -> list[TimelineMessage]:
        """Local messages that have no place in the order yet, to be shown after all others."""
        source = Source(SegmentId(b""), 0, 0, 0, time, author)
        rows = _new_rows(source, events)
        return [replace(self._shown(row), id="", reference=None) for row in rows.values()]

    def dirty_chunks(self) -> dict[int, bytes]:
        """What to store since the last call, by number; empty when nothing changed. Number 0 is the head.

        From now on ``load_chunk`` is asked for these: store them before the next call to this timeline.
        """
        if not self._changed:
            return {}
        self._changed = False
        return {HEAD: self._head(), **self._chunks.take_dirty()}

    @classmethod
    def from_chunks(
        cls,
        load_chunk: Callable[[int], bytes],
        may_moderate: Callable[[Author], bool] = _nobody,
    ) -> Timeline:
        """Opens a stored timeline. Reads chunk 0 now (33 KB for a million messages), others when needed.

        Raises:
            Damaged: the head cannot be read. A damaged chunk raises when it is needed.
        """
        timeline = cls(may_moderate, load_chunk)
        timeline._restore(load_chunk(HEAD))
        return timeline

    def state(self) -> bytes:
        """Everything in one piece, for small chats and for tests."""
        return encode([_VERSION, self._head(), [[number, raw] for number, raw in self._chunks.all()]])

    @classmethod
    def from_state(cls, state: bytes, may_moderate: Callable[[Author], bool] = _nobody) -> Timeline:
        """Raises Damaged."""
        try:
            _, head, chunks = decode_untrusted(state, _STATE_LIMIT)
            timeline = cls(may_moderate)
            for number, raw in chunks:
                timeline._chunks.put(number, raw)
        except (RemoteProtocolError, ValueError, TypeError) as error:
            raise Damaged("the local state of a chat cannot be read") from error
        timeline._restore(head)
        return timeline

    # -- folding

    def _fold(self, delivery: Delivery, past: Past, lamport: int, events: Sequence[ChatEvent]) -> None:
        targets = [self._target(event, past, delivery, events) for event in events]
        place = self._note(delivery, past, lamport)
        source = Source(
            delivery.segment, lamport, delivery.seq, place.branch, _sane(delivery.time), delivery.author
        )
        rows = _new_rows(source, events)
        if delivery.contested:
            self._note_copies(delivery, place, rows)
        for index, (event, target) in enumerate(zip(events, targets, strict=True)):
            # What a restored device sealed twice counts once: where it was met first.
            if index >= delivery.skip:
                self._apply(event, source.key(index), target or self._copied(event, rows), rows)
        fresh = [row for index, row in rows.items() if index >= delivery.skip]
        if fresh:
            self._order.insert(fresh)

    def _note_copies(self, delivery: Delivery, place: Place, rows: dict[int, Row]) -> None:
        """Of a run that was sealed twice: which messages count, and which are copies of them."""
        for index, row in rows.items():
            number = delivery.author.device, delivery.run, delivery.first + index
            if index >= delivery.skip:
                self._contested.setdefault(number, row.reference)
            elif (counts := self._contested.get(number)) is not None:
                self._copies[row.reference] = (place, counts)

    def _copied(self, event: ChatEvent, rows: dict[int, Row]) -> _Target | None:
        """The message that counts, for an event about a copy of it in the same segment."""
        if isinstance(event, (Message, Topic)):
            return None
        copy = self._copies.get(rows[event.target.index].reference)
        return self._order.find(copy[1]) if copy is not None else None

    def _note(self, delivery: Delivery, past: Past, lamport: int | None) -> Place:
        self._changed = True
        return self._clock.note(delivery, past, lamport)

    def _target(
        self, event: ChatEvent, past: Past, delivery: Delivery, events: Sequence[ChatEvent]
    ) -> _Target | None:
        """Finds and checks the message an event is about; None for one in the same segment, or for none."""
        if isinstance(event, (Message, Topic)):
            return None
        reference = event.target
        if not reference.lamport:
            if not isinstance(events[reference.index], (Message, Reply)):
                raise Quarantined("an event about something that is no message")
            return None
        place, counts = self._copies.get(reference, (None, reference))
        found = self._order.find(counts)
        if found is not None and place is None:
            place = Place(found[1].source.branch, found[1].source.seq)
        if found is None or place is None or not past.covers(place):
            raise Quarantined("an event about a message that its author had not seen")
        self._check_right(event, found[1], delivery.author)
        return found

    def _check_right(self, event: ChatEvent, row: Row, author: Author) -> None:
        if author.account == row.source.author.account:
            return
        if isinstance(event, Edit):
            raise Quarantined("an edit of somebody else's message")
        if isinstance(event, Delete) and not self._may_moderate(author):
            raise Quarantined("a deletion of somebody else's message")

    def _apply(self, event: ChatEvent, key: Key, target: _Target | None, rows: dict[int, Row]) -> None:
        if isinstance(event, Topic):
            if self._topic is None or key > self._topic[0]:
                self._topic = (key, event.text)
        elif not isinstance(event, (Message, Reply)):
            position, row = target or (None, rows[event.target.index])
            self._apply_to(row, event, key)
            if position is not None and isinstance(event, (Edit, Delete, Reaction)):
                self._order.touch(position)

    def _apply_to(self, row: Row, event: Edit | Delete | Reaction | ReadMarker | Pin, key: Key) -> None:
        match event:
            case Edit(_, text):
                row.edit(key, text)
            case Delete():
                row.delete()
            case Reaction(_, emoji, on):
                row.react(key.account, emoji, key, on)
            case ReadMarker():
                self._mark_read(key.account, row)
            case Pin(_, on):
                old = self._pins.get(row.reference)
                if old is None or key > old[0]:
                    self._pins[row.reference] = (key, on)

    def _mark_read(self, account: AccountId, row: Row) -> None:
        """Reading does not go backwards: the furthest marker counts, whichever was written last."""
        old = self._markers.get(account)
        found = self._order.find(old) if old else None
        if found is None or row.key > found[1].key:
            self._markers[account] = row.reference

    # -- showing and storing

    def _position(self, reference: Reference) -> int:
        found = self._order.find(self._counts(reference))
        self._chunks.trim()
        if found is None:
            raise NotFound("there is no such message in this chat")
        return found[0]

    def _counts(self, reference: Reference) -> Reference:
        """The message itself, where the reference names a copy of it."""
        copy = self._copies.get(reference)
        return copy[1] if copy is not None else reference

    def _shown(self, row: Row) -> TimelineMessage:
        reference = row.reference
        return TimelineMessage(
            id=reference.to_text(),
            author=row.source.author,
            time=row.source.time,
            text=row.text,
            edited=row.edited is not None,
            deleted=row.deleted,
            reply_to=self._counts(row.reply).to_text() if row.reply else "",
            reactions=_reactions(row),
            pinned=reference in self._pins and self._pins[reference][1],
            reference=reference,
        )

    def _head(self) -> bytes:
        pins = [[*_flat(ref), list(key), on] for ref, (key, on) in self._pins.items()]
        markers = [[account, *_flat(reference)] for account, reference in self._markers.items()]
        topic = [list(self._topic[0]), self._topic[1]] if self._topic else []
        contested = [[*number, *_flat(reference)] for number, reference in self._contested.items()]
        copies = [[*_flat(ref), list(place), _flat(counts)] for ref, (place, counts) in self._copies.items()]
        order = self._chunks.following, self._clock.head(), self._order.head()
        return encode([_VERSION, *order, topic, markers, pins, contested, copies])

    def _restore(self, raw: bytes) -> None:
        try:
            fields = decode_untrusted(raw, _STATE_LIMIT)
            _, following, clock, order, topic, markers, pins, contested, copies = fields
            self._chunks.following = following
            self._clock.restore(clock)
            self._order.restore(order)
            self._topic = (Key(*topic[0]), topic[1]) if topic else None
            self._markers = {account: Reference(*reference) for account, *reference in markers}
            self._pins = {Reference(*ref): (Key(*key), on) for *ref, key, on in pins}
            self._contested = {(device, run, at): Reference(*ref) for device, run, at, *ref in contested}
            self._copies = {
                Reference(*ref): (Place(*place), Reference(*counts)) for *ref, place, counts in copies
            }
        except (RemoteProtocolError, ValueError, TypeError, IndexError) as error:
            raise Damaged("the local state of a chat cannot be read") from error


def _read_untrusted(delivery: Delivery, past: Past) -> tuple[int, tuple[ChatEvent, ...]]:
    """The Lamport time and the events of a segment. Raises RemoteProtocolError, Quarantined."""
    lamport, events = decode_events_untrusted(delivery.content)
    if lamport != past.latest + 1:
        raise Quarantined(f"Lamport time {lamport} where {past.latest + 1} follows")
    return lamport, events


def _new_rows(source: Source, events: Sequence[ChatEvent]) -> dict[int, Row]:
    rows: dict[int, Row] = {}
    for index, event in enumerate(events):
        if isinstance(event, Message):
            rows[index] = Row(source, index, event.text)
        elif isinstance(event, Reply):
            target = event.target
            if target == same_segment(target.index):
                target = Reference(source.lamport, source.segment, target.index)
            rows[index] = Row(source, index, event.text, target)
    return rows


def _reactions(row: Row) -> tuple[tuple[str, tuple[AccountId, ...]], ...]:
    by_emoji: dict[str, list[AccountId]] = {}
    for (account, emoji), (_, on) in sorted(row.reactions.items()):
        if on:
            by_emoji.setdefault(emoji, []).append(account)
    return tuple((emoji, tuple(accounts)) for emoji, accounts in sorted(by_emoji.items()))


def _hits(texts: list[str], words: list[str]) -> list[int]:
    """Positions of the texts that hold every word, the last one first."""
    together = "\n".join(texts).casefold()
    if not all(word in together for word in words):
        return []
    folded = [text.casefold() for text in texts]
    return [at for at in range(len(texts) - 1, -1, -1) if all(word in folded[at] for word in words)]


def _flat(reference: Reference) -> list[Any]:
    return [reference.lamport, reference.segment, reference.index]


def _sane(time: int) -> int:
    return min(max(time, 0), _MAX_TIME)


def _blame(delivery: Delivery, error: Exception) -> str:
    return f"a chat segment by {show_person(delivery.author.name)} was set aside: {error}"
