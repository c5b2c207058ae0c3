"""An object at work: what becomes of what others sent where this disk refuses to keep it."""

from __future__ import annotations

import asyncio
import random

import pytest

from peergos_collab.chat import Message, order
from peergos_collab.codec.ids import RecordId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Damaged, DiskFull
from peergos_collab.objects import chunks
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.ports import PutValue
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.session import Session
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace import prunes
from peergos_collab.workspace.live_object import LiveObject
from peergos_collab.workspace.node_receipts import TOLD, TOLD_SECONDS
from peergos_collab.workspace.writes import RETRY_SECONDS
from support.jumping_loop import in_no_time, passing
from support.members import Group
from support.replicas import Chatting

RANDOM = random.Random(14).randbytes


def chat() -> tuple[Chatting, Chatting, LiveObject, MemoryStore]:
    """Ana's replica, with a disk of its own, at work; Ben's is somewhere else."""
    group = Group(["Ana", "Ben"], RANDOM)
    group.add("Ana", "Ben", Level.WRITE, *group.people)
    store = MemoryStore()
    ana = Chatting(group, group.people["Ana"], RANDOM, store)
    store.flush()
    live = LiveObject(ana.replica, ana.person.credentials.local, RANDOM)
    return ana, Chatting(group, group.people["Ben"], RANDOM), live, store


async def flushed(store: MemoryStore) -> None:
    """Returns once nothing more is written."""
    while store.flush():
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_disk_that_refuses_what_others_sent() -> None:
    """It is said so, nothing passes for saved, and no more is taken until a new start."""
    ana, ben, live, store = chat()
    told: list[bool] = []
    live.on_durable.append(lambda: told.append(live.failed))
    ben.say("one")
    live.take_records(ben.all()[0])
    store.flush()
    live.take_segments(ben.segments(), "memory", None)
    assert store.fail(Damaged("an I/O error")) == 1
    await asyncio.sleep(0)
    ben.say("two")
    live.take_segments(ben.segments(), "memory", None)
    live.stop()

    assert told == [True]
    assert [
        problem for problem in live.replica.problems if "disk refused" in problem
    ] == live.replica.problems
    assert ana.texts == ["one"]
    assert store.unflushed == 0


async def test_a_disk_that_refuses_what_is_written_here() -> None:
    """Whoever waits is told; what is only in memory is neither saved as part of the state nor built upon."""
    ana, _, live, store = chat()
    for text in ("one", "two"):
        live.submit(ana.fold.add_local(Message(text), 1_000))
    saving = asyncio.create_task(live.durable())
    await asyncio.sleep(0)
    assert store.fail(Damaged("an I/O error")) > 0
    with pytest.raises(Damaged, match="export the content now"):
        await saving
    live.submit(ana.fold.add_local(Message("three"), 1_000))
    live.save()
    live.stop()
    with pytest.raises(Damaged, match="export the content now"):
        await live.durable()

    assert live.failed
    assert store.unflushed == 0
    assert ana.texts == ["one"]
    assert [event.text for _, event in ana.fold.waiting.events] == ["two", "three"]


def test_a_disk_that_is_full_for_a_while() -> None:
    """Nothing passes for saved, and nothing is taken; with room all is saved, in order, and taken."""
    in_no_time(_full_for_a_while())


async def _full_for_a_while() -> None:
    ana, ben, live, store = chat()
    ben.say("his")
    live.take_records(ben.all()[0])
    store.flush()
    session, sent = Session(b"c", lambda _: live.replica.book, RANDOM), list[bool]()
    live.links[1] = session, "memory", lambda: sent.append(True)
    live.submit(ana.fold.add_local(Message("one"), 1_000))
    saving = asyncio.create_task(live.durable())
    await passing(0)
    live.submit(ana.fold.add_local(Message("two"), 1_000))
    assert store.fail() > 0
    with pytest.raises(DiskFull, match="not saved yet"):
        await saving
    live.submit(ana.fold.add_local(Message("three"), 1_000))
    live.save()
    live.take_segments(ben.segments(), "memory", None)
    assert (live.failed, len(live.replica.problems), store.unflushed) == (True, 1, 0)

    await passing(RETRY_SECONDS + 0.1)
    assert store.fail() == 1
    await passing(RETRY_SECONDS + 0.1)
    with pytest.raises(DiskFull):
        await live.durable()
    assert store.unflushed == 1
    await flushed(store)
    live.take_segments(ben.segments(), "memory", None)
    assert (live.failed, live.replica.problems, sent[:1]) == (False, [], [True])
    assert sorted(ana.texts) == ["his", "one", "three", "two"]
    assert sorted(ana.again().texts) == sorted(ana.texts)
    live.stop()


