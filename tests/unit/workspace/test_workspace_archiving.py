"""Archives made beside everything else that reads and writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest

from peergos_collab.errors import Conflict, Damaged
from peergos_collab.sync import archiving
from peergos_collab.sync.archiving import Packed
from peergos_collab.sync.arrivals import Offered
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.session_events import ClosedArchiveCame, SegmentsCame
from peergos_collab.workspace.archiving import _store, archive, take_closed
from support.homes import RELAYED, Person, online, world

PATIENCE = 20.0


@asynccontextmanager
async def packed(place: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Person, Packed]]:
    """Somebody with a document of some segments, and an archive of the first four."""
    patch.setattr(archiving, "KEEP", 2)
    patch.setattr(archiving, "MAX_SEGMENTS", 4)
    async with world(place) as made:
        node, ana = await made.node(), await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes")
        await online("notes", RELAYED, ana)
        for number in range(8):
            ana.append("notes", f" {number}")
            await ana.opened("notes").live.durable()
        opened = ana.opened("notes")
        (branch,) = opened.live.replica.book.numbered
        found = await asyncio.to_thread(ana.engine.stored.pack, opened, branch)
        assert found is not None
        yield ana, found


def kept(person: Person) -> int:
    (branch,) = person.opened("notes").live.replica.book.numbered.values()
    return branch.kept


async def test_nothing_is_moved_under_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads with a book of his own would find other segments than it says."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        stored, opened = ana.engine.stored, ana.opened("notes")
        with stored.lock(opened):
            await _store(stored, opened, found)
            assert kept(ana) == 1
        await _store(stored, opened, found)

        assert kept(ana) == 5


class Watched:
    """A lock that says when two wait for it."""

    def __init__(self) -> None:
        self.waited_for = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._waiting = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._lock.acquire(blocking=False):
            return True
        if not blocking:
            return False
        self._waiting += 1
        if self._waiting == 2:
            self._loop.call_soon_threadsafe(self.waited_for.set)
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


async def test_a_closed_archive_waits_for_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the place of segments that he would miss; who gives up waiting leaves nothing locked."""
    async with packed(tmp_path, monkeypatch) as (ana, found), asyncio.timeout(PATIENCE):
        opened, stored, lock = ana.opened("notes"), ana.engine.stored, Watched()
        monkeypatch.setattr(stored, "pack_before", lambda *_: None)  # it waits, too
        monkeypatch.setattr(stored, "lock", lambda _: lock)
        session = next(iter(opened.live.links.values()))[0]
        with lock:
            one, other = (
                asyncio.create_task(take_closed(stored, opened, found.archive, "node", session))
                for _ in range(2)
            )
            both = asyncio.create_task(lock.waited_for.wait())
            done, _ = await asyncio.wait({one, other, both}, return_when=asyncio.FIRST_COMPLETED)
            other.cancel()
        offered = await one
        free = await asyncio.to_thread(lock.acquire, timeout=PATIENCE / 2)
        lock.release()

        assert free
        assert done == {both}
        assert [seq for _, seq in offered.known] == [found.archive.last]


async def test_segments_behind_a_closed_archive_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow what is in it. Its credit is given back once, whatever became of it."""
    async with packed(tmp_path, monkeypatch) as (ana, found), asyncio.timeout(PATIENCE):
        live, network = ana.opened("notes").live, ana.engine.online.network
        assert network is not None
        (link,) = [each.link for each in network.links.values() if each.link and live.id in each.link.ready]
        assert link is not None
        told: list[str] = []
        begun, taken, given = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def take(*_: object) -> Offered:
            begun.set()
            await taken.wait()
            told.append("archive")
            raise Conflict("not now")

        def give(size: int) -> None:
            told.append(f"credit {size}")
            if size == 8:
                given.set()

        monkeypatch.setattr(link._owner, "take_closed", take)
        monkeypatch.setattr(link._owner, "on_problem", lambda _, words: told.append(words))
        monkeypatch.setattr(link.session, "grant_credit", give)
        link._handle_apart(ClosedArchiveCame(live.id, found.archive, 7))
        link._handle_apart(SegmentsCame(live.id, [], 8))
        await begun.wait()
        early = list(told)
        taken.set()
        await given.wait()

        assert early == []
        assert told == ["archive", "not now", "credit 7", "credit 8"]


async def test_what_comes_before_a_closed_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is archived, all of it, and read from there."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        opened = ana.opened("notes")
        book, session = opened.live.replica.book, next(iter(opened.live.links.values()))[0]
        (branch,) = book.numbered.values()
        closed = replace(found.archive, first=9, last=12, previous=branch.tip_id)
        await take_closed(ana.engine.stored, opened, closed, "node", session)
        stored = LogBook.load(book.object, ana.engine.store)
        stored.archived.keys = opened.live.replica.keys
        (there,) = stored.numbered.values()

        assert branch.kept == there.kept == 9
        assert [segment.seq for segment in stored.stored(there, 1)] == list(range(1, 9))
        assert ana.text("notes") == " 0 1 2 3 4 5 6 7"


async def test_an_object_that_was_opened_anew_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book it has now would look for the segments where they were."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        before = ana.opened("notes")
        await ana.engine.open_anew(before)
        await _store(ana.engine.stored, before, found)
        replica = ana.opened("notes").live.replica
        (branch,) = replica.book.numbered.values()

        assert len(replica.book.read(branch, 1, 1 << 18)) == branch.tip


async def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the segments where they are, and nobody is bothered with it."""
    async with packed(tmp_path, monkeypatch) as (ana, found):
        store, opened = ana.engine.store, ana.opened("notes")

        def refuse(_: object) -> Future[None]:
            refused: Future[None] = Future()
            refused.set_exception(Damaged("the disk is full"))
            return refused

        with monkeypatch.context() as patch:
            patch.setattr(store, "write", refuse)
            with pytest.raises(Damaged):
                await _store(ana.engine.stored, opened, found)
        assert kept(ana) == 1
        monkeypatch.setattr("peergos_collab.workspace.archiving.REST", 0)
        await archive(ana.engine.stored, opened)
        assert kept(ana) == 5
        assert ana.text("notes") == " 0 1 2 3 4 5 6 7"
