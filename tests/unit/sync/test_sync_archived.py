"""Archives on one's own disk: nothing is lost, nobody else sees anything of it, and damage is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peergos_collab.codec.ids import SegmentId
from peergos_collab.errors import Damaged
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.segments import Segment
from peergos_collab.ports import PutValue
from peergos_collab.sync import archived, archiving
from peergos_collab.sync.archived import ARCHIVES
from peergos_collab.sync.archiving import pack_next, put_back, take_packed
from peergos_collab.sync.channel import Channel
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.rights import Rights
from support.hidden_texts import Table, Writing
from support.simulation import copy_store


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of seven segments, and the newest five of a log stay as they are."""
    monkeypatch.setattr(archiving, "KEEP", 5)
    monkeypatch.setattr(archiving, "MAX_SEGMENTS", 7)


def long(names: str = "ab", count: int = 40) -> Table:
    """Two writers by turns, 40 segments each and more."""
    table = Table(names)
    table.add("a", "b")
    table.meet("ab")
    for number in range(count):
        for name in "ab":
            table[name].write(0, f"{name}{number} ")
            table[name].tell(table["b" if name == "a" else "a"])
    return table


def raws(one: Writing) -> dict[bytes, list[bytes]]:
    """All segments of each log, as they are read from the disk."""
    book = LogBook.load(one.group.object, one.store)
    book.archived.keys = one.replica.keys
    return {
        branch.log: [segment.raw for segment in book.stored(branch, branch.first)]
        for branch in book.numbered.values()
    }


def test_nothing_is_lost_and_it_takes_less_room() -> None:
    """Every segment is read as before, by who has it in use and after a start; so is the text."""
    table = long()
    a = table["a"]
    before, text = raws(a), a.text
    stored = sum(len(op.raw) for ops in a.store._durable.segments.values() for op in ops)
    assert a.archive() == 8
    left = sum(len(op.raw) for ops in a.store._durable.segments.values() for op in ops)
    packed = sum(len(raw) for _, raw in a.store.values(ARCHIVES))

    assert raws(a) == before
    assert (left + packed) * 3 < stored * 2  # archives of seven: their own 300 bytes weigh a lot
    tips = a.replica.book.tips()
    a.start()
    assert a.text == text
    assert a.replica.book.tips() == tips
    assert a.replica.order.set_aside == []
    a.fold_anew()
    assert a.text == text
    a.write(0, "after ")
    a.tell(table["b"])
    assert table["b"].text == a.text


def test_the_ids_of_a_few_archives_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those asked for last; all others are read again."""
    monkeypatch.setattr(archived, "_KNOWN", 2)
    a = long()["a"]
    before = {log: [Segment.parse_untrusted(raw).id for raw in log_raws] for log, log_raws in raws(a).items()}
    a.archive()
    book = a.replica.book
    for branch in book.numbered.values():
        for seq in (*range(branch.first, branch.tip + 1), branch.first):
            assert book.id_at(branch, seq) == before[branch.log][seq - 1]

    assert len(book.archived._ids) == 2


def test_the_first_and_the_last_id_cost_no_look_at_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each opening asks for them, of each log; the same where the others are known."""
    a = long()["a"]
    before = {log: [Segment.parse_untrusted(raw).id for raw in log_raws] for log, log_raws in raws(a).items()}
    a.archive()
    branches = [branch for branch in a.replica.book.numbered.values() if branch.kept > branch.first]
    for known in (False, True):
        book = LogBook.load(a.group.object, a.store)
        for branch in branches:
            span = book.archived.span_at(branch.number, branch.first)
            assert span is not None
            if known:
                book.id_at(branch, span.first + 1)
            else:
                monkeypatch.setattr(archived.Archive, "parse_untrusted", None)
            for seq in (span.first, span.last):
                assert book.id_at(branch, seq) == before[branch.log][seq - 1]
        monkeypatch.undo()

    assert len(branches) == 2


def test_who_lacks_all_or_half_is_given_it() -> None:
    """Segments as ever, with signatures that hold: others need not know of archives."""
    table = long("abc")
    a = table["a"]
    table.add("a", "c")
    records, logs = a.all()
    table["c"].take(records, [raw for log in logs for raw in log[:10]])
    assert a.archive() > 0
    channel = Channel(a.replica.book, Rights(a.replica.book, b"", trusted=True))
    channel.set_tips(table["c"].replica.book.tips())
    sent: list[bytes] = []
    while channel.dirty:
        sent += channel.next_segments(2_000)[1]
    lacking = sum(len(log) for log in logs) - sum(len(log[:10]) for log in logs)

    assert len(sent) == lacking
    assert [Segment.parse_untrusted(raw).verify().raw for raw in sent] == sent
    table["c"].take([], sent)
    assert table["c"].text == a.text


def test_who_has_a_part_of_an_archive_is_recognised() -> None:
    """Heads within one are known by their ids, and others are not."""
    table = long()
    a, (own, *_) = table["a"], table["b"].all()[1]
    assert a.archive() > 0
    segment = Segment.parse_untrusted(own[3])
    (branch,) = a.replica.book.branches[segment.log]
    channel = Channel(a.replica.book, Rights(a.replica.book, b"", trusted=True))
    channel.set_tips([Tip(segment.log, segment.seq, segment.id)])

    assert channel.has[branch.number] == segment.seq
    assert a.replica.book.find(segment.log, segment.seq, bytes(32)) is None


