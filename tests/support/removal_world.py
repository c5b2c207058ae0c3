"""A seeded world of people in one chat, and nodes of which one withholds: people come, go and are removed.

Real replicas, sessions and nodes; the network loses what is on its way when a connection ends. At the end
all are connected until nothing moves.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from peergos_collab.chat import Message
from peergos_collab.codec.ids import EpochId, PrincipalId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Conflict, NoAccess, RemoteProtocolError
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import Leave, Target
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import MembershipRecord
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import CaughtUp, Opened, RecordsCame, RefusedCame, SegmentsCame
from peergos_collab.testing.store import MemoryStore
from support.circle import account_principal
from support.members import Group
from support.replicas import Chatting

NAMES = ["Ana", "Bob", "Cem", "Dea", "Eve"]


class WorldFailed(AssertionError):
    """Something leaked, was lost or unequal; the message names the seed."""


@dataclass(eq=False)
class Wire:
    """A session of a person with a node, from both sides, and what is on its way."""

    person: Member
    node: Node
    here: Session
    there: Session
    up: deque[bytes] = field(default_factory=deque)
    down: deque[bytes] = field(default_factory=deque)
    compares: int = 0


class Node:
    """A blind node; one that ``withholds`` hands out no membership record that it got since."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.withholds = False
        self.store = MemoryStore()
        self.shelf = Shelf(self.store, SigningKey.generate(world.bytes), world.clock, world.bytes)

    def passes(self, frame: bytes) -> bool:
        return not self.withholds or decode_frame_untrusted(frame)[0] is not Frame.RECORDS


