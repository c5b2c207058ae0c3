"""Membership records: epochs, which make new keys, and grants, which hand out existing ones.

    record = [public, signer epoch (empty: this one), signer level, signature]
    public = [core, op seals, sealed op]
    epoch core = [1, 0, object (first: a nonce), parents, keys, back-links, wraps]
    grant core = [1, 1, object, epoch, wraps]

The id is the hash of ``public``; the first epoch's id is the object's id. The outer signature comes
from a key of a parent epoch (a first epoch's own): it keeps strangers' records away from nodes, and
proves nothing to members, who check the sealed op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, ObjectId, RecordId
from ..codec.shape import array, blob, many, number, some_bytes
from ..codec.sizes import BUCKETS
from ..crypto import OpKey, Tag, WrapKey, copen, cseal, derive, hash256
from ..errors import NoAccess, RemoteProtocolError
from ..ports import Random
from .epoch_keys import EpochKeys, EpochPublic, Level
from .operations import Actor, Op, SignedOp, pad_to_bucket, parse_op_untrusted, sign_op
from .wraps import Recipient, check_form, wrap

VERSION: Final = 1
EPOCH: Final = 0
GRANT: Final = 1
CERTIFICATE: Final = 2
MAX_RECORD: Final = 256 << 10
"""Room for all slots of a wrap and an account log, and small enough for a frame."""

MAX_PARENTS: Final = 64


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What epochs and grants have in common: a sealed op and an outer signature."""

    raw: bytes
    public: bytes
    core_hash: bytes
    op_seals: tuple[tuple[EpochId, bytes], ...]
    sealed_op: bytes
    signer: EpochId
    level: Level
    signature: bytes


@dataclass(frozen=True, slots=True)
class Epoch:
    """One generation of an object's keys, as everybody may see it."""

    id: EpochId
    object: ObjectId
    parents: tuple[EpochId, ...]
    keys: EpochPublic
    wraps: bytes
    sealed: _Sealed

    kind = EPOCH

    @property
    def raw(self) -> bytes:
        return self.sealed.raw

    @property
    def first(self) -> bool:
        return not self.parents

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError. ``verify`` must follow before it is used."""
        sealed, core = _split(raw)
        _, _, object_id, parents, keys, back_links, wraps = array(core, 7, "epoch")
        if many(back_links, 0, "back-links"):
            raise RemoteProtocolError("back-links belong to a later version")
        check_form(some_bytes(wraps, MAX_RECORD, "wraps"))
        id_ = EpochId(hash256(Tag.EPOCH_ID, sealed.public))
        named = tuple(EpochId(blob(p, 32, "parent")) for p in many(parents, MAX_PARENTS, "parents"))
        owner = ObjectId(blob(object_id, 32, "object id")) if named else ObjectId(id_)
        return cls(id_, owner, named, EpochPublic.parse_untrusted(keys), wraps, sealed)

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> None:
        """Checks the outer signature against the epochs known. Raises RemoteProtocolError."""
        if self.first and self.sealed.signer == b"":
            _verify_outer(self.sealed, self, Tag.SIGN_EPOCH)
        elif self.sealed.signer in self.parents and self.sealed.signer in epochs:
            _verify_outer(self.sealed, epochs[self.sealed.signer], Tag.SIGN_EPOCH)
        else:
            raise RemoteProtocolError("an epoch that is not signed by one of its parents")


@dataclass(frozen=True, slots=True)
class Grant:
    """Existing keys for somebody new, as everybody may see it."""

    id: RecordId
    object: ObjectId
    epoch: EpochId
    wraps: bytes
    sealed: _Sealed

    kind = GRANT

    @property
    def raw(self) -> bytes:
        return self.sealed.raw

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError. ``verify`` must follow before it is used."""
        sealed, core = _split(raw)
        _, _, object_id, epoch, wraps = array(core, 5, "grant")
        check_form(some_bytes(wraps, MAX_RECORD, "wraps"))
        return cls(
            RecordId(hash256(Tag.GRANT_ID, sealed.public)),
            ObjectId(blob(object_id, 32, "object id")),
            EpochId(blob(epoch, 32, "epoch id")),
            wraps,
            sealed,
        )

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> None:
        """Checks the outer signature against the epochs known. Raises RemoteProtocolError."""
        epoch = epochs.get(self.epoch)
        if epoch is None or self.sealed.signer != self.epoch:
            raise RemoteProtocolError("a grant for an epoch that is not known")
        _verify_outer(self.sealed, epoch, Tag.SIGN_GRANT)


MembershipRecord = Epoch | Grant


def parse_record_untrusted(raw: bytes) -> MembershipRecord:
    """An epoch or a grant, not verified yet. Raises RemoteProtocolError."""
    kind = _split(raw)[1][1]
    return Epoch.parse_untrusted(raw) if kind == EPOCH else Grant.parse_untrusted(raw)


