"""Membership ops: signed by a device of the account they name, bound to one record."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.sizes import BUCKETS, pad
from peergos_collab.crypto import BadSignature, SigningKey, Tag
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.operations import (
    Add,
    Create,
    SignedOp,
    pad_to_bucket,
    parse_op_untrusted,
    sign_op,
)
from peergos_collab.objects.principals import Principal, PrincipalKind
from support.circle import account_principal, actor_of, found

RANDOM = random.Random(24).randbytes
ANA, EVE = found("ana", RANDOM), found("eve", RANDOM)
ACTOR, PRINCIPAL = actor_of(ANA), account_principal(ANA)
CORE = RANDOM(32)
GOOD = sign_op(Add(PRINCIPAL, Level.WRITE), ACTOR, (RANDOM(32),), CORE)


def parse(plain: bytes, core: bytes = CORE) -> SignedOp:
    return parse_op_untrusted(pad(plain, len(plain) + 50), core)


def changed(body: dict[int, Any] | None = None, outer: dict[int, Any] | None = None) -> bytes:
    """An op with other fields, signed by Ana's device as it should be."""
    fields = decode_untrusted(GOOD, 1 << 16)
    inner = decode_untrusted(fields[0], 1 << 16)
    for at, value in (body or {}).items():
        inner[at] = value
    fields[0] = encode(inner)
    fields[1] = ACTOR.device.sign(Tag.SIGN_OP, CORE + fields[0])
    fields[2] = ACTOR.principal_key.sign(Tag.SIGN_OP, CORE + fields[0])
    for at, value in (outer or {}).items():
        fields[at] = value
    return encode(fields)


@pytest.mark.parametrize("op", [Add(PRINCIPAL, Level.READ), Create(3, PRINCIPAL)])
def test_an_op_comes_back(op: Add | Create) -> None:
    """With its author, proved by device and principal."""
    signed = parse(sign_op(op, ACTOR, (), CORE))
    signed.principal_check(PRINCIPAL)

    assert signed.op == op
    assert signed.author.name == "ana"
    assert signed.author.device == ANA.device_id
    assert parse(changed()).op == Add(PRINCIPAL, Level.WRITE)


def test_it_belongs_to_one_record() -> None:
    """Under other keys or another object the signature fails."""
    with pytest.raises(BadSignature):
        parse(GOOD, RANDOM(32))


def test_the_device_signs() -> None:
    """Nobody else does for it."""
    body = decode_untrusted(GOOD, 1 << 16)[0]
    false = SigningKey.generate(RANDOM).sign(Tag.SIGN_OP, CORE + body)
    with pytest.raises(BadSignature):
        parse(changed(outer={1: false}))


def test_the_principal_signs() -> None:
    """A false signature is found as soon as the principal is known."""
    signed = parse(changed(outer={2: bytes(64)}))
    with pytest.raises(BadSignature):
        signed.principal_check(PRINCIPAL)


@pytest.mark.parametrize(
    ("body", "outer"),
    [
        ({1: EVE.account_id}, {}),
        ({2: EVE.device_id}, {}),
        ({2: b"x"}, {}),
        ({3: b"x"}, {}),
        ({4: [b"x"]}, {}),
        ({4: [bytes(32)] * 65}, {}),
        ({0: [2, 1, PRINCIPAL.fields()]}, {}),
        ({0: [1, 0, PRINCIPAL.fields()]}, {}),
        ({0: [1, 4, PRINCIPAL.fields()]}, {}),
        ({0: [0, 256, PRINCIPAL.fields()]}, {}),
        ({0: [1, 1]}, {}),
        ({}, {3: EVE.account.raw}),
        ({}, {3: b"no log"}),
        ({}, {4: "x" * 65}),
        ({}, {1: bytes(63)}),
        ({}, {2: bytes(63)}),
    ],
)
def test_its_fields_have_one_form(body: dict[int, Any], outer: dict[int, Any]) -> None:
    """Account, device, principal, heads, op, account log, name and signatures."""
    with pytest.raises(RemoteProtocolError):
        parse(changed(body, outer))


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 3), (0, -1), (1, b"x"), (2, bytes(33)), (3, b"x"), (4, b"x"), (0, int(PrincipalKind.LINK))],
)
def test_a_principal_has_one_form(at: int, value: Any) -> None:
    """Kind, id, key version and keys; a link's id is its key."""
    fields = PRINCIPAL.fields()
    fields[at] = value
    with pytest.raises(RemoteProtocolError):
        Principal.parse_untrusted(fields)
    assert Principal.parse_untrusted(PRINCIPAL.fields()) == PRINCIPAL


@pytest.mark.parametrize("size", [0, 1, 100, 900, 1000, 1010, 1015, 1020, 1024, 5000, 60_000])
def test_records_get_an_allowed_size(size: int) -> None:
    """Whatever their length fields take."""
    record = pad_to_bucket(bytes(size), lambda padded: encode([b"x", padded, bytes(64)]))

    assert len(record) in BUCKETS


def test_a_record_too_long_is_not_made() -> None:
    """There is no size for it."""
    with pytest.raises(LocalProtocolError):
        pad_to_bucket(bytes(1 << 20), lambda padded: encode([padded]))
