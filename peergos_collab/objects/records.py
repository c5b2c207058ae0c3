"""Membership records: epochs, which make new keys, and grants, which hand out existing ones.

    record     = [head, rest, signer epoch (empty: this one), signer level, signature, handed on]
    rest       = [back-links, history seals, wraps, op seals, sealed op, sealed signature]
    epoch head = [1, 0, object (first: a nonce), parents, keys]
    grant head = [1, 1, object, epoch]
    id         = H(head ‖ H(rest))

The first epoch's id is the object's id. The outer signature, over the id, comes from a key of a parent
epoch (a first epoch's own): it keeps strangers' records away from nodes, and proves nothing to members,
who check the sealed op. An admin who makes an epoch after neutral ones signs it besides with the admin key
of one they follow: so everybody sees that admins handed their role on. The author's device signs all the rest
there is, and that signature is sealed in the one way there is: so of an op there is one record, with one id,
and nobody else can make another.

A head, the hash of what follows it and the signature prove on their own that one epoch descends from
another (``EpochLink``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, ObjectId, RecordId
from ..codec.shape import array, blob, many, number, some_bytes
from ..codec.sizes import BUCKETS
from ..crypto import OpKey, OpsSecret, Tag, WrapKey, copen, cseal, derive, hash256, open_once, seal_once
from ..errors import NoAccess, RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .back_links import BackLink, parse_back_links_untrusted, seal_back_link
from .epoch_keys import EpochKeys, EpochPublic, Level
from .history_seals import check_form as check_seals
from .history_seals import history_seals
from .operations import Actor, Op, Relied, UnverifiedOp, pad_to_bucket, parse_op_untrusted, sign_op, write_op
from .wraps import Recipient, check_form, wrap

VERSION: Final = 1
EPOCH: Final = 0
GRANT: Final = 1
CERTIFICATE: Final = 2
PRUNE: Final = 3
MAX_RECORD: Final = 256 << 10
"""Room for all slots of a wrap and an account log, and small enough for a frame."""

MAX_PARENTS: Final = 64
MAX_OP_SEALS: Final = 128
SEALED_SIGNATURE: Final = 64 + 16
MAX_HEAD: Final = 4 << 10
MAX_LINK: Final = MAX_HEAD + 256


@dataclass(frozen=True, slots=True)
class _Signature:
    """The outer signature, and which epoch's key of which level made it."""

    signer: EpochId
    level: Level
    signature: bytes

    def verify(self, tag: Tag, keys: EpochPublic, id_: bytes) -> None:
        lowest = Level.READ if tag is Tag.SIGN_GRANT else Level.WRITE
        key = keys.sign.get(self.level)
        if key is None or self.level < lowest:
            raise RemoteProtocolError("a record signed with a key that may not sign it")
        key.verify(tag, id_, self.signature)


@dataclass(frozen=True, slots=True)
class _Core:
    """What an op's signature covers, beside the head."""

    back_links: list[Any]
    history: bytes
    wraps: bytes


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What epochs and grants have in common: a sealed op and an outer signature."""

    raw: bytes
    head: bytes
    rest_hash: bytes
    core_hash: bytes
    op_seals: tuple[tuple[EpochId, bytes], ...]
    sealed_op: bytes
    sealed_signature: bytes
    signed: bytes
    outer: _Signature
    handed: _Signature | None


@dataclass(frozen=True, slots=True)
class Epoch:
    """One generation of an object's keys, as everybody may see it, signed by one of those before it.

    Args:
        parents: the epochs it follows; empty for an object's first.
        back_links: the epochs whose ops and readers' keys it holds, each sealed.
        history: seals that open, each with one secret, a level's keys together with the history.
    """

    id: EpochId
    object: ObjectId
    parents: tuple[EpochId, ...]
    keys: EpochPublic
    back_links: dict[EpochId, BackLink]
    history: bytes
    wraps: bytes
    sealed: _Sealed

    kind = EPOCH

    @property
    def raw(self) -> bytes:
        return self.sealed.raw

    @property
    def first(self) -> bool:
        return not self.parents

    @property
    def neutral(self) -> bool:
        """Whether it has no admin keys: any writer could make it."""
        return Level.ADMIN not in self.keys.sign

    @property
    def admins_of(self) -> EpochId | None:
        """The epoch whose admin key signed it; None where none did, or it is an object's first."""
        outer, handed = self.sealed.outer, self.sealed.handed
        if handed is not None:
            return handed.signer
        return outer.signer if outer.level is Level.ADMIN and not self.first else None

    @property
    def public_link(self) -> bytes:
        """What proves this epoch's keys and parents to somebody who has an ancestor. See ``EpochLink``."""
        sealed = self.sealed
        outer = sealed.outer
        return encode([sealed.head, sealed.rest_hash, outer.signer, int(outer.level), outer.signature])

    def public_link_by(self, earlier: EpochId, keys: EpochKeys) -> bytes:
        """The same, vouched for with the keys of an earlier epoch. Raises NoAccess."""
        level = max(keys.level, Level.WRITE)
        signature = keys.signing_key(level).sign(Tag.SIGN_EPOCH, self.id)
        return encode([self.sealed.head, self.sealed.rest_hash, earlier, int(level), signature])

    @staticmethod
    def parse_untrusted(raw: bytes) -> UnverifiedEpoch:
        """Raises RemoteProtocolError."""
        return UnverifiedEpoch(_read_epoch(*_split(raw)))


