"""The segments of an object that lie in archives on this disk, in front of those that are stored one by one.

An archive shows the ids of its segments, so heads, cites and forks are looked up as ever. To read a segment
its archive is unpacked, which takes the keys of its epoch; who lacks them has it closed. A husk is closed for
everybody.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from ..codec.ids import EpochId, ObjectId, SegmentId
from ..errors import Damaged, RemoteProtocolError
from ..objects.archives import Archive, Outline
from ..objects.epoch_keys import EpochKeys
from ..objects.prunes import Replaced
from ..ports import Batch, BeginBranch, Branch, PutValue, SegmentStore, TruncateBranch
from ..values import dataclass

ARCHIVES: Final = "archives"
HUSKS: Final = "husks"
RELIED_ON: Final = "relied on"
"""In a home, by object: the bases for which something was forgotten."""

OFFERED: Final = "offered"
"""At a node: archives by object and id that have not taken the place of segments yet."""

_ID: Final = 32
_OPEN: Final = 4
"""Archives kept unpacked, of up to 2,048 segments: whoever reads a log reads them in order."""

_KNOWN: Final = 64
"""Archives of which the ids are kept, in 64 KiB each: heads and cites are mostly new."""

_MANY: Final = 1 << 20
_MISSING: Final = "an archive of older changes is missing on this disk"
_DAMAGED: Final = "an archive of older changes cannot be opened on this disk"


T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The segments of one archive: of which branch, by its number, and from which seq to which.

    Args:
        space: where in the store it lies: a husk in one of its own.
    """

    branch: int
    first: int
    last: int
    space: str = ARCHIVES

    def key(self, object_id: ObjectId) -> bytes:
        return object_id + b"".join(part.to_bytes(4, "big") for part in (self.branch, self.first, self.last))

    def put(self, object_id: ObjectId, value: bytes | None) -> PutValue:
        return PutValue(self.space, self.key(object_id), value)

    @classmethod
    def by(cls, branch: int, archive: Archive) -> Span:
        return cls(branch, archive.first, archive.last, HUSKS if archive.is_husk else ARCHIVES)

    @classmethod
    def stored(cls, object_id: ObjectId, store: SegmentStore) -> list[Span]:
        """All there are of an object, in order."""
        found = []
        for space in (ARCHIVES, HUSKS):
            for key in store.keys(space, object_id, object_id + b"\xff" * 13, _MANY):
                branch, first, last = (int.from_bytes(key[at : at + 4], "big") for at in (32, 36, 40))
                found.append(cls(branch, first, last, space))
        return sorted(found)


