"""An admin has the history of a document forgotten: what is left of it, where, and for whom."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from peergos_collab.documents import Document
from peergos_collab.errors import HistoryIncomplete, NoAccess, NotFound, Offline
from peergos_collab.node.server import RunningNode
from peergos_collab.objects.payload import Kind, decode_payload_untrusted
from peergos_collab.ports import Batch
from peergos_collab.sync import archiving, husks
from peergos_collab.workspace import Role, folds, prune_checks
from support.homes import RELAYED, Person, World, agree, compacted, online, until, until_does, world

SECRET = "what was never to be read again"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of 64 segments; the newest 16 of a log stay as they are. What is shown is saved apart."""
    monkeypatch.setattr(archiving, "KEEP", 16)
    monkeypatch.setattr(archiving, "MAX_SEGMENTS", 64)
    monkeypatch.setattr(folds, "LIVED", 0)
    monkeypatch.setattr(folds, "SHORT", 0)
    for module in ("archiving", "prune_checks"):
        monkeypatch.setattr(f"peergos_collab.workspace.{module}.REST", 0)


async def write(person: Person, count: int) -> None:
    for number in range(count):
        person.append("notes", f" {number}")
        await person.opened("notes").live.durable()


async def with_secrets(made: World, grace: int = 0) -> tuple[RunningNode, Person, Person]:
    """A node, and two people online; what one of them wrote the other took away."""
    node = await made.node(grace=grace)
    ana, ben = await made.pair(node.address, text="begin")
    await online("notes", RELAYED, ana, ben)
    await write(ana, 100)
    await agree("notes", ana, ben)
    ben.append("notes", SECRET)
    await agree("notes", ana, ben)
    await write(ben, 5)
    text = await agree("notes", ana, ben)
    at = text.index(SECRET)
    document = ana.opened("notes").fold.document  # type: ignore[union-attr]
    document.edit(at, at + len(SECRET), "")
    await agree("notes", ana, ben)
    return node, ana, ben


def reads(person: Person, words: str) -> bool:
    """Whether it can be made out of a home, as long as it is opened again, too."""
    replica = person.opened("notes").live.replica
    for branch in replica.book.numbered.values():
        for segment in replica.book.stored(branch, branch.first):
            if segment.is_here:
                payload = decode_payload_untrusted(segment.open(replica.keys[segment.epoch].content))
                if payload.kind is Kind.DOCUMENT and words.encode() in payload.content:
                    return True
    return words.encode() in person.opened("notes").fold.document.state()  # type: ignore[union-attr]


async def forgotten(*people: Person) -> None:
    def done() -> bool:
        return all(
            not each.opened("notes").live.prunes.busy and not each.opened("notes").live.replica.unsettled
            for each in people
        )

    await until(done, *people, what="all is forgotten")


def held(node: RunningNode, person: Person) -> list[int]:
    """The first segment of each log that a node has with its content."""
    book = node._shelf.find_book(person.opened("notes").live.id)
    assert book is not None
    return [book.archived.forgotten.get(number, 0) + 1 for number in book.numbered]


async def test_history_is_forgotten_and_the_text_stays(tmp_path: Path) -> None:
    """At the node and in all homes; people go on writing, and history begins there."""
    async with world(tmp_path) as made:
        node, ana, ben = await with_secrets(made)
        old = (await ana.workspace.document_versions("notes"))[-1].id
        text = ana.text("notes")
        assert reads(ben, SECRET)
        done = await ana.workspace.forget_document("notes")
        await compacted(node)
        await forgotten(ana, ben)

        assert done.changes > 100
        assert done.counts
        assert sum(held(node, ana)) == done.changes + len(held(node, ana))
        assert [reads(person, SECRET) for person in (ana, ben)] == [False, False]
        assert (ana.text("notes"), ben.text("notes")) == (text, text)
        ben.append("notes", " afterwards")
        text = await agree("notes", ana, ben)
        first = (await ben.workspace.document_versions("notes"))[-1]
        assert first.author == "(forgotten, by Ana)"
        with pytest.raises(NotFound, match=r"forgotten on \d{4}-\d\d-\d\d, by Ana"):
            await ben.workspace.document_at("notes", old)
        ana, ben = await made.reopen(ana), await made.reopen(ben)
        assert (ana.text("notes"), ben.text("notes")) == (text, text)
        assert [await person.problems() for person in (ana, ben)] == [[], []]
        (told,) = await ben.workspace.forgetting("notes")
        assert (told.by, told.done) == ("Ana", True)


