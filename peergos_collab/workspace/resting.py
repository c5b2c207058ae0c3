"""Objects at rest: saved at all their nodes when they were closed, and not opened since.

Of each there is a short note, from which many are compared with a node at once (``sync.collections``) and
listed, without a look at anything else of them. An object wakes when somebody opens it or when a node has
something new of it.

    note  = object (32) ‖ entry (16) ‖ sum (16) ‖ circle (16) ‖ group of nodes (2) ‖ size, time (8) ‖ role (1)
    shelf = cseal(local key, [1, own nodes, generation of the user key, [[node …] …], notes], ad = key)

Notes lie on ``SHELVES`` shelves by the first bits of their object. A note counts only while nothing is stored
of its object that it does not stand for: before that is, a value of the space ``awake`` says so.
"""

from __future__ import annotations

import heapq
import struct
from collections import Counter
from collections.abc import Iterable
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import ObjectId
from ..codec.shape import array, many, number, string
from ..crypto import LocalKey, Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..files.changes import EntryId
from ..objects.epoch_keys import Level
from ..ports import Batch, PutValue, Random, SegmentStore
from ..sync.collections import MAX_OBJECTS, SUM
from ..values import dataclass
from .summaries import Summary

RESTING: Final = "resting"
AWAKE: Final = "awake"
SHELVES: Final = 64
VERSION: Final = 1

CIRCLE: Final = 16
"""Bytes that name a circle."""

AccountState = tuple[tuple[str, ...], bytes]
"""Its own nodes, which all its objects are on, and the generation of its user key, which all have to be
sealed to."""

Place = tuple[bytes, str]
"""A circle and a node."""

_NOTE: Final = struct.Struct(f">32s16s{SUM}s{CIRCLE}sHQQB")
_MOST: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Note:
    """What is noted of an object at rest.

    Args:
        entry: of the profile, which says the rest.
        sum: empty once it is awake.
        circle: names the circle it is in.
        nodes: those that have the same as this home.
        summary: as of an object in use.
    """

    object: ObjectId
    entry: EntryId
    sum: bytes
    circle: bytes
    nodes: tuple[str, ...]
    summary: Summary


