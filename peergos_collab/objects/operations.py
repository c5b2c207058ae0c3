"""Membership operations: what an epoch or grant *means*, sealed so that only members learn it.

    body      = [op, account, log digest, device, principal, level, membership heads seen, relied on]
    plaintext = [body, principal signature | empty, account log | empty, name], padded
    signed    = by the principal: H(core of the record) ‖ body; by the device: H(all that is in the record)

The core holds the record's keys and wraps, so an op cannot be moved to other keys or another object. The
device signs the sealed op as well, so nobody but its author changes a byte of it, the name say, or makes a
second record of one op; see ``records``.

The account log travels along where none of the records seen carries it, so that members can check the
device without asking anybody; else its digest says which one is meant. Who acts for his own account
needs no second signature: the account's log lists his device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, PrincipalId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..codec.sizes import bucket, pad, unpad_untrusted
from ..crypto import BoxPair, SigningKey, Tag, hash256
from ..errors import RemoteProtocolError
from ..identity.account import MAX_LOG, Account
from ..values import dataclass
from .epoch_keys import Level
from .op_kinds import Add, ChangeRole, Create, Forward, Op, RePin, read_op_untrusted
from .payload import Author
from .principals import Principal, PrincipalKind

__all__ = [
    "Actor",
    "Add",
    "Create",
    "Op",
    "SignedOp",
    "UnverifiedOp",
    "pad_to_bucket",
    "parse_op_untrusted",
    "sign_op",
    "write_op",
]

MAX_NAME: Final = 64
MAX_HEADS: Final = 64
MAX_OP: Final = 200 << 10
"""Room for an account log, or for all members of a large object in a forward."""


@dataclass(frozen=True, slots=True)
class Relied:
    """Heads of another object that the author had seen when he made an op.

    Args:
        object: whose records they are, for instance a folder's that is a member here.
        heads: ids of its membership records.
    """

    object: bytes
    heads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """An epoch's keys for somebody: at a key version, or (None) at those he is listed with."""

    principal: PrincipalId
    version: bytes | None
    level: Level
    history: bool = False
    """Together with what opens the epochs before."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a device of an account, on behalf of a principal, with the keys to prove both.

    Args:
        principal_key: proves the principal; the account's user key, a link's key, or the key that signs
            at ``level`` in an epoch of an object.
        level: as what one acts for an object that is a principal; else it limits nothing.
        pairs: open what records wrap to the principal: all generations of the user key, or a link's key.
        version: the epoch of that object whose keys one acts by; else empty.
    """

    account: Account
    device: SigningKey
    principal: PrincipalId
    principal_key: SigningKey
    name: str
    level: Level = Level.ADMIN
    pairs: tuple[BoxPair, ...] = field(default=(), repr=False)
    version: bytes = b""

    @property
    def for_itself(self) -> bool:
        """Whether the account acts for no other principal."""
        return bytes(self.principal) == bytes(self.account.id)


@dataclass(frozen=True, slots=True)
class SignedOp:
    """An op that a device of its author's account signed, and whoever holds the keys of his principal.

    Whether he may do it, others say.

    Args:
        author: his name is what he calls himself.
        level: as what the author acts for an object principal.
        relied: heads of other objects he had seen.
    """

    op: Op
    author: Author
    level: Level
    relied: tuple[Relied, ...]

    @property
    def for_itself(self) -> bool:
        return bytes(self.author.principal) == bytes(self.author.account)


