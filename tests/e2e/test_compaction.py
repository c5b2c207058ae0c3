"""An admin has a node keep older changes in archives: what becomes of its disk, of members, of newcomers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from peergos_collab.crypto import ContentKey
from peergos_collab.errors import NoAccess, Offline
from peergos_collab.node.pruning import Pruning
from peergos_collab.node.server import RunningNode
from peergos_collab.objects import archives as packing
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.segments import Segment
from peergos_collab.sync import archiving
from peergos_collab.sync.logbook import LogBook
from peergos_collab.workspace import Role, compacting, open_workspace, prune_checks
from peergos_collab.workspace.api import Compaction
from peergos_collab.workspace.engine import Engine
from peergos_collab.workspace.open_object import OpenObject
from peergos_collab.workspace.prune_checks import check_prunes
from support.homes import PATIENCE, RELAYED, Person, World, agree, compacted, online, until, until_does, world

CHANGES = 160


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of 64 segments; the newest 16 of a log stay as they are."""
    monkeypatch.setattr(archiving, "KEEP", 16)
    monkeypatch.setattr(archiving, "MAX_SEGMENTS", 64)
    for module in ("archiving", "prune_checks"):
        monkeypatch.setattr(f"peergos_collab.workspace.{module}.REST", 0)


async def write(person: Person, count: int = CHANGES) -> None:
    for number in range(count):
        person.append("notes", f" {number}")
        await person.opened("notes").live.durable()


def stored(node: Path) -> tuple[int, int, int]:
    """How many segments a node has one by one, how many archives, and the bytes of all."""
    with closing(sqlite3.connect(f"file:{node / 'node.db'}?mode=ro", uri=True)) as disk:
        ((count, size),) = disk.execute("SELECT count(*), sum(length(raw) + length(id)) FROM segments")
        ((packed, more),) = disk.execute(
            "SELECT count(*), coalesce(sum(length(value)), 0) FROM vals WHERE space = 'archives'"
        )
    return count, packed, size + more


def dropped(node: RunningNode, person: Person) -> int:
    """How many segments archives took the place of."""
    book = node._shelf.find_book(person.opened("notes").live.id)
    return sum(branch.kept - branch.first for branch in book.numbered.values()) if book else 0


async def long_past(made: World, grace: int) -> tuple[RunningNode, Person, Person]:
    """A node that waits so many hours, and two people online, the first of whom wrote much."""
    node = await made.node(grace=grace)
    ana, ben = await made.pair(node.address, text="begin")
    await online("notes", RELAYED, ana, ben)
    await write(ana, 150)
    await agree("notes", ana, ben)
    return node, ana, ben


async def test_a_document_with_a_long_past(tmp_path: Path) -> None:
    """The node's disk holds a third of it, and a newcomer has every change with its author, as members do."""
    async with world(tmp_path) as made:
        node = await made.node_process(grace=0)
        ana, ben = await made.pair(node.address, text="begin")
        await online("notes", RELAYED, ana, ben)
        await write(ana)
        text = await agree("notes", ana, ben)
        await ana.workspace.sync()
        before = stored(node.home)
        done = await ana.workspace.compact_document("notes")
        await node.compacted()
        after = stored(node.home)
        versions = await ana.workspace.document_versions("notes")
        ben.append("notes", " afterwards")
        text = await agree("notes", ana, ben)
        cleo = await made.person("Cleo")
        await cleo.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
        await online("notes", RELAYED, cleo)
        await until(lambda: not cleo.opened("notes").live.unverified, cleo, what="the history was compared")

        assert done == Compaction(done.archives, 64 * done.archives, done.bytes, done.nodes)
        assert done.archives >= 2
        assert before[:2] == (after[0] + 64 * done.archives, 0)
        assert after[2] * 3 < before[2] * 2
        assert cleo.text("notes") == text
        theirs = await cleo.workspace.document_versions("notes")
        assert [each.id for each in theirs[1:]] == [each.id for each in versions]
        assert {each.author for each in theirs} == {each.author for each in versions} | {"Ben"}
        then = await ana.workspace.document_at("notes", versions[-1].id)
        assert await cleo.workspace.document_at("notes", theirs[-1].id) == then
        assert await made_problems(ana, ben, cleo) == []


async def made_problems(*people: Person) -> list[str]:
    return [problem for person in people for problem in await person.problems()]


