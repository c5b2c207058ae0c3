"""What a node signed, held against what it signs later: what is lost is found, and nothing else is said."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.sync import node_words
from peergos_collab.sync.faults import Against, Fault
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.node_words import MAX_FAULTS, MAX_HEADS, MAX_SHOWN, OLDER, SHOWN_BYTES, NodeWords
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

    def beside(self) -> NodeWords:
        """What the node says to another device with the same logs."""
        return NodeWords(self.book)

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

    def say(self, ana: int, bob: int, *, since: int = 0, **how: object) -> Fault | None:
        return self.words.take(self.receipt(ana, bob, **how), 7, since)  # type: ignore[arg-type]

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
    assert not scene.words.has_again(fault)
    assert scene.say(6, 6) is None
    assert scene.words.has_again(fault)


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
        fault = scene.say(2, 3, since=scene.words.mark, **how)  # type: ignore[arg-type]

        assert scene.missing(fault) == [("ana", 3, 3)]
        assert fault is not None
        assert not fault.proved


def test_sessions_side_by_side_prove_nothing() -> None:
    """What another session brought meanwhile may be newer than what comes on this one."""
    for whole in (True, False):
        scene = Scene()
        since = scene.words.mark
        scene.say(3, 3, whole=whole)

        assert scene.say(2, 3, since=since, number=5) is None
        assert scene.words.saved[scene.book.branches[scene.logs[0].log][0].number] == (3 if whole else 2)


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


def test_words_that_reach_ahead_count_in_their_order() -> None:
    """When what they name comes: what was said before the newest whole one is held against it, later words
    are not, and neither makes more of it."""
    for first in (True, False):
        scene = Scene(here=False)
        scene.come(up_to=3)
        words = [scene.receipt(6, 3, whole=False), scene.receipt(4, 3)]
        for receipt in words if first else reversed(words):
            scene.words.take(receipt, 7)
        scene.come()
        fault = scene.words.arrived([scene.logs[0].log], 7)
        branch = scene.book.branches[scene.logs[0].log][0]

        assert (fault is not None) == first
        assert scene.words.saved[branch.number] == (4 if first else 6)


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
    first = scene.receipt(3, 3, whole=False)
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


# -- what others show ------------------------------------------------------------------------------


def test_what_a_node_hid_is_found_when_members_meet() -> None:
    """It signed for more to another, and later for less to this device: proved, whoever of the two looks."""
    here = Scene()
    there = here.beside()
    had = here.receipt(3, 5)
    there.take(had, 7)
    lacks = here.receipt(3, 2)
    assert here.words.take(lacks, 7) is None
    fault = here.words.take_shown(there.to_show(), 7)
    other = there.take_shown(here.words.to_show(), 7)

    assert here.missing(fault) == here.missing(other) == [("bob", 3, 5)]
    assert fault is not None
    assert other is not None
    assert (fault.against, other.against) == (Against.HIDDEN, Against.ELSEWHERE)
    assert fault.had == other.had == (had,)
    assert fault.lacks == other.lacks == lacks
    assert fault.proved
    assert here.words.take_shown(there.to_show(), 7) is None


def test_what_a_node_got_later_is_no_fault() -> None:
    """It told one member less before it told another more: it had no more then. But now it may be asked."""
    here = Scene()
    there = here.beside()
    here.say(3, 2)
    there.take(here.receipt(3, 5), 7)
    assert here.words.take_shown(there.to_show(), 7) is None
    assert here.words.doubts
    assert there.take_shown(here.words.to_show(), 7) is None
    assert not there.doubts

    lies = here.receipt(3, 2)
    assert here.words.take(lies, 7) is not None
    assert not here.words.doubts


def test_a_node_that_signs_without_end_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many words are forgotten at once: all that are kept are looked at for it."""
    monkeypatch.setattr(node_words, "MAX_HEADS", 80)
    scene = Scene()
    forget, times = scene.words._forget, list[int]()
    monkeypatch.setattr(scene.words, "_forget", lambda words: (times.append(len(words)), forget(words)))
    for number in range(1, 121):
        tip = Tip(scene.logs[0].log, 6 + number, scene.logs[0].segments[0].id)
        scene.words.take(Receipt.issue(KEY, CIRCLE.object, number, [tip]), 7)

    assert times == [11] * 4
    assert len(scene.words.stored()[0]) == 76


def test_a_node_that_is_asked_and_has_it_is_not_blamed() -> None:
    """What others were told before counts only against what lacks it."""
    here = Scene()
    here.say(3, 2)
    here.words.take_shown([here.receipt(3, 5)], 7)
    assert here.say(3, 5) is None
    assert not here.words.doubts
    assert here.words.faults == []


