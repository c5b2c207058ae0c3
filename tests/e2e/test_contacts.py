"""Contacts and sharing with them: real nodes, real sockets, both ends of everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.errors import (
    BadCard,
    Conflict,
    NoAccess,
    NoNode,
    NotFound,
    Offline,
    PeergosCollabError,
    UsageError,
)
from peergos_collab.identity.contacts import State
from peergos_collab.node.mailboxes import MAIL
from peergos_collab.workspace import Role, open_workspace
from peergos_collab.workspace.api import Contact
from peergos_collab.workspace.invitations import Invited
from peergos_collab.workspace.network import Network
from support.homes import PATIENCE, RELAYED, Person, World, agree, until, world


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def people(made: World, *names: str) -> list[Person]:
    """Persons who use one node and do not know each other."""
    node = made.nodes[0] if made.nodes else await made.node()
    found = [await made.person(name) for name in names]
    for person in found:
        await person.workspace.add_node(node.address)
    return found


async def acquaint(one: Person, other: Person) -> None:
    """Both have the other's card."""
    await one.workspace.add_contact(await other.workspace.contact_card())
    await other.workspace.add_contact(await one.workspace.contact_card())


async def friends(made: World) -> list[Person]:
    """Ana and Ben, with the same node, who gave each other their cards."""
    ana, ben = await people(made, "Ana", "Ben")
    await acquaint(ana, ben)
    return [ana, ben]


async def names(person: Person) -> list[str]:
    return [entry.name for entry in await person.workspace.list_entries()]


async def contact(person: Person, name: str) -> Contact:
    return {each.name: each for each in await person.workspace.contacts()}[name]


async def test_sharing_with_a_contact_who_is_away(made: World) -> None:
    """He finds it under its title when he next syncs, reads it, and what he writes comes back."""
    ana, ben = await friends(made)
    await made.close(ben)
    await ana.workspace.new_document("notes", "hello")
    assert await ana.workspace.share_with("notes", "Ben", Role.WRITER) == "Ben"
    ben = await made.person("Ben")
    assert await names(ben) == []
    await ben.workspace.sync()
    assert await names(ben) == ["notes"]
    assert (await ben.workspace.read_document("notes"))[0] == "hello"
    await ben.workspace.write_document("notes", "hello from Ben")
    await ben.workspace.sync()
    await ana.workspace.sync()

    assert ana.text("notes") == "hello from Ben"
    await ben.workspace.sync()
    assert await ben.workspace.invitations() == []
    assert made.nodes[0]._store.keys(MAIL, b"", b"\xff" * 99, 9) == []  # type: ignore[union-attr]


async def test_an_invitation_survives_a_restart_of_the_node(made: World) -> None:
    """The node is killed and started again in between; real processes."""
    node = await made.node_process()
    ana, ben = await people(made, "Ana", "Ben")
    await acquaint(ana, ben)
    await made.close(ben)
    await ana.workspace.new_document("notes", "hello")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await node.kill()
    made.nodes[0] = await node.again()
    ben = await made.person("Ben")
    await ben.workspace.sync()

    assert (await ben.workspace.read_document("notes"))[0] == "hello"


async def test_both_online(made: World) -> None:
    """It appears by itself, and both edit it at once."""
    ana, ben = await friends(made)
    for person in (ana, ben):
        await person.workspace.go_online(RELAYED)
    await ana.workspace.new_document("notes", "hello")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await until(lambda: ben.shows("notes", "hello"), ben, what="the share")
    ana.opened("notes").fold.document.edit(0, 0, "A")  # type: ignore[attr-defined, union-attr]
    ben.opened("notes").fold.document.edit(5, 5, "B")  # type: ignore[attr-defined, union-attr]
    await until(lambda: len(ana.text("notes")) == len(ben.text("notes")) == 7, ana, ben, what="both edits")

    assert await agree("notes", ana, ben) == "AhelloB"


async def test_members_are_shown_by_petname(made: World) -> None:
    """On both sides, whatever they call themselves; roles are the ones given."""
    ana, ben = await friends(made)
    await ana.workspace.rename_contact("Ben", "Benny")
    await ana.workspace.new_document("notes")
    await ana.workspace.share_with("notes", "Benny", Role.READER)
    await ben.workspace.sync()

    listed = {(each.who, each.role, each.kind, each.me) for each in await ana.workspace.members("notes")}
    assert listed == {("Ana", Role.ADMIN, "account", True), ("Benny", Role.READER, "account", False)}
    listed = {(each.who, each.role, each.kind, each.me) for each in await ben.workspace.members("notes")}
    assert listed == {("Ana", Role.ADMIN, "account", False), ("Ben", Role.READER, "account", True)}


