"""Removed members with every record of all time, and a node that helps them: nothing opens, nothing gets in.

The worst node gives and takes whatever it likes, so here it is left out: what it could pass on is handed
over directly. What an honest node and an honest peer refuse of it is asked of their sessions.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peergos_collab.chat import Message, encode_events
from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import SEAL_OVERHEAD, ContentKey, SigningKey
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.bindings import introduce
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import Rotate, Target
from peergos_collab.objects.payload import Kind, Payload, encode_payload
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.objects.segments import Segment, seal_segment
from peergos_collab.sync.frames import Frame
from peergos_collab.sync.session import Session
from support.members import Group
from support.replicas import Chatting, meet
from support.shelves import Client, Log, NodeAndClients

RANDOM = random.Random(67).randbytes


class Scene:
    """Ana (admin), Bob and Eve share a chat, and then Eve is removed."""

    def __init__(self) -> None:
        self.group = Group(["Ana", "Bob", "Eve"], RANDOM, Kind.CHAT)
        self.group.add("Ana", "Bob", Level.WRITE, "Eve")
        self.group.add("Ana", "Eve", Level.WRITE, "Bob")
        self.ana, self.bob, self.eve = (
            Chatting(self.group, person, RANDOM) for person in self.group.people.values()
        )
        self.ana.say("for all three")
        meet(self.ana, self.bob, self.eve)
        maker = self.ana.replica.seat.maker
        self.old = dict(self.eve.replica.keys)
        self.removal = maker.remove([Target(self.eve.person.id)])
        self.ana.know(self.removal)
        self.ana.tell(self.bob)

    @property
    def first(self) -> EpochId:
        return self.group.first.id

    def payload(self, log: Log, epoch: EpochId, who: Chatting, **changed: object) -> bytes:
        """One message in a log's first segment, introduced as ``who``'s."""
        heads = who.replica.view.heads
        said = {
            "run": RANDOM(16), "first": 1, "count": 1, "cites": (), "heads": heads,
            "kind": Kind.CHAT, "time": 1,
            "content": encode_events(1, [Message("forged")]),
            "introduction": introduce(self.group.object, epoch, log.id, who.replica.actor),
        }  # fmt: skip
        return encode_payload(Payload(**{**said, **changed}))  # type: ignore[arg-type]


def certified(scene: Scene, log: Log, epoch: EpochId) -> bytes:
    return log.certificate(epoch, scene.old[epoch])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["Ana writes", "Bob writes", "Ana rotates", "Bob rotates"]), min_size=1))
def test_nothing_sealed_after_a_removal_opens(steps: list[str]) -> None:
    """With all records and segments, all her keys, and every key that follows from them."""
    scene = Scene()
    late: list[Segment] = []
    for step in steps:
        name, what = step.split()
        who = scene.ana if name == "Ana" else scene.bob
        if what == "writes":
            late += who.say(step)
        else:
            who.know(who.replica.seat.maker.rotate())
        meet(scene.ana, scene.bob)
    eve = Membership(scene.group.object, KeyRing([scene.eve.person.credentials.user.box], scene.old))
    eve.take(scene.ana.replica.book.membership_records())
    scene.ana.tell(scene.eve)

    assert set(eve.keys) == {scene.first}
    for segment in late:
        assert segment.epoch != scene.first
        for keys in eve.keys.values():
            with pytest.raises(RemoteProtocolError):
                segment.open(keys.content)
    assert scene.eve.texts == ["for all three"]
    assert scene.ana.texts == scene.bob.texts
    assert len(scene.ana.texts) == 1 + len(late)


def test_what_she_forges_gets_in_nowhere() -> None:
    """A fresh log in the old epoch, one in the new one with old keys, one that claims to be Bob's."""
    scene = Scene()
    logs = [Log(scene.group.object, RANDOM) for _ in range(3)]
    fresh, new, as_bob = logs
    old = scene.old[scene.first]
    fresh.write(scene.first, old, scene.payload(fresh, scene.first, scene.eve))
    new.write(scene.removal.id, old, scene.payload(new, scene.removal.id, scene.eve))
    another = Log(scene.group.object, RANDOM)
    stolen = introduce(scene.group.object, scene.first, another.id, scene.bob.replica.actor)
    as_bob.write(scene.first, old, scene.payload(as_bob, scene.first, scene.eve, introduction=stolen))
    false = Certificate.issue(scene.group.object, scene.removal.id, new.id, old.signing_key(Level.WRITE)).raw
    segments = [segment.raw for log in logs for segment in log.segments]
    certificates = [certified(scene, log, scene.first) for log in (fresh, as_bob)]
    scene.bob.take([*certificates, false], segments)

    assert scene.bob.texts == ["for all three"]
    assert not scene.bob.replica.book.branches.get(new.id)
    assert [aside.name for aside in scene.bob.replica.order.set_aside] == ["an unknown writer"]


