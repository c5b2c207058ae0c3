"""One short document, written by three people at once over real replicas, and how it must come out.

Each has a replica with a document, a disk that is flushed late and a process that dies at any moment.
They edit, undo and redo, also apart from each other; segments go about in pieces and out of order. At the end
everybody has everything, and all must show one text: the one that ``PlainText`` makes of the same updates.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from peergos_collab.codec.ids import DeviceId, ObjectId, RunId
from peergos_collab.documents import Change, Document
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind, Payload, decode_payload_untrusted
from peergos_collab.objects.segments import Segment
from peergos_collab.sync.journal import open_entry_untrusted
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.testing.store import MemoryStore, _copy
from peergos_collab.workspace.folds import DocumentFold
from support.circle import Circle, Membership, make_circle
from support.plain_text import PlainText

PIECES = [
    "a", "word ", "\n", "\r\n", "\r", "\u2028", "\u2029", "\x0b", "\x0c", "\x85", "é", "e\u0301", "日本",
    "😀", "👩\u200d👩\u200d👧", "🇩🇪", "\U0010ffff", "\ufeff", "\u202e", "\0", "x😀\r\n", "line\nline\n",
]  # fmt: skip
LETTERS = "XYZ"
ACTIONS = {
    "edit": 10, "edit_many": 2, "undo": 2, "redo": 1, "deliver": 8, "flush": 4, "crash": 0.5,
    "part": 0.6, "point": 1, "prove": 0.5,
}  # fmt: skip

NumberedChange = tuple[RunId, int]


class EditingFailed(AssertionError):
    """Something differs, or is lost; the message says what and where."""


@dataclass
class Counts:
    """What happened, over any number of worlds."""

    actions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIONS, 0))
    concurrent: int = 0
    characters: int = 0


class Writer:
    """One person's device.

    Attributes:
        letter: that nobody else types.
        copy: the text as it follows from the changes that were told.
    """

    def __init__(self, world: EditingWorld, member: Membership, store: MemoryStore) -> None:
        self.world = world
        self.member = member
        self.letter = LETTERS[int(member.name[1:])]
        self.start(store, new_log=False)

    def start(self, store: MemoryStore, *, new_log: bool) -> None:
        """A process begins, with what the disk has."""
        world, member = self.world, self.member
        self.store = store
        self.apart = self.in_flight = False
        run = RunId(world.random(16))
        device = DeviceId(member.actor.device.public)
        fold = DocumentFold(world.circle.object, device, run, world.clock)
        book = LogBook.load(world.circle.object, store)
        self.replica = Replica(
            world.circle.object, book, fold, {world.circle.epoch_id: member.keys}, member.actor,
            member.credentials.local, run, world.clock, world.random, new_log=new_log,
        )  # fmt: skip
        with fold.catching_up():
            self.replica.deliver_stored()
        self.replica.restore_journal()
        self.document = document = fold.document
        document.track_undo()
        document.on_update(self.replica.submit)
        document.on_change(self._follow)
        self.copy = document.text

    def _follow(self, change: Change) -> None:
        for start, end, inserted in change.edits:
            self.copy = self.copy[:start] + inserted + self.copy[end:]

    def go_on(self) -> None:
        """Begins to write down what is new, if nothing is on its way to the disk."""
        self.replica.released = not self.apart
        collected = None if self.in_flight else self.replica.collect()
        if collected is not None:
            self.in_flight = True
            self.store.write(collected.batch)

    def flush(self) -> None:
        self.store.flush()
        self.in_flight = False
        self.go_on()

    def check(self) -> None:
        """Text, index, clocks and what was told are in step with the engine."""
        document, text = self.document, self.document._replica.text()
        same = document.text == document.lines.text() == self.copy == text
        self.world.require(same, "text, index and copy differ")
        counted = len(document), document.lines.byte_length, document.lines.count, document.clocks()
        engine = len(text), len(text.encode()), text.count("\n") + 1, document._replica.clocks()
        self.world.require(counted == engine, f"counts {counted} differ from the engine's {engine}")


class EditingWorld:
    """See the module's text.

    Args:
        seed: says everything.
        circle: of three writers; one serves any number of worlds.
    """

    def __init__(self, seed: int, circle: Circle, counts: Counts, steps: int = 24) -> None:
        self.rng = random.Random(seed)
        self.random = random.Random(~seed).randbytes
        self.circle, self.counts, self.steps = circle, counts, steps
        self.time = 1_700_000_000_000
        self.must: set[NumberedChange] = set()
        self.writers = [Writer(self, member, new_disk(circle)) for member in circle.members]

    def clock(self) -> int:
        self.time += self.rng.choice([5, 5, 700])
        return self.time

    def require(self, holds: bool, words: str) -> None:
        if not holds:
            raise EditingFailed(words)

    def run(self) -> None:
        """The whole story. Raises EditingFailed, or whatever escapes."""
        for _ in range(self.steps):
            name = self.rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
            self.counts.actions[name] += 1
            writer = self.rng.choice(self.writers)
            getattr(self, f"_{name}")(writer)
            writer.check()
        self._meet()
        self._compare()

    # -- what happens

    def _text(self, writer: Writer) -> str:
        pieces = self.rng.choices([*PIECES, writer.letter, writer.letter], k=self.rng.randrange(4))
        return "".join(pieces)

    def _edit(self, writer: Writer) -> None:
        before, end = writer.document.text, len(writer.document)
        start = self.rng.randrange(end + 1)
        stop = min(end, start + self.rng.choice([0, 0, 0, 1, 3]))
        text = self._text(writer)
        writer.document.edit(start, stop, text)
        self.require(
            writer.document.text == before[:start] + text + before[stop:], "an edit did something else"
        )
        writer.go_on()

    def _edit_many(self, writer: Writer) -> None:
        before = writer.document.text
        a, b, c, d = sorted(self.rng.randrange(len(before) + 1) for _ in range(4))
        one, other = self._text(writer), self._text(writer)
        writer.document.edit_many([(a, b, one), (c, d, other)])
        wanted = before[:a] + one + before[b:c] + other + before[d:]
        self.require(writer.document.text == wanted, "edits did something else")
        writer.go_on()

    def _undo(self, writer: Writer) -> None:
        letters = [other.letter for other in self.writers if other is not writer]
        before = [writer.document.text.count(letter) for letter in letters]
        writer.document.undo()
        after = [writer.document.text.count(letter) for letter in letters]
        self.require(all(map(int.__le__, before, after)), "undo took away what others wrote")
        writer.go_on()

    def _redo(self, writer: Writer) -> None:
        writer.document.redo()
        writer.go_on()

    def _point(self, writer: Writer) -> None:
        at = self.rng.randrange(len(writer.document) + 1)
        found = writer.document.offset_untrusted(writer.document.anchor(at))
        self.require(found in {at, None}, f"an anchor at {at} is at {found}")

    def _prove(self, writer: Writer) -> None:
        """From now on what comes to him is looked at before it is taken."""
        self.require(writer.document.prove(), "what honest people wrote is false")

    def _deliver(self, writer: Writer) -> None:
        """Somebody gives a few of his segments, of some logs more than of others."""
        other = self.rng.choice(self.writers)
        if other is not writer and not writer.apart and not other.apart:
            self._give(other, writer, lambda: self.rng.randrange(4))
            writer.go_on()

    def _give(self, giver: Writer, taker: Writer, most: Callable[[], int]) -> bool:
        while giver.in_flight:
            giver.flush()  # only what is durable may leave
        raws = []
        for log, (branch, *forks) in giver.replica.book.branches.items():
            self.require(not forks, "a log forked")
            known = taker.replica.book.branches.get(log)
            start = known[0].tip + 1 if known else 1
            count = most()
            if start <= branch.tip and count:
                place = log, self.circle.epoch_id
                if place not in taker.replica.book.certificates:
                    record = giver.replica.book.certificates[place]
                    taker.store.write(taker.replica.take_records([record.raw]).batch)
                raws += giver.replica.book.read(branch, start, 1 << 20)[:count]
        if not raws:
            return False
        before = taker.document.clocks()
        taken = taker.replica.take_segments(raws, "memory")
        taker.store.write(taken.offered.batch)
        self.require(not taken.offered.refused, f"refused: {taken.offered.refused}")
        self.counts.concurrent += bool(taken.deliveries) and before != giver.document.clocks()
        return True

    def _flush(self, writer: Writer) -> None:
        writer.flush()

    def _part(self, writer: Writer) -> None:
        """Somebody goes offline, or comes back: then what he wrote meanwhile is sealed."""
        writer.apart = not writer.apart
        writer.go_on()

    def _crash(self, writer: Writer) -> None:
        """The process dies in the midst of writing; some of what was on its way has reached the disk."""
        store = writer.store.crash(self.rng.randrange(writer.store.unflushed + 1))
        self.must |= self._durable(writer.member, store)
        writer.start(store, new_log=True)

    def _durable(self, member: Membership, store: MemoryStore) -> set[NumberedChange]:
        """Changes of a member that a disk holds."""
        object_id, local = self.circle.object, member.credentials.local
        found = set()
        for number, raw in store._durable.journal.get(object_id, {}).items():
            for change in open_entry_untrusted(object_id, number, raw, local):
                found.add((change.run, change.number))
        return found | self._sealed(LogBook.load(object_id, _copy_of(store)))

    def _sealed(self, book: LogBook) -> set[NumberedChange]:
        return {
            (payload.run, number)
            for payload in self._payloads(book)
            for number in range(payload.first, payload.first + payload.count)
        }

    def _payloads(self, book: LogBook) -> list[Payload]:
        content = self.circle.members[0].keys.content
        raws = [raw for branch in book.numbered.values() for raw in book.read(branch, 1, 1 << 30)]
        return [decode_payload_untrusted(Segment.parse_untrusted(raw).verify().open(content)) for raw in raws]

    # -- how it must come out

    def _meet(self) -> None:
        """All are connected until nobody lacks anything."""
        for writer in self.writers:
            writer.apart = False
        while True:
            for writer in self.writers:
                while writer.in_flight or writer.replica.unsealed:
                    writer.flush()
            pairs = [(one, other) for one in self.writers for other in self.writers if one is not other]
            if not sum(self._give(one, other, lambda: 1 << 20) for one, other in pairs):
                return

    def _compare(self) -> None:
        first = self.writers[0]
        text = first.document.text
        self.counts.characters += len(text)
        for writer in self.writers:
            writer.check()
            order = writer.replica.order
            self.require(not order.set_aside, f"set aside: {order.set_aside}")
            self.require(not order.waiting and not writer.replica.unsettled, "something still waits")
            self.require(writer.document.text == text, "two people see different texts")
            self.require(writer.document.prove(), "what honest people wrote is false")
            self.require(writer.document.clocks() == first.document.clocks(), "clocks differ")
        self.require(Document(5, first.document.state()).text == text, "the state has another text")
        lost = self.must - self._sealed(first.replica.book)
        self.require(not lost, f"lost: {len(lost)} changes")
        updates = [payload.content for payload in self._payloads(first.replica.book)]
        self.rng.shuffle(updates)
        plain = PlainText()
        plain.apply_all(updates)
        self.require(plain.text() == text, "the plain reference has another text")


@cache
def _first_disk(object_id: ObjectId, records: tuple[bytes, ...]) -> MemoryStore:
    store = MemoryStore()
    store.write(LogBook(object_id, store).take_records(records).batch)
    store.flush()
    return store


def new_disk(circle: Circle) -> MemoryStore:
    """A disk with the membership records, and nothing else."""
    return _copy_of(_first_disk(circle.object, tuple(circle.records)))


def _copy_of(store: MemoryStore) -> MemoryStore:
    """What is durable on a disk, on another one."""
    copied = MemoryStore()
    copied._durable, copied._seen = _copy(store._durable), _copy(store._durable)
    copied._branch, copied._journal = store._branch, store._journal
    return copied


def three_writers(seed: int = 0) -> Circle:
    """A document's members; making them costs more than a world does."""
    return make_circle(Kind.DOCUMENT, [Level.WRITE, Level.WRITE], random.Random(seed).randbytes)
