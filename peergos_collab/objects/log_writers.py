"""Who writes logs of which the segment that said so is forgotten, carried further by a base.

    sealed = cseal(content key of an epoch, [[log, seq, id, heads, introduction] …], ad = object ‖ epoch)

Each is what stood in the payload of the segment at this place, and is signed by the device and by whom it
acts for: nobody can say it of another log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, ObjectId
from ..codec.shape import array, blob, many
from ..crypto import Tag, copen, cseal
from ..ports import Random
from ..values import dataclass
from .bindings import Introduced, check_introduction_untrusted
from .epoch_keys import EpochKeys, Level
from .membership import View
from .operations import MAX_HEADS
from .payload import MAX_CONTENT
from .snapshots import MAX_HEADS as MAX_WRITERS
from .snapshots import SnapshotPlace

_HEAD: Final = 32


@dataclass(frozen=True, slots=True)
class UnverifiedWriter:
    """Who is said to write a log in an epoch, which nobody has checked.

    Args:
        place: of the segment that said so.
        heads: the membership records its author had seen.
    """

    place: SnapshotPlace
    epoch: EpochId
    heads: tuple[bytes, ...]
    introduction: Any

    def fields(self) -> list[Any]:
        return [*self.place.fields(), list(self.heads), self.introduction]

    def verify(self, object_id: ObjectId, view: View) -> Introduced:
        """Raises NoMember where it may be true later, RemoteProtocolError where it is false."""
        return check_introduction_untrusted(
            self.introduction, object_id, self.epoch, self.place.log, view, Level.WRITE, self.heads
        )


def seal_writers(
    object_id: ObjectId,
    writers: Iterable[UnverifiedWriter],
    keys: Mapping[EpochId, EpochKeys],
    random: Random,
) -> dict[EpochId, bytes]:
    """For a base; what was said under keys that are not here is left out."""
    by_epoch: dict[EpochId, list[list[Any]]] = {}
    for one in writers:
        if one.epoch in keys:
            by_epoch.setdefault(one.epoch, []).append(one.fields())
    return {
        epoch: cseal(keys[epoch].content, Tag.LOG_WRITERS, encode(said), object_id + epoch, random)
        for epoch, said in by_epoch.items()
    }


def open_writers_untrusted(
    object_id: ObjectId, sealed: Mapping[EpochId, bytes], keys: Mapping[EpochId, EpochKeys]
) -> list[UnverifiedWriter]:
    """Those of epochs whose keys are here. Raises RemoteProtocolError."""
    found: list[UnverifiedWriter] = []
    for epoch, each in sealed.items():
        if epoch not in keys:
            continue
        raw = copen(keys[epoch].content, Tag.LOG_WRITERS, each, object_id + epoch)
        for item in many(decode_untrusted(raw, MAX_CONTENT), MAX_WRITERS, "writers"):
            log, seq, id_, heads, introduction = array(item, 5, "writer")
            place = SnapshotPlace.parse_untrusted([log, seq, id_])
            heads = tuple(blob(head, _HEAD, "head") for head in many(heads, MAX_HEADS, "heads"))
            found.append(UnverifiedWriter(place, epoch, heads, introduction))
    return found