async def without_secrets(made: World) -> tuple[Person, Person]:
    """The two, once all of that is forgotten."""
    node, ana, ben = await with_secrets(made)
    await ana.workspace.forget_document("notes")
    await compacted(node)
    await forgotten(ana, ben)
    return ana, ben


async def test_who_just_joined_gets_the_history_by_a_sync(tmp_path: Path) -> None:
    """The text is there at once; what leads to its history says so until then, and how to get it."""
    async with world(tmp_path) as made:
        ana, _ = await without_secrets(made)
        cleo = await made.person("Cleo")
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
        assert cleo.text("notes") == ana.text("notes")
        with pytest.raises(HistoryIncomplete) as caught:
            await cleo.workspace.document_versions("notes")
        assert "pgc sync" in caught.value.hint
        await cleo.workspace.sync()

        (first,) = await cleo.workspace.document_versions("notes")
        assert first.author == "(forgotten, by Ana)"


async def test_who_is_new(tmp_path: Path) -> None:
    """He gets the text and what came after; what he writes is taken, and his check finds nothing."""
    async with world(tmp_path) as made:
        ana, ben = await without_secrets(made)
        ben.append("notes", " afterwards")
        cleo = await made.person("Cleo")
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
        await online("notes", RELAYED, cleo)
        await until(lambda: not cleo.opened("notes").live.unverified, cleo, what="it was compared")
        text = await agree("notes", ana, ben, cleo)
        cleo.append("notes", " from Cleo")
        text = await agree("notes", ana, ben, cleo)

        assert text.endswith(" from Cleo")
        assert not reads(cleo, SECRET)
        assert {each.author for each in await cleo.workspace.document_versions("notes")} == {
            "(forgotten, by Ana)",
            "Ben",
            "Cleo",
        }
        cleo = await made.reopen(cleo)
        assert cleo.text("notes") == text
        found = await cleo.workspace.check()
        assert (found.damaged, found.refused, found.forked) == ((), (), ())


async def test_who_was_away(tmp_path: Path) -> None:
    """What he wrote meanwhile comes in, nothing of what came meanwhile is lost, and he forgets, too."""
    async with world(tmp_path) as made:
        node, ana, ben = await with_secrets(made)
        await made.close(ben)
        await write(ana, 30)
        await ana.workspace.forget_document("notes")
        await compacted(node)
        await forgotten(ana)
        await write(ana, 3)
        ben = await made.person("Ben")
        ben.append("notes", " written while away")
        await ben.opened("notes").live.durable()
        await online("notes", RELAYED, ben)
        text = await agree("notes", ana, ben)
        await forgotten(ben)

        assert " written while away" in text
        assert " 29" in text
        assert ben.text("notes") == ana.text("notes") == text
        assert not reads(ben, SECRET)
        assert [await person.problems() for person in (ana, ben)] == [[], []]


async def test_only_what_comes_before_a_version(tmp_path: Path) -> None:
    """What came after it stays, with who wrote it."""
    async with world(tmp_path) as made:
        node, ana, ben = await with_secrets(made)
        await ben.workspace.name_version("notes", "now", "handed in")
        await agree("notes", ana, ben)
        await write(ben, 4)
        text = await agree("notes", ana, ben)
        await ana.workspace.forget_document("notes", "handed in")
        await compacted(node)
        await forgotten(ana, ben)

        assert (ana.text("notes"), ben.text("notes")) == (text, text)
        assert not reads(ben, SECRET)
        authors = [each.author for each in await ana.workspace.document_versions("notes")]
        assert authors[-1] == "(forgotten, by Ana)"
        assert "Ben" in authors
        assert reads(ana, " 3")


