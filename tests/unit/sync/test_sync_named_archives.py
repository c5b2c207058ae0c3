"""What a prune record names, compared with what is here; and what one would name."""

from __future__ import annotations

import random
from dataclasses import replace

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import LogId
from peergos_collab.crypto import ContentKey, Tag, copen, cseal
from peergos_collab.objects.archives import Archive, husk_of, pack_archive
from peergos_collab.objects.prunes import Replaced
from peergos_collab.sync.archiving import Packed, take_packed
from peergos_collab.sync.husks import Husked, take_husks
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.named_archives import holds, is_begun, is_gone, is_own, made_here
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


def with_husks(*husks: Archive) -> LogBook:
    """All segments, but for those of which only a husk is left."""
    book = book_of(20)
    for husk in husks:
        book.store.write(take_husks(book, Husked(next(iter(book.numbered)), (husk,))))
    return book


def test_what_holds_what_is_forgotten_here() -> None:
    """Husks show enough: another content has another id, and another signature is no segment's."""
    for book in (with_husks(FIRST.husk()), with_husks(husk_of(LOG.segments[:5]))):
        prefix, proofs, sealed = decode_untrusted(FIRST.raw, 1 << 20)
        unsigned = cseal(
            CONTENT,
            Tag.ARCHIVE,
            copen(CONTENT, Tag.ARCHIVE, sealed, prefix + proofs),
            prefix + bytes(64) + proofs[64:],
            RANDOM,
        )
        forged = Archive.parse_untrusted(encode([prefix, bytes(64) + proofs[64:], unsigned]))

        assert forged.ids == FIRST.ids
        assert not is_own(book, KEYS, Replaced.by(FIRST))
        assert holds(book, KEYS, FIRST) is True
        assert holds(book, KEYS, forged) is False
        assert holds(book, KEYS, other_words()) is False


def test_what_is_gone_needs_no_look() -> None:
    """All of it is forgotten here, and is to be: where both is so, and of nothing that goes beyond it."""
    book, named = with_husks(FIRST.husk()), Replaced.by(FIRST)
    (number,) = book.numbered

    assert is_gone(book, named, {number: 8})
    assert not is_gone(book, named, {number: 7})
    assert not is_gone(book, named, {})
    assert not is_gone(book_of(20), named, {number: 8})
    assert not is_gone(book, Replaced.by(SECOND), {number: 16})
    assert not is_gone(book, replace(named, last=9), {number: 9})
    assert not is_gone(book, replace(named, last=21), {number: 30})
    assert not is_gone(book, replace(named, log=LogId(bytes(32))), {number: 8})


def test_what_is_forgotten_in_part() -> None:
    """Its first segment is, and all of them are known here."""
    book = with_husks(husk_of(LOG.segments[:5]))

    assert is_begun(book, Replaced.by(FIRST))
    assert not is_begun(book, Replaced.by(SECOND))
    assert not is_begun(book, replace(Replaced.by(FIRST), last=21))
    assert not is_begun(book_of(20), Replaced.by(FIRST))


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
