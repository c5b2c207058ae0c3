"""Account logs: what is accepted, what each check refuses, merging, and checkpoints."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import BoxPair, SigningKey, SignSeed, Tag, hash256
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.identity.account import MAX_OPS, Account, _read_inception, founded_with
from peergos_collab.identity.account_ops import (
    MAX_OP,
    AddDevice,
    AddNode,
    BoxFirstUserKey,
    RemoveDevice,
    SetRecovery,
)
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.recovery_code import RecoveryCode
from support.accounts import AccountMaker

RANDOM = random.Random(3).randbytes
MAKER = AccountMaker(RANDOM)
ANA = MAKER.founded
EVE = AccountMaker(RANDOM)
FIRST = MAKER.secret("first").sign
HEAD = ANA.account.head


def op(
    parents: list[bytes],
    kind: int,
    fields: list[Any],
    *,
    account: bytes = ANA.account_id,
    key: SigningKey = FIRST,
    version: int = 1,
) -> list[bytes]:
    body = encode([version, account, parents, key.public, kind, fields])
    return [body, key.sign(Tag.SIGN_ACCOUNT_OP, body)]


def with_ops(*more: list[bytes]) -> bytes:
    return encode([MAKER.inception, [*(one.encoded() for one in MAKER.founding), *more]])


def test_a_new_account_has_one_device_a_recovery_key_and_a_user_key() -> None:
    """Founding gives a log that anybody can verify."""
    account = Account.parse_untrusted(ANA.account.raw)

    assert account == ANA.account
    assert list(account.devices) == [ANA.device_id]
    assert account.user_key.sign == ANA.user.sign.verify_key
    assert account.head == account.ops()[-1].id
    assert account.standing.recovery == MAKER.code.seeds_pair().public_key


def test_ops_are_added_by_devices() -> None:
    """Each op has seen all before it, and the head is the last one."""
    device = MAKER.secret("added").public
    account = ANA.account.with_op(AddDevice(device), FIRST)

    assert set(account.devices) == {ANA.device_id, device.id}
    assert account.head == account.ops()[-1].id != HEAD
    assert account.ops()[-1].parents == (HEAD,)


def test_an_op_that_would_not_count_is_not_made() -> None:
    """Neither one by a stranger nor one without the right to it."""
    stranger = SigningKey.generate(RANDOM)
    removed = ANA.account.with_op(RemoveDevice(ANA.device_id), FIRST)

    with pytest.raises(LocalProtocolError, match="stranger"):
        ANA.account.with_op(AddNode("pgc://a"), stranger)
    seeds = BoxFirstUserKey(MAKER.generation().seeds)
    with pytest.raises(LocalProtocolError, match="only the root"):
        ANA.account.with_op(seeds, FIRST)
    with pytest.raises(LocalProtocolError, match="only the root"):
        ANA.account.with_op(SetRecovery(BoxPair.generate(RANDOM).public_key), FIRST)
    with pytest.raises(LocalProtocolError, match="removed"):
        removed.with_op(AddNode("pgc://a"), FIRST)


def false_logs() -> dict[str, bytes]:
    eve = [one.encoded() for one in EVE.founding]
    own = [one.encoded() for one in MAKER.founding]
    keys = [RANDOM(32), RANDOM(32)]
    node = op([HEAD], 6, ["pgc://a"])
    two = sorted(op([HEAD], 6, [f"pgc://{n}"]) for n in range(2))
    two.sort(key=lambda one: hash256(Tag.ACCOUNT_OP_ID, one[0]))
    ids = [hash256(Tag.ACCOUNT_OP_ID, one[0]) for one in two]
    boxes = [RANDOM(32), [[b"", RANDOM(48)], [RANDOM(32), RANDOM(48)]], []]
    return {
        "an inception that its root did not sign": encode([[MAKER.inception[0], bytes(64)], own]),
        "ops of another account": encode([MAKER.inception, eve]),
        "another's inception": encode([EVE.inception, own]),
        "a signature that is not the signer's": with_ops([node[0], bytes(64)]),
        "an op for another account": with_ops(op([HEAD], 6, ["pgc://a"], account=EVE.id)),
        "an op that has seen nothing": with_ops(op([], 6, ["pgc://a"])),
        "an op that has seen one that is not here": with_ops(op([bytes(32)], 6, ["pgc://a"])),
        "an op left out": encode([MAKER.inception, own[1:]]),
        "ops in another order": encode([MAKER.inception, own[::-1]]),
        "two ops side by side in another order": with_ops(*two[::-1]),
        "an op twice": with_ops(node, node),
        "a parent twice": with_ops(op([HEAD, HEAD], 6, ["pgc://a"])),
        "parents in another order": with_ops(*two, op(sorted(ids, reverse=True), 6, ["pgc://b"])),
        "an op of unknown kind": with_ops(op([HEAD], 8, ["pgc://a"])),
        "a first user key that is not boxed": with_ops(op([HEAD], 7, [boxes[0]])),
        "an op of a later version": with_ops(op([HEAD], 6, ["pgc://a"], version=2)),
        "an op by a stranger": with_ops(op([HEAD], 6, ["pgc://a"], key=SigningKey.generate(RANDOM))),
        "a device key of another length": with_ops(op([HEAD], 1, [RANDOM(31), RANDOM(32)])),
        "a box key of another length": with_ops(op([HEAD], 1, [RANDOM(32), RANDOM(31)])),
        "fields missing": with_ops(op([HEAD], 1, keys[:1])),
        "a removal of nothing": with_ops(op([HEAD], 2, [b"", []])),
        "accepted ops twice": with_ops(op([HEAD], 2, [RANDOM(32), [HEAD, HEAD]])),
        "a user key without boxes": with_ops(op([HEAD], 3, keys)),
        "boxes in another order": with_ops(op([HEAD], 3, [*keys, [boxes[0], boxes[1][::-1], []]])),
        "a box of another length": with_ops(op([HEAD], 3, [*keys, [boxes[0], [[b"", b"short"]], []]])),
        "a box for a short name": with_ops(op([HEAD], 3, [*keys, [boxes[0], [[b"x", RANDOM(48)]], []]])),
        "a previous seed of no generation": with_ops(
            op([HEAD], 3, [*keys, [boxes[0], [], [[b"", RANDOM(48)]]]])
        ),
        "no inception": encode([own[0], own]),
        "nothing": encode([[], []]),
        "too many ops": encode([MAKER.inception, [own[0]] * (MAX_OPS + 1)]),
        "an op that is too long": with_ops([bytes(MAX_OP + 1), bytes(64)]),
        "no list": encode(b"text"),
    }


def test_the_parts_of_the_false_logs_are_right_otherwise() -> None:
    """So that each refusal below is for the reason it names."""
    boxes = [RANDOM(32), [[b"", RANDOM(48)], [RANDOM(32), RANDOM(48)]], [[RANDOM(32), RANDOM(48)]]]
    kinds = {1: [RANDOM(32), RANDOM(32)], 2: [RANDOM(32), []], 3: [RANDOM(32), RANDOM(32), boxes]}
    for kind, fields in {**kinds, 6: ["pgc://a"], 7: [boxes]}.items():
        assert Account.parse_untrusted(with_ops(op([HEAD], kind, fields))).standing.size == 4


@pytest.mark.parametrize("fault", false_logs())
def test_false_logs_are_refused(fault: str) -> None:
    """Each with one thing wrong."""
    with pytest.raises(RemoteProtocolError):
        Account.parse_untrusted(false_logs()[fault])


def whole(inception: list[Any]) -> bytes:
    """A log that is right but for its inception's fields."""
    root = SigningKey.from_seed(SignSeed(bytes(32)))
    body, first = encode(inception), hash256(Tag.FIRST_USER_KEY, encode(inception[:3]))
    account = hash256(Tag.ACCOUNT_ID, first + b"".join(inception[3:]))
    add = op([account], 1, [RANDOM(32), RANDOM(32)], account=account, key=root)
    return encode([[body, root.sign(Tag.SIGN_INCEPTION, body)], [add]])


