"""The part of a session that compares many objects at once.

    client                                    node
    COMPARE name, fingerprint of all ────────► COMPARED nothing: one round trip, whatever the number
    COMPARE name, fingerprint of all ────────► COMPARED all: something in it differs
    COMPARE name, fingerprints of parts ─────► COMPARED the parts that differ, and so on to single objects
                                              STIRRED object, when something comes that was the same till then
    COMPARE name of a new collection ────────► COMPARED null: not known (any more)
    CHANGED how it comes from one before, COMPARE … ─► COMPARED …, or null: that is not known either
    COLLECTION its objects, COMPARE … ───────► COMPARED …

What differs is then opened as every object is, with proofs. Nothing here needs one: see ``collections``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from ..codec.ids import ObjectId
from ..codec.shape import blob, many, number
from ..crypto import Watchword
from ..errors import RemoteProtocolError
from .collections import MAX_OBJECTS, SUM, Range, collection_name, fingerprint
from .frames import Frame
from .packed_places import (
    MAX_RANGES,
    pack_places,
    pack_questions,
    pack_ranges,
    places_untrusted,
    questions_untrusted,
    ranges_untrusted,
)
from .session_events import (
    CollectionChanged,
    CollectionCompared,
    CollectionOffered,
    CompareWanted,
    SessionEvent,
    Stirred,
    WatchwordCame,
)

COLLECTION_FRAMES: Final = frozenset(
    {Frame.WATCHWORD, Frame.COLLECTION, Frame.CHANGED, Frame.COMPARE, Frame.COMPARED, Frame.STIRRED}
)

OBJECTS_PER_FRAME: Final = 4_096

MAX_CHANGES: Final = 4_096
"""Objects put into a collection, or taken out, up to which only these are told."""


class SessionCollections:
    """See the module's text.

    Args:
        send: queues a frame.
        serving: True for a node's side.
    """

    def __init__(self, send: Callable[..., None], *, serving: bool) -> None:
        self._send = send
        self._serving = serving
        self._objects: Sequence[ObjectId] = ()
        self._sums: Sequence[bytes] = ()
        self._before: Sequence[ObjectId] = ()
        self._name = b""
        self._tellings: list[Callable[[], None]] = []
        """How the node may be told of the collection, if it does not know it: each once."""
        self._asked: list[list[Range]] = []
        self._next: list[Range] = []
        self._differ: list[ObjectId] = []
        self._offered: tuple[bytes, list[ObjectId]] = b"", []

    # -- a client's side ------------------------------------------------------------------------

    def tell_word(self, object_id: ObjectId, word: Watchword) -> None:
        """Tells a node by what readers of an object's newest epoch are known."""
        self._send(Frame.WATCHWORD, object_id, word.expose())

    def compare(
        self, objects: Sequence[ObjectId], sums: Sequence[bytes], before: Sequence[ObjectId] = ()
    ) -> None:
        """Asks whether the node has the same of many objects; ``CollectionCompared`` is the answer.

        Args:
            objects: in the order of their ids, at most ``MAX_OBJECTS``.
            sums: of each; empty for one that is left out.
            before: a collection that the node may know, and that this one comes from.
        """
        self._objects, self._sums, self._before = objects, sums, before
        self._name = collection_name(objects)
        self._tellings = [self._tell_all, self._tell_changes] if before else [self._tell_all]
        self._differ, self._next = [], [Range(0, len(objects))]
        self._ask()

    def _ask(self) -> None:
        ranges, self._next = self._next, []
        left_out = pack_places(place for place, sum_ in enumerate(self._sums) if not sum_)
        for start in range(0, len(ranges), MAX_RANGES):
            asked = ranges[start : start + MAX_RANGES]
            questions = ((each, fingerprint(self._sums, each)) for each in asked)
            self._send(Frame.COMPARE, self._name, left_out, pack_questions(questions))
            self._asked.append(asked)

    def _tell_changes(self) -> None:
        now, then = set(self._objects), set(self._before)
        gone = [place for place, object_id in enumerate(self._before) if object_id not in now]
        new = sorted(now - then)
        if max(len(gone), len(new)) > MAX_CHANGES:
            self._tellings.pop()()
        else:
            self._send(Frame.CHANGED, self._name, collection_name(self._before), pack_places(gone), new)

    def _tell_all(self) -> None:
        for start in range(0, len(self._objects), OBJECTS_PER_FRAME):
            self._send(
                Frame.COLLECTION, self._name, start, list(self._objects[start : start + OBJECTS_PER_FRAME])
            )

    def _on_compared(self, fields: list[Any]) -> list[SessionEvent]:
        if not self._asked:
            raise RemoteProtocolError("an answer to no question")
        asked = self._asked.pop(0)
        if fields[0] is None:
            return self._not_known(asked)
        questions = frozenset(asked)
        for differs in ranges_untrusted(fields[0], len(self._objects)):
            if differs not in questions:
                raise RemoteProtocolError("an answer about a range that was not asked for")
            if differs.stop - differs.start == 1:
                self._differ.append(self._objects[differs.start])
            else:
                self._next += differs.parts()
        return self._go_on()

    def _not_known(self, asked: list[Range]) -> list[SessionEvent]:
        if not self._tellings:  # the node does not take it: each object is compared by itself
            self._differ += [self._objects[place] for each in asked for place in range(each.start, each.stop)]
            return self._go_on()
        if not self._asked:  # nor does it know the questions behind this one
            self._tellings.pop()()
        self._next += asked
        return self._go_on()

    def _go_on(self) -> list[SessionEvent]:
        if self._asked:
            return []
        if self._next:
            self._ask()
            return []
        differ, self._differ = self._differ, []
        return [CollectionCompared(differ)]

    def _on_stirred(self, fields: list[Any]) -> list[SessionEvent]:
        return [Stirred(ObjectId(blob(fields[0], 32, "object id")))]

    # -- a node's side --------------------------------------------------------------------------

    def answer(self, differing: Iterable[Range] | None) -> None:
        """Says which of the ranges asked for differ; None: the collection is not known here."""
        self._send(Frame.COMPARED, None if differing is None else pack_ranges(differing))

    def stir(self, object_id: ObjectId) -> None:
        self._send(Frame.STIRRED, object_id)

    def _on_watchword(self, fields: list[Any]) -> list[SessionEvent]:
        word = Watchword(blob(fields[1], 32, "watchword"))
        return [WatchwordCame(ObjectId(blob(fields[0], 32, "object id")), word)]

    def _on_collection(self, fields: list[Any]) -> list[SessionEvent]:
        name, start = blob(fields[0], SUM, "collection"), number(fields[1], 0, MAX_OBJECTS, "place")
        objects = [
            ObjectId(blob(id_, 32, "object id")) for id_ in many(fields[2], OBJECTS_PER_FRAME, "objects")
        ]
        if start == 0:
            self._offered = name, []
        begun, before = self._offered
        if name != begun or start != len(before) or start + len(objects) > MAX_OBJECTS:
            raise RemoteProtocolError("parts of a collection that do not follow each other")
        before += objects
        if collection_name(before) != name:
            if len(objects) < OBJECTS_PER_FRAME:  # all but the last are full: at each all are hashed
                raise RemoteProtocolError("a part of a collection that is too short")
            return []
        if any(later <= earlier for earlier, later in pairwise(before)):
            raise RemoteProtocolError("a collection that is not in order")
        self._offered = b"", []
        return [CollectionOffered(name, before)]

    def _on_compare(self, fields: list[Any]) -> list[SessionEvent]:
        name = blob(fields[0], SUM, "collection")
        return [CompareWanted(name, places_untrusted(fields[1]), questions_untrusted(fields[2]))]

    def _on_changed(self, fields: list[Any]) -> list[SessionEvent]:
        name, before = blob(fields[0], SUM, "collection"), blob(fields[1], SUM, "collection")
        new = [ObjectId(blob(id_, 32, "object id")) for id_ in many(fields[3], MAX_CHANGES, "objects")]
        if any(later <= earlier for earlier, later in pairwise(new)):
            raise RemoteProtocolError("objects of a collection that are not in order")
        return [CollectionChanged(name, before, places_untrusted(fields[2], MAX_CHANGES), new)]

    # -- both -----------------------------------------------------------------------------------

    def receive_untrusted(self, kind: Frame, fields: list[Any]) -> list[SessionEvent]:
        """Takes one of ``COLLECTION_FRAMES``. Raises RemoteProtocolError."""
        if self._serving is (kind in (Frame.COMPARED, Frame.STIRRED)):
            raise RemoteProtocolError("a frame for the other side of a session with a node")
        return self._HANDLERS[kind](self, fields)

    _HANDLERS: Final[dict[Frame, Callable[[SessionCollections, list[Any]], list[SessionEvent]]]] = {
        Frame.WATCHWORD: _on_watchword,
        Frame.COLLECTION: _on_collection,
        Frame.CHANGED: _on_changed,
        Frame.COMPARE: _on_compare,
        Frame.COMPARED: _on_compared,
        Frame.STIRRED: _on_stirred,
    }
