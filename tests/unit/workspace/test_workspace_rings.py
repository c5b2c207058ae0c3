"""Which devices connect directly: few for each, all in reach of each other, and little changes."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from peergos_collab.codec.ids import DeviceId, ObjectId
from peergos_collab.workspace.peers import ANSWER_SECONDS, MAX_DEGREE
from peergos_collab.workspace.rings import FULL, Rings
from support.jumping_loop import in_no_time, passing
from support.party import Party

OBJECT = ObjectId(b"o" * 32)


def devices(count: int) -> list[DeviceId]:
    made = random.Random(count)
    return [DeviceId(made.randbytes(32)) for _ in range(count)]


def edges(those: list[DeviceId]) -> set[frozenset[DeviceId]]:
    """As each of them chooses; asserts that both ends agree."""
    chosen = {one: Rings(OBJECT, one).neighbours(each for each in those if each != one) for one in those}
    found = {frozenset((one, other)) for one in those for other in chosen[one]}
    assert all(one in chosen[other] for one in those for other in chosen[one])
    return found


@pytest.mark.parametrize("count", [1, 2, FULL, FULL + 1])
def test_few_are_all_connected(count: int) -> None:
    """Each with up to eight others."""
    assert len(edges(devices(count))) == len(list(combinations(range(count), 2)))


@pytest.mark.parametrize("count", [10, 40, 100])
def test_nobody_has_more_than_eight(count: int) -> None:
    """However many there are; and nearly nobody has much less."""
    those = devices(count)
    found = edges(those)
    degrees = [sum(device in edge for edge in found) for device in those]

    assert max(degrees) <= FULL
    assert min(degrees) >= FULL - 2


def test_who_comes_changes_little() -> None:
    """On each ring one connection makes room for two."""
    those = devices(41)
    before, after = edges(those[1:]), edges(those)

    assert len(before - after) <= 4
    assert len(after - before) <= 8


def test_objects_differ() -> None:
    """So that one device is not in the middle of all."""
    own, *others = devices(40)

    assert Rings(OBJECT, own).neighbours(others) != Rings(ObjectId(b"p" * 32), own).neighbours(others)


def test_a_party_of_forty() -> None:
    """Real meshes: connected with few connections each; when a third are killed at once, they heal."""

    async def forty() -> None:
        async with Party(1) as party:
            party.come(40)
            await passing(60)
            assert max(party.degrees()) <= FULL
            assert party.steps() <= 4
            made = sum(guest.opened for guest in party.guests.values())

            await party.go(party.random.sample(list(party.guests), 13))
            assert party.steps() < 1000
            await passing(120)
            assert max(party.degrees()) <= FULL
            assert min(party.degrees()) >= FULL - 3
            assert party.steps() <= 4

            party.come(10)
            await passing(120)
            assert max(party.degrees()) <= FULL
            assert party.steps() <= 4
            assert sum(guest.opened for guest in party.guests.values()) < 2 * made

    in_no_time(forty())


def test_a_party_that_grows_slowly() -> None:
    """From all with all to eight for each: what is not wanted any more ends, and nobody is cut off."""

    async def growing() -> None:
        async with Party(2) as party:
            for size in range(1, 31):
                party.come(1)
                await passing(10)
                assert party.steps() < 1000, size
                assert max(party.degrees()) <= MAX_DEGREE
            await passing(90)
            assert max(party.degrees()) <= FULL
            await party.go(party.random.sample(list(party.guests), 22))
            await passing(120)
            assert party.degrees() == [7] * 8

    in_no_time(growing())


def test_who_moves_to_another_network_is_soon_back() -> None:
    """All its connections die; it is told, and has them again before the next greeting would be due twice."""

    async def moving() -> None:
        async with Party(3) as party:
            party.come(8)
            await passing(60)
            for guest in list(party.guests.values()):
                for end in list(guest.open.values()):
                    end.cut()
                await passing(0)
                guest.mesh.hurry()
                await passing(4)
                assert len(guest.open) == 7

    in_no_time(moving())


def test_nobody_waits_for_pauses_of_another_network() -> None:
    """After minutes without a way the next try is a minute away, and comes at once for who has moved."""

    async def moving() -> None:
        async with Party(4) as party:
            party.no_way = True
            party.come(2)
            await passing(600)
            party.no_way = False
            for guest in party.guests.values():
                guest.mesh.hurry()
            await passing(ANSWER_SECONDS)
            assert party.degrees() == [1, 1]

    in_no_time(moving())


def test_a_neighbour_needs_no_second_connection() -> None:
    """Two who found each other in the local network let go of the one they had for the object."""

    async def nearing() -> None:
        async with Party(5) as party:
            party.come(3)
            await passing(30)
            one, other, third = party.guests.values()
            assert party.degrees() == [2, 2, 2]
            one.mesh.is_near = other.device.__eq__
            other.mesh.is_near = one.device.__eq__
            await passing(60)
            assert [set(guest.open) for guest in (one, other)] == [{third.device}] * 2
            assert len(third.open) == 2

    in_no_time(nearing())
