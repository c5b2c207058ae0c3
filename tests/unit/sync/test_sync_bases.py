"""Bases: what passes for somebody whose history is hidden, which of them he uses, and when one is due."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peergos_collab.codec.ids import LogId, SegmentId
from peergos_collab.documents import Document
from peergos_collab.errors import Conflict
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.segments import Segment
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.bases import MAX_OF_A_LOG, Bases
from peergos_collab.sync.logbook import LogBook
from support.forgetting import written_together
from support.hidden_texts import Table, Writing


def newcomer(names: str = "abn") -> Table:
    """The first two wrote; the last was added by the first from now on, and has heard of it by her."""
    table = Table(names)
    for name in names[1:-1]:
        table.add("a", name, Level.ADMIN if name == "b" else Level.WRITE)
    table.meet(names[:-1])
    table["a"].write(0, "before ")
    table.meet(names[:-1])
    table["b"].write(0, "b ")
    table.meet(names[:-1])
    table.add("a", names[-1], hidden=True)
    table["a"].tell(table["n"])
    return table


def forgotten_by_two() -> Table:
    """Two wrote together, and forgot."""
    table = written_together("ab")
    table["a"].have_forgotten()
    table.meet()
    assert all(table[name].forget_all() for name in "ab")
    return table


def used_by(one: Writing) -> list[str]:
    """Whose bases somebody uses."""
    bases = one.replica.order.bases
    return [bases.known[id_].author.name for id_ in bases.used]


def write_late(table: Table, name: str, text: str) -> None:
    """Writes under the keys from before the newcomer."""
    one = table[name]
    epoch = one.replica.seat.epoch()
    one.write(0, text)

    assert epoch not in table["n"].replica.keys
    assert len(one.replica.unsealed) == 0


def test_what_he_never_opens_passes_and_its_text_is_there() -> None:
    """He cites it like all others, so that nothing waits for him."""
    table = newcomer()
    n = table["n"]

    assert n.text == table["a"].text == "b before "
    assert n.replica.order.waiting == ()
    n.write(0, "n ")
    n.tell(table["b"])
    assert table["b"].text == "n b before "


def test_without_a_base_he_waits() -> None:
    """And sees nothing of what was written after it either."""
    table = Table("an")
    table["a"].write(0, "before")
    table["a"].only_add(table["n"], Level.WRITE, hidden=True)
    table["a"].write(0, "after ")
    table["a"].tell(table["n"])

    assert table["n"].text == ""
    assert table["n"].replica.order.waiting != ()
    assert table["a"].duties()
    table["a"].tell(table["n"])
    assert table["n"].text == "after before"


def test_a_run_goes_on_where_its_hidden_part_ends() -> None:
    """Its first changes have numbers that he never sees."""
    table = newcomer()
    table["a"].tell(table["b"])
    table["b"].write(0, "more ")
    table["b"].tell(table["n"])

    assert table["n"].text == "more b before "


def test_a_gap_is_one_for_him_too() -> None:
    """A number that is missing to all: he lets nothing in where others wait."""
    table = newcomer()
    b = table["b"]
    table["a"].tell(b)
    b.replica.unsealed._numbers[b.run] += 5
    b.write(0, "more ")
    b.tell(table["n"])
    b.tell(table["a"])

    assert table["n"].text == table["a"].text == "b before "


def test_late_words_pass_with_a_new_base() -> None:
    """Whoever has the history makes it, once; then nothing is due any more."""
    table = newcomer()
    write_late(table, "b", "late ")
    table["b"].tell(table["n"])
    assert table["n"].text == "b before "
    table["b"].tell(table["a"])
    assert table["a"].replica.base_is_due
    assert table["a"].duties()
    assert not table["a"].replica.base_is_due
    table["a"].tell(table["n"])
    table["n"].settle()

    assert table["n"].text == "late b before "
    assert used_by(table["n"]) == ["a"]
    assert len(table["n"].replica.order.bases.known) == 1  # the older one says nothing more
    table["a"].tell(table["b"])
    assert not table["b"].replica.base_is_due


def test_of_two_he_uses_that_of_the_more_senior() -> None:
    """Where both cover the same; the other one where it alone covers something that is hidden."""
    table = newcomer()
    write_late(table, "b", "late ")
    table["a"].tell(table["b"])
    assert table["b"].base()
    table["b"].tell(table["n"])
    assert used_by(table["n"]) == ["a", "b"]
    table["b"].tell(table["a"])
    assert table["a"].base()
    table["a"].tell(table["n"])
    assert table["n"].replica.unsettled
    table["n"].settle()

    assert used_by(table["n"]) == ["a"]
    assert table["n"].text == table["a"].text == "late b before "


def test_a_false_base_is_found_out_and_superseded() -> None:
    """It costs whoever has the history nothing; a true one of a more senior member heals the newcomer."""
    table = newcomer()
    write_late(table, "b", "late ")
    table["a"].tell(table["b"])
    assert table["b"].lie("what nobody wrote")
    table["b"].tell(table["n"])
    assert "what nobody wrote" in table["n"].text
    table["b"].tell(table["a"])
    bases = table["a"].replica.order.bases
    (false,) = (bases.known[id_] for id_ in bases.unchecked)
    assert table["a"].text == "late b before "
    assert not table["a"].believes(false)
    assert not table["a"].replica.base_is_due
    bases.find_false(false)
    assert table["a"].replica.base_is_due
    assert table["a"].duties()
    table["a"].tell(table["n"])
    table["n"].settle()

    assert table["n"].text == table["a"].text == "late b before "


def test_what_he_wrote_into_a_false_text_is_not_lost() -> None:
    """It is set aside everywhere, since what it stands in is nowhere; he puts it in anew."""
    table = newcomer()
    a, b, n = (table[name] for name in "abn")
    write_late(table, "b", "late ")
    a.tell(b)
    assert b.lie("what nobody wrote")
    b.tell(n)
    n.write(n.text.index("nobody"), "mine ")
    n.tell(a)
    b.tell(a)
    a.settle()
    assert "mine" not in a.text
    (false,) = (a.replica.order.bases.known[id_] for id_ in a.replica.order.bases.unchecked)
    a.replica.order.bases.find_false(false)
    assert a.duties()
    a.tell(n)
    n.settle()
    n.tell(a)

    assert "nobody" not in n.text
    assert n.text.count("mine ") == 1
    assert n.text == a.text
    n.fold_anew()
    assert n.text == a.text


def test_a_true_base_is_believed() -> None:
    """By whoever else has the history."""
    table = newcomer()
    table["a"].tell(table["b"])
    bases = table["b"].replica.order.bases
    (base,) = (bases.known[id_] for id_ in bases.unchecked)

    assert table["b"].believes(base)


def test_a_base_says_nothing_of_what_he_wrote_himself() -> None:
    """One that holds words of this very run which he never wrote is not taken: his own would be lost."""
    table = newcomer()
    n = table["n"]
    forged = Document(n.fold.document.client)
    forged.edit(0, 0, "never written")
    write_late(table, "b", "late ")
    table["a"].tell(table["b"])
    b = table["b"]
    b.fold.snapshot_state = forged.state  # type: ignore[method-assign]
    assert b.base()
    b.tell(n)
    n.write(0, "mine ")

    assert n.text == "mine b before "
    assert used_by(n) == ["a"]
    assert [one.reason for one in n.replica.order.set_aside] == [
        "The state was refused: it holds what this device never wrote."
    ]


def test_what_a_base_covers_counts_for_all() -> None:
    """What a removed member wrote past his end, too, if somebody who is in gives it to the newcomer."""
    table = newcomer("abcn")
    a, b, c, n = (table[name] for name in "abcn")
    write_late(table, "c", "late ")
    a.remove(c)
    a.tell(b)
    c.tell(b)
    assert b.text == a.text == "b before "
    (tip,) = c.replica.book.tips_of(b.replica.book.branches.keys() - a.replica.book.branches.keys())
    heads = (*b.replica.order.heads(), SnapshotPlace(tip.log, tip.seq, tip.id))
    b.replica.order.heads = lambda: heads  # type: ignore[method-assign]
    b.fold.snapshot_state = c.fold.document.state  # type: ignore[method-assign]
    assert b.base()
    b.tell(n)
    b.tell(a)
    for one in (a, n):
        one.settle()

    assert n.text == a.text == "late b before "


def test_a_base_that_comes_before_what_it_covers() -> None:
    """It covers that as it comes: here something he can open stands at the end of it."""
    table = Table("abn")
    a, b, n = (table[name] for name in "abn")
    table.add("a", "b")
    a.tell(b)
    a.only_add(n, Level.WRITE, hidden=True)
    b.write(0, "late ")
    a.tell(b)
    b.write(0, "open ")
    b.tell(a)
    assert a.duties()
    records, logs = a.all()
    (bs,) = (log for log in logs if b.replica.own.owns(Segment.parse_untrusted(log[0]).log))
    (as_,) = (log for log in logs if a.replica.own.owns(Segment.parse_untrusted(log[0]).log))
    n.take(records, as_)
    for raw in bs:
        n.take([], [raw])

    assert not n.replica.unsettled
    assert n.replica.order.waiting == ()
    n.write(0, "mine ")
    assert n.text == "mine open late "


def test_who_has_no_history_gives_what_he_has() -> None:
    """To whom he adds; whoever has the history makes a better one."""
    table = Table("anq")
    a, n, q = (table[name] for name in "anq")
    a.write(0, "before ")
    a.add(n, Level.ADMIN, hidden=True)
    a.tell(n)
    n.add(q, Level.WRITE, hidden=False)
    n.tell(q)
    assert q.is_hidden
    assert q.text == "before "
    assert used_by(q) == ["n"]
    assert not n.replica.base_is_due
    n.tell(a)
    assert a.replica.base_is_due
    assert a.duties()
    a.tell(q)
    q.settle()

    assert used_by(q) == ["a"]
    assert q.text == "before "


def test_plain_snapshots_stand_for_nothing_hidden() -> None:
    """They have no numbers of runs, and need not say who made them."""
    table = newcomer()
    write_late(table, "b", "late ")
    table["a"].tell(table["b"])
    b = table["b"]
    assert b.keep(b.replica.make_snapshot())
    b.tell(table["n"])

    assert used_by(table["n"]) == ["a"]
    assert table["n"].text == "b before "


def test_readers_and_strangers_make_none() -> None:
    """And who was removed makes none any more that counts."""
    table = newcomer("abcn")
    write_late(table, "c", "late ")
    table["a"].tell(table["c"])
    assert table["c"].lie("what nobody wrote")
    table["c"].tell(table["n"])
    assert "nobody" in table["n"].text
    table["a"].remove(table["c"])
    table["a"].tell(table["n"])
    table["n"].settle()

    assert used_by(table["n"]) == ["a"]
    assert table["n"].text == "b before "


def test_who_is_given_the_history_after_all_folds_it() -> None:
    """And uses no base any more."""
    table = newcomer()
    a, n = table["a"], table["n"]
    a.remove(n)
    a.add(n, Level.WRITE, hidden=False)
    a.tell(n)
    n.settle()

    assert not n.is_hidden
    assert used_by(n) == []
    assert n.text == a.text == "b before "


def test_it_is_kept_over_a_start() -> None:
    """What is known of bases, as in a checkpoint."""
    table = newcomer()
    bases = table["n"].replica.order.bases
    again = Bases(table.group.object, LogBook.load(table.group.object, table["n"].store), bases.principal)
    again.restore(bases.stored())

    assert again.stored() == bases.stored()
    assert again.known == bases.known
    assert again.used == bases.used != []


def test_what_is_awaited_is_awaited_after_a_start() -> None:
    """A base that is not used yet may be, once what it names has come."""
    table = newcomer()
    n, (true,) = table["n"].replica, table["n"].replica.order.bases.known.values()
    table["a"].write(0, "later ")
    (tip,) = (tip for tip in table["a"].replica.book.tips() if tip.log == true.log)
    later = SnapshotPlace(tip.log, tip.seq, tip.id)
    n.order.bases.add(replace(true, log=LogId(bytes(32)), id=SegmentId(bytes(32)), heads=(later,)))
    again = Bases(table.group.object, n.book, n.order.bases.principal)
    again.restore(n.order.bases.stored())
    table["a"].tell(table["n"])
    assert not again.look_again()
    branch = n.book.find(tip.log, tip.seq, tip.id)
    assert branch is not None
    again.came(next(n.book.stored(branch, tip.seq)))

    assert again.look_again()


def test_what_does_not_fit_is_said() -> None:
    """Instead of a segment that nobody could take."""
    table = newcomer()
    words = table.rng.randbytes(1 << 20).hex()
    for at in range(0, len(words), 1 << 15):
        table["a"].write(0, words[at : at + (1 << 15)])

    with pytest.raises(Conflict, match="too large"):
        table["a"].replica.check_base()


def test_a_writer_cannot_fill_memory_with_bases() -> None:
    """Each names something that never comes, so none is outdone by another: the newest of his log stay."""
    table = newcomer()
    bases = table["n"].replica.order.bases
    (true,) = bases.known.values()
    log = LogId(bytes(32))
    for seq in range(1, 40):
        missing = SnapshotPlace(log, seq, SegmentId(bytes(32)))
        bases.add(replace(true, log=log, seq=seq, id=SegmentId(seq.to_bytes(32)), heads=(missing,)))

    assert sorted(one.seq for one in bases.known.values() if one.log == log) == [36, 37, 38, 39]
    assert true.id in bases.known


@pytest.mark.parametrize("names", ["abn", "ab"])
def test_made_up_heads_cost_no_keystroke_anything(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a writer names of others' logs: for who is in from now on, and where all is forgotten."""
    looked: list[LogId] = []
    find = LogBook.find
    monkeypatch.setattr(
        LogBook, "find", lambda book, log, *rest: looked.append(log) or find(book, log, *rest)
    )
    costs = []
    for heads in (1, 300):
        table, reader = (newcomer(), "n") if "n" in names else (forgotten_by_two(), "b")
        bases = table[reader].replica.order.bases
        true = next(iter(bases.known.values()))
        (branch,) = (b for b in table["a"].replica.book.numbered.values() if b.log == true.log)
        for at in range(MAX_OF_A_LOG):
            log, id_ = LogId(b"\3" * 32), SegmentId(bytes([at]) * 32)
            false = tuple(
                SnapshotPlace(true.log, branch.tip + 1 + n, SegmentId(id_[:-4] + n.to_bytes(4)))
                for n in range(heads)
            )
            bases.add(replace(true, log=log, seq=at + 1, id=id_, heads=false))
        assert sum(base.log == log for base in bases.known.values()) == MAX_OF_A_LOG
        table["a"].write(0, "first ")
        table["a"].tell(table[reader])
        table["a"].write(0, "typed ")
        raws = table["a"].replica.book.read(branch, branch.tip, 1 << 16)
        looked.clear()
        table[reader].take([], raws)
        costs.append(len(looked))
        assert table[reader].text.startswith("typed first ")

    assert costs[0] == costs[1]