async def test_roles_hold(made: World) -> None:
    """A reader cannot write; given more later, he can. An admin shares on, a writer cannot."""
    ana, ben, cai = await people(made, "Ana", "Ben", "Cai")
    await acquaint(ana, ben)
    await acquaint(ben, cai)
    await ana.workspace.new_document("notes", "x")
    await ana.workspace.share_with("notes", "Ben", Role.READER)
    await ben.workspace.sync()
    with pytest.raises(NoAccess):
        await ben.workspace.write_document("notes", "y")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ben.workspace.sync()
    ben = await made.reopen(ben)
    await ben.workspace.sync()
    await ben.workspace.write_document("notes", "y")
    with pytest.raises(NoAccess):
        await ben.workspace.share_with("notes", "Cai", Role.READER)
    await ana.workspace.share_with("notes", "Ben", Role.ADMIN)
    await ben.workspace.sync()
    ben = await made.reopen(ben)
    await ben.workspace.share_with("notes", "Cai", Role.WRITER)
    await cai.workspace.sync()

    assert (await cai.workspace.read_document("notes"))[0] == "y"
    assert await names(ben) == ["notes"]


async def test_a_name_that_is_taken(made: World) -> None:
    """What is shared takes a suffix; nothing of the receiver's is replaced."""
    ana, ben = await friends(made)
    await ben.workspace.new_document("notes", "his own")
    await ana.workspace.new_document("notes", "hers")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ben.workspace.sync()

    assert await names(ben) == ["notes", "notes (2)"]
    assert [ben.text(name) for name in await names(ben)] == ["his own", "hers"]


async def test_strangers_wait(made: World) -> None:
    """Who is no contact here asks: his share waits until it, or he, is accepted."""
    ana, ben = await people(made, "Ana", "Ben")
    await ana.workspace.add_contact(await ben.workspace.contact_card())
    for path in ("one", "two"):
        await ana.workspace.new_document(path, path)
        await ana.workspace.share_with(path, "Ben", Role.WRITER)
    await ben.workspace.sync()
    assert await names(ben) == []
    asked = await contact(ben, "Ana")
    assert (asked.pending, asked.verified) == (True, False)
    waiting = {each.path: each for each in await ben.workspace.invitations()}
    assert {(each.who, each.role, each.kind, each.account) for each in waiting.values()} == {
        ("Ana", Role.WRITER, "doc", asked.account)
    }
    with pytest.raises(NotFound):
        await ben.workspace.share_with("one", "Ana", Role.READER)

    assert await ben.workspace.accept_invitation(waiting["one"].id, "mine") == "mine"
    assert ben.text("mine") == "one"
    await ben.workspace.decline_invitation(waiting["two"].id)
    assert await ben.workspace.invitations() == []
    assert (await contact(ben, "Ana")).pending
    for id_ in (waiting["one"].id, "x"):
        with pytest.raises(NotFound):
            await ben.workspace.accept_invitation(id_)


async def test_accepting_a_person_accepts_his_invitations(made: World) -> None:
    """And from then on mail between them goes through mailboxes that nobody else knows."""
    ana, ben = await people(made, "Ana", "Ben")
    await ana.workspace.add_contact(await ben.workspace.contact_card())
    await ana.workspace.new_document("one", "1")
    await ana.workspace.share_with("one", "Ben", Role.WRITER)
    await ben.workspace.sync()
    assert not (await ben.workspace.accept_contact("Ana")).pending
    await ben.workspace.sync()
    assert await names(ben) == ["one"]
    await ana.workspace.sync()
    await ben.workspace.new_document("back", "2")
    await ben.workspace.share_with("back", "Ana", Role.READER)
    await ana.workspace.sync()

    assert ana.text("back") == "2"