class Member:
    """A person on one device, driven as the workspace drives its objects and links."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.chat = Chatting(world.group, world.group[name], world.bytes)
        self.chat.replica.released = False
        self.wires: list[Wire] = []

    @property
    def id(self) -> PrincipalId:
        return self.chat.person.id

    @property
    def replica(self) -> Any:
        return self.chat.replica

    def announce(self, arrivals: Any = (), forked: Any = ()) -> None:
        for wire in self.wires:
            wire.here.announce(self.world.group.object, arrivals, forked)

    def say(self, text: str) -> None:
        self.replica.submit(self.chat.fold.add_local(Message(text), self.world.clock()))
        self.world.said[text] = self.id
        self.seal()

    def seal(self) -> None:
        while (collected := self.replica.collect()) is not None:
            self.replica.store.write(collected.batch)
            for arrival in collected.arrivals:
                sealed = set(self.replica.view.members)
                self.world.sealed.append((arrival.segment.epoch, sealed))
            self.announce(collected.arrivals)

    def publish(self, *records: MembershipRecord) -> None:
        replica = self.replica
        replica.store.write(replica.take_records([record.raw for record in records]).batch)
        self.announce()
        self.seal()

    def do_duties(self) -> bool:
        batch = self.replica.do_duties()
        self.replica.store.write(batch)
        if batch:
            self.announce()
        return bool(batch)

    def find(self, object_id: object) -> Any:
        return self.replica.book if object_id == self.world.group.object else None

    def open(self, wire: Wire) -> None:
        wire.here.open(self.world.group.object, self.replica.keys)

    def receive(self, wire: Wire, frame: bytes) -> None:
        replica, object_id = self.replica, self.world.group.object
        for event in wire.here.receive_untrusted(frame):
            match event:
                case RecordsCame():
                    offered = replica.take_records(event.raws, wire.here.admits(object_id))
                    self.require(not offered.refused, f"refused {offered.refused}")
                    replica.store.write(offered.batch)
                    replica.deliver_waiting("memory")
                    self.announce()
                    self.seal()
                case SegmentsCame():
                    taken = replica.take_segments(event.raws, "memory", wire.here.gives(object_id)).offered
                    self.require(not taken.refused, f"refused {taken.refused}")
                    replica.store.write(taken.batch)
                    wire.here.note_taken(object_id, taken.arrivals, taken.known)
                    wire.here.grant_credit(event.size)
                    self.announce(taken.arrivals, taken.forked)
                    if taken.gaps or taken.barred:
                        self.compare(wire)
                case CaughtUp():
                    replica.released = True
                    self.seal()
                case RefusedCame():
                    self.refused(wire, event)
                case Opened():
                    wire.compares = 0
                case _:
                    pass

    def compare(self, wire: Wire) -> None:
        wire.compares += 1
        if wire.compares <= 3:
            self.open(wire)

    def refused(self, wire: Wire, event: RefusedCame) -> None:
        self.require(event.reason in {"gap", "unknown", "read_only"}, f"was refused: {event.words}")
        if event.reason == "unknown":
            first = [epoch.raw for epoch in self.replica.book.epochs.values() if epoch.first]
            wire.here.send_records(self.world.group.object, first)
        if event.reason != "read_only":
            self.compare(wire)

    def require(self, holds: bool, words: str) -> None:
        if not holds:
            raise WorldFailed(f"{self.name} {words}")


class World:
    """See the module's text."""

    def __init__(self, seed: int, steps: int = 120) -> None:
        self.seed = seed
        self.steps = steps
        self.rng = random.Random(seed)
        self.bytes = random.Random(seed + 1_000_003).randbytes
        self.time = 1_000
        self.said: dict[str, PrincipalId] = {}
        self.sealed: list[tuple[EpochId, set[PrincipalId]]] = []
        self.ended: set[PrincipalId] = set()
        self.returned: set[PrincipalId] = set()
        self.group = Group(NAMES, self.bytes, Kind.CHAT)
        self.group.add("Ana", "Bob", Level.ADMIN)
        for name in NAMES[2:]:
            self.group.add("Ana", name, Level.WRITE, *NAMES)
        self.group.meet()
        self.people = [Member(self, name) for name in NAMES]
        self.nodes = [Node(self, "n0"), Node(self, "n1")]
        self.nodes[1].withholds = True

    def clock(self) -> int:
        self.time += 7
        return self.time

    def run(self) -> World:
        """The whole story. Raises WorldFailed."""
        try:
            for _ in range(self.steps):
                self._step()
            self._settle()
            self._check()
        except (AssertionError, RemoteProtocolError) as failure:
            raise WorldFailed(f"seed {self.seed}: {failure}") from failure
        return self

    # -- what happens

    def _step(self) -> None:
        person = self.rng.choice(self.people)
        what = self.rng.random()
        if what < 0.3:
            if person.replica.can_write:
                person.say(f"{person.name} {len(self.said)}")
        elif what < 0.42:
            self._change(person)
        elif what < 0.6:
            self._connect(person, self.rng.choice(self.nodes))
        elif what < 0.65 and person.wires:
            self._disconnect(self.rng.choice(person.wires))
        elif what < 0.7:
            person.do_duties()
        else:
            self._carry(self.rng.randrange(1, 20))

    def _change(self, person: Member) -> None:
        maker, other = person.replica.seat.maker, self.rng.choice(self.people)
        view = person.replica.view
        try:
            if other is person:
                if person.id in view.members and person.name != "Ana" and self.rng.random() < 0.3:
                    self.ended.add(person.id)
                    person.publish(maker.leave(Leave(tuple(maker.closes(person.id, b"")))))
                elif (view.level(person.id) or 0) >= Level.WRITE:
                    person.publish(maker.rotate())
            elif view.level(person.id) is Level.ADMIN:
                self._administer(person, other)
        except (NoAccess, Conflict):
            pass

    def _administer(self, person: Member, other: Member) -> None:
        maker, view = person.replica.seat.maker, person.replica.view
        closes = tuple(maker.closes(other.id, b""))
        if view.level(other.id) is None:
            level = self.rng.choice([Level.READ, Level.WRITE])
            self.returned.add(other.id)
            person.publish(*maker.add(account_principal(other.chat.person.credentials), level))
        elif other.name != "Ana" and view.members[person.id].rank < view.members[other.id].rank:
            self.ended.add(other.id)
            if self.rng.random() < 0.7 or view.level(other.id) is Level.READ:
                person.publish(maker.remove([Target(other.id, closes=closes)]))
            else:
                person.publish(maker.lower_role(Target(other.id, closes=closes), Level.READ))

    # -- the network

    def _connect(self, person: Member, node: Node) -> None:
        if any(wire.node is node for wire in person.wires):
            return
        pin = b"pin " + node.name.encode()
        here = Session(pin, person.find, self.bytes, with_node=True)
        wire = Wire(person, node, here, node.shelf.attach(pin))
        person.wires.append(wire)
        person.open(wire)

    def _disconnect(self, wire: Wire) -> None:
        wire.person.wires.remove(wire)
        wire.node.shelf.detach(wire.there)
        if not wire.person.wires:
            wire.person.replica.released = False

    def _carry(self, count: int) -> bool:
        """Carries some frames over some wires; False where there are none."""
        wires = [wire for person in self.people for wire in person.wires]
        moved = False
        for _ in range(count):
            for wire in wires:
                wire.up.extend(wire.here.take_outgoing())
                wire.down.extend(frame for frame in wire.there.take_outgoing() if wire.node.passes(frame))
            busy = [wire for wire in wires if wire.up or wire.down]
            if not busy:
                return moved
            moved = True
            self._carry_one(self.rng.choice(busy))
        return moved

    def _carry_one(self, wire: Wire) -> None:
        if wire.up and (not wire.down or self.rng.random() < 0.5):
            for commit in wire.node.shelf.receive_untrusted(wire.there, wire.up.popleft()):
                wire.node.store.write(commit.batch)
                commit.durable()
        elif wire.down:
            wire.person.receive(wire, wire.down.popleft())

    def _settle(self) -> None:
        self.nodes[1].withholds = False
        for _ in range(6):
            for person in self.people:
                for wire in list(person.wires):
                    self._disconnect(wire)
                for node in self.nodes:
                    self._connect(person, node)
            for _ in range(3_000):
                if not self._carry(50):
                    break
            else:
                raise WorldFailed("it never comes to rest")
            busy = [person.do_duties() for person in self.people]
            if not any(busy):
                break
            self._carry(10_000)

    # -- what must hold

    def _check(self) -> None:
        ana = self.people[0]
        members = ana.replica.view.members
        now = [person for person in self.people if person.id in members]
        texts = {person.name: sorted(person.chat.again().texts) for person in now}
        for person in now:
            self._require(person.replica.view.members == members, f"{person.name} sees other members")
            self._require(texts[person.name] == texts["Ana"], f"{person.name} reads {texts}")
            self._require(
                not person.replica.unsealed or not person.replica.can_write, f"{person.name} kept back"
            )
        self._check_nothing_lost(texts["Ana"])
        self._check_no_leak(members.keys())

    def _check_nothing_lost(self, texts: list[str]) -> None:
        lost = [text for text, who in self.said.items() if who not in self.ended and text not in texts]
        self._require(not lost, f"lost {lost}")

    def _check_no_leak(self, members: Any) -> None:
        everything = {r.id: r for p in self.people for r in p.replica.book.membership_records()}
        for person in self.people:
            if person.id in members or person.id in self.returned:
                continue  # who comes back gets the history of when he was away
            eve = Membership(self.group.object, KeyRing([person.chat.person.credentials.user.box]))
            eve.take(everything.values())
            leaks = [epoch for epoch, sealed in self.sealed if person.id not in sealed and epoch in eve.keys]
            self._require(not leaks, f"{person.name} can open what was sealed without him")

    @staticmethod
    def _require(holds: bool, words: str) -> None:
        if not holds:
            raise WorldFailed(words)