@dataclass(frozen=True, slots=True)
class UnverifiedEpoch:
    """An epoch whose outer signature nobody has checked: it shows what has to be here for that."""

    _epoch: Epoch = field(repr=False)

    @property
    def id(self) -> EpochId:
        return self._epoch.id

    @property
    def object(self) -> ObjectId:
        return self._epoch.object

    @property
    def needs(self) -> tuple[EpochId, ...]:
        """The epochs that have to be known before it is."""
        return self._epoch.parents

    @property
    def raw(self) -> bytes:
        return self._epoch.raw

    @property
    def signer(self) -> EpochId:
        """The epoch whose key is said to have signed it; an admin's, if there are two. Empty for its own."""
        return self._epoch.admins_of or self._epoch.sealed.outer.signer

    @property
    def level(self) -> Level:
        """Of the key that is said to have signed it."""
        return Level.ADMIN if self._epoch.admins_of else self._epoch.sealed.outer.level

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> Epoch:
        """Checks the outer signature against the epochs known. Raises RemoteProtocolError."""
        epoch = self._epoch
        outer = epoch.sealed.outer
        if epoch.first and outer.signer == b"":
            outer.verify(Tag.SIGN_EPOCH, epoch.keys, epoch.id)
        elif outer.signer in epoch.parents and outer.signer in epochs:
            if any(p in epochs and epochs[p].object != epoch.object for p in epoch.parents):
                raise RemoteProtocolError("an epoch whose parent is another object's")
            outer.verify(Tag.SIGN_EPOCH, epochs[outer.signer].keys, epoch.id)
        else:
            raise RemoteProtocolError("an epoch that is not signed by one of its parents")
        handed = epoch.sealed.handed
        if handed is not None:
            by = epochs.get(handed.signer)
            if by is None or by.object != epoch.object or epoch.neutral or outer.level is Level.ADMIN:
                raise RemoteProtocolError("an epoch that no admin could hand his role on to")
            handed.verify(Tag.SIGN_EPOCH, by.keys, epoch.id)
        return epoch


@dataclass(frozen=True, slots=True)
class Grant:
    """Existing keys for somebody who lacks them, or a notice, as everybody may see it.

    A holder of the epoch's read key signed it.
    """

    id: RecordId
    object: ObjectId
    epoch: EpochId
    wraps: bytes
    sealed: _Sealed

    kind = GRANT

    @property
    def raw(self) -> bytes:
        return self.sealed.raw

    @staticmethod
    def parse_untrusted(raw: bytes) -> UnverifiedGrant:
        """Raises RemoteProtocolError."""
        return UnverifiedGrant(_read_grant(*_split(raw)))


@dataclass(frozen=True, slots=True)
class UnverifiedGrant:
    """A grant whose outer signature nobody has checked: it shows what has to be here for that."""

    _grant: Grant = field(repr=False)

    @property
    def id(self) -> RecordId:
        return self._grant.id

    @property
    def object(self) -> ObjectId:
        return self._grant.object

    @property
    def needs(self) -> tuple[EpochId, ...]:
        """The epochs that have to be known before it is."""
        return (self._grant.epoch,)

    @property
    def raw(self) -> bytes:
        return self._grant.raw

    @property
    def signer(self) -> EpochId:
        """The epoch whose key is said to have signed it."""
        return self._grant.sealed.outer.signer

    @property
    def level(self) -> Level:
        """Of the key that is said to have signed it."""
        return self._grant.sealed.outer.level

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> Grant:
        """Checks the outer signature against the epochs known. Raises RemoteProtocolError."""
        grant = self._grant
        epoch = epochs.get(grant.epoch)
        if epoch is None or grant.sealed.outer.signer != grant.epoch or epoch.object != grant.object:
            raise RemoteProtocolError("a grant for an epoch that is not known")
        grant.sealed.outer.verify(Tag.SIGN_GRANT, epoch.keys, grant.id)
        return grant


