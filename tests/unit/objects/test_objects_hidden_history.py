"""A member whose history is hidden: what he gets, what he hands on, and that he sees what all see."""

from __future__ import annotations

import itertools
import random

import pytest

from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import LinkSeed
from peergos_collab.errors import Conflict
from peergos_collab.identity.credentials import user_pair
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import newer_account
from peergos_collab.objects.links import LinkKeys
from peergos_collab.objects.membership import Membership
from peergos_collab.objects.op_kinds import Add, Target
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import Epoch, Grant, MembershipRecord, Said, make_grant
from peergos_collab.objects.usable_epochs import frontier, tips
from peergos_collab.objects.wraps import recipients_of
from support.circle import account_principal
from support.members import Group, Person


def group(names: str = "abnpq", *, seed: int = 7) -> Group:
    """``a`` made it, ``b`` is an admin, too; nobody else is in."""
    who = Group(names, random.Random(seed).randbytes)
    who.add("a", "b", Level.ADMIN)
    who.meet()
    return who


def add_hidden(who: Group, by: str, name: str, level: Level, *told: str) -> tuple[Epoch, Grant]:
    """New keys, and the add; both are told to ``by``, the newcomer and ``told``."""
    epoch, add = who[by].maker.add(account_principal(who[name].credentials), level, hidden=True)
    who.tell([epoch, add], by, name, *told)
    who.tell(list(who[by].records), name)
    assert isinstance(epoch, Epoch)
    assert isinstance(add, Grant)
    return epoch, add


def colluding(who: Group, *names: str) -> KeyRing:
    """The keys that some people find together, whom a node hands all records of all time."""
    records = [record for one in who.people.values() for record in one.records]
    pairs = [user_pair(seed).box for name in names for seed in who[name].credentials.user_seeds.values()]
    made = {id_: keys for name in names for id_, keys in who[name].membership.keys.items()}
    ring = KeyRing(pairs, made)
    ring.take(records)
    for epoch in ring.epochs:
        ring.deepen(epoch)
    return ring


def same_view(*people: Person) -> bool:
    shown = [(one.view.members, one.view.void, one.view.heads) for one in people]
    return all(each == shown[0] for each in shown)


def test_a_newcomer_opens_all_ops_and_no_content_of_before() -> None:
    """Three epochs of before, of which he has nothing, and the one that was made for him."""
    who = group()
    who.tell(who["a"].maker.rotate(), "a", "b")
    cut, _ = add_hidden(who, "a", "n", Level.WRITE, "b")

    assert set(colluding(who, "n").keys) == {cut.id}
    assert len(who["n"].membership.ring.ops) == 3
    assert same_view(who["a"], who["b"], who["n"])
    assert who["n"].view.members[who["n"].id].hidden
    assert who["n"].usable == who["a"].usable == cut.id
    assert set(who["b"].membership.keys) > {cut.id}


def test_all_see_the_same_in_every_order() -> None:
    """Of who was removed before he came, too: ranks go by all ops."""
    who = group()
    who.add("a", "p", Level.READ)
    who.meet("a", "b")
    who.tell(who["b"].maker.remove([Target(who["p"].id)]), "a", "b")
    add_hidden(who, "b", "n", Level.ADMIN, "a")
    records = list(who["a"].records)
    for some in itertools.islice(itertools.permutations(records), 0, 720, 7):
        fresh = Membership(who.object, KeyRing([who["n"].credentials.user.box]))
        for record in some:
            fresh.take([record])

        assert (fresh.view.members, fresh.view.heads) == (who["a"].view.members, who["a"].view.heads)
        assert len(fresh.keys) == 1


@pytest.mark.parametrize("seed", range(1, 5))
def test_what_was_made_beside_his_add_is_not_for_him(seed: int) -> None:
    """An admin who did not know of him made keys and wrote with them: he learns of that and opens nothing."""
    who = group(seed=seed)
    beside = who["b"].maker.rotate()
    who.tell(beside, "b")
    joined = who.add("b", "p", Level.WRITE)
    cut, _ = add_hidden(who, "a", "n", Level.WRITE)
    who.meet("a", "b", "n", "p")

    assert beside.id in who["n"].view.history
    assert joined[0].id not in who["n"].view.history  # its keys are of beside, and so is its seal
    assert who["a"].usable == cut.id
    who.tell(who["a"].maker.raise_role(who["n"].id, Level.ADMIN), "a", "b", "n", "p")
    who.settle("a", "b", "n", "p")

    assert same_view(who["a"], who["b"], who["n"], who["p"])
    assert who["p"].id in who["n"].view.members
    assert beside.id not in colluding(who, "n").keys
    assert beside.id in who["a"].membership.keys
    assert {who[name].usable for name in "abnp"} == {who["n"].usable}
    assert who["n"].usable is not None