async def test_adding_the_card_of_who_asked_accepts_him(made: World) -> None:
    """It says the same, and more surely."""
    ana, ben = await people(made, "Ana", "Ben")
    await ana.workspace.add_contact(await ben.workspace.contact_card())
    await ana.workspace.sync()
    await ben.workspace.sync()
    assert (await contact(ben, "Ana")).pending
    assert not (await ben.workspace.add_contact(await ana.workspace.contact_card())).pending


async def test_verifying(made: World) -> None:
    """The same twelve words on both sides, or the other's card scanned."""
    ana, ben, eve = await people(made, "Ana", "Ben", "Eve")
    await acquaint(ana, ben)
    await acquaint(ana, eve)
    words = await ana.workspace.contact_words("Ben")
    assert len(words) == 12
    assert words == await ben.workspace.contact_words("Ana")
    assert words != await ana.workspace.contact_words("Eve")
    assert not (await contact(ana, "Ben")).verified
    assert (await ana.workspace.mark_verified("Ben", words=words)).verified
    assert (await ben.workspace.mark_verified("Ana", await ana.workspace.contact_card())).verified
    with pytest.raises(Conflict):
        await ana.workspace.mark_verified("Eve", await ben.workspace.contact_card())

    assert [each.verified for each in await ana.workspace.contacts()] == [True, False]
    with pytest.raises(NotFound):
        await ana.workspace.contact_words("Zoe")


async def test_petnames(made: World) -> None:
    """The name on the card, suffixed if taken; renamed at will, never to a name in use."""
    ana, ben = await people(made, "Ana", "Ben")
    other = await made.person("other Ben")
    engine = other.engine
    from dataclasses import replace

    engine.keys = replace(engine.keys, credentials=replace(engine.keys.credentials, name="Ben"))
    await ana.workspace.add_contact(await ben.workspace.contact_card())
    assert (await ana.workspace.add_contact(await other.workspace.contact_card())).name == "Ben (2)"
    await ana.workspace.rename_contact("Ben (2)", "Benjamin")
    assert [each.name for each in await ana.workspace.contacts()] == ["Ben", "Benjamin"]
    for taken in ("Ben", "Benjamin"):
        with pytest.raises(Conflict):
            await ana.workspace.rename_contact("Ben", taken)
    with pytest.raises(NotFound):
        await ana.workspace.rename_contact("Zoe", "x")
    for bad in ("", "a\u202eb", "a/b", " x"):
        with pytest.raises(UsageError):
            await ana.workspace.rename_contact("Ben", bad)
    await ana.workspace.remove_contact("Ben")

    assert [each.name for each in await ana.workspace.contacts()] == ["Benjamin"]


async def test_names_that_would_deceive(made: World) -> None:
    """Controls and bidirectional marks in the name on a card are shown escaped, and end no line."""
    from dataclasses import replace

    ana, eve = await people(made, "Ana", "Eve")
    keys = eve.engine.keys
    for name in ("\u202eevE", "Ben\nAna", "a/b", "", "\x1b[31mred", "x" * 64, " Ana "):
        eve.engine.keys = replace(keys, credentials=replace(keys.credentials, name=name))
        shown = (await ana.workspace.add_contact(await eve.workspace.contact_card())).name
        assert shown.isprintable()
        assert "/" not in shown
        assert shown == shown.strip() != ""
        await ana.workspace.remove_contact(shown)


async def test_bad_cards_change_nothing(made: World) -> None:
    """Cut, mistyped, one's own: each says what it is."""
    ana, ben, cai = await people(made, "Ana", "Ben", "Cai")
    card = await ben.workspace.contact_card()
    refused: list[tuple[str, type[PeergosCollabError]]] = [
        (card[:-1], BadCard),
        (card[:-3] + ("AAA" if card[-3:] != "AAA" else "BBB"), BadCard),
        ("pgc://x", BadCard),
        (await ana.workspace.contact_card(), Conflict),
    ]
    for text, kind in refused:
        with pytest.raises(kind):
            await ana.workspace.add_contact(text)
    assert await ana.workspace.contacts() == []
    await ana.workspace.add_contact(card)
    with pytest.raises(Conflict):
        await ana.workspace.add_contact(await cai.workspace.contact_card(), "Ben")
    assert [each.name for each in await ana.workspace.contacts()] == ["Ben"]


