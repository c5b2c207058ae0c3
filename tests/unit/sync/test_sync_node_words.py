"""What a node signed, held against what it signs later: what is lost is found, and nothing else is said."""

from __future__ import annotations

import random
from collections.abc import Iterable

from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.node_words import MAX_FAULTS, MAX_HEADS, OLDER, Against, Fault, NodeWords
from peergos_collab.sync.receipts import Receipt
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger

RANDOM = random.Random(62).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE], RANDOM)
ANA, BOB = CIRCLE.members
KEY = SigningKey.generate(RANDOM)


class Scene:
    """A book with logs of Ana and of Bob, and a node that signs what it is told to."""

    def __init__(self, *, here: bool = True) -> None:
        self.logs = [Forger(CIRCLE, member.actor, RANDOM) for member in (ANA, BOB)]
        for log in self.logs:
            for number in range(6):
                log.write(b"x", first=number + 1)
        self.book = LogBook(CIRCLE.object, MemoryStore())
        records = [*CIRCLE.records, *(log.certificate for log in self.logs)]
        self.book.store.write(self.book.take_records(records).batch)
        if here:
            self.come()
        self.words = NodeWords(self.book)
        self.number = 100

    def come(self, up_to: int = 6) -> None:
        """The segments of both logs are here."""
        for log in self.logs:
            raws = [segment.raw for segment in log.segments[:up_to]]
            self.book.store.write(self.book.take_segments(raws).batch)

    def tips(self, ana: int, bob: int) -> list[Tip]:
        return [
            Tip(log.log, seq, log.segments[seq - 1].id)
            for log, seq in zip(self.logs, (ana, bob), strict=True)
            if seq
        ]

    def receipt(
        self,
        ana: int,
        bob: int,
        *,
        whole: bool = True,
        number: int = 0,
        key: SigningKey = KEY,
        epochs: Iterable[EpochId] = (CIRCLE.epoch_id,),
    ) -> Receipt:
        """A receipt that reaches so far in the two logs."""
        self.number += 1
        return Receipt.issue(
            key, CIRCLE.object, number or self.number, self.tips(ana, bob), epochs if whole else ()
        )

    def say(self, ana: int, bob: int, **how: object) -> Fault | None:
        return self.words.take(self.receipt(ana, bob, **how), 7)  # type: ignore[arg-type]

    def missing(self, fault: Fault | None) -> list[tuple[str, int, int]]:
        assert fault is not None
        names = {log.log: name for log, name in zip(self.logs, ("ana", "bob"), strict=True)}
        return sorted((names[log], first, last) for log, first, last in fault.missing)

    def again(self) -> Scene:
        """The same from what was stored."""
        stored = self.words.stored()
        self.words = NodeWords(self.book)
        self.words.restore(stored)
        return self


def test_what_is_saved_follows_the_newest_word() -> None:
    """A whole receipt replaces all before it, a partial one adds to it."""
    scene = Scene()
    scene.say(4, 6)
    assert not scene.words.covers_all
    scene.say(6, 0, whole=False)
    assert scene.words.covers_all
    scene.say(6, 5)
    assert not scene.words.covers_all


def test_what_a_node_lost_is_found() -> None:
    """Whoever is told less than before is told so, with what is missing and both receipts, once."""
    scene = Scene()
    assert scene.say(3, 4) is None
    assert scene.say(6, 0, whole=False) is None
    fault = scene.say(4, 4)

    assert scene.missing(fault) == [("ana", 5, 6)]
    assert fault is not None
    assert fault.proved
    assert fault.against is Against.HERE
    assert [(had.whole, had.number < fault.lacks.number) for had in fault.had] == [(False, True)]
    assert scene.say(4, 4) is None
    assert scene.words.faults == [fault]
    assert not scene.words.has(fault.missing[0])
    assert scene.say(6, 6) is None
    assert scene.words.has(fault.missing[0])


def test_all_of_it_may_be_lost() -> None:
    """A node that has nothing any more."""
    scene = Scene()
    scene.say(3, 4)

    assert scene.missing(scene.say(0, 0)) == [("ana", 1, 3), ("bob", 1, 4)]


