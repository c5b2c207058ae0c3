"""LamportClock: times, places and causal pasts of segments."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.codec.ids import SegmentId
from peergos_collab.errors import Damaged, LocalProtocolError
from peergos_collab.objects.chunks import HEAD, KEEP, Chunks
from peergos_collab.objects.lamport import PAGE, LamportClock, Page, Place
from support.histories import History, Written, author

ANA, BEN = author("Ana"), author("Ben")


def _note(clock: LamportClock, written: Written) -> Place:
    return clock.note(written.delivery, clock.past(written.delivery), written.lamport)


def test_a_segment_that_cites_nothing_has_an_empty_past() -> None:
    """The first segment of an object follows Lamport time 0."""
    clock = LamportClock(Chunks())
    past = clock.past(History().write(ANA, b"").delivery)

    assert past.latest == 0
    assert clock.next() == 1


def test_time_counts_from_the_highest_of_previous_and_cited() -> None:
    """The maximum is over the own log and all cited ones, not over the own log alone."""
    history, clock = History(), LamportClock(Chunks())
    first = history.write(ANA, b"")
    second = history.write(ANA, b"", after=first)
    other = history.write(BEN, b"")
    third = history.write(BEN, b"", after=other, cites=[second])
    for written in (first, second, other):
        _note(clock, written)

    assert clock.past(third.delivery).latest == 2


def test_a_segment_passed_by_adds_nothing_to_the_time() -> None:
    """A greeting counts as the maximum of what it cites."""
    history, clock = History(), LamportClock(Chunks())
    first = history.write(ANA, b"")
    _note(clock, first)
    hello = history.write(BEN, b"", cites=[first], passed_by=True)
    clock.note(hello.delivery, clock.past(hello.delivery))

    assert clock.next() == 2


def test_what_was_never_delivered_cannot_be_cited() -> None:
    """Delivering out of causal order is an error of the caller."""
    history, clock = History(), LamportClock(Chunks())
    first = history.write(ANA, b"")
    second = history.write(ANA, b"", after=first)
    other = history.write(BEN, b"", cites=[first])

    with pytest.raises(LocalProtocolError):
        clock.past(second.delivery)
    with pytest.raises(LocalProtocolError):
        clock.past(other.delivery)


def test_a_fork_is_a_branch_with_its_own_past() -> None:
    """Neither side of a fork has the other in its past; both have what came before."""
    history, clock = History(), LamportClock(Chunks())
    first = history.write(ANA, b"")
    left, right = history.write(ANA, b"", after=first), history.write(ANA, b"", after=first)
    places = {one.id: _note(clock, one) for one in (first, left, right)}
    after_right = history.write(ANA, b"", after=right)
    past = clock.past(after_right.delivery)

    assert past.covers(places[first.id])
    assert past.covers(places[right.id])
    assert not past.covers(places[left.id])
    assert all(clock.knows(one.delivery) for one in (first, left, right))
    assert not clock.knows(after_right.delivery)


def test_the_past_reaches_through_what_others_cited() -> None:
    """Citing one who had seen a segment is having seen it."""
    history, clock = History(), LamportClock(Chunks())
    first = history.write(ANA, b"")
    second = history.write(BEN, b"", cites=[first])
    unseen = history.write(ANA, b"", after=first)
    places = [_note(clock, one) for one in (first, second, unseen)]
    third = history.write(author("Cleo"), b"", cites=[second])

    assert clock.past(third.delivery).covers(places[0])
    assert not clock.past(third.delivery).covers(places[2])


def test_long_logs_span_pages_and_old_segments_are_found() -> None:
    """A segment may cite one far below a tip; its place and time are found on its page."""
    history, chunks = History(), Chunks()
    clock = LamportClock(chunks)
    ana = [history.write(ANA, b"")]
    while len(ana) < 2 * PAGE + 5:
        ana.append(history.write(ANA, b"", after=ana[-1]))
    places = [_note(clock, one) for one in ana]
    late = history.write(BEN, b"", cites=[ana[PAGE + 3]])
    past = clock.past(late.delivery)

    assert past.latest == PAGE + 4
    assert past.covers(places[PAGE + 3])
    assert past.covers(places[0])
    assert not past.covers(places[PAGE + 4])


@st.composite
def _histories(draw: st.DrawFn) -> History:
    history = History()
    for _ in range(draw(st.integers(1, 25))):
        who = draw(st.sampled_from([ANA, BEN, author("Cleo")]))
        own = [one for one in history.written if one.delivery.author == who]
        after = draw(st.sampled_from([None, *own, *own[-1:]]))
        cites = draw(st.lists(st.sampled_from(history.written), max_size=3)) if history.written else []
        log, passed_by = f"log {len(history.written)}", draw(st.booleans())
        history.write(who, b"", log=log, after=after, cites=cites, passed_by=passed_by)
    return history


@given(_histories(), st.randoms(use_true_random=False))
def test_pasts_are_the_same_in_any_order_and_after_a_restore(history: History, random: Random) -> None:
    """Every time and every past equals that of a plain closure, forks included, also from stored pages."""
    clock, places = LamportClock(Chunks()), dict[SegmentId, Place]()
    for one in history.causal_order(random):
        past = clock.past(one.delivery)
        covered = {other for other, place in places.items() if past.covers(place)}

        assert covered == set(one.past)
        places[one.id] = clock.note(one.delivery, past, one.lamport)
        clock = _restored(clock)
    assert clock.latest == max(one.lamport for one in history.written)


def _restored(clock: LamportClock) -> LamportClock:
    chunks = Chunks(following=clock._chunks.following)
    for number, raw in clock._chunks.all():
        chunks.put(number, raw)
    again = LamportClock(chunks)
    again.restore(clock.head())
    return again


def test_cold_chunks_are_dropped_and_loaded_again() -> None:
    """With a store behind them only KEEP chunks stay in memory, and a change made before is still there."""
    store: dict[int, bytes] = {}
    chunks = Chunks(store.__getitem__)
    numbers = [chunks.add(Page({9: at})) for at in range(KEEP + 20)]
    store.update(chunks.take_dirty())
    chunks.trim()

    assert HEAD not in store
    assert len(chunks._open) == KEEP
    assert not chunks._raw
    assert [chunks.get(number, Page).known for number in numbers] == [{9: at} for at in range(KEEP + 20)]


def test_a_changed_chunk_survives_getting_cold_before_it_is_stored() -> None:
    """What is not handed out yet is kept, encoded."""
    chunks = Chunks(dict[int, bytes]().__getitem__)
    numbers = [chunks.add(Page({9: at})) for at in range(KEEP + 20)]
    chunks.trim()

    assert chunks.get(numbers[0], Page).known == {9: 0}
    assert set(chunks.take_dirty()) == set(numbers)


def test_a_damaged_chunk_is_named() -> None:
    """Bytes that are no page raise Damaged, not what the decoder happened to stumble over."""
    chunks = Chunks({1: b"\x01", 2: b"nonsense"}.__getitem__, following=3)

    for number in (1, 2):
        with pytest.raises(Damaged, match=str(number)):
            chunks.get(number, Page)