def test_peers_and_nodes_refuse_what_she_brings() -> None:
    """On a session where she proves all that she has: nothing is taken, and nothing is given but records."""
    for serving in (True, False):
        scene = Scene()
        own = Log(scene.group.object, RANDOM)
        segment = own.write(scene.first, scene.old[scene.first], scene.payload(own, scene.first, scene.eve))
        eve = Client(scene.group.object, scene.old, RANDOM, scene.eve.replica.book.membership_records())
        honest = Client(scene.group.object, scene.bob.replica.keys, RANDOM, [])
        honest.book = scene.bob.replica.book
        one = eve.start(b"channel")
        other = honest.start(b"channel", serving=serving, receipt_key=SigningKey.generate(RANDOM))
        other.open(scene.group.object, honest.keys)
        one.open(scene.group.object, eve.keys)
        for _ in range(4):
            pass_on(one, honest)
            pass_on(other, eve)
        one.send_records(scene.group.object, [certified(scene, own, scene.first)])
        one._send(Frame.SEGMENTS, scene.group.object, [segment.raw])
        pass_on(one, honest)

        assert scene.removal.id in eve.book.epochs
        assert eve.heads == set()
        assert own.id not in honest.book.certified
        assert own.id not in honest.book.branches


def pass_on(session: Session, to: Client) -> None:
    for frame in session.take_outgoing():
        to.receive(frame)


def test_a_node_that_helps_her_cannot_bury_todays_epoch() -> None:
    """Members disown an epoch of hers that follows today's; for nodes they make another beside it."""
    scene = Scene()
    said = Said(Rotate(), scene.eve.replica.actor, scene.eve.replica.view.heads)
    parents = {**scene.old, scene.removal.id: EpochKeys(Level.READ, RANDOM(32))}
    buried = next_epoch(scene.group.object, EpochKeys.generate_neutral(RANDOM), parents, {}, [], said, RANDOM)
    scene.bob.know(buried)
    newest = set(scene.bob.replica.book.graph.newest)
    (segment,) = scene.bob.say("unmoved")
    node = NodeAndClients(RANDOM)
    client = Client(scene.group.object, scene.bob.replica.keys, RANDOM, [])
    client.book = scene.bob.replica.book
    node.connect(client)
    node.settle()
    served = node.shelf.find_book(scene.group.object)
    scene.bob.tell(scene.ana)

    assert newest == {buried.id, scene.removal.id}
    assert scene.bob.replica.book.epochs[segment.epoch].parents == (scene.removal.id,)
    assert served is not None
    assert served.graph.newest.keys() == {buried.id, segment.epoch}
    assert sorted(served.tips()) == sorted(scene.bob.replica.book.tips())
    assert scene.ana.texts == ["for all three", "unmoved"]


def test_a_segment_belongs_to_one_object_and_one_place() -> None:
    """Another object's, one under another epoch's name, and an op put into another object are refused."""
    scene, other = Scene(), Scene()
    book = scene.bob.replica.book
    foreign = other.bob.say("elsewhere")
    records = other.bob.all()[0]

    assert book.take_records(records).refused == ["a record of another object"] * len(records)
    assert book.take_segments([segment.raw for segment in foreign]).refused == ["a segment of another object"]

    log = Log(scene.group.object, RANDOM)
    keys = scene.bob.replica.keys[scene.removal.id]
    sealed = log.write(scene.removal.id, keys, scene.payload(log, scene.removal.id, scene.bob))
    moved = seal_segment(
        scene.group.object, log.key, 1, b"", scene.first, b"", scene.old[scene.first].content, RANDOM
    )
    with pytest.raises(RemoteProtocolError):
        Segment.parse_untrusted(moved.raw.replace(moved.body, sealed.body)).verify()
    with pytest.raises(RemoteProtocolError):
        replace(moved, body=sealed.body).open(keys.content)


def test_a_salamander_is_set_aside_by_everybody() -> None:
    """One ciphertext cannot be made that opens to something else under another epoch's key."""
    scene = Scene()
    log = Log(scene.group.object, RANDOM)
    keys = scene.bob.replica.keys
    payload = scene.payload(log, scene.removal.id, scene.bob)
    segment = log.write(scene.removal.id, keys[scene.removal.id], payload)
    # The body of one key, under a prefix that names the epoch of another: the commitment does not fit.
    under = seal_segment(
        scene.group.object, log.key, 1, b"", scene.first, payload, keys[scene.removal.id].content, RANDOM
    )
    scene.ana.take([log.certificate(scene.first, keys[scene.first])], [under.raw])
    scene.bob.take([log.certificate(scene.first, keys[scene.first])], [under.raw])

    assert segment.open(keys[scene.removal.id].content)
    for key in (keys[scene.first].content, ContentKey(RANDOM(32))):
        with pytest.raises(RemoteProtocolError):
            under.open(key)
    assert len(under.body) > SEAL_OVERHEAD
    for one in (scene.ana, scene.bob):
        assert one.texts == ["for all three"]
        assert len(one.replica.order.set_aside) == 1


def test_who_pretends_to_be_another_member_is_named() -> None:
    """Bob writes a log of his own and says in a later segment what Ana would: it stands under his name."""
    scene = Scene()
    log = Log(scene.group.object, RANDOM)
    epoch, keys = scene.removal.id, scene.bob.replica.keys[scene.removal.id]
    log.write(epoch, keys, scene.payload(log, epoch, scene.bob))
    forged = introduce(scene.group.object, epoch, log.id, scene.ana.replica.actor)
    log.write(epoch, keys, scene.payload(log, epoch, scene.bob, introduction=forged, content=b"nonsense"))
    scene.ana.take([log.certificate(epoch, keys)], [segment.raw for segment in log.segments])

    timeline = scene.ana.fold.timeline
    assert sorted(message.author.name for message in timeline.messages(0, 9)) == ["Ana", "Bob"]
    assert [aside.name for aside in scene.ana.replica.order.set_aside] == ["Bob"]
