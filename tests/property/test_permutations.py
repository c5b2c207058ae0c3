"""Verdicts follow from the set of records and segments, not from the order in which they arrive."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.chat import Message, encode_events
from peergos_collab.codec.ids import LogId, RunId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.segments import Segment
from peergos_collab.sync.replica import Replica
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger, cite, replica_of, settle

RANDOM = random.Random(5).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE, Level.READ], RANDOM)
OTHER = make_circle(Kind.CHAT, [Level.WRITE], RANDOM)


def say(text: str, lamport: int) -> bytes:
    return encode_events(lamport, [Message(text)])


def history() -> tuple[list[bytes], list[bytes]]:
    """Records and segments of a small history, honest and not."""
    ana, bob, carol = (Forger(CIRCLE, member.actor, RANDOM) for member in CIRCLE.members)
    reader = Forger(CIRCLE, CIRCLE.members[2].actor, RANDOM, CIRCLE.members[2].keys.signing_key(Level.READ))
    stranger = Forger(OTHER, OTHER.members[0].actor, RANDOM)
    segments = [
        ana.write(say("one", 1)),
        ana.write(say("two", 2), first=2),
        bob.write(say("three", 3), cites=(cite(ana.segments[1]),)),
        bob.write(say("bad lamport", 9), first=2),
        bob.write(say("after it", 4), first=3),
        ana.write(say("four", 5), first=3, cites=(cite(bob.segments[2]),)),
        ana.write_raw(ana.payload(say("fork", 3), run=RunId(b"r" * 16)), after=2),
        carol.write(say("a reader speaks", 1)),
        carol.write(say("and again", 2), first=2),
        reader.write(say("with a false certificate", 1)),
        stranger.write(say("foreign", 1)),
        bob.write_raw(b"no payload"),
        bob.write(say("after nonsense", 6), first=4, cites=(cite(ana.segments[2]),)),
    ]
    spoiled = bytearray(ana.write(say("five", 6), first=4))
    spoiled[-1] ^= 1
    records = [
        *CIRCLE.records,
        *(forger.certificate for forger in (ana, bob, carol, reader)),
        OTHER.records[1],
    ]
    return records, [*segments, bytes(spoiled)]


RECORDS, SEGMENTS = history()


def take_all(order: Callable[[list[bytes]], None]) -> Replica:
    """A reader who gets everything in some order, and again until nothing is new: senders repeat."""
    replica = replica_of(CIRCLE, CIRCLE.members[2], RANDOM, MemoryStore(), CIRCLE.records[:1])
    items = [*RECORDS, *SEGMENTS]
    order(items)
    for _ in range(len(items)):
        new = 0
        for item in items:
            if item in SEGMENTS:
                taken = replica.take_segments([item], "memory").offered
            else:
                taken = replica.take_records([item])
                replica.deliver_waiting("memory")
            replica.store.write(taken.batch)
            new += len(taken.arrivals) + len(taken.records)
        if not new:
            break
    return replica


def verdict(replica: Replica) -> object:
    """Everything that all replicas must agree about."""
    timeline = replica.fold.timeline  # type: ignore[attr-defined]
    return (
        sorted(replica.book.tips()),
        sorted((aside.log, aside.seq, aside.name, aside.reason) for aside in replica.order.set_aside),
        sorted(replica.view.members),
        timeline.messages(0, len(timeline)),
        sorted((replica.book.numbered[number].log, number > 0) for number in replica.order.waiting),
    )


EXPECTED = verdict(take_all(lambda items: None))


def test_the_history_has_all_kinds_of_verdicts() -> None:
    """Without accepted, refused, quarantined and waiting segments the permutations would show little."""
    replica = take_all(lambda items: None)
    texts = [message.text for message in replica.fold.timeline.messages(0, 99)]  # type: ignore[attr-defined]

    assert {"one", "two", "three", "four", "fork", "after it", "after nonsense"} == set(texts)
    assert len(replica.order.set_aside) == 2
    assert len(replica.order.waiting) == 1
    assert len(replica.book.tips()) == 4


@given(st.randoms(use_true_random=False))
def test_any_order_gives_one_verdict(rng: random.Random) -> None:
    """Records and segments in any order, interleaved, give the same state and the same verdicts."""
    assert verdict(take_all(rng.shuffle)) == EXPECTED


@given(st.randoms(use_true_random=False))
def test_segments_before_the_grants(rng: random.Random) -> None:
    """A grant that comes last, as when a node holds it back, changes nothing in the end."""

    def grants_last(items: list[bytes]) -> None:
        rng.shuffle(items)
        items.sort(key=lambda item: item in [one.raw for one in CIRCLE.grants])

    assert verdict(take_all(grants_last)) == EXPECTED


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_of_a_fork(order: tuple[int, ...]) -> None:
    """Both branches of a forked log and their continuations are kept, whichever comes first."""
    ana = Forger(CIRCLE, CIRCLE.members[0].actor, RANDOM)
    raws = [
        ana.write(say("a", 1)),
        ana.write(say("b", 2), first=2),
        ana.write_raw(ana.payload(say("c", 2), first=2), after=1),
        ana.write_raw(ana.payload(say("d", 3), first=3), after=2),
    ]
    replica = replica_of(CIRCLE, CIRCLE.members[1], RANDOM)
    replica.store.write(replica.take_records([ana.certificate]).batch)

    for _ in range(4):
        for index in order:
            replica.store.write(replica.take_segments([raws[index]], "memory").offered.batch)

    assert len(replica.book.tips()) == 2
    assert {Segment.parse_untrusted(raw).id for raw in raws[2:]} == {tip.id for tip in replica.book.tips()}


def test_membership_in_every_order() -> None:
    """The view of who is in is the same, whatever order its records come in."""
    expected = replica_of(CIRCLE, CIRCLE.members[0], RANDOM).view
    for order in itertools.permutations(CIRCLE.records):
        other = replica_of(CIRCLE, CIRCLE.members[0], RANDOM, records=())
        other.take_records(order)

        assert other.view == expected


def test_one_change_number_with_two_contents() -> None:
    """Two segments that claim one number of one run leave everybody with the same, whichever comes first."""
    ana = Forger(CIRCLE, CIRCLE.members[0].actor, RANDOM)
    first = ana.write(say("a", 1))
    raws = [
        ana.write(say("this", 2), first=2),
        ana.write_raw(ana.payload(say("that", 2), first=2), after=1),
    ]
    verdicts = []
    for order in (raws, raws[::-1]):
        replica = replica_of(CIRCLE, CIRCLE.members[1], RANDOM)
        replica.store.write(replica.take_records([ana.certificate]).batch)
        for raw in (first, *order):
            replica.store.write(replica.take_segments([raw], "memory").offered.batch)
        settle(replica, CIRCLE, CIRCLE.members[1], RANDOM)
        verdicts.append(verdict(replica))

    assert verdicts[0] == verdicts[1]


def test_certificate_of_a_stranger_is_refused_in_any_order() -> None:
    """A certificate with a key that is not the epoch's write key is never kept."""
    log = LogId(SigningKey.generate(RANDOM).public)
    false = Certificate.issue(CIRCLE.object, CIRCLE.epoch_id, log, SigningKey.generate(RANDOM)).raw
    for items in itertools.permutations([CIRCLE.epoch.raw, false]):
        replica = replica_of(CIRCLE, CIRCLE.members[0], RANDOM)
        replica.take_records(items)

        assert (log, CIRCLE.epoch_id) not in replica.book.certificates
