"""What one object on one session still has to send."""

from __future__ import annotations

import random

from peergos_collab.codec.ids import SegmentId
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.sync.channel import Channel
from peergos_collab.sync.frames import SEGMENTS_PER_FRAME
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.rights import Rights
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger

RANDOM = random.Random(22).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE], RANDOM)


def log_of(count: int) -> Forger:
    forger = Forger(CIRCLE, CIRCLE.members[1].actor, RANDOM)
    for number in range(count):
        forger.write(b"%d" % number)
    return forger


def book_of(forger: Forger) -> LogBook:
    book = LogBook(CIRCLE.object, MemoryStore())
    book.store.write(book.take_records([*CIRCLE.records, forger.certificate]).batch)
    book.store.write(book.take_segments([segment.raw for segment in forger.segments]).batch)
    return book


def channel_of(book: LogBook) -> Channel:
    """To somebody who may have everything."""
    return Channel(book, Rights(book, b"", trusted=True))


def tip(forger: Forger, at: int) -> Tip:
    segment = forger.segments[at]
    return Tip(segment.log, segment.seq, segment.id)


def sent(channel: Channel) -> list[bytes]:
    raws: list[bytes] = []
    while (frame := channel.next_segments(1 << 20))[1]:
        raws += frame[1]
    return raws


def test_what_follows_its_heads_is_sent() -> None:
    """All, the rest, or nothing; each once, and the certificate before."""
    forger = log_of(4)
    raws = [segment.raw for segment in forger.segments]
    for tips, expected in (([], raws), ([tip(forger, 1)], raws[2:]), ([tip(forger, 3)], [])):
        channel = channel_of(book_of(forger))
        channel.set_tips(tips)

        assert sent(channel) == expected
        assert sent(channel) == []


def test_certificates_go_once() -> None:
    """With the first segments of their log; again after the other side compared heads anew."""
    forger = log_of(2)
    channel = channel_of(book_of(forger))
    channel.set_tips([])
    certificates, _ = channel.next_segments(1)

    assert [certificate.raw for certificate in certificates] == [forger.certificate]
    assert channel.next_segments(1)[0] == []


def test_who_is_ahead_is_sent_nothing() -> None:
    """A head beyond ours is taken to cover ours, until it turns out to be a fork."""
    forger = log_of(3)
    book = book_of(forger)
    ahead = [Tip(forger.log, 9, SegmentId(RANDOM(32)))]
    channel = channel_of(book)
    channel.set_tips(ahead)
    before = sent(channel)
    raw = forger.write_raw(forger.payload(b"fork"), after=1)
    offered = book.take_segments([raw])
    book.store.write(offered.batch)
    channel.tips[forger.log] = [tip(forger, 3)]
    for log in offered.forked:
        channel.note_forked(log)

    assert before == []
    assert sent(channel) == [segment.raw for segment in forger.segments[1:3]]


def test_both_branches_of_a_fork_are_sent() -> None:
    """The base before the branch."""
    forger = log_of(3)
    forger.write_raw(forger.payload(b"fork"), after=1)
    channel = channel_of(book_of(forger))
    channel.set_tips([])

    assert sorted(sent(channel)) == sorted(segment.raw for segment in forger.segments)


def test_a_branch_whose_base_may_not_leave_waits() -> None:
    """Without an endless loop."""
    forger = log_of(2)
    book = book_of(forger)
    forger.write_raw(forger.payload(b"fork"), after=1)
    book.store.write(book.take_segments([forger.segments[2].raw]).batch)
    book._unsettled[1] = 1
    channel = channel_of(book)
    channel.set_tips([])

    assert sent(channel) == []


def test_records_are_sent_once() -> None:
    """Those the other side did not name."""
    channel = channel_of(book_of(log_of(0)))
    channel.records = {CIRCLE.epoch_id}

    assert [record.raw for record in channel.next_records()] == [CIRCLE.grants[0].raw]
    assert channel.next_records() == []


def test_room_is_kept_to() -> None:
    """At least one segment, and then as many as fit."""
    forger = log_of(4)
    channel = channel_of(book_of(forger))
    channel.set_tips([])
    two = sum(len(segment.raw) for segment in forger.segments[1:3])

    assert [len(channel.next_segments(room)[1]) for room in (1, two, 1 << 20)] == [1, 2, 1]


def test_short_segments_of_many_logs_share_a_frame() -> None:
    """What several people wrote at once goes out at once; a long segment goes alone."""
    forgers = [log_of(1), log_of(1), log_of(1)]
    forgers[1].write(RANDOM(SEGMENTS_PER_FRAME))
    book = book_of(forgers[0])
    for forger in forgers[1:]:
        book.store.write(book.take_records([forger.certificate]).batch)
        book.store.write(book.take_segments([segment.raw for segment in forger.segments]).batch)
    channel = channel_of(book)
    channel.set_tips([])
    frames = []
    while raws := channel.next_segments(1 << 20)[1]:
        frames.append(len(raws))

    assert frames == [2, 1, 1]
