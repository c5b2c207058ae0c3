"""Keys that are listed for somebody are shown to be his own, or the add is refused and its author named."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import AccountId
from peergos_collab.crypto import BoxPair, SigningKey, UserSeed
from peergos_collab.errors import NoAccess, RemoteProtocolError
from peergos_collab.identity.account import MAX_LOG, Account
from peergos_collab.identity.account_ops import AccountOp
from peergos_collab.identity.credentials import DeviceSecrets
from peergos_collab.identity.user_keys import new_generation, user_pair
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_proofs import check_own_keys, own_keys_proof
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.membership import fold
from peergos_collab.objects.op_kinds import Add, Create, Proof
from peergos_collab.objects.operations import write_op
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.records import Epoch, Grant, Said, first_epoch, make_grant
from peergos_collab.objects.surroundings import Surroundings
from peergos_collab.objects.usable_epochs import who_opens
from peergos_collab.objects.wraps import Recipient, recipients_of
from support.circle import actor_of, found
from support.members import Group

RANDOM = random.Random(71).randbytes
THIEF = DeviceSecrets.generate(RANDOM)
BEN = found("ben", RANDOM).add_device(THIEF.public)
RENEWED = BEN.remove_device(THIEF.public.id, RANDOM)
EVE = found("eve", RANDOM)
FIRST, LATER = account_principal(BEN.account), account_principal(RENEWED.account)
MINE = BoxPair.generate(RANDOM)
FOLDER = Group("f", RANDOM)
OTHER = Group("o", RANDOM)
for _group in (FOLDER, OTHER):
    for _ in range(2):
        _group.tell(_group.people[next(iter(_group.people))].maker.rotate())


def chain(group: Group) -> list[Epoch]:
    """An object's epochs, one after the other."""
    (person,) = group.people.values()
    return list(person.membership.ring.epochs.values())


def folder(number: int, group: Group = FOLDER) -> Principal:
    epoch = chain(group)[number]
    return Principal.of_object(epoch.object, epoch.id, epoch.keys)


def links(upto: int, group: Group = FOLDER) -> tuple[bytes, ...]:
    return tuple(epoch.public_link for epoch in chain(group)[: upto + 1])


def stolen_generation() -> tuple[Account, UserSeed]:
    """A log in which a device makes a user key, beside the removal of it that it does not show."""
    seed = UserSeed.generate(RANDOM)
    account = BEN.account
    made = new_generation(seed, [THIEF.public], None, {}, RANDOM)
    op = AccountOp.sign(account.id, account.standing.heads, made, THIEF.sign)
    inception, ops = decode_untrusted(account.raw, MAX_LOG)
    return Account.parse_untrusted(encode([inception, [*ops, op.encoded()]])), seed


STOLEN, STOLEN_SEED = stolen_generation()


def relabelled(account: Account) -> bytes:
    """The log with another box key in its last user key, as nobody signed it."""
    inception, ops = decode_untrusted(account.raw, MAX_LOG)
    body = decode_untrusted(ops[-1][0], MAX_LOG)
    assert body[5][1] == account.user_key.box.public
    body[5][1] = MINE.public_key.public
    return encode([inception, [*ops[:-1], [encode(body), ops[-1][1]]]])


def with_box_of_mine(one: Principal) -> Principal:
    return replace(one, box=MINE.public_key)


def made_up(number: int) -> Principal:
    """The folder with keys that are not of its epoch."""
    epoch = chain(FOLDER)[number]
    return Principal.of_object(epoch.object, epoch.id, EpochKeys.generate(RANDOM).public())


