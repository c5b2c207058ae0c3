"""Without a node those who are connected bring the others what they hear, of content and of who is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from peergos_collab.workspace import Options, Role
from peergos_collab.workspace.presence import MAX_PASSED_ON
from support.homes import DIRECT, RELAYED, Person, World, until, world
from support.neighbours import connect, near


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


def sees(one: Person, other: Person) -> bool:
    return other.engine.keys.credentials.device_id in one.opened("notes").presence.present


async def chain(made: World, options: Options) -> list[Person]:
    """Ana, Ben, Cyd and Dan, who are in one document; each is connected with the next one only."""
    people = [await made.person(name) for name in ("Ana", "Ben", "Cyd", "Dan")]
    for person in people:
        await person.workspace.go_online(options)
    await people[0].workspace.new_document("notes", "one")
    for before, person in pairwise(people):
        await connect(before, person)
        await before.workspace.share_with("notes", person.home.name, Role.ADMIN)
        await until(lambda who=person: who.shows("notes", "one"), person)  # type: ignore[misc]
    for person in people:  # whoever waits here is told of who comes and goes, as a face that has it open is
        person.opened("notes").presence.on_change.append(person.engine.news.pulse)
    return people


async def test_a_chain_of_people(made: World) -> None:
    """What the first one types the last one gets, and each sees each; who goes is seen to go."""
    ana, ben, cyd, dan = people = await chain(made, RELAYED)
    await until(lambda: all(sees(one, other) for one in people for other in people if one != other), *people)
    ana.append("notes", " two")
    dan.append("notes", " three")
    await until(lambda: all({"two", "three"} <= set(each.text("notes").split()) for each in people), *people)

    assert not near(ana, dan)
    assert not near(ana, cyd)
    await made.close(dan)
    await until(lambda: not sees(ana, dan), ana)
    assert len({each.text("notes") for each in (ana, ben, cyd)}) == 1


async def test_a_flood_goes_no_further(made: World) -> None:
    """Of one device not more than a bound is passed on in a second."""
    ana, ben, cyd, _ = people = await chain(made, RELAYED)
    await until(lambda: sees(ana, cyd) and sees(cyd, ana), *people)
    passed: list[int] = []
    session = next(
        session
        for session, _, _ in cyd.opened("notes").live.links.values()
        if session is cyd.engine.online.neighbours.of(ben.engine.keys.credentials.account_id).session  # type: ignore[union-attr]
    )
    send = session.send_ephemeral
    session.send_ephemeral = lambda *message: (passed.append(1), send(*message))[1]  # type: ignore[method-assign,func-returns-value]
    for _ in range(20 * MAX_PASSED_ON):
        ana.opened("notes").presence.signal(b"nonsense")
    ana.append("notes", ", and done")
    await until(lambda: cyd.text("notes") == "one, and done", cyd)

    assert 0 < len(passed) < 10 * MAX_PASSED_ON


async def test_who_hears_of_each_other_connects(made: World) -> None:
    """Offers and answers go over those in between: from a chain grows a mesh."""
    ana, _, _, dan = people = await chain(made, DIRECT)

    await until(lambda: "webrtc" in ana.ways("notes") & dan.ways("notes"), *people)
