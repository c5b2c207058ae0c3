"""A folder that is a member of a document: its people read and write there, by its keys."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec.ids import EpochId, PrincipalId
from peergos_collab.errors import Conflict, NoAccess, RemoteProtocolError
from peergos_collab.objects import due as duties
from peergos_collab.objects import usable_epochs
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import check_newer, newer_account, newer_epoch
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.membership import Member, Membership
from peergos_collab.objects.nested import acting_for, actor_in, parent_pairs
from peergos_collab.objects.op_kinds import Leave, News, NewVersion, RePin, Target
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import (
    Epoch,
    EpochLink,
    Grant,
    MembershipRecord,
    Said,
    make_grant,
    next_epoch,
)
from peergos_collab.objects.surroundings import Surroundings
from support.circle import account_principal, actor_of, found
from support.members import Group, Person

RANDOM = random.Random(9).randbytes


class Tree:
    """A folder, made by ``a``, in a document, made by ``o``, in which it has the role ``granted``."""

    def __init__(self, granted: Level = Level.WRITE, names: str = "abcde") -> None:
        self.folder = Group(names, RANDOM)
        self.document = Group("oz", RANDOM)
        principal = Principal.of_object(self.folder.object, self.folder.first.id, self.folder.first.keys)
        shown = (self.folder.first.public_link,)
        self.document.tell(self.document["o"].maker.add(principal, granted, proof=shown))
        self.records: list[MembershipRecord] = list(self.document["o"].records)

    def maker(self, name: str) -> Maker:
        """``name``, acting in the document for the folder, with all records of the document."""
        inside = self.folder[name].membership
        child = Membership(self.document.object, KeyRing())
        child.take(self.records)
        before = -1
        while before != len(child.keys):
            before = len(child.keys)
            for pair in list(parent_pairs(inside, child.view)):
                child.add_pair(pair)
        actor = actor_in(self.folder[name].maker.actor, inside, child.view)
        assert actor is not None
        surroundings = Surroundings({self.folder.object: inside.view})
        return Maker(child, actor, RANDOM, surroundings)

    def parents(self, name: str) -> dict[object, Maker]:
        return {self.folder.object: self.folder[name].maker}

    def take(self, *records: MembershipRecord) -> None:
        self.records += records
        self.document.tell(records)

    def due(self, name: str) -> MembershipRecord | duties.ParentFirst | None:
        return duties.due(self.maker(name), self.parents(name), to_write=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("granted", list(Level))
@pytest.mark.parametrize("inside", list(Level))
def test_the_role_is_the_lower_of_the_two(granted: Level, inside: Level) -> None:
    """What opens for a member of the folder, and what he may do, by his role in it and by its role there."""
    tree = Tree(granted)
    tree.folder.add("a", "b", inside)
    maker = tree.maker("b")
    maker.membership.ring.deepen(tree.document.first.id)
    lower = min(granted, inside)

    assert maker.membership.keys[tree.document.first.id].level is lower
    added = duties.usable(maker) is not None
    assert added == (lower >= Level.WRITE)
    if lower < Level.WRITE:
        return
    rotation = maker.rotate()
    tree.take(rotation)
    assert rotation.id not in tree.document["o"].view.void
    adding = maker.add(account_principal(tree.document["z"].credentials), Level.READ)
    tree.take(*adding)
    allowed = tree.document["z"].id in tree.document["o"].view.members
    assert allowed == (lower is Level.ADMIN)


def test_who_is_removed_from_the_folder_reads_nothing_new_in_the_document() -> None:
    """The next of the folder who writes gives the document the folder's new keys first."""
    tree = Tree()
    for name in "bc":
        tree.folder.add("a", name, Level.WRITE)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]))
    assert duties.usable(tree.maker("c")) is None
    re_pin = tree.due("c")
    tree.take(re_pin)  # type: ignore[arg-type]

    epoch = duties.usable(tree.maker("c"))
    assert epoch is not None
    assert epoch in tree.maker("a").membership.keys
    assert epoch not in tree.maker("b").membership.keys
    assert tree.document["o"].usable == epoch


def test_who_was_named_as_gone_twice_at_once_goes_on_once_he_is_back() -> None:
    """He is in again when a third re-pins, who has seen one of the two that named him and shows to follow
    the version that both of them gave.
    """
    tree = Tree()
    for name in "bcde":
        tree.folder.add("a", name, Level.WRITE)
    tree.folder.meet()
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]))
    first, second = tree.due("a"), tree.due("c")
    tree.folder.add("a", "b", Level.WRITE, *"cde")
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["d"].id)]))
    tree.take(first)  # type: ignore[arg-type]
    tree.take(tree.due("a"))  # type: ignore[arg-type]
    tree.take(second)  # type: ignore[arg-type]
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["e"].id)]))
    newest = tree.folder["a"].usable
    tree.take(tree.due("b"))  # type: ignore[arg-type]

    view = tree.document["o"].view
    assert view.void == {}
    assert view.members[PrincipalId(tree.folder.object)].principal.version == newest
    assert duties.usable(tree.maker("b")) is not None