async def test_a_node_that_is_away_forgets_later(tmp_path: Path) -> None:
    """Those that are there do it, members' homes after them, and it is said which one is not reached. Once
    that is back it gets what it lacks, and forgets as well. With none, nothing is done."""
    async with world(tmp_path) as made:
        there, away = [await made.node(name, grace=0) for name in ("there", "away")]
        ana = await made.person("Ana")
        for node in (there, away):
            await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes", SECRET)
        await ana.workspace.sync()
        await away.close()
        ana.document("notes").edit(0, len(SECRET), "")
        await write(ana, 20)
        done = await ana.workspace.forget_document("notes")
        await compacted(there)
        await online("notes", RELAYED, ana)
        await forgotten(ana)
        (told,) = await ana.workspace.forgetting("notes")
        text = ana.text("notes")

        assert [(at.node, at.hours) for at in done.nodes] == [(there.address, 0), (away.address, None)]
        assert "once it is reached" in done.nodes[1].problem
        assert [(at.node, at.hours) for at in told.nodes] == [(there.address, 0), (away.address, None)]
        assert "not known" in told.nodes[1].problem
        assert (told.done, reads(ana, SECRET)) == (True, False)
        kept = held(there, ana)
        await there.close()
        with pytest.raises(Offline):
            await ana.workspace.forget_document("notes")
        (told,) = await ana.workspace.forgetting("notes")
        assert [at.hours for at in told.nodes] == [None, None]
        away = await made.node("away", away.port, grace=0)
        await until_does(away._shelf.pruning, "act", lambda: held(away, ana) == kept)
        await until(lambda: ana.saved_on("notes", away.address), ana, what="it has the rest")
        ana = await made.reopen(ana)  # as a command that only asks
        (told,) = await ana.workspace.forgetting("notes")
        assert [(at.node, at.hours) for at in told.nodes] == [(away.address, 0), (there.address, None)]
        assert ana.text("notes") == text
        assert await ana.problems() == []


async def test_only_an_admin_has_it_done(tmp_path: Path) -> None:
    """A writer is told so."""
    async with world(tmp_path) as made:
        node = await made.node(grace=0)
        _, ben = await made.pair(node.address)
        with pytest.raises(NoAccess):
            await ben.workspace.forget_document("notes")


async def test_what_an_admin_lies_is_found_and_he_is_named(tmp_path: Path) -> None:
    """Members object in time, the node keeps all, and nobody forgets."""
    async with world(tmp_path) as made:
        node, ana, ben = await with_secrets(made, grace=24)
        fold = ana.opened("notes").fold
        other = Document(5, fold.document.state())  # type: ignore[union-attr]
        other.edit(0, 0, "what nobody wrote")
        true, fold.snapshot_state = fold.snapshot_state, other.state  # type: ignore[union-attr, method-assign]
        await ana.workspace.forget_document("notes")
        fold.snapshot_state = true  # type: ignore[union-attr, method-assign]
        book = node._shelf.find_book(ana.opened("notes").live.id)
        assert book is not None
        await until_does(node._shelf.pruning, "take_records", lambda: len(book.prunes) == 2)  # Ben objects
        for _ in range(25):
            node._write(node._shelf.pruning.hour())
        await compacted(node)

        assert set(held(node, ana)) == {1}
        assert reads(ben, SECRET)
        problems = await ben.problems()
        assert any("Ana" in problem and "forgotten" in problem for problem in problems)
        (told,) = await ben.workspace.forgetting("notes")
        assert (told.counts, told.done) == (False, False)