async def test_what_a_node_never_got_is_not_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever broke off before it had all archives has it done again, and it gets them then."""
    async with world(tmp_path) as made:
        node = await made.node(grace=24)
        ana, _ = await made.pair(node.address, text="begin")
        await online("notes", RELAYED, ana)
        await write(ana)
        with monkeypatch.context() as patch:
            patch.setattr(compacting, "FIRST_SECONDS", 0.1)
            patch.setattr(compacting, "ARCHIVE_SECONDS", 0.0)
            patch.setattr(Pruning, "_ask", lambda *_: None)
            with pytest.raises(Offline):
                await ana.workspace.compact_document("notes")
            await made.close(ana)
        ana = await made.person("Ana")
        again = await ana.workspace.compact_document("notes")
        assert [at.hours for at in again.nodes] == [24]
        for _ in range(24):
            node._write(node._shelf.pruning.hour())
        await compacted(node)
        await made.close(ana)
        ana = await made.person("Ana")

        assert [at.hours for at in (await ana.workspace.compact_document("notes")).nodes] == [0]


async def test_a_node_that_is_away_gets_them_later(tmp_path: Path) -> None:
    """Those that are there get them at once, and it is said which one is not; with none, nothing is done."""
    async with world(tmp_path) as made:
        there, away = [await made.node(name, grace=0) for name in ("there", "away")]
        ana = await made.person("Ana")
        for node in (there, away):
            await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes", "begin")
        await online("notes", RELAYED, ana)
        await write(ana, 60)
        await ana.workspace.sync()
        await away.close()
        await write(ana, 100)
        done = await ana.workspace.compact_document("notes")
        await there.close()
        with pytest.raises(Offline):
            await ana.workspace.compact_document("notes")

        assert [(at.node, at.hours) for at in done.nodes] == [(there.address, 0), (away.address, None)]
        assert "once it is reached" in done.nodes[1].problem
        assert done.archives >= 2
        there, away = [
            await made.node(name, node.port, grace=0) for name, node in (("there", there), ("away", away))
        ]
        await until_does(away._shelf.pruning, "act", lambda: dropped(away, ana) == done.changes)


async def test_only_an_admin_has_it_done(tmp_path: Path) -> None:
    """A writer is told so."""
    async with world(tmp_path) as made:
        node = await made.node(grace=0)
        _, ben = await made.pair(node.address)
        with pytest.raises(NoAccess):
            await ben.workspace.compact_document("notes")


async def test_a_false_archive_is_found_and_its_author_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and signatures are right, what is sealed is not: the node cannot know, members can, and object."""
    async with world(tmp_path) as made:
        node, ana, ben = await long_past(made, grace=24)
        with monkeypatch.context() as patch:
            _lie(patch, ana.opened("notes").live.replica.book)
            patch.setattr("peergos_collab.workspace.engine.check_prunes", _nothing)
            done = await ana.workspace.compact_document("notes")
        book = node._shelf.find_book(ana.opened("notes").live.id)
        assert book is not None
        assert [at.hours for at in done.nodes] == [24]
        ben.engine.check_prunes(ben.opened("notes"))
        await until_does(node._shelf.pruning, "take_records", lambda: len(book.prunes) == 2)  # Ben objects
        for _ in range(25):
            node._write(node._shelf.pruning.hour())
        await compacted(node)

        assert all(branch.kept == branch.first for branch in book.numbered.values())
        problems = await ben.problems()
        assert any("Ana" in problem and "archive" in problem for problem in problems)


def _lie(patch: pytest.MonkeyPatch, book: LogBook) -> None:
    """Archives that are made hold other words; who makes them does not stumble over that himself."""
    honest = packing._part

    def other_words(segment: Segment, key: ContentKey) -> tuple[bytes, int, bytes]:
        nonce, size, payload = honest(segment, key)
        return nonce, size, b"false" + payload[5:]

    def claimed(archive: packing.Archive, _: ContentKey) -> list[bytes]:
        branch = book.find(archive.log, archive.last, archive.last_id)
        assert branch is not None
        return book.store.segments(branch.number, archive.first, 1 << 24)[: len(archive.ids)]

    patch.setattr(packing, "_part", other_words)
    patch.setattr(packing.Archive, "unpack_untrusted", claimed)


def give_history(admin: Person, to: Person) -> None:
    """As another add does that hides nothing."""
    live, actor = admin.opened("notes").live, to.opened("notes").live.replica.actor
    member = live.replica.view.members[actor.principal]
    records = live.replica.seat.maker.add(member.principal, Level.WRITE)
    live.take_records([record.raw for record in records])


async def _nothing(*_: object) -> None:
    pass


