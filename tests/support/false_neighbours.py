"""A text that some write at once, one of whom names neighbours that never were; and ways it comes to others.

Of the honest writers some look at each update before they take it; others took what was false and built on
it, as in the moment before it is found out.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field

from peergos_collab.codec.ids import DeviceId
from peergos_collab.documents import Document
from peergos_collab.documents.client_id import client_id
from peergos_collab.documents.structure import Id
from peergos_collab.documents.varints import varint
from peergos_collab.errors import PeergosCollabError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import MAX_CITES, Kind
from peergos_collab.objects.segments import Segment
from peergos_collab.ports import Batch
from peergos_collab.sync import archiving
from peergos_collab.sync.logbook import LogBook
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.checkpoint import encode_checkpoint, restore_checkpoint
from support.circle import Circle, make_circle
from support.forge import Forger, cite, replica_of, settle, take_certificates

LETTERS = "abcdefgh😀"


@dataclass(frozen=True)
class Said:
    """A segment, the update in it, and the ids of all that its author had seen."""

    segment: Segment
    update: bytes
    client: int
    needs: frozenset[bytes]


@dataclass
class Writer:
    """Somebody who writes one log. ``looks``: he takes nothing that is false."""

    forger: Forger
    looks: bool
    rng: random.Random
    seen: dict[bytes, None] = field(default_factory=dict)
    uncited: dict[bytes, Segment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        circle, run = self.forger.circle, self.forger.run
        device = DeviceId(self.forger.actor.device.public)
        self.client = client_id(circle.object, device, run)
        self.document = Document(self.client)
        if self.looks:
            self.document.doubt_all()
        self.updates: list[bytes] = []
        self.document.on_update(self.updates.append)

    def see(self, said: Said) -> None:
        """Takes a segment, if he has all that it needs."""
        if said.segment.id in self.seen or not said.needs <= self.seen.keys():
            return
        with suppress(PeergosCollabError):
            self.document.apply_untrusted(said.update, said.client)
            self._note(said.segment)

    def _note(self, segment: Segment) -> None:
        self.seen[segment.id] = None
        self.uncited.pop(segment.previous, None)
        self.uncited[segment.id] = segment

    def say(self, update: bytes) -> Said:
        """Seals it on top of all that he has seen."""
        needs, own = frozenset(self.seen), self.forger.segments
        cited = [each for each in self.uncited.values() if each.log != self.forger.log][:MAX_CITES]
        self.forger.write(update, first=len(own) + 1, cites=tuple(map(cite, cited)))
        for each in cited:
            del self.uncited[each.id]
        self._note(own[-1])
        return Said(own[-1], update, self.client, needs)

    def write(self) -> Said:
        """An edit as the program makes it."""
        self.updates.clear()
        length = len(self.document)
        at = self.rng.randrange(length + 1)
        if length > 3 and self.rng.random() < 0.3:
            self.document.edit(at, min(length, at + self.rng.randrange(1, 3)), "")
        if not self.updates:
            self.document.edit(at, at, self.rng.choice(LETTERS) * self.rng.choice((1, 1, 2, 3)))
        return self.say(self.updates[-1])

    def lie(self) -> Said:
        """A letter between any two characters that he knows of."""
        ids = [None, *((client, at) for client, end in self.document.clocks().items() for at in range(end))]
        clock = self.document.clocks().get(self.client, 0)
        left, right = self.rng.choice(ids), self.rng.choice(ids)
        update = written(self.client, clock, left, right, self.rng.choice("XYZ"))
        with suppress(PeergosCollabError):
            self.document.apply_own(update)
        return self.say(update)


def written(client: int, clock: int, left: Id | None, right: Id | None, text: str) -> bytes:
    """An update that puts a text between two characters."""
    info = 4 | (0x80 if left else 0) | (0x40 if right else 0)
    ids = b"".join(varint(client) + varint(at) for client, at in filter(None, (left, right)))
    root = b"" if left or right else b"\x01\x04text"
    head = b"\x01\x01" + varint(client) + varint(clock) + bytes([info]) + ids + root
    return head + varint(len(text)) + text.encode() + b"\x00"


@dataclass(frozen=True)
class World:
    """What was said, in an order in which it could be. ``lies``: how much of it was made up."""

    circle: Circle
    forgers: list[Forger]
    said: list[Said]
    lies: int


def world(seed: int, steps: int = 24) -> World:
    """Three who are honest, and one who lies in up to three logs."""
    rng = random.Random(seed)
    circle = make_circle(Kind.DOCUMENT, [Level.WRITE] * 3, rng.randbytes)
    *honest, liar = [one.actor for one in circle.members]
    writers = [Writer(Forger(circle, one, rng.randbytes), rng.random() < 0.5, rng) for one in honest]
    liars = [Writer(Forger(circle, liar, rng.randbytes), False, rng) for _ in range(rng.randrange(1, 4))]
    said, lies = [writers[0].write()], 0
    for _ in range(steps):
        one = rng.choice([*writers, *liars])
        for each in said:
            if rng.random() < 0.7:
                one.see(each)
        is_lie = one in liars and rng.random() < 0.7
        said.append(one.lie() if is_lie else one.write())
        lies += is_lie
    return World(circle, [one.forger for one in (*writers, *liars)], said, lies)


class Reader:
    """A member to whom it comes, in whatever order and portions."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.member = rng.choice(world.circle.members)
        self.store = MemoryStore()
        self.replica = replica_of(world.circle, self.member, rng.randbytes, self.store)
        take_certificates(self.replica, *(forger.certificate for forger in world.forgers))

    def get_all(self) -> Reader:
        """Takes all of it, each until it was taken, and does now and then what a device does."""
        missing = [said.segment for said in self.world.said]
        if self.rng.random() < 0.6:
            self.rng.shuffle(missing)
        while missing:
            count = self.rng.choice((1, 1, 2, 5, 30))
            some, missing = missing[:count], missing[count:]
            missing += self.take(some)
            self.rng.choice((self.start_again, self.archive, self.settle, self.look, *9 * [bool]))()
        self.settle()
        return self

    def take(self, segments: list[Segment]) -> list[Segment]:
        """Takes some at once; gives what has to come again."""
        taken = self.replica.take_segments([segment.raw for segment in segments], "memory").offered
        self._write(taken.batch)
        book = self.replica.book
        return [one for one in segments if book.find(one.log, one.seq, one.id) is None]

    def settle(self) -> None:
        settle(self.replica, self.world.circle, self.member, self.rng.randbytes)

    def look(self) -> None:
        """As in a pause, but that nothing is done about what is found."""
        self.replica.fold.document.prove()  # type: ignore[attr-defined]

    def start_again(self) -> None:
        """From the disk, with the state as it was saved."""
        order, fold = self.replica.order, self.replica.fold
        checkpoint = encode_checkpoint(order, 0, None, stated=True)
        fold.save_whole()  # type: ignore[attr-defined]
        state = fold.dirty_state()  # type: ignore[attr-defined]
        self.replica = replica_of(self.world.circle, self.member, self.rng.randbytes, self.store, [])
        restore_checkpoint(self.replica.order, checkpoint)
        self.replica.fold.load_state(state.get)  # type: ignore[attr-defined]
        self.replica.deliver_stored()

    def archive(self) -> None:
        """Puts some branches into archives, but for their last segments."""
        for number in self.replica.book.numbered:
            beside = LogBook.load(self.replica.object, self.store)
            beside.archived.keys = self.replica.keys
            branch = beside.numbered[number]
            if branch.tip > branch.kept and self.rng.random() < 0.5:
                packed = archiving.pack_next(beside, branch, self.replica.keys)
                if packed is not None:
                    self._write(archiving.take_packed(self.replica.book, packed))

    def _write(self, batch: Batch) -> None:
        self.store.write(batch)
        self.store.flush()

    def verdict(self) -> object:
        """What all must agree about."""
        order, book = self.replica.order, self.replica.book
        return (
            self.replica.fold.document.text,  # type: ignore[attr-defined]
            sorted(book.tips()),
            sorted((aside.log, aside.seq, aside.name, aside.reason) for aside in order.set_aside),
            sorted(book.numbered[number].log for number in order.waiting),
        )