def test_who_was_named_as_gone_by_who_did_not_know_that_he_is_back_goes_on_alone() -> None:
    """Two key versions stand side by side, and nobody else is left in the folder: he leads on from one to his
    newest keys, and it is not listed alone meanwhile.
    """
    tree = Tree()
    tree.folder.add("a", "b", Level.ADMIN)
    tree.folder.add("a", "c", Level.WRITE)
    tree.folder.meet("a", "b", "c")
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a", "b", "c")
    tree.folder.tell(tree.folder["c"].maker.rotate(), "b", "c")
    by_c = tree.due("c")
    tree.folder.add("a", "b", Level.ADMIN)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["c"].id)]), "a", "b")
    tree.folder.tell(tree.folder["a"].maker.leave(Leave()), "a", "b")
    tree.folder.tell(tree.folder["b"].maker.rotate(), "b")
    by_b = tree.due("b")
    tree.take(by_b, by_c)  # type: ignore[arg-type]
    tree.folder.tell(tree.folder["b"].maker.rotate(), "b")
    assert len(listed(tree).contested) == 2
    tree.take(tree.due("b"))  # type: ignore[arg-type]

    assert listed(tree).principal.version == tree.folder["b"].usable
    epoch = duties.usable(tree.maker("b"))
    assert epoch is not None
    assert epoch == tree.document["o"].usable
    assert epoch not in tree.maker("c").membership.keys


def listed(tree: Tree) -> Member:
    """The folder, as the document's own admin sees it."""
    return tree.document["o"].view.members[PrincipalId(tree.folder.object)]


def test_a_re_pin_that_is_void_leaves_the_folder_contested() -> None:
    """An admin of the document lowered the folder beside it. He does not see into it, so he hands what was
    written since to nobody by the keys of before, until somebody who does chooses; not when he raises it."""
    tree = Tree()
    tree.folder.add("a", "b", Level.WRITE)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    re_pin = tree.due("a")
    o = tree.document["o"]
    lowered = o.maker.lower_role(Target(PrincipalId(tree.folder.object)), Level.READ)
    tree.take(lowered, re_pin)  # type: ignore[arg-type]
    while (told := o.duty(to_write=True)) is not None:
        tree.take(told)
    tree.take(*o.maker.raise_role(PrincipalId(tree.folder.object), Level.WRITE))
    contested, read_by = listed(tree).contested, tree.maker("b").membership.keys
    tree.take(tree.due("a"))  # type: ignore[arg-type]

    assert contested
    assert re_pin.id not in read_by  # type: ignore[union-attr]
    assert not listed(tree).contested
    assert listed(tree).principal.version == tree.folder["a"].usable
    assert duties.usable(tree.maker("a")) is not None


def test_a_re_pin_beside_a_lowering_to_a_writer_counts_whatever_keys_it_makes() -> None:
    """A writer may re-pin. The admin keys that were made with it nobody uses after the lowering."""
    tree = Tree(Level.ADMIN)
    tree.folder.add("a", "b", Level.WRITE)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    re_pin = tree.due("a")
    o = tree.document["o"]
    lowered = o.maker.lower_role(Target(PrincipalId(tree.folder.object)), Level.WRITE)
    tree.take(lowered, re_pin)  # type: ignore[arg-type]
    while (told := o.duty()) is not None:
        tree.take(told)

    assert isinstance(re_pin, Epoch)
    assert not re_pin.neutral
    assert listed(tree).principal.version == tree.folder["a"].usable
    assert not listed(tree).contested
    assert lowered.id in tree.maker("a").membership.keys


def test_not_by_one_that_somebody_dates_back_who_was_named_as_gone() -> None:
    """Else he could shut the folder out, where nobody in it may write to the document."""
    tree = Tree()
    tree.folder.add("a", "b", Level.ADMIN)
    tree.folder.add("a", "c", Level.READ, "b")
    tree.folder.tell(tree.folder["b"].maker.remove([Target(tree.folder["c"].id)]), "b")
    false = tree.due("b")
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    tree.take(tree.due("a"))  # type: ignore[arg-type]
    lowered = tree.document["o"].maker.lower_role(Target(PrincipalId(tree.folder.object)), Level.READ)
    tree.take(lowered, false)  # type: ignore[arg-type]

    assert false.id in tree.document["o"].view.void  # type: ignore[union-attr]
    assert not listed(tree).contested


def test_whom_an_op_of_the_folder_named_as_gone_is_closed_in_the_document() -> None:
    """A device that was removed since the version which is listed, though its person is in the folder yet;
    so it would be with an account in an object that is in the folder.
    """
    tree = Tree(Level.ADMIN)
    for name in "bc":
        tree.folder.add("a", name, Level.ADMIN)
    version = newer_account(tree.folder["b"].credentials.rotate_user_key(RANDOM).account)
    re_pin = tree.folder["a"].maker.re_pin([version], [Target(tree.folder["b"].id, b"d" * 32)])
    tree.folder.tell(re_pin, "a", "c")
    made = tree.due("c")
    tree.take(made)  # type: ignore[arg-type]

    op = tree.document["o"].membership.history.entry(made.id).signed.op  # type: ignore[union-attr]
    assert isinstance(op, RePin)
    assert {target.who for target in op.targets} == {b"d" * 32}


def test_who_came_and_went_beside_the_listed_version_is_closed_in_the_document() -> None:
    """He has keys of before it, and can date back what he does by these."""
    tree = Tree(Level.ADMIN)
    for name in "cd":
        tree.folder.add("a", name, Level.ADMIN)
    tree.folder.meet("a", "c", "d")
    tree.folder.tell(tree.folder["c"].maker.remove([Target(tree.folder["d"].id)]), "c")
    tree.take(tree.due("c"))  # type: ignore[arg-type]
    tree.folder.add("a", "b", Level.ADMIN)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    tree.folder.meet("a", "c")
    tree.folder.tell(tree.folder["a"].maker.rotate(), "a", "c")

    assert bytes(tree.folder["b"].id) in gone_by(tree.due("a"), tree)


