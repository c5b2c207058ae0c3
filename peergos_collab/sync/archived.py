"""The segments of an object that lie in archives on this disk, in front of those that are stored one by one.

Beside an archive are the ids of its segments, so heads, cites and forks are looked up as ever. To read a
segment its archive is unpacked, which takes the keys of its epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from ..codec.ids import EpochId, ObjectId, SegmentId
from ..errors import Damaged, RemoteProtocolError
from ..objects.archives import Archive
from ..objects.epoch_keys import EpochKeys
from ..ports import Batch, BeginBranch, Branch, PutValue, SegmentStore, TruncateBranch
from ..values import dataclass

ARCHIVES: Final = "archives"
IDS: Final = "archived"
_ID: Final = 32
_OPEN: Final = 4
"""Archives kept unpacked, of up to 2,048 segments: whoever reads a log reads them in order."""

_MANY: Final = 1 << 20
_MISSING: Final = "an archive of older changes is missing on this disk"


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
        for key in _keys(self._object, self._store, IDS):
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
        ids = self._ids.get(span)
        if ids is None:
            ids = self._ids[span] = self._value(IDS, span)
        return ids

    def read(self, branch: int, start: int) -> list[bytes]:
        """Raw segments of an archive, from ``start`` on; none where it does not lie in one.

        Raises:
            Damaged: the archive is not what was stored, or its keys are not here.
        """
        span = self.span_at(branch, start)
        return self._unpack(span)[start - span.first :] if span is not None else []

    def _unpack(self, span: Span) -> list[bytes]:
        raws = self._unpacked.pop(span, None)
        if raws is None:
            raws = self._unpack_stored(span)
            if len(self._unpacked) >= _OPEN:
                del self._unpacked[next(iter(self._unpacked))]
        self._unpacked[span] = raws
        return raws

    def _unpack_stored(self, span: Span) -> list[bytes]:
        try:
            archive = Archive.parse_untrusted(self._value(ARCHIVES, span))
            return archive.unpack_untrusted(self.keys[archive.epoch].content)
        except (RemoteProtocolError, KeyError):
            raise Damaged("an archive of older changes cannot be opened on this disk") from None

    def _value(self, space: str, span: Span) -> bytes:
        value = self._store.value(space, span.key(self._object))
        if value is None:
            raise Damaged(_MISSING)
        return value

    # -- changes --------------------------------------------------------------------------------

    def put(self, branch: int, archive: Archive, ids: Sequence[SegmentId]) -> Batch:
        """Takes an archive in the place of the first segments of a branch that lie in none."""
        span = Span(branch, archive.first, archive.last)
        self._spans.setdefault(branch, []).append(span)
        key = span.key(self._object)
        return [
            PutValue(ARCHIVES, key, archive.raw),
            PutValue(IDS, key, b"".join(ids)),
            BeginBranch(branch, archive.last + 1),
        ]

    def forget(self, branch: int, seq: int) -> tuple[Batch, int]:
        """Forgets the archive that a segment lies in, and those behind it; gives the first seq gone."""
        spans = self._spans[branch]
        gone = [span for span in spans if span.last >= seq]
        del spans[len(spans) - len(gone) :]
        self._unpacked.clear()
        self._ids.clear()
        keys = [span.key(self._object) for span in gone]
        return [PutValue(space, key, None) for key in keys for space in (ARCHIVES, IDS)], gone[0].first


def damaged_archives(object_id: ObjectId, store: SegmentStore) -> Batch:
    """Takes away archives that are damaged. A repair of the store would take them for whole afterwards."""
    keys = {key for space in (ARCHIVES, IDS) for key in _keys(object_id, store, space)}
    damaged = [key for key in keys if _is_damaged(store, key)]
    return [PutValue(space, key, None) for key in damaged for space in (ARCHIVES, IDS)]


def _is_damaged(store: SegmentStore, key: bytes) -> bool:
    try:
        return any(store.value(space, key) is None for space in (ARCHIVES, IDS))
    except Damaged:
        return True


def cut_at_missing(object_id: ObjectId, store: SegmentStore) -> Batch:
    """Has each branch end where an archive of it is missing: what follows is fetched again."""
    held = set(_keys(object_id, store, ARCHIVES))
    spans = [Span.of(key) for key in _keys(object_id, store, IDS) if key in held]
    batch: Batch = []
    for branch in store.branches(object_id):
        own = [span for span in spans if span.branch == branch.number]
        following = 1 if not branch.parent or not own else own[0].first
        for span in own:
            if span.first == following and following < branch.first:
                following = span.last + 1
            else:
                batch += [PutValue(space, span.key(object_id), None) for space in (ARCHIVES, IDS)]
        if following < branch.first and (own or not branch.parent):
            batch += [TruncateBranch(branch.number, branch.first), BeginBranch(branch.number, following)]
    return batch


def _keys(object_id: ObjectId, store: SegmentStore, space: str) -> list[bytes]:
    return store.keys(space, object_id, object_id + b"\xff" * 13, _MANY)
