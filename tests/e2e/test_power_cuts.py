"""The power goes while people work: homes and nodes come back with all that they had said is saved."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from random import Random

from peergos_collab.testing.disk import OK, DiskEvent, Said, SqliteDisk
from peergos_collab.testing.power_cut import Drive
from peergos_collab.workspace import Role
from support.homes import RELAYED, Person, copy_home, online, until, world
from support.power_cuts import below_sqlite, cuts, lay_out

pytestmark = below_sqlite

WORDS = 12
CUTS = 5


def files_of(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.glob("*.db*")}


def events_of(disk: SqliteDisk, home: Path) -> list[DiskEvent]:
    return [event for event in disk.events if isinstance(event, Said) or Path(event.path).parent == home]


def after_cuts(
    disk: SqliteDisk, home: Path, before: dict[str, bytes], root: Path
) -> list[tuple[str, set[str]]]:
    """Copies of a home as a power cut left them, at some flushes; and the words said to be saved by then."""
    chance = Random(11)
    found = []
    moments = list(cuts(events_of(disk, home), chance, before))
    for number, (files, said) in enumerate(chance.sample(moments, CUTS)):
        copy = root / f"{home.name}{number}"
        copy_home(home, copy)
        for path in copy.glob("*.db*"):
            path.unlink()
        lay_out(files, copy)
        found.append((copy.name, set(said)))
    return found


def words(person: Person) -> list[str]:
    return sorted(person.text("notes").split())


async def test_a_home(tmp_path: Path) -> None:
    """What was shown as saved is there and nothing is damaged; all goes on, and nothing comes twice."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        await made.close(ana)
        before = files_of(ana.home)
        with SqliteDisk() as disk:
            ana = await made.person("Ana")
            for number in range(WORDS):
                if number == WORDS // 2:
                    await online("notes", RELAYED, ana, ben)
                ana.append("notes", f"w{number} ")
                await ana.workspace.read_document("notes")
                disk.say(f"w{number}")
            await made.close(ana)
        written = {f"w{number}" for number in range(WORDS)}
        for name, said in after_cuts(disk, ana.home, before, tmp_path):
            again = await made.person(name)
            assert said <= set(words(again)) <= written
            assert await again.problems() == []
            again.append("notes", f"{name} ")
            written.add(name)
            await again.workspace.sync()
            await until(lambda: set(words(ben)) == written, ben, what="all words")
            assert words(again) == words(ben) == sorted(written)
            await made.close(again)


class Stalled:
    """Flushes of the files of a home do not end within the block."""

    def __init__(self, disk: SqliteDisk, home: Path) -> None:
        self.disk, self.home, self.over = disk, home, threading.Event()

    def __enter__(self) -> None:
        self.disk.before = self._before

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def _before(self, what: str, path: str) -> int:
        if what == "sync" and Path(path).parent == self.home:
            self.over.wait()
        return OK


async def test_others_have_what_this_disk_lost(tmp_path: Path) -> None:
    """What is typed leaves before it is flushed, and is not called saved. After a power cut it comes back, in
    its place: the home gave up the log of which others know more, also where the node lost it too."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        await made.close(ana)
        before = files_of(ana.home)
        with SqliteDisk() as disk:
            with Stalled(disk, ana.home):
                ana = await made.person("Ana")
                assert not ana.engine.may_leave_early()
            await online("notes", RELAYED, ana, ben)
            await asyncio.wrap_future(ana.engine.in_use)
            ana.append("notes", "saved ")
            await until(lambda: ana.saved_on("notes", node.address), ana, what="saved at the node")
            copy_home(tmp_path / "node", tmp_path / "older node")
            with Stalled(disk, ana.home):
                for word in ("not ", "flushed "):
                    ana.append("notes", word)
                    await until(
                        lambda word=word: word in ben.text("notes"), ben, what="sent before the flush"
                    )
                assert not ana.opened("notes").live.is_saved
                drive = Drive(before)
                for event in events_of(disk, ana.home):
                    drive.take(event)
            await made.close(ana)
        copy_home(ana.home, tmp_path / "again")
        lay_out(drive.flushed(), tmp_path / "again")
        await made.close(ben)
        await node.close()
        made.nodes.remove(node)
        await made.node("older node", node.port)
        again = await made.person("again")
        assert again.text("notes") == "saved "
        again.append("notes", "more ")
        await again.workspace.sync()
        ben = await made.person("Ben")
        for person in (ben, again, ben):
            await person.workspace.sync()
        assert words(again) == words(ben) == ["flushed", "more", "not", "saved"]
        logs = ben.opened("notes").live.replica.book.branches.values()
        assert [len(branches) for branches in logs] == [1] * len(logs)


async def test_a_node(tmp_path: Path) -> None:
    """What it signed for is there: whoever joins by a link reads it, with nobody else online."""
    async with world(tmp_path) as made:
        with SqliteDisk() as disk:
            node = await made.node()
            ana = await made.person("Ana")
            await ana.workspace.add_node(node.address)
            await ana.workspace.new_document("notes", "")
            link = await ana.workspace.share_link("notes", Role.READER)
            await ana.workspace.sync()
            disk.events, before = [], files_of(tmp_path / "node")
            await online("notes", RELAYED, ana)
            for number in range(WORDS):
                ana.append("notes", f"w{number} ")
                await until(lambda: ana.saved_on("notes", node.address), ana, what="saved at the node")
                disk.say(f"w{number}")
            await made.close(ana)
            port = node.port
            await node.close()
            made.nodes.remove(node)
        for name, said in after_cuts(disk, tmp_path / "node", before, tmp_path):
            node = await made.node(name, port)
            reader = await made.person(f"reader of {name}")
            await reader.workspace.join(link)
            assert said <= set(words(reader))
            await made.close(reader)
            await node.close()
            made.nodes.remove(node)