def test_of_more_who_are_gone_than_a_record_holds_those_who_acted_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others let nobody in by the old keys, named or not."""
    tree = Tree(Level.ADMIN)
    for name in "bcde":
        tree.folder.add("a", name, Level.ADMIN)
    tree.folder.meet()
    acted = max("bcd", key=lambda name: tree.folder[name].id)
    tree.take(tree.maker(acted).tell_news())
    gone = [Target(tree.folder[name].id) for name in "bcd"]
    tree.folder.tell(tree.folder["a"].maker.remove(gone))
    monkeypatch.setattr(duties, "MAX_TARGETS", 1)

    assert gone_by(tree.due("a"), tree) == {bytes(tree.folder[acted].id)}


@pytest.mark.parametrize("is_in", [True, False])
def test_who_comes_by_an_object_in_the_folder_is_gone_when_that_is(is_in: bool) -> None:
    """And not before, though he was removed from the folder himself."""
    tree, team = Tree(Level.ADMIN), Group("te", RANDOM)
    team.add("t", "e", Level.ADMIN)
    tree.folder.add("a", "b", Level.READ)
    principal = Principal.of_object(team.object, team.first.id, team.first.keys)
    shown = (team.first.public_link,)
    tree.folder.tell(tree.folder["a"].maker.add(principal, Level.ADMIN, proof=shown), "a")
    e = account_principal(team["e"].credentials)
    tree.folder.tell(tree.folder["a"].maker.add(e, Level.READ), "a")
    gone = [e.id, tree.folder["b"].id, *([] if is_in else [principal.id])]
    tree.folder.tell(tree.folder["a"].maker.remove([Target(one) for one in gone]), "a")
    seen = {tree.folder.object: tree.folder["a"].view, team.object: team["t"].view}
    tree.folder["a"].maker = replace(tree.folder["a"].maker, surroundings=Surroundings(seen))
    maker = replace(tree.maker("a"), surroundings=Surroundings(seen))
    made = duties.due(maker, tree.parents("a"), to_write=True)  # type: ignore[arg-type]

    who = gone_by(made, tree)
    assert (bytes(e.id) in who) is not is_in
    assert (bytes(team["t"].id) in who) is not is_in
    assert bytes(tree.folder["b"].id) in who


def gone_by(made: MembershipRecord | duties.ParentFirst | None, tree: Tree) -> set[bytes]:
    """Whom a re-pin names as gone."""
    assert isinstance(made, MembershipRecord)
    tree.take(made)
    op = tree.document["o"].membership.history.entry(made.id).signed.op
    assert isinstance(op, RePin)
    return {target.who for target in op.targets}


def add_beside_a_re_pin(tree: Tree, name: str) -> tuple[MembershipRecord, list[MembershipRecord]]:
    """``a`` removes b from the folder and re-pins; ``name`` adds z in the folder's name, by its old keys."""
    for one in "bc":
        tree.folder.add("a", one, Level.ADMIN)
    tree.folder.meet("a", "b", "c")
    adding = tree.maker(name).add(account_principal(tree.document["z"].credentials), Level.READ)
    return removed_from_folder(tree, "b"), adding


def removed_from_folder(tree: Tree, name: str) -> MembershipRecord:
    """``a`` removes somebody from the folder; the re-pin that is due by that."""
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder[name].id)]))
    re_pin = tree.due("a")
    assert isinstance(re_pin, MembershipRecord)
    return re_pin


def by_another_account(tree: Tree, name: str) -> Maker:
    """``name``, who calls himself x, of whom nobody has heard."""
    tree.folder.people["x"] = Group("x", RANDOM)["x"]
    x = tree.folder["x"].maker.actor
    maker = tree.maker(name)
    return replace(maker, actor=replace(maker.actor, account=x.account, device=x.device))


def test_who_has_old_keys_of_the_folder_lets_nobody_in_by_an_account_of_his_own_making() -> None:
    """The one who was removed is named as gone; he might be anybody else, though."""
    tree = Tree(Level.ADMIN)
    z = account_principal(tree.document["z"].credentials)
    re_pin, _ = add_beside_a_re_pin(tree, "b")
    false = by_another_account(tree, "b").add(z, Level.READ)
    tree.take(re_pin, *false)

    assert z.id not in tree.document["o"].view.members


def test_nor_does_he_keep_out_whom_somebody_added_who_knew_of_the_re_pin() -> None:
    """He says that he removed z before that."""
    tree = Tree(Level.ADMIN)
    z = account_principal(tree.document["z"].credentials)
    re_pin, adding = add_beside_a_re_pin(tree, "c")
    false = by_another_account(tree, "b").remove([Target(z.id)])
    tree.take(re_pin, *adding)
    tree.take(*tree.maker("a").add(z, Level.READ))
    tree.take(false)

    assert false.id not in tree.document["o"].view.void
    assert z.id in tree.document["o"].view.members


@pytest.mark.parametrize("by", ["a", "c"])
def test_whom_somebody_added_whom_nobody_knew_is_added_once_more(by: str) -> None:
    """By him, or another who sees that he is in the folder; not who was removed since."""
    tree = Tree(Level.ADMIN)
    re_pin, adding = add_beside_a_re_pin(tree, "c")
    z = account_principal(tree.document["z"].credentials).id
    tree.take(re_pin, *adding)
    assert z not in tree.document["o"].view.members
    tree.take(tree.due(by))  # type: ignore[arg-type]

    assert z in tree.document["o"].view.members
    tree.take(tree.maker("a").remove([Target(z)]))
    due = tree.due(by)
    assert due is None or not isinstance(due, Grant)