class Resting:
    """See the module's text.

    Args:
        account: as it is now. What was noted under another does not count.
    """

    def __init__(self, store: SegmentStore, local: LocalKey, random: Random, account: AccountState) -> None:
        self._store = store
        self._local = local
        self._random = random
        self._account = account
        self.notes: dict[ObjectId, Note] = {}
        """Of all objects that were at rest when the home was closed, those included that woke since."""
        self.asleep: dict[ObjectId, Note] = {}
        self.entries: dict[EntryId, Note] = {}
        """Those asleep, by their entry of the profile."""
        self.collections: dict[Place, list[ObjectId]] = {}
        """By circle and node, in order; the same as long as the home is open."""
        self._asleep_at: Counter[Place] = Counter()
        self._changed: set[int] = set()
        awake = self._stored_awake()
        self._doubtful = awake is None
        for key in self._keys(RESTING):
            self._load(key, awake)
        for object_id in sorted(self.notes):
            self._gather(self.notes[object_id])

    def _gather(self, note: Note) -> None:
        places = [(note.circle, node) for node in note.nodes]
        for place in places:
            collection = self.collections.setdefault(place, [])
            if len(collection) < MAX_OBJECTS:
                collection.append(note.object)
            else:
                self.asleep.pop(note.object, None)  # compared by itself
        if note.object in self.asleep:
            self.entries[note.entry] = note
            for place in places:
                self._asleep_at[place] += 1

    @property
    def places(self) -> list[Place]:
        """Where objects are asleep: each needs a session."""
        return [place for place, number_ in self._asleep_at.items() if number_]

    def collection(self, place: Place) -> tuple[list[ObjectId], list[bytes]]:
        """The objects of a circle at a node, and the sum of each; empty of those that are awake."""
        objects = self.collections.get(place, [])
        return objects, [note.sum if (note := self.asleep.get(id_)) is not None else b"" for id_ in objects]

    def _keys(self, space: str) -> list[bytes]:
        return self._store.keys(space, b"", b"\xff" * 33, _MOST)

    def _stored_awake(self) -> set[bytes] | None:
        """Objects that woke; None where one of the marks is damaged, which may be any object's."""
        try:
            return {key for key in self._keys(AWAKE) if self._store.value(AWAKE, key)}
        except Damaged:
            return None

    def _load(self, key: bytes, awake: set[bytes] | None) -> None:
        try:
            sealed = self._store.value(RESTING, key) or b""
            notes, counts = self._read(copen(self._local, Tag.RESTING, sealed, key))
        except (Damaged, RemoteProtocolError):
            return  # they are opened, and noted anew
        if not counts:  # nor ever again: none of their objects is marked when it wakes
            self._store.write([PutValue(RESTING, key, None)])
            return
        for note in notes:
            self.notes[note.object] = note
            if awake is not None and note.object not in awake:
                self.asleep[note.object] = note

    def _read(self, raw: bytes) -> tuple[list[Note], bool]:
        version, nodes, generation, groups, packed = array(decode_untrusted(raw, _MOST), 5, "notes")
        number(version, VERSION, VERSION, "version of notes")
        named = [tuple(string(node, 512, "node") for node in many(group, 64, "nodes")) for group in groups]
        counts = (tuple(nodes), generation) == self._account
        notes = [
            Note(
                ObjectId(id_),
                EntryId(entry),
                sum_,
                circle,
                named[group],
                Summary(size, modified, Level(level) if level else None),
            )
            for id_, entry, sum_, circle, group, size, modified, level in _NOTE.iter_unpack(packed)
        ]
        return notes, counts

    def wake(self, *objects: ObjectId) -> Batch:
        """Takes objects into use: their notes do not stand for them.

        Returns:
            What says so after a crash: to be on the disk before anything else of them.
        """
        batch: Batch = []
        for object_id in objects:
            note = self.asleep.pop(object_id, None)
            if note is not None:
                del self.entries[note.entry]
                self._asleep_at.subtract((note.circle, node) for node in note.nodes)
                batch.append(PutValue(AWAKE, object_id, b"\1"))
        return batch

    def moved(self, account: AccountState) -> bool:
        """Takes in how the account is now; says whether it was otherwise, so that no note counts."""
        if account == self._account:
            return False
        self._account = account
        self._changed.update(map(_shelf, self.notes))
        self.notes.clear()
        return True

    def latest(self, most: int) -> list[ObjectId]:
        """Those asleep that were changed last."""
        newest = heapq.nlargest(most, self.asleep.values(), key=lambda note: note.summary.modified)
        return [note.object for note in newest]

    def forget(self, object_id: ObjectId) -> None:
        """The object is no more in the profile."""
        self._store.write(self.wake(object_id))
        if self.notes.pop(object_id, None) is not None:
            self._changed.add(_shelf(object_id))

    def note(self, notes: Iterable[Note]) -> None:
        """These are at rest now."""
        for note in notes:
            self.notes[note.object] = note
            self._changed.add(_shelf(note.object))

    def save(self, at_rest: Iterable[ObjectId]) -> Batch:
        """What keeps the notes; those of ``at_rest`` count again."""
        at_rest = set(at_rest)
        batch: Batch = [PutValue(AWAKE, object_id, None) for object_id in at_rest]
        if self._doubtful:
            batch = [PutValue(AWAKE, key, None) for key in self._keys(AWAKE)]
            batch += [PutValue(AWAKE, id_, b"\1") for id_ in self.notes if id_ not in at_rest]
            self._doubtful = False
        shelves: dict[int, list[Note]] = {shelf: [] for shelf in self._changed}
        for note in self.notes.values():
            shelf = _shelf(note.object)
            if shelf in shelves:
                shelves[shelf].append(note)
        for shelf, notes in shelves.items():
            key = bytes([shelf])
            sealed = cseal(self._local, Tag.RESTING, self._packed(notes), key, self._random)
            batch.append(PutValue(RESTING, key, sealed if notes else None))
        self._changed.clear()
        return batch

    def _packed(self, notes: list[Note]) -> bytes:
        groups = {group: at for at, group in enumerate(dict.fromkeys(note.nodes for note in notes))}
        packed = b"".join(
            _NOTE.pack(n.object, n.entry, n.sum, n.circle, groups[n.nodes], *_fields(n.summary))
            for n in notes
        )
        nodes, generation = self._account
        return encode([VERSION, list(nodes), generation, [list(group) for group in groups], packed])


def _shelf(object_id: ObjectId) -> int:
    return object_id[0] * SHELVES // 256


def _fields(summary: Summary) -> tuple[int, int, int]:
    return summary.size, summary.modified, summary.level or 0