@pytest.mark.parametrize("level", list(Level))
def test_what_is_given_to_him_later_opens_nothing_of_before(level: Level) -> None:
    """A higher role, keys made by others, keys forwarded, a newer key version of his, on both his devices."""
    who = group()
    add_hidden(who, "a", "n", Level.READ, "b")
    before = set(who["a"].membership.keys) - set(who["n"].membership.keys)
    if level > Level.READ:
        who.tell(who["a"].maker.raise_role(who["n"].id, level), "a", "b", "n")
    who.tell(who["b"].maker.rotate(), "a", "b", "n")
    who.tell(who["b"].maker.remove([Target(who["n"].id)]), "a", "b")
    who.tell(who["a"].maker.add(account_principal(who["n"].credentials), level, hidden=True), "a", "b", "n")
    one = who["n"]
    one.credentials = one.credentials.rotate_user_key(who.random)
    newest = newer_account(one.credentials.account)
    who.tell(who["a"].maker.re_pin([newest]), "a", "b", "n")
    for seed in one.credentials.user_seeds.values():
        one.membership.add_pair(user_pair(seed).box)
    who.meet("a", "b", "n")

    assert who["a"].view.members[one.id].hidden
    assert who["a"].view.level(one.id) is level
    assert not before & set(colluding(who, "n").keys)
    assert same_view(who["a"], who["b"], who["n"])


def test_who_has_no_history_gives_none() -> None:
    """An admin from whom it is hidden adds others so, too; his keys break the chain for nobody else."""
    who = group()
    cut, _ = add_hidden(who, "a", "n", Level.ADMIN, "b")
    before = set(who["a"].membership.keys) - {cut.id}
    who.tell(who["n"].maker.rotate(), "a", "b", "n")
    who.tell(who["n"].maker.add(account_principal(who["q"].credentials), Level.WRITE), "a", "b", "n", "q")
    who.meet("a", "b", "n", "q")

    assert who["b"].view.members[who["q"].id].hidden
    assert not before & set(colluding(who, "n", "q").keys)
    who.add("b", "p", Level.READ, "a", "n", "q")
    who.meet()
    assert set(who["p"].membership.keys) == set(who["b"].membership.keys)
    assert same_view(*(who[name] for name in "abnpq"))


def test_history_goes_on_through_keys_of_who_has_none() -> None:
    """The next epoch of somebody with history links past his, so one link back is enough again."""
    who = group()
    cut, _ = add_hidden(who, "a", "n", Level.WRITE, "b")
    his = who["n"].maker.rotate()
    who.tell(his, "a", "b", "n")
    assert set(frontier(who["a"].view, who["a"].membership.ring)) == {cut.id, his.id}
    assert tips(who["a"].view, who["a"].membership.ring) == [his.id]
    merged = who["a"].maker.rotate()
    who.tell(merged, "a", "b", "n")

    assert merged.parents == (his.id,)
    assert set(merged.back_links) == {cut.id, his.id}
    assert frontier(who["a"].view, who["a"].membership.ring) == [merged.id]
    who.add("a", "p", Level.READ)
    assert set(who["p"].membership.keys) == set(who["a"].membership.keys)


def forged_add(who: Group, by: str, of: Principal) -> Grant:
    """An add with history by somebody who has none: what ``Maker`` does not make."""
    one = who[by]
    epoch = tips(one.view, one.membership.ring)[0]
    keys = one.membership.keys[epoch]
    said = Said(Add(of, Level.READ), one.maker.actor, one.view.heads)
    return make_grant(who.object, epoch, keys, recipients_of(of, Level.READ, keys), said, who.random)


def test_an_add_with_history_by_who_has_none_is_refused() -> None:
    """Else everybody would hand the newcomer what his adder was not given."""
    who = group()
    add_hidden(who, "a", "n", Level.ADMIN, "b")
    forged = forged_add(who, "n", account_principal(who["q"].credentials))
    who.tell(forged)

    assert forged.id in who["a"].view.void
    assert who["q"].id not in who["a"].view.members
    itself = forged_add(who, "n", account_principal(who["n"].credentials))
    who.tell(itself)
    assert who["b"].view.members[who["n"].id].hidden
    assert who["a"].duty() is None


