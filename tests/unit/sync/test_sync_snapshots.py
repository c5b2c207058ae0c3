"""Snapshots in segments: which one a device compares with the history, and which it vouches for."""

from __future__ import annotations

import pytest

from peergos_collab.documents import Document
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects import snapshots as form
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.segments import Segment
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.session_events import SnapshotCame
from peergos_collab.sync.snapshots import Snapshots, stored_snapshot_untrusted
from peergos_collab.workspace.history import is_true_snapshot
from peergos_collab.workspace.preview import Preview
from support.hidden_texts import Table, Writing


def two() -> Table:
    """Two writers of one text."""
    table = Table("abc")
    table.add("a", "b")
    table["a"].write(0, "first ")
    table.meet("ab")
    table["b"].write(0, "second ")
    table.meet("ab")
    return table


def snapshot(one: Writing, state: bytes | None = None) -> None:
    """Makes one; of another state than there is, if it is given."""
    true = one.fold.snapshot_state
    if state is not None:
        one.fold.snapshot_state = lambda: state  # type: ignore[method-assign]
    assert one.keep(one.replica.make_snapshot())
    one.fold.snapshot_state = true  # type: ignore[method-assign]


def compare(one: Writing) -> bool | None:
    """As the workspace does."""
    snapshots = one.replica.order.snapshots
    claimed = snapshots.unchecked
    assert claimed is not None
    here = one.replica.state_at(claimed)
    book = LogBook.load(one.group.object, one.store)
    true = is_true_snapshot(one.replica, claimed, book, one.empty_fold, here)
    snapshots.settle(claimed, true)
    return true


def lie() -> bytes:
    other = Document(1)
    other.edit(0, 0, "what nobody wrote")
    return other.state()


def test_who_makes_one_vouches_for_it() -> None:
    """And names it in the next."""
    table = two()
    b = table["b"]
    snapshot(b)
    first = b.replica.order.snapshots.vouched
    assert first is not None
    b.write(0, "third ")
    snapshot(b)
    second = b.replica.order.snapshots.vouched
    assert second is not None
    end, state = stored_snapshot_untrusted(b.replica.book, b.replica.keys, second)

    assert Document(1, state).text == b.text == "third second first "
    assert end.previous == first.id
    assert b.replica.order.snapshots.newest_two == [second, first]
    assert {(head.log, head.seq) for head in end.heads} >= {(first.log, first.seq + 1)}


def test_anothers_is_vouched_for_once_it_was_compared() -> None:
    """At once with the state here, where that is of the same segments; else with a replay."""
    table = two()
    a, b = table["a"], table["b"]
    snapshot(b)
    b.tell(a)
    claimed = a.replica.order.snapshots.unchecked
    assert claimed is not None
    assert a.replica.order.snapshots.vouched is None
    assert a.replica.state_at(claimed) is not None
    a.write(0, "meanwhile ")
    assert a.replica.state_at(claimed) is None
    assert compare(a) is True

    assert a.replica.order.snapshots.vouched == claimed.place == b.replica.order.snapshots.vouched
    assert a.replica.order.snapshots.unchecked is None


@pytest.mark.parametrize("later", ["", "meanwhile "])
def test_a_false_one_is_found_out(later: str) -> None:
    """Whether the state here is of the same segments or not; whoever made it is known."""
    table = two()
    a, b = table["a"], table["b"]
    snapshot(a)
    before = a.replica.order.snapshots.vouched
    a.tell(b)
    snapshot(b, lie())
    b.tell(a)
    if later:
        a.write(0, later)
    claimed = a.replica.order.snapshots.unchecked
    assert claimed is not None
    assert claimed.author == b.replica.author
    assert compare(a) is False

    assert a.replica.order.snapshots.vouched == before


def test_false_ones_take_the_place_of_none() -> None:
    """Two of them cost nothing: the newest two that are vouched for stay those."""
    table = two()
    a, b = table["a"], table["b"]
    for words in ("one ", "two "):
        a.write(0, words)
        snapshot(a)
    kept = a.replica.order.snapshots.newest_two
    a.tell(b)
    for _ in range(2):
        snapshot(b, lie())
        b.tell(a)
        assert compare(a) is False

    assert len(kept) == 2
    assert a.replica.order.snapshots.newest_two == kept


def test_one_that_leaves_something_out_is_false() -> None:
    """Also where all that it says is true: here what was deleted is back, and who wrote last is missing."""
    table = two()
    a, b = table["a"], table["b"]
    early = b.fold.document.state()
    b.write(0, "", gone=3)
    snapshot(b, early)
    b.tell(a)

    assert compare(a) is False


def test_bytes_that_are_no_state_are_false() -> None:
    """Nothing of them enters the document here."""
    table = two()
    snapshot(table["b"], b"nonsense")
    table["b"].tell(table["a"])

    assert compare(table["a"]) is False
    assert table["a"].text == "second first "


def test_what_its_maker_wrote_after_his_removal_is_not_judged() -> None:
    """It may be true; but he who vouched for it would give what does not count."""
    table = Table("abc")
    a, b = table["a"], table["b"]
    table.add("a", "b")
    table.meet("ab")
    b.write(0, "late ")
    snapshot(b)
    b.tell(a)
    a.remove(b)
    a.settle()
    assert a.text == "late "  # it was here before: the removal names it

    assert compare(a) is True
    b.write(0, "later ")
    snapshot(b)
    b.tell(a)
    assert a.replica.order.snapshots.unchecked is None  # what is past the end is not even delivered
    assert a.text == "late "


