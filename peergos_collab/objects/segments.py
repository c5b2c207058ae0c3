"""Segments: the unit of storage and sync, sealed for members and signed by their log.

    prefix  = [1, object, log, seq, previous id (empty: first), epoch, flags]
    body    = cseal(content key, padded payload, ad = prefix)
    header  = prefix ‖ BLAKE2b-256(body)            segment id = hash of the header
    segment = [prefix, signature over the id, body], its size a PADMÉ size of at least 256 bytes

A segment is authentic if its own signature verifies, or if a later authentic one of its log covers
it through the previous ids: catching up on a log takes one verification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.cbor import BYTES, INTEGER, item_head
from ..codec.ids import EpochId, LogId, ObjectId, SegmentId
from ..codec.shape import array, blob, number, some_bytes
from ..codec.sizes import BUCKETS, pad, padme, unpad_untrusted
from ..crypto import (
    SEAL_OVERHEAD,
    SIGNATURE_LENGTH,
    BadSignature,
    ContentKey,
    SigningKey,
    Tag,
    VerifyKey,
    copen,
    cseal,
    hash256,
)
from ..errors import LocalProtocolError, RemoteProtocolError
from ..ports import Random
from ..values import dataclass

VERSION: Final = 1
MAX_SEGMENT: Final = (1 << 20) - (1 << 14)
"""The largest PADMÉ size that fits into a frame of 1 MiB."""

MAX_SEQ: Final = (1 << 32) - 1
_COARSE: Final = BUCKETS[:5]
_PREFIX_LIMIT: Final = 192
_SIGNATURE_FIELD: Final = 66
_THREE: Final = b"\x83"
_ID_HEAD: Final = item_head(BYTES, 32)
_SIGNATURE_HEAD: Final = item_head(BYTES, SIGNATURE_LENGTH)
_TO_SEQ: Final = 2 + 2 * 34
"""Bytes of a prefix before the seq: how many fields, a version and two ids."""
_FROM_EPOCH: Final = -(34 + 1)
"""Where in a prefix the epoch begins, behind which only flags come."""


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """What the prefix of a segment says of it.

    Args:
        previous: the id of the one before it; empty for the first of its log.
    """

    object: ObjectId
    log: LogId
    seq: int
    previous: bytes
    epoch: EpochId

    def prefix(self) -> bytes:
        return encode([VERSION, self.object, self.log, self.seq, self.previous, self.epoch, 0])


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that its log's key signed, as everybody may see it.

    Args:
        previous: the id of the one before it; empty for the first of its log.
    """

    id: SegmentId
    object: ObjectId
    log: LogId
    seq: int
    previous: bytes
    epoch: EpochId
    prefix: bytes
    body: bytes
    signature: bytes
    raw: bytes

    @staticmethod
    def parse_untrusted(raw: bytes, after: UnverifiedSegment | None = None) -> UnverifiedSegment:
        """Checks form and size, not the signature. Raises RemoteProtocolError.

        Args:
            after: what it most likely follows: then its prefix is known, and need not be decoded.
        """
        following = after.following_untrusted(raw) if after is not None else None
        if following is not None:
            return following
        prefix, signature, body = array(decode_untrusted(raw, MAX_SEGMENT, sparse=True), 3, "segment")
        prefix = some_bytes(prefix, _PREFIX_LIMIT, "segment prefix")
        body = some_bytes(body, MAX_SEGMENT, "segment body")
        version, object_id, log, seq, previous, epoch, flags = array(
            decode_untrusted(prefix, _PREFIX_LIMIT), 7, "segment prefix"
        )
        number(version, VERSION, VERSION, "segment version")
        number(flags, 0, 0, "segment flags")
        number(seq, 1, MAX_SEQ, "seq")
        blob(previous, 0 if seq == 1 else 32, "previous segment")
        if len(raw) != padme(len(raw)):
            raise RemoteProtocolError("a segment of a size that is not allowed")
        segment = Segment(
            _segment_id(prefix, body_hash(body)),
            ObjectId(blob(object_id, 32, "object id")),
            LogId(blob(log, 32, "log id")),
            seq,
            previous,
            EpochId(blob(epoch, 32, "epoch id")),
            prefix,
            body,
            blob(signature, 64, "signature"),
            raw,
        )
        return UnverifiedSegment(segment)

    @property
    def place(self) -> SegmentPlace:
        return SegmentPlace(self.object, self.log, self.seq, self.previous, self.epoch)

    @property
    def is_here(self) -> bool:
        """Whether its body is: it may lie in an archive whose key is not here."""
        return bool(self.raw)

    def open(self, key: ContentKey) -> bytes:
        """The payload. Raises RemoteProtocolError where it does not open."""
        return unpad_untrusted(self.open_padded(key))

    def open_padded(self, key: ContentKey) -> bytes:
        """The payload with its padding. Raises RemoteProtocolError where it does not open."""
        return copen(key, Tag.SEAL, self.body, self.prefix)