ROOT = SigningKey.from_seed(SignSeed(bytes(32))).public


def test_a_log_made_here_is_accepted() -> None:
    """So that the refusals below are for the reason they name."""
    assert len(Account.parse_untrusted(whole([1, ROOT, RANDOM(32), RANDOM(32), RANDOM(32)])).devices) == 1


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, 2), (1, RANDOM(31)), (2, RANDOM(31)), (3, RANDOM(31)), (4, RANDOM(31)), (4, bytes(33))],
)
def test_the_fields_of_an_inception_are_checked(position: int, value: Any) -> None:
    """Version, root key, hash of the next root key and both halves of the user key have one form each."""
    inception = [1, ROOT, RANDOM(32), RANDOM(32), RANDOM(32)]
    inception[position] = value

    with pytest.raises(RemoteProtocolError):
        Account.parse_untrusted(whole(inception))


def test_the_id_names_the_first_user_key() -> None:
    """Who is given an id and that key sees that they belong together; no other key goes with the id."""
    first = ANA.account.user_key

    assert founded_with(first) == ANA.account_id
    for other in (
        replace(first, generation=bytes(32)),
        replace(first, sign=EVE.founded.user.sign.verify_key),
        replace(first, box=EVE.founded.user.box.public_key),
    ):
        assert founded_with(other) != ANA.account_id


