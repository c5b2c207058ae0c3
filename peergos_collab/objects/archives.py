"""Archives: runs of older segments, packed into a third of the room, and nothing of them lost.

    archive = [prefix, proofs, sealed]                as large as a segment at most, up to 2,048 segments
    prefix  = [1, object, log, first, last, previous id, last id, epoch]
    proofs  = signature (64) ‖ H("segment body", body) (32) of each
    sealed  = cseal(content key of the epoch, packed, ad = prefix ‖ proofs)
    packed  = zlib([nonces (24 each), [size of the padded payload …], [payload …]])

A segment of one keystroke takes about 400 bytes, most of which its neighbours say as well, or a key gives:
ids, prefix, padding, commitment. Whoever has the epoch's keys makes every segment of an archive again, bit by
bit, so its signature proves it as before. Who has not, a node say, sees their ids and signatures: which
segments they are, and no content. A segment that is not sealed in the usual way has the size 0, and its body
is kept whole in place of its payload.

The same segments always give the same archive, where zlib does: members who each made one need only compare
its id.

A *husk* is an archive of which what was sealed is forgotten: for everybody it shows which segments there
were, and nothing else. It is made of segments, of an archive or of a longer husk, without any key.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import field
from itertools import takewhile
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, LogId, ObjectId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..codec.sizes import pad, unpad_untrusted
from ..crypto import ContentKey, Tag, copen, cseal, hash256, keyed_hash
from ..errors import LocalProtocolError, RemoteProtocolError
from ..values import dataclass
from .segments import (
    MAX_SEGMENT,
    MAX_SEQ,
    Segment,
    SegmentPlace,
    body_hash,
    check_signature,
    closed_segment,
    id_of,
    put_together,
    seal_again,
)

VERSION: Final = 1
MAX_SEGMENTS: Final = 2048
MAX_UNPACKED: Final = 16 << 20
"""Bytes that an archive unpacks to: a small one must not become a memory bomb."""

_ROOM: Final = 768 << 10
"""Bytes of payloads and proofs that go into one archive, before they are packed."""

_NONCE: Final = 24
_SIGNATURE: Final = 64
_PROOF: Final = _SIGNATURE + 32
_PREFIX_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class Archive:
    """See the module's text. Its ids lead to ``last_id``; signatures and content are not checked.

    Args:
        id: a hash of all of it.
        first, last: seqs of the segments in it.
        previous: id of the segment before them; empty for the first of a log.
        last_id: of the last of them.
        ids: of all of them.
    """

    id: bytes
    object: ObjectId
    log: LogId
    first: int
    last: int
    previous: bytes
    last_id: SegmentId
    epoch: EpochId
    proofs: bytes
    sealed: bytes
    raw: bytes
    ids: tuple[SegmentId, ...]
    _prefix: bytes = field(repr=False)

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        prefix, proofs, sealed = array(decode_untrusted(raw, MAX_SEGMENT), 3, "archive")
        prefix = some_bytes(prefix, _PREFIX_LIMIT, "archive prefix")
        version, object_id, log, first, last, previous, last_id, epoch = array(
            decode_untrusted(prefix, _PREFIX_LIMIT), 8, "archive prefix"
        )
        number(version, VERSION, VERSION, "archive version")
        number(first, 1, MAX_SEQ, "seq")
        number(last, first, min(MAX_SEQ, first + MAX_SEGMENTS - 1), "seq")
        object_id, log = ObjectId(blob(object_id, 32, "object id")), LogId(blob(log, 32, "log id"))
        blob(previous, 0 if first == 1 else 32, "previous segment")
        epoch, last_id = EpochId(blob(epoch, 32, "epoch id")), SegmentId(blob(last_id, 32, "segment id"))
        proofs = blob(proofs, (last - first + 1) * _PROOF, "proofs")
        ids: list[SegmentId] = []
        for at in range(last - first + 1):
            place = SegmentPlace(object_id, log, first + at, ids[-1] if ids else previous, epoch)
            ids.append(id_of(place, proofs[at * _PROOF + _SIGNATURE : (at + 1) * _PROOF]))
        if ids[-1] != last_id:
            raise RemoteProtocolError("an archive whose segments do not follow each other")
        return cls(
            hash256(Tag.ARCHIVE_ID, raw),
            object_id,
            log,
            first,
            last,
            previous,
            last_id,
            epoch,
            proofs,
            some_bytes(sealed, MAX_SEGMENT, "sealed archive"),
            raw,
            tuple(ids),
            prefix,
        )

    @property
    def is_husk(self) -> bool:
        """Whether nothing is sealed in it any more."""
        return not self.sealed

    def husk(self, start: int = 0) -> Archive:
        """Without what is sealed, from the place ``start`` on."""
        return _husk(self.place(start), self.last_id, self.proofs[start * _PROOF :])

    @property
    def bound(self) -> bytes:
        """What its seal is bound to."""
        return self._prefix + self.proofs

    def signature(self, at: int) -> bytes:
        return self.proofs[at * _PROOF : at * _PROOF + _SIGNATURE]

    def place(self, at: int) -> SegmentPlace:
        previous = self.ids[at - 1] if at else self.previous
        return SegmentPlace(self.object, self.log, self.first + at, previous, self.epoch)

    def verify(self, start: int = 0) -> None:
        """Raises BadSignature unless its log signed each segment, from the place ``start`` on.

        50 µs for each. It says nothing of what is sealed.
        """
        for at in range(start, len(self.ids)):
            check_signature(self.log, self.ids[at], self.signature(at))

    def closed_segment(self, at: int) -> Segment:
        """One of its segments for who lacks the key."""
        return closed_segment(self.place(at), self.ids[at], self.signature(at))

    def unpack_untrusted(self, key: ContentKey) -> list[bytes]:
        """Its segments, raw. Their signatures are not checked.

        Raises:
            RemoteProtocolError: it does not hold them.
        """
        nonces, sizes, payloads = self._open_untrusted(key)
        raws: list[bytes] = []
        for at, (size, payload) in enumerate(zip(sizes, payloads, strict=True)):
            place, signature = self.place(at), self.signature(at)
            if size:
                nonce = nonces[at * _NONCE : (at + 1) * _NONCE]
                segment = seal_again(place, pad(payload, size), nonce, signature, key)
            else:
                segment = put_together(place, payload, signature)
            if segment.id != self.ids[at]:
                raise RemoteProtocolError("an archive that does not hold the segments it names")
            raws.append(segment.raw)
        return raws

    def _open_untrusted(self, key: ContentKey) -> tuple[bytes, list[int], list[bytes]]:
        count = len(self.ids)
        packed = copen(key, Tag.ARCHIVE, self.sealed, self.bound)
        nonces, sizes, payloads = array(_unzip_untrusted(packed), 3, "archive")
        sizes = [number(size, 0, MAX_SEGMENT, "size") for size in many(sizes, count, "sizes")]
        payloads = [some_bytes(each, MAX_SEGMENT, "payload") for each in many(payloads, count, "payloads")]
        if len(sizes) != count or len(payloads) != count or sum(sizes) > MAX_UNPACKED:
            raise RemoteProtocolError("an archive that lacks segments, or unpacks to too much")
        if any(0 < size <= len(payload) for size, payload in zip(sizes, payloads, strict=True)):
            raise RemoteProtocolError("a payload without padding")
        return blob(nonces, count * _NONCE, "nonces"), sizes, payloads


def husk_of(segments: Sequence[Segment]) -> Archive:
    """The husk of consecutive segments of one log: of as many as are of the epoch of the first, and fit."""
    first = segments[0]
    run = list(takewhile(lambda segment: segment.epoch == first.epoch, segments[:MAX_SEGMENTS]))
    return _husk(first.place, run[-1].id, _proofs(run))


def _husk(first: SegmentPlace, last_id: SegmentId, proofs: bytes) -> Archive:
    last = first.seq + len(proofs) // _PROOF - 1
    fields = first.object, first.log, first.seq, last, first.previous, last_id, first.epoch
    return Archive.parse_untrusted(encode([encode([VERSION, *fields]), proofs, b""]))


def _proofs(segments: Sequence[Segment]) -> bytes:
    return b"".join(segment.signature + body_hash(segment.body) for segment in segments)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a stored archive shows of itself, without making all its ids: they were right when it was taken.

    Args:
        place: of the first segment.
        body: the hash of its body.
        last_id: of the last one.
    """

    place: SegmentPlace
    body: bytes
    last_id: SegmentId

    @property
    def first_id(self) -> SegmentId:
        return id_of(self.place, self.body)

    @property
    def epoch(self) -> EpochId:
        return self.place.epoch

    @classmethod
    def of_stored(cls, raw: bytes) -> Self | None:
        """None where it is damaged."""
        try:
            prefix, proofs, _ = array(decode_untrusted(raw, MAX_SEGMENT, sparse=True), 3, "archive")
            prefix = some_bytes(prefix, _PREFIX_LIMIT, "archive prefix")
            _, object_id, log, first, _, previous, last_id, epoch = array(
                decode_untrusted(prefix, _PREFIX_LIMIT), 8, "archive prefix"
            )
            number(first, 1, MAX_SEQ, "seq")
            object_id, log, last_id, epoch = (
                blob(each, 32, "id") for each in (object_id, log, last_id, epoch)
            )
            previous = blob(previous, 0 if first == 1 else 32, "previous segment")
            place = SegmentPlace(ObjectId(object_id), LogId(log), first, previous, EpochId(epoch))
            body = some_bytes(proofs, MAX_SEGMENT, "proofs")[_SIGNATURE:_PROOF]
            return cls(place, blob(body, 32, "body hash"), SegmentId(last_id))
        except RemoteProtocolError:
            return None