async def test_what_members_find_true_goes_on(tmp_path: Path) -> None:
    """They make the same archives themselves, so nothing is sent to them; nobody objects."""
    async with world(tmp_path) as made:
        node, ana, ben = await long_past(made, grace=24)
        attached = await open_workspace(ana.home)
        done = await attached.compact_document("notes")
        again = await attached.compact_document("notes")
        await attached.close()
        assert done.archives >= 2
        assert again == done  # there was nothing new to name, and it waits as before
        live = ben.opened("notes").live
        await ben.engine.news.wait_until(lambda: bool(live.replica.book.prunes), PATIENCE, "hearing of it")
        await check_prunes(ben.engine, ben.opened("notes"))
        book = node._shelf.find_book(live.id)
        assert book is not None
        for _ in range(24):
            node._write(node._shelf.pruning.hour())
        await compacted(node)

        assert dropped(node, ana) == 64 * done.archives
        assert len(book.prunes) == 1


async def test_who_is_added_from_now_on_after_that(tmp_path: Path) -> None:
    """He opens no older archive, has the text as it is, and goes on; given the history, he has all of it."""
    async with world(tmp_path) as made:
        node, ana, ben = await long_past(made, grace=0)
        await ana.workspace.compact_document("notes")
        await compacted(node)
        dan = await made.person("Dan")
        await dan.workspace.add_node(node.address)
        await dan.workspace.add_contact(await ana.workspace.contact_card())
        await dan.workspace.sync()
        await ana.workspace.sync()
        await ana.workspace.accept_contact("Dan")
        await ana.workspace.share_with("notes", "Dan", Role.WRITER, from_now=True)
        await dan.workspace.sync()
        await online("notes", RELAYED, dan)
        text = await agree("notes", ana, ben, dan)
        book = dan.opened("notes").live.replica.book
        assert any(book.archived.closed_at(each.number, 1) for each in book.numbered.values())
        dan.append("notes", " from Dan")
        text = await agree("notes", ana, ben, dan)
        dan = await made.reopen(dan)

        assert text.endswith(" from Dan")
        assert dan.text("notes") == text
        give_history(ana, dan)
        await online("notes", RELAYED, dan)
        theirs = [each.id for each in await ana.workspace.document_versions("notes")]
        await until(lambda: not dan.opened("notes").live.replica.order.bases.is_hidden, dan, what="given it")
        await until(lambda: not dan.opened("notes").live.replica.unsettled, dan, what="all is folded anew")
        assert [each.id for each in await dan.workspace.document_versions("notes")] == theirs
        assert dan.text("notes") == text
        assert await made_problems(ana, ben, dan) == []


async def test_who_comes_back_from_now_on_keeps_what_he_had(tmp_path: Path) -> None:
    """What was written while he was away he cannot open; it takes nothing of what he can, and he goes on."""
    async with world(tmp_path) as made:
        node = await made.node(grace=0)
        ana, ben = [await made.person(name) for name in ("Ana", "Ben")]
        for person in (ana, ben):
            await person.workspace.add_node(node.address)
        await ana.workspace.add_contact(await ben.workspace.contact_card())
        await ben.workspace.add_contact(await ana.workspace.contact_card())
        await ana.workspace.new_document("notes", "begin")
        await ana.workspace.share_with("notes", "Ben", Role.WRITER)
        await ana.workspace.sync()
        await ben.workspace.sync()
        await online("notes", RELAYED, ana, ben)
        await write(ana, 30)
        await agree("notes", ana, ben)
        (branch,) = ben.opened("notes").live.replica.book.numbered.values()
        had = list(ben.opened("notes").live.replica.book.stored(branch, 1))
        await ana.workspace.unshare("notes", "Ben")
        await write(ana, 150)
        await ana.workspace.sync()
        await ana.workspace.compact_document("notes")
        await compacted(node)
        await ben.workspace.sync()
        (removed,) = await ben.problems()
        await ana.workspace.share_with("notes", "Ben", Role.WRITER, from_now=True)
        await ana.workspace.sync()
        await ben.workspace.sync()
        book = ben.opened("notes").live.replica.book

        assert len(had) > 20
        assert list(book.stored(book.branches[branch.log][0], 1))[: len(had)] == had
        assert ben.text("notes") == ana.text("notes")
        assert removed not in await ben.problems()


