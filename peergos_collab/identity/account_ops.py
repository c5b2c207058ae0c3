"""Operations of an account log: what each says, how it is signed, and how it is read.

    body = [version, account, [parent…], signer, kind, fields]        op id = H("account op id", body)
    op   = [body, signature by the signer]

Parents are the ids of the ops seen last (for the first op: the account id), in ascending order. The
signer is the public key of a device or of a root. Whether it *may* do this is for ``account_verdict``.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..crypto import BoxPublic, SigningKey, Tag, VerifyKey, hash256
from ..errors import RemoteProtocolError
from ..values import dataclass

VERSION: Final = 1
MAX_OP: Final = 32 << 10
"""Bytes of one op's body: room for a user key boxed to ``MAX_BOXES`` devices."""

MAX_PARENTS: Final = 64
MAX_ACCEPTED: Final = 64
MAX_BOXES: Final = 256
MAX_PREVIOUS: Final = 64
MAX_CUT_OFF: Final = 384
"""More devices, or user keys, than the largest log that records carry has room to make."""

MAX_ADDRESS: Final = 512
SEALED_SEED: Final = 48


class OpKind(enum.IntEnum):
    ADD_DEVICE = 1
    REMOVE_DEVICE = 2
    ROTATE_USER_KEY = 3
    SET_RECOVERY = 4
    ROTATE_ROOT = 5
    ADD_NODE = 6
    BOX_FIRST_USER_KEY = 7
    CUT_OFF = 8


@dataclass(frozen=True, slots=True)
class DevicePublic:
    """A device as others know it."""

    id: DeviceId
    sign: VerifyKey
    box: BoxPublic


@dataclass(frozen=True, slots=True)
class AddDevice:
    device: DevicePublic

    kind = OpKind.ADD_DEVICE

    def fields(self) -> list[Any]:
        return [self.device.sign.public, self.device.box.public]


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Ends a device.

    Args:
        accepted: by a root only: the last ops of the device that still count, as ids; all it did besides
            these and what they build on is void. A device names none: what it has seen counts.
    """

    device: DeviceId
    accepted: tuple[bytes, ...] = ()

    kind = OpKind.REMOVE_DEVICE

    def fields(self) -> list[Any]:
        return [self.device, sorted(self.accepted)]


@dataclass(frozen=True, slots=True)
class BoxedSeeds:
    """The seed of a user key for those who may have it, and the seeds before it for whoever has that one.

    Args:
        sender: the ephemeral key that all boxes are made with.
        boxes: by device id, or by an empty name for the recovery code: the sealed seed, 48 bytes.
        previous: by generation: its seed, sealed under the new one, 48 bytes.
    """

    sender: BoxPublic
    boxes: dict[bytes, bytes]
    previous: dict[bytes, bytes]

    def fields(self) -> list[Any]:
        boxes, previous = sorted(self.boxes.items()), sorted(self.previous.items())
        return [self.sender.public, [list(box) for box in boxes], [list(seed) for seed in previous]]

    @classmethod
    def parse_untrusted(cls, value: object) -> BoxedSeeds:
        sender, boxes, previous = array(value, 3, "boxed seeds")
        return cls(
            BoxPublic(blob(sender, 32, "box key")),
            _sealed(many(boxes, MAX_BOXES, "boxes"), (0, 32)),
            _sealed(many(previous, MAX_PREVIOUS, "previous seeds"), (32,)),
        )


@dataclass(frozen=True, slots=True)
class RotateUserKey:
    """A new generation of the user key; its name is the id of this op."""

    sign: VerifyKey
    box: BoxPublic
    seeds: BoxedSeeds

    kind = OpKind.ROTATE_USER_KEY

    def fields(self) -> list[Any]:
        return [self.sign.public, self.box.public, self.seeds.fields()]


@dataclass(frozen=True, slots=True)
class BoxFirstUserKey:
    """The seed of the user key that the inception names, for who may have it. By a root only."""

    seeds: BoxedSeeds

    kind = OpKind.BOX_FIRST_USER_KEY

    def fields(self) -> list[Any]:
        return [self.seeds.fields()]


@dataclass(frozen=True, slots=True)
class CutOff:
    """Ends devices and user keys whose ops are left out of the log, for want of room. By a root only.

    Args:
        devices: what such a device signed counts for nothing.
        generations: names of user keys; whoever is listed with one is listed with an older one.
    """

    devices: tuple[DeviceId, ...]
    generations: tuple[bytes, ...]

    kind = OpKind.CUT_OFF

    def fields(self) -> list[Any]:
        return [sorted(self.devices), sorted(self.generations)]


@dataclass(frozen=True, slots=True)
class SetRecovery:
    """The key that user seeds are boxed to for the recovery code. By a root only."""

    box: BoxPublic

    kind = OpKind.SET_RECOVERY

    def fields(self) -> list[Any]:
        return [self.box.public]


@dataclass(frozen=True, slots=True)
class RotateRoot:
    """The root key that was announced by its hash takes over, signs this, and announces the next."""

    next_hash: bytes

    kind = OpKind.ROTATE_ROOT

    def fields(self) -> list[Any]:
        return [self.next_hash]


@dataclass(frozen=True, slots=True)
class AddNode:
    """A node where mail for this account is taken."""

    address: str

    kind = OpKind.ADD_NODE

    def fields(self) -> list[Any]:
        return [self.address]


Action = (
    AddDevice | RemoveDevice | RotateUserKey | SetRecovery | RotateRoot | AddNode | BoxFirstUserKey | CutOff
)


@dataclass(frozen=True, slots=True)
class AccountOp:
    """An op whose signature holds; nothing is said about its signer's right to it."""

    id: bytes
    parents: tuple[bytes, ...]
    signer: bytes
    action: Action
    body: bytes
    signature: bytes

    @classmethod
    def sign(
        cls, account: AccountId, parents: tuple[bytes, ...], action: Action, key: SigningKey
    ) -> AccountOp:
        fields = [VERSION, account, sorted(parents), key.public, int(action.kind), action.fields()]
        body = encode(fields)
        return cls.parse_untrusted([body, key.sign(Tag.SIGN_ACCOUNT_OP, body)], account)

    @classmethod
    def parse_untrusted(cls, value: object, account: AccountId) -> AccountOp:
        """Verifies an op's form and signature: about 0.1 ms.

        Raises:
            RemoteProtocolError: malformed, falsely signed, or of another account.
        """
        body, signature = array(value, 2, "account op")
        body = some_bytes(body, MAX_OP, "account op")
        signature = blob(signature, 64, "signature")
        fields = array(decode_untrusted(body, MAX_OP), 6, "account op")
        number(fields[0], VERSION, VERSION, "account op version")
        if fields[1] != account:
            raise RemoteProtocolError("an op of another account")
        parents = _ids(fields[2], MAX_PARENTS, "parents")
        if not parents:
            raise RemoteProtocolError("an account op that follows nothing")
        signer = VerifyKey(blob(fields[3], 32, "signer"))
        signer.verify(Tag.SIGN_ACCOUNT_OP, body, signature)
        kind = OpKind(number(fields[4], 1, len(OpKind), "account op kind"))
        action = _PARSERS[kind](fields[5])
        return cls(op_id(body), parents, signer.public, action, body, signature)

    def encoded(self) -> list[Any]:
        return [self.body, self.signature]


