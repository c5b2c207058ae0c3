"""Many objects compared at once with a node: what is found, what it costs, and what strangers learn."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest

from peergos_collab.codec.ids import ObjectId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.node import collections as node_collections
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Target
from peergos_collab.objects.prunes import Prune, Replaced
from peergos_collab.sync.collections import (
    Range,
    collection_name,
    object_sum,
    state_digest,
    watchword,
)
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.packed_places import pack_questions, pack_ranges
from peergos_collab.sync.record_book import record_ids
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import CollectionCompared, Stirred
from support.members import Group
from support.shelves import Client, Log, NodeAndClients

RANDOM = random.Random(28).randbytes
STRANGE = [ObjectId(RANDOM(32)) for _ in range(20)]


class Shared:
    """An object at a node, with one segment, and a member who has all of it."""

    def __init__(self, node: NodeAndClients, *others: str) -> None:
        self.node = node
        self.group = Group(["Ana", *others], RANDOM)
        for name in others:
            self.group.add("Ana", name, Level.WRITE, *self.group.people)
        self.ana = self.group["Ana"]
        self.log = Log(self.group.object, RANDOM)
        self.keys = self.ana.membership.keys[self.group.first.id]
        self.client = node.connect(
            Client(self.group.object, self.ana.membership.keys, RANDOM, self.ana.records)
        )
        node.settle()
        self.client.know(self.log.certificate(self.group.first.id, self.keys))
        self.write()
        self.client.session.collections.tell_word(self.group.object, watchword(self.keys))
        node.settle()

    @property
    def id(self) -> ObjectId:
        return self.group.object

    def write(self) -> None:
        self.client.put(self.log.write(self.group.first.id, self.keys))
        self.node.settle()

    def sum(self, keys: EpochKeys | None = None) -> bytes:
        book = self.client.book
        digest = state_digest(record_ids(book), book.tips())
        return object_sum(self.id, watchword(keys or self.keys), digest)


class Asking:
    """A session that proves nothing and opens nothing, and compares."""

    def __init__(self, node: NodeAndClients) -> None:
        self.node = node
        self.session = Session(b"pin", lambda _: None, RANDOM, with_node=True)
        self.there = node.shelf.attach(b"pin")
        self.size = self.rounds = 0

    def ask(self, sums: dict[ObjectId, bytes], before: Iterable[ObjectId] = ()) -> list[ObjectId]:
        objects = sorted(sums)
        self.session.collections.compare(objects, [sums[id_] for id_ in objects], sorted(before))
        (compared,) = [event for event in self.talk() if isinstance(event, CollectionCompared)]
        return compared.differ

    def talk(self) -> list[object]:
        events: list[object] = []
        self.size = self.rounds = 0
        while True:
            there = self.session.take_outgoing()
            for frame in there:
                self.size += len(frame)
                self.node.shelf.receive_untrusted(self.there, frame)
                while self.node.shelf.work(self.there):
                    pass
            back = self.there.take_outgoing()
            for frame in back:
                self.size += len(frame)
                events += self.session.receive_untrusted(frame)
            if not there and not back:
                return events
            self.rounds += bool(there)


def sums_of(objects: Iterable[Shared], strange: Sequence[ObjectId] = ()) -> dict[ObjectId, bytes]:
    return {each.id: each.sum() for each in objects} | {id_: RANDOM(16) for id_ in strange}


def test_what_is_the_same_costs_one_small_round_trip() -> None:
    """However many there are, in a collection the node knows: the hellos and one hash."""
    node = NodeAndClients(RANDOM)
    shared = [Shared(node) for _ in range(3)]
    Asking(node).ask(sums_of(shared))
    again = Asking(node)

    assert again.ask(sums_of(shared)) == []
    assert (again.rounds, again.size) == (1, 125)


def test_what_differs_is_found_among_many() -> None:
    """What changed on either side, and what the node does not have; the rest is watched, and told once."""
    node = NodeAndClients(RANDOM)
    shared = [Shared(node) for _ in range(4)]
    asking = Asking(node)
    expected = sums_of(shared, STRANGE)
    shared[0].write()
    differ = asking.ask(expected)
    for each in shared[:2]:
        each.write()
        each.write()
    told = [event for event in asking.talk() if isinstance(event, Stirred)]

    assert set(differ) == {shared[0].id, *STRANGE}
    assert told == [Stirred(shared[1].id)]
    assert sorted(Asking(node).ask(sums_of(shared, STRANGE))) == sorted(STRANGE)


def test_what_is_left_out_stands_for_nothing() -> None:
    """An object with something unsent is left out: it makes no difference, and is not watched."""
    node = NodeAndClients(RANDOM)
    shared = [Shared(node) for _ in range(3)]
    asking = Asking(node)
    differ = asking.ask(sums_of(shared) | {shared[0].id: b""})
    shared[0].write()

    assert differ == []
    assert asking.talk() == []


def test_an_ex_member_is_told_only_that_it_differs() -> None:
    """He has its id, all its records, and all heads, for nothing was written since: and yet no right sum."""
    node = NodeAndClients(RANDOM)
    shared = Shared(node, "Eve")
    before = Asking(node).ask(sums_of([shared]))
    shared.client.bring(shared.ana.maker.remove([Target(shared.group["Eve"].id)]).raw)
    node.settle()
    after = Asking(node).ask(sums_of([shared]))

    assert before == []
    assert after == [shared.id]


def test_readers_of_the_newest_epoch_tell_its_watchword() -> None:
    """Not who proved nothing, nor who proved an older epoch: else he would choose what he is known by."""
    node = NodeAndClients(RANDOM)
    shared = Shared(node, "Eve")
    eve = shared.group["Eve"]
    late = node.connect(Client(shared.id, eve.membership.keys, RANDOM, eve.records))
    node.settle()
    record = shared.ana.maker.remove([Target(eve.id)])
    shared.ana.take(record)
    shared.client.bring(record.raw)
    node.settle()
    newest = shared.ana.membership.keys[record.id]
    late.session.collections.tell_word(shared.id, watchword(shared.keys))
    asking = Asking(node)
    asking.session.collections.tell_word(shared.id, watchword(shared.keys))
    node.settle()

    assert asking.ask({shared.id: shared.sum()}) == [shared.id]
    shared.client.session.collections.tell_word(shared.id, watchword(newest))
    node.settle()
    assert Asking(node).ask({shared.id: shared.sum(newest)}) == []


def test_after_a_restart_the_node_is_told_of_a_collection_again() -> None:
    """Its disk says nothing of collections, but the watchwords, which name no object beside another."""
    node = NodeAndClients(RANDOM)
    shared = [Shared(node) for _ in range(3)]
    Asking(node).ask(sums_of(shared))
    again = NodeAndClients(RANDOM)
    again.store = again.shelf.store = node.store
    again.shelf.collections = node_collections.Collections(node.store, RANDOM, lambda _: None)
    asking = Asking(again)

    assert asking.ask(sums_of(shared)) == []
    assert asking.rounds == 2
    assert not any(
        shared[0].id in value for space in ("watchwords",) for _, value in node.store.values(space)
    )


def test_an_object_of_which_somebody_said_what_may_go_is_the_same_after_a_restart() -> None:
    """Prune records are compared whether the node has the object in memory or not."""
    node = NodeAndClients(RANDOM)
    shared = Shared(node)
    named = [Replaced(shared.log.id, 1, 9, RANDOM(32))]
    epoch, actor = shared.group.first.id, shared.ana.maker.actor
    shared.client.bring(Prune.issue(shared.id, epoch, named, shared.keys, actor, RANDOM).raw)
    node.settle()
    assert Asking(node).ask(sums_of([shared])) == []
    node.shelf.collections = node_collections.Collections(node.store, RANDOM, lambda _: None)

    assert Asking(node).ask(sums_of([shared])) == []


def test_a_full_node_has_each_object_compared_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps collections up to a bound: those that nobody watches go first, the others stay."""
    node = NodeAndClients(RANDOM)
    shared = Shared(node)
    monkeypatch.setattr(node_collections, "KEPT", 2 * node_collections.EACH + 8)
    first, second, third = Asking(node), Asking(node), Asking(node)
    first.ask(sums_of([shared], STRANGE[:2]))
    second.ask(sums_of([shared], STRANGE[:3]))
    node.shelf.detach(second.there)

    assert third.ask(sums_of([shared], STRANGE[:4])) == sorted([*STRANGE[:4]])
    assert set(Asking(node).ask(sums_of([shared], STRANGE[:8]))) == {shared.id, *STRANGE[:8]}