@pytest.mark.parametrize("gone", ["b", "d"])
def test_who_did_so_on_the_word_of_somebody_who_is_gone_since_does_not_do_it_again(gone: str) -> None:
    """b lets z in, c does so once more, a re-pins before he hears of that; perhaps b was not honest."""
    tree = Tree(Level.ADMIN)
    z = account_principal(tree.document["z"].credentials)
    for one in "bcde":
        tree.folder.add("a", one, Level.ADMIN)
    adding = tree.maker("b").add(z, Level.READ)
    tree.take(removed_from_folder(tree, "e"))
    re_pin = re_pinned_without(tree, gone)
    tree.take(*adding)
    again = tree.due("c")
    assert isinstance(again, Grant)
    tree.folder.meet("a", "b", "c", "d")
    tree.take(re_pin, again)
    assert again.id in tree.document["o"].view.void
    due = tree.due("c")
    if due is not None:
        assert not isinstance(due, duties.ParentFirst)
        tree.take(due)

    assert (z.id in tree.document["o"].view.members) is (gone != "b")


def test_who_acted_for_the_folder_before_adds_beside_a_re_pin() -> None:
    """Its author knew him, and did not name him as gone."""
    tree = Tree(Level.ADMIN)
    tree.folder.add("a", "c", Level.ADMIN)
    tree.take(tree.maker("c").tell_news())
    re_pin, adding = add_beside_a_re_pin(tree, "c")
    tree.take(re_pin, *adding)

    assert account_principal(tree.document["z"].credentials).id in tree.document["o"].view.members


def re_pinned_by(tree: Tree, maker: Maker, by: str, *gone: str) -> Epoch:
    """A re-pin of the folder to keys that ``by`` makes now, by the write key of its first ones."""
    inside = tree.folder[by].membership
    made = tree.folder[by].maker.rotate()
    tree.folder.tell(made, by)
    folder = PrincipalId(tree.folder.object)
    first = Principal.of_object(tree.folder.object, tree.folder.first.id, tree.folder.first.keys)
    version = newer_epoch([], [first], inside.ring.epochs, inside.keys, made.id)
    maker = replace(maker, surroundings=Surroundings({tree.folder.object: inside.view}))
    if maker.actor.principal == folder:
        maker = replace(maker, actor=acting_for(maker.actor, inside, made.id))
    return maker.re_pin([version], [Target(folder, bytes(tree.folder[one].id)) for one in gone])


def re_pinned_without(tree: Tree, gone: str) -> MembershipRecord:
    """``a`` removes somebody from the folder, who does not hear of it, and re-pins."""
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder[gone].id)]), "a")
    made = tree.due("a")
    assert isinstance(made, MembershipRecord)
    return made


@pytest.mark.parametrize("known", [False, True])
def test_only_who_acted_for_the_folder_before_leads_on_from_keys_that_were_replaced(known: bool) -> None:
    """Whoever has them may call himself anybody."""
    tree = Tree()
    for name in "bc":
        tree.folder.add("a", name, Level.ADMIN)
    tree.take(tree.maker("c").tell_news())
    tree.take(re_pinned_without(tree, "b"))
    true = listed(tree).principal.version
    by = "c" if known else "b"
    false = re_pinned_by(tree, tree.maker(by) if known else by_another_account(tree, by), by)
    tree.take(false)

    assert (false.id in tree.document["o"].view.void) is not known
    assert (listed(tree).principal.version == true) is not known


def test_whom_a_void_re_pin_names_as_gone_lets_nobody_in() -> None:
    """Who removed the folder beside that had seen whom he let in, and not that he was gone from it."""
    tree = Tree(Level.ADMIN)
    re_pin, adding = add_beside_a_re_pin(tree, "b")
    o, z = tree.document["o"], account_principal(tree.document["z"].credentials).id
    tree.take(*adding)
    tree.take(o.maker.remove([Target(PrincipalId(tree.folder.object))]))
    before = z in o.view.members
    tree.take(re_pin)

    assert before
    assert re_pin.id in o.view.void
    assert z not in o.view.members


def test_new_keys_are_made_once_such_a_re_pin_is_known() -> None:
    """Who has not heard of it forwards those of before to whom somebody it names let in."""
    tree = Tree()
    tree.folder.add("a", "b", Level.ADMIN)
    re_pin, o = re_pinned_without(tree, "b"), tree.document["o"]
    tree.take(o.maker.remove([Target(PrincipalId(tree.folder.object))]))
    before = o.usable
    tree.take(re_pin)

    assert before is not None
    assert o.usable is None


def with_two_adds() -> Tree:
    """``b`` was removed from the folder; ``a`` re-pinned the document without him, and added y."""
    tree = Tree(Level.ADMIN)
    tree.document.people["y"] = Group("y", RANDOM)["y"]
    tree.folder.add("a", "b", Level.ADMIN)
    return tree


def add_y(tree: Tree) -> None:
    tree.take(*tree.maker("a").add(account_principal(tree.document["y"].credentials), Level.READ))


def test_but_not_one_by_whom_another_names_as_gone() -> None:
    """He dates it back, to throw out whom the folder's members let in, when that is removed."""
    tree = with_two_adds()
    false = re_pinned_by(tree, tree.maker("b"), "b", "a")
    tree.take(re_pinned_without(tree, "b"))
    add_y(tree)
    o = tree.document["o"]
    tree.take(o.maker.remove([Target(PrincipalId(tree.folder.object))]))
    tree.take(false)

    assert false.id in o.view.void
    assert account_principal(tree.document["y"].credentials).id in o.view.members