@dataclass(frozen=True, slots=True)
class EpochLink:
    """An epoch without its wraps and op: its keys, for which an earlier one's keys vouch."""

    id: EpochId
    object: ObjectId
    keys: EpochPublic
    signer: EpochId
    """The epoch whose key vouches for this one; empty where it is the object's first."""

    @classmethod
    def parse_untrusted(cls, raw: bytes, earlier: Mapping[EpochId, EpochPublic]) -> Self:
        """An object's first epoch proves itself: whose it is says its id.

        Raises:
            RemoteProtocolError: no write key of one of the epochs ``earlier`` signed it.
        """
        head, rest_hash, signer, level, signature = array(
            decode_untrusted(raw, MAX_LINK, sparse=True), 5, "epoch link"
        )
        head = some_bytes(head, MAX_HEAD, "epoch head")
        id_ = EpochId(hash256(Tag.EPOCH_ID, head + blob(rest_hash, 32, "hash")))
        fields = _checked_head(head)
        number(fields[1], EPOCH, EPOCH, "record kind")
        object_id, parents, keys = _read_epoch_head(fields, id_)
        outer = _signature(signer, level, signature)
        itself = not parents and outer.signer == b""
        if not itself and outer.signer not in earlier:
            raise RemoteProtocolError("an epoch that no earlier one vouches for")
        outer.verify(Tag.SIGN_EPOCH, keys if itself else earlier[outer.signer], id_)
        return cls(id_, object_id, keys, outer.signer)


MembershipRecord = Epoch | Grant
UnverifiedRecord = UnverifiedEpoch | UnverifiedGrant


def parse_record_untrusted(raw: bytes) -> UnverifiedRecord:
    """An epoch or a grant. Raises RemoteProtocolError."""
    parts = _split(raw)
    if parts[1][1] == EPOCH:
        return UnverifiedEpoch(_read_epoch(*parts))
    return UnverifiedGrant(_read_grant(*parts))


def first_epoch(keys: EpochKeys, recipient: Recipient, op: Op, actor: Actor, random: Random) -> Epoch:
    """Makes a new object: its first epoch, wrapped to its creator."""
    head = encode([VERSION, EPOCH, random(32), [], keys.public().fields()])
    core = _Core([], history_seals(keys), wrap(keys, [recipient], random))
    making = _Making(head, core, ((EpochId(b""), keys.ops),), EpochId(b""), keys)
    return _read_epoch(*_split(making.record(Said(op, actor), Tag.SIGN_EPOCH, random)))


def next_epoch(
    object_id: ObjectId,
    keys: EpochKeys,
    parents: Mapping[EpochId, EpochKeys],
    back_links: Mapping[EpochId, EpochKeys],
    recipients: Sequence[Recipient],
    said: Said,
    random: Random,
    told: Mapping[EpochId, OpsSecret] | None = None,
    handed_on_by: tuple[EpochId, EpochKeys] | None = None,
) -> Epoch:
    """Makes an epoch after others.

    Args:
        told: further epochs for whose readers the op is sealed.
        parents: what the author holds of each parent, at least one of them at write level.
        back_links: what he holds of the epochs it links back to.
        handed_on_by: an epoch whose admin key he holds, where he holds that of no parent.

    Raises:
        NoAccess: no parent's write key is held.
    """
    signer = max(parents, key=lambda epoch: (parents[epoch].level, epoch))
    if parents[signer].level < Level.WRITE:
        raise NoAccess("only who may write can make new keys")
    head = encode([VERSION, EPOCH, object_id, sorted(parents), keys.public().fields()])
    links = [seal_back_link(keys, epoch, back_links[epoch]) for epoch in sorted(back_links)]
    openers = {**(told or {}), **{epoch: held.ops for epoch, held in parents.items()}}
    seals = ((EpochId(b""), keys.ops), *((epoch, openers[epoch]) for epoch in sorted(openers)))
    core = _Core(links, history_seals(keys), wrap(keys, recipients, random))
    making = _Making(head, core, seals, signer, parents[signer], handed_on_by)
    return _read_epoch(*_split(making.record(said, Tag.SIGN_EPOCH, random)))


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
    return make_grant(object_id, epoch, keys, [recipient], Said(op, actor, heads), random)


