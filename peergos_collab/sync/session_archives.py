"""The part of a session about archives: as a prune record names them, and in place of segments.

node                                      client
GET_ARCHIVE object, archive id ─────────► ARCHIVE object, archive id, archive or empty; or the other way round
PRUNED object, prune id, hours or null ─►
ARCHIVE object, archive id, archive ────► in place of segments that are lacking, within their credit; a husk
                                          the other way round, too
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..codec.ids import EpochId, ObjectId, RecordId
from ..codec.shape import blob, number, some_bytes
from ..errors import RemoteProtocolError
from ..objects.archives import Archive
from ..objects.epoch_keys import EpochKeys
from .channel import Channel
from .frames import MAX_FRAME, Frame
from .session_events import (
    ArchiveCame,
    ClosedArchiveCame,
    FalseArchiveCame,
    PruneTold,
    SegmentsCame,
    SessionEvent,
)

ARCHIVE_FRAMES: Final = frozenset({Frame.GET_ARCHIVE, Frame.ARCHIVE, Frame.PRUNED})

ARCHIVE_SLICE: Final = 64
"""Segments of an archive that are taken in at once; then others have their turn."""


class SessionArchives:
    """See the module's text.

    Args:
        send: queues a frame.
        owe: takes note of bytes that came within the credit; raises RemoteProtocolError beyond it.
        channels, wanted: those of the session.
        serving: True for a node's side.
    """

    def __init__(
        self,
        send: Callable[..., None],
        owe: Callable[[int], None],
        channels: Mapping[ObjectId, Channel],
        wanted: Mapping[ObjectId, Mapping[EpochId, EpochKeys]],
        *,
        serving: bool,
    ) -> None:
        self._send = send
        self._owe = owe
        self._channels = channels
        self._wanted = wanted
        self._serving = serving
        self._asked: set[tuple[ObjectId, bytes]] = set()

    def get(self, object_id: ObjectId, archive_id: bytes) -> None:
        """Asks for an archive that a prune record names, once; the answer comes as ``ArchiveCame``."""
        if (object_id, archive_id) not in self._asked:
            self._asked.add((object_id, archive_id))
            self._send(Frame.GET_ARCHIVE, object_id, archive_id)

    def tell_pruned(self, object_id: ObjectId, prune: RecordId, hours: int | None) -> None:
        """A node has all archives that a prune record names, or will never use them."""
        self._send(Frame.PRUNED, object_id, prune, hours)

    def receive_untrusted(self, kind: Frame, fields: list[Any], size: int) -> list[SessionEvent]:
        """Takes one frame of ``ARCHIVE_FRAMES``. Raises RemoteProtocolError, Damaged."""
        object_id, id_ = ObjectId(blob(fields[0], 32, "object id")), blob(fields[1], 32, "id")
        if kind is Frame.PRUNED:
            hours = None if fields[2] is None else number(fields[2], 0, 2**32, "hours")
            return [PruneTold(object_id, RecordId(id_), hours)]
        if kind is Frame.GET_ARCHIVE:
            self._answer(object_id, id_)
            return []
        return self._take(object_id, id_, some_bytes(fields[2], MAX_FRAME, "archive"), size)

    def _answer(self, object_id: ObjectId, id_: bytes) -> None:
        channel = self._channels.get(object_id)
        archive = channel.book.find_archive(id_) if channel is not None and channel.may_read else None
        may_have = channel is not None and archive is not None and channel.may_have([archive.epoch])
        self._send(Frame.ARCHIVE, object_id, id_, archive.raw if archive is not None and may_have else b"")

    def _take(self, object_id: ObjectId, id_: bytes, raw: bytes, size: int) -> list[SessionEvent]:
        archive = Archive.parse_untrusted(raw) if raw else None
        if archive is not None and (archive.id, archive.object) != (id_, object_id):
            raise RemoteProtocolError("another archive than it says")
        if (object_id, id_) in self._asked:
            self._asked.discard((object_id, id_))
            return [ArchiveCame(object_id, id_, archive)]
        if archive is None or (self._serving and not archive.is_husk):
            raise RemoteProtocolError("an archive that nobody asked for")
        self._owe(size)
        return self._opened(archive, size)

    def _opened(self, archive: Archive, size: int) -> list[SessionEvent]:
        """An archive in place of segments, as its segments, if its keys are here."""
        held = self._wanted.get(archive.object, {}).get(archive.epoch)
        if held is None or archive.is_husk:
            return [ClosedArchiveCame(archive.object, archive, size)]
        try:
            raws = archive.unpack_untrusted(held.content)
        except RemoteProtocolError as error:
            return [FalseArchiveCame(archive.object, archive.id, str(error), size)]
        starts = range(0, len(raws), ARCHIVE_SLICE)
        sizes = {starts[-1]: size}  # given back once all of it is worked off
        return [
            SegmentsCame(archive.object, raws[at : at + ARCHIVE_SLICE], sizes.get(at, 0)) for at in starts
        ]