def pack_archive(segments: Sequence[Segment], key: ContentKey) -> Archive:
    """As many as fit of consecutive segments of one log: those of the epoch of the first, whose key this is.

    Raises:
        LocalProtocolError: not even the first fits.
    """
    first, room = segments[0], _ROOM
    parts: list[tuple[bytes, int, bytes]] = []
    for segment in segments[:MAX_SEGMENTS]:
        part = _part(segment, key)
        room -= _PROOF + _NONCE + len(part[2])
        if segment.epoch != first.epoch or (room < 0 and parts):
            break
        parts.append(part)
    packed_up = segments[: len(parts)]
    last = packed_up[-1]
    fields = first.object, first.log, first.seq, last.seq, first.previous, last.id, first.epoch
    prefix = encode([VERSION, *fields])
    proofs = _proofs(packed_up)
    nonces, sizes, payloads = zip(*parts, strict=True)
    packed = zlib.compress(encode([b"".join(nonces), list(sizes), list(payloads)]), 9)
    bound = prefix + proofs
    # From what it seals: so two who pack the same make the same, and no nonce serves two texts.
    nonce = keyed_hash(key, Tag.ARCHIVE_NONCE, bound + packed, _NONCE)
    raw = encode([prefix, proofs, cseal(key, Tag.ARCHIVE, packed, bound, lambda _: nonce)])
    if len(raw) > MAX_SEGMENT:
        raise LocalProtocolError("a segment that is too large for an archive")
    return Archive.parse_untrusted(raw)


def _part(segment: Segment, key: ContentKey) -> tuple[bytes, int, bytes]:
    """What a segment is made of, and its size: its nonce, and its payload or, with size 0, its body."""
    nonce = segment.body[:_NONCE]
    try:
        padded = segment.open_padded(key)
        payload = unpad_untrusted(padded)
    except RemoteProtocolError:
        return bytes(_NONCE), 0, segment.body
    again = seal_again(segment.place, pad(payload, len(padded)), nonce, segment.signature, key)
    if again.raw != segment.raw:
        return bytes(_NONCE), 0, segment.body
    return nonce, len(padded), payload


def _unzip_untrusted(packed: bytes) -> Any:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(packed, MAX_UNPACKED)
    except zlib.error:
        raise RemoteProtocolError("an archive that does not unpack") from None
    if not unpacker.eof or unpacker.unused_data:
        raise RemoteProtocolError("an archive that unpacks to too much, or is cut short")
    return decode_untrusted(plain, MAX_UNPACKED)