def first_epoch(keys: EpochKeys, recipient: Recipient, op: Op, actor: Actor, random: Random) -> Epoch:
    """Makes a new object: its first epoch, wrapped to its creator."""
    core = encode(
        [VERSION, EPOCH, random(32), [], keys.public().fields(), [], wrap(keys, [recipient], random)]
    )
    seal_to: Sequence[tuple[bytes, EpochKeys]] = [(b"", keys)]
    raw = _seal(core, op, actor, (), seal_to, keys, b"", Tag.SIGN_EPOCH, random)
    return Epoch.parse_untrusted(raw)


def grant(
    object_id: ObjectId,
    epoch: EpochId,
    keys: EpochKeys,
    recipient: Recipient,
    op: Op,
    actor: Actor,
    heads: tuple[bytes, ...],
    random: Random,
) -> Grant:
    """Hands the secrets of an epoch to a new member."""
    core = encode([VERSION, GRANT, object_id, epoch, wrap(keys, [recipient], random)])
    raw = _seal(core, op, actor, heads, [(epoch, keys)], keys, epoch, Tag.SIGN_GRANT, random)
    return Grant.parse_untrusted(raw)


def open_op(record: MembershipRecord, keys: Mapping[EpochId, EpochKeys]) -> SignedOp:
    """Opens and verifies a record's op with whichever epoch's keys are held.

    Raises:
        NoAccess: no key is held that opens it.
        RemoteProtocolError: what it opens to is malformed or falsely signed.
    """
    sealed = record.sealed
    for epoch, seal in sealed.op_seals:
        held = keys.get(epoch or EpochId(record.id))
        if held is not None:
            op_key = OpKey(_exactly_32(copen(_op_seal_key(held), Tag.SEAL, seal, sealed.core_hash)))
            return parse_op_untrusted(
                copen(op_key, Tag.SEAL, sealed.sealed_op, sealed.core_hash), sealed.core_hash
            )
    raise NoAccess("a membership record that these keys do not open")


def _exactly_32(secret: bytes) -> bytes:
    return blob(secret, 32, "op key")


def _op_seal_key(keys: EpochKeys) -> WrapKey:
    return derive(keys.read, Tag.OP_KEY, WrapKey)


def _seal(
    core: bytes,
    op: Op,
    actor: Actor,
    heads: tuple[bytes, ...],
    seal_to: Sequence[tuple[bytes, EpochKeys]],
    signer: EpochKeys,
    signer_epoch: bytes,
    tag: Tag,
    random: Random,
) -> bytes:
    core_hash = hash256(Tag.RECORD_CORE, core)
    op_key = OpKey.generate(random)
    seals = [[e, cseal(_op_seal_key(k), Tag.SEAL, op_key.expose(), core_hash, random)] for e, k in seal_to]
    level = signer.level

    def build(padded: bytes) -> bytes:
        public = encode([core, seals, cseal(op_key, Tag.SEAL, padded, core_hash, random)])
        return encode([public, signer_epoch, int(level), signer.signing_key(level).sign(tag, public)])

    return pad_to_bucket(sign_op(op, actor, heads, core_hash), build)


def _split(raw: bytes) -> tuple[_Sealed, list[Any]]:
    if len(raw) not in BUCKETS:
        raise RemoteProtocolError("a membership record of a size that is not allowed")
    public, signer, level, signature = array(decode_untrusted(raw, MAX_RECORD), 4, "record")
    public = some_bytes(public, MAX_RECORD, "record")
    core_raw, seals, sealed_op = array(decode_untrusted(public, MAX_RECORD), 3, "record")
    core = decode_untrusted(some_bytes(core_raw, MAX_RECORD, "record core"), MAX_RECORD)
    if type(core) is not list or len(core) < 5:
        raise RemoteProtocolError("a record without a core")
    number(core[0], VERSION, VERSION, "record version")
    number(core[1], EPOCH, GRANT, "record kind")
    op_seals = tuple(_op_seal(item) for item in many(seals, MAX_PARENTS + 1, "op seals"))
    sealed = _Sealed(
        raw,
        public,
        hash256(Tag.RECORD_CORE, core_raw),
        op_seals,
        some_bytes(sealed_op, MAX_RECORD, "sealed op"),
        EpochId(some_bytes(signer, 32, "signer")),
        Level(number(level, 1, 3, "signer level")),
        blob(signature, 64, "signature"),
    )
    return sealed, core


def _op_seal(value: Any) -> tuple[EpochId, bytes]:
    epoch, seal = array(value, 2, "op seal")
    return EpochId(some_bytes(epoch, 32, "op seal")), some_bytes(seal, 256, "op seal")


def _verify_outer(sealed: _Sealed, epoch: Epoch, tag: Tag) -> None:
    lowest = Level.READ if tag is Tag.SIGN_GRANT else Level.WRITE
    key = epoch.keys.sign.get(sealed.level)
    if key is None or sealed.level < lowest:
        raise RemoteProtocolError("a record signed with a key that may not sign it")
    key.verify(tag, sealed.public, sealed.signature)