class Archived:
    """See the module's text.

    Attributes:
        keys: of the epochs that can be opened; the owner gives them.
    """

    def __init__(self, object_id: ObjectId, store: SegmentStore) -> None:
        self.keys: Mapping[EpochId, EpochKeys] = {}
        self._object = object_id
        self._store = store
        self._spans: dict[int, list[Span]] = {}
        self._unpacked: dict[Span, list[bytes]] = {}
        self._ids: dict[Span, bytes] = {}
        self._forgotten: dict[int, int] = {}

    def load(self) -> None:
        """Reads which archives there are, and none of them."""
        for span in Span.stored(self._object, self._store):
            self._spans.setdefault(span.branch, []).append(span)
            self._note(span.branch)

    def _note(self, branch: int) -> None:
        """Archives of a branch changed."""
        husks = [span.last for span in self._spans[branch] if span.space == HUSKS]
        self._forgotten.pop(branch, None)
        if husks:
            self._forgotten[branch] = husks[-1]

    def first(self, branch: Branch) -> int:
        """The first seq of a branch, archives included.

        Raises:
            Damaged: an archive is missing.
        """
        following = branch.first
        for span in reversed(self._spans.get(branch.number, [])):
            if span.last != following - 1:
                raise Damaged(_MISSING)
            following = span.first
        if following > 1 and not branch.parent:
            raise Damaged(_MISSING)
        return following

    def span_at(self, branch: int, seq: int) -> Span | None:
        """The archive that a segment lies in, if it does."""
        spans = self._spans.get(branch, [])
        at = bisect_right(spans, seq, key=lambda span: span.first) - 1
        return spans[at] if at >= 0 and seq <= spans[at].last else None

    def is_forgotten(self, branch: int, seq: int) -> bool:
        """Whether of a segment only a husk is here."""
        if seq > self._forgotten.get(branch, 0):
            return False  # asked at every keystroke, so the common answer comes first
        span = self.span_at(branch, seq)
        return span is not None and span.space == HUSKS

    def is_relied_on(self, base: SegmentId) -> bool:
        """Whether something was forgotten on this disk because a base stands for it. Raises Damaged."""
        return self._store.value(RELIED_ON, self._object + base) is not None

    def rely_on(self, base: SegmentId) -> PutValue:
        """Goes with the first husks that take the place of what a base stands for."""
        return PutValue(RELIED_ON, self._object + base, b"\x01")

    @property
    def forgotten(self) -> Mapping[int, int]:
        """By branch, the last segment of which only a husk is here."""
        return self._forgotten

    def id_at(self, branch: int, seq: int) -> SegmentId | None:
        span = self.span_at(branch, seq)
        if span is None:
            return None
        if seq in (span.first, span.last) and span not in self._ids:  # which each opening asks for
            outline = Outline.of_stored(self._value(span))
            if outline is None:
                raise Damaged(_DAMAGED)
            return outline.last_id if seq == span.last else outline.first_id
        at = (seq - span.first) * _ID
        return SegmentId(self._ids_of(span)[at : at + _ID])

    def _ids_of(self, span: Span) -> bytes:
        ids = self._ids.pop(span, None) or b"".join(self._archive(span).ids)
        _keep(self._ids, span, ids, _KNOWN)
        return ids

    def archive_at(self, branch: int, seq: int) -> Archive | None:
        """The archive that a segment lies in. Raises Damaged."""
        span = self.span_at(branch, seq)
        return self._archive(span) if span is not None else None

    def closed_at(self, branch: int, seq: int) -> Archive | None:
        """The archive that a segment lies in, if its keys are not here, or it is a husk. Raises Damaged."""
        span = self.span_at(branch, seq)
        if span is None or span in self._unpacked:
            return None
        if span.space != HUSKS and self._epoch(span) in self.keys:
            return None
        return self._archive(span)

    def epoch_at(self, branch: int, seq: int) -> EpochId | None:
        """The epoch of a segment in an archive; cheap, as ``epoch_of``."""
        span = self.span_at(branch, seq)
        return self._epoch(span) if span is not None else None

    def _epoch(self, span: Span) -> EpochId | None:
        outline = Outline.of_stored(self._value(span))
        return outline.epoch if outline is not None else None

    def offered(self, archive_id: bytes) -> Archive | None:
        """At a node, an archive that waits for its time."""
        raw = self._store.value(OFFERED, self._object + archive_id)
        try:
            return Archive.parse_untrusted(raw) if raw is not None else None
        except RemoteProtocolError:
            raise Damaged(_DAMAGED) from None

    def find(self, branch: int, wanted: Replaced) -> Archive | None:
        """The archive of a branch that a prune record names, if it is that very one. Raises Damaged."""
        span = Span(branch, wanted.first, wanted.last)
        if self.span_at(branch, wanted.first) != span:  # or it is forgotten
            return None
        archive = self._archive(span)
        return archive if archive.id == wanted.archive else None

    def read(self, branch: int, start: int) -> list[bytes]:
        """Raw segments of an archive, from ``start`` on; none where it does not lie in one that is open.

        Raises:
            Damaged: the archive is not what was stored.
        """
        span = self.span_at(branch, start)
        if span is None or self.closed_at(branch, start) is not None:
            return []
        return self._unpack(span)[start - span.first :]

    def _unpack(self, span: Span) -> list[bytes]:
        raws = self._unpacked.pop(span, None) or self._unpack_stored(span)
        _keep(self._unpacked, span, raws, _OPEN)
        return raws

    def _unpack_stored(self, span: Span) -> list[bytes]:
        archive = self._archive(span)
        try:
            return archive.unpack_untrusted(self.keys[archive.epoch].content)
        except RemoteProtocolError:
            raise Damaged(_DAMAGED) from None

    def _value(self, span: Span) -> bytes:
        value = self._store.value(span.space, span.key(self._object))
        if value is None:
            raise Damaged(_MISSING)
        return value

    def _archive(self, span: Span) -> Archive:
        try:
            archive = Archive.parse_untrusted(self._value(span))
        except RemoteProtocolError:
            raise Damaged(_DAMAGED) from None
        if archive.object != self._object or Span.by(span.branch, archive) != span:
            raise Damaged(_DAMAGED)
        return archive

    # -- changes --------------------------------------------------------------------------------

    def put(self, branch: int, archive: Archive) -> Batch:
        """Takes an archive in the place of the first segments of a branch that lie in none."""
        span = Span.by(branch, archive)
        self._spans.setdefault(branch, []).append(span)
        self._note(branch)
        _keep(self._ids, span, b"".join(archive.ids), _KNOWN)
        return [span.put(self._object, archive.raw), BeginBranch(branch, archive.last + 1)]

    def replace(self, branch: int, archives: Sequence[Archive]) -> Batch:
        """Has archives that follow each other take the place of all with segments in them."""
        spans = self._spans.setdefault(branch, [])
        fresh = [Span.by(branch, archive) for archive in archives]
        gone = [span for span in spans if fresh[0].first <= span.first <= fresh[-1].last]
        self._spans[branch] = sorted([*fresh, *(span for span in spans if span not in gone)])
        self._note(branch)
        for span in gone:
            self._unpacked.pop(span, None)
            self._ids.pop(span, None)
        for span, archive in zip(fresh, archives, strict=True):
            _keep(self._ids, span, b"".join(archive.ids), _KNOWN)
        batch: Batch = [span.put(self._object, None) for span in gone if span not in fresh]
        return batch + [
            span.put(self._object, archive.raw) for span, archive in zip(fresh, archives, strict=True)
        ]

    def forget(self, branch: int, seq: int) -> tuple[Batch, int]:
        """Forgets the archive that a segment lies in, and those behind it; gives the first seq gone."""
        spans = self._spans[branch]
        gone = [span for span in spans if span.last >= seq]
        del spans[len(spans) - len(gone) :]
        self._note(branch)
        self._unpacked.clear()
        self._ids.clear()
        batch: Batch = [span.put(self._object, None) for span in gone]
        return batch, gone[0].first