async def test_what_a_node_says_before_its_time_costs_nothing(tmp_path: Path) -> None:
    """A member forgets only what he has compared."""
    async with world(tmp_path) as made:
        node, ana, ben = await with_secrets(made, grace=24)
        fold = ana.opened("notes").fold
        true, fold.snapshot_state = fold.snapshot_state, Document(5).state  # type: ignore[union-attr, method-assign]
        await ana.workspace.forget_document("notes")
        fold.snapshot_state = true  # type: ignore[union-attr, method-assign]
        live = ben.opened("notes").live
        await until(lambda: bool(live.replica.book.prunes), ben, what="hearing of it")
        for prune in list(live.replica.book.prunes):
            live.prunes.take_told(node.address, prune, 0)
        ben.engine.forget_due(ben.opened("notes"))
        await until(lambda: len(live.replica.book.prunes) == 2, ben, what="objecting")
        ben.engine.forget_due(ben.opened("notes"))

        assert not live.prunes.due_to_forget
        assert reads(ben, SECRET)


async def test_who_only_syncs_now_and_then(tmp_path: Path) -> None:
    """As short commands do: he compares, and forgets, before that ends."""
    async with world(tmp_path) as made:
        node, ana, ben = await with_secrets(made)
        await made.close(ben)
        await ana.workspace.forget_document("notes")
        await compacted(node)
        await forgotten(ana)
        ben = await made.person("Ben")
        await ben.workspace.sync()
        ben = await made.reopen(ben)

        assert not reads(ben, SECRET)
        assert ben.text("notes") == ana.text("notes")


async def test_many_records_hold_up_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many an admin makes: each time some are compared, and the next time goes on from there."""
    async with world(tmp_path) as made:
        _, ana, ben = await with_secrets(made, grace=24)
        await made.close(ben)
        for _ in range(3):
            await ana.workspace.forget_document("notes")
        monkeypatch.setattr(prune_checks, "MOMENT_SECONDS", 0)
        monkeypatch.setattr("peergos_collab.workspace.engine.check_prunes", _nothing)
        monkeypatch.setattr("peergos_collab.workspace.local_workspace.check_for_a_moment", _nothing)
        left = []
        for _ in range(3):
            ben = await made.person("Ben")
            await ben.workspace.sync()
            left.append(len(ben.opened("notes").live.prunes.unchecked))
            await made.close(ben)

        assert left == [2, 1, 0]


async def _nothing(*_: object) -> None:
    """Ben does not compare by the way."""


async def test_who_is_killed_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first husks: all of the present is there at the next start, and the rest is forgotten."""
    async with world(tmp_path) as made:
        _, ana, ben = await with_secrets(made)
        text = ben.text("notes")
        with monkeypatch.context() as patch:
            patch.setattr(husks, "STEP", 1)
            killed = await at_first_husks(patch, ben)
            await ana.workspace.forget_document("notes")
            await asyncio.wait_for(killed, 60)
            await made.crash(ben)
        ben = await made.person("Ben")
        left = ben.opened("notes").live.replica.book

        assert ben.text("notes") == text
        assert 0 < len(left.archived.forgotten) < len(left.numbered)
        await online("notes", RELAYED, ben)
        await forgotten(ana, ben)
        assert ben.text("notes") == ana.text("notes") == text
        assert not reads(ben, SECRET)


async def at_first_husks(patch: pytest.MonkeyPatch, person: Person) -> asyncio.Future[None]:
    """Done once the first husks are on a home's disk; nothing more is done there then."""
    opened = person.opened("notes")
    keep, happened = opened.live.keep, asyncio.get_running_loop().create_future()

    def kept(batch: Batch) -> None:
        keep(batch)
        opened.live.stopped = True
        person.engine.store.write([]).add_done_callback(
            lambda _: loop.call_soon_threadsafe(happened.done() or happened.set_result, None)
        )

    loop = asyncio.get_running_loop()
    patch.setattr(type(opened.live), "keep", lambda live, batch: kept(batch) if live is opened.live else None)
    return happened