@pytest.mark.parametrize("position", range(1, 5))
def test_the_id_is_that_of_the_whole_inception(position: int) -> None:
    """Who replaces a key in it, the next root key too, gets another account, not this one."""
    inception = decode_untrusted(MAKER.inception[0], 256)
    inception[position] = SigningKey.generate(RANDOM).public

    assert _read_inception(MAKER.inception[0])[0] == ANA.account_id
    assert _read_inception(encode(inception))[0] != ANA.account_id


def test_the_first_user_key_stands_until_a_later_one_counts() -> None:
    """It is there before any op, so no account is without one."""
    first = ANA.account.user_key
    later = ANA.rotate_user_key(RANDOM).account

    assert Account.parse_untrusted(encode([MAKER.inception, []])).user_key == first
    assert list(later.standing.user_keys) == [first.generation, later.user_key.generation]
    assert later.user_key != first


def test_logs_are_merged_by_uniting_them() -> None:
    """Two devices that acted apart agree as soon as each has what the other did, in either order."""
    laptop = ANA.account.with_op(AddDevice(MAKER.secret("laptop").public), FIRST)
    phone = laptop.with_op(AddDevice(MAKER.secret("phone").public), FIRST)
    one = phone.with_op(AddNode("pgc://one"), MAKER.secret("laptop").sign)
    other = phone.with_op(AddNode("pgc://two"), MAKER.secret("phone").sign)
    merged = one.merge(other)

    assert merged == other.merge(one)
    assert merged.standing.nodes == ("pgc://one", "pgc://two")
    assert merged.head not in (one.head, other.head)
    assert merged.merge(one) is merged
    assert one.merge(merged) is merged
    assert (
        merged.with_op(AddNode("pgc://three"), FIRST).head
        == merged.with_op(AddNode("pgc://three"), FIRST).standing.heads[0]
    )


def test_logs_of_two_accounts_are_not_merged() -> None:
    """They have nothing in common."""
    with pytest.raises(LocalProtocolError):
        ANA.account.merge(EVE.founded.account)


def test_last_ops_of_a_device() -> None:
    """What a removal by the root names, so that all the device did so far counts."""
    laptop = MAKER.secret("laptop")
    account = ANA.account.with_op(AddDevice(laptop.public), FIRST)
    account = account.with_op(AddNode("pgc://a"), laptop.sign).with_op(AddNode("pgc://b"), laptop.sign)

    assert account.last_ops(laptop.public.id) == (account.head,)
    assert ANA.account.last_ops(laptop.public.id) == ()


def grown() -> Account:
    account = ANA.account.with_op(AddDevice(MAKER.secret("laptop").public), FIRST)
    account = account.with_op(AddNode("pgc://a"), MAKER.secret("laptop").sign)
    return account.with_op(RemoveDevice(MAKER.secret("laptop").public.id), FIRST)


