"""Objects at rest: saved at all their nodes when they were put to rest, and not opened since.

Of each there is a short note, from which many are compared with a node at once (``sync.collections``) and
listed, without a look at anything else of them. Ten thousand notes are read in some 15 ms: as bytes, of which
a note is made when somebody asks for it. An object wakes when somebody opens it or when a node has something
new of it.

    note = object (32) ‖ entry (16) ‖ sum (16) ‖ circle (16) ‖ group of nodes (2) ‖ size, time (8) ‖ role (1)
    shelf = cseal(local key, [1, own nodes, generation of the user key, [[node …] …], notes], ad = key)
    others = cseal(local key, [1, [entry …]], ad = key): entries of the profile of which no note counts
    asked = cseal(local key, [1, [[circle, node, [object …], [object …]] …]], ad = key): of the objects that a
        node was asked about last, those that rest no more; and those that it was not asked about yet
    people = cseal(local key, [1, who is in which circle], ad = key): see ``circle_people``

Notes lie on ``SHELVES`` shelves by the first bits of their object, in their order. A note counts only while
nothing is stored of its object that it does not stand for: before that is, a value of the space ``awake``
says so. What is said of the others is true while the home is not in use.
"""

from __future__ import annotations

import heapq
import struct
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, Final, NamedTuple

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, ObjectId
from ..codec.shape import array, many, number, some_bytes, string
from ..crypto import LocalKey, Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..files.changes import EntryId
from ..objects.epoch_keys import Level
from ..ports import Batch, PutValue, Random, SegmentStore
from ..sync.collections import MAX_OBJECTS, SUM
from ..sync.session_collections import MAX_CHANGES
from .circle_people import CIRCLE, CirclePeople
from .summaries import Summary

RESTING: Final = "resting"
AWAKE: Final = "awake"
SHELVES: Final = 64
ASKED: Final = b"asked"
OTHERS: Final = b"others"
PEOPLE: Final = b"people"
VERSION: Final = 1

AccountState = tuple[tuple[str, ...], bytes]
"""Its own nodes, which all its objects are on, and the generation of its user key, which all have to be
sealed to."""

Group = tuple[str, ...]
"""Nodes that have the same as this home."""

Place = tuple[bytes, str]
"""A circle and a node."""

_NOTE: Final = struct.Struct(f">32s16s{SUM}s{CIRCLE}sHQQB")
_ENTRY: Final = slice(32, 48)
_SUM: Final = slice(48, 48 + SUM)
_WHERE: Final = slice(_SUM.stop, _SUM.stop + CIRCLE + 2)
_TIME: Final = slice(_WHERE.stop + 8, _WHERE.stop + 16)
_MOST: Final = 1 << 26


class Note(NamedTuple):
    """What is noted of an object at rest.

    Args:
        entry: of the profile, which says the rest.
        circle: names the circle it is in.
        nodes: those that have the same as this home.
        summary: as of an object in use.
    """

    object: ObjectId
    entry: EntryId
    sum: bytes
    circle: bytes
    nodes: Group
    summary: Summary