def test_what_is_remembered_outlives_a_restart() -> None:
    """The words, and what was found."""
    scene = Scene()
    scene.say(3, 3)
    scene.say(5, 0, whole=False)
    fault = scene.again().say(3, 3)
    stored = scene.words.stored()

    assert scene.missing(fault) == [("ana", 4, 5)]
    assert scene.again().words.faults == [fault]
    assert scene.words.stored() == stored
    assert scene.say(3, 3) is None


def test_a_number_that_goes_back_proves_nothing_to_others() -> None:
    """This device knows what came first; the node's own numbers say otherwise. So with another key."""
    for how in ({"number": 5}, {"key": SigningKey.generate(RANDOM)}):
        scene = Scene()
        scene.say(3, 3)
        fault = scene.say(2, 3, **how)

        assert scene.missing(fault) == [("ana", 3, 3)]
        assert fault is not None
        assert not fault.proved


def test_nothing_is_said_of_what_is_on_its_way() -> None:
    """A node has a head that is not here yet: whether it follows what was there is seen when it comes."""
    for fork in (False, True):
        scene = Scene(here=False)
        scene.come(up_to=3)
        scene.say(3, 3)
        ana = scene.logs[0]
        if fork:
            ana.write_raw(ana.payload(b"y"), after=1)
            ana.segments[5] = ana.segments.pop()
            tips = [Tip(ana.log, 2, ana.segments[5].id), *scene.tips(0, 3)]
            receipt = Receipt.issue(KEY, CIRCLE.object, 200, tips, [CIRCLE.epoch_id])
        else:
            receipt = scene.receipt(6, 3)
        assert scene.words.take(receipt, 7) is None
        assert scene.words.arrived([scene.logs[1].log], 7) is None
        raws = [segment.raw for segment in ana.segments]
        scene.book.store.write(scene.book.take_segments(raws[5:] if fork else raws).batch)
        fault = scene.words.arrived([ana.log], 7)

        if fork:
            assert scene.missing(fault) == [("ana", 2, 3)]
        else:
            assert fault is None
            assert scene.words.saved[scene.book.branches[ana.log][0].number] == 6


def test_nothing_is_said_of_what_the_node_may_not_show() -> None:
    """Where a log is certified in an epoch for which the receipt is not whole, it may name less of it."""
    for known in (True, False):
        scene = Scene()
        ana, keys = scene.logs[0], EpochKeys.generate(RANDOM)
        said, held = Said(Rotate(), ANA.actor), {CIRCLE.epoch_id: ANA.keys}
        epoch = next_epoch(CIRCLE.object, keys, held, {}, [], said, RANDOM)
        scene.say(3, 3)
        records = [epoch.raw]
        if known:
            write_key = keys.signing_key(Level.WRITE)
            records.append(Certificate.issue(CIRCLE.object, epoch.id, ana.log, write_key).raw)
        scene.book.store.write(scene.book.take_records(records).batch)
        fault = scene.say(2, 3)

        assert (fault is None) == known


def test_few_words_are_kept() -> None:
    """However long a device types, and however often it comes back."""
    scene = Scene()
    for number in range(200):
        scene.say(min(6, 1 + number // 30), 6, whole=number % 3 == 0)

    assert len(scene.words.stored()[0]) <= OLDER + 1 + 2
    assert scene.missing(scene.say(6, 5)) == [("bob", 6, 6)]


def test_the_first_that_reached_so_far_is_kept() -> None:
    """It can be held against more than a later one that says the same."""
    scene = Scene()
    first = scene.receipt(3, 3)
    scene.words.take(first, 7)
    for _ in range(2 * OLDER):
        scene.say(3, 3)
    fault = scene.say(2, 3)

    assert fault is not None
    assert first in fault.had


def test_a_node_cannot_fill_memory() -> None:
    """With receipts for what is not here, nor with faults."""
    scene = Scene(here=False)
    log = scene.logs[0].log
    for number in range(1, 8):
        tips = [Tip(log, seq, scene.logs[0].segments[0].id) for seq in range(7, 5_000)]
        scene.words.take(Receipt.issue(KEY, CIRCLE.object, number, tips), 7)
    heads = sum(len(fields[2]) for _, fields in scene.words.stored()[0])
    scene = Scene()
    for _ in range(MAX_FAULTS + 5):
        scene.say(6, 6)
        assert scene.say(5, 6) is not None

    assert 0 < heads <= MAX_HEADS
    assert len(scene.words.faults) == MAX_FAULTS
