"""With people removed, lowered and gone, verdicts still follow from the set of records and segments."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.op_kinds import Leave, Target
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.segments import Segment
from support.members import Group
from support.replicas import Chatting, meet

NAMES = ["Ana", "Bob", "Cem", "Eve", "Fay"]
RANDOM = random.Random(66).randbytes


def story() -> tuple[Group, list[bytes], list[bytes], list[str]]:
    """A chat with a removal, a removal beside it, a departure, and people who will not hear of them."""
    group = Group(NAMES, RANDOM, Kind.CHAT)
    group.add("Ana", "Bob", Level.ADMIN)
    for name in NAMES[2:]:
        group.add("Ana", name, Level.WRITE, "Bob")
    group.meet()
    ana, bob, cem, eve, fay = people = [Chatting(group, group[name], RANDOM) for name in NAMES]

    def remove(by: Chatting, who: Chatting) -> None:
        maker = by.replica.seat.maker
        by.know(maker.remove([Target(who.person.id, closes=tuple(maker.closes(who.person.id, b"")))]))

    ana.say("a1")
    eve.say("e1")
    meet(*people)
    eve.say("e2 which only Cem sees in time")
    eve.tell(cem)
    cem.say("c1 built on e2")
    fay.say("f1")
    fay.tell(ana)
    remove(ana, eve)
    remove(bob, fay)  # without having seen f1
    eve.say("e3 late")
    eve.replica.store.write([eve.replica.own.retire()])
    eve.say("e4 late, in a fresh log")
    fay.say("f2 late")
    ana.say("a2 built on f1")
    meet(ana, bob)
    bob.say("b1 under merged keys")
    maker = cem.replica.seat.maker
    leave = maker.leave(Leave(tuple(maker.closes(cem.person.id, b""))))
    cem.say("c2 after leaving")
    for one in (ana, bob):
        one.know(leave)
        one.take(*cem.all())
    ana.say("a3 after Cem left")
    records: dict[bytes, None] = {}
    segments: dict[bytes, None] = {}
    for one in people:
        more = one.all()
        records.update(dict.fromkeys(more[0]))
        segments.update(dict.fromkeys(more[1]))
    expected = [
        "a1", "e1", "e2 which only Cem sees in time", "c1 built on e2", "f1", "a2 built on f1",
        "b1 under merged keys", "a3 after Cem left",
    ]  # fmt: skip
    return group, list(records), list(segments), sorted(expected)


GROUP, RECORDS, SEGMENTS, EXPECTED = story()


IS_SEGMENT = set(SEGMENTS)


def take_all(name: str, items: list[bytes]) -> Chatting:
    """Somebody on a new disk gets everything in some order, again until nothing is new: senders repeat."""
    reader = Chatting(GROUP, GROUP[name], RANDOM, told=False)
    for item in items:
        reader.take(*(([], [item]) if item in IS_SEGMENT else ([item], [])))
    before: object = None
    while before != (before := held(reader)):
        reader.take([item for item in items if item not in IS_SEGMENT], [i for i in items if i in IS_SEGMENT])
    return reader.again() if reader.replica.unsettled else reader


def held(reader: Chatting) -> object:
    book = reader.replica.book
    return sorted(book.tips()), len(book.membership_records()), len(book.certificates)


def verdict(reader: Chatting) -> object:
    """Everything that all must agree about."""
    timeline, order = reader.fold.timeline, reader.replica.order
    waiting = {order.book.numbered[number].log: order.applied.get(number, 0) for number in order.waiting}
    return timeline.messages(0, len(timeline)), order.set_aside, sorted(waiting.items()), reader.replica.view


def test_the_story_has_all_kinds_of_verdicts() -> None:
    """Accepted, built upon, late, on fresh logs: without them the permutations would show little."""
    reader = take_all("Bob", [*RECORDS, *SEGMENTS])
    late = [segment for segment in map(Segment.parse_untrusted, SEGMENTS) if segment.epoch == GROUP.first.id]

    assert sorted(reader.texts) == EXPECTED
    assert len(late) > len(EXPECTED) - 2
    assert len(reader.replica.order.waiting) == 4


WHOLE = verdict(take_all("Bob", [*RECORDS, *SEGMENTS]))


@given(st.randoms(use_true_random=False))
def test_any_order_gives_one_verdict(rng: random.Random) -> None:
    """Records, certificates and segments in any order, interleaved."""
    items = [*RECORDS, *SEGMENTS]
    rng.shuffle(items)

    assert verdict(take_all("Bob", items)) == WHOLE


@given(st.randoms(use_true_random=False))
def test_a_node_that_hands_out_removals_last(rng: random.Random) -> None:
    """Withheld until the end, they change what was believed meanwhile into the same."""
    items = [*RECORDS, *SEGMENTS]
    rng.shuffle(items)
    items.sort(key=lambda item: item not in IS_SEGMENT and len(item) > 256 and item not in ADDS)

    assert verdict(take_all("Bob", items)) == WHOLE


ADDS = {GROUP.first.raw, *(grant.raw for grant in GROUP["Eve"].records)}