def test_nor_one_by_whom_a_removed_admin_let_in() -> None:
    """He is no member, and never was."""
    tree = with_two_adds()
    o, z, ex = tree.document["o"], tree.document["z"], Group("x", RANDOM)["x"]
    tree.document.people["x"] = replace(ex, maker=replace(ex.maker, membership=o.membership))
    tree.take(*o.maker.add(account_principal(ex.credentials), Level.ADMIN))
    letting_in = tree.document["x"].maker.add(account_principal(z.credentials), Level.ADMIN)
    z.take(*tree.records, *letting_in)
    false = re_pinned_by(tree, z.maker, "b", "a")
    tree.take(o.maker.remove([Target(account_principal(ex.credentials).id)]))
    add_y(tree)
    tree.take(*letting_in, false)

    assert false.id in o.view.void
    assert account_principal(tree.document["y"].credentials).id in o.view.members


def test_who_cannot_show_the_newest_of_several_versions_makes_no_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would be open to a version that nobody knows to be newest: useless, and without end."""
    tree = Tree()
    tree.folder.add("a", "b", Level.WRITE)
    maker = tree.maker("b")
    view = maker.membership.view
    folder = view.members[PrincipalId(tree.folder.object)]
    other = replace(folder.principal, version=b"v" * 32)
    view.members[folder.principal.id] = replace(folder, contested=(folder.principal, other))
    monkeypatch.setattr(duties, "_newest_version", lambda *_: None)

    assert duties.due(maker, tree.parents("b"), to_write=True) is None  # type: ignore[arg-type]


def test_a_removed_member_of_the_folder_is_closed_in_the_document() -> None:
    """The re-pin names him: what he does there at the same time is void."""
    tree = Tree(Level.ADMIN)
    for name in "bc":
        tree.folder.add("a", name, Level.ADMIN)
    late = tree.maker("b").add(account_principal(tree.document["z"].credentials), Level.ADMIN)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]))
    tree.take(tree.due("c"))  # type: ignore[arg-type]
    tree.take(*late)
    view = tree.document["o"].view
    folder = PrincipalId(tree.folder.object)
    account = tree.folder["b"].credentials.account_id

    assert tree.document["z"].id not in view.members
    assert view.closed(folder, account=account) == {}
    assert view.closed(folder, account=tree.folder["c"].credentials.account_id) is None


def test_nobody_is_closed_in_whose_name_a_member_lied() -> None:
    """Who acted for the folder and is gone is named in the re-pin, by ops that were proved to be his."""
    tree = Tree()
    for name in "bc":
        tree.folder.add("a", name, Level.WRITE)
    eve = actor_of(found("eve", RANDOM))
    acting = replace(eve, principal=PrincipalId(tree.folder.object), principal_key=eve.device)
    made_up = EpochKeys.generate(RANDOM)
    folder_of_hers = Principal.of_object(tree.folder.object, EpochId(RANDOM(32)), made_up.public())
    signed = replace(acting, principal_key=made_up.signing_key(Level.ADMIN))
    first, keys = tree.document.first, tree.document["o"].membership.keys
    heads = tree.document["o"].view.heads
    lies: list[MembershipRecord] = [
        make_grant(first.object, first.id, keys[first.id], [], Said(News(), acting, heads), RANDOM),
        next_epoch(
            first.object,
            EpochKeys.generate_neutral(RANDOM),
            {first.id: keys[first.id]},
            {first.id: keys[first.id]},
            [],
            Said(RePin((NewVersion(folder_of_hers, ()),)), signed, heads),
            RANDOM,
        ),
    ]
    tree.take(*lies)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]))
    tree.take(tree.due("c"))  # type: ignore[arg-type]
    view = tree.document["o"].view
    folder = PrincipalId(tree.folder.object)

    assert all(lie.id in view.void for lie in lies)
    assert view.closed(folder, account=tree.folder["b"].credentials.account_id) == {}
    assert view.closed(folder, account=eve.account.id) is None


def test_new_keys_in_the_folder_come_first() -> None:
    """Where the folder itself has no epoch to write in, that is what is due."""
    tree = Tree()
    for name in "bc":
        tree.folder.add("a", name, Level.WRITE)
    tree.folder.tell(tree.folder["b"].maker.leave(Leave()))

    assert tree.due("c") == duties.ParentFirst(tree.folder.object)


def test_a_folder_gets_its_newer_keys_at_once() -> None:
    """Who made keys while it was listed at old ones gave it no slot, of which nothing tells the others."""
    tree = Tree()
    tree.folder.add("a", "b", Level.WRITE)
    tree.folder.add("a", "c", Level.READ)
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a", "c")
    maker = tree.maker("a")
    made = maker.rotate()
    maker.membership.take([made])
    tree.take(made)
    lacked = tree.maker("c").membership.keys
    re_pin = duties.due(maker, tree.parents("a"))  # type: ignore[arg-type]
    assert isinstance(re_pin, Epoch)
    tree.take(re_pin)

    assert made.id not in lacked
    assert made.id in tree.maker("c").membership.keys


def with_a_reader_of_the_folder() -> tuple[Tree, Maker]:
    """The document's admin may read in the folder, in which ``b`` writes; and what he acts by."""
    tree = Tree()
    tree.folder.add("a", "b", Level.WRITE)
    person = tree.document["o"]
    tree.folder.people["o"] = Person("o", person.credentials, replace(person.maker, membership=inside(tree)))
    tree.folder.add("a", "o", Level.READ, "b")
    surroundings = Surroundings({tree.folder.object: tree.folder["o"].view})
    return tree, replace(person.maker, surroundings=surroundings)


def inside(tree: Tree) -> Membership:
    return Membership(tree.folder.object, KeyRing([tree.document["o"].credentials.user.box]))


def versions(made: MembershipRecord | duties.ParentFirst | None, maker: Maker) -> dict[bytes, bytes]:
    """The key versions that a re-pin gives."""
    assert isinstance(made, Epoch)
    maker.membership.take([made])
    return {pin.principal.id: pin.principal.version for pin in maker.membership.history.entry(made.id).pins}