async def test_introductions(made: World) -> None:
    """Ana passes Ben's card on to Cai, who sees through whom, and accepts or not."""
    ana, ben, cai = await people(made, "Ana", "Ben", "Cai")
    await acquaint(ana, ben)
    await acquaint(ana, cai)
    await ana.workspace.introduce("Ben", "Cai")
    await ana.workspace.sync()
    await cai.workspace.sync()
    introduced = await contact(cai, "Ben")
    assert (introduced.via, introduced.pending) == ("Ana", True)
    await cai.workspace.accept_contact("Ben")
    await cai.workspace.sync()
    await ben.workspace.sync()

    assert (await contact(ben, "Cai")).pending
    assert (await contact(cai, "Ben")).account == (await contact(ana, "Ben")).account
    with pytest.raises(UsageError):
        await ana.workspace.introduce("Ben", "Ben")


@pytest.mark.parametrize("by_entry", [False, True])
async def test_an_invitation_that_failed_is_tried_again_elsewhere(
    made: World, monkeypatch: pytest.MonkeyPatch, *, by_entry: bool
) -> None:
    """While one stays online: in another network, or by another way out."""
    here, away = await made.node("here"), await made.node("away")
    ana, ben = await made.person("Ana"), await made.person("Ben")
    await ana.workspace.add_node(away.address)
    await ben.workspace.add_node(here.address)
    await acquaint(ana, ben)
    await ana.workspace.new_document("plan", "from Ana")
    await ana.workspace.share_with("plan", "Ben", Role.WRITER)
    await ana.workspace.sync()
    await away.close()
    mailroom, failed = ben.engine.mailroom, asyncio.Event()
    accept = mailroom.invitations.accept

    async def tried(invited: Invited, network: Network) -> str:
        try:
            return await accept(invited, network)
        except Offline:
            failed.set()
            raise

    monkeypatch.setattr(mailroom.invitations, "accept", tried)
    await ben.workspace.go_online(RELAYED)
    await asyncio.wait_for(failed.wait(), PATIENCE)
    await until(lambda: not mailroom._accepting, ben, what="it is left")
    assert await ben.workspace.list_entries() == []
    await made.node("away", int(away.address.rpartition(":")[2]))
    if by_entry:
        await ben.workspace.set_entry_node((await made.node("entry", entry=True)).address)
    else:
        ben.engine.online.changed_place(moved=True)
    await until(lambda: not mailroom.invitations.all(), ben, what="it is taken")

    assert [entry.name for entry in await ben.workspace.list_entries()] == ["plan"]


async def test_without_nodes(made: World) -> None:
    """Nothing to share through: exit 5, and nobody became a member."""
    ana, ben = await made.person("Ana"), await made.person("Ben")
    await acquaint(ana, ben)
    await ana.workspace.new_document("notes")
    with pytest.raises(NoNode):
        await ana.workspace.share_with("notes", "Ben", Role.READER)
    assert len(await ana.workspace.members("notes")) == 1
    with pytest.raises(NotFound):
        await ana.workspace.share_with("notes", "Zoe", Role.READER)


async def test_an_invitation_made_offline_goes_out_later(made: World) -> None:
    """The node is away, and the sharer is killed; when both are back it is delivered by a sync."""
    ana, ben = await friends(made)
    await ana.workspace.new_document("notes", "hello")
    node = made.nodes[0]
    port = node.port
    await node.close()
    with pytest.raises(Offline):
        await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await made.crash(ana)
    ana = await made.person("Ana")
    made.nodes[0] = await made.node(port=port)
    made.nodes.pop()
    await ana.workspace.sync()
    await ben.workspace.sync()

    assert ben.text("notes") == "hello"


async def test_each_with_a_node_of_his_own(made: World) -> None:
    """What is shared lies at the sharer's node, goes on to the receiver's, and is saved on both."""
    nodes = [await made.node("one"), await made.node("two")]
    ana, ben = await made.person("Ana"), await made.person("Ben")
    for person, node in zip((ana, ben), nodes, strict=True):
        await person.workspace.add_node(node.address)
    await acquaint(ana, ben)
    await ana.workspace.new_document("notes", "hello")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ben.workspace.sync()
    await ben.workspace.write_document("notes", "hello from Ben")
    await ben.workspace.sync()
    assert all(ben.saved_on("notes", node.address) for node in nodes)
    await nodes[1].close()
    await ana.workspace.sync()

    assert ana.text("notes") == "hello from Ben"
    assert await ben.problems() == []


