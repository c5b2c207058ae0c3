"""People and links are removed: what is written afterwards is not for them, and theirs is for nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.codec import to_multibase
from peergos_collab.errors import LinkEnded, NoAccess, NotFound, UsageError
from peergos_collab.workspace import Role
from support.homes import DIRECT, RELAYED, Person, World, agree, connections, online, until, world


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def three(made: World, role: Role = Role.WRITER) -> tuple[Person, Person, Person]:
    """Ana, who made a document; Ben, who came by one link, and Cy, who came by another."""
    node = await made.node()
    ana, ben, cy = [await made.person(name) for name in ("Ana", "Ben", "Cy")]
    await ana.workspace.add_node(node.address)
    await ana.workspace.new_document("notes", "begin. ")
    for person in (ben, cy):
        await person.workspace.join(await ana.workspace.share_link("notes", role))
    return ana, ben, cy


async def link_of(ana: Person, person: Person) -> str:
    """The id of the link by which somebody came."""
    principal = person.opened("notes").live.replica.actor.principal
    listed = {link.id: link for link in await ana.workspace.links("notes")}
    return listed[to_multibase(principal)].id


async def removed(person: Person) -> None:
    """Returns once somebody knows that he was removed."""
    replica = person.opened("notes").live.replica
    await until(lambda: replica.is_removed, person, what="he knows that he was removed")


async def test_a_removed_link_is_out(made: World) -> None:
    """Its holder gets nothing written afterwards, and nobody takes anything he writes; the others go on."""
    ana, ben, cy = await three(made)
    await online("notes", RELAYED, ana, ben, cy)
    ben.append("notes", "Ben was here. ")
    await agree("notes", ana, ben, cy)

    await ana.workspace.unshare("notes", await link_of(ana, ben))
    await removed(ben)
    ana.append("notes", "Ana alone with Cy. ")
    cy.append("notes", "Cy too. ")
    await until(lambda: ana.text("notes") == cy.text("notes") and "too" in ana.text("notes"), ana, cy)

    assert "Ben was here." in cy.text("notes")
    assert "alone" not in ben.text("notes")
    with pytest.raises(NoAccess):
        ben.append("notes", "still here?")
    assert any("removed you" in problem for problem in await ben.problems())
    ben = await made.reopen(ben)
    assert any("removed you" in problem for problem in await ben.problems())
    with pytest.raises(NoAccess, match="no member"):
        await ben.workspace.write_document("notes", "mine alone")
    await ben.workspace.leave("notes")
    assert await ben.workspace.list_entries() == []


async def test_the_direct_connection_to_the_removed_is_cut(made: World) -> None:
    """The others keep theirs, and no new one is made with him."""
    ana, ben, cy = await three(made)
    await online("notes", DIRECT, ana, ben, cy)
    everybody = (ana, ben, cy)

    def left() -> list[int]:
        return [len(connections(person, "notes", "webrtc")) for person in everybody]

    await until(lambda: left() == [2, 2, 2], *everybody, what="each with each")
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    await until(lambda: left() == [1, 0, 1], *everybody, what="cut")
    ana.append("notes", "between the two of us. ")
    await until(lambda: "two of us" in cy.text("notes"), *everybody)

    assert left() == [1, 0, 1]
    assert "two of us" not in ben.text("notes")


async def test_the_removed_hold_no_new_key(made: World) -> None:
    """Whatever their node hands them."""
    ana, ben, cy = await three(made)
    await online("notes", RELAYED, ana, ben, cy)
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    ana.append("notes", "for Cy. ")
    await until(lambda: "for Cy" in cy.text("notes"), ana, cy)
    await removed(ben)
    book = ana.opened("notes").live.replica.book
    ben.opened("notes").live.take_records([record.raw for record in book.membership_records()])
    keys = ben.opened("notes").live.replica.keys
    assert ana.opened("notes").live.replica.current_epoch() not in keys


async def test_the_link_opens_nothing_any_more(made: World) -> None:
    """Whoever still has its text is told that it has ended."""
    ana, ben, _ = await three(made)
    (link,) = [each for each in await ana.workspace.links("notes") if each.id == await link_of(ana, ben)]
    await ana.workspace.unshare("notes", link.text)
    await ana.workspace.sync()
    dan = await made.person("Dan")
    with pytest.raises(LinkEnded):
        await dan.workspace.join(link.text)
    assert len(await ana.workspace.links("notes")) == 1


async def test_the_removed_come_in_again_by_a_link(made: World) -> None:
    """Then they act for the link: they read what was written meanwhile, and write again."""
    ana, ben, _ = await three(made)
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    ana.append("notes", "meanwhile. ")
    await ana.workspace.sync()
    await ben.workspace.sync()
    await removed(ben)
    assert [entry.role for entry in await ben.workspace.list_entries()] == [None]

    ben = await made.reopen(ben)
    assert [entry.role for entry in await ben.workspace.list_entries()] == [None]
    assert await ben.workspace.join(await ana.workspace.share_link("notes", Role.WRITER)) == "notes"
    assert ben.text("notes") == "begin. meanwhile. "
    assert [entry.role for entry in await ben.workspace.list_entries()] == [Role.WRITER]
    ben.append("notes", "again. ")
    await ben.workspace.sync()
    await ana.workspace.sync()
    assert ana.text("notes") == "begin. meanwhile. again. "
    ben = await made.reopen(ben)
    ben.append("notes", "still. ")
    await ben.workspace.sync()
    await ana.workspace.sync()
    assert ana.text("notes") == ben.text("notes") == "begin. meanwhile. again. still. "


async def test_a_link_that_gives_more_is_used(made: World) -> None:
    """Whoever reads becomes a writer by a writer's link; a reader's link takes nothing from a writer."""
    node = await made.node()
    ana, ben = [await made.person(name) for name in ("Ana", "Ben")]
    await ana.workspace.add_node(node.address)
    await ana.workspace.new_document("notes", "begin. ")
    reading = await ana.workspace.share_link("notes", Role.READER)
    await ben.workspace.join(reading)
    with pytest.raises(NoAccess):
        ben.append("notes", "no. ")
    changed = ben.opened("notes").live.modified
    for text in (await ana.workspace.share_link("notes", Role.WRITER), reading):
        await ben.workspace.join(text)
        assert ben.opened("notes").live.modified >= changed > 0
        ben.append("notes", "yes. ")
    await ben.workspace.sync()
    await ana.workspace.sync()
    assert ana.text("notes") == ben.text("notes") == "begin. yes. yes. "


async def test_removed_while_offline(made: World) -> None:
    """Each learns of it when he meets a node, and what was written in between is not for the removed."""
    ana, ben, cy = await three(made)
    await ben.workspace.sync()
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    ana.append("notes", "after. ")
    await ana.workspace.sync()
    await cy.workspace.sync()
    await ben.workspace.sync()
    await removed(ben)

    assert cy.text("notes") == ana.text("notes") == "begin. after. "
    assert "after" not in ben.text("notes")


async def test_a_newcomer_reads_what_the_removed_wrote(made: World) -> None:
    """The history of a document keeps all that was accepted, whoever joins when."""
    ana, ben, _ = await three(made)
    await online("notes", RELAYED, ana, ben)
    ben.append("notes", "by Ben. ")
    await agree("notes", ana, ben)
    ana.append("notes", "on top. ")
    await agree("notes", ana, ben)
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    ana.append("notes", "later. ")
    dan = await made.person("Dan")
    await dan.workspace.join(await ana.workspace.share_link("notes", Role.READER))

    await until(lambda: dan.text("notes") == "begin. by Ben. on top. later. ", dan, ana)


async def test_a_removed_peer_is_cut_off(made: World) -> None:
    """Also where two devices speak directly."""
    ana, ben, cy = await three(made)
    await online("notes", DIRECT, ana, ben, cy)
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    await removed(ben)
    for number in range(5):
        ana.append("notes", f"{number} ")
        await until(lambda number=number: f"{number} " in cy.text("notes"), ana, cy)

    assert ben.text("notes") == "begin. "


async def test_a_role_is_lowered_and_raised(made: World) -> None:
    """A reader reads on and writes nothing; a writer again writes."""
    ana, ben, cy = await three(made)
    await online("notes", RELAYED, ana, ben, cy)
    link = await link_of(ana, ben)
    await ana.workspace.change_role("notes", link, Role.READER)
    await until(lambda: not ben.opened("notes").live.replica.can_write, ben, what="lowered")
    ana.append("notes", "for readers. ")
    await agree("notes", ana, ben, cy)
    with pytest.raises(NoAccess):
        ben.append("notes", "no")

    await ana.workspace.change_role("notes", link, Role.WRITER)
    await until(lambda: ben.opened("notes").live.replica.can_write, ben, what="raised")
    ben.append("notes", "again. ")
    assert (await agree("notes", ana, ben, cy)).endswith("for readers. again. ")


async def test_who_may_remove_whom(made: World) -> None:
    """Writers remove nobody, and no admin removes one who was there before him."""
    ana, ben, cy = await three(made, Role.ADMIN)
    link = await link_of(ana, ben)
    await ben.workspace.sync()
    await ana.workspace.change_role("notes", await link_of(ana, cy), Role.WRITER)
    await ana.workspace.sync()
    await cy.workspace.sync()
    await ben.workspace.sync()
    with pytest.raises(NoAccess, match="only an admin"):
        await cy.workspace.unshare("notes", link)
    with pytest.raises(NoAccess, match="before you"):
        await ben.workspace.unshare("notes", "Ana")
    with pytest.raises(NotFound):
        await ana.workspace.unshare("notes", "nobody")
    with pytest.raises(UsageError, match="that is you"):
        await ana.workspace.unshare("notes", "Ana")


async def test_writers_go_on_without_an_admin(made: World) -> None:
    """Keys that a removal made due are made by whoever writes next, if nobody else does."""
    ana, ben, cy = await three(made)
    await ana.workspace.unshare("notes", await link_of(ana, ben))
    await ana.workspace.sync()
    await made.close(ana)
    await cy.workspace.sync()
    cy.append("notes", "alone. ")
    await cy.workspace.sync()

    assert cy.text("notes") == "begin. alone. "
    assert len(cy.opened("notes").live.replica.unsealed) == 0