def _keep(kept: dict[Span, T], span: Span, of_it: T, most: int) -> None:
    """Keeps what was made of an archive, and lets go what nobody asked for longest."""
    kept[span] = of_it
    if len(kept) > most:
        del kept[next(iter(kept))]


def damaged_archives(object_id: ObjectId, store: SegmentStore) -> Batch:
    """Takes away archives that are damaged. A repair of the store would take them for whole afterwards."""
    spans = Span.stored(object_id, store)
    return [span.put(object_id, None) for span in spans if _is_damaged(store, span, object_id)]


def _is_damaged(store: SegmentStore, span: Span, object_id: ObjectId) -> bool:
    try:
        return store.value(span.space, span.key(object_id)) is None
    except Damaged:
        return True


def cut_at_missing(object_id: ObjectId, store: SegmentStore) -> Batch:
    """Has each branch end where an archive of it is missing: what follows is fetched again."""
    spans = Span.stored(object_id, store)
    batch: Batch = []
    for branch in store.branches(object_id):
        own = [span for span in spans if span.branch == branch.number]
        following = 1 if not branch.parent or not own else own[0].first
        for span in own:
            if span.first == following and following < branch.first:
                following = span.last + 1
            else:
                batch.append(span.put(object_id, None))
        if following < branch.first and (own or not branch.parent):
            batch += [TruncateBranch(branch.number, branch.first), BeginBranch(branch.number, following)]
    return batch