async def test_beside_a_running_program(made: World) -> None:
    """A command that attaches to it can do all the same."""
    ana, ben = await people(made, "Ana", "Ben")
    attached = await open_workspace(ana.home)
    try:
        assert attached.attached
        await ben.workspace.add_contact(await attached.contact_card())
        assert (await attached.add_contact(await ben.workspace.contact_card(), "Benny")).name == "Benny"
        words = await ben.workspace.contact_words("Ana")
        assert await attached.contact_words("Benny") == words
        assert (await attached.mark_verified("Benny", words=words)).verified
        await attached.rename_contact("Benny", "Ben")
        assert await attached.contacts() == await ana.workspace.contacts()
        await attached.new_document("notes", "x")
        assert await attached.share_with("notes", "Ben", Role.WRITER) == "Ben"
        await ben.workspace.sync()
        await ben.workspace.remove_contact("Ana")
        await ben.workspace.new_document("plan", "y")
        await ben.workspace.add_contact(await attached.contact_card())
        await attached.remove_contact("Ben")
        for title in ("one", "two"):
            await ben.workspace.new_document(title)
            await ben.workspace.share_with(title, "Ana", Role.READER)
        await attached.sync()
        one, two = await attached.invitations()
        assert (one.path, one.role, one.who) == ("one", Role.READER, "Ben")
        assert await attached.accept_invitation(one.id, "mine") == "mine"
        await attached.decline_invitation(two.id)
        assert not (await attached.accept_contact("Ben")).pending
        with pytest.raises(NotFound):
            await attached.introduce("Ben", "Zoe")
    finally:
        await attached.close()


@pytest.mark.parametrize("forgets", [False, True])
async def test_removed_and_shared_again(made: World, forgets: bool) -> None:
    """A contact who was removed gets nothing new; shared with again, he reads and writes as before."""
    ana, ben = await friends(made)
    await ana.workspace.new_document("notes", "one. ")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ben.workspace.sync()
    await ana.workspace.unshare("notes", "Ben")
    await ana.workspace.write_document("notes", "one. two. ")
    await ana.workspace.sync()
    await ben.workspace.sync()
    assert ben.text("notes") == "one. "
    with pytest.raises(NoAccess):
        await ben.workspace.write_document("notes", "mine")
    if forgets:
        await ben.workspace.remove("notes")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ben.workspace.sync()
    assert [entry.name for entry in await ben.workspace.list_entries()] == ["notes"]
    assert ben.text("notes") == "one. two. "
    await ben.workspace.write_document("notes", "one. two. three. ")
    await ben.workspace.sync()
    await ana.workspace.sync()

    assert ana.text("notes") == "one. two. three. "


async def test_a_contact_whose_node_is_away(made: World) -> None:
    """A sync ends all the same, and says what waits; once his node is back it goes out, and that is over."""
    nodes = [await made.node("one"), await made.node("two")]
    ana, ben = await made.person("Ana"), await made.person("Ben")
    for person, node in zip((ana, ben), nodes, strict=True):
        await person.workspace.add_node(node.address)
    await acquaint(ana, ben)
    port = nodes[1].port
    await nodes[1].close()
    await ana.workspace.sync()
    assert any("sent to Ben waits" in problem for problem in ana.engine.problems)
    await made.node("two", port)
    await ana.workspace.sync()
    assert ana.engine.problems == []
    await ben.workspace.sync()

    assert ben.engine.mailroom.book.find("Ana").record.state is State.MUTUAL


async def test_going_online_while_going_offline(made: World) -> None:
    """One command ends while the next begins: neither takes the other's connections away."""
    ana, ben = await friends(made)
    for number in range(3):
        await ana.workspace.new_document(f"notes {number}", "x")
    await asyncio.gather(
        ana.workspace.sync(),
        *(ana.workspace.share_with(f"notes {number}", "Ben", Role.READER) for number in range(3)),
        ana.workspace.sync(),
    )
    engine = ana.engine
    async with engine.online.needed():
        engine.mailroom.start()
        ending = asyncio.create_task(engine.mailroom.stop())
        await asyncio.sleep(0)
        engine.mailroom.start()
        await ending
        assert engine.mailroom.reader.running
        await until(engine.mailroom.settled, ana, what="mail is read")
    await ben.workspace.sync()

    assert await names(ben) == ["notes 0", "notes 1", "notes 2"]
