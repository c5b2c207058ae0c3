"""How the payloads of each kind of object become its state: documents, chats, the profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Final, Self
from zlib import crc32

from ..chat.events import ChatEvent, decode_events_untrusted, encode_events
from ..chat.timeline import Timeline
from ..chat.waiting import Waiting
from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, ObjectId, RunId
from ..codec.shape import array, many, number, some_bytes
from ..documents import Document, Edit, Shown, merge
from ..documents.client_id import client_id
from ..documents.neighbours import Neighbours
from ..documents.version_names import Naming, naming_in_untrusted
from ..errors import Damaged, Quarantined, RemoteProtocolError
from ..files.changes import EntryChange, EntryId, decode_changes_untrusted, encode_changes, touched
from ..files.entries import EntryMap
from ..objects.payload import Delivery, Kind
from ..ports import Clock
from ..sync.bases import Base
from ..sync.fold import Missing, StateDamaged

_HEAD = bytes(8)
"""Key of the first part of a timeline or a map of entries."""

LIVED: Final = 2
"""Times as long as its text a document's state is where most of what was written is gone again."""

SHORT: Final = 4 << 10
"""Bytes of a state that the engine takes in at once: some 0.2 ms."""

MAX_STATE: Final = 1 << 30
_FIRST = b""
"""Key of a document's state; of one that has lived long, of what that shows."""

_BEHIND = b"state"
"""Key of the state behind that, which is read once somebody needs it."""

DOCUMENT_PARTS: Final = (_FIRST, _BEHIND)


