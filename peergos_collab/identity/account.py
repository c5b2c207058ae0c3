"""Accounts: an inception nobody can forge, and a log of signed ops that says which devices belong.

    inception body = [version, root key, H(next root key), user signing key, user box key]
    first version  = H("first user key", [version, root key, H(next root key)])
    account id     = H("account id", first version ‖ user signing key ‖ user box key)
    log            = [[inception body, signature], [op…]]             ops in the order (depth, id)

So the id names the account's first user key: whoever is told an id, that key and 32 bytes more sees that
they belong together, without the log. Later keys need the log.

The ops form a DAG: each names those seen last. What follows from them is a function of their set, so two
logs of an account are merged by uniting them (``account_verdict`` has the rules).

The root key signs the inception and the first ops and is then forgotten. The *next* root key, of which
the inception holds the hash, is only in the recovery code: whoever has that outranks every device.

Account logs are never fetched by account id, which would show a node who asks about whom: they
travel inside ciphertext, in the objects whose members need them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from functools import lru_cache
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId
from ..codec.shape import array, blob, many, number, some_bytes
from ..crypto import BoxPublic, SigningKey, Tag, VerifyKey, hash256
from ..errors import LocalProtocolError, RemoteProtocolError
from ..values import dataclass
from .account_ops import (
    MAX_OP,
    AccountOp,
    Action,
    AddDevice,
    BoxFirstUserKey,
    DevicePublic,
    OpKind,
    RotateUserKey,
    SetRecovery,
    next_root_hash,
    op_id,
)
from .account_verdict import Entangled, Standing, UserKey, cut_off, judge

__all__ = ["MAX_LOG", "MAX_OPS", "MAX_WHOLE_LOG", "Account", "DevicePublic", "UserKey", "found_account"]

VERSION: Final = 1
MAX_LOG: Final = 64 << 10
"""Bytes of a log that travels inside other records: about 200 ops. A new account has about 800 bytes."""

MAX_WHOLE_LOG: Final = 8 << 20
MAX_OPS: Final = 16_384
_REMEMBERED: Final = 256
"""Logs of at most ``MAX_LOG`` bytes kept verified: the same ones come with every introduction."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified log, by its hash: what it took a second to find out about 10,000 ops.

    Only for the one who made it: it is believed.
    """

    digest: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class Account:
    """A verified account log, folded.

    Args:
        raw: the log as verified; store and forward it unchanged.
        standing: everything that follows from it.
    """

    id: AccountId
    raw: bytes
    standing: Standing = field(repr=False)

    @property
    def head(self) -> bytes:
        """Names the set of ops: the id of the last one, or a hash where several stand side by side."""
        heads = self.standing.heads
        return heads[0] if len(heads) == 1 else hash256(Tag.ACCOUNT_HEADS, b"".join(heads))

    @property
    def devices(self) -> dict[DeviceId, DevicePublic]:
        """The devices that stand, by id; empty while all are frozen."""
        return self.standing.devices

    @property
    def ever(self) -> frozenset[DeviceId]:
        """The devices that ops of this log added and that are not cut off by name."""
        return self.standing.gone.union(self.standing.devices) - self.standing.cut

    @property
    def user_key(self) -> UserKey:
        """The newest generation; where ``standing.rotation_due`` is set, a device must make a newer one."""
        return self.standing.user_keys[self.standing.newest[0]]

    @classmethod
    def parse_untrusted(cls, raw: bytes, checkpoint: Checkpoint | None = None) -> Account:
        """Verifies a whole log: 0.1 ms for each op after the checkpoint.

        Args:
            checkpoint: of an earlier state of this log; one that does not fit is not used.

        Raises:
            RemoteProtocolError: malformed, a signature that does not hold, ops missing or by strangers.
        """
        if checkpoint is not None or len(raw) > MAX_LOG:
            return _parse(raw, checkpoint)
        return _parse_remembered(raw)

    def checkpoint(self) -> Checkpoint:
        """For ``parse_untrusted`` of what this log grows to."""
        return Checkpoint(_digest(*split(self.raw)), self.standing)

    def with_op(self, action: Action, key: SigningKey) -> Account:
        """This log with one op more, which has seen all of it.

        Raises:
            LocalProtocolError: the signer has no right to it.
        """
        op = AccountOp.sign(self.id, self.standing.heads, action, key)
        inception, ops = split(self.raw)
        try:
            grown = Account.parse_untrusted(encode([inception, [*ops, op.encoded()]]), self.checkpoint())
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"this account takes no such op: {error}") from None
        if op.id in grown.standing.void:
            raise LocalProtocolError(f"this account takes no such op: {grown.standing.void[op.id]}")
        return grown

    def merge(self, other: Account) -> Account:
        """What follows from the ops of both logs.

        Where these are more than records carry, what a root has cut off is left out. Where that is not
        enough, somebody fills the log: then the log that the recovery code was used in more often counts
        alone, or else this one.

        Raises:
            LocalProtocolError: of another account.
        """
        if other.id != self.id:
            raise LocalProtocolError("logs of two accounts have no union")
        if other.raw == self.raw:
            return self
        if other.op_ids() <= self.op_ids():
            return self
        if self.op_ids() <= other.op_ids():
            return other
        ops = in_order({op.id: op for op in (*self.ops(), *other.ops())}.values())
        inception, _ = split(self.raw)
        raw = _log(inception, ops)
        if len(raw) > MAX_LOG:
            return self._merge_too_much(other, inception, ops)
        return Account.parse_untrusted(raw)

    def _merge_too_much(self, other: Account, inception: list[Any], ops: list[AccountOp]) -> Account:
        outranked = other.standing.root_generation > self.standing.root_generation
        chosen = other if outranked else self
        if len(ops) > MAX_OPS:
            return chosen
        left_out = cut_off(_verify_inception(inception)[1], ops)
        raw = _log(inception, [op for op in ops if op.id not in left_out])
        return chosen if len(raw) > MAX_LOG else Account.parse_untrusted(raw)

    def beginning(self, most: int, each_device: int) -> Account:
        """The part of this log that all there is of its roots needs, and of the rest the beginning.

        Args:
            most: bytes of the log, with ``each_device`` more for every device that it adds.
        """
        inception, _ = split(self.raw)
        ops, needed = self.ops(), self._seen_by_roots()
        kept = [op for op in ops if op.id in needed]
        room = most - len(_log(inception, kept)) - each_device * sum(map(_adds_device, kept))
        for op in ops:
            if op.id not in needed:
                room -= len(encode(op.encoded())) + each_device * _adds_device(op)
                if room < 0:
                    break
                kept.append(op)
        return Account.parse_untrusted(_log(inception, in_order(kept)))

    def _seen_by_roots(self) -> set[bytes]:
        """The ops of roots, and all they have seen."""
        ops = {op.id: op for op in self.ops()}
        signers = {op.signer for op in ops.values()}
        devices = {bytes(id_) for id_ in self.standing.devices.keys() | self.standing.gone}
        waiting, seen = [id_ for id_, op in ops.items() if op.signer in signers - devices], set[bytes]()
        while waiting:
            id_ = waiting.pop()
            if id_ in ops and id_ not in seen:
                seen.add(id_)
                waiting += ops[id_].parents
        return seen

    def op_ids(self) -> frozenset[bytes]:
        """Names of all ops."""
        return frozenset(op_id(body) for body, _ in split(self.raw)[1])

    def ops(self) -> list[AccountOp]:
        """All ops, in their order."""
        return [AccountOp.parse_untrusted(op, self.id) for op in split(self.raw)[1]]

    def adders(self, device: DeviceId) -> frozenset[DeviceId]:
        """The devices one of which added this one, and those which added that, up to what a root added."""
        return _adders(self.raw, device)

    def last_ops(self, device: DeviceId) -> tuple[bytes, ...]:
        """The last ops of a device, for a removal that accepts what it did so far."""
        own = [op for op in self.ops() if op.signer == device]
        return tuple(sorted({op.id for op in own} - {parent for op in own for parent in op.parents}))


def found_account(
    root: SigningKey,
    next_root: VerifyKey,
    device: DevicePublic,
    recovery: BoxPublic,
    user_key: RotateUserKey,
) -> Account:
    """A new account with one device, its recovery key and its first user key."""
    body = encode(
        [
            VERSION,
            root.public,
            next_root_hash(next_root.public),
            user_key.sign.public,
            user_key.box.public,
        ]
    )
    account_id, _ = _read_inception(body)
    ops: list[AccountOp] = []
    for action in (AddDevice(device), SetRecovery(recovery), BoxFirstUserKey(user_key.seeds)):
        heads = (ops[-1].id if ops else account_id,)
        ops.append(AccountOp.sign(account_id, heads, action, root))
    inception = [body, root.sign(Tag.SIGN_INCEPTION, body)]
    return Account.parse_untrusted(encode([inception, [op.encoded() for op in ops]]))


def _log(inception: list[Any], ops: Iterable[AccountOp]) -> bytes:
    return encode([inception, [op.encoded() for op in ops]])


def _adds_device(op: AccountOp) -> bool:
    return isinstance(op.action, AddDevice)


def in_order(ops: Iterable[AccountOp]) -> list[AccountOp]:
    """Ops in the one order of a log: by depth, then id. All they have seen must be among them."""
    waiting = {op.id: op for op in ops}
    depths: dict[bytes, int] = {}
    while waiting:
        ready = [op for op in waiting.values() if not any(parent in waiting for parent in op.parents)]
        for op in ready:
            depths[op.id] = 1 + max(depths.get(parent, 0) for parent in op.parents)
        for op in ready:
            del waiting[op.id]
    by_id = {op.id: op for op in ops}
    return [by_id[id_] for id_ in sorted(depths, key=lambda id_: (depths[id_], id_))]


@lru_cache(maxsize=_REMEMBERED)
def _adders(raw: bytes, device: DeviceId) -> frozenset[DeviceId]:
    added_by: dict[bytes, set[bytes]] = {}
    for body, _ in split(raw)[1]:
        fields = decode_untrusted(body, MAX_OP)
        if fields[4] == OpKind.ADD_DEVICE:
            added_by.setdefault(fields[5][0], set()).add(fields[3])
    found, waiting = set[bytes](), [bytes(device)]
    while waiting:
        fresh = added_by.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return frozenset(DeviceId(id_) for id_ in found if id_ in added_by)


@lru_cache(maxsize=_REMEMBERED)
def _parse_remembered(raw: bytes) -> Account:
    return _parse(raw, None)


def _parse(raw: bytes, checkpoint: Checkpoint | None) -> Account:
    inception, ops = split(raw)
    if checkpoint is not None and _digest(inception, ops[: checkpoint.standing.size]) == checkpoint.digest:
        account_id, _ = _read_inception(inception[0])
        try:
            return _judged(account_id, raw, checkpoint.standing, ops[checkpoint.standing.size :])
        except Entangled:
            pass
    account_id, base = _verify_inception(inception)
    return _judged(account_id, raw, base, ops)


def _judged(account_id: AccountId, raw: bytes, base: Standing, ops: list[Any]) -> Account:
    standing = judge(base, [AccountOp.parse_untrusted(op, account_id) for op in ops])
    return Account(account_id, raw, standing)


def split(raw: bytes) -> tuple[list[Any], list[Any]]:
    """Inception and ops of a log, with nothing verified but its form. Raises RemoteProtocolError."""
    inception, ops = array(decode_untrusted(raw, MAX_WHOLE_LOG), 2, "account log")
    inception = array(inception, 2, "inception")
    some_bytes(inception[0], 256, "inception")
    return inception, [array(op, 2, "account op") for op in many(ops, MAX_OPS, "account ops")]


def _digest(inception: list[Any], ops: list[Any]) -> bytes:
    return hash256(Tag.ACCOUNT_LOG, encode([inception, ops]))


def _verify_inception(inception: list[Any]) -> tuple[AccountId, Standing]:
    body = some_bytes(inception[0], 256, "inception")
    account_id, standing = _read_inception(body)
    VerifyKey(standing.root).verify(Tag.SIGN_INCEPTION, body, blob(inception[1], 64, "signature"))
    return account_id, standing


def _read_inception(body: bytes) -> tuple[AccountId, Standing]:
    """An account's id, and its standing before any op; the signature is not checked."""
    version, root, next_root, sign, box = array(decode_untrusted(body, 256), 5, "inception")
    number(version, VERSION, VERSION, "inception version")
    root, next_root = blob(root, 32, "root key"), blob(next_root, 32, "next root hash")
    first = hash256(Tag.FIRST_USER_KEY, encode([VERSION, root, next_root]))
    key = UserKey(first, VerifyKey(blob(sign, 32, "user key")), BoxPublic(blob(box, 32, "user key")))
    account_id = founded_with(key)
    return account_id, Standing((account_id,), root, next_root, user_keys={first: key}, newest=(first,))


def founded_with(first: UserKey) -> AccountId:
    """The id of the account whose first user key this is."""
    return AccountId(hash256(Tag.ACCOUNT_ID, first.generation + first.sign.public + first.box.public))