def test_receipts_of_a_key_that_is_not_the_nodes_count_for_nothing() -> None:
    """Whoever makes keys could sign for anything."""
    here = Scene()
    forged = here.receipt(3, 5, key=SigningKey.generate(RANDOM))
    here.say(3, 2)

    assert here.words.take_shown([forged], 7) is None
    assert here.words.key == KEY.public


def test_what_was_shown_under_a_false_key_is_dropped_at_the_first_true_word() -> None:
    """Until then any key could be the node's. Else it would be asked for ever for what nobody wrote."""
    here = Scene()
    claim = Tip(here.logs[0].log, 99, here.logs[0].segments[0].id)
    forged = Receipt.issue(SigningKey.generate(RANDOM), CIRCLE.object, 10**6, [claim])
    here.words.take_shown([forged], 7)
    assert here.words.doubts
    here.say(6, 6)

    assert not here.words.doubts
    assert here.words._shown == []


def test_what_is_shown_before_it_came_is_judged_when_it_comes() -> None:
    """Receipts come first, the segments behind them; a receipt for what never comes says nothing."""
    here = Scene(here=False)
    here.come(up_to=2)
    claim = here.receipt(2, 5)
    here.say(2, 2)
    assert here.words.take_shown([claim], 7) is None
    assert here.words.arrived([here.logs[0].log], 7) is None
    here.come()
    fault = here.words.arrived([here.logs[1].log], 7)

    assert here.missing(fault) == [("bob", 3, 5)]


def test_hidden_keys_are_found() -> None:
    """A node that knew of newer keys, and later signs that the old ones are the newest."""
    for shown in (True, False):
        here = Scene()
        epoch = next_epoch(
            CIRCLE.object, EpochKeys.generate(RANDOM), {CIRCLE.epoch_id: ANA.keys}, {}, [], ROTATED, RANDOM
        )
        had = here.receipt(3, 3, epochs=[epoch.id])
        if not shown:
            here.words.take(had, 7)
            here.book.store.write(here.book.take_records([epoch.raw]).batch)
        fault = here.say(3, 3)
        if shown:
            assert here.words.take_shown([had], 7) is None
            here.book.store.write(here.book.take_records([epoch.raw]).batch)
            fault = here.words.arrived([], 7)

        assert fault is not None
        assert fault.epochs == (epoch.id,)
        assert fault.against is (Against.HIDDEN if shown else Against.HERE)
        assert not here.words.has_again(fault)
        here.again()
        assert here.words.faults == [fault]
        here.say(3, 3, epochs=[epoch.id])
        assert here.words.has_again(fault)


def test_older_words_show_for_how_long_something_was_hidden() -> None:
    """A log that goes on is signed for ever farther. Held against what another was told long ago, an older
    receipt for it still proves that it was kept from him then."""
    here = Scene()
    there = here.beside()
    there.take(here.receipt(1, 0, whole=False), 7)
    for seq in range(2, 7):
        for _ in range(3):
            there.take(here.receipt(1, seq), 7)
        if seq == 4:
            here.say(1, 1)
    fault = here.words.take_shown(there.to_show(), 7)

    assert here.missing(fault)[0][:2] == ("bob", 2)


def test_partial_words_are_kept_for_a_while_too() -> None:
    """Who writes has few whole receipts, and each segment replaces the receipt before: one that lies between
    two of what another was told is enough."""
    here = Scene()
    there = here.beside()
    there.take(here.receipt(0, 1, whole=False), 7)
    here.say(0, 0)
    there.take(here.receipt(0, 2, whole=False), 7)

    assert here.missing(here.words.take_shown(there.to_show(), 7)) == [("bob", 1, 1)]


def test_what_was_hidden_for_a_while_is_found() -> None:
    """Though the node shows all of it again when the members meet."""
    here = Scene()
    had = here.receipt(3, 5)
    here.say(3, 2)
    here.say(3, 5)

    assert here.missing(here.words.take_shown([had], 7)) == [("bob", 3, 5)]


def test_what_others_show_is_bounded() -> None:
    """A member may show any number of receipts that cannot be judged, and is shown no more than fits."""
    here = Scene(here=False)
    receipts = [here.receipt(3, 5) for _ in range(3 * MAX_SHOWN)]
    here.words.take_shown(receipts, 7)
    tips = [Tip(here.logs[0].log, seq, here.logs[0].segments[0].id) for seq in range(7, 900)]
    for number in range(500, 510):
        here.words.take(Receipt.issue(KEY, CIRCLE.object, number, tips, [CIRCLE.epoch_id]), 7)

    assert len(here.words._shown) <= MAX_SHOWN
    assert sum(len(receipt.tips) for receipt in here.words.to_show()) * 76 <= SHOWN_BYTES


ROTATED = Said(Rotate(), ANA.actor)