class DocumentFold:
    """Yjs updates, folded into one text.

    Args:
        device, run: the client id of local edits comes from these.
    """

    kind = Kind.DOCUMENT
    kinds = frozenset({Kind.DOCUMENT, Kind.NAME})
    has_unsealed = True

    def __init__(self, object_id: ObjectId, device: DeviceId, run: RunId, clock: Clock) -> None:
        self._object = object_id
        self._device = device
        self._client = client_id(object_id, device, run)
        self._clock = clock
        self.document = Document(self._client, clock=clock)
        self._changed = False
        self._in_two = True
        """Whether what is saved of it may be in two parts; to begin with, an earlier state may have been."""
        self._one_for_doubt = False
        """Whether it would be, had it been sure to show that."""
        self.on_damage: list[Callable[[Damaged], None]] = []
        """Called when the part of the stored state cannot be read that was not needed till then."""
        self.on_applied: list[Callable[[bytes], None]] = []
        """Called with each update that entered the document, wherever it came from."""
        self.guarded: dict[int, int] = {}
        """Of client ids of this device, how far they went: what a base says beyond it is false."""
        self.lost: list[Edit] = []
        self.on_renewed: list[Callable[[], None]] = []
        """Called when the document took another state, which no update describes."""
        self.document.on_update(self._note)

    def _note(self, update: bytes) -> None:
        self._changed = True
        for callback in list(self.on_applied):
            callback(update)

    @property
    def size(self) -> int:
        return self.document.lines.byte_length

    def take_untrusted(self, delivery: Delivery) -> None:
        if delivery.kind is Kind.NAME:
            naming_in_untrusted(delivery)  # only whoever reads the past keeps names
            return
        author = self.id_of(delivery.author.device, delivery.run)
        # A restored journal may hold the first part of what this device had sealed before.
        overlap = delivery.contested or delivery.skip > 0 or delivery.author.device == self._device
        self.document.apply_untrusted(delivery.content, author, overlap=overlap)
        self._note(delivery.content)

    @property
    def in_doubt(self) -> bool:
        return self.document.in_doubt

    def id_of(self, device: DeviceId, run: RunId) -> int:
        return client_id(self._object, device, run)

    def begin_anew(self) -> None:
        self.document.doubt_all()

    def catching_up(self) -> AbstractContextManager[None]:
        return self.document.catching_up()

    def own_clock(self) -> dict[int, int]:
        """How far this run went under its client id."""
        return {self._client: self.document.clocks().get(self._client, 0)}

    def knows(self, missing: Missing) -> bool:
        return self.document.knows(*missing)

    def adopt(self, anew: Self, unsealed: Sequence[bytes]) -> list[int]:
        became = self.document.become(anew.document.state(), unsealed, anew.document.proof)
        self.lost += became.lost
        if became.changed:
            self._changed = True
            for callback in list(self.on_renewed):
                callback()
        return became.refused

    def put_back(self) -> None:
        """Inserts anew, as local edits, what ``adopt`` could not keep."""
        lost, self.lost = self.lost, []
        self.document.edit_each(lost)

    def take_attached(self, update: bytes) -> None:
        """Takes an edit made in another process of this home, which has a run of its own."""
        self.document.apply_own(update)
        self._note(update)

    def take_own(self, delivery: Delivery) -> None:
        """Nothing to do: the document had it before it was sealed."""

    def take_base_untrusted(self, base: Base, state: bytes) -> None:
        self.document.take_state_untrusted(state, self.guarded)
        self._note(state)

    def pass_by(self, delivery: Delivery) -> None:
        """Nothing to do: CRDT updates carry their own order."""

    def combine(self, changes: Sequence[bytes]) -> bytes:
        return changes[0] if len(changes) == 1 else merge(changes)

    def restore(self, change: bytes, time: int) -> None:
        self._changed = True
        self.document.apply_own(change)

    def last_named(self, naming: bytes) -> tuple[RunId, int]:
        version = Naming.decode_untrusted(naming).version
        return version.run, version.number

    def forget(self, count: int) -> None:
        """Nothing to do: a CRDT update that is known changes nothing."""

    def snapshot_state(self) -> bytes | None:
        document = self.document
        try:
            return None if document.in_doubt and not document.prove() else document.state_without_deleted()
        except Damaged:
            return None  # who has it in use was told, and makes it anew

    def load_preview(self, state: bytes) -> None:
        """Takes the state of a snapshot; the history that follows is known to it and changes nothing.

        Raises:
            Quarantined: it is no document.
        """
        self.document.apply_own(state)
        self._note(state)

    def dirty_state(self) -> Mapping[bytes, bytes | None]:
        """Of a state that is much longer than what it is sure to show, that too: it need not wait for it."""
        if not self._changed:
            return {}
        document = self.document
        state, was_in_two = document.state(), self._in_two
        has_lived = len(state) > max(SHORT, LIVED * document.lines.byte_length)
        self._in_two = has_lived and not document.may_show_otherwise
        self._one_for_doubt = has_lived and document.may_show_otherwise
        self._changed = False
        if self._in_two:
            return {_FIRST: _encode_shown(document.shown(), crc32(state)), _BEHIND: state}
        return {_FIRST: encode([state]), **({_BEHIND: None} if was_in_two else {})}

    def end_proof(self, order: Neighbours | None) -> bool:
        """See ``Document.end_proof``; what it is sure to show from here on is saved as well."""
        true = self.document.end_proof(order)
        self._changed |= true and self._one_for_doubt
        return true

    def save_whole(self) -> None:
        """All of it is saved anew, because what is on the disk goes. Raises Damaged."""
        self.document.wake()
        self._changed = True

    def load_state(self, load: Callable[[bytes], bytes | None]) -> bool:
        stored = load(_FIRST)
        if stored is None:
            return False
        try:
            state, shown = _decode_document(stored)
            self._in_two = shown is not None
            read = partial(self._load_behind, load, state) if isinstance(state, int) else state
            self.document = Document(self._client, read, clock=self._clock, shown=shown)
        except (Quarantined, RemoteProtocolError) as error:
            raise Damaged("the local state of a document cannot be read") from error
        self.document.on_update(self._note)
        return True

    def _load_behind(self, load: Callable[[bytes], bytes | None], checksum: int) -> bytes:
        try:
            state = load(_BEHIND)
            if state is None or crc32(state) != checksum:
                raise Damaged("a part of the local state of a document is missing")
        except Damaged as error:
            damage = StateDamaged(error.message)
            for callback in list(self.on_damage):
                callback(damage)
            raise damage from None
        return state


