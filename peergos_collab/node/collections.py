"""A node's side of comparing many objects at once: the collections it was told of, and who watches them.

In memory only: a node's disk does not say which objects are shown together, and after its restart clients
tell it anew. For an object that is not here, or whose readers told no watchword, it answers as for one that
differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from itertools import pairwise, starmap
from operator import eq
from typing import Final

from ..codec.ids import ObjectId, SegmentId
from ..crypto import Watchword
from ..errors import Damaged, RemoteProtocolError
from ..objects.records import EPOCH, GRANT, PRUNE
from ..ports import Batch, PutValue, Random, SegmentStore
from ..sync.collections import (
    MAX_OBJECTS,
    SUM,
    Range,
    collection_name,
    fingerprint,
    object_sum,
    state_digest,
)
from ..sync.heads import Tip
from ..sync.logbook import LogBook
from ..sync.record_book import record_ids
from ..sync.session import Session
from ..sync.session_events import CollectionChanged
from ..values import dataclass

WORDS: Final = "watchwords"

KEPT: Final = 1 << 20
"""Objects in all collections together, about 300 bytes each; beyond it those go that nobody watches."""

EACH: Final = 8
"""A collection by itself takes as much as so many objects."""

SLICE: Final = 200
"""Objects looked up at a time, in about 5 ms."""

COMPARES: Final = 64
"""Questions a session may ask in a second. A client asks one or a few, and the next after the answer."""

CHANGES: Final = 2
"""Collections that a session may change in a second: one of 65,536 objects takes about 0.1 s."""


@dataclass(slots=True)
class _Watch:
    """A session that compared a collection. ``same``: 1 for each place that was the same."""

    session: Session
    same: bytearray


@dataclass(slots=True)
class _Collection:
    """``stale``: places whose sums have to be made anew."""

    objects: Sequence[ObjectId]
    places: dict[ObjectId, int]
    sums: list[bytes]
    stale: set[int]
    watches: dict[int, _Watch] = field(default_factory=dict)

    @property
    def cost(self) -> int:
        return EACH + len(self.objects)


class Collections:
    """See the module's text.

    Args:
        book: gives the book of an object that is in memory, or None.
    """

    def __init__(
        self, store: SegmentStore, random: Random, book: Callable[[ObjectId], LogBook | None]
    ) -> None:
        self._store = store
        self._random = random
        self._book = book
        self._known: dict[bytes, _Collection] = {}
        self._in: dict[ObjectId, dict[bytes, _Collection]] = {}
        self._watched: dict[int, bytes] = {}
        self._kept = 0

    # -- watchwords -----------------------------------------------------------------------------

    def take_word(self, object_id: ObjectId, word: Watchword) -> Batch:
        """Keeps the watchword of an object's newest epoch, as one of its readers told it."""
        if self._word(object_id) == word:
            return []
        self._outdate(object_id)
        return [PutValue(WORDS, object_id, word.expose())]

    def drop_word(self, object_id: ObjectId) -> Batch:
        """After a new epoch came: ex-members know the word of the one before."""
        self._outdate(object_id)
        return [PutValue(WORDS, object_id, None)] if self._word(object_id) is not None else []

    def _word(self, object_id: ObjectId) -> Watchword | None:
        raw = self._store.value(WORDS, object_id)
        return Watchword(raw) if raw is not None and len(raw) == 32 else None

    def _outdate(self, object_id: ObjectId) -> None:
        for collection in self._in.get(object_id, {}).values():
            collection.stale.add(collection.places[object_id])

    # -- collections ----------------------------------------------------------------------------

    def offer(self, name: bytes, objects: Sequence[ObjectId]) -> None:
        """Takes a collection that a client told of, if there is room."""
        if name in self._known:
            return
        places = {id_: place for place, id_ in enumerate(objects)}
        collection = _Collection(objects, places, [b""] * len(objects), set(places.values()))
        self._make_room(collection.cost)
        if self._kept + collection.cost > KEPT:
            return
        self._known[name] = collection
        self._kept += collection.cost
        for object_id in objects:
            self._in.setdefault(object_id, {})[name] = collection

    def change(self, session: Session, change: CollectionChanged) -> None:
        """Takes a collection that comes from one that is known here, with the sums of what is in both.

        Raises:
            RemoteProtocolError: it does not come to that name.
        """
        before = self._known.get(change.before)
        if before is None or change.name in self._known:
            return
        gone = set(change.gone)
        kept = {id_: at for at, id_ in enumerate(before.objects) if at not in gone}
        objects = sorted([*kept, *change.new])
        if len(objects) > MAX_OBJECTS or any(starmap(eq, pairwise(objects))):
            raise RemoteProtocolError("a collection that is too large, or holds an object twice")
        if collection_name(objects) != change.name:
            raise RemoteProtocolError("a collection of another name")
        if before.watches.keys() <= {id(session)}:
            self._forget(change.before)  # whoever watched it goes on with this one
        self.offer(change.name, objects)
        collection = self._known.get(change.name)
        if collection is None:
            return
        for place, id_ in enumerate(objects):
            at = kept.get(id_)
            if at is not None and at not in before.stale:
                collection.sums[place] = before.sums[at]
                collection.stale.discard(place)

    def prepare(self, name: bytes) -> bool:
        """Looks up some of the objects of a collection; says whether there are more."""
        collection = self._known.get(name)
        if collection is None:
            return False
        for _ in range(min(SLICE, len(collection.stale))):
            place = collection.stale.pop()
            collection.sums[place] = self._sum(collection.objects[place])
        return bool(collection.stale)

    def compare(
        self, session: Session, name: bytes, left_out: Iterable[int], asked: Iterable[tuple[Range, bytes]]
    ) -> list[Range] | None:
        """Which ranges differ; the session watches the others from now on. None: not known."""
        collection = self._known.pop(name, None)
        if collection is None:
            return None
        self._known[name] = collection  # the newest to be asked for
        while collection.stale:
            self.prepare(name)
        out = [place for place in left_out if place < len(collection.objects)]
        sums = collection.sums.copy() if out else collection.sums
        for place in out:
            sums[place] = b""
        watch = self._watch(session, name, collection)
        differing = []
        for each, expected in asked:
            if each.stop > len(sums) or fingerprint(sums, each) != expected:
                differing.append(each)
            else:
                watch.same[each.start : each.stop] = b"\1" * (each.stop - each.start)
        for place in out:
            watch.same[place] = 0
        return differing

    def _watch(self, session: Session, name: bytes, collection: _Collection) -> _Watch:
        if self._watched.get(id(session)) != name:
            self.detach(session)
            self._watched[id(session)] = name
        watch = collection.watches.get(id(session))
        if watch is None:
            watch = collection.watches[id(session)] = _Watch(session, bytearray(len(collection.objects)))
        return watch

    def changed(self, object_id: ObjectId) -> list[Session]:
        """Something came to an object.

        Returns:
            Sessions that were told so: those for which it was the same till now, once.
        """
        told = []
        for collection in self._in.get(object_id, {}).values():
            place = collection.places[object_id]
            collection.stale.add(place)
            for watch in collection.watches.values():
                if watch.same[place]:
                    watch.same[place] = 0
                    if object_id not in watch.session.channels:
                        watch.session.collections.stir(object_id)
                        told.append(watch.session)
        return told

    def detach(self, session: Session) -> None:
        name = self._watched.pop(id(session), None)
        if name is not None and name in self._known:
            self._known[name].watches.pop(id(session), None)

    def _make_room(self, wanted: int) -> None:
        for name in [name for name, collection in self._known.items() if not collection.watches]:
            if self._kept + wanted <= KEPT:
                return
            self._forget(name)

    def _forget(self, name: bytes) -> None:
        collection = self._known.pop(name)
        self._kept -= collection.cost
        for object_id in collection.objects:
            del self._in[object_id][name]
            if not self._in[object_id]:
                del self._in[object_id]

    def _sum(self, object_id: ObjectId) -> bytes:
        try:
            word = self._word(object_id)
            if word is None:
                return self._random(SUM)
            book = self._book(object_id)
            if book is not None:
                return object_sum(object_id, word, state_digest(record_ids(book), book.tips()))
            return object_sum(object_id, word, stored_digest(object_id, self._store))
        except Damaged:
            return self._random(SUM)


def stored_digest(object_id: ObjectId, store: SegmentStore) -> bytes:
    """``state_digest`` of what is stored of an object, without a book of it. Raises Damaged."""
    records = [record.id for record in store.records(object_id) if record.kind in (EPOCH, GRANT, PRUNE)]
    branches = store.branches(object_id)
    return state_digest(
        records,
        [Tip(each.log, each.tip, SegmentId(each.tip_id)) for each in branches if each.tip >= each.first],
    )
