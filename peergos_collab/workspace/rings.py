"""Which of the devices in an object connect to each other directly.

Up to eight others: all. Beyond that all devices stand on four rings, each in an order of its own by a hash,
and everybody is connected to who is next to him on them. So nobody has more than eight neighbours, all who
see the same devices agree, each ring connects all of them, and who comes or goes changes at most three
connections on each. Four random rings are an expander: forty devices are three steps apart, 500 are five.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..codec.ids import DeviceId, ObjectId
from ..crypto import Tag, hash256

FULL: Final = 8
RINGS: Final = FULL // 2


class Rings:
    """Those of one object, for one device."""

    def __init__(self, object_id: ObjectId, own: DeviceId) -> None:
        self._object = object_id
        self._own = own
        self._places: dict[DeviceId, list[bytes]] = {}
        self._others: frozenset[DeviceId] = frozenset()
        self._neighbours: frozenset[DeviceId] = frozenset()

    def neighbours(self, others: Iterable[DeviceId]) -> frozenset[DeviceId]:
        """Whom this device connects to, where these others are there. Costs next to nothing if they stay."""
        found = frozenset(others)
        if found != self._others:
            self._others, self._neighbours = found, self._chosen(found)
        return self._neighbours

    def _chosen(self, others: frozenset[DeviceId]) -> frozenset[DeviceId]:
        if len(others) <= FULL:
            return others
        places = {each: self._places.get(each) or self._place(each) for each in (self._own, *others)}
        self._places = places
        beside: set[DeviceId] = set()
        for ring in range(RINGS):
            order = sorted(places, key=lambda device: places[device][ring])
            at = order.index(self._own)
            beside |= {order[at - 1], order[(at + 1) % len(order)]}
        return frozenset(beside)

    def _place(self, device: DeviceId) -> list[bytes]:
        return [hash256(Tag.MESH_RING, self._object + device + bytes([ring])) for ring in range(RINGS)]