@dataclass(frozen=True, slots=True)
class UnverifiedSegment:
    """A segment whose signature nobody has checked: it shows where it claims to belong, and no content."""

    _segment: Segment = field(repr=False)

    @property
    def id(self) -> SegmentId:
        return self._segment.id

    @property
    def object(self) -> ObjectId:
        return self._segment.object

    @property
    def log(self) -> LogId:
        return self._segment.log

    @property
    def seq(self) -> int:
        return self._segment.seq

    @property
    def previous(self) -> bytes:
        return self._segment.previous

    @property
    def epoch(self) -> EpochId:
        return self._segment.epoch

    @property
    def place(self) -> SegmentPlace:
        return self._segment.place

    def following_untrusted(self, raw: bytes) -> UnverifiedSegment | None:
        """What has the form of the segment after this one, in its log and epoch; None for all else."""
        before, seq = self._segment, self._segment.seq + 1
        prefix = b"".join(
            (
                before.prefix[:_TO_SEQ],
                item_head(INTEGER, seq),
                _ID_HEAD,
                before.id,
                before.prefix[_FROM_EPOCH:],
            )
        )
        start = b"".join((_THREE, item_head(BYTES, len(prefix)), prefix, _SIGNATURE_HEAD))
        at = len(start) + SIGNATURE_LENGTH
        rest = len(raw) - at
        body = at + (2 if rest < 2 + (1 << 8) else 3 if rest < 3 + (1 << 16) else 5)
        # An allowed size is larger than all that comes before the body.
        if not (
            len(raw) == padme(len(raw)) <= MAX_SEGMENT
            and seq <= MAX_SEQ
            and raw.startswith(start)
            and raw[at:body] == item_head(BYTES, len(raw) - body)
        ):
            return None
        id_ = _segment_id(prefix, body_hash(raw[body:]))
        place = before.object, before.log, seq, before.id, before.epoch
        return UnverifiedSegment(Segment(id_, *place, prefix, raw[body:], raw[len(start) : at], raw))

    def verify(self) -> Segment:
        """Raises BadSignature unless the log's key signed it."""
        segment = self._segment
        check_signature(segment.log, segment.id, segment.signature)
        return segment

    def covered_by(self, following: Segment) -> Segment:
        """The segment, on the word of the one that follows it: what that signs holds the id of this one.

        Its own signature may be false. So it is for what was verified before it was stored, not for what
        is passed on.

        Raises:
            BadSignature: ``following`` does not follow this one.
        """
        segment = self._segment
        if following.log != segment.log or following.previous != segment.id:
            raise BadSignature
        return segment


def epoch_of(raw: bytes) -> EpochId | None:
    """The epoch of a stored segment; None where it is damaged. Cheap: its body is not hashed."""
    try:
        prefix = array(decode_untrusted(raw, MAX_SEGMENT, sparse=True), 3, "segment")[0]
        fields = array(
            decode_untrusted(some_bytes(prefix, _PREFIX_LIMIT, "prefix"), _PREFIX_LIMIT), 7, "prefix"
        )
        return EpochId(blob(fields[5], 32, "epoch id"))
    except RemoteProtocolError:
        return None


def signature_of(raw: bytes) -> bytes | None:
    """The signature of a stored segment; None where it is damaged. Cheap, as ``epoch_of``."""
    try:
        signature = array(decode_untrusted(raw, MAX_SEGMENT, sparse=True), 3, "segment")[1]
        return blob(signature, 64, "signature")
    except RemoteProtocolError:
        return None


