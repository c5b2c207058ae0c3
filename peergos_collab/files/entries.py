"""The map of entries behind a profile, and later behind folders: last writer wins, per group of fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import dropwhile, islice, takewhile
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, SegmentId
from ..codec.shown import show_person
from ..errors import Damaged, Quarantined, RemoteProtocolError
from ..objects.chunks import HEAD, Chunks
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
from .names import is_hostile
from .sorted_pages import Key
from .stored_entries import (
    GONE,
    THINGS,
    ChangedEntries,
    Entries,
    Entry,
    Fields,
    Stamp,
    StoredEntries,
    Written,
    flat,
    newer,
    unflat,
)

_VERSION: Final = 2

_STATE_LIMIT: Final = 1 << 32
"""Our own sealed state, not a peer's: only a guard against nonsense."""

_NUMBERED: Final = re.compile(r"(.*) \([0-9]+\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as it stands now.

    Args:
        shown: the name to show and to find it by; unique in its map.
        name: the name as it was given.
        kind: ``doc``, ``chat`` or what later versions bring.
        reference: opaque here, for instance an encoded capability.
        created, modified: ms since 1970, by its authors' clocks.
        key: its place among all.
    """

    id: EntryId
    shown: str
    name: str
    kind: str
    reference: bytes
    created: int
    modified: int
    key: Key = ()

    @property
    def hostile(self) -> bool:
        """Whether the name is one that no honest program gives; ``shown`` is safe all the same."""
        return is_hostile(self.name)


class EntryMap:
    """A map of entries, node addresses, the entry node and the holder's name, folded from segments.

    Rules, for changes in the order (Lamport time, device, segment id, index):

    - of a group of fields (name; reference; kind and creation time) the last change wins;
    - an entry is there if its last put comes after its last removal. A rename or a new reference never
      brings it back, however late; only a new put does;
    - an address is there if the last change to it added it; the last own name and entry node win.

    Entries are read when they are asked for; all else is small, and read at once.

    Args:
        load_chunk: gives what ``dirty_chunks`` once handed out under a number.
    """

    def __init__(self, load_chunk: Callable[[int], bytes] | None = None) -> None:
        self._chunks = Chunks(load_chunk)
        self._clock = LamportClock(self._chunks)
        self._entries: Entries = StoredEntries(self._chunks)
        self._nodes: dict[str, Written[bool]] = {}
        self._name: Written[str] | None = None
        self._entry_node: Written[str] | None = None
        self._shown: dict[str, EntryView] | None = None
        self._making: tuple[dict[str, EntryView], Iterator[EntryView]] | None = None
        self._apart: dict[str, dict[str, EntryView]] = {}
        self._touched: set[EntryId] = set()
        self._changed = False

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
        past, self._changed = self._clock.past(delivery), True
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
        self._chunks.trim()

    def pass_by(self, delivery: Delivery) -> None:
        """Notes a segment without changes: a greeting, or one that was set aside elsewhere."""
        if not self._clock.knows(delivery):
            self._changed = True
            self._clock.note(delivery, self._clock.past(delivery))

    def preview(self) -> EntryMap:
        """The same, to put local changes on top that have no segment yet. True until this one changes."""
        above = EntryMap()
        above._clock, above._entries = self._clock, ChangedEntries(self._entries)
        above._nodes, above._name, above._entry_node = dict(self._nodes), self._name, self._entry_node
        return above

    def put_on_top(self, change: EntryChange, device: DeviceId, at: int) -> None:
        """Makes a local change, the one of number ``at``, in a preview."""
        self._apply(change, Stamp(self.next_lamport(), device, SegmentId(b""), at))

    def take_touched(self) -> set[EntryId]:
        """Entries that changed since the last call."""
        touched, self._touched = self._touched, set()
        return touched

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

    def __len__(self) -> int:
        """Things with a path."""
        return self._entries.count(THINGS)

    def entries(self) -> Mapping[str, EntryView]:
        """All things with a path by shown name, in the order of names.

        Of equal names all but one have a suffix like `` (2)``. The same mapping as before for as long as
        nothing changed.
        """
        if self._shown is None:
            self._shown = {view.shown: view for view in self._views((THINGS,))}
        return self._shown

    def read_in_turns(self, most: int) -> Iterator[None]:
        """Makes what ``entries`` gives, so many at a time, and anew where something changes in between.

        Several who do it go on with the same.

        Raises:
            Damaged: a part of what is stored is.
        """
        while self._shown is None:
            made, views = making = self._making or ({}, self._views((THINGS,)))
            self._making = None  # given up where this raises
            some = {view.shown: view for view in islice(views, most)}
            made |= some
            if len(some) < most:
                self._shown = made
                return
            self._making = making
            yield

    def rows(self, after: str, most: int) -> list[EntryView]:
        """The things with a path that follow a shown name, however many there are."""
        before = self.find(after) if after else None
        start = (THINGS, before.key[1] if before is not None else after)
        views = self._views(start)
        if before is not None:
            views = dropwhile(lambda view: view.key <= before.key, views)
        return list(islice(views, most))

    def apart(self, kind: str) -> Mapping[str, EntryView]:
        """Entries of a kind in ``APART``. Of equal names the one that was here first has no suffix.

        The same mapping as before for as long as nothing of its kind changed.
        """
        if kind not in self._apart:
            self._apart[kind] = {view.shown: view for view in self._views((kind,))}
        return self._apart[kind]

    def find(self, shown: str) -> EntryView | None:
        """The thing of a shown name, or None."""
        if self._shown is not None:
            return self._shown.get(shown)
        numbered = _NUMBERED.fullmatch(shown)
        for name in (shown, numbered[1]) if numbered else (shown,):
            for view in takewhile(lambda view: view.key[1] == name, self._views((THINGS, name))):  # noqa: B023
                if view.shown == shown:
                    return view
        return None

    def view(self, id_: EntryId) -> EntryView | None:
        """An entry, or None where it is not there or no thing with a path."""
        entry = self._entries.get(id_)
        key = entry.key(id_) if entry is not None else (GONE,)
        views = self._views(key[:2]) if key[0] == THINGS else iter(())
        return next((view for view in views if view.id == id_), None)

    def _views(self, start: Key) -> Iterator[EntryView]:
        """From the first of a name on, each with a name of its own."""
        name, number = None, 1
        for key, fields in self._entries.since(start):
            shown = key[1]
            if shown != name:
                name, number = shown, 1
            else:
                number += 1
                while self._is_name((key[0], f"{name} ({number})")):
                    number += 1
                shown = f"{name} ({number})"
            yield _view(key, fields, shown)

    def _is_name(self, start: Key) -> bool:
        found = next(self._entries.since(start), None)
        return found is not None and found[0][1] == start[1]

    def dirty_chunks(self) -> dict[int, bytes]:
        """What to store since the last call, by number; empty when nothing changed. Number 0 is the head.

        From now on ``load_chunk`` is asked for these: store them before the next call to this map.
        """
        if not self._changed:
            return {}
        self._changed = False
        return {HEAD: self._head(), **self._chunks.take_dirty()}

    @classmethod
    def from_chunks(cls, load_chunk: Callable[[int], bytes]) -> EntryMap:
        """Opens a stored map. Reads the head now, and others when needed, but all of a small one.

        Raises:
            Damaged: what is read now cannot be. Another damaged chunk raises when it is needed.
        """
        entry_map = cls(load_chunk)
        entry_map._restore(load_chunk(HEAD))
        entry_map._chunks.read_few()
        return entry_map

    def _head(self) -> bytes:
        assert isinstance(self._entries, StoredEntries)
        nodes = [[address, *flat(written)] for address, written in sorted(self._nodes.items())]
        order = self._chunks.following, self._clock.head(), self._entries.head()
        return encode([_VERSION, *order, nodes, flat(self._name), flat(self._entry_node)])

    def _restore(self, raw: bytes) -> None:
        assert isinstance(self._entries, StoredEntries)
        try:
            version, following, clock, entries, nodes, name, entry = decode_untrusted(raw, _STATE_LIMIT)
            if version != _VERSION:
                raise Damaged("another version of this program wrote it")
            self._chunks.following = following
            self._clock.restore(clock)
            self._entries.restore(entries)
            self._nodes = {address: Written(Stamp(*stamp), on) for address, stamp, on in nodes}
            self._name, self._entry_node = unflat(name), unflat(entry)
        except (RemoteProtocolError, ValueError, TypeError) as error:
            raise Damaged("the local state of a map of entries cannot be read") from error

    def _apply(self, change: EntryChange, stamp: Stamp) -> None:
        match change:
            case SetNode(address, on):
                self._nodes[address] = newer(self._nodes.get(address), Written(stamp, on))
            case SetOwnName(name):
                self._name = newer(self._name, Written(stamp, name))
            case SetEntryNode(address):
                self._entry_node = newer(self._entry_node, Written(stamp, address))
            case _:
                self._apply_to(change.id, change, stamp)

    def _apply_to(
        self, id_: EntryId, change: PutEntry | RenameEntry | ReplaceReference | RemoveEntry, stamp: Stamp
    ) -> None:
        entry = self._entries.get(id_) or Entry()
        groups = {entry.key(id_)[0]}
        match change:
            case PutEntry():
                entry.put(stamp, change)
            case RenameEntry(_, name, modified):
                entry.name = newer(entry.name, Written(stamp, (name, modified)))
            case ReplaceReference(_, reference, modified):
                entry.reference = newer(entry.reference, Written(stamp, (reference, modified)))
            case RemoveEntry():
                entry.removed = max(entry.removed or stamp, stamp)
        self._entries.put(id_, entry)
        self._making = None  # whatever its kind: pages may be others now
        groups.add(entry.key(id_)[0])
        for kind in groups & self._apart.keys():
            del self._apart[kind]
        if THINGS in groups:
            self._shown = None
            self._touched.add(id_)


def _view(key: Key, fields: Fields, shown: str) -> EntryView:
    kind, created, name, named = *fields[4:6], *fields[10:12]
    reference, replaced = fields[16:18]
    return EntryView(key[-1], shown, name, kind, reference, created, max(named, replaced), key)
