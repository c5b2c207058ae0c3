"""The map of entries behind a profile, and later behind folders: last writer wins, per group of fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, SegmentId
from ..codec.shown import show_person
from ..errors import Damaged, Quarantined, RemoteProtocolError
from ..objects.chunks import Chunks
from ..objects.lamport import LamportClock
from ..objects.payload import Delivery
from ..values import dataclass
from .changes import (
    EntryChange,
    EntryId,
    PutEntry,
    RemoveEntry,
    RenameEntry,
    ReplaceReference,
    SetEntryNode,
    SetNode,
    SetOwnName,
    decode_changes_untrusted,
)
from .names import is_hostile, show_name

APART: Final = frozenset({"contact", "device", "invitation", "link", "recovery"})
"""Kinds that are no things with a path: they are listed each by itself, with names of their own."""

_VERSION: Final = 1

_STATE_LIMIT: Final = 1 << 32
"""Our own sealed state, not a peer's: only a guard against nonsense."""

V = TypeVar("V")


class Stamp(NamedTuple):
    """When a change was made, in an order that is total and the same everywhere."""

    lamport: int
    device: DeviceId
    segment: SegmentId
    at: int


@dataclass(frozen=True, slots=True)
class Written(Generic[V]):
    """A value and the stamp of the change that wrote it."""

    stamp: Stamp
    value: V


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as it stands now.

    Args:
        shown: the name to show and to find it by; unique in its map.
        name: the name as it was given.
        kind: ``doc``, ``chat`` or what later versions bring.
        reference: opaque here, for instance an encoded capability.
        created, modified: ms since 1970, by its authors' clocks.
    """

    id: EntryId
    shown: str
    name: str
    kind: str
    reference: bytes
    created: int
    modified: int

    @property
    def hostile(self) -> bool:
        """Whether the name is one that no honest program gives; ``shown`` is safe all the same."""
        return is_hostile(self.name)


@dataclass(slots=True)
class _Entry:
    """What was last written to each group of fields; there while its put is newer than its removal."""

    birth: Written[tuple[str, int]] | None = None  # kind, created
    name: Written[tuple[str, int]] | None = None  # name, modified
    reference: Written[tuple[bytes, int]] | None = None  # reference, modified
    removed: Stamp | None = None

    @property
    def alive(self) -> bool:
        return self.birth is not None and (self.removed is None or self.birth.stamp > self.removed)

    def put(self, stamp: Stamp, change: PutEntry) -> None:
        self.birth = _newer(self.birth, Written(stamp, (change.kind, change.created)))
        self.name = _newer(self.name, Written(stamp, (change.name, change.modified)))
        self.reference = _newer(self.reference, Written(stamp, (change.reference, change.modified)))


class EntryMap:
    """A map of entries, node addresses, the entry node and the holder's name, folded from segments.

    Rules, for changes in the order (Lamport time, device, segment id, index):

    - of a group of fields (name; reference; kind and creation time) the last change wins;
    - an entry is there if its last put comes after its last removal. A rename or a new reference never
      brings it back, however late; only a new put does;
    - an address is there if the last change to it added it; the last own name and entry node win.
    """

    def __init__(self) -> None:
        self._chunks = Chunks()
        self._clock = LamportClock(self._chunks)
        self._entries: dict[EntryId, _Entry] = {}
        self._nodes: dict[str, Written[bool]] = {}
        self._name: Written[str] | None = None
        self._entry_node: Written[str] | None = None
        self._shown: dict[str, EntryView] | None = None
        self._apart: dict[str, dict[str, EntryView]] = {}

    def next_lamport(self) -> int:
        """The Lamport time for a segment that cites everything delivered so far."""
        return self._clock.next()

    def add_untrusted(self, delivery: Delivery) -> None:
        """Folds in a segment of kind ENTRIES. One that was folded in before changes nothing.

        Raises:
            Quarantined: it breaks a rule of docs/spec/entries.md. Nothing changes; the segment counts as
                passed by, so that later ones may cite it.
            LocalProtocolError: it was delivered before something it cites.
        """
        if self._clock.knows(delivery):
            return
        past = self._clock.past(delivery)
        try:
            lamport, changes = decode_changes_untrusted(delivery.content)
            if lamport != past.latest + 1:
                raise RemoteProtocolError(f"Lamport time {lamport} where {past.latest + 1} follows")
        except RemoteProtocolError as error:
            self._clock.note(delivery, past)
            author = show_person(delivery.author.name)
            raise Quarantined(f"changes of entries by {author} were set aside: {error}") from error
        self._clock.note(delivery, past, lamport)
        for at, change in enumerate(changes):
            self._apply(change, Stamp(lamport, delivery.author.device, delivery.segment, at))
        self._shown, self._apart = None, {}

    def pass_by(self, delivery: Delivery) -> None:
        """Notes a segment without changes: a greeting, or one that was set aside elsewhere."""
        if not self._clock.knows(delivery):
            self._clock.note(delivery, self._clock.past(delivery))

    def preview(self, changes: Iterable[EntryChange], device: DeviceId) -> EntryMap:
        """A copy with local changes on top that have no segment yet; O(entries)."""
        copy = EntryMap.from_state(self.state())
        for at, change in enumerate(changes):
            copy._apply(change, Stamp(self.next_lamport(), device, SegmentId(b""), at))  # noqa: SLF001 - its own class
        return copy

    @property
    def name(self) -> str:
        """What the holder calls himself; empty if never set."""
        return self._name.value if self._name else ""

    @property
    def entry_node(self) -> str:
        """Address of the node that others are reached through; empty if there is none."""
        return self._entry_node.value if self._entry_node else ""

    def nodes(self) -> list[str]:
        """Addresses of nodes, sorted."""
        return sorted(address for address, written in self._nodes.items() if written.value)

    def entries(self) -> dict[str, EntryView]:
        """All entries by shown name, sorted. Of equal names all but one have a suffix like `` (2)``."""
        if self._shown is None:
            alive = [(key, entry) for key, entry in self._alive() if _kind(entry) not in APART]
            self._shown = {view.shown: view for view in _views(alive, _by_id)}
        return dict(self._shown)

    def apart(self, kind: str) -> Mapping[str, EntryView]:
        """Entries of a kind in ``APART``. Of equal names the one that was here first has no suffix.

        The same mapping as before for as long as nothing changed.
        """
        if kind not in self._apart:
            alive = [(key, entry) for key, entry in self._alive() if _kind(entry) == kind]
            self._apart[kind] = {view.shown: view for view in _views(alive, _by_age)}
        return self._apart[kind]

    def _alive(self) -> Iterable[tuple[EntryId, _Entry]]:
        return ((key, entry) for key, entry in self._entries.items() if entry.alive)

    def find(self, shown: str) -> EntryView | None:
        """The entry of a shown name, or None."""
        return self.entries().get(shown)

    def state(self) -> bytes:
        """Everything in one piece, for the sealed local checkpoint."""
        entries = [
            [key, _flat(e.birth), _flat(e.name), _flat(e.reference), list(e.removed or ())]
            for key, e in sorted(self._entries.items())
        ]
        nodes = [[address, *_flat(written)] for address, written in sorted(self._nodes.items())]
        clock = [self._chunks.following, self._clock.head(), [[n, raw] for n, raw in self._chunks.all()]]
        return encode([_VERSION, clock, entries, nodes, _flat(self._name), _flat(self._entry_node)])

    @classmethod
    def from_state(cls, state: bytes) -> EntryMap:
        """Raises Damaged."""
        try:
            _, (following, head, pages), entries, nodes, name, entry = decode_untrusted(state, _STATE_LIMIT)
            entry_map = cls()
            entry_map._chunks.following = following
            for number, raw in pages:
                entry_map._chunks.put(number, raw)
            entry_map._clock.restore(head)
            entry_map._entries = {EntryId(key): _restored(fields) for key, *fields in entries}
            entry_map._nodes = {address: Written(Stamp(*stamp), on) for address, stamp, on in nodes}
            entry_map._name = _unflat(name)
            entry_map._entry_node = _unflat(entry)
        except (RemoteProtocolError, ValueError, TypeError) as error:
            raise Damaged("the local state of a map of entries cannot be read") from error
        return entry_map

    def _apply(self, change: EntryChange, stamp: Stamp) -> None:
        match change:
            case SetNode(address, on):
                self._nodes[address] = _newer(self._nodes.get(address), Written(stamp, on))
            case SetOwnName(name):
                self._name = _newer(self._name, Written(stamp, name))
            case SetEntryNode(address):
                self._entry_node = _newer(self._entry_node, Written(stamp, address))
            case _:
                self._apply_to(self._entries.setdefault(change.id, _Entry()), change, stamp)

    def _apply_to(
        self,
        entry: _Entry,
        change: PutEntry | RenameEntry | ReplaceReference | RemoveEntry,
        stamp: Stamp,
    ) -> None:
        match change:
            case PutEntry():
                entry.put(stamp, change)
            case RenameEntry(_, name, modified):
                entry.name = _newer(entry.name, Written(stamp, (name, modified)))
            case ReplaceReference(_, reference, modified):
                entry.reference = _newer(entry.reference, Written(stamp, (reference, modified)))
            case RemoveEntry():
                entry.removed = max(entry.removed or stamp, stamp)


def _newer(old: Written[V] | None, new: Written[V]) -> Written[V]:
    return new if old is None or new.stamp > old.stamp else old


def _kind(entry: _Entry) -> str:
    return entry.birth.value[0] if entry.birth else ""


def _by_id(key: EntryId, entry: _Entry) -> Any:
    return key


def _by_age(key: EntryId, entry: _Entry) -> Any:
    return entry.birth.stamp if entry.birth else key


def _views(
    entries: Iterable[tuple[EntryId, _Entry]], rank: Callable[[EntryId, _Entry], Any]
) -> list[EntryView]:
    """Views with unique shown names: of equal ones that of the lowest rank keeps the name as it is."""
    plain = sorted(
        (
            (show_name(entry.name.value[0]), rank(key, entry), key, entry)
            for key, entry in entries
            if entry.name
        ),
        key=lambda item: item[:3],
    )
    first: dict[str, EntryId] = {}
    for shown, _, key, _ in plain:
        first.setdefault(shown, key)
    taken, last = set(first), dict.fromkeys(first, 1)
    views = []
    for shown, _, key, entry in plain:
        unique = shown
        while key != first[shown] and unique in taken:
            last[shown] += 1
            unique = f"{shown} ({last[shown]})"
        taken.add(unique)
        views.append(_view(key, entry, unique))
    return sorted(views, key=lambda view: view.shown)


def _view(id: EntryId, entry: _Entry, shown: str) -> EntryView:
    assert entry.birth
    assert entry.name
    assert entry.reference
    name, named = entry.name.value
    reference, replaced = entry.reference.value
    kind, created = entry.birth.value
    return EntryView(id, shown, name, kind, reference, created, max(named, replaced))


def _flat(written: Written[Any] | None) -> list[Any]:
    return [] if written is None else [list(written.stamp), written.value]


def _unflat(fields: list[Any]) -> Written[Any] | None:
    if not fields:
        return None
    stamp, value = fields
    return Written(Stamp(*stamp), tuple(value) if type(value) is list else value)


def _restored(fields: list[Any]) -> _Entry:
    birth, name, reference, removed = fields
    return _Entry(_unflat(birth), _unflat(name), _unflat(reference), Stamp(*removed) if removed else None)