@pytest.mark.parametrize("early", [True, False])
async def test_what_is_written_leaves_before_it_is_durable(early: bool) -> None:
    """It waits for no flush once the disk says that this home is in use; it is saved only after one."""
    ana, _, live, store = chat()
    live.leave_early = lambda: early
    sent: list[bool] = []
    session = Session(b"c", lambda _: live.replica.book, RANDOM)
    live.links[1] = session, "memory", lambda: sent.append(True)
    live.submit(ana.fold.add_local(Message("one"), 1_000))
    live.submit(ana.fold.add_local(Message("two"), 1_000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(sent) == (2 if early else 0)
    assert not live.is_saved
    await flushed(store)
    live.stop()

    assert len(sent) == 2
    assert live.is_saved


async def test_a_refusal_that_comes_after_it_left() -> None:
    """Whoever waits is told what it means, also where the flush of what had left already is what fails."""
    ana, _, live, store = chat()
    live.leave_early = lambda: True
    live.submit(ana.fold.add_local(Message("one"), 1_000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    saving = asyncio.create_task(live.durable())
    await asyncio.sleep(0)
    store._queue.reverse()  # the answer to who waits overtakes the others
    store.fail(Damaged("an I/O error"))
    with pytest.raises(Damaged, match="export the content now"):
        await saving
    live.stop()


async def test_what_nodes_say_of_records_takes_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever floods it has the oldest forgotten, and what is told again is new."""
    monkeypatch.setattr(prunes, "MAX_TOLD", 3)
    _, _, live, _ = chat()
    for number in (0, 1, 2, 0, 3, 4):
        live.prunes.take_told("node", RecordId(bytes([number])), number)
    live.stop()

    assert live.prunes.told == {("node", bytes([number])): number for number in (0, 3, 4)}


async def test_what_of_a_state_a_full_disk_did_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read as it is here, not as it was saved before; and so it is saved once there is room."""
    monkeypatch.setattr(chunks, "KEEP", 1)
    monkeypatch.setattr(order, "ROWS", 4)
    ana, ben, live, store = chat()
    live.load()

    async def hear(*texts: str) -> None:
        for text in texts:
            ben.say(text)
        live.take_records(ben.all()[0])
        live.take_segments(ben.segments(), "memory", None)
        await flushed(store)
        live.save()

    await hear(*"abcdef")
    await flushed(store)
    await hear(*"ghijkl")
    assert store.fail() > 0
    await asyncio.sleep(0)
    live.stop()

    assert live.failed
    assert ana.texts == list("abcdefghijkl")


def test_numbers_that_a_full_disk_does_not_give() -> None:
    """Typing on a disk that was full from the start changes nothing but the screen, until there is room."""
    in_no_time(_without_numbers())


async def _without_numbers() -> None:
    ana, _, live, store = chat()
    store.full = True
    live.submit(ana.fold.add_local(Message("one"), 1_000))
    assert (live.failed, store.unflushed) == (True, 0)
    await passing(3 * RETRY_SECONDS)
    assert (live.failed, store.unflushed) == (True, 0)
    store.full = False
    await passing(RETRY_SECONDS + 0.1)
    await flushed(store)
    live.stop()

    assert (live.failed, ana.again().texts) == (False, ["one"])


async def test_what_another_version_saved_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told from this one's, which is taken back with all that it says of authors."""
    ana, ben, live, store = chat()
    ben.say("one")
    live.take_records(ben.all()[0])
    live.take_segments(ben.segments(), "memory", None)
    live.save()
    store.flush()
    taken = LiveObject(ana.again().replica, ana.person.credentials.local, RANDOM)
    taken.load()

    assert taken.replica.order.introductions.said == live.replica.order.introductions.said
    monkeypatch.setattr("peergos_collab.workspace.checkpoint.VERSION", 1)
    with pytest.raises(Damaged, match="another version"):
        taken.load()
    for one in (live, taken):
        one.stop()


def test_what_nodes_signed_is_written_after_a_moment_and_at_the_end() -> None:
    """So that it outlives this process, however it ends; where it is damaged that is told."""
    in_no_time(_signed())


async def _signed() -> None:
    ana, ben, live, store = chat()
    ben.say("one")
    live.take_records(ben.all()[0])
    live.take_segments(ben.segments(), "memory", None)
    key, tips = SigningKey.generate(RANDOM), live.replica.book.tips()
    live.take_receipt("pgc://zOne@here:1", Receipt.issue(key, live.id, 1, tips, live.replica.keys), 0)
    store.flush()
    assert store.value(TOLD, live.id) is None
    await passing(TOLD_SECONDS + 0.1)
    await flushed(store)
    first = store.value(TOLD, live.id)
    live.take_receipt("pgc://zTwo@here:1", Receipt.issue(key, live.id, 2, tips, live.replica.keys), 0)
    live.stop()
    await flushed(store)
    again = LiveObject(ana.again().replica, ana.person.credentials.local, RANDOM)
    store.write([PutValue(TOLD, live.id, b"damaged")])
    store.flush()
    anew = LiveObject(ana.again().replica, ana.person.credentials.local, RANDOM)

    assert first is not None
    assert again.saved_on("pgc://zOne@there:2")
    assert again.saved_on("pgc://zTwo@there:2")
    assert not anew.saved_on("pgc://zOne@there:2")
    assert any("what nodes signed" in problem for problem in anew.replica.problems)
    for one in (again, anew):
        one.stop()