def test_a_checkpoint_spares_what_was_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ops after it are verified, and the outcome is the same."""
    old, new = ANA.account, grown()
    parsed: list[object] = []
    parse = Account.parse_untrusted.__globals__["AccountOp"].parse_untrusted

    def count(value: object, account: Any) -> Any:
        parsed.append(value)
        return parse(value, account)

    monkeypatch.setattr("peergos_collab.identity.account.AccountOp.parse_untrusted", count)
    found = Account.parse_untrusted(new.raw, old.checkpoint())

    assert found == new
    assert len(parsed) == 3


def test_a_checkpoint_that_does_not_fit_is_not_used() -> None:
    """Of another account, of other ops, or followed by ops that have not seen all of it."""
    account, other = grown(), ANA.account.with_op(AddNode("pgc://x"), FIRST)
    aside = account.merge(other)

    assert Account.parse_untrusted(account.raw, EVE.founded.account.checkpoint()) == account
    assert Account.parse_untrusted(account.raw, other.checkpoint()) == account
    assert Account.parse_untrusted(aside.raw, account.checkpoint()) == aside


def test_a_checkpoint_keeps_all_that_was_found_out() -> None:
    """Freezes, forks, nodes and a rotation that is due are not forgotten over what comes later."""
    laptop, phone = MAKER.add("first", "laptop"), MAKER.add("first", "phone", MAKER.add("first", "laptop"))
    out = [MAKER.remove("first", "laptop", phone), MAKER.remove("laptop", "first", phone)]
    forked = [MAKER.op("laptop", AddNode(f"pgc://{number}"), phone) for number in range(2)]
    node = MAKER.op("phone", AddNode("pgc://kept"), phone)
    before = MAKER.account(laptop, phone, *out, *forked, node)
    after = before.with_op(AddNode("pgc://later"), MAKER.secret("phone").sign)
    standing = Account.parse_untrusted(after.raw, before.checkpoint()).standing

    assert standing == Account.parse_untrusted(after.raw).standing
    assert len(standing.frozen) == 2
    assert standing.forked == {MAKER.secret("laptop").public.id}
    assert standing.rotation_due
    assert {"pgc://kept", "pgc://later"} <= set(standing.nodes)


def test_an_op_that_has_seen_part_of_a_checkpoint_is_judged_with_all() -> None:
    """Else a user key would seem to follow one that its author had not seen."""
    laptop, phone = MAKER.add("first", "laptop"), MAKER.add("first", "phone", MAKER.add("first", "laptop"))
    one, other = MAKER.rotate("first", phone), MAKER.rotate("laptop", phone)
    before, late = MAKER.account(laptop, phone, one, other), MAKER.rotate("phone", one)
    after = MAKER.account(laptop, phone, one, other, late)

    assert Account.parse_untrusted(after.raw, before.checkpoint()) == after
    assert set(after.standing.newest) == {other.id, late.id}


def test_what_a_root_does_is_judged_from_the_beginning() -> None:
    """A removal by the root may void what a checkpoint holds to be true."""
    laptop = MAKER.add("first", "laptop")
    root = MAKER.take_over(laptop)
    removal = MAKER.remove(MAKER.root, "first", root)
    before, after = MAKER.account(laptop, root), MAKER.account(laptop, root, removal)

    assert Account.parse_untrusted(after.raw, before.checkpoint()) == after
    assert after.devices == {}


def test_a_changed_op_under_a_checkpoint_is_found() -> None:
    """A checkpoint is for these very bytes."""
    account = grown()
    inception, ops = decode_untrusted(account.raw, 1 << 20)
    ops[0][1] = bytes(64)

    with pytest.raises(RemoteProtocolError):
        Account.parse_untrusted(encode([inception, ops]), account.checkpoint())


def test_another_account_has_another_id() -> None:
    """Also where the same person makes it with the same recovery code."""
    code = RecoveryCode.generate(RANDOM)

    assert Credentials.found("A", code, RANDOM).account_id != Credentials.found("A", code, RANDOM).account_id


def test_who_added_a_device() -> None:
    """The devices up to the one that the root added, which nobody added."""
    laptop = MAKER.add("first", "laptop")
    phone = MAKER.add("laptop", "phone", laptop)
    other = MAKER.add("first", "other", laptop)
    account = MAKER.account(laptop, phone, other)
    first, second = ANA.device_id, MAKER.secret("laptop").public.id

    assert account.adders(MAKER.secret("phone").public.id) == {first, second}
    assert account.adders(second) == account.adders(MAKER.secret("other").public.id) == {first}
    assert account.adders(first) == frozenset()
