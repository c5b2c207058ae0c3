"""A history that is forgotten: what stays for everybody, and what stands against false ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from peergos_collab.codec.ids import SegmentId
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.documents import Document
from peergos_collab.errors import Conflict
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.prunes import Forgets, Prune
from peergos_collab.objects.snapshots import SnapshotPart, SnapshotPlace
from peergos_collab.sync import causal_order, replica
from peergos_collab.sync.pruning import forgetting, named_to_forget
from support.forgetting import Forgetful, ForgetfulTable, written_together


def forget_all(table: ForgetfulTable, names: str) -> None:
    for name in names:
        assert table[name].forget_all()


def texts(table: ForgetfulTable, names: str = "abc") -> set[str]:
    return {table[name].text for name in names}


def on_an_empty_disk(table: ForgetfulTable, name: str) -> Forgetful:
    return Forgetful(table.group, table.group[name], table.rng)


# -- what stays -----------------------------------------------------------------------------------


def test_what_is_forgotten_is_gone_and_the_text_stays() -> None:
    """Everybody finds the base true, forgets, and goes on writing."""
    table = written_together()
    before = table["a"].text
    prune = table["a"].have_forgotten()
    table.meet()
    assert table["b"].opens("secret")
    assert [table[name].finds_true(prune) for name in "abc"] == [True, True, True]
    forget_all(table, "abc")

    assert texts(table) == {before}
    assert not any(table[name].opens("secret") for name in "abc")
    table["c"].write(3, "[after]")
    table["b"].write(9, "[too]")
    table.meet()
    assert texts(table) == {table["a"].text}
    assert "[after]" in table["a"].text
    assert not any(one.replica.order.set_aside for one in table.people.values())


def test_who_has_not_forgotten_yet_goes_on_with_who_has() -> None:
    """What these write has numbers that follow those of before."""
    table = written_together()
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "ab")
    table["b"].write(0, "[b]")
    table["c"].write(9, "[c]")
    table.meet()

    assert texts(table) == {table["c"].text}
    assert all(word in table["c"].text for word in ("[b]", "[c]"))


def test_who_starts_again_has_it_as_before() -> None:
    """From the disk alone, without what was saved of its state."""
    table = written_together()
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abc")
    table["b"].write(0, "[b]")
    table.meet()
    text = table["b"].text
    for name in "abc":
        table[name].start()

    assert texts(table) == {text}
    table["c"].write(2, "[c]")
    table.meet()
    assert texts(table) == {table["c"].text}


@pytest.mark.parametrize("steps", [1, 2])
def test_who_is_killed_in_the_midst_of_it(steps: int) -> None:
    """What stands for it is used from the first husk on; the rest is forgotten later."""
    table = written_together()
    prune = table["a"].have_forgotten()
    table.meet()
    before = table["b"].text
    assert table["b"].forget(prune, most=steps)
    table["b"].start()

    assert table["b"].text == before
    table["b"].write(0, "[b]")
    assert table["b"].forget(prune)
    table.meet()
    assert texts(table) == {"[b]" + before}


def test_who_was_away_merges_what_he_wrote() -> None:
    """He wrote on top of the old history, gets husks and the base, and nothing of his is lost."""
    table = written_together()
    table["a"].write(0, "[while c is away]")
    table["b"].write(4, "", 6)
    table.meet("ab")
    table["c"].write(8, "[c, away]", 3)
    table["a"].have_forgotten()
    table.meet("ab")
    forget_all(table, "ab")
    table["b"].write(1, "[b, after]")
    table.meet("ab")
    table.meet()
    before = texts(table)
    table["c"].forget_all()
    table.meet()

    assert len(before) == 1
    assert texts(table) == before
    assert "[c, away]" in table["a"].text
    assert not table["c"].opens("secret")


def test_who_is_new_gets_the_base() -> None:
    """And what came after; he writes as everybody does."""
    table = written_together("abcd")
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abcd")
    table["b"].write(0, "[b]")
    table.meet()
    late = on_an_empty_disk(table, "d")
    table["c"].tell(late)
    late.settle()

    assert late.text == table["a"].text
    late.write(0, "[late]")
    late.tell(table["a"])
    assert table["a"].text == late.text
    assert table["a"].text.startswith("[late]")


def test_who_was_added_from_now_on_goes_on() -> None:
    """He opens nothing of before, neither before it is forgotten nor after."""
    table = written_together("abcn")
    table["a"].remove(table["n"])
    table.meet("abc")
    table["b"].write(0, "hidden")
    table["b"].write(0, "", len("hidden"))
    table.meet("abc")
    late = on_an_empty_disk(table, "n")
    table.people["n"] = late
    table["a"].add(late, Level.WRITE, hidden=True)
    table.meet()
    assert late.is_hidden
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abcn")
    late.write(0, "[n]")
    table.meet()

    assert texts(table, "abcn") == {table["a"].text}
    assert table["a"].text.startswith("[n]")
    late.start()
    assert late.text == table["a"].text


def test_whom_it_is_hidden_from_has_nothing_forgotten() -> None:
    """He could not say who writes what, and others would take that to be false."""
    table = written_together("abcn")
    table["a"].remove(table["n"])
    table.meet("abc")
    late = table.people["n"] = on_an_empty_disk(table, "n")
    table["a"].add(late, Level.ADMIN, hidden=True)
    table.meet()
    with pytest.raises(Conflict):
        late.have_forgotten()


def test_later_ones_follow() -> None:
    """The second stands for the first as well."""
    table = written_together()
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abc")
    table["b"].write(0, "more secrets")
    table["b"].write(0, "", len("more "))
    table.meet()
    table["c"].write(0, "", len("secrets"))
    table.meet()
    before = table["a"].text
    prune = table["a"].have_forgotten()
    table.meet()
    assert [table[name].finds_true(prune) for name in "abc"] == [True, True, True]
    forget_all(table, "abc")

    assert texts(table) == {before}
    assert not any(table[name].opens("secrets") for name in "abc")
    for name in "abc":
        table[name].start()
    assert texts(table) == {before}


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[SegmentId]:
    """From here on, the segments that were opened because they are named as bases."""
    looked: list[SegmentId] = []
    look = causal_order.find_base_untrusted
    monkeypatch.setattr(
        causal_order,
        "find_base_untrusted",
        lambda segment, *known: looked.append(segment.id) or look(segment, *known),
    )
    return looked


def test_what_an_earlier_one_named_costs_who_is_new_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base of before is forgotten itself, and he does not parse its husk at each keystroke of others."""
    table = written_together("abcd")
    for _ in range(2):
        table["a"].have_forgotten()
        table.meet()
        forget_all(table, "abcd")
        table["b"].write(0, "[b]")
        table.meet()
    late = on_an_empty_disk(table, "d")
    table["b"].tell(late)
    late.settle()
    looked = count_looks(monkeypatch)
    for _ in range(5):
        table["b"].write(0, "x")
        table["b"].tell(late)

    assert late.text == table["b"].text
    assert looked == []