@dataclass(frozen=True, slots=True)
class UnverifiedOp:
    """An op as it was opened, of which nobody has checked who signed it.

    It shows what has to be here to find that out, and what is better believed even if it is false.

    Args:
        log_digest: of the account log that is said to list the device.
        account_log: that log, where it travels along; else empty.
        heads: the membership records its author says he had seen.
    """

    log_digest: bytes
    account_log: bytes
    heads: tuple[bytes, ...]
    _signed: SignedOp = field(repr=False)
    _by_principal: bytes = field(repr=False)
    _by_device: bytes = field(repr=False)
    _device_signature: bytes = field(repr=False)
    _principal_signature: bytes = field(repr=False)

    @property
    def relied(self) -> tuple[Relied, ...]:
        """Heads of other objects that have to be here first."""
        return self._signed.relied

    @property
    def principal(self) -> PrincipalId:
        """Whom its author says to act for."""
        return self._signed.author.principal

    @property
    def creator(self) -> Principal | None:
        """Who is said to create the object with this op."""
        op = self._signed.op
        return op.creator if isinstance(op, Create) else None

    @property
    def own_versions(self) -> list[Principal]:
        """New key versions of the object that its author acts for, which it brings itself."""
        op = self._signed.op
        new = [version.principal for version in op.versions] if isinstance(op, RePin) else []
        return [one for one in new if one.id == self.principal and one.kind is PrincipalKind.OBJECT]

    @property
    def given(self) -> list[Given]:
        """Whom it says that its record gives an epoch's keys: an epoch whose keys are out is better left."""
        op = self._signed.op
        if isinstance(op, Add):
            return [Given(op.principal.id, op.principal.version, op.level, history=not op.hidden)]
        if isinstance(op, Forward):
            return [Given(one.principal, one.version, one.level, history=one.history) for one in op.to]
        return [Given(op.target.principal, None, op.level)] if isinstance(op, ChangeRole) else []

    def verify(self, account: Account, principals: Sequence[Principal]) -> tuple[SignedOp, Principal]:
        """The op, and as which principal its author proved to act.

        Args:
            account: lists the device.
            principals: the principal he acts for, in the key versions it is listed with.

        Raises:
            RemoteProtocolError: a signature does not hold, or is by somebody else.
        """
        author = self._signed.author
        device = account.devices.get(author.device)
        if device is None or account.id != author.account:
            raise RemoteProtocolError("a membership op by a device that its account does not list")
        device.sign.verify(Tag.SIGN_OP, self._by_device, self._device_signature)
        problem = RemoteProtocolError("an op on behalf of nobody")
        for principal in principals:
            try:
                self._check_acts_as(principal)
            except RemoteProtocolError as error:
                problem = error
            else:
                return self._signed, principal
        raise problem

    def _check_acts_as(self, principal: Principal) -> None:
        if self.principal != principal.id:
            raise RemoteProtocolError("an op on behalf of somebody else")
        if principal.kind is PrincipalKind.ACCOUNT:
            if not self._signed.for_itself:
                raise RemoteProtocolError("an op on behalf of another account")
            return
        signer = principal.signer(self._signed.level)
        signer.verify(Tag.SIGN_OP, self._by_principal, self._principal_signature)


def log_digest(raw: bytes) -> bytes:
    """Which account log is meant, in 32 bytes."""
    return hash256(Tag.LOG_DIGEST, raw)


def write_op(
    op: Op,
    actor: Actor,
    heads: tuple[bytes, ...],
    core_hash: bytes,
    *,
    relied: tuple[Relied, ...] = (),
    log_known: bool = False,
) -> bytes:
    """The op's plaintext, not padded yet, and not signed by the device.

    Args:
        log_known: one of the records in its past carries the actor's account log.
    """
    account = actor.account
    digest = log_digest(account.raw)
    body = encode(
        [
            op.fields(),
            account.id,
            digest,
            actor.device.public,
            actor.principal,
            int(actor.level),
            list(heads),
            [[one.object, list(one.heads)] for one in relied],
        ]
    )
    message = core_hash + body
    return encode(
        [
            body,
            b"" if actor.for_itself else actor.principal_key.sign(Tag.SIGN_OP, message),
            b"" if log_known else account.raw,
            actor.name,
        ]
    )


def sign_op(device: SigningKey, signed: bytes) -> bytes:
    """A device's signature over the hash of all that is in a record."""
    return device.sign(Tag.SIGN_OP, signed)


def parse_op_untrusted(padded: bytes, core_hash: bytes, signed: bytes, signature: bytes) -> UnverifiedOp:
    """The form of an op.

    Args:
        signed: hash of all that is in its record.
        signature: by the device, over that.

    Raises:
        RemoteProtocolError: malformed.
    """
    plaintext = unpad_untrusted(padded)
    fields = array(decode_untrusted(plaintext, MAX_OP), 4, "membership op")
    raw = some_bytes(fields[0], MAX_OP, "membership op")
    body = array(decode_untrusted(raw, MAX_OP), 8, "membership op")
    log = some_bytes(fields[2], MAX_LOG, "account log")
    digest = blob(body[2], 32, "log digest")
    if log and log_digest(log) != digest:
        raise RemoteProtocolError("an account log that is not the one its op names")
    author = Author(
        AccountId(blob(body[1], 32, "account id")),
        DeviceId(blob(body[3], 32, "device id")),
        PrincipalId(blob(body[4], 32, "principal id")),
        string(fields[3], MAX_NAME, "name"),
    )
    level = Level(number(body[5], 1, 3, "acting level"))
    relied = tuple(_relied(item) for item in many(body[7], MAX_HEADS, "objects relied on"))
    return UnverifiedOp(
        digest,
        log,
        _heads(body[6]),
        SignedOp(read_op_untrusted(body[0]), author, level, relied),
        core_hash + raw,
        signed,
        blob(signature, 64, "signature"),
        _principal_signature(fields[1]),
    )


def _heads(value: Any) -> tuple[bytes, ...]:
    return tuple(blob(head, 32, "membership head") for head in many(value, MAX_HEADS, "membership heads"))


def _relied(value: Any) -> Relied:
    object_id, heads = array(value, 2, "object relied on")
    return Relied(blob(object_id, 32, "object id"), _heads(heads))


def _principal_signature(value: Any) -> bytes:
    return b"" if value == b"" else blob(value, 64, "signature")


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
