"""What a new device is told of circles: read back as told, cut to the room there is, kept for a day."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import ObjectId
from peergos_collab.crypto import LocalKey
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.circle_people import CIRCLE
from peergos_collab.workspace.known_circles import KEPT_MS, KEY, MOST, SPACE, KnownCircles

RANDOM = random.Random(3).randbytes
LOCAL = LocalKey.generate(RANDOM)
OWN, WITH_BEN, WITH_CLEO = (bytes([number]) * CIRCLE for number in range(3))
OBJECTS = [ObjectId(RANDOM(32)) for _ in range(9)]
OTHER = ObjectId(RANDOM(32))
NOW = 1_700_000_000_000


def circles() -> KnownCircles:
    """Five objects of one's own, three with Ben, one with Cleo."""
    return KnownCircles.gather(zip(OBJECTS, [OWN] * 5 + [WITH_BEN] * 3 + [WITH_CLEO], strict=True))


def test_what_is_told_is_read_back() -> None:
    """But of a circle of one object: its session is its own in any case."""
    read = KnownCircles.read_untrusted(circles().told(MOST))

    assert [read.of(object_id) for object_id in OBJECTS] == [OWN] * 5 + [WITH_BEN] * 3 + [b""]
    assert read.of(OTHER) == b""


@pytest.mark.parametrize("room", range(-40, 140, 4))
def test_no_more_is_told_than_there_is_room_for(room: int) -> None:
    """The largest circle first, as much of it as fits, and nothing that is false."""
    told = circles().told(room)
    read = KnownCircles.read_untrusted(told)
    known = [read.of(object_id) for object_id in OBJECTS]

    assert len(told) <= max(0, room)
    assert all(each in (b"", true) for each, true in zip(known, [OWN] * 5 + [WITH_BEN] * 3, strict=False))
    assert (known.count(OWN) >= 2) == (room >= CIRCLE + 4 + 2 * 8)
    assert (known.count(WITH_BEN) >= 2) == (room >= 2 * (CIRCLE + 4) + 5 * 8 + 2 * 8)


@pytest.mark.parametrize("cut", [1, 8, 17, 35])
def test_what_is_cut_off_or_empty_is_refused(cut: int) -> None:
    """Whoever it is from."""
    told = circles().told(MOST)
    for false in (told[:-cut], told + OWN + bytes(4), told + OWN + b"\xff" * 4):
        with pytest.raises(RemoteProtocolError):
            KnownCircles.read_untrusted(false)


def test_a_home_keeps_it_for_a_day() -> None:
    """Then others may be in an object; nor is anything believed of a clock that was set back."""
    for later in (0, KEPT_MS - 1):
        store = kept()
        assert KnownCircles.take(store, LOCAL, NOW + later).of(OBJECTS[0]) == OWN
        assert store.value(SPACE, KEY) is not None
    for later in (KEPT_MS, -KEPT_MS):
        store = kept()
        assert KnownCircles.take(store, LOCAL, NOW + later).of(OBJECTS[0]) == b""

        assert store.value(SPACE, KEY) is None


def test_what_is_kept_and_damaged_is_let_go() -> None:
    """It only saved sessions."""
    store = kept()
    sealed = store.value(SPACE, KEY)
    assert sealed is not None
    assert OWN not in sealed
    store._seen.values[SPACE][KEY] = sealed[:-1] + bytes([sealed[-1] ^ 1])

    assert KnownCircles.take(store, LOCAL, NOW).by_start == {}
    assert store.value(SPACE, KEY) is None


def test_who_was_told_nothing_keeps_nothing() -> None:
    """A home that was not linked, or the only object of each circle."""
    assert KnownCircles().kept(LOCAL, RANDOM, NOW) == []
    assert KnownCircles.take(MemoryStore(), LOCAL, NOW).by_start == {}


def kept() -> MemoryStore:
    store = MemoryStore(durable_at_once=True)
    store.write(list(circles().kept(LOCAL, RANDOM, NOW)))
    return store