def test_a_large_one_lies_in_several_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """One behind the other, and a newcomer is given them from the last one on."""
    monkeypatch.setattr(form, "PIECE", 400)
    table = two()
    a, b = table["a"], table["b"]
    b.write(0, "".join(chr(97 + n % 26) for n in range(1000)))
    snapshot(b)
    place = b.replica.order.snapshots.vouched
    assert place is not None
    b.tell(a)
    assert compare(a) is True
    table.add("a", "c")
    records, logs = a.all()
    table["c"].take(records, [])
    preview, state, asked = Preview(place), None, 0
    raws = {Segment.parse_untrusted(raw).id: raw for log in logs for raw in log}
    while state is None:
        came = SnapshotCame(a.group.object, [], raws[preview.wanted.id])
        state, asked = preview.take_untrusted(table["c"].replica, came), asked + 1

    assert asked == stored_snapshot_untrusted(a.replica.book, a.replica.keys, place)[0].parts == 4
    assert Document(1, state).text == b.text


def test_another_segment_than_the_one_named_is_no_preview() -> None:
    """Whatever a node gives, or a false place leads to."""
    table = two()
    b = table["b"]
    snapshot(b)
    place = b.replica.order.snapshots.vouched
    assert place is not None
    _, logs = b.all()
    table.add("a", "c")
    table["a"].tell(table["c"])
    for raw in (raw for log in logs for raw in log):
        if Segment.parse_untrusted(raw).id != place.id:
            with pytest.raises(RemoteProtocolError, match="another segment"):
                Preview(place).take_untrusted(table["c"].replica, SnapshotCame(b.group.object, [], raw))


def test_a_lie_in_several_segments_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that asks for more segments than there are is no snapshot, and costs as many as there are."""
    table = two()
    b = table["b"]
    true = form.SnapshotEnd
    monkeypatch.setattr(
        form, "SnapshotEnd", lambda heads, previous, _, *runs: true(heads, previous, 90, *runs)
    )
    snapshot(b)
    monkeypatch.undo()
    place = b.replica.order.snapshots.vouched
    assert place is not None
    with pytest.raises(RemoteProtocolError):
        stored_snapshot_untrusted(b.replica.book, b.replica.keys, place)
    b.tell(table["a"])

    assert compare(table["a"]) is False


def test_never_over_a_gap_or_in_doubt() -> None:
    """While something waits for what it cites, or the state may not be what follows from the set."""
    table = two()
    a, b = table["a"], table["b"]
    a.write(0, "third ")
    a.tell(b)
    b.write(0, "fourth ")
    _, logs = b.all()
    late = next(log for log in logs if a.replica.own.owns(Segment.parse_untrusted(log[0]).log))
    table.add("a", "c")
    c = table["c"]
    c.take(a.all()[0], [raw for log in logs for raw in log if log is not late] + late[:-1])
    assert c.replica.order.waiting
    assert c.replica.make_snapshot() is None
    c.take([], late)
    assert not c.replica.order.waiting
    c.replica.order.unsettled = True
    assert c.replica.make_snapshot() is None
    c.replica.order.unsettled = False

    assert c.keep(c.replica.make_snapshot())


def test_who_lies_keeps_nobody_from_making_a_true_one() -> None:
    """One that is to be compared puts it off, and no more; a false one does not count."""
    table = two()
    a, b = table["a"], table["b"]
    since = a.replica.order.snapshots.since
    assert a.replica.order.snapshots.is_due(since)
    snapshot(b, lie())
    b.tell(a)
    assert not a.replica.order.snapshots.is_due(since)
    assert a.replica.order.snapshots.is_due(since // 2)
    compare(a)

    assert a.replica.order.snapshots.is_due(since)


def test_a_true_one_of_somebody_else_will_do() -> None:
    """Nobody makes another before enough came after it."""
    table = two()
    a, b = table["a"], table["b"]
    snapshot(b)
    b.tell(a)
    b.write(0, "third ")
    b.tell(a)
    assert compare(a) is True

    assert not a.replica.order.snapshots.is_due(2)
    assert a.replica.order.snapshots.is_due(1)


def test_kept_over_a_start() -> None:
    """As in a checkpoint."""
    table = two()
    a, b = table["a"], table["b"]
    snapshot(a)
    a.tell(b)
    snapshot(b)
    b.tell(a)
    compare(a)
    kept = a.replica.order.snapshots
    assert len(kept.newest_two) == 2
    snapshot(b)
    b.tell(a)
    again = Snapshots()
    again.restore(kept.stored())

    assert again.stored() == kept.stored()
    assert again.newest_two == kept.newest_two
    assert (again.vouched, again.unchecked, again.since) == (kept.vouched, kept.unchecked, kept.since)


def test_kept_where_all_is_folded_anew() -> None:
    """What was compared need not be compared again."""
    table = two()
    a, b = table["a"], table["b"]
    snapshot(b)
    b.tell(a)
    compare(a)
    vouched = a.replica.order.snapshots.vouched
    a.fold_anew()

    assert a.replica.order.snapshots.vouched == vouched
    assert a.replica.order.snapshots.unchecked is None


def test_readers_and_chats_make_none() -> None:
    """Only writers do, and only of what has a state."""
    table = Table("abc")
    table.add("a", "c", Level.READ)
    table["a"].write(0, "text")
    table["a"].tell(table["c"])

    assert table["c"].replica.make_snapshot() is None
