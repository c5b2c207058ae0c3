"""Prune records: an admin says what nodes may drop of an object's segments; any member may object.

One names archives, which take the place of segments. One that *forgets* names a base, which stands for all
segments up to some heads: of these nothing stays but husks.

    prune     = [1, 3, object, epoch, replaced, sealed, signature]                     at most 384 KiB
    replaced  = [[log, first seq, last seq, archive id] …]
              | [1, base [log, seq, id], heads [[log, seq, id] …]]        in one that forgets
              | the id of a prune record                                  in an objection
    sealed    = cseal(content key of the epoch, padded [device signature, introduction], ad = claim)
    claim     = [1, 3, object, epoch, replaced]                the device signs it, too
    id        = H("prune id", prune without the signature)

The outer signature, over the id, is made with the epoch's admin key, in an objection with its read key: for
nodes, which act on a record after a time unless somebody objects. Who made it is for members only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, LogId, ObjectId, RecordId
from ..codec.shape import array, blob, many, number, some_bytes
from ..codec.sizes import bucket, pad, unpad_untrusted
from ..crypto import Tag, copen, cseal, hash256
from ..errors import NoAccess, RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .archives import MAX_SEGMENTS, Archive
from .bindings import NO_LOG, Introduced, check_introduction_untrusted, introduce
from .epoch_keys import EpochKeys, Level
from .membership import View
from .operations import Actor
from .payload import Author
from .records import PRUNE, VERSION, Epoch
from .segments import MAX_SEQ
from .snapshots import SnapshotPlace

MAX_PRUNE: Final = 384 << 10
"""Room for all that, and for an account log padded to 256 KiB."""

MAX_REPLACED: Final = 1_024
"""Archives that one record names: of two million segments, in 80 KiB."""

MAX_FORGOTTEN: Final = 3_000
"""Heads that one record names, in 216 KiB."""

FORGETS: Final = 1
"""Begins what one that forgets says, and is its version."""


@dataclass(frozen=True, slots=True, order=True)
class Replaced:
    """Segments of a log, and the archive that stands for them."""

    log: LogId
    first: int
    last: int
    archive: bytes

    @classmethod
    def by(cls, archive: Archive) -> Self:
        return cls(archive.log, archive.first, archive.last, archive.id)

    @classmethod
    def parse_untrusted(cls, value: object) -> Self:
        """Raises RemoteProtocolError."""
        log, first, last, archive = array(value, 4, "replaced segments")
        first = number(first, 1, MAX_SEQ, "seq")
        last = number(last, first, min(MAX_SEQ, first + MAX_SEGMENTS - 1), "seq")
        return cls(LogId(blob(log, 32, "log id")), first, last, blob(archive, 32, "archive id"))

    def fields(self) -> list[Any]:
        return [self.log, self.first, self.last, self.archive]


@dataclass(frozen=True, slots=True)
class Forgets:
    """What is to be forgotten, and what stands for it.

    Args:
        base: where that is.
        heads: the last segment of each branch that it stands for.
    """

    base: SnapshotPlace
    heads: tuple[SnapshotPlace, ...]

    @classmethod
    def parse_untrusted(cls, value: object) -> Self:
        """Raises RemoteProtocolError."""
        version, base, heads = array(value, 3, "what is forgotten")
        number(version, FORGETS, FORGETS, "version")
        places = tuple(map(SnapshotPlace.parse_untrusted, many(heads, MAX_FORGOTTEN, "heads")))
        if not places or list(places) != sorted(set(places)):
            raise RemoteProtocolError("heads out of order")
        return cls(SnapshotPlace.parse_untrusted(base), places)

    def fields(self) -> list[Any]:
        return [FORGETS, self.base.fields(), [head.fields() for head in self.heads]]


@dataclass(frozen=True, slots=True)
class Prune:
    """A prune record, or an objection to one, signed with a key of its epoch.

    Args:
        replaced: empty where it names no archives.
        forgets: None where it does not.
        objects_to: the id of a prune record, in an objection; else empty.
    """

    id: RecordId
    object: ObjectId
    epoch: EpochId
    replaced: tuple[Replaced, ...]
    forgets: Forgets | None
    objects_to: bytes
    raw: bytes
    _claim: bytes = field(repr=False)
    _sealed: bytes = field(repr=False)

    kind = PRUNE

    @classmethod
    def issue(
        cls,
        object_id: ObjectId,
        epoch: EpochId,
        what: Sequence[Replaced] | Forgets | RecordId,
        keys: EpochKeys,
        actor: Actor,
        random: Random,
    ) -> Self:
        """A prune record, or an objection.

        Raises:
            NoAccess: the keys are not those of an admin, for a prune record.
        """
        objects_to = what if isinstance(what, bytes) else b""
        forgets = what if isinstance(what, Forgets) else None
        replaced = () if isinstance(what, bytes | Forgets) else tuple(sorted(what))
        level = _level(objects_to)
        if keys.level < level:
            raise NoAccess("only admins have older changes compacted or forgotten; nothing was changed")
        value = objects_to or (forgets.fields() if forgets else [each.fields() for each in replaced])
        fields = [VERSION, PRUNE, object_id, epoch, value]
        claim = encode(fields)
        device = actor.device.sign(Tag.SIGN_PRUNE_DEVICE, claim)
        said = encode([device, introduce(object_id, epoch, NO_LOG, actor)])
        sealed = cseal(keys.content, Tag.PRUNE, pad(said, bucket(len(said) + 1)), claim, random)
        id_ = RecordId(hash256(Tag.PRUNE_ID, encode([*fields, sealed])))
        signature = keys.signing_key(level).sign(Tag.SIGN_PRUNE, id_)
        raw = encode([*fields, sealed, signature])
        return cls(id_, object_id, epoch, replaced, forgets, objects_to, raw, claim, sealed)

    @staticmethod
    def parse_untrusted(raw: bytes) -> UnverifiedPrune:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, MAX_PRUNE), 7, "prune record")
        number(fields[0], VERSION, VERSION, "prune version")
        number(fields[1], PRUNE, PRUNE, "prune kind")
        object_id, epoch = (blob(each, 32, "prune record") for each in fields[2:4])
        replaced: tuple[Replaced, ...] = ()
        forgets: Forgets | None = None
        objects_to = fields[4] if type(fields[4]) is bytes else b""
        if objects_to:
            blob(objects_to, 32, "prune id")
        elif isinstance(fields[4], list) and fields[4][:1] == [FORGETS]:
            forgets = Forgets.parse_untrusted(fields[4])
        else:
            replaced = tuple(map(Replaced.parse_untrusted, many(fields[4], MAX_REPLACED, "archives")))
            if not replaced or list(replaced) != sorted(set(replaced)):
                raise RemoteProtocolError("archives out of order")
        sealed, signature = some_bytes(fields[5], MAX_PRUNE, "seal"), blob(fields[6], 64, "signature")
        id_ = RecordId(hash256(Tag.PRUNE_ID, encode(fields[:6])))
        where = ObjectId(object_id), EpochId(epoch)
        prune = Prune(id_, *where, replaced, forgets, objects_to, raw, encode(fields[:5]), sealed)
        return UnverifiedPrune(prune, signature)

    def author_untrusted(self, keys: EpochKeys, view: View) -> Author:
        """Who made it, if he may by who is a member now.

        Raises:
            NoMember: he is no admin, or in an objection no member.
            RemoteProtocolError: it says nothing that holds.
        """
        said = unpad_untrusted(copen(keys.content, Tag.PRUNE, self._sealed, self._claim))
        signature, introduction = array(decode_untrusted(said, MAX_PRUNE), 2, "prune author")
        who: Introduced = check_introduction_untrusted(
            introduction, self.object, self.epoch, NO_LOG, view, _level(self.objects_to)
        )
        who.device_key.verify(Tag.SIGN_PRUNE_DEVICE, self._claim, blob(signature, 64, "signature"))
        return who.author


@dataclass(frozen=True, slots=True)
class UnverifiedPrune:
    """A prune record whose signature nobody has checked: it shows what it claims to be about."""

    _prune: Prune = field(repr=False)
    _signature: bytes = field(repr=False)

    @property
    def id(self) -> RecordId:
        return self._prune.id

    @property
    def object(self) -> ObjectId:
        return self._prune.object

    @property
    def raw(self) -> bytes:
        return self._prune.raw

    @property
    def signer(self) -> EpochId:
        return self._prune.epoch

    @property
    def level(self) -> Level:
        return _level(self._prune.objects_to)

    @property
    def needs(self) -> tuple[EpochId, ...]:
        """The epochs that have to be known before it is."""
        return (self._prune.epoch,)

    def verify(self, epochs: Mapping[EpochId, Epoch]) -> Prune:
        """Raises RemoteProtocolError unless a holder of the epoch's admin key, or read key, signed it."""
        epoch = epochs.get(self.signer)
        key = epoch.keys.sign.get(self.level) if epoch is not None else None
        if key is None or epoch is None or epoch.object != self.object:
            raise RemoteProtocolError("a prune record under keys that may not sign it")
        key.verify(Tag.SIGN_PRUNE, self.id, self._signature)
        return self._prune


def _level(objects_to: bytes) -> Level:
    return Level.READ if objects_to else Level.ADMIN