TRUE: dict[str, tuple[Principal, Proof]] = {
    "the first user key": (FIRST, b""),
    "a later user key": (LATER, RENEWED.account.raw),
    "an object at its first epoch": (folder(0), links(0)),
    "an object at a later epoch": (folder(2), links(2)),
}
FALSE: dict[str, tuple[Principal, Proof]] = {
    "another box key beside his signing key": (with_box_of_mine(FIRST), b""),
    "another signing key beside his box key": (
        replace(FIRST, sign=SigningKey.generate(RANDOM).verify_key),
        b"",
    ),
    "another name for his first key": (replace(FIRST, version=RANDOM(32)), b""),
    "keys of another under his id": (replace(account_principal(EVE.account), id=FIRST.id), b""),
    "keys of another with the other's log": (
        replace(account_principal(EVE.account), id=FIRST.id),
        EVE.account.raw,
    ),
    "a later key without a log": (LATER, b""),
    "a later key with a log from before it": (LATER, BEN.account.raw),
    "another box key beside a later signing key": (with_box_of_mine(LATER), RENEWED.account.raw),
    "a box key put into his log": (with_box_of_mine(LATER), relabelled(RENEWED.account)),
    "his first key with a log that has a newer one": (FIRST, RENEWED.account.raw),
    "a key that his log knows to be a thief's": (
        account_principal(STOLEN),
        STOLEN.merge(RENEWED.account).raw,
    ),
    "an account with epoch links": (FIRST, links(0)),
    "no log": (LATER, b"log"),
    "an object without a proof": (folder(0), b""),
    "an object with no links": (folder(0), ()),
    "an object with an account log": (folder(0), BEN.account.raw),
    "an object with keys made up": (made_up(0), links(0)),
    "a later epoch with keys made up": (made_up(2), links(2)),
    "links that begin too late": (folder(2), links(2)[1:]),
    "links that end too early": (folder(2), links(1)),
    "links with a gap": (folder(2), (links(2)[0], links(2)[2])),
    "another object under its id": (replace(folder(0, OTHER), id=folder(0).id), links(0, OTHER)),
    "links of another object": (folder(1), links(1, OTHER)),
}


@pytest.mark.parametrize("case", TRUE)
def test_true_keys_are_found_to_be_so(case: str) -> None:
    """By an id and at most a log or epoch links; whoever knows these finds what to show."""
    principal, proof = TRUE[case]
    epochs = {epoch.id: epoch for epoch in chain(FOLDER)}
    shown = check_own_keys(principal, proof)

    assert shown == (RENEWED.account if principal is LATER else None)
    assert own_keys_proof(principal, [BEN.account, RENEWED.account], epochs) == proof


@pytest.mark.parametrize("case", FALSE)
def test_false_keys_are_refused(case: str) -> None:
    """Whatever is shown with them."""
    with pytest.raises(RemoteProtocolError):
        check_own_keys(*FALSE[case])


def test_a_first_user_key_needs_nothing_beside_the_id() -> None:
    """So adding whose key is still his first takes no more room than ever, and tells nothing about him."""
    shown = write_op(Add(FIRST, Level.WRITE), actor_of(EVE), (bytes(32),), bytes(32), log_known=True)

    assert BEN.account.standing.devices.keys() - {BEN.device_id}
    assert not any(device in shown for device in BEN.account.devices)
    assert FIRST.id in shown


def test_who_cannot_show_it_adds_nobody() -> None:
    """Nothing is made that all others would refuse."""
    who = Group("am", RANDOM)
    maker = who["a"].maker
    for principal in (with_box_of_mine(FIRST), LATER, folder(0)):
        with pytest.raises(NoAccess, match="not known"):
            maker.add(principal, Level.READ)
    knowing = replace(maker, surroundings=Surroundings(accounts={RENEWED.account_id: RENEWED.account}))

    (added,) = knowing.add(LATER, Level.READ)
    who.tell(added)
    assert who["a"].view.members[LATER.id].principal == LATER


def test_who_is_in_a_folder_can_show_its_keys() -> None:
    """By its epochs, as he knows them; whoever gets the record needs nothing else."""
    who = Group("am", RANDOM)
    inside = Surroundings(objects={FOLDER.object: FOLDER["f"].view})
    (added,) = replace(who["a"].maker, surroundings=inside).add(folder(2), Level.READ)
    who.tell(added)

    assert who["a"].view.members[folder(2).id].principal == folder(2)
    assert not who["a"].view.void


# -- an admin who lies -----------------------------------------------------------------------------


def forged(who: Group, by: str, principal: Principal, proof: Proof) -> Grant:
    """An add that ``Maker`` does not make, by somebody who holds the keys and wraps them as he says."""
    one = who[by]
    epoch = one.usable
    assert epoch is not None
    keys = one.membership.keys[epoch]
    to = recipients_of(principal, Level.WRITE, keys)
    said = Said(Add(principal, Level.WRITE, proof=proof), one.maker.actor, one.view.heads)
    return make_grant(who.object, epoch, keys, to, said, RANDOM)


def opened_by(who: Group, pair: BoxPair) -> set[bytes]:
    """The epochs that somebody with a pair opens who is handed all records there are."""
    ring = KeyRing([pair])
    ring.take([record for person in who.people.values() for record in person.records])
    return set(ring.keys)


def group() -> Group:
    """``m`` is an admin beside ``a``, ``b`` writes, and ``z`` joins later."""
    who = Group("ambz", RANDOM)
    who.add("a", "m", Level.ADMIN)
    who.add("a", "b", Level.WRITE, "m")
    return who