def test_much_is_looked_up_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So others have their turn meanwhile."""
    node = NodeAndClients(RANDOM)
    monkeypatch.setattr(node_collections, "SLICE", 8)
    there = node.shelf.attach(b"pin")
    session = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    objects = sorted(STRANGE)
    name = collection_name(objects)
    frames = [
        *session.take_outgoing(),
        encode_frame(Frame.COLLECTION, name, 0, objects),
        encode_frame(Frame.COMPARE, name, b"", pack_questions([(Range(0, 20), bytes(16))])),
    ]
    for frame in frames:
        node.shelf.receive_untrusted(there, frame)

    assert [node.shelf.work(there) for _ in range(4)] == [True, True, False, False]
    assert decode_frame_untrusted(there.take_outgoing()[-1]) == (
        Frame.COMPARED,
        [pack_ranges([Range(0, 20)])],
    )


def test_who_asks_too_fast_is_cut_off() -> None:
    """A question costs the node more than it costs to ask."""
    node = NodeAndClients(RANDOM)
    there = node.shelf.attach(b"pin")
    session = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    question = encode_frame(Frame.COMPARE, bytes(16), b"", b"")
    for frame in [*session.take_outgoing(), *[question] * node_collections.COMPARES]:
        node.shelf.receive_untrusted(there, frame)
    with pytest.raises(RemoteProtocolError):
        node.shelf.receive_untrusted(there, question)


def test_ranges_are_cut_until_they_are_single() -> None:
    """Each place is in one part, and no part is empty."""
    for length in (2, 16, 17, 10_000):
        parts = Range(3, 3 + length).parts()
        assert [place for part in parts for place in range(part.start, part.stop)] == list(
            range(3, 3 + length)
        )
        assert len(parts) <= 16


def test_a_collection_that_changed_costs_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two come, one goes: the node knows the sums of the others, and is told what changed."""
    node = NodeAndClients(RANDOM)
    shared = [Shared(node) for _ in range(3)]
    before, first = sums_of(shared[:2], STRANGE), Asking(node)
    first.ask(before)
    node.shelf.detach(first.there)
    after = sums_of(shared, STRANGE[1:])
    asking, looked_up = Asking(node), []
    look_up = node_collections.Collections._sum
    with monkeypatch.context() as patch:
        spy = lambda self, id_: (looked_up.append(id_), look_up(self, id_))[1]  # noqa: E731
        patch.setattr(node_collections.Collections, "_sum", spy)
        differ = asking.ask(after, before)
    shared[0].write()
    told = [event for event in asking.talk() if isinstance(event, Stirred)]
    (name,) = node.shelf.collections._known
    again = Asking(node)

    assert looked_up == [shared[2].id]
    assert sorted(differ) == sorted(STRANGE[1:])
    assert told == [Stirred(shared[0].id)]
    assert name == collection_name(sorted(after))  # nobody watched the one before any more
    assert again.ask(sums_of(shared, STRANGE[1:])) == sorted(STRANGE[1:])


