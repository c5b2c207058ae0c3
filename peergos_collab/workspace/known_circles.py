"""Which objects are in one circle, as the device knows that links another one.

A new device learns who is in an object from its records, and before it has those it opens nothing else on
the same session. The device that links it has all objects in circles already, and says in which: so what
is one session there is one session here from the beginning, and a node learns nothing that is new.

    told = circle (16) ‖ number of its objects (4) ‖ first 8 bytes of each; one circle after the other
    kept = cseal(local key, [1, time, told], ad = "told")            in the store of the new home, for a day
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import ObjectId
from ..codec.shape import array, number, some_bytes
from ..crypto import LocalKey, Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..ports import PutValue, Random, SegmentStore
from ..values import dataclass
from .circle_people import CIRCLE

VERSION: Final = 1
SPACE: Final = "circles"
KEY: Final = b"told"
MOST: Final = 1 << 16
"""Bytes of what is told."""

KEPT_MS: Final = 24 * 60 * 60 * 1000
"""Later others may be in an object, so what was told of it says nothing any more."""

_SHORT: Final = 8
"""Bytes of an object's id, which is a hash: nobody finds another object with the same ones."""

_COUNT: Final = 4


@dataclass(frozen=True, slots=True)
class KnownCircles:
    """See the module's text. ``by_start``: the circle of each object, by the first bytes of its id."""

    by_start: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def gather(cls, members: Iterable[tuple[ObjectId, bytes]]) -> Self:
        """From objects and the circle that each is in."""
        return cls({object_id[:_SHORT]: circle for object_id, circle in members})

    def of(self, object_id: ObjectId) -> bytes:
        """The circle of an object; empty where nothing was told of it."""
        return self.by_start.get(object_id[:_SHORT], b"")

    def told(self, room: int) -> bytes:
        """For another device: as much as ``room`` bytes hold, the largest circles first.

        Of a circle of one object nothing needs to be known: its session is the object's own in any case.
        """
        circles: dict[bytes, list[bytes]] = {}
        for start, circle in self.by_start.items():
            circles.setdefault(circle, []).append(start)
        told = b""
        for circle, starts in sorted(circles.items(), key=lambda each: (-len(each[1]), each[0])):
            fitting = sorted(starts)[: max(0, room - len(told) - CIRCLE - _COUNT) // _SHORT]
            if len(fitting) > 1:
                told += circle + len(fitting).to_bytes(_COUNT) + b"".join(fitting)
        return told

    @classmethod
    def read_untrusted(cls, told: bytes) -> Self:
        """Raises RemoteProtocolError."""
        found: dict[bytes, bytes] = {}
        at = 0
        while at < len(told):
            circle, at = told[at : at + CIRCLE], at + CIRCLE
            count, at = int.from_bytes(told[at : at + _COUNT]), at + _COUNT
            end = at + count * _SHORT
            if end > len(told) or not count:
                raise RemoteProtocolError("circles of a wrong length")
            found |= {told[start : start + _SHORT]: circle for start in range(at, end, _SHORT)}
            at = end
        return cls(found)

    def kept(self, local: LocalKey, random: Random, now: int) -> list[PutValue]:
        """For the store of the new home; ``now`` in ms since 1970."""
        told = self.told(MOST)
        if not told:
            return []
        sealed = cseal(local, Tag.KNOWN_CIRCLES, encode([VERSION, now, told]), KEY, random)
        return [PutValue(SPACE, KEY, sealed)]

    @classmethod
    def take(cls, store: SegmentStore, local: LocalKey, now: int) -> Self:
        """What a store keeps of it; what is old, or cannot be read, is taken out: it only saves sessions."""
        try:
            sealed = store.value(SPACE, KEY)
            if sealed is None:
                return cls()
            raw = copen(local, Tag.KNOWN_CIRCLES, sealed, KEY)
            version, then, told = array(decode_untrusted(raw, MOST + 64), 3, "circles")
            number(version, VERSION, VERSION, "version of circles")
            if abs(now - number(then, 0, 2**53, "time")) < KEPT_MS:
                return cls.read_untrusted(some_bytes(told, MOST, "circles"))
        except (Damaged, RemoteProtocolError):
            pass
        store.write([PutValue(SPACE, KEY, None)])
        return cls()