def make_grant(
    object_id: ObjectId,
    epoch: EpochId,
    keys: EpochKeys,
    recipients: Sequence[Recipient],
    said: Said,
    random: Random,
) -> Grant:
    """Hands the secrets of an epoch to ``recipients``; to nobody for a notice."""
    head = encode([VERSION, GRANT, object_id, epoch])
    core = _Core([], b"", wrap(keys, recipients, random))
    making = _Making(head, core, ((epoch, keys.ops),), epoch, keys)
    return _read_grant(*_split(making.record(said, Tag.SIGN_GRANT, random)))


def open_op(record: MembershipRecord, ops: Mapping[EpochId, OpsSecret]) -> UnverifiedOp:
    """Opens a record's op with what is held of whichever epoch, and checks its form.

    Raises:
        NoAccess: no key is held that opens it.
        RemoteProtocolError: what it opens to is malformed.
    """
    sealed = record.sealed
    problem: RemoteProtocolError | None = None
    for epoch, seal in sealed.op_seals:
        held = ops.get(epoch or EpochId(record.id))
        if held is None:
            continue
        try:
            # One seal may be spoiled by a hostile author: another that opens still says what the op is.
            op_key = OpKey(_exactly_32(copen(_op_seal_key(held), Tag.SEAL, seal, sealed.core_hash)))
            plaintext = copen(op_key, Tag.SEAL, sealed.sealed_op, sealed.core_hash)
            signature = open_once(_signature_key(op_key), sealed.sealed_signature, b"")
        except RemoteProtocolError as error:
            problem = error
            continue
        return parse_op_untrusted(plaintext, sealed.core_hash, sealed.signed, signature)
    raise problem or NoAccess("a membership record that these keys do not open")


@dataclass(frozen=True, slots=True)
class Said:
    """What a record says, and who says it. See ``sign_op``."""

    op: Op
    actor: Actor
    heads: tuple[bytes, ...] = ()
    relied: tuple[Relied, ...] = ()
    log_known: bool = False


@dataclass(frozen=True, slots=True)
class _Making:
    """A record before its op is sealed: its public parts, the keys that open the op, and who signs."""

    head: bytes
    core: _Core
    seal_to: tuple[tuple[EpochId, OpsSecret], ...]
    signer: EpochId
    signer_keys: EpochKeys
    handed_on_by: tuple[EpochId, EpochKeys] | None = None

    def record(self, said: Said, tag: Tag, random: Random) -> bytes:
        core = self.core
        core_hash = _core_hash(self.head, core)
        op_key = OpKey.generate(random)
        seals = [
            [epoch, cseal(_op_seal_key(ops), Tag.SEAL, op_key.expose(), core_hash, random)]
            for epoch, ops in self.seal_to
        ]
        key = self.signer_keys.signing_key(self.signer_keys.level)
        id_tag = Tag.EPOCH_ID if tag is Tag.SIGN_EPOCH else Tag.GRANT_ID

        def build(padded: bytes) -> bytes:
            sealed = cseal(op_key, Tag.SEAL, padded, core_hash, random)
            signature = sign_op(said.actor.device, _signed_hash(core_hash, seals, sealed))
            hidden = seal_once(_signature_key(op_key), signature, b"")
            rest = encode([core.back_links, core.history, core.wraps, seals, sealed, hidden])
            id_ = hash256(id_tag, self.head + hash256(Tag.RECORD_REST, rest))
            level = int(self.signer_keys.level)
            return encode([self.head, rest, self.signer, level, key.sign(tag, id_), self._handed(tag, id_)])

        written = write_op(
            said.op,
            said.actor,
            said.heads,
            core_hash,
            relied=said.relied,
            log_known=said.log_known,
        )
        return pad_to_bucket(written, build)

    def _handed(self, tag: Tag, id_: bytes) -> list[bytes]:
        if self.handed_on_by is None:
            return []
        epoch, keys = self.handed_on_by
        return [epoch, keys.signing_key(Level.ADMIN).sign(tag, id_)]


def _exactly_32(secret: bytes) -> bytes:
    return blob(secret, 32, "op key")


def _op_seal_key(ops: OpsSecret) -> WrapKey:
    return derive(ops, Tag.OP_KEY, WrapKey)


def _signature_key(op_key: OpKey) -> WrapKey:
    return derive(op_key, Tag.OP_SIGNATURE, WrapKey)


def _signed_hash(core_hash: bytes, op_seals: list[Any], sealed_op: bytes) -> bytes:
    return hash256(Tag.RECORD_SIGNED, encode([core_hash, op_seals, sealed_op]))


def _core_hash(head: bytes, core: _Core) -> bytes:
    return hash256(Tag.RECORD_CORE, encode([head, core.back_links, core.history, core.wraps]))


def _record_id(tag: Tag, sealed: _Sealed) -> bytes:
    return hash256(tag, sealed.head + sealed.rest_hash)


