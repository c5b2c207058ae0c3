"""Account logs: what is accepted, and what each check refuses."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import BoxPair, SigningKey, SignSeed, Tag, hash256
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.account import MAX_LOG, MAX_OPS, Account, OpKind
from peergos_collab.identity.credentials import Credentials

RANDOM = random.Random(3).randbytes
ANA = Credentials.found("Ana", SignSeed.generate(RANDOM), RANDOM)
EVE = Credentials.found("Eve", SignSeed.generate(RANDOM), RANDOM)
ROOT = SigningKey.from_seed(ANA.root_seed)


def parts(credentials: Credentials = ANA) -> tuple[list[Any], list[Any]]:
    inception, ops = decode_untrusted(credentials.account.raw, MAX_LOG)
    return inception, ops


def op(
    parent: bytes, kind: int, fields: list[Any], account: bytes = b"", key: SigningKey = ROOT
) -> list[bytes]:
    body = encode([1, account or ANA.account_id, [parent], kind, fields])
    return [body, key.sign(Tag.SIGN_ACCOUNT_OP, body)]


def test_a_new_account_has_one_device_and_a_user_key() -> None:
    """Founding gives a log that anybody can verify."""
    account = Account.parse_untrusted(ANA.account.raw)

    assert account == ANA.account
    assert list(account.devices) == [ANA.device_id]
    assert account.user_key.sign == ANA.user.sign.verify_key
    assert account.head == account.user_key.generation


def test_later_ops_are_folded() -> None:
    """A second device and a new user key count from the op that adds them."""
    inception, ops = parts()
    device, box = SigningKey.generate(RANDOM), BoxPair.generate(RANDOM)
    add = op(ANA.account.head, OpKind.ADD_DEVICE, [device.public, box.public_key.public])
    head = hash256(Tag.ACCOUNT_OP_ID, add[0])
    user = SigningKey.generate(RANDOM)
    rotate = op(head, OpKind.ROTATE_USER_KEY, [user.public, box.public_key.public])

    account = Account.parse_untrusted(encode([inception, [*ops, add, rotate]]))

    assert account.id == ANA.account_id
    assert set(account.devices) == {ANA.device_id, device.public}
    assert account.user_key.sign == user.verify_key
    assert account.user_key.generation == account.head != ANA.account.head


def false_logs() -> dict[str, bytes]:
    inception, ops = parts()
    eve_inception, eve_ops = parts(EVE)
    head = ANA.account.head
    keys = [RANDOM(32), RANDOM(32)]
    spoiled = [inception[0], bytes(64)]
    eve_root = SigningKey.from_seed(EVE.root_seed)
    long = bytes(MAX_LOG)
    logs = {
        "an inception that its root did not sign": [spoiled, ops],
        "ops of another account": [inception, eve_ops],
        "another's inception": [eve_inception, ops],
        "an op signed by somebody else": [inception, [*ops, op(head, 1, keys, key=eve_root)]],
        "an op for another account": [inception, [*ops, op(head, 1, keys, EVE.account_id)]],
        "an op that does not follow the last": [inception, [*ops, op(ANA.account_id, 1, keys)]],
        "an op left out": [inception, ops[1:]],
        "ops in another order": [inception, ops[::-1]],
        "an op of unknown kind": [inception, [*ops, op(head, 3, keys)]],
        "a key of another length": [inception, [*ops, op(head, 1, [RANDOM(31), RANDOM(32)])]],
        "a box key of another length": [inception, [*ops, op(head, 2, [RANDOM(32), RANDOM(31)])]],
        "fields missing": [inception, [*ops, op(head, 1, keys[:1])]],
        "no user key": [inception, ops[:1]],
        "no device": [inception, []],
        "too many ops": [inception, [ops[0]] * (MAX_OPS + 1)],
        "too long": [inception, [*ops, [long, bytes(64)]]],
        "no list": b"text",
    }
    return {name: encode(value) for name, value in logs.items()}


@pytest.mark.parametrize("fault", false_logs())
def test_false_logs_are_refused(fault: str) -> None:
    """Each with one thing wrong."""
    with pytest.raises(RemoteProtocolError):
        Account.parse_untrusted(false_logs()[fault])


def whole(inception: list[Any], op_version: int = 1) -> bytes:
    """A log that is right but for its inception's fields, or the version of its ops."""
    body = encode(inception)
    account = hash256(Tag.ACCOUNT_ID, body)
    ops, head = [], account
    for kind in (OpKind.ADD_DEVICE, OpKind.ROTATE_USER_KEY):
        one = encode([op_version, account, [head], int(kind), [RANDOM(32), RANDOM(32)]])
        ops.append([one, ROOT.sign(Tag.SIGN_ACCOUNT_OP, one)])
        head = hash256(Tag.ACCOUNT_OP_ID, one)
    return encode([[body, ROOT.sign(Tag.SIGN_INCEPTION, body)], ops])


def test_a_log_made_here_is_accepted() -> None:
    """So that the refusals below are for the reason they name."""
    assert len(Account.parse_untrusted(whole([1, ROOT.public, RANDOM(32), RANDOM(32)])).devices) == 1


@pytest.mark.parametrize(("position", "value"), [(0, 2), (1, RANDOM(31)), (2, RANDOM(31)), (3, RANDOM(31))])
def test_the_fields_of_an_inception_are_checked(position: int, value: Any) -> None:
    """Version, root key, hash of the next root key and nonce have one form each."""
    inception = [1, ROOT.public, RANDOM(32), RANDOM(32)]
    inception[position] = value

    with pytest.raises(RemoteProtocolError):
        Account.parse_untrusted(whole(inception))


def test_ops_of_a_later_version_are_refused() -> None:
    """They may mean something else."""
    with pytest.raises(RemoteProtocolError):
        Account.parse_untrusted(whole([1, ROOT.public, RANDOM(32), RANDOM(32)], op_version=2))


def test_the_id_is_that_of_the_inception() -> None:
    """Who replaces the next root key gets another account, not this one."""
    inception, _ = parts()

    assert ANA.account_id == hash256(Tag.ACCOUNT_ID, inception[0])