def test_a_fork_from_within_an_archive_counts() -> None:
    """Here a home of before writes on: both branches are kept, and both texts."""
    table = long("ab", 4)
    a, b = table["a"], table["b"]
    old = Writing(table.group, b.person, table.rng)
    old.store = copy_store(b.store)
    old.start()
    for number in range(30):
        b.write(0, f"b{number + 4} ")
        b.tell(a)
    assert a.archive() > 2
    old.write(0, "forked ")
    old.tell(a)

    assert len(a.replica.book.numbered) == 3
    assert "forked " in a.text
    assert "b33 " in a.text
    assert a.replica.order.waiting == ()
    a.start()
    assert "forked " in a.text


def test_a_late_segment_that_cites_what_is_archived() -> None:
    """It is applied like any other."""
    table = long("abc", 4)
    a, c = table["a"], table["c"]
    table.add("a", "c")
    a.tell(c)
    c.write(0, "late ")
    for number in range(30):
        a.write(0, f"a{number + 4} ")
    assert a.archive() > 2
    c.tell(a)

    assert "late " in a.text
    assert a.replica.order.waiting == ()


def test_a_log_that_ends_within_an_archive() -> None:
    """What a removed member wrote beyond it, and nobody built upon, falls away as without archives."""
    table = Table("abcd")
    for name in "bcd":
        table.add("a", name, Level.ADMIN if name == "b" else Level.WRITE)
    table.meet("abcd")
    a, b, c, d = (table[name] for name in "abcd")
    c.write(0, "early ")
    c.tell(b)
    for number in range(30):
        c.write(0, f"c{number} ")
    c.tell(a)
    c.tell(d)
    assert a.archive() > 2
    b.remove(c)
    for one in (a, d):
        b.tell(one)
        one.settle()

    assert a.text == d.text == b.text == "early "


def test_an_archive_that_is_damaged_is_fetched_again() -> None:
    """It and what follows in its log; then all is as before."""
    table = long()
    a, b = table["a"], table["b"]
    before, text = raws(a), a.text
    assert a.archive() > 4
    key, raw = list(a.store.values(ARCHIVES))[2]
    a.store.write([PutValue(ARCHIVES, key, raw[:-1] + bytes([raw[-1] ^ 1]))])
    a.store.flush()
    with pytest.raises(Damaged):
        raws(a)
    a.start()
    assert a.replica.damage
    assert a.text != text
    b.tell(a)

    assert a.text == text
    assert raws(a) == before
    a.start()
    assert a.text == text
    assert not a.replica.damage


@pytest.mark.parametrize("which", [0, 2, -1])
def test_an_archive_that_is_gone_is_fetched_again(which: int) -> None:
    """The first of a log, one in the middle, or the last: its log ends before it until then."""
    table = long()
    a, b = table["a"], table["b"]
    before, text = raws(a), a.text
    assert a.archive() > 4
    key, _ = list(a.store.values(ARCHIVES))[which]
    a.store.write([PutValue(ARCHIVES, key, None)])
    a.store.flush()
    a.start()
    assert a.replica.damage
    b.tell(a)

    assert a.text == text
    assert raws(a) == before
    a.start()
    assert a.text == text
    assert [branch.first for branch in a.replica.book.numbered.values()] == [1, 1]


def test_what_the_disk_refuses_leaves_all_as_it_was() -> None:
    """The segments are still there, and are archived another time."""
    table = long()
    a = table["a"]
    before, book = raws(a), a.replica.book
    branch = next(branch for branch in book.numbered.values() if archiving.is_due(branch))
    packed = pack_next(book, branch, a.replica.keys)
    assert packed is not None
    a.store.write(take_packed(book, packed))
    a.store.fail()
    put_back(book, packed)

    assert branch.kept == branch.first
    assert book.archived.span_at(branch.number, branch.first) is None
    assert raws(a) == before
    assert a.archive() > 0
    assert raws(a) == before


def test_it_takes_the_place_of_just_its_segments() -> None:
    """What was packed before a log was cut short, or once more, is not taken."""
    table = long()
    a = table["a"]
    book = a.replica.book
    branch = next(branch for branch in book.numbered.values() if archiving.is_due(branch))
    packed = pack_next(book, branch, a.replica.keys)
    assert packed is not None
    strange = replace(packed, archive=replace(packed.archive, last_id=SegmentId(bytes(32))))
    assert take_packed(book, strange) == []
    a.store.write(book.truncate(branch, packed.archive.last))
    assert take_packed(book, packed) == []
    other = next(one for one in book.numbered.values() if one is not branch)
    again = pack_next(book, other, a.replica.keys)
    assert again is not None
    a.store.write(take_packed(book, again))

    assert take_packed(book, again) == []


def test_what_cannot_be_opened_stays_as_it_is() -> None:
    """Segments under keys that are not here, as where the history is hidden."""
    table = long("abn")
    table.add("a", "n", hidden=True)
    table["a"].tell(table["n"])
    n = table["n"]
    book = n.replica.book
    hidden = [branch for branch in book.numbered.values() if archiving.is_due(branch)]

    assert hidden
    assert n.archive() == 0
    assert n.text == table["a"].text
