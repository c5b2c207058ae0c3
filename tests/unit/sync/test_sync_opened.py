"""Segments that are opened ahead of their turn: as they are one by one, and each only once."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from peergos_collab.chat import Message, encode_events
from peergos_collab.errors import Damaged, RemoteProtocolError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind, Payload, decode_payload_untrusted
from peergos_collab.objects.segments import Segment, closed_segment
from peergos_collab.sync import opened
from peergos_collab.sync.opened import OpenedAhead
from support.circle import make_circle
from support.forge import Forger, cite, replica_of, settle, take_certificates

RANDOM = random.Random(31).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE, Level.WRITE, Level.READ], RANDOM)
ANA, BOB, READER = CIRCLE.members[:3]
KEYS = {CIRCLE.epoch_id: ANA.keys}
CONTENT = encode_events(0, [Message("x")])


def written(count: int) -> list[Segment]:
    forger = Forger(CIRCLE, ANA.actor, RANDOM)
    for number in range(count):
        forger.write(CONTENT, first=number + 1)
    return forger.segments


def test_each_is_opened_as_by_itself() -> None:
    """In order, with what is wrong with one in its place."""
    forger = Forger(CIRCLE, ANA.actor, RANDOM)
    for number in range(100):
        forger.write(CONTENT, first=number + 1)
    forger.write_raw(b"no payload")
    forger.write(CONTENT, first=101)

    found = list(OpenedAhead(forger.segments, KEYS))

    assert [segment for segment, _ in found] == forger.segments
    for segment, payload in found[:100] + found[101:]:
        assert payload == decode_payload_untrusted(segment.open(ANA.keys.content))
    assert isinstance(found[100][1], RemoteProtocolError)


def test_what_is_not_here_is_not_opened() -> None:
    """Neither what has no key, nor what has only a place."""
    segments = written(30)
    places = [closed_segment(each.place, each.id, each.signature) for each in segments]

    assert [payload for _, payload in OpenedAhead(segments, {})] == [None] * 30
    assert [payload for _, payload in OpenedAhead(places, KEYS)] == [None] * 30


def test_what_is_put_back_comes_next() -> None:
    """Wherever it stood."""
    segments = written(50)
    ahead = OpenedAhead(segments, KEYS)
    seen = []
    for segment, payload in ahead:
        seen.append(segment)
        ahead.put_back(segment, payload)
        assert next(ahead) == (segment, payload)

    assert seen == segments


@pytest.mark.parametrize("sound", [0, 1, 50])
def test_damage_shows_in_its_turn(sound: int) -> None:
    """All before it comes first, and nothing after it."""

    def damaged() -> Iterator[Segment]:
        yield from written(sound)
        raise Damaged("here")

    ahead = OpenedAhead(damaged(), KEYS)

    assert len([next(ahead) for _ in range(sound)]) == sound
    for _ in range(2):
        with pytest.raises(Damaged, match="here"):
            next(ahead)


def test_no_more_is_read_ahead_than_a_few_kilobytes() -> None:
    """What is packed small may be large: little of it is in memory at once."""
    read = []
    segments = written(200)
    next(OpenedAhead((read.append(segment) or segment for segment in segments), KEYS))  # type: ignore[func-returns-value]

    assert opened.AHEAD <= sum(len(segment.raw) for segment in read) < opened.AHEAD + 1024


@pytest.mark.parametrize("anew", [False, True])
def test_who_answer_each_other_are_opened_once(monkeypatch: pytest.MonkeyPatch, anew: bool) -> None:
    """Each segment waits for one of the other's: it is not read and opened again each time."""
    ana, bob = Forger(CIRCLE, ANA.actor, RANDOM), Forger(CIRCLE, BOB.actor, RANDOM)
    for number in range(60):
        for one, other in ((ana, bob), (bob, ana)):
            one.write(CONTENT, first=number + 1, cites=tuple(map(cite, other.segments[-1:])))
    reader = replica_of(CIRCLE, READER, RANDOM)
    take_certificates(reader, ana.certificate, bob.certificate)
    segments = ana.segments + bob.segments
    reader.store.write(reader.book.take_segments([segment.raw for segment in segments]).batch)
    opened_ones: list[bytes] = []
    read: list[int] = []

    def decode(padded: bytes) -> Payload:
        opened_ones.append(padded)
        return decode_payload_untrusted(padded)

    def stored(branch: int, start: int, most: int) -> list[bytes]:
        read.append(branch)
        return segments_of(branch, start, most)

    again = replica_of(CIRCLE, READER, RANDOM, reader.store)  # type: ignore[arg-type]
    segments_of = reader.store.segments
    monkeypatch.setattr(opened, "decode_payload_untrusted", decode)
    monkeypatch.setattr(reader.store, "segments", stored)
    if anew:
        again.order.unsettled = True
        settle(again, CIRCLE, READER, RANDOM)
    else:
        again.deliver_stored()

    assert list(again.order.applied.values()) == [60, 60]
    assert len(opened_ones) == 120
    assert len(read) == 2