def test_who_only_reads_in_the_folder_gives_the_document_its_new_keys() -> None:
    """Else an admin of the document could not write until somebody comes who writes in the folder."""
    tree, maker = with_a_reader_of_the_folder()
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a", "o")
    maker = replace(maker, surroundings=Surroundings({tree.folder.object: tree.folder["o"].view}))
    made = duties.due(maker, {tree.folder.object: tree.folder["o"].maker}, to_write=True)

    assert versions(made, maker) == {tree.folder.object: tree.folder["a"].usable}
    assert duties.usable(maker) is not None


def test_what_he_cannot_renew_keeps_him_from_nothing_else() -> None:
    """Somebody left the folder, which waits for a writer; a device of his own that he removed does not."""
    tree, maker = with_a_reader_of_the_folder()
    tree.folder.tell(tree.folder["b"].maker.leave(Leave()), "b", "o")
    renewed = tree.document["o"].credentials.rotate_user_key(RANDOM)
    surroundings = Surroundings(
        {tree.folder.object: tree.folder["o"].view}, {renewed.account_id: renewed.account}
    )
    maker.membership.add_pair(renewed.user.box)
    maker = replace(maker, actor=actor_of(renewed), surroundings=surroundings)
    made = duties.due(maker, {tree.folder.object: tree.folder["o"].maker}, to_write=True)

    assert versions(made, maker) == {tree.document["o"].id: renewed.account.user_key.generation}


def test_an_admin_of_the_document_who_reads_in_the_folder_again_leads_to_its_newest_keys() -> None:
    """A void re-pin to these named him as gone. Nobody in the folder may write to the document any more."""
    tree, maker = with_a_reader_of_the_folder()
    folder = tree.folder.object
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.document["o"].id)]), "a", "b")
    re_pin = tree.due("a")
    tree.folder.add("a", "o", Level.READ, "b")
    lowered = maker.lower_role(Target(PrincipalId(folder)), Level.READ)
    tree.take(lowered, re_pin)  # type: ignore[arg-type]
    assert listed(tree).contested
    maker = replace(maker, surroundings=Surroundings({folder: tree.folder["o"].view}))
    made = duties.due(maker, {folder: tree.folder["o"].maker})
    while isinstance(made, Grant):
        maker.membership.take([made])
        made = duties.due(maker, {folder: tree.folder["o"].maker})

    assert versions(made, maker) == {folder: tree.folder["a"].usable}


def test_who_joined_after_the_listed_version_renews_the_keys_of_others_with_it() -> None:
    """By the folder's listed keys he only reads: he acts by the newer ones that he gives it.

    What he writes with he has by another way, here as a member himself.
    """
    tree = Tree()
    tree.folder.tell(tree.folder["a"].maker.rotate(), "a")
    tree.folder.add("a", "b", Level.WRITE)
    renewed = tree.document["z"].credentials.rotate_user_key(RANDOM)
    for who in (tree.document["z"], tree.folder["b"]):
        tree.take(*tree.document["o"].maker.add(account_principal(who.credentials), Level.WRITE))
    surroundings = Surroundings(
        {tree.folder.object: tree.folder["b"].view}, {renewed.account_id: renewed.account}
    )
    maker = replace(tree.maker("b"), surroundings=surroundings)
    maker.membership.add_pair(tree.folder["b"].credentials.user.box)
    maker.membership.ring.deepen(tree.document.first.id)
    assert maker.actor.level is Level.READ
    made = duties.due(maker, tree.parents("b"), to_write=True)  # type: ignore[arg-type]

    assert versions(made, maker) == {
        tree.document["z"].id: renewed.account.user_key.generation,
        tree.folder.object: tree.folder["b"].usable,
    }
    assert duties.usable(maker) == made.id  # type: ignore[union-attr]


@pytest.mark.parametrize("back", [False, True])
def test_who_knows_less_of_the_folder_than_what_is_listed_gives_it_no_newer_keys(back: bool) -> None:
    """They would be open to whom somebody removed, who may have been out himself before. He takes what is
    said in the document, though."""
    tree = Tree()
    for name in "bcd":
        tree.folder.add("a", name, Level.ADMIN)
    if back:
        tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["d"].id)]))
        tree.folder.add("a", "d", Level.ADMIN)
    tree.folder.meet()
    tree.take(tree.maker("c").tell_news())
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a", "d")
    re_pin = tree.due("d")
    tree.take(re_pin)  # type: ignore[arg-type]
    tree.folder.tell(tree.folder["c"].maker.rotate(), "b", "c")
    behind, taken = tree.due("c"), re_pin.id in tree.maker("c").membership.history  # type: ignore[union-attr]
    tree.folder.meet("a", "c")

    assert behind is None
    assert taken
    epoch = duties.usable(tree.maker("c"))
    assert epoch is not None
    assert epoch not in tree.maker("b").membership.keys


def test_nobody_waits_for_keys_of_the_folder_by_who_is_known_to_be_out() -> None:
    """There may be no record of them: he could shut the folder's members out for ever."""
    tree = Tree()
    tree.folder.add("a", "b", Level.ADMIN)
    tree.take(tree.maker("a").tell_news())
    tree.take(re_pinned_by(tree, tree.maker("b"), "b"))
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    tree.take(tree.due("a"))  # type: ignore[arg-type]

    epoch = duties.usable(tree.maker("a"))
    assert epoch is not None
    assert epoch not in tree.maker("b").membership.keys


