"""Sharing a document from now on: the newcomer has its text, goes on with it, and reads nothing of before."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.documents import Document
from peergos_collab.errors import Conflict, UsageError
from peergos_collab.objects.payload import decode_payload_untrusted
from peergos_collab.workspace import Role
from peergos_collab.workspace.history import FALSE_BASE
from support.command_line import Home, serving_node
from support.homes import RELAYED, NodeProcess, Person, World, agree, online, until, world
from support.needles import found, runs, runs_in

SECRET = "the old plan nobody new may read"


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def people(made: World, *names: str) -> list[Person]:
    """Ana, who has a document with a past, and contacts of hers; all use one node."""
    node = await made.node_process()
    found = [await made.person(name) for name in names]
    for person in found:
        await person.workspace.add_node(node.address)
    for other in found[1:]:
        await found[0].workspace.add_contact(await other.workspace.contact_card())
        await other.workspace.add_contact(await found[0].workspace.contact_card())
    ana = found[0]
    await ana.workspace.new_document("notes", f"Hello. {SECRET}.")
    await ana.workspace.sync()
    document = ana.document("notes")
    document.track_undo()
    document.edit(7, 7 + len(SECRET) + 1, "")
    await ana.workspace.sync()
    return found


async def write_unheard(made: World, person: Person, text: str) -> None:
    """He writes under the keys of now, his node dies before it has that, and so does his program."""
    node = made.nodes.pop()
    assert isinstance(node, NodeProcess)
    await online("notes", RELAYED, person)
    node.process.send_signal(signal.SIGSTOP)
    person.append("notes", text)
    await person.opened("notes").live.durable()
    assert len(person.opened("notes").live.replica.unsealed) == 0
    await made.close(person)
    await node.kill()
    made.nodes.append(await node.again())


def opened_by(person: Person, path: str) -> list[bytes]:
    """All that somebody can make of what is stored, and the state he shows."""
    replica = person.opened(path).live.replica
    contents = [person.document(path).state()]
    for branch in replica.book.numbered.values():
        for segment in replica.book.stored(branch, branch.first):
            keys = replica.keys.get(segment.epoch)
            if keys is not None:
                contents.append(decode_payload_untrusted(segment.open(keys.content)).content)
    return contents


async def test_a_contact_who_is_away_gets_the_text_and_nothing_of_before(made: World) -> None:
    """He reads it, both write, he starts again; and no byte of what was taken out is anywhere with him."""
    ana, ben = await people(made, "Ana", "Ben")
    await made.close(ben)
    assert await ana.workspace.share_with("notes", "Ben", Role.WRITER, from_now=True) == "Ben"
    ben = await made.person("Ben")
    await ben.workspace.sync()

    assert (await ben.workspace.read_document("notes"))[0] == "Hello. "
    await online("notes", RELAYED, ana, ben)
    ben.append("notes", "Ben was here. ")
    await until(lambda: "Ben was" in ana.text("notes"), ana, ben)
    ana.append("notes", "Welcome.")
    assert await agree("notes", ana, ben) == "Hello. Ben was here. Welcome."
    ben = await made.reopen(ben)
    assert ben.text("notes") == "Hello. Ben was here. Welcome."
    first = (await ben.workspace.document_versions("notes"))[-1]
    assert await ben.workspace.document_at("notes", first.id) == "Hello. "
    assert first.author == "before you were added"
    with pytest.raises(Conflict):
        await ben.workspace.name_version("notes", first.id, "Given")
    await ben.workspace.name_version("notes", "now", "Welcome")
    ben.append("notes", " Thanks.")
    await ben.workspace.sync()
    await until(lambda: "Thanks" in ana.text("notes"), ana)
    for person in (ana, ben):
        assert await person.workspace.document_at("notes", "Welcome") == "Hello. Ben was here. Welcome."

    secret = runs(SECRET.encode())
    assert any(runs_in(content, secret) for content in opened_by(ana, "notes"))
    assert not any(runs_in(content, secret) for content in opened_by(ben, "notes"))
    await made.close(ben)
    assert found([file for file in ben.home.rglob("*") if file.is_file()], secret) == set()


async def test_members_says_who_is_in_from_now_on(made: World) -> None:
    """Both see it; a second share changes nothing and is delivered again."""
    ana, ben = await people(made, "Ana", "Ben")
    await ana.workspace.share_with("notes", "Ben", Role.READER, from_now=True)
    await ana.workspace.share_with("notes", "Ben", Role.WRITER, from_now=True)
    await ben.workspace.sync()
    for person in (ana, ben):
        listed = {member.who: member for member in await person.workspace.members("notes")}
        assert {who for who, member in listed.items() if member.from_now} == {"Ben"}
        assert listed["Ben"].role is Role.WRITER
    assert await ana.problems() == await ben.problems() == []


async def test_what_was_written_under_older_keys_comes_later(made: World) -> None:
    """By somebody who did not know of him yet: it reaches him once somebody who can read it was there."""
    ana, ben, cai = await people(made, "Ana", "Ben", "Cai")
    await ana.workspace.share_with("notes", "Cai", Role.WRITER)
    await cai.workspace.sync()
    await write_unheard(made, cai, "Late words of Cai. ")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER, from_now=True)
    await ben.workspace.sync()
    assert ben.text("notes") == "Hello. "
    await online("notes", RELAYED, ben)
    ben.append("notes", "Ben goes on. ")
    await made.close(ana)
    cai = await made.person("Cai")
    await online("notes", RELAYED, cai)
    text = await agree("notes", ben, cai)

    assert "Late words of Cai. " in text
    assert "Ben goes on. " in text
    late = [
        content
        for content in opened_by(ben, "notes")
        if b"Late words" in content and len(content) < 60  # the segment itself, not the state
    ]
    assert late == []
    ben = await made.reopen(ben)
    assert ben.text("notes") == text


async def test_a_false_state_is_told_and_made_good(made: World) -> None:
    """A writer gives a newcomer words that nobody wrote: members say so, and he gets the true text."""
    ana, ben, eve = await people(made, "Ana", "Ben", "Eve")
    await ana.workspace.share_with("notes", "Eve", Role.WRITER)
    await eve.workspace.sync()
    await write_unheard(made, eve, "Late. ")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER, from_now=True)
    await ben.workspace.sync()
    await online("notes", RELAYED, ben)
    lie = Document(1)
    lie.edit(0, 0, "what nobody wrote")
    eve = await made.person("Eve")
    eve.opened("notes").fold.snapshot_state = lie.state  # type: ignore[union-attr, method-assign]
    await online("notes", RELAYED, eve)
    await until(lambda: "what nobody wrote" in ben.text("notes"), ben, eve)
    before = ana.text("notes")
    await online("notes", RELAYED, ana)
    await until(lambda: "Late. " in ana.text("notes"), ana)
    words = FALSE_BASE.format(who="Eve")
    await until(lambda: words in ana.opened("notes").live.replica.problems, ana)
    text = await agree("notes", ana, ben)

    assert text == before + "Late. "
    assert "what nobody wrote" not in text


async def test_what_cannot_be_shared_so_says_why(made: World) -> None:
    """A chat, and somebody who has the history: nothing changes."""
    ana, ben = await people(made, "Ana", "Ben")
    await ana.workspace.new_chat("talk")
    with pytest.raises(UsageError, match="only documents"):
        await ana.workspace.share_with("talk", "Ben", Role.WRITER, from_now=True)
    await ana.workspace.share_with("notes", "Ben", Role.READER)
    with pytest.raises(Conflict, match="has what was written before"):
        await ana.workspace.share_with("notes", "Ben", Role.WRITER, from_now=True)

    assert [member.role for member in await ana.workspace.members("notes")] == [Role.ADMIN, Role.READER]
    assert len(await ana.workspace.members("talk")) == 1
    await ben.workspace.sync()


def test_by_commands(tmp_path: Path) -> None:
    """What is shared, who is in, and what he can look back at; sharing is in a process of its own."""
    ana, ben = Home(tmp_path / "ana", process=False), Home(tmp_path / "ben", process=False)
    with serving_node(tmp_path / "node") as address:
        for home, name in ((ana, "Ana"), (ben, "Ben")):
            home.pgc("init", "--name", name, "--no-passphrase")
            home.pgc("node", "add", address)
        for home, other in ((ana, ben), (ben, ana)):
            home.pgc("contact", "add", "-", stdin=other.pgc("contact", "card"))
        ana.pgc("doc", "new", "notes")
        ana.pgc("doc", "write", "notes", "-", stdin=f"Hello. {SECRET}".encode())
        ana.pgc("sync")
        ana.pgc("doc", "write", "notes", "-", stdin=b"Hello. ")
        told = Home(ana.path).json("share", "notes", "--with", "Ben", "--role", "writer", "--from-now")
        ben.pgc("sync")
        assert ben.pgc("doc", "cat", "notes") == b"Hello. "
        ben.pgc("doc", "write", "notes", "-", stdin=b"Hello. It is Ben.")
        ben.pgc("sync")
        ana.pgc("sync")
        assert ana.pgc("doc", "cat", "notes") == b"Hello. It is Ben."
        assert told["from_now"] is True
        assert b"from now on, without history" in ana.pgc("members", "notes")
        assert b"before you were added" in ben.pgc("doc", "history", "notes")
        versions = ben.json("doc", "history", "notes")["versions"]
        texts = [ben.pgc("doc", "at", "notes", version["id"]) for version in versions]
        assert texts == [b"Hello. It is Ben.", b"Hello. "]
