"""What a prune record names, compared with what is here; and what one would name."""

from __future__ import annotations

import random
from dataclasses import replace

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import ContentKey, Tag, cseal
from peergos_collab.objects.archives import Archive, pack_archive
from peergos_collab.objects.prunes import Replaced
from peergos_collab.sync.archiving import Packed, take_packed
from peergos_collab.sync.husks import Husked, take_husks
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.named_archives import holds, is_own, made_here
from peergos_collab.testing.store import MemoryStore
from support.members import Group
from support.shelves import Log

RANDOM = random.Random(47).randbytes
GROUP = Group(["Ana"], RANDOM)
EPOCH = GROUP.first.id
KEYS = {EPOCH: GROUP["Ana"].membership.keys[EPOCH]}
CONTENT: ContentKey = KEYS[EPOCH].content
LOG = Log(GROUP.object, RANDOM)
for _number in range(20):
    LOG.write(EPOCH, KEYS[EPOCH], b"keystroke %d" % _number)
FIRST, SECOND = (pack_archive(LOG.segments[at : at + 8], CONTENT) for at in (0, 8))


def book_of(count: int, *archives: Archive) -> LogBook:
    """With some segments, and archives in place of the first of them."""
    store = MemoryStore()
    book = LogBook(GROUP.object, store)
    records = [record.raw for record in GROUP["Ana"].records]
    store.write(book.take_records([*records, LOG.certificate(EPOCH, KEYS[EPOCH])]).batch)
    store.write(book.take_segments([segment.raw for segment in LOG.segments[:count]]).batch)
    for archive in archives:
        (branch,) = book.numbered.values()
        store.write(take_packed(book, Packed(branch.number, archive)))
    book.archived.keys = KEYS
    return book


def other_words() -> Archive:
    """What shows the same segments and holds others."""
    prefix, proofs, _ = decode_untrusted(FIRST.raw, 1 << 20)
    sealed = cseal(CONTENT, Tag.ARCHIVE, b"nothing that unpacks", prefix + proofs, RANDOM)
    return Archive.parse_untrusted(encode([prefix, proofs, sealed]))


def test_who_has_the_same_segments_makes_the_same_archive() -> None:
    """Whether they lie in one here, in other ones, or one by one."""
    named = Replaced.by(FIRST)
    whole = pack_archive(LOG.segments[:16], CONTENT)

    assert is_own(book_of(20, FIRST, SECOND), KEYS, named)
    assert is_own(book_of(20, whole), KEYS, named)
    assert is_own(book_of(20), KEYS, named)


def test_another_archive_is_not_ones_own() -> None:
    """Nor is one of segments, or under keys, that are not here."""
    named = Replaced.by(FIRST)

    assert not is_own(book_of(20, FIRST), KEYS, replace(named, archive=bytes(32)))
    assert not is_own(book_of(20), KEYS, replace(named, archive=bytes(32)))
    assert not is_own(book_of(7), KEYS, named)
    assert not is_own(book_of(20), {}, named)


def test_what_holds_the_segments_that_are_here() -> None:
    """Bit for bit; where they are not, or its keys are not, nothing can be said."""
    false = other_words()
    assert false.ids == FIRST.ids

    assert holds(book_of(20), KEYS, FIRST) is True
    assert holds(book_of(20, FIRST, SECOND), KEYS, FIRST) is True
    assert holds(book_of(20), KEYS, false) is False
    assert holds(book_of(7), KEYS, FIRST) is None
    assert holds(book_of(20), {}, FIRST) is None


def test_a_record_would_name_what_lies_in_archives_here() -> None:
    """Up to where something has to stay as it is, and nothing that is closed here, or forgotten."""
    book = book_of(20, FIRST, SECOND)

    assert made_here(book, {}) == [(Replaced.by(each), len(each.raw)) for each in (FIRST, SECOND)]
    assert [each for each, _ in made_here(book, {LOG.id: 17})] == [Replaced.by(FIRST), Replaced.by(SECOND)]
    assert [each for each, _ in made_here(book, {LOG.id: 16})] == [Replaced.by(FIRST)]
    assert made_here(book, {LOG.id: 8}) == []
    (branch,) = book.numbered.values()
    book.store.write(take_husks(book, Husked(branch.number, (FIRST.husk(),))))
    assert [each for each, _ in made_here(book, {})] == [Replaced.by(SECOND)]
    book.archived.keys = {}
    assert made_here(book, {}) == []