def _encode_shown(shown: Shown, checksum: int) -> bytes:
    """``checksum``: of the state that shows it; a disk may keep an older one beside it."""
    return encode([shown.text, [list(clock) for clock in shown.clocks.items()], checksum])


def _decode_document(stored: bytes) -> tuple[bytes | int, Shown | None]:
    """Its state, or the checksum of that and what it shows. Raises RemoteProtocolError."""
    fields = many(decode_untrusted(stored, MAX_STATE), 3, "state of a document")
    if len(fields) == 3:
        text, clocks, checksum = fields
        return number(checksum, 0, (1 << 32) - 1, "checksum of a state"), Shown(text, dict(clocks))
    (state,) = array(fields, 1, "state of a document")
    return some_bytes(state, MAX_STATE, "state of a document"), None


class ChatFold:
    """Chat events, folded into a timeline. Local events are ``waiting`` until they have a place."""

    kind = Kind.CHAT
    kinds = frozenset({kind})
    has_unsealed = False
    in_doubt = False

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.waiting = Waiting()

    def add_local(self, event: ChatEvent, time: int) -> bytes:
        """The change to submit for a local event."""
        change = encode_events(0, [event])
        self.waiting.add([(time, event)])
        return change

    @property
    def size(self) -> int:
        return len(self.timeline) + len(self.waiting.events)

    def take_untrusted(self, delivery: Delivery) -> None:
        self.timeline.add_untrusted(delivery)

    def id_of(self, device: DeviceId, run: RunId) -> tuple[DeviceId, RunId]:
        return device, run

    def begin_anew(self) -> None:
        """Nothing to do: nothing is looked at later."""

    def catching_up(self) -> AbstractContextManager[None]:
        return nullcontext()

    def knows(self, missing: Missing) -> bool:
        """What a chat's segment builds on it has to cite."""
        return True

    def adopt(self, anew: Self, unsealed: Sequence[bytes]) -> list[int]:
        self.timeline = anew.timeline
        return []

    def take_own(self, delivery: Delivery) -> None:
        _, events = decode_events_untrusted(delivery.content)
        self.waiting.drop(len(events))
        self.timeline.add_untrusted(delivery)

    def take_base_untrusted(self, base: Base, state: bytes) -> None:
        raise Quarantined("a chat has no states that stand for its history")

    def pass_by(self, delivery: Delivery) -> None:
        self.timeline.pass_by(delivery)

    def combine(self, changes: Sequence[bytes]) -> bytes:
        events = [event for change in changes for event in decode_events_untrusted(change)[1]]
        return encode_events(self.timeline.next_lamport(), events)

    def restore(self, change: bytes, time: int) -> None:
        self.waiting.add((time, event) for event in decode_events_untrusted(change)[1])

    def last_named(self, naming: bytes) -> tuple[RunId, int]:
        raise Quarantined("a chat has no versions")

    def forget(self, count: int) -> None:
        self.waiting.drop(count)

    def snapshot_state(self) -> bytes | None:
        return None

    def dirty_state(self) -> dict[bytes, bytes]:
        return {number.to_bytes(8, "big"): raw for number, raw in self.timeline.dirty_chunks().items()}

    def load_state(self, load: Callable[[bytes], bytes | None]) -> bool:
        stored = load(_HEAD) is not None
        load_chunk = _numbered(load, "a chat")
        self.timeline = Timeline.from_chunks(load_chunk) if stored else Timeline(load_chunk=load_chunk)
        return stored