def test_what_is_no_base_is_opened_once_however_often_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin, or an ex-admin by his old keys, names a long segment: others type as fast as before."""
    table = written_together()
    heads = table["a"].make_base_for_all().heads
    for head in heads:
        table["a"].publish_prune(Forgets(heads[0], (head,)))
    table.meet()
    looked = count_looks(monkeypatch)
    for _ in range(5):
        table["c"].write(0, "x")
        table["c"].tell(table["b"])

    assert table["b"].text == table["c"].text
    assert looked == []


def test_a_base_is_looked_at_again_once_its_author_is_known() -> None:
    """Who is new hears last that the author of the base is an admin."""
    table = written_together("abcd")
    raised = table["a"].replica.seat.maker.raise_role(table["b"].person.id, Level.ADMIN)
    table["a"].publish(raised)
    table.meet()
    table["b"].have_forgotten()
    table.meet()
    forget_all(table, "abcd")
    late, last = on_an_empty_disk(table, "d"), {record.raw for record in raised}
    take = late.take
    late.take = lambda records, segments: take([raw for raw in records if raw not in last], segments)  # type: ignore[method-assign]
    table["a"].tell(late)
    before = late.text
    take(last, [])
    late.settle()

    assert before != late.text == table["a"].text


def test_one_that_was_not_forgotten_yet_is_not_used_for_what_was() -> None:
    """Who forgot for one base goes on with that, whoever names another one: it is looked at first. So does
    somebody new, who is given as much as was forgotten."""
    table = written_together("abcd")
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abcd")
    (used,) = table["b"].replica.order.bases.used
    table["c"].write(0, "[c]")
    table.meet()
    table["a"].have_forgotten()
    table.meet()
    table["b"].start()
    late = on_an_empty_disk(table, "d")
    table["a"].tell(late)
    late.settle()

    assert table["b"].replica.order.bases.used == [used]
    assert late.replica.order.bases.used == [used]


def test_two_admins_at_once() -> None:
    """Neither knew of the other's; both are true, and all have the same in the end."""
    table = written_together("abcd")
    table["a"].publish(table["a"].replica.seat.maker.raise_role(table["b"].person.id, Level.ADMIN))
    table.meet()
    table["a"].write(0, "[a]")
    table["b"].write(9, "[b]")
    table["a"].have_forgotten()
    table["b"].have_forgotten()
    table.meet()
    for name in "abcd":
        for prune in forgetting(table[name].replica.book):
            assert table[name].finds_true(prune)
            table[name].forget(prune)
    table["c"].write(4, "[c]")
    table.meet()
    late = on_an_empty_disk(table, "d")
    table["b"].tell(late)
    late.settle()

    assert texts(table, "abcd") == {late.text}
    assert all(word in late.text for word in ("[a]", "[b]", "[c]"))