def test_a_change_of_what_the_node_does_not_know_is_no_collection() -> None:
    """Then it is told all of it."""
    node = NodeAndClients(RANDOM)
    shared = [Shared(node) for _ in range(2)]
    asking = Asking(node)

    assert asking.ask(sums_of(shared), STRANGE) == []
    assert asking.rounds == 3


@pytest.mark.parametrize("lie", ["name", "twice"])
def test_a_change_that_does_not_come_to_its_name_ends_the_connection(lie: str) -> None:
    """So nobody makes the node keep under a name what others mean something else by."""
    node = NodeAndClients(RANDOM)
    Asking(node).ask(sums_of([], STRANGE))
    objects = sorted(STRANGE)
    there = node.shelf.attach(b"pin")
    session = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    for frame in session.take_outgoing():
        node.shelf.receive_untrusted(there, frame)
    new = objects[:1] if lie == "twice" else []
    name = collection_name(sorted([*objects, *new])) if lie == "twice" else bytes(16)
    with pytest.raises(RemoteProtocolError):
        node.shelf.receive_untrusted(
            there, encode_frame(Frame.CHANGED, name, collection_name(objects), b"", new)
        )


def test_who_changes_collections_too_fast_is_cut_off() -> None:
    """A short frame has the node go over a whole collection."""
    node = NodeAndClients(RANDOM)
    there = node.shelf.attach(b"pin")
    session = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    change = encode_frame(Frame.CHANGED, bytes(16), bytes(16), b"", [])
    for frame in [*session.take_outgoing(), *[change] * node_collections.CHANGES]:
        node.shelf.receive_untrusted(there, frame)
    with pytest.raises(RemoteProtocolError):
        node.shelf.receive_untrusted(there, change)
