"""Accounts: an inception nobody can forge, and a log of signed ops that says which devices belong.

    inception body = [version, root key, H(next root key), nonce]     account id = hash of the body
    op body        = [version, account, parents, kind, fields]        op id      = hash of the body

The root key signs the inception and the ops of this version. Naming the *hash* of the next root key
beforehand (pre-rotation) means that whoever steals the root key still cannot replace it.

Account logs are never fetched by account id, which would show a node who asks about whom: they
travel inside ciphertext, in the objects whose members need them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId
from ..codec.shape import array, blob, many, number, some_bytes
from ..crypto import BoxPublic, SigningKey, Tag, VerifyKey, hash256
from ..errors import RemoteProtocolError
from ..ports import Random

VERSION: Final = 1
MAX_LOG: Final = 64 << 10
"""Bytes of a whole account log; one device takes about 500."""

MAX_OPS: Final = 256


class OpKind(enum.IntEnum):
    ADD_DEVICE = 1
    ROTATE_USER_KEY = 2


@dataclass(frozen=True, slots=True)
class DevicePublic:
    """A device as others know it."""

    id: DeviceId
    sign: VerifyKey
    box: BoxPublic


@dataclass(frozen=True, slots=True)
class UserKey:
    """The public half of one generation of the account's user key; ``generation`` is the op's id."""

    generation: bytes
    sign: VerifyKey
    box: BoxPublic


@dataclass(frozen=True, slots=True)
class Account:
    """A verified account log, folded.

    Args:
        raw: the log as verified; store and forward it unchanged.
        head: id of the last op.
        devices: the account's devices, by id.
        user_key: the newest generation.
    """

    id: AccountId
    raw: bytes
    head: bytes
    devices: dict[DeviceId, DevicePublic]
    user_key: UserKey

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Account:
        """Verifies a whole log.

        Raises:
            RemoteProtocolError: malformed, a signature that does not hold, or a broken chain of ops.
        """
        inception, ops = _split(raw)
        root, account_id = _verify_inception(inception)
        devices: dict[DeviceId, DevicePublic] = {}
        user_key: UserKey | None = None
        head: bytes = account_id
        for op in ops:
            body, signature = array(op, 2, "account op")
            body = some_bytes(body, MAX_LOG, "account op")
            root.verify(Tag.SIGN_ACCOUNT_OP, body, blob(signature, 64, "signature"))
            kind, fields, op_id = _read_op(body, account_id, head)
            if kind is OpKind.ADD_DEVICE:
                device = _device(fields)
                devices[device.id] = device
            else:
                user_key = _user_key(fields, op_id)
            head = op_id
        if user_key is None or not devices:
            raise RemoteProtocolError("an account without a device or a user key")
        return cls(account_id, raw, head, devices, user_key)


def found_account(
    root: SigningKey,
    next_root: VerifyKey,
    device: DevicePublic,
    user_sign: VerifyKey,
    user_box: BoxPublic,
    random: Random,
) -> Account:
    """A new account with one device and its first user key."""
    body = encode([VERSION, root.public, hash256(Tag.NEXT_ROOT_HASH, next_root.public), random(32)])
    account_id = AccountId(hash256(Tag.ACCOUNT_ID, body))
    add = _op_body(account_id, account_id, OpKind.ADD_DEVICE, [device.sign.public, device.box.public])
    add_id = hash256(Tag.ACCOUNT_OP_ID, add)
    rotate = _op_body(account_id, add_id, OpKind.ROTATE_USER_KEY, [user_sign.public, user_box.public])
    raw = encode(
        [
            [body, root.sign(Tag.SIGN_INCEPTION, body)],
            [[op, root.sign(Tag.SIGN_ACCOUNT_OP, op)] for op in (add, rotate)],
        ]
    )
    return Account.parse_untrusted(raw)


def _split(raw: bytes) -> tuple[list[Any], list[Any]]:
    inception, ops = array(decode_untrusted(raw, MAX_LOG), 2, "account log")
    return array(inception, 2, "inception"), many(ops, MAX_OPS, "account ops")


def _verify_inception(inception: list[Any]) -> tuple[VerifyKey, AccountId]:
    body = some_bytes(inception[0], 256, "inception")
    fields = array(decode_untrusted(body, 256), 4, "inception")
    number(fields[0], VERSION, VERSION, "inception version")
    root = VerifyKey(blob(fields[1], 32, "root key"))
    blob(fields[2], 32, "next root hash")
    blob(fields[3], 32, "nonce")
    root.verify(Tag.SIGN_INCEPTION, body, blob(inception[1], 64, "signature"))
    return root, AccountId(hash256(Tag.ACCOUNT_ID, body))


def _op_body(account: AccountId, parent: bytes, kind: OpKind, fields: list[bytes]) -> bytes:
    return encode([VERSION, account, [parent], int(kind), fields])


def _read_op(body: bytes, account: AccountId, head: bytes) -> tuple[OpKind, list[Any], bytes]:
    fields = array(decode_untrusted(body, MAX_LOG), 5, "account op")
    number(fields[0], VERSION, VERSION, "account op version")
    if fields[1] != account or fields[2] != [head]:
        raise RemoteProtocolError("an account op that belongs elsewhere in the log, or to another account")
    kind = OpKind(number(fields[3], 1, 2, "account op kind"))
    return kind, array(fields[4], 2, "account op fields"), hash256(Tag.ACCOUNT_OP_ID, body)


def _device(fields: list[Any]) -> DevicePublic:
    sign = blob(fields[0], 32, "device key")
    return DevicePublic(DeviceId(sign), VerifyKey(sign), BoxPublic(blob(fields[1], 32, "device box key")))


def _user_key(fields: list[Any], op_id: bytes) -> UserKey:
    sign = VerifyKey(blob(fields[0], 32, "user key"))
    return UserKey(op_id, sign, BoxPublic(blob(fields[1], 32, "user box key")))
