"""The segments of an object that lie in archives on this disk, in front of those that are stored one by one.

An archive shows the ids of its segments, so heads, cites and forks are looked up as ever. To read a segment
its archive is unpacked, which takes the keys of its epoch; who lacks them has it closed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, TypeVar

from ..codec.ids import EpochId, ObjectId, SegmentId
from ..errors import Damaged, RemoteProtocolError
from ..objects.archives import Archive, archive_epoch
from ..objects.epoch_keys import EpochKeys
from ..objects.prunes import Replaced
from ..ports import Batch, BeginBranch, Branch, PutValue, SegmentStore, TruncateBranch
from ..values import dataclass

ARCHIVES: Final = "archives"
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
    """The segments of one archive: of which branch, by its number, and from which seq to which."""

    branch: int
    first: int
    last: int

    def key(self, object_id: ObjectId) -> bytes:
        return object_id + b"".join(part.to_bytes(4, "big") for part in (self.branch, self.first, self.last))

    @classmethod
    def of(cls, key: bytes) -> Span:
        return cls(*(int.from_bytes(key[at : at + 4], "big") for at in (32, 36, 40)))


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

    def load(self) -> None:
        """Reads which archives there are, and none of them."""
        for key in _keys(self._object, self._store):
            span = Span.of(key)
            self._spans.setdefault(span.branch, []).append(span)

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

    def id_at(self, branch: int, seq: int) -> SegmentId | None:
        span = self.span_at(branch, seq)
        if span is None:
            return None
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
        """The archive that a segment lies in, if its keys are not here. Raises Damaged."""
        span = self.span_at(branch, seq)
        if span is None or span in self._unpacked or archive_epoch(self._value(span)) in self.keys:
            return None
        return self._archive(span)

    def epoch_at(self, branch: int, seq: int) -> EpochId | None:
        """The epoch of a segment in an archive; cheap, as ``epoch_of``."""
        span = self.span_at(branch, seq)
        return archive_epoch(self._value(span)) if span is not None else None

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
        if self.span_at(branch, wanted.first) != span:
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
        value = self._store.value(ARCHIVES, span.key(self._object))
        if value is None:
            raise Damaged(_MISSING)
        return value

    def _archive(self, span: Span) -> Archive:
        try:
            archive = Archive.parse_untrusted(self._value(span))
        except RemoteProtocolError:
            raise Damaged(_DAMAGED) from None
        if (archive.object, archive.first, archive.last) != (self._object, span.first, span.last):
            raise Damaged(_DAMAGED)
        return archive

    # -- changes --------------------------------------------------------------------------------

    def put(self, branch: int, archive: Archive) -> Batch:
        """Takes an archive in the place of the first segments of a branch that lie in none."""
        span = Span(branch, archive.first, archive.last)
        self._spans.setdefault(branch, []).append(span)
        _keep(self._ids, span, b"".join(archive.ids), _KNOWN)
        return [
            PutValue(ARCHIVES, span.key(self._object), archive.raw),
            BeginBranch(branch, archive.last + 1),
        ]

    def forget(self, branch: int, seq: int) -> tuple[Batch, int]:
        """Forgets the archive that a segment lies in, and those behind it; gives the first seq gone."""
        spans = self._spans[branch]
        gone = [span for span in spans if span.last >= seq]
        del spans[len(spans) - len(gone) :]
        self._unpacked.clear()
        self._ids.clear()
        batch: Batch = [PutValue(ARCHIVES, span.key(self._object), None) for span in gone]
        return batch, gone[0].first


def _keep(kept: dict[Span, T], span: Span, of_it: T, most: int) -> None:
    """Keeps what was made of an archive, and lets go what nobody asked for longest."""
    kept[span] = of_it
    if len(kept) > most:
        del kept[next(iter(kept))]


def damaged_archives(object_id: ObjectId, store: SegmentStore) -> Batch:
    """Takes away archives that are damaged. A repair of the store would take them for whole afterwards."""
    return [PutValue(ARCHIVES, key, None) for key in _keys(object_id, store) if _is_damaged(store, key)]


def _is_damaged(store: SegmentStore, key: bytes) -> bool:
    try:
        return store.value(ARCHIVES, key) is None
    except Damaged:
        return True


def cut_at_missing(object_id: ObjectId, store: SegmentStore) -> Batch:
    """Has each branch end where an archive of it is missing: what follows is fetched again."""
    spans = [Span.of(key) for key in _keys(object_id, store)]
    batch: Batch = []
    for branch in store.branches(object_id):
        own = [span for span in spans if span.branch == branch.number]
        following = 1 if not branch.parent or not own else own[0].first
        for span in own:
            if span.first == following and following < branch.first:
                following = span.last + 1
            else:
                batch.append(PutValue(ARCHIVES, span.key(object_id), None))
        if following < branch.first and (own or not branch.parent):
            batch += [TruncateBranch(branch.number, branch.first), BeginBranch(branch.number, following)]
    return batch


def _keys(object_id: ObjectId, store: SegmentStore) -> list[bytes]:
    return store.keys(ARCHIVES, object_id, object_id + b"\xff" * 13, _MANY)
