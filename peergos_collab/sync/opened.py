"""Segments of one branch with what is in them, opened some at a time, ahead of their turn.

To open a segment takes many small steps in several libraries. A step is quicker for some segments in a row
than between other steps: that spares an eighth of opening a document with a long tail. What was opened says
nothing yet of who wrote it, or whether its turn has come: that is asked of each by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from ..codec.ids import EpochId
from ..errors import Damaged, PeergosCollabError, Quarantined, RemoteProtocolError
from ..objects.epoch_keys import EpochKeys
from ..objects.payload import Payload, decode_payload_untrusted
from ..objects.segments import Segment

AHEAD: Final = 8 << 10
"""Bytes of segments opened together, and the rest of the last: unpacked, twice what one may hold at most."""

Opened: TypeAlias = Payload | PeergosCollabError | None
"""What is in a segment, or what is wrong with it; None where its key or its body is not here."""


class OpenedAhead:
    """An iterator. What is damaged shows when its turn comes.

    Args:
        segments: in order; they may end in Damaged.
        keys: of the epochs that can be opened.
    """

    def __init__(self, segments: Iterable[Segment], keys: Mapping[EpochId, EpochKeys]) -> None:
        self._segments = iter(segments)
        self._keys = keys
        self._ready: deque[tuple[Segment, Opened]] = deque()
        self._damage: Damaged | None = None

    def __iter__(self) -> Iterator[tuple[Segment, Opened]]:
        return self

    def __next__(self) -> tuple[Segment, Opened]:
        """The next segment. Raises Damaged where it is."""
        if not self._ready:
            some = self._read_some()
            self._ready.extend(zip(some, _open(some, self._keys), strict=True))
        if not self._ready:
            raise self._damage or StopIteration
        return self._ready.popleft()

    def put_back(self, segment: Segment, opened: Opened) -> None:
        """It has to wait: it comes next once more."""
        self._ready.appendleft((segment, opened))

    def _read_some(self) -> list[Segment]:
        some: list[Segment] = []
        size = 0
        try:
            for segment in self._segments:
                some.append(segment)
                size += len(segment.raw)
                if size >= AHEAD:
                    break
        except Damaged as damage:
            self._damage = damage
        return some


def _open(segments: Sequence[Segment], keys: Mapping[EpochId, EpochKeys]) -> list[Opened]:
    unsealed = [_unseal(segment, keys) for segment in segments]
    return [_decode(padded) if isinstance(padded, bytes) else padded for padded in unsealed]


def _unseal(segment: Segment, keys: Mapping[EpochId, EpochKeys]) -> bytes | PeergosCollabError | None:
    held = keys.get(segment.epoch)
    if held is None or not segment.is_here:
        return None
    try:
        return segment.open(held.content)
    except RemoteProtocolError as error:
        return error


def _decode(payload: bytes) -> Payload | PeergosCollabError:
    try:
        return decode_payload_untrusted(payload)
    except (RemoteProtocolError, Quarantined) as error:
        return error