def seal_segment(
    object_id: ObjectId,
    log_key: SigningKey,
    seq: int,
    previous: bytes,
    epoch: EpochId,
    payload: bytes,
    content_key: ContentKey,
    random: Random,
    *,
    coarse: bool = False,
) -> Segment:
    """Makes the next segment of a log.

    Args:
        coarse: what is in it would tell by its size whose it is, such as an account log: it takes one
            of few sizes (up to 256 KiB; a longer one shows its content's size rather than its author's).

    Raises:
        LocalProtocolError: the payload is too long for one segment.
    """
    place = SegmentPlace(object_id, LogId(log_key.public), seq, previous, epoch)
    prefix = place.prefix()
    body = cseal(content_key, Tag.SEAL, _padded(payload, len(prefix), coarse), prefix, random)
    return _segment(place, body, lambda id_: log_key.sign(Tag.SIGN_SEGMENT, id_))


def seal_again(
    place: SegmentPlace, padded: bytes, nonce: bytes, signature: bytes, content_key: ContentKey
) -> Segment:
    """The segment that was once sealed with this nonce and signed so, whoever did it."""
    body = cseal(content_key, Tag.SEAL, padded, place.prefix(), lambda _: nonce)
    return put_together(place, body, signature)


def put_together(place: SegmentPlace, body: bytes, signature: bytes) -> Segment:
    """The segment of these parts, of which nothing is checked."""
    return _segment(place, body, lambda _: signature)


def closed_segment(place: SegmentPlace, id_: SegmentId, signature: bytes) -> Segment:
    """One of which only this is known, on the word of an archive that was verified: no body, no raw bytes."""
    fields = id_, place.object, place.log, place.seq, place.previous, place.epoch
    return Segment(*fields, place.prefix(), b"", signature, b"")


def _segment(place: SegmentPlace, body: bytes, sign: Callable[[SegmentId], bytes]) -> Segment:
    prefix = place.prefix()
    id_ = _segment_id(prefix, body_hash(body))
    signature = sign(id_)
    raw = encode([prefix, signature, body])
    return Segment(
        id_, place.object, place.log, place.seq, place.previous, place.epoch, prefix, body, signature, raw
    )


def check_signature(log: LogId, id_: SegmentId, signature: bytes) -> None:
    """Raises BadSignature unless a log signed a segment."""
    VerifyKey(log).verify(Tag.SIGN_SEGMENT, id_, signature)


def id_of(place: SegmentPlace, hashed: bytes) -> SegmentId:
    """The id of the segment with a body that has this hash."""
    return _segment_id(place.prefix(), hashed)


def body_hash(body: bytes) -> bytes:
    return hash256(Tag.SEGMENT_BODY, body)


def _segment_id(prefix: bytes, hashed: bytes) -> SegmentId:
    return SegmentId(hash256(Tag.SEGMENT_ID, prefix + hashed))


def _padded(payload: bytes, prefix_length: int, coarse: bool) -> bytes:
    """Pads so that the whole encoded segment has an allowed size."""
    fixed = 1 + _field(prefix_length) + _SIGNATURE_FIELD
    for size in _sizes(fixed + _field(SEAL_OVERHEAD + len(payload) + 1), coarse):
        for head in (2, 3, 5):
            room = size - fixed - head - SEAL_OVERHEAD
            if room > len(payload) and fixed + _field(SEAL_OVERHEAD + room) == size:
                return pad(payload, room)
    raise LocalProtocolError(f"{len(payload)} bytes are too many for one segment")


def _sizes(least: int, coarse: bool) -> Iterator[int]:
    """Allowed sizes of at least so many bytes, all of which PADMÉ has."""
    if coarse:
        yield from (size for size in _COARSE if size >= least)
    size = padme(least)
    while size <= MAX_SEGMENT:
        yield size
        size = padme(size + 1)


def _field(length: int) -> int:
    """Encoded length of a byte string of ``length`` bytes, 24 or more."""
    return length + (2 if length < 1 << 8 else 3 if length < 1 << 16 else 5)
