"""Membership operations: what an epoch or grant *means*, sealed so that only members learn it.

    body      = [op, account, device, principal, membership heads seen]
    plaintext = [body, device signature, principal signature, account log, name], padded
    signed    = H(core of the record) ‖ body

The core holds the record's keys and wraps, so an op cannot be moved to other keys or another object.
The account log travels along, so that members can check the device without asking anybody.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, PrincipalId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..codec.sizes import bucket, pad, unpad_untrusted
from ..crypto import SigningKey, Tag
from ..errors import RemoteProtocolError
from ..identity.account import MAX_LOG, Account
from .epoch_keys import Level
from .payload import Author
from .principals import Principal

MAX_NAME: Final = 64
MAX_OP: Final = MAX_LOG + (16 << 10)


class OpKind(enum.IntEnum):
    CREATE = 0
    ADD = 1


@dataclass(frozen=True, slots=True)
class Create:
    """The first op: what kind of object this is, and its first admin."""

    kind: int
    creator: Principal

    def fields(self) -> list[Any]:
        return [int(OpKind.CREATE), self.kind, self.creator.fields()]


@dataclass(frozen=True, slots=True)
class Add:
    """Makes ``principal`` a member with the role of ``level``."""

    principal: Principal
    level: Level

    def fields(self) -> list[Any]:
        return [int(OpKind.ADD), int(self.level), self.principal.fields()]


Op = Create | Add


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a device of an account, on behalf of a principal, with the keys to prove both."""

    account: Account
    device: SigningKey
    principal: PrincipalId
    principal_key: SigningKey
    name: str


@dataclass(frozen=True, slots=True)
class SignedOp:
    """An op whose signatures hold; whether its author *may* do it is for ``membership`` to say."""

    op: Op
    author: Author
    account: Account
    heads: tuple[bytes, ...]
    principal_check: Callable[[Principal], None]


def sign_op(op: Op, actor: Actor, heads: tuple[bytes, ...], core_hash: bytes) -> bytes:
    """The op's plaintext, not padded yet."""
    device_id = actor.device.public
    body = encode([op.fields(), actor.account.id, device_id, actor.principal, list(heads)])
    message = core_hash + body
    return encode(
        [
            body,
            actor.device.sign(Tag.SIGN_OP, message),
            actor.principal_key.sign(Tag.SIGN_OP, message),
            actor.account.raw,
            actor.name,
        ]
    )


def parse_op_untrusted(padded: bytes, core_hash: bytes) -> SignedOp:
    """Verifies the device's signature and its account log.

    Raises:
        RemoteProtocolError: malformed, or not signed by a device of the account it names.
    """
    plaintext = unpad_untrusted(padded)
    fields = array(decode_untrusted(plaintext, MAX_OP), 5, "membership op")
    body = some_bytes(fields[0], MAX_OP, "membership op")
    device_signature, principal_signature = (blob(f, 64, "signature") for f in fields[1:3])
    account = Account.parse_untrusted(some_bytes(fields[3], MAX_LOG, "account log"))
    name = string(fields[4], MAX_NAME, "name")
    op, account_id, device_id, principal, heads = array(decode_untrusted(body, MAX_OP), 5, "membership op")
    device = account.devices.get(DeviceId(blob(device_id, 32, "device id")))
    if device is None or account_id != account.id:
        raise RemoteProtocolError("a membership op by a device that its account does not list")
    message = core_hash + body
    device.sign.verify(Tag.SIGN_OP, message, device_signature)
    author = Author(account.id, device.id, PrincipalId(blob(principal, 32, "principal id")), name)
    seen = tuple(blob(head, 32, "membership head") for head in many(heads, 64, "membership heads"))

    def check_principal(member: Principal) -> None:
        member.sign.verify(Tag.SIGN_OP, message, principal_signature)

    return SignedOp(_op(op), author, account, seen, check_principal)


def _op(value: Any) -> Op:
    kind, detail, principal = array(value, 3, "op")
    member = Principal.parse_untrusted(principal)
    if number(kind, 0, 1, "op kind") == OpKind.CREATE:
        return Create(number(detail, 0, 255, "object kind"), member)
    return Add(member, Level(number(detail, 1, 3, "role")))


def pad_to_bucket(plaintext: bytes, build: Callable[[bytes], bytes]) -> bytes:
    """Pads ``plaintext`` so that the record ``build(padded)`` has an allowed size, and returns the record.

    Length fields grow with what they count, so the first guess can miss by a few bytes.
    """
    size = bucket(len(build(pad(plaintext, len(plaintext) + 1))))
    while True:
        padding = len(plaintext) + 1
        for _ in range(4):
            record = build(pad(plaintext, padding))
            if len(record) == size:
                return record
            padding = max(len(plaintext) + 1, padding + size - len(record))
        size = bucket(size + 1)