class EntriesFold:
    """Changes of entries, folded into a map. ``view`` shows local changes that are not sealed yet, too."""

    kind = Kind.ENTRIES
    kinds = frozenset({kind})
    has_unsealed = False
    in_doubt = False

    def __init__(self, device: DeviceId) -> None:
        self._device = device
        self._map = EntryMap()
        self._unsealed: list[EntryChange] = []
        self._view: EntryMap | None = None
        self._touched: set[EntryId] = set()
        self.on_damage: list[Callable[[Damaged], None]] = []
        """Called when a part of the stored state cannot be read that was not needed till then."""

    @property
    def view(self) -> EntryMap:
        """The map as this user sees it; read it, do not keep it."""
        if not self._unsealed:
            return self._map
        if self._view is None:
            self._view = self._map.preview()
            for at, change in enumerate(self._unsealed):
                self._view.put_on_top(change, self._device, at)
        return self._view

    def add_local(self, change: EntryChange) -> bytes:
        """The change to submit for a local change."""
        raw = encode_changes(0, [change])
        if self._view is not None:
            self._view.put_on_top(change, self._device, len(self._unsealed))
        self._unsealed.append(change)
        self._touched |= touched([change])
        return raw

    def take_touched(self) -> set[EntryId]:
        """Entries that may be otherwise than at the last call, here or once they are sealed."""
        taken, self._touched = self._touched | self._map.take_touched(), set()
        return taken

    @property
    def size(self) -> int:
        return len(self.view)

    def take_untrusted(self, delivery: Delivery) -> None:
        self._view = None
        self._map.add_untrusted(delivery)

    def id_of(self, device: DeviceId, run: RunId) -> tuple[DeviceId, RunId]:
        return device, run

    def begin_anew(self) -> None:
        """Nothing to do: nothing is looked at later."""

    def catching_up(self) -> AbstractContextManager[None]:
        return nullcontext()

    def knows(self, missing: Missing) -> bool:
        """Entries need nothing that is not cited."""
        return True

    def adopt(self, anew: Self, unsealed: Sequence[bytes]) -> list[int]:
        with suppress(Damaged):
            self._touched |= {view.id for view in self._map.entries().values()}  # some may not count any more
        self._view, self._map = None, anew._map
        return []

    def take_own(self, delivery: Delivery) -> None:
        self._view = None
        del self._unsealed[: len(decode_changes_untrusted(delivery.content)[1])]
        self._map.add_untrusted(delivery)

    def take_base_untrusted(self, base: Base, state: bytes) -> None:
        raise Quarantined("a map of entries has no states that stand for its history")

    def pass_by(self, delivery: Delivery) -> None:
        self._view = None
        self._map.pass_by(delivery)

    def combine(self, changes: Sequence[bytes]) -> bytes:
        merged = [change for raw in changes for change in decode_changes_untrusted(raw)[1]]
        return encode_changes(self._map.next_lamport(), merged)

    def restore(self, change: bytes, time: int) -> None:
        changes = decode_changes_untrusted(change)[1]
        self._unsealed += changes
        self._view = None
        self._touched |= touched(changes)

    def last_named(self, naming: bytes) -> tuple[RunId, int]:
        raise Quarantined("a map of entries has no versions")

    def forget(self, count: int) -> None:
        del self._unsealed[:count]
        self._view = None

    def snapshot_state(self) -> bytes | None:
        return None

    def dirty_state(self) -> dict[bytes, bytes]:
        return {number.to_bytes(8, "big"): raw for number, raw in self._map.dirty_chunks().items()}

    def load_state(self, load: Callable[[bytes], bytes | None]) -> bool:
        stored = load(_HEAD) is not None
        load_chunk = _numbered(load, "a map of entries")

        def load_later(number: int) -> bytes:
            try:
                return load_chunk(number)
            except Damaged as damage:
                for callback in list(self.on_damage):
                    callback(damage)
                raise

        self._map = EntryMap.from_chunks(load_later) if stored else EntryMap(load_later)
        self._view = None
        return stored


def _numbered(load: Callable[[bytes], bytes | None], what: str) -> Callable[[int], bytes]:
    """Gives the parts of a state that is stored in parts."""

    def load_chunk(number: int) -> bytes:
        try:
            chunk = load(number.to_bytes(8, "big"))
        except Damaged as error:
            raise StateDamaged(error.message) from None
        if chunk is None:
            raise StateDamaged(f"a part of the local state of {what} is missing")
        return chunk

    return load_chunk