@pytest.mark.parametrize("known_to_be_out", [False, True])
def test_new_keys_are_given_to_a_version_of_the_folder_that_one_has_not_heard_of(
    known_to_be_out: bool,
) -> None:
    """Everybody takes that slot for given. One writes nothing with these keys until one has heard of it; and
    gives none to a version by who is known to be out: there may be no record of it.
    """
    tree = Tree()
    tree.folder.add("a", "b", Level.ADMIN)
    tree.folder.meet("a", "b")
    if known_to_be_out:
        tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    tree.take(re_pinned_by(tree, tree.maker("b"), "b"))
    o = tree.document["o"]
    o.maker = replace(o.maker, surroundings=Surroundings({tree.folder.object: tree.folder["a"].view}))
    made = o.maker.rotate()
    tree.take(made)

    assert (made.id in tree.maker("b").membership.keys) is not known_to_be_out
    assert o.usable is None


def test_a_folder_added_anew_at_keys_that_are_shown_to_be_older_is_contested() -> None:
    """The add comes after the re-pin, whose proof says that the version added is the older one."""
    tree = Tree()
    tree.take(re_pinned_by(tree, tree.maker("a"), "a"))
    first = Principal.of_object(tree.folder.object, tree.folder.first.id, tree.folder.first.keys)
    shown = (tree.folder.first.public_link,)
    tree.take(*tree.document["o"].maker.add(first, Level.WRITE, proof=shown))

    assert {one.version for one in listed(tree).contested} == {first.version, tree.folder["a"].usable}
    tree.take(tree.due("a"))  # type: ignore[arg-type]
    assert not listed(tree).contested
    assert listed(tree).principal.version == tree.folder["a"].usable


def test_and_to_the_folder_where_one_has_not_heard_of_what_that_lists() -> None:
    """Its own version one knows, and cannot tell yet whether it is good."""
    tree, team = Tree(), Group("te", RANDOM)
    team.add("t", "e", Level.ADMIN)
    tree.folder.add("a", "b", Level.ADMIN)
    first = Principal.of_object(team.object, team.first.id, team.first.keys)
    maker, shown = tree.folder["a"].maker, (team.first.public_link,)
    tree.folder.tell(maker.add(first, Level.ADMIN, proof=shown), "a")
    newest = team["t"].maker.rotate()
    team.tell(newest, "t")
    inside = team["t"].membership
    version = newer_epoch([], [first], inside.ring.epochs, inside.keys, newest.id)
    tree.folder.tell(maker.re_pin([version]), "a")
    tree.take(re_pinned_by(tree, tree.maker("a"), "a"))
    tree.folder.meet("a", "b")
    o = tree.document["o"]
    seen = {tree.folder.object: tree.folder["b"].view, team.object: team["e"].view}
    o.maker = replace(o.maker, surroundings=Surroundings(seen))
    made = o.maker.rotate()
    tree.take(made)

    assert made.id in tree.maker("a").membership.keys
    assert o.usable is None
    team.meet()
    o.maker = replace(o.maker, surroundings=Surroundings({**seen, team.object: team["e"].view}))
    assert o.usable == made.id


def test_an_admin_of_the_folder_ends_the_waiting_for_somebody_nobody_knew() -> None:
    """He might be new in the folder; or have its old keys from somebody who was removed."""
    tree = Tree()
    tree.folder.add("a", "b", Level.ADMIN)
    tree.take(tree.maker("a").tell_news())
    ex = by_another_account(tree, "b")
    tree.take(re_pinned_by(tree, ex, "b"))
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]), "a")
    waits = tree.due("a")
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["x"].id)]), "a")
    tree.take(tree.due("a"))  # type: ignore[arg-type]

    assert waits is None
    epoch = duties.usable(tree.maker("a"))
    assert epoch is not None
    assert epoch not in tree.maker("b").membership.keys


