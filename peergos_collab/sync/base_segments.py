"""Bases as they lie in segments: found in what can be opened, before its turn."""

from __future__ import annotations

from collections.abc import Mapping

from ..codec.ids import EpochId
from ..errors import Quarantined, RemoteProtocolError
from ..objects.bindings import Introduced
from ..objects.epoch_keys import EpochKeys
from ..objects.membership import View
from ..objects.payload import Kind, Payload, decode_payload_untrusted
from ..objects.segments import Segment
from ..objects.snapshots import SnapshotPart
from .bases import Base
from .introductions import Introductions


def find_base_untrusted(
    segment: Segment, keys: Mapping[EpochId, EpochKeys], introductions: Introductions, view: View
) -> tuple[Base, bytes] | None:
    """The base in a segment, with its state, if its author is a writer as far as is known here."""
    held = keys.get(segment.epoch)
    if held is None:
        return None
    try:
        payload = decode_payload_untrusted(segment.open(held.content))
        if payload.kind is not Kind.SNAPSHOT or payload.introduction is None:
            return None
        introduced = introductions.read_untrusted(segment, payload, view)
    except (RemoteProtocolError, Quarantined):
        return None
    return read_base_untrusted(segment, payload, introduced)


def read_base_untrusted(segment: Segment, payload: Payload, who: Introduced) -> tuple[Base, bytes] | None:
    """The base in an opened segment by a known writer, with its state; None where there is none."""
    try:
        part = SnapshotPart.decode_untrusted(payload.content)
    except RemoteProtocolError:
        return None
    end = part.end
    if end is None or end.following is None or payload.introduction is None:
        return None
    place = segment.log, segment.seq, segment.id, segment.epoch
    what = end.heads, end.following, who.adders, end.writers is not None
    return Base(*place, who.author, payload.time, *what), part.piece