async def test_who_only_syncs_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As short commands do: each compares a little, goes on where the last one ended, and then it rests."""
    async with world(tmp_path) as made:
        _, ana, ben = await long_past(made, grace=24)
        await made.close(ben)
        done = await ana.workspace.compact_document("notes")
        monkeypatch.setattr(prune_checks, "MOMENT_SECONDS", 0)
        monkeypatch.setattr("peergos_collab.workspace.engine.check_prunes", _nothing)
        left = []
        for _ in range(done.archives):
            ben = await made.person("Ben")
            await ben.workspace.sync()
            live = ben.opened("notes").live
            left.append(sum(len(live.prunes.left(prune)) for prune in live.prunes.unchecked))
            await made.close(ben)
        ben = await made.person("Ben")

        assert left == list(reversed(range(done.archives)))
        assert done.archives >= 2
        assert live.id in ben.engine.resting.asleep


async def test_who_only_syncs_objects_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of it, and not before the node has that."""
    async with world(tmp_path) as made:
        node, ana, ben = await long_past(made, grace=24)
        await made.close(ben)
        with monkeypatch.context() as patch:
            _lie(patch, ana.opened("notes").live.replica.book)
            patch.setattr("peergos_collab.workspace.engine.check_prunes", _nothing)
            await ana.workspace.compact_document("notes")
        await made.close(ana)
        monkeypatch.setattr("peergos_collab.workspace.engine.check_prunes", _nothing)
        ben = await made.person("Ben")
        await online("notes", RELAYED, ben)
        book = node._shelf.find_book(ben.opened("notes").live.id)
        assert book is not None
        checked, counts = prune_checks.check_for_a_moment, []

        async def check(engine: Engine, objects: Iterable[OpenObject]) -> None:
            await checked(engine, objects)
            counts.append(len(book.prunes))

        monkeypatch.setattr("peergos_collab.workspace.local_workspace.check_for_a_moment", check)
        await ben.workspace.sync()

        assert counts == [2]
        assert any("Ana" in problem and "archive" in problem for problem in await ben.problems())


# -- what is forgotten before somebody compared ---------------------------------------------------


async def away_meanwhile(
    made: World, monkeypatch: pytest.MonkeyPatch, *, grace: int, before: str = ""
) -> tuple[RunningNode, Person, Person]:
    """While Ben is away, Ana has all compacted, then forgotten; he is back, and forgot before he compared."""
    node, ana, ben = await long_past(made, grace=grace)
    if before:
        await ana.workspace.name_version("notes", "now", before)
        await write(ana, 60)
        await agree("notes", ana, ben)
    await made.close(ben)
    await ana.workspace.compact_document("notes")
    if not grace:
        await compacted(node)
    await ana.workspace.forget_document("notes", before)
    for _ in range(grace):
        node._write(node._shelf.pruning.hour())
    await compacted(node)
    ben = await made.person("Ben")
    with monkeypatch.context() as patch:
        patch.setattr("peergos_collab.workspace.engine.check_prunes", _nothing)
        patch.setattr("peergos_collab.workspace.local_workspace.check_for_a_moment", _nothing)
        await ben.workspace.sync()
    assert ben.opened("notes").live.replica.book.archived.forgotten
    return node, ana, ben


async def test_archives_of_what_is_forgotten_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object comes to rest. Should somebody object to the forgetting, what is left of them is looked at:
    nobody has it, so it does not count."""
    async with world(tmp_path) as made:
        _, _, ben = await away_meanwhile(made, monkeypatch, grace=24)
        live = ben.opened("notes").live
        archives, forgets = live.replica.book.prunes.values()
        await online("notes", RELAYED, ben)
        await until(lambda: bool(live.resting_sum()), ben, what="nothing is left to do")
        assert not live.prunes.unchecked
        assert len(live.replica.book.prunes) == 2
        objection = live.prunes.object_to(forgets)
        assert objection is not None
        live.take_records([objection])
        await until(lambda: len(live.replica.book.prunes) == 4, ben, what="objecting to the archives, too")

        assert archives.id in {each.objects_to for each in live.replica.book.prunes.values()}
        assert await ben.problems() == []


async def test_an_archive_that_is_forgotten_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has it, and husks show of the rest what they were: so it is compared as any."""
    async with world(tmp_path) as made:
        _, _, ben = await away_meanwhile(made, monkeypatch, grace=0, before="then")
        live = ben.opened("notes").live
        (archives, _) = live.replica.book.prunes.values()
        assert live.prunes.left(archives)
        await online("notes", RELAYED, ben)
        await until(lambda: bool(live.resting_sum()), ben, what="nothing is left to do")

        assert len(live.replica.book.prunes) == 2


async def test_one_that_is_forgotten_in_part_and_nowhere_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node let it go before its time: somebody objects, nobody is named, and the object comes to rest."""
    async with world(tmp_path) as made:
        _, _, ben = await away_meanwhile(made, monkeypatch, grace=24, before="then")
        live = ben.opened("notes").live
        await online("notes", RELAYED, ben)
        await until(lambda: bool(live.resting_sum()), ben, what="nothing is left to do")

        assert len(live.replica.book.prunes) == 3
        assert await ben.problems() == []