def test_the_author_of_new_keys_counts_among_those_who_open_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was removed from the folder re-pins it truthfully; the others do not write to keys that he made."""
    tree = Tree()
    for name in "bc":
        tree.folder.add("a", name, Level.WRITE)
    old = tree.maker("b")
    tree.folder.tell(tree.folder["a"].maker.remove([Target(tree.folder["b"].id)]))
    newest = tree.folder["a"].usable
    assert newest is not None
    view = old.membership.view
    member = view.members[PrincipalId(tree.folder.object)]
    inside = tree.folder["a"].membership
    version = newer_epoch(member.versions, member.versions, inside.ring.epochs, inside.keys, newest)
    epoch = replace(old, surroundings=Surroundings()).re_pin([version])
    tree.take(epoch)
    assert epoch.id not in tree.document["o"].view.void

    assert tree.document["o"].usable != epoch.id
    assert duties.usable(tree.maker("c")) != epoch.id
    folder = tree.document["o"].view.members[PrincipalId(tree.folder.object)].principal
    monkeypatch.setattr(usable_epochs, "author_pin", lambda _: folder.pin)
    assert tree.document["o"].usable == epoch.id  # but for this rule


def chain(length: int) -> tuple[Group, list[EpochId]]:
    """A folder with ``length`` more epochs."""
    who = Group("ab", RANDOM)
    ids = [EpochId(who.first.id)]
    for _ in range(length):
        epoch = who["a"].maker.rotate()
        who.tell(epoch, "a")
        ids.append(epoch.id)
    return who, ids


def pinned(who: Group, epoch: EpochId) -> Principal:
    return Principal.of_object(who.object, epoch, who["a"].membership.ring.epochs[epoch].keys)


def test_signatures_lead_from_one_key_version_to_another() -> None:
    """Without the write key of the first: each epoch was signed with the keys of one before it."""
    who, ids = chain(3)
    old, inside = pinned(who, ids[0]), who["a"].membership
    reading = {epoch: EpochKeys(Level.READ, keys.read.expose()) for epoch, keys in inside.keys.items()}
    version = newer_epoch([old], [old], inside.ring.epochs, reading, ids[3])

    assert len(version.proof) == 3
    assert check_newer(version, [old], [old], [], contested=False) == set(ids[:3])


def test_who_has_the_write_key_vouches_in_one_step() -> None:
    """However many epochs lie between."""
    who, ids = chain(3)
    old, inside = pinned(who, ids[0]), who["a"].membership
    version = newer_epoch([old], [old], inside.ring.epochs, inside.keys, ids[3])

    assert len(version.proof) == 1
    assert len(version.proof[0]) < 600  # type: ignore[arg-type]
    assert check_newer(version, [old], [old], [], contested=False) == {ids[0]}


def test_a_version_that_was_listed_before_is_shown_to_be_newer_again() -> None:
    """Where somebody added the object anew at older keys. By the signatures, and by a write key."""
    who, ids = chain(3)
    old, new, inside = pinned(who, ids[0]), pinned(who, ids[3]), who["a"].membership
    reading = {epoch: EpochKeys(Level.READ, keys.read.expose()) for epoch, keys in inside.keys.items()}
    for keys in (reading, inside.keys):
        version = newer_epoch([], [old, new], inside.ring.epochs, keys, ids[3])
        older = check_newer(version, [old], [old, new], [], contested=False)

        assert ids[0] in older
        assert ids[3] not in older


def test_no_version_is_older_than_itself() -> None:
    """Who has its write key could else have it taken for one that was replaced, for good."""
    who, ids = chain(3)
    old, new, inside = pinned(who, ids[0]), pinned(who, ids[3]), who["a"].membership
    epoch = inside.ring.epochs[ids[3]]
    links = tuple(epoch.public_link_by(by, inside.keys[by]) for by in (ids[0], ids[3]))

    assert check_newer(NewVersion(new, links), [old], [old, new], [], contested=False) == {ids[0]}


def test_a_contested_version_is_chosen_by_its_own_write_key() -> None:
    """By whom is believed at it and at no other: a newer version would say as much. Nothing else does."""
    who, ids = chain(3)
    old, new, inside = pinned(who, ids[0]), pinned(who, ids[3]), who["a"].membership
    epochs = inside.ring.epochs
    version = newer_epoch([old], [new], epochs, inside.keys, ids[3])
    assert check_newer(version, [old], [new], [], contested=True) == frozenset()

    with pytest.raises(RemoteProtocolError):
        check_newer(version, [old], [new], [], contested=False)
    from_the_first = (*(epochs[epoch].public_link for epoch in ids), *version.proof)
    with pytest.raises(RemoteProtocolError):  # he is believed at none
        check_newer(NewVersion(new, from_the_first), [old], [], [], contested=True)  # type: ignore[arg-type]
    reading = {epoch: EpochKeys(Level.READ, keys.read.expose()) for epoch, keys in inside.keys.items()}
    with pytest.raises(NoAccess):
        newer_epoch([old], [new], epochs, reading, ids[3])


def test_who_is_believed_at_no_version_can_show_none() -> None:
    """A way that leads there from the object's first epoch is no proof of what is newer."""
    tree = Tree()
    tree.folder.add("a", "b", Level.WRITE)
    tree.folder.tell(tree.folder["a"].maker.rotate(), "a", "b")
    inside = tree.folder["b"].membership
    listed = tree.document["o"].view.members[PrincipalId(tree.folder.object)].principal
    newest = tree.folder["b"].usable
    assert newest is not None

    assert newer_epoch([listed], [listed], inside.ring.epochs, inside.keys, newest).proof
    with pytest.raises(NoAccess):
        newer_epoch([listed], [], inside.ring.epochs, inside.keys, newest)


def test_a_false_proof_shows_nothing() -> None:
    """Of another object, to other keys, backwards, with a link missing, or signed by who has no write key."""
    who, ids = chain(2)
    other, others = chain(1)
    old, new = pinned(who, ids[0]), pinned(who, ids[2])
    epochs = who["a"].membership.ring.epochs
    links = tuple(epochs[epoch].public_link for epoch in ids[1:])
    foreign = other["a"].membership.ring.epochs[others[1]]
    keys = EpochKeys.generate(RANDOM)
    fakes: list[tuple[Principal, tuple[bytes, ...]]] = [
        (new, ()),
        (new, links[1:]),
        (new, (foreign.public_link,)),
        (pinned(other, others[1]), (foreign.public_link,)),
        (Principal.of_object(who.object, ids[2], keys.public()), links),
        (new, (epochs[ids[2]].public_link_by(ids[0], keys),)),
        (old, links),
    ]
    for principal, proof in fakes:
        with pytest.raises(RemoteProtocolError):
            check_newer(NewVersion(principal, proof), [old], [old], [], contested=False)
    assert EpochLink.parse_untrusted(links[0], {ids[0]: epochs[ids[0]].keys}).id == ids[1]
    assert check_newer(NewVersion(new, links), [old], [old], [], contested=False) == {ids[0], ids[1]}


def test_a_folder_is_no_member_of_what_is_in_it() -> None:
    """Adding would close a circle, which who sees both can tell."""
    tree = Tree()
    maker = replace(
        tree.folder["a"].maker,
        surroundings=Surroundings({tree.document.object: tree.maker("a").membership.view}),
    )
    document = tree.document.first
    with pytest.raises(Conflict):
        maker.add(Principal.of_object(document.object, document.id, document.keys), Level.READ)
