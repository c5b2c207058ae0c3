"""Archives whose keys are not here: their segments have their place, and no content until the keys come."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, SegmentId
from peergos_collab.errors import Damaged
from peergos_collab.objects.archives import Archive, pack_archive
from peergos_collab.objects.epoch_keys import EpochKeys
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.objects.segments import Segment
from peergos_collab.ports import PutValue
from peergos_collab.sync.archived import ARCHIVES
from peergos_collab.sync.archiving import pack_before, take_packed
from peergos_collab.sync.arrivals import Offered
from peergos_collab.sync.channel import Channel
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.rights import Rights
from peergos_collab.testing.store import MemoryStore
from support.members import Group
from support.shelves import Log

RANDOM = random.Random(46).randbytes
GROUP = Group(["Ana"], RANDOM)
EPOCH: EpochId = GROUP.first.id
KEYS: EpochKeys = GROUP["Ana"].membership.keys[EPOCH]
LATER, SAID = EpochKeys.generate(RANDOM), Said(Rotate(), GROUP["Ana"].maker.actor)
LOG = Log(GROUP.object, RANDOM)
for _number in range(20):
    LOG.write(EPOCH, KEYS, b"keystroke %d" % _number)
FIRST, SECOND = (pack_archive(LOG.segments[at : at + 8], KEYS.content) for at in (0, 8))


class Reader:
    """A book without keys."""

    def __init__(self, *, certified: bool = True) -> None:
        self.store = MemoryStore()
        self.book = LogBook(GROUP.object, self.store)
        records = [record.raw for record in GROUP["Ana"].records]
        certificate = [LOG.certificate(EPOCH, KEYS)] if certified else []
        self.store.write(self.book.take_records([*records, *certificate]).batch)

    def take(self, *what: Archive | Segment) -> Offered:
        """The last answer."""
        offered = Offered()
        for each in what:
            one = isinstance(each, Segment)
            offered = self.book.take_segments([each.raw]) if one else self.book.take_closed(each)  # type: ignore[arg-type]
            self.store.write(offered.batch)
        return offered

    @property
    def ids(self) -> list[SegmentId]:
        """Of all that is stored, as who starts anew finds it."""
        book = LogBook.as_stored(GROUP.object, self.store)
        assert book.tips() == self.book.tips()
        return [each.id for branch in book.numbered.values() for each in book.stored(branch, branch.first)]


IDS = [segment.id for segment in LOG.segments]


def test_archives_and_then_single_segments() -> None:
    """All have their ids, in their order, and only the latter a body."""
    reader = Reader()
    offered = reader.take(FIRST, SECOND)
    reader.take(*LOG.segments[16:])
    (branch,) = reader.book.numbered.values()

    assert [arrival.segment.id for arrival in offered.arrivals] == IDS[8:16]
    assert not any(arrival.segment.is_here for arrival in offered.arrivals)
    assert reader.ids == IDS
    assert [reader.book.id_at(branch, seq) for seq in range(1, 21)] == IDS
    assert [each.is_here for each in reader.book.stored(branch, 1)] == [False] * 16 + [True] * 4
    assert reader.book.read(branch, 3, 1 << 20) == []


def test_the_key_comes_later() -> None:
    """Then they are segments as ever."""
    reader = Reader()
    reader.take(FIRST, SECOND)
    reader.book.archived.keys = {EPOCH: KEYS}
    (branch,) = reader.book.numbered.values()

    assert list(reader.book.stored(branch, 1)) == LOG.segments[:16]


def test_what_was_here_one_by_one_lies_in_it() -> None:
    """The archive takes its place, and brings only what is new."""
    reader = Reader()
    reader.take(*LOG.segments[:5])
    offered = reader.take(FIRST)

    assert [arrival.segment.id for arrival in offered.arrivals] == IDS[5:8]
    assert reader.ids == IDS[:8]
    assert reader.take(FIRST).arrivals == []


@pytest.mark.parametrize("had", [8, 10])
def test_archives_lie_in_front(had: int) -> None:
    """Single segments before one are given up, and come again in theirs."""
    reader = Reader()
    reader.take(*LOG.segments[:had])
    offered = reader.take(SECOND)
    assert offered.gaps == {LOG.id}
    assert reader.ids == []
    reader.take(FIRST, SECOND)

    assert reader.ids == IDS[:16]


class Parted(Reader):
    """With keys for the first eight segments of a log, and none for the eight in ``closed``."""

    def __init__(self) -> None:
        super().__init__()
        later = next_epoch(GROUP.object, LATER, {EPOCH: KEYS}, {}, [], SAID, RANDOM)
        self.log = Log(GROUP.object, RANDOM)
        certificates = [self.log.certificate(EPOCH, KEYS), self.log.certificate(later.id, LATER)]
        self.store.write(self.book.take_records([later.raw, *certificates]).batch)
        for number in range(16):
            epoch, keys = (EPOCH, KEYS) if number < 8 else (later.id, LATER)
            self.log.write(epoch, keys, b"keystroke %d" % number)
        self.closed = pack_archive(self.log.segments[8:], LATER.content)
        self.book.archived.keys = {EPOCH: KEYS}
        self.take(*self.log.segments[:8])

    def take(self, *what: Archive | Segment) -> Offered:
        for each in what:
            while isinstance(each, Archive) and (packed := pack_before(self.book, each)) is not None:
                self.store.write(take_packed(self.book, packed))
        return super().take(*what)


def test_what_can_be_read_is_not_given_up_for_one() -> None:
    """It is packed here, and lies in front of it as well."""
    reader = Parted()
    offered = reader.take(reader.closed)
    (branch,) = reader.book.numbered.values()

    assert [arrival.segment.id for arrival in offered.arrivals] == list(reader.closed.ids)
    assert reader.ids == [segment.id for segment in reader.log.segments]
    assert list(reader.book.stored(branch, 1))[:8] == reader.log.segments[:8]


def test_what_can_be_read_and_not_packed_stays_alone() -> None:
    """Whoever gives an archive, a hostile node perhaps, would not have to give what was here again."""
    reader = Parted()
    reader.take(reader.log.segments[8])
    reader.log.segments[9:] = []
    reader.log.write(EPOCH, KEYS)
    reader.take(reader.log.segments[9])
    after = pack_archive([reader.log.write(reader.closed.epoch, LATER) for _ in range(3)], LATER.content)

    assert reader.take(after).gaps == {reader.log.id}
    assert reader.ids == [segment.id for segment in reader.log.segments[:10]]


def test_one_whose_keys_are_here_is_not_closed() -> None:
    """They came after it was asked for: opened, it shows whether it holds what it says."""
    reader = Reader()
    reader.take(*LOG.segments[:5])
    reader.book.archived.keys = {EPOCH: KEYS}

    assert reader.take(FIRST).gaps == {LOG.id}
    assert reader.ids == IDS[:5]


def test_a_fork_that_ends_before_what_is_here() -> None:
    """Both begin alike; the one that is here does not go on in it."""
    reader, fork = Reader(), Log(GROUP.object, RANDOM)
    reader.take(*LOG.segments[:8])
    fork.key, fork.segments = LOG.key, LOG.segments[:4]
    fork.write(EPOCH, KEYS, b"elsewhere")

    assert reader.take(pack_archive(fork.segments, KEYS.content)).gaps == {LOG.id}


def test_other_pieces_of_the_same_log() -> None:
    """Where two nodes have it in archives that begin elsewhere, one of them counts."""
    reader = Reader()
    reader.take(FIRST)
    whole = pack_archive(LOG.segments[:16], KEYS.content)
    assert reader.take(whole).gaps == {LOG.id}
    reader.take(whole)

    assert reader.ids == IDS[:16]


def test_a_gap_is_a_gap() -> None:
    """Nothing is kept that follows nothing."""
    reader = Reader()

    assert reader.take(SECOND).gaps == {LOG.id}
    assert reader.ids == []


def test_nobody_certified_the_log() -> None:
    """Then it is not kept."""
    reader = Reader(certified=False)

    assert reader.take(FIRST).gaps == {LOG.id}
    assert reader.ids == []


def test_who_may_not_give_it() -> None:
    """By the epochs he proved."""
    reader = Reader()
    offered = reader.book.take_closed(FIRST, 0)

    assert offered.barred
    assert offered.batch == []


def test_a_false_signature() -> None:
    """Anywhere in it: it would be passed on."""
    prefix, proofs, sealed = decode_untrusted(FIRST.raw, 1 << 20)
    spoiled = proofs[:96] + bytes([proofs[96] ^ 1]) + proofs[97:]
    reader = Reader()

    assert reader.take(Archive.parse_untrusted(encode([prefix, spoiled, sealed]))).refused != []
    assert reader.ids == []


def test_a_fork_from_within_one() -> None:
    """Its base is in the archive."""
    reader = Reader()
    reader.take(FIRST, SECOND)
    fork = Log(GROUP.object, RANDOM)
    fork.key, fork.segments = LOG.key, LOG.segments[:5]
    reader.take(other := fork.write(EPOCH, KEYS, b"elsewhere"))

    assert len(reader.book.numbered) == 2
    assert set(reader.ids) == {*IDS[:16], other.id}


def test_it_is_passed_on_as_it_is() -> None:
    """To members; a node takes single segments only, so another member has to give it those."""
    reader = Reader()
    reader.take(FIRST, SECOND, *LOG.segments[16:])

    def given(*, takes_archives: bool) -> tuple[list[bytes], int]:
        rights = Rights(reader.book, b"", trusted=True)
        channel = Channel(reader.book, rights, takes_archives=takes_archives)
        channel.set_tips([])
        archives, singles = [], 0
        while channel.dirty:
            closed = channel.next_closed()
            if closed is not None:
                archives.append(closed[1].raw)
            else:
                singles += len(channel.next_segments(1 << 20)[1])
        return archives, singles

    assert given(takes_archives=True) == ([FIRST.raw, SECOND.raw], 4)
    assert given(takes_archives=False) == ([], 0)


def test_one_that_is_another_on_the_disk() -> None:
    """Damage is found by its last signature, and by what it follows."""
    reader = Reader()
    reader.take(FIRST, SECOND)
    (key, raw), *_ = reader.store.values(ARCHIVES)
    prefix, proofs, sealed = decode_untrusted(raw, 1 << 20)
    proofs = proofs[: 7 * 96] + bytes(64) + proofs[7 * 96 + 64 :]
    reader.store.write([PutValue(ARCHIVES, key, encode([prefix, proofs, sealed]))])
    with pytest.raises(Damaged):
        _ = reader.ids


def test_a_changed_object_is_no_archive_of_this_one() -> None:
    """Whatever it holds."""
    reader = Reader()
    other = replace(FIRST, object=type(FIRST.object)(bytes(32)))

    assert reader.take(other).arrivals == []
    assert reader.ids == []