def test_keys_made_after_his_first_ones_are_forwarded_without_history() -> None:
    """By somebody who knew these and not yet the add."""
    who = group()
    cut, add = who["a"].maker.add(account_principal(who["n"].credentials), Level.WRITE, hidden=True)
    who.tell(cut, "a", "b", "n")
    later = who["b"].maker.rotate()
    who.tell(later, "a", "b", "n")
    who.tell(add, "a", "b", "n")
    who.settle("a", "b")
    who.meet("a", "b", "n")

    assert set(colluding(who, "n").keys) == {cut.id, later.id}
    assert who["n"].membership.keys[later.id].history is None


def test_somebody_with_history_gives_it_later() -> None:
    """By another add: from then on he opens all."""
    who = group()
    add_hidden(who, "a", "n", Level.WRITE, "b")
    who.tell(who["b"].maker.add(account_principal(who["n"].credentials), Level.WRITE), "a", "b", "n")

    assert not who["a"].view.members[who["n"].id].hidden
    assert set(who["n"].membership.keys) == set(who["a"].membership.keys)
    assert who["n"].view.members == who["a"].view.members
    who.settle("a", "b", "n")
    assert who["n"].usable is not None


def test_who_forwards_without_history_is_not_the_last_to_do_so() -> None:
    """A member who lacks keys gets them from who comes first, and the history from who has it."""
    who = group()
    add_hidden(who, "a", "n", Level.WRITE, "b")
    who.meet("a", "b", "n")
    joined = who.add("a", "p", Level.WRITE)
    rotated = who["b"].maker.rotate()
    who.tell(rotated, "n", "p")
    who.tell(joined, "n")
    forward = who["n"].duty()
    assert forward is not None
    who.tell(forward, "a", "b", "n", "p")
    held = who["p"].membership.keys[rotated.id]
    assert held.history is None
    who.tell([rotated, *joined], "a", "b")
    more = who["a"].duty()
    assert more is not None
    who.tell(more, "p")

    assert who["p"].membership.keys[rotated.id].history is not None
    who.settle("a", "b", "n", "p")
    assert same_view(*(who[name] for name in "abnp"))


def test_a_full_add_by_who_lacks_the_history_of_the_newest_keys_makes_new_ones() -> None:
    """What an add says is what its slot gives."""
    who = group()
    add_hidden(who, "a", "n", Level.WRITE, "b")
    joined = who.add("a", "p", Level.ADMIN)
    rotated = who["b"].maker.rotate()
    who.tell([rotated, *joined], "n", "p")
    forward = who["n"].duty()
    assert forward is not None
    who.tell(forward, "n", "p")
    made = who["p"].maker.add(account_principal(who["q"].credentials), Level.READ)

    assert isinstance(made[0], Epoch)
    who.tell(made, "p", "q")
    who.meet()
    assert not who["a"].view.members[who["q"].id].hidden
    assert who["q"].membership.keys[made[0].id].history is not None


def test_a_link_may_come_without_history() -> None:
    """Whoever has its text opens what is written from then on."""
    who = group()
    link = LinkKeys.from_seed(LinkSeed.generate(who.random))
    cut, add = who["a"].maker.add(link.principal, Level.READ, hidden=True)
    who.tell([cut, add], "a")
    ring = KeyRing([link.box])
    ring.take(who["a"].records)

    assert set(ring.keys) == {cut.id}
    assert who["a"].view.members[link.principal.id].hidden


def test_no_history_is_hidden_in_a_folder() -> None:
    """Its members reach a document by keys of the folder, and nothing in the document says who has which."""
    who, folder = group(), Group("abn", random.Random(9).randbytes)
    principal = Principal.of_object(folder.object, EpochId(folder.first.id), folder.first.keys)
    with pytest.raises(Conflict, match="folder"):
        who["a"].maker.add(principal, Level.READ, hidden=True)
    shown = (folder.first.public_link,)
    who.tell(who["a"].maker.add(principal, Level.READ, proof=shown), "a")
    with pytest.raises(Conflict, match="folder"):
        who["a"].maker.add(account_principal(who["n"].credentials), Level.READ, hidden=True)


def test_nodes_see_no_difference() -> None:
    """Records of an add with history and of one without have one form and one size."""
    who, same = group(), group(seed=8)
    hidden = who["a"].maker.add(account_principal(who["n"].credentials), Level.WRITE, hidden=True)
    full: list[MembershipRecord] = [same["a"].maker.rotate()]
    same.tell(full, "a")
    full += same["a"].maker.add(account_principal(same["n"].credentials), Level.WRITE)

    assert [len(record.raw) for record in hidden] == [len(record.raw) for record in full]
    assert [len(record.wraps) for record in hidden] == [len(record.wraps) for record in full]