def _split(raw: bytes) -> tuple[_Sealed, list[Any], _Core]:
    """The parts of a record: what is sealed, head, and what the op's signature covers."""
    if len(raw) not in BUCKETS:
        raise RemoteProtocolError("a membership record of a size that is not allowed")
    fields = array(decode_untrusted(raw, MAX_RECORD, sparse=True), 6, "record")
    head, rest, signer, level, signature, handed = fields
    head, rest = some_bytes(head, MAX_HEAD, "record head"), some_bytes(rest, MAX_RECORD, "record")
    parts = array(decode_untrusted(rest, MAX_RECORD, sparse=True), 6, "record")
    back_links, history, wraps, seals, sealed_op, by_device = parts
    check_form(some_bytes(wraps, MAX_RECORD, "wraps"))
    core = _Core(back_links, some_bytes(history, MAX_RECORD, "history seals"), wraps)
    core_hash = _core_hash(head, core)
    sealed = _Sealed(
        raw,
        head,
        hash256(Tag.RECORD_REST, rest),
        core_hash,
        tuple(_op_seal(item) for item in many(seals, MAX_OP_SEALS, "op seals")),
        some_bytes(sealed_op, MAX_RECORD, "sealed op"),
        blob(by_device, SEALED_SIGNATURE, "sealed signature"),
        _signed_hash(core_hash, seals, sealed_op),
        _signature(signer, level, signature),
        _handed_on(handed),
    )
    return sealed, _checked_head(head), core


def _read_epoch(sealed: _Sealed, head: list[Any], core: _Core) -> Epoch:
    """From the parts of a record; nothing is verified."""
    number(head[1], EPOCH, EPOCH, "record kind")
    id_ = EpochId(_record_id(Tag.EPOCH_ID, sealed))
    object_id, parents, keys = _read_epoch_head(head, id_)
    if keys.sign.keys() != set(Level) and not parents:
        raise RemoteProtocolError("a first epoch without admin keys")
    check_seals(core.history, keys)
    links = parse_back_links_untrusted(core.back_links)
    return Epoch(id_, object_id, parents, keys, links, core.history, core.wraps, sealed)


def _read_grant(sealed: _Sealed, head: list[Any], core: _Core) -> Grant:
    """From the parts of a record; nothing is verified."""
    number(head[1], GRANT, GRANT, "record kind")
    many(core.back_links, 0, "back-links of a grant")
    some_bytes(core.history, 0, "history seals of a grant")
    if sealed.handed is not None:
        raise RemoteProtocolError("a grant that hands on what an epoch does")
    _, _, object_id, epoch = array(head, 4, "grant")
    return Grant(
        RecordId(_record_id(Tag.GRANT_ID, sealed)),
        ObjectId(blob(object_id, 32, "object id")),
        EpochId(blob(epoch, 32, "epoch id")),
        core.wraps,
        sealed,
    )


def _checked_head(raw: bytes) -> list[Any]:
    head = decode_untrusted(raw, MAX_HEAD, sparse=True)
    if type(head) is not list or len(head) < 4:
        raise RemoteProtocolError("a record without a head")
    number(head[0], VERSION, VERSION, "record version")
    number(head[1], EPOCH, GRANT, "record kind")
    return head


def _read_epoch_head(head: list[Any], id_: EpochId) -> tuple[ObjectId, tuple[EpochId, ...], EpochPublic]:
    _, _, object_id, parents, keys = array(head, 5, "epoch")
    named = tuple(EpochId(blob(p, 32, "parent")) for p in many(parents, MAX_PARENTS, "parents"))
    if len(set(named)) < len(named):
        raise RemoteProtocolError("an epoch that names a parent twice")
    owner = ObjectId(blob(object_id, 32, "object id"))
    return owner if named else ObjectId(id_), named, EpochPublic.parse_untrusted(keys)


def _signature(signer: Any, level: Any, signature: Any) -> _Signature:
    return _Signature(
        EpochId(some_bytes(signer, 32, "signer")),
        Level(number(level, 1, 3, "signer level")),
        blob(signature, 64, "signature"),
    )


def _handed_on(value: Any) -> _Signature | None:
    if not many(value, 2, "handed on"):
        return None
    epoch, signature = array(value, 2, "handed on")
    return _signature(epoch, int(Level.ADMIN), signature)


def _op_seal(value: Any) -> tuple[EpochId, bytes]:
    epoch, seal = array(value, 2, "op seal")
    return EpochId(some_bytes(epoch, 32, "op seal")), some_bytes(seal, 256, "op seal")