class _Shelf:
    """Notes as they are stored. ``groups``: what they refer to by number."""

    def __init__(self, groups: list[Group], packed: bytes) -> None:
        self.groups = groups
        size = _NOTE.size
        if len(packed) % size:
            raise RemoteProtocolError("notes of a wrong length")
        starts = range(0, len(packed), size)
        self.raws = {ObjectId(packed[at : at + 32]): packed[at : at + size] for at in starts}

    def check(self) -> None:
        """Raises Damaged."""
        for raw in {raw[_WHERE]: raw for raw in self.raws.values()}.values():
            self.places(raw)

    def put(self, note: Note) -> None:
        if note.nodes not in self.groups:
            self.groups.append(note.nodes)
        group, summary = self.groups.index(note.nodes), note.summary
        fields = summary.size, summary.modified, summary.level or 0
        self.raws[note.object] = _NOTE.pack(note.object, note.entry, note.sum, note.circle, group, *fields)

    def note(self, object_id: ObjectId) -> Note:
        _, entry, sum_, circle, group, size, modified, level = _NOTE.unpack(self.raws[object_id])
        summary = Summary(size, modified, Level(level) if level else None)
        return Note(object_id, EntryId(entry), sum_, circle, self.groups[group], summary)

    def places(self, raw: bytes) -> list[Place]:
        """Of a note. Raises Damaged."""
        where = raw[_WHERE]
        group = int.from_bytes(where[CIRCLE:])
        if group >= len(self.groups):
            raise Damaged("a note without nodes")
        return [(where[:CIRCLE], node) for node in self.groups[group]]

    def packed(self, without: set[ObjectId]) -> bytes:
        return b"".join(raw for id_, raw in sorted(self.raws.items()) if id_ not in without)


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
        self.asleep: set[ObjectId] = set()
        self.collections: dict[Place, list[ObjectId]] = {}
        """By circle and node, in order."""
        self._shelves: dict[int, _Shelf] = {}
        """Of all objects that were at rest, those included that woke since."""
        self._entries: dict[EntryId, ObjectId] = {}
        self._asleep_at: Counter[Place] = Counter()
        self._touched: set[EntryId] = set()
        self._changed: set[int] = set()
        self._outdated: set[ObjectId] = set()
        """What was noted under another state of the account: it is not kept."""
        awake = self._stored_awake()
        self._doubtful = self._partial = awake is None
        self._beyond: set[EntryId] = set()
        """More than fit into a collection: each is compared by itself."""
        for number_ in self._stored_shelves():
            self._load(number_, awake)
        for collection in self.collections.values():
            collection.sort()
        self._asked = self._stored_asked()
        self.others = self._stored_others()
        """Entries of which no note counted when the home was closed; None where that is not known."""
        self.people = self._stored_people()

    def _stored_shelves(self) -> list[int]:
        """The numbers of those that may be there: in a small home most are not."""
        try:
            return [key[0] for key in self._keys(RESTING) if len(key) == 1 and key[0] < SHELVES]
        except Damaged:
            return list(range(SHELVES))  # some may be whole

    def _load(self, number_: int, awake: set[bytes] | None) -> None:
        key = bytes([number_])
        try:
            sealed = self._store.value(RESTING, key)
            if sealed is None:
                return
            shelf, counts = self._read(copen(self._local, Tag.RESTING, sealed, key))
            shelf.check()
        except (Damaged, RemoteProtocolError):
            self._partial = True
            return  # they are opened, and noted anew
        if not counts:  # nor ever again: none of their objects is marked when it wakes
            self._store.write([PutValue(RESTING, key, None)])
            self._partial = True
            return
        self._shelves[number_] = shelf
        self._gather(shelf, shelf.raws.keys() - awake if awake is not None else set())

    def _gather(self, shelf: _Shelf, asleep: AbstractSet[ObjectId]) -> None:
        """Puts a shelf's objects into collections."""
        alike: dict[bytes, list[ObjectId]] = {}
        for object_id, raw in shelf.raws.items():
            alike.setdefault(raw[_WHERE], []).append(object_id)
        for objects in alike.values():
            places = shelf.places(shelf.raws[objects[0]])
            collections = [self.collections.setdefault(place, []) for place in places]
            room = max(0, MAX_OBJECTS - max(map(len, collections), default=0))
            self._beyond.update(EntryId(shelf.raws[id_][_ENTRY]) for id_ in objects[room:])
            for collection in collections:
                collection += objects[:room]
            self._fall_asleep(shelf, places, [id_ for id_ in objects[:room] if id_ in asleep])

    def _fall_asleep(self, shelf: _Shelf, places: list[Place], objects: list[ObjectId]) -> None:
        self.asleep.update(objects)
        self._entries.update({EntryId(shelf.raws[id_][_ENTRY]): id_ for id_ in objects})
        for place in places:
            self._asleep_at[place] += len(objects)

    def _shelf(self, object_id: ObjectId) -> _Shelf:
        number_ = _number(object_id)
        if number_ not in self._shelves:
            self._shelves[number_] = _Shelf([], b"")
        return self._shelves[number_]

    def note_of(self, object_id: ObjectId) -> Note | None:
        """The note of an object that is asleep."""
        return self._shelf(object_id).note(object_id) if object_id in self.asleep else None

    def note_at(self, entry: EntryId) -> Note | None:
        """The note of the object that is behind an entry of the profile, if it is asleep."""
        object_id = self._entries.get(entry)
        return self.note_of(object_id) if object_id is not None else None

    @property
    def notes(self) -> Mapping[ObjectId, Note]:
        """Those of all objects, awake or not."""
        kept = (
            (shelf, id_) for shelf in self._shelves.values() for id_ in shelf.raws.keys() - self._outdated
        )
        return {id_: shelf.note(id_) for shelf, id_ in kept}

    def take_touched(self) -> set[EntryId]:
        """Entries of objects that woke, or came to rest, since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def entries_at(self, place: Place) -> set[EntryId]:
        """Those of objects that are compared with a node, or were before they woke."""
        raws = (self._shelf(id_).raws[id_] for id_ in self.collections.get(place, ()))
        return {EntryId(raw[_ENTRY]) for raw in raws}

    @property
    def places(self) -> list[Place]:
        """Where objects are asleep: each needs a session."""
        return [place for place, number_ in self._asleep_at.items() if number_]

    def collection(self, place: Place) -> tuple[list[ObjectId], list[bytes], list[ObjectId]]:
        """To compare the objects of a circle with a node.

        Returns:
            The objects, in order; the sum of each, empty of those that are awake; and the objects that the
            node was asked about before.
        """
        objects, shelves = self.collections.get(place, []).copy(), self._shelves
        sums = [
            shelves[id_[0] * SHELVES // 256].raws[id_][_SUM] if id_ in self.asleep else b"" for id_ in objects
        ]
        before, self._asked[place] = self._asked.get(place, []), objects
        return objects, sums, before

    def _keys(self, space: str) -> list[bytes]:
        return self._store.keys(space, b"", b"\xff" * 33, _MOST)

    def _stored_awake(self) -> set[bytes] | None:
        """Objects that woke; None where one of the marks is damaged, which may be any object's."""
        try:
            return {key for key in self._keys(AWAKE) if self._store.value(AWAKE, key)}
        except Damaged:
            return None

    def _read(self, raw: bytes) -> tuple[_Shelf, bool]:
        version, nodes, generation, groups, packed = array(decode_untrusted(raw, _MOST), 5, "notes")
        number(version, VERSION, VERSION, "version of notes")
        named = [tuple(string(node, 512, "node") for node in many(group, 64, "nodes")) for group in groups]
        counts = (tuple(nodes), generation) == self._account
        return _Shelf(named, some_bytes(packed, _MOST, "notes")), counts

    def wake(self, *objects: ObjectId) -> Batch:
        """Takes objects into use: their notes do not stand for them.

        Returns:
            What says so after a crash: to be on the disk before anything else of them.
        """
        woken = [object_id for object_id in objects if object_id in self.asleep]
        for object_id in woken:
            self.asleep.discard(object_id)
            shelf = self._shelf(object_id)
            raw = shelf.raws[object_id]
            entry = EntryId(raw[_ENTRY])
            del self._entries[entry]
            self._touched.add(entry)
            self._asleep_at.subtract(shelf.places(raw))
        return [PutValue(AWAKE, object_id, b"\1") for object_id in woken]

    def moved(self, account: AccountState) -> bool:
        """Takes in how the account is now; says whether it was otherwise, so that no note counts."""
        if account == self._account:
            return False
        self._account = account
        self._changed.update(self._shelves)
        self._outdated.update(*(shelf.raws for shelf in self._shelves.values()))
        return True

    def latest(self, most: int) -> list[ObjectId]:
        """Those asleep that were changed last."""
        return heapq.nlargest(most, self.asleep, key=lambda id_: self._shelf(id_).raws[id_][_TIME])

    def forget(self, object_id: ObjectId) -> None:
        """The object is no more in the profile."""
        self._store.write(self.wake(object_id))
        self._take_out(object_id)

    def _take_out(self, object_id: ObjectId) -> None:
        """Takes what is noted of an object away, and the object from its collections."""
        shelf = self._shelf(object_id)
        raw = shelf.raws.pop(object_id, None)
        for place in shelf.places(raw) if raw is not None else ():
            collection = self.collections[place]
            at = bisect_left(collection, object_id)
            if at < len(collection) and collection[at] == object_id:
                del collection[at]
        self._outdated.discard(object_id)
        self._changed.add(_number(object_id))

    def rest(self, notes: Iterable[Note]) -> Batch:
        """These are at rest from now on; gives what keeps that."""
        notes = list(notes)
        for note in notes:
            self._take_out(note.object)
            shelf = self._shelf(note.object)
            shelf.put(note)
            places = [(note.circle, node) for node in note.nodes]
            for place in places:
                insort(self.collections.setdefault(place, []), note.object)
            self._fall_asleep(shelf, places, [note.object])
            self._touched.add(note.entry)
        return self.save(note.object for note in notes)

    def save(self, at_rest: Iterable[ObjectId]) -> Batch:
        """What keeps the notes; those of ``at_rest`` count again."""
        at_rest = set(at_rest)
        batch: Batch = [PutValue(AWAKE, object_id, None) for object_id in at_rest]
        if self._doubtful:
            batch = [PutValue(AWAKE, key, None) for key in self._keys(AWAKE)]
            batch += [PutValue(AWAKE, id_, b"\1") for id_ in self.notes if id_ not in at_rest]
            self._doubtful = False
        batch += self._save_asked()
        if self.people.changed:
            batch.append(self._put(PEOPLE, self.people.value({circle for circle, _ in self.collections})))
        for number_ in sorted(self._changed):
            key, shelf = bytes([number_]), self._shelves[number_]
            packed = shelf.packed(self._outdated)
            sealed = cseal(self._local, Tag.RESTING, self._encoded(shelf.groups, packed), key, self._random)
            batch.append(PutValue(RESTING, key, sealed if packed else None))
        self._changed.clear()
        return batch

    def _encoded(self, groups: list[Group], packed: bytes) -> bytes:
        nodes, generation = self._account
        return encode([VERSION, list(nodes), generation, [list(group) for group in groups], packed])

    # -- what nodes were asked about ------------------------------------------------------------

    def _stored_asked(self) -> dict[Place, list[ObjectId]]:
        """From what is at rest now, and how it differs from that."""
        asked = {}
        for circle, node, gone, new in self._stored(ASKED) or ():
            now = self.collections.get((circle, node), [])
            asked[circle, node] = sorted((set(now) | set(gone)) - set(new)) if gone or new else now.copy()
        return asked

    def _save_asked(self) -> Batch:
        """Not where so much changed that the node is told all of it anyway."""
        found = []
        for (circle, node), then in self._asked.items():
            now = set(self.collections.get((circle, node), ()))
            gone, new = sorted(set(then) - now), sorted(now.difference(then))
            if max(len(gone), len(new)) <= MAX_CHANGES:
                found.append([circle, node, gone, new])
        return [self._put(ASKED, found)]

    # -- who is in them -------------------------------------------------------------------------

    def _stored_people(self) -> CirclePeople:
        try:
            return CirclePeople(self._stored(PEOPLE))
        except RemoteProtocolError:
            return CirclePeople(None)

    def shared_with(self, account: AccountId) -> list[ObjectId]:
        """Those asleep that an account may be in."""
        may_have = self.people.may_have
        found = (ids for (circle, _), ids in self.collections.items() if may_have(circle, account))
        return [id_ for id_ in dict.fromkeys(chain.from_iterable(found)) if id_ in self.asleep]

    # -- the others -----------------------------------------------------------------------------

    def unkept(self) -> set[EntryId]:
        """Entries of objects of which a note is here that will not count."""
        raws = (self._shelf(id_).raws[id_] for id_ in self._outdated)
        return self._beyond | {EntryId(raw[_ENTRY]) for raw in raws}

    def _stored_others(self) -> set[EntryId] | None:
        ids = self._stored(OTHERS) if not self._partial else None
        return self._beyond.union(map(EntryId, ids)) if ids is not None else None

    def save_others(self, entries: Iterable[EntryId] | None) -> Batch:
        """What keeps them."""
        return [
            self._put(OTHERS, sorted(entries)) if entries is not None else PutValue(RESTING, OTHERS, None)
        ]

    def _put(self, key: bytes, value: list[Any]) -> PutValue:
        sealed = cseal(self._local, Tag.RESTING, encode([VERSION, value]), key, self._random)
        return PutValue(RESTING, key, sealed)

    def _stored(self, key: bytes) -> list[Any] | None:
        """What this device put there. None where that cannot be read."""
        try:
            sealed = self._store.value(RESTING, key)
            if sealed is None:
                return None
            raw = copen(self._local, Tag.RESTING, sealed, key)
            version, value = array(decode_untrusted(raw, _MOST), 2, "values beside notes")
            number(version, VERSION, VERSION, "version of notes")
            return many(value, _MOST, "values beside notes")
        except (Damaged, RemoteProtocolError):
            return None


def _number(object_id: ObjectId) -> int:
    """The number of the shelf of an object."""
    return object_id[0] * SHELVES // 256