def op_id(body: bytes) -> bytes:
    """What an op is named by."""
    return hash256(Tag.ACCOUNT_OP_ID, body)


def next_root_hash(root: bytes) -> bytes:
    """What a root key is announced by."""
    return hash256(Tag.NEXT_ROOT_HASH, root)


def _ids(value: object, most: int, what: str) -> tuple[bytes, ...]:
    """Ids in strictly ascending order, so that a set of them has one form."""
    ids = [blob(item, 32, what) for item in many(value, most, what)]
    if any(one >= next_ for one, next_ in itertools.pairwise(ids)):
        raise RemoteProtocolError(f"{what} that are not in ascending order")
    return tuple(ids)


def _sealed(items: list[Any], lengths: tuple[int, ...]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for item in items:
        name, sealed = array(item, 2, "boxed seed")
        name = some_bytes(name, 32, "boxed seed")
        if len(name) not in lengths or (found and name <= next(reversed(found))):
            raise RemoteProtocolError("boxed seeds that are not in ascending order")
        found[name] = blob(sealed, SEALED_SEED, "boxed seed")
    return found


def _add_device(value: object) -> AddDevice:
    fields = array(value, 2, "added device")
    sign = blob(fields[0], 32, "device key")
    return AddDevice(
        DevicePublic(DeviceId(sign), VerifyKey(sign), BoxPublic(blob(fields[1], 32, "device box key")))
    )


def _remove_device(value: object) -> RemoveDevice:
    fields = array(value, 2, "removed device")
    return RemoveDevice(
        DeviceId(blob(fields[0], 32, "device id")), _ids(fields[1], MAX_ACCEPTED, "accepted ops")
    )


def _rotate_user_key(value: object) -> RotateUserKey:
    fields = array(value, 3, "user key")
    sign, box = (blob(field, 32, "user key") for field in fields[:2])
    return RotateUserKey(VerifyKey(sign), BoxPublic(box), BoxedSeeds.parse_untrusted(fields[2]))


def _set_recovery(value: object) -> SetRecovery:
    return SetRecovery(BoxPublic(blob(array(value, 1, "recovery key")[0], 32, "recovery key")))


def _rotate_root(value: object) -> RotateRoot:
    return RotateRoot(blob(array(value, 1, "next root")[0], 32, "next root hash"))


def _add_node(value: object) -> AddNode:
    return AddNode(string(array(value, 1, "node")[0], MAX_ADDRESS, "node address"))


def _box_first_user_key(value: object) -> BoxFirstUserKey:
    return BoxFirstUserKey(BoxedSeeds.parse_untrusted(array(value, 1, "first user key")[0]))


def _cut_off(value: object) -> CutOff:
    devices, generations = array(value, 2, "cut off")
    return CutOff(
        tuple(DeviceId(id_) for id_ in _ids(devices, MAX_CUT_OFF, "devices")),
        _ids(generations, MAX_CUT_OFF, "user keys"),
    )


_PARSERS: Final[dict[OpKind, Callable[[object], Action]]] = {
    OpKind.ADD_DEVICE: _add_device,
    OpKind.REMOVE_DEVICE: _remove_device,
    OpKind.ROTATE_USER_KEY: _rotate_user_key,
    OpKind.SET_RECOVERY: _set_recovery,
    OpKind.ROTATE_ROOT: _rotate_root,
    OpKind.ADD_NODE: _add_node,
    OpKind.BOX_FIRST_USER_KEY: _box_first_user_key,
    OpKind.CUT_OFF: _cut_off,
}