def copy_of_c(table: ForgetfulTable) -> Forgetful:
    """A home of c as it is now, which goes on with his log and his run."""
    one = table["c"]
    copied = on_an_empty_disk(table, "c")
    one.tell(copied)
    copied.start(one.run)
    copied.replica.own = copied.replica._sealer._own = one.replica.own
    return copied


@pytest.mark.parametrize("seed", range(4))
def test_a_late_branch_from_before_is_the_same_for_all(seed: int) -> None:
    """A copied home, or a liar, writes where all is forgotten, under the very numbers of what is: it has one
    outcome for those who forgot, and for who was away meanwhile, whichever of the two were the lower."""
    table = written_together("abcd", seed)
    copied = copy_of_c(table)
    table["c"].write(0, "[c]")
    table.meet()
    table["a"].write(5, "[a, while d is away]")
    table.meet("abc")
    table["a"].have_forgotten()
    table.meet("abc")
    forget_all(table, "abc")
    copied.write(5, "[a copy of c]")
    for name in "ab":
        copied.tell(table[name])
        table[name].settle()
    table["a"].tell(table["d"])
    table["d"].settle()

    assert texts(table, "abd") == {table["a"].text}
    for name in "abd":
        table[name].start()
        table[name].settle()
    assert texts(table, "abd") == {table["a"].text}


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing was said, and nothing is forgotten."""
    table = written_together()
    monkeypatch.setattr(replica, "BASE_CONTENT", 100)
    with pytest.raises(Conflict):
        table["a"].have_forgotten()
    assert not table["a"].replica.book.prunes


# -- what stands against false ones -----------------------------------------------------------------


def lies(one: Forgetful, change: Callable[[SnapshotPart], SnapshotPart]) -> Prune:
    """Makes a base that says something else than the history, and has all forgotten for it."""
    true = one.replica._seal_snapshot

    def sealed(parts, *, alone=False):  # type: ignore[no-untyped-def]
        return true([change(part) for part in parts], alone=alone)

    one.replica._seal_snapshot = sealed  # type: ignore[method-assign]
    try:
        return one.have_forgotten()
    finally:
        one.replica._seal_snapshot = true  # type: ignore[method-assign]


def other_text(part: SnapshotPart) -> SnapshotPart:
    document = Document(12345, part.piece)
    document.edit(0, 3, "what nobody wrote")
    return replace(part, piece=document.state())


def less_text(part: SnapshotPart) -> SnapshotPart:
    document = Document(12345, part.piece)
    document.edit(0, 3, "")
    return replace(part, piece=document.state())


def nothing_at_all(part: SnapshotPart) -> SnapshotPart:
    return replace(part, piece=Document(1).state())


def fewer_writers(part: SnapshotPart) -> SnapshotPart:
    assert part.end is not None
    return replace(part, end=replace(part.end, writers={}))


def no_writers(part: SnapshotPart) -> SnapshotPart:
    assert part.end is not None
    return replace(part, end=replace(part.end, writers=None))


def other_numbers(part: SnapshotPart) -> SnapshotPart:
    assert part.end is not None
    assert part.end.following is not None
    return replace(part, end=replace(part.end, following=dict.fromkeys(part.end.following, 9999)))


def fewer_heads(part: SnapshotPart) -> SnapshotPart:
    assert part.end is not None
    return replace(part, end=replace(part.end, heads=part.end.heads[1:]))


FALSE = (other_text, less_text, nothing_at_all, fewer_writers, no_writers, other_numbers, fewer_heads)


@pytest.mark.parametrize("lie", FALSE)
def test_a_hostile_admins_base_is_found_false(lie: Callable[[SnapshotPart], SnapshotPart]) -> None:
    """By everybody who has the history, before he forgets anything; true ones by the same."""
    table = written_together()
    prune = lies(table["a"], lie)
    table.meet("abc")

    assert [table[name].finds_true(prune) for name in "bc"] == [False, False]
    one = table["b"].replica
    assert prune.author_untrusted(one.keys[prune.epoch], one.view).name == "a"


@pytest.mark.parametrize("lie", [other_text, nothing_at_all])
def test_a_later_false_one_is_found_by_who_forgot(lie: Callable[[SnapshotPart], SnapshotPart]) -> None:
    """He has the first base, and what came after it."""
    table = written_together()
    table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abc")
    table["b"].write(0, "[b]")
    table.meet()
    prune = lies(table["a"], lie)
    table.meet("abc")

    assert [table[name].finds_true(prune) for name in "bc"] == [False, False]


def other_words(part: SnapshotPart) -> SnapshotPart:
    assert b"begin" in part.piece
    return replace(part, piece=part.piece.replace(b"begin", b"BEGIN"))


@pytest.mark.parametrize("lie", [other_words, nothing_at_all])
def test_who_was_away_compares_what_he_has(lie: Callable[[SnapshotPart], SnapshotPart]) -> None:
    """He lacks a part of what it stands for, and finds what he has not in it."""
    table = written_together()
    table["a"].write(0, "[while c is away]")
    table.meet("ab")
    prune = lies(table["a"], lie)
    table["a"].forget(prune)
    table["a"].tell(table["c"])
    table["c"].settle()

    assert table["c"].replica.book.archived.forgotten
    assert table["c"].finds_true(prune) is False


def test_who_was_away_finds_a_true_one_true() -> None:
    """As far as he can tell."""
    table = written_together()
    table["a"].write(0, "[while c is away]", 5)
    table.meet("ab")
    prune = table["a"].have_forgotten()
    table["a"].forget(prune)
    table["a"].tell(table["c"])
    table["c"].settle()

    assert table["c"].replica.book.archived.forgotten
    assert table["c"].finds_true(prune) is True


@pytest.mark.parametrize("lie", [None, other_text, nothing_at_all, other_numbers])
def test_one_that_leaves_out_a_little_is_looked_at_as_well(
    lie: Callable[[SnapshotPart], SnapshotPart] | None,
) -> None:
    """As of somebody who did not know of the first: it has to hold all that the first does not."""
    table = written_together("abcd")
    one = table["d"]
    table["a"].publish(table["a"].replica.seat.maker.raise_role(one.person.id, Level.ADMIN))
    table.meet()
    table["a"].write(0, "[a]")
    one.write(9, "[d]")
    table["a"].have_forgotten()
    table.meet("abc")
    forget_all(table, "abc")
    second = one.have_forgotten() if lie is None else lies(one, lie)
    table.meet("abcd")

    assert table["b"].finds_true(second) is (lie is None)


def test_one_that_another_would_be_forgotten_with_is_false() -> None:
    """It leaves out a change that the other stands for, which nobody would have any more."""
    table = written_together("abcd")
    table["a"].publish(table["a"].replica.seat.maker.raise_role(table["d"].person.id, Level.ADMIN))
    table.meet()
    first = table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abc")
    one, book = table["d"].replica, table["d"].replica.book
    shorter = next(head for head in one.order.heads() if first.forgets and head.log != first.forgets.base.log)
    (branch,) = book.branches[shorter.log]
    before = SnapshotPlace(
        shorter.log, shorter.seq - 1, SegmentId(book.id_at(branch, shorter.seq - 1) or b"")
    )
    heads = tuple(before if head == shorter else head for head in one.order.heads())
    one.order.heads = lambda: heads  # type: ignore[method-assign]
    false = table["d"].have_forgotten()
    table.meet()

    assert table["b"].finds_true(false) is False


def test_one_that_more_is_forgotten_for_is_false() -> None:
    """It is true, but does not stand for all that the record names."""
    table = written_together()
    what = table["a"].make_base_for_all()
    table.meet()
    table["b"].write(0, "[b]")
    table.meet()
    heads = {head.log: head for head in what.heads}
    heads |= {head.log: head for head in table["a"].replica.order.heads() if head.log != what.base.log}
    assert set(heads.values()) != set(what.heads)
    prune = table["a"].publish_prune(replace(what, heads=tuple(sorted(heads.values()))))
    table.meet()

    assert table["c"].finds_true(prune) is False
    assert table["c"].finds_true(table["a"].publish_prune(what)) is not False


def test_an_objection_takes_nothing_from_who_is_new() -> None:
    """Whoever objects, once it is forgotten: there is nothing else that stands for it."""
    table = written_together("abcd")
    prune = table["a"].have_forgotten()
    table.meet()
    forget_all(table, "abcd")
    table["c"].publish_prune(prune.id)
    table.meet()
    late = on_an_empty_disk(table, "d")
    table["b"].tell(late)
    late.settle()

    assert not forgetting(late.replica.book)
    assert late.text == table["a"].text


def named_beside() -> tuple[ForgetfulTable, Prune, Prune]:
    """A true base that all but the newcomer forgot for, and a false one for the same, by somebody senior."""
    table = written_together("abcd")
    table["a"].publish(table["a"].replica.seat.maker.raise_role(table["b"].person.id, Level.ADMIN))
    table.meet()
    true = table["b"].have_forgotten()
    table.meet()
    heads = true.forgets.heads if true.forgets else ()
    table["a"].replica.order.heads = lambda: heads  # type: ignore[method-assign]
    false = lies(table["a"], other_text)
    del table["a"].replica.order.heads
    table.meet()
    for name in "bc":
        table[name].forget(true)
    return table, true, false


def test_who_forgot_relies_on_what_he_compared() -> None:
    """Whoever says afterwards that something else stands for the same."""
    table, true, _ = named_beside()
    table["c"].start()

    assert true.forgets
    assert table["c"].replica.order.bases.used == [true.forgets.base.id]


def test_one_that_nobody_objected_to_comes_first() -> None:
    """A false one has no effect on who is new, once somebody has found it out."""
    table, true, false = named_beside()
    table["c"].publish_prune(false.id)
    late = on_an_empty_disk(table, "d")
    table["c"].tell(late)
    late.settle()

    assert true.forgets
    assert late.replica.order.bases.used == [true.forgets.base.id]
    assert late.text == table["c"].text


def test_a_writers_word_is_none() -> None:
    """Under keys that he made up, or signed with those that he has."""
    table = written_together()
    what = table["b"].make_base_for_all()
    table.meet()
    one = table["b"]
    epoch = next(iter(one.replica.book.epochs))
    admin = table["a"].replica.keys[epoch]
    record = Prune.issue(table.group.object, epoch, what, admin, one.replica.actor, table.rng.randbytes)
    with_his_own = replace_signature(record, one.replica.keys[epoch].signing_key(Level.WRITE))
    offered = table["c"].replica.book.take_records([with_his_own])

    assert offered.refused
    assert not named_to_forget(table["c"].replica.book)


def replace_signature(record: Prune, key: SigningKey) -> bytes:
    return record.raw[:-64] + key.sign(Tag.SIGN_PRUNE, record.id)


def test_who_is_no_admin_any_more_has_no_say() -> None:
    """Nor does what he prepared: his record is of an epoch of before."""
    table = written_together()
    table["a"].publish(table["a"].replica.seat.maker.raise_role(table["b"].person.id, Level.ADMIN))
    table.meet()
    prepared = table["b"].have_forgotten()
    table["a"].remove(table["b"])
    table["a"].tell(table["c"])
    table["c"].take([prepared.raw], [])

    assert not forgetting(table["c"].replica.book)
    assert not table["c"].forget_all()
