"""How far a base covers: as the book says, whatever has come since it was first asked."""

from __future__ import annotations

from dataclasses import dataclass

from peergos_collab.codec.ids import SegmentId
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.extents import Extents
from support.hidden_texts import Table


@dataclass(frozen=True)
class Covering:
    id: SegmentId
    heads: tuple[SnapshotPlace, ...]


def of_one_log() -> tuple[Table, Extents, Covering]:
    """Somebody's three segments, and what covers two of them, as another sees it who has none of them yet."""
    table = Table("ab")
    table.add("a", "b")
    table["a"].tell(table["b"])
    for text in ("one ", "two ", "three "):
        table["a"].write(0, text)
    book = table["a"].replica.book
    (branch,) = book.numbered.values()
    id_ = book.id_at(branch, 2)
    assert id_
    assert not table["b"].replica.book.numbered
    base = Covering(SegmentId(bytes(32)), (SnapshotPlace(branch.log, 2, SegmentId(id_)),))
    return table, Extents(table["b"].replica.book), base


def test_what_is_awaited_widens_it() -> None:
    """And nothing else does."""
    table, extents, base = of_one_log()
    assert (extents.of(base), extents.is_whole(base)) == ({}, False)
    table["a"].tell(table["b"])
    (head,) = base.heads
    other = SnapshotPlace(head.log, head.seq, SegmentId(b"\1" * 32))
    assert [extents.came(place) for place in (other, head, head)] == [False, True, False]

    (number,) = table["b"].replica.book.numbered
    assert (extents.of(base), extents.is_whole(base)) == ({number: 2}, True)


def test_what_is_gone_is_awaited_again() -> None:
    """Segments that are damaged on the disk are fetched again."""
    table, extents, base = of_one_log()
    table["a"].tell(table["b"])
    book, store = table["b"].replica.book, table["b"].store
    (branch,) = book.numbered.values()
    assert extents.is_whole(base)
    store.write(book.truncate(branch, 2))

    assert (extents.of(base), extents.is_whole(base)) == ({}, False)
    table["a"].tell(table["b"])
    assert extents.came(base.heads[0])
    assert extents.of(base) == {branch.number: 2}


def test_what_is_not_kept_is_not_awaited() -> None:
    """Or whoever makes one after the other would fill the memory."""
    table, extents, base = of_one_log()
    again = Covering(SegmentId(b"\2" * 32), base.heads)
    assert not extents.is_whole(base)
    assert not extents.is_whole(again)
    extents.keep_only([again.id])
    table["a"].tell(table["b"])

    assert extents.came(base.heads[0])
    assert extents.is_whole(again)
    extents.keep_only([])
    assert not extents.came(base.heads[0])