@pytest.mark.parametrize("case", FALSE)
def test_who_lists_somebody_with_false_keys_is_named_and_nobody_seals_to_them(case: str) -> None:
    """All see who signed it and whom he named, in whatever order it comes; the keys made next are not for
    the false ones, and nobody is a member by them."""
    principal, proof = FALSE[case]
    who = group()
    record = forged(who, "m", principal, proof)
    who.tell(record, "a", "m", "b")

    for name in "amb":
        view = who[name].view
        assert principal.id not in view.members
        assert record.id in view.void
        (found_out,) = view.false_adds
        assert (found_out.record, found_out.principal) == (record.id, principal)
        assert found_out.author.account == who["m"].credentials.account_id
        assert found_out.author.device == who["m"].credentials.device_id
    who.settle("a", "b")
    renewed = who["b"].duty(to_write=True)
    assert renewed is not None
    who.tell(renewed, "a", "b")
    who.settle("a", "b")
    usable = who["b"].usable
    assert usable is not None
    assert usable not in opened_by(who, MINE)
    assert principal.id not in {id_ for id_, _ in who_opens(who["b"].view, usable)}
    who.add("a", "z", Level.READ)
    assert who["z"].view.false_adds == who["a"].view.false_adds
    assert who["z"].view.members.keys() == who["a"].view.members.keys()


def test_without_the_check_the_liar_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above is about the check: switched off, the keys made next open for him."""
    monkeypatch.setattr("peergos_collab.objects.rules.check_own_keys", lambda principal, proof: None)
    who = group()
    record = forged(who, "m", with_box_of_mine(FIRST), b"")
    who.tell(record, "a", "m", "b")
    who.tell(who["a"].maker.rotate(), "a", "b")

    assert not who["a"].view.false_adds
    assert who["b"].usable in opened_by(who, MINE)


def test_true_keys_are_taken_from_a_record() -> None:
    """By everybody, in a record made as those above are."""
    for principal, proof in TRUE.values():
        who = group()
        record = forged(who, "m", principal, proof)
        who.tell(record, "a", "m", "b")

        assert who["b"].view.members[principal.id].principal == principal
        assert not who["b"].view.void
        assert not who["b"].view.false_adds


def test_who_may_not_add_is_not_said_to_have_lied_about_keys() -> None:
    """His add is refused for want of the right, true keys or not."""
    who = group()
    who.tell(forged(who, "b", with_box_of_mine(FIRST), b""))

    assert len(who["a"].view.void) == 1
    assert not who["a"].view.false_adds


def test_a_creator_lists_himself_with_his_own_keys() -> None:
    """His log comes with the object."""
    own, keys = account_principal(EVE.account), EpochKeys.generate(RANDOM)
    for creator, refused in ((own, False), (with_box_of_mine(own), True)):
        to = Recipient(creator.box, Level.ADMIN)
        epoch = first_epoch(keys, to, Create(1, creator), actor_of(EVE), RANDOM)

        assert refused is not bool(fold([epoch], {epoch.id: keys}).members)


# -- keys that were his once -----------------------------------------------------------------------


def test_the_log_that_comes_with_an_add_tells_of_removals() -> None:
    """Whoever has heard of nothing else does not write under keys that a removed device has."""
    who = group()
    who.tell(forged(who, "m", FIRST, b""), "a", "m", "b")
    assert who["b"].usable == who.first.id
    who.tell(forged(who, "m", LATER, RENEWED.account.raw), "a", "m", "b")

    assert AccountId(LATER.id) in who["b"].view.accounts()
    assert who["b"].usable is None


def test_a_thiefs_key_is_known_as_such_by_who_knows_of_his_removal() -> None:
    """A removed device makes a user key, in a log that does not show its removal, and an accomplice adds the
    account with it. Who knows that the device is gone, by his contacts say, makes new keys without it."""
    who = group()
    thief = account_principal(STOLEN)
    who.tell(forged(who, "m", thief, STOLEN.raw), "a", "m", "b")
    assert who["b"].usable == who.first.id
    knows = Surroundings(accounts={RENEWED.account_id: RENEWED.account})
    who["b"].maker = replace(who["b"].maker, surroundings=knows)
    assert who["b"].usable is None
    while (made := who["b"].duty(to_write=True)) is not None:
        who.tell(made, "a", "b")

    assert who["b"].view.members[LATER.id].principal == LATER
    assert who["b"].usable not in opened_by(who, user_pair(STOLEN_SEED).box)
    assert who["b"].usable in opened_by(who, RENEWED.user.box)
