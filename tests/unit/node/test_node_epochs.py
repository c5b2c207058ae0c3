"""What a node serves to whom, and takes from whom, while an object's epochs come and go."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate, Target
from peergos_collab.objects.records import Epoch, Said, next_epoch
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from support.members import Group, Person
from support.shelves import Client, Log, NodeAndClients

RANDOM = random.Random(61).randbytes


class Member(Client):
    """A client that finds keys in the records that come."""

    def __init__(self, group: Group, person: Person) -> None:
        self.person = person
        super().__init__(group.object, person.membership.keys, RANDOM, person.records)

    def found(self, records: Iterable[Any]) -> None:
        self.person.take(*(record for record in records if not hasattr(record, "log")))

    def write(self, log: Log, epoch: Epoch, payload: bytes = b"x") -> None:
        """The next segment, certified if its epoch is new to the log."""
        keys = self.keys[epoch.id]
        if (log.id, epoch.id) not in self.book.certificates:
            self.know(log.certificate(epoch.id, keys))
        self.put(log.write(epoch.id, keys, payload))


class Scene:
    """Ana (admin), Bob and Cem (writers) and Eve (a writer who will be removed), all at one node."""

    def __init__(self, *late: str) -> None:
        self.group = Group(["Ana", "Bob", "Cem", "Eve"], RANDOM)
        for name in ("Bob", "Cem", "Eve"):
            self.group.add("Ana", name, Level.WRITE, *self.group.people)
        self.first = self.group.first
        self.node = NodeAndClients(RANDOM)
        self.ana, self.bob, self.cem, self.eve = (
            Member(self.group, person) for person in self.group.people.values()
        )
        self.log = Log(self.group.object, RANDOM)
        for member in (self.ana, self.bob, self.cem, self.eve):
            if member.person.name not in late:
                self.node.connect(member)
                self.node.settle()
        self.ana.write(self.log, self.first)
        self.node.settle()

    def remove_eve(self) -> Epoch:
        """Ana makes the record; she has not told anybody yet."""
        record = self.ana.person.maker.remove([Target(self.eve.person.id)])
        self.ana.person.take(record)
        return record

    @property
    def book(self) -> Any:
        return self.node.shelf.find_book(self.group.object)

    def child(self, parents: dict[Any, EpochKeys], person: Person, keys: EpochKeys | None = None) -> Epoch:
        """An epoch with keys that nobody else has."""
        said = Said(Rotate(), person.maker.actor, person.view.heads)
        keys = keys or EpochKeys.generate_neutral(RANDOM)
        return next_epoch(self.group.object, keys, parents, {}, [], said, RANDOM)


def seqs(member: Member, log: Log) -> list[int]:
    return [tip.seq for tip in member.book.tips() if tip.log == log.id]


def of(frames: Sequence[bytes], *kinds: Frame) -> list[Frame]:
    return [kind for frame in frames if (kind := decode_frame_untrusted(frame)[0]) in kinds]


def test_the_remover_waits_for_no_answer() -> None:
    """New keys, the proof of them and the next segment go to the node in one go, and all are taken."""
    scene = Scene()
    scene.ana.sent.clear()
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.to_node(scene.ana)

    assert of(scene.ana.sent, Frame.RECORDS, Frame.PROVE, Frame.SEGMENTS) == [
        Frame.RECORDS, Frame.PROVE, Frame.RECORDS, Frame.SEGMENTS
    ]  # fmt: skip
    assert {tip.seq for tip in scene.book.tips()} == {2}


def test_who_is_removed_loses_a_live_session_at_once() -> None:
    """With the record of his removal in hand he gets nothing more: no segment, head, receipt or cursor."""
    scene = Scene()
    receipts = len(scene.eve.receipts)
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.settle()
    scene.ana.session.send_ephemeral(scene.group.object, bytes(16), 1, b"cursor")
    scene.node.settle()

    assert epoch.id in scene.eve.book.epochs
    assert seqs(scene.eve, scene.log) == [1]
    assert len(scene.eve.receipts) == receipts
    assert scene.eve.passing == []
    assert seqs(scene.bob, scene.log) == [2]
    assert scene.bob.passing == [b"cursor"]


def test_between_the_record_and_the_proof_nothing_is_served() -> None:
    """A session that proved the parent only is judged anew the moment the node has the new epoch."""
    scene = Scene()
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.to_node(scene.ana)
    to_bob = scene.node.session_of(scene.bob).take_outgoing()

    assert of(to_bob, Frame.RECORDS, Frame.SEGMENTS) == [Frame.RECORDS]
    for frame in to_bob:
        scene.bob.receive(frame)
    scene.node.settle()
    assert seqs(scene.bob, scene.log) == [2]


def test_what_was_on_its_way_under_the_old_keys_arrives() -> None:
    """A segment that meets the new epoch at the node is refused, compared again, and then taken."""
    scene = Scene()
    own = Log(scene.group.object, RANDOM)
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.node.to_node(scene.ana)
    scene.bob.write(own, scene.first)
    scene.node.to_node(scene.bob)
    refused = [tip for tip in scene.book.tips() if tip.log == own.id]
    scene.node.settle()

    assert refused == []
    assert set(scene.bob.refused) == {"gap"}
    assert seqs(scene.ana, own) == [1]


def test_an_ex_member_who_comes_back_gets_records_only() -> None:
    """With a key of an old epoch: the records of how he went, but no head and no segment."""
    scene = Scene("Eve")
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.settle()
    scene.node.connect(scene.eve)
    scene.node.settle()
    frames = scene.eve.came
    opened = [fields for kind, fields in map(decode_frame_untrusted, frames) if kind is Frame.OPEN]

    assert epoch.id in scene.eve.book.epochs
    assert [fields[3] for fields in opened] == [None]
    assert scene.eve.heads == set()
    assert scene.eve.receipts == []
    assert not of(frames, Frame.SEGMENTS, Frame.CAUGHT_UP)


def test_who_was_away_catches_up() -> None:
    """He proves an old epoch, gets the records, proves what they gave him, and gets the rest."""
    scene = Scene("Bob")
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.settle()
    scene.node.connect(scene.bob)
    scene.node.settle()

    assert seqs(scene.bob, scene.log) == [2]
    assert scene.bob.receipts[-1].whole
    assert scene.bob.session.channels[scene.group.object].caught_up


def test_an_ex_member_pushes_nothing() -> None:
    """Neither more of his log nor a fresh one in the old epoch, nor a certificate for it."""
    scene = Scene()
    own, fresh = Log(scene.group.object, RANDOM), Log(scene.group.object, RANDOM)
    scene.eve.write(own, scene.first)
    scene.node.settle()
    scene.ana.bring(scene.remove_eve().raw)
    scene.node.settle()
    keys = scene.eve.keys[scene.first.id]
    session = scene.eve.session
    session.send_records(scene.group.object, [fresh.certificate(scene.first.id, keys)])
    for log in (own, fresh):
        session._send(Frame.SEGMENTS, scene.group.object, [log.write(scene.first.id, keys).raw])
    scene.node.settle()

    assert scene.eve.refused
    assert {tip.log: tip.seq for tip in scene.book.tips()} == {scene.log.id: 1, own.id: 1}
    assert fresh.id not in scene.book.certified


def test_an_ex_member_cannot_bury_todays_epoch() -> None:
    """An epoch that names it as a parent is taken only from who proved a key of it."""
    scene = Scene()
    today = scene.remove_eve()
    scene.ana.bring(today.raw)
    scene.node.settle()
    eve = scene.eve.person
    held = {scene.first.id: scene.eve.keys[scene.first.id]}
    # He signs with the key that he has, and names today's epoch beside it.
    buried = scene.child({**held, today.id: EpochKeys(Level.READ, RANDOM(32))}, eve)
    scene.eve.session.send_records(scene.group.object, [buried.raw])
    scene.node.settle()

    assert buried.id not in scene.book.epochs
    assert today.id in scene.book.graph.newest


def test_who_forks_an_old_epoch_is_served_nothing_new() -> None:
    """His own branch lets him read what he could read before, and hear nobody."""
    scene = Scene()
    old = scene.bob
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.settle()
    keys = EpochKeys.generate_neutral(RANDOM)
    fork = scene.child({scene.first.id: scene.eve.keys[scene.first.id]}, scene.eve.person, keys)
    scene.eve.keys[fork.id] = keys  # type: ignore[index]
    scene.eve.bring(fork.raw)
    scene.node.settle()
    scene.ana.write(scene.log, epoch)
    old.session.send_ephemeral(scene.group.object, bytes(16), 1, b"cursor")
    scene.node.settle()
    scene.eve.open()
    scene.node.settle()

    assert fork.id in scene.book.epochs
    assert seqs(scene.eve, scene.log) == [1]
    assert scene.eve.passing == []
    assert seqs(scene.cem, scene.log) == [3]


def test_a_writer_who_keeps_new_keys_to_himself_shuts_nobody_out() -> None:
    """The others make another epoch beside his, prove that, and go on; what is older is served to them."""
    scene = Scene()
    hostile = scene.child(dict(scene.eve.keys), scene.eve.person)
    scene.eve.bring(hostile.raw)
    scene.node.settle()
    shut_out = Log(scene.group.object, RANDOM)
    scene.bob.know(shut_out.certificate(scene.first.id, scene.bob.keys[scene.first.id]))
    scene.bob.put(shut_out.write(scene.first.id, scene.bob.keys[scene.first.id]))
    scene.node.settle()
    assert seqs(scene.cem, shut_out) == []
    beside = scene.bob.person.maker.rotate()
    scene.bob.person.take(beside)
    scene.bob.bring(beside.raw)
    scene.bob.write(scene.log, beside)
    scene.node.settle()

    assert beside.parents == (scene.first.id,)
    assert set(scene.book.graph.newest) == {hostile.id, beside.id}
    assert seqs(scene.cem, scene.log) == [2]
    assert seqs(scene.cem, shut_out) == [1]


def test_two_admins_apart() -> None:
    """Both epochs count until somebody merges them; who proved both gets the segments of both."""
    scene = Scene()
    one = scene.ana.person.maker.rotate()
    two = scene.cem.person.maker.rotate()
    scene.ana.person.take(one)
    scene.cem.person.take(two)
    other = Log(scene.group.object, RANDOM)
    scene.ana.bring(one.raw)
    scene.cem.bring(two.raw)
    scene.ana.write(scene.log, one)
    scene.cem.write(other, two)
    scene.node.settle()

    assert set(scene.book.graph.newest) == {one.id, two.id}
    assert (seqs(scene.bob, scene.log), seqs(scene.bob, other)) == ([2], [1])


def test_a_reader_who_was_made_a_writer_proves_it() -> None:
    """New rights in an epoch that was proved before count as soon as the record is here."""
    group = Group(["Ana", "Bob"], RANDOM)
    group.add("Ana", "Bob", Level.READ)
    node = NodeAndClients(RANDOM)
    ana, bob = (Member(group, person) for person in group.people.values())
    for member in (ana, bob):
        node.connect(member)
        node.settle()
    rights = node.session_of(bob).channels[group.object].rights
    before = rights.give
    for record in ana.person.maker.raise_role(bob.person.id, Level.WRITE):
        ana.person.take(record)
        ana.bring(record.raw)
    node.settle()
    for epoch in list(bob.keys):
        bob.person.membership.ring.deepen(epoch)
    log = Log(group.object, RANDOM)
    bob.write(log, group.first)
    node.settle()

    assert before == 0
    assert seqs(ana, log) == [1]


def test_an_object_comes_back_to_a_node_that_lost_it() -> None:
    """All its epochs follow the first, each taken from who proved its parents."""
    scene = Scene()
    epoch = scene.remove_eve()
    scene.ana.bring(epoch.raw)
    for _ in range(20):
        epoch = scene.ana.person.maker.rotate()
        scene.ana.person.take(epoch)
        scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    node = NodeAndClients(RANDOM)
    ana = Member(scene.group, scene.ana.person)
    node.connect(ana)
    node.settle()
    book = node.shelf.find_book(scene.group.object)

    assert ana.refused == ["unknown"]
    assert book is not None
    assert len(book.epochs) == 22
    assert list(book.graph.newest) == [epoch.id]
    assert len(book.grants) == 3


def test_nobody_starts_an_object_with_more_than_its_first_epoch() -> None:
    """What follows needs proofs: the first frame of a stranger proves nothing."""
    scene = Scene()
    child = scene.child(dict(scene.ana.keys), scene.ana.person)
    node = NodeAndClients(RANDOM)
    stranger = Client(scene.group.object, {}, RANDOM, [])
    node.connect(stranger)
    stranger.session.send_records(scene.group.object, [scene.first.raw, child.raw])
    node.settle()
    book = node.shelf.find_book(scene.group.object)

    assert book is not None
    assert list(book.epochs) == [scene.first.id]


def test_a_false_proof_of_an_epoch_that_comes_later_proves_nothing() -> None:
    """It is looked at when the record is here."""
    scene = Scene()
    epoch = scene.remove_eve()
    false = EpochKeys.generate(RANDOM)
    scene.eve.keys[epoch.id] = false  # type: ignore[index]
    channel = scene.eve.session.channels[scene.group.object]
    scene.eve.session._send_proofs(scene.group.object, channel, [epoch.id])
    scene.node.settle()
    scene.ana.bring(epoch.raw)
    scene.ana.write(scene.log, epoch)
    scene.node.settle()

    assert seqs(scene.eve, scene.log) == [1]
    assert seqs(scene.bob, scene.log) == [2]
