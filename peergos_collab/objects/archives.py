"""Archives: runs of older segments, packed into a quarter of the room, and nothing of them lost.

    archive = [prefix, sealed]                        as large as a segment at most, up to 2,048 segments
    prefix  = [1, object, log, first, last, previous id, last id, epoch]
    sealed  = cseal(content key of the epoch, packed, ad = prefix)
    packed  = zlib([proofs: signature and nonce of each (88), [size of the padded payload …], [payload …]])

A segment of one keystroke takes about 400 bytes, most of which its neighbours say as well, or a key gives:
ids, prefix, padding, commitment. Whoever has the epoch's keys makes every segment of an archive again, bit by
bit, so its signature proves it as before; who has not reads as little as before. A segment that is not sealed
in the usual way has the size 0, and is kept whole in place of its payload.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import EpochId, LogId, ObjectId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..codec.sizes import pad, unpad_untrusted
from ..crypto import ContentKey, Tag, copen, cseal, hash256
from ..errors import LocalProtocolError, RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .segments import MAX_SEGMENT, MAX_SEQ, Segment, SegmentPlace, seal_again

VERSION: Final = 1
MAX_SEGMENTS: Final = 2048
MAX_UNPACKED: Final = 16 << 20
"""Bytes that an archive unpacks to: a small one must not become a memory bomb."""

_ROOM: Final = 768 << 10
"""Bytes of payloads and proofs that go into one archive, before they are packed."""

_NONCE: Final = 24
_PROOF: Final = 64 + _NONCE
_PREFIX_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class Archive:
    """See the module's text. Nothing in it is believed before its segments were made again.

    Args:
        id: a hash of all of it.
        first, last: seqs of the segments in it.
        previous: id of the segment before them; empty for the first of a log.
        last_id: of the last of them.
    """

    id: bytes
    object: ObjectId
    log: LogId
    first: int
    last: int
    previous: bytes
    last_id: SegmentId
    epoch: EpochId
    prefix: bytes
    sealed: bytes
    raw: bytes

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        prefix, sealed = array(decode_untrusted(raw, MAX_SEGMENT), 2, "archive")
        prefix = some_bytes(prefix, _PREFIX_LIMIT, "archive prefix")
        version, object_id, log, first, last, previous, last_id, epoch = array(
            decode_untrusted(prefix, _PREFIX_LIMIT), 8, "archive prefix"
        )
        number(version, VERSION, VERSION, "archive version")
        number(first, 1, MAX_SEQ, "seq")
        return cls(
            hash256(Tag.ARCHIVE_ID, raw),
            ObjectId(blob(object_id, 32, "object id")),
            LogId(blob(log, 32, "log id")),
            first,
            number(last, first, min(MAX_SEQ, first + MAX_SEGMENTS - 1), "seq"),
            blob(previous, 0 if first == 1 else 32, "previous segment"),
            SegmentId(blob(last_id, 32, "segment id")),
            EpochId(blob(epoch, 32, "epoch id")),
            prefix,
            some_bytes(sealed, MAX_SEGMENT, "sealed archive"),
            raw,
        )

    def unpack_untrusted(self, key: ContentKey) -> list[bytes]:
        """Its segments, raw: they lead from ``previous`` to ``last_id``. Their signatures are not checked.

        Raises:
            RemoteProtocolError: it does not hold them.
        """
        proofs, sizes, payloads = self._open_untrusted(key)
        raws: list[bytes] = []
        previous = self.previous
        for at, (size, payload) in enumerate(zip(sizes, payloads, strict=True)):
            place = SegmentPlace(self.object, self.log, self.first + at, previous, self.epoch)
            proof = proofs[at * _PROOF : (at + 1) * _PROOF]
            if size:
                segment = _again(place, proof, size, payload, key)
                raw, previous = segment.raw, segment.id
            else:
                raw, previous = payload, _id_of_untrusted(place, payload)
            raws.append(raw)
        if previous != self.last_id:
            raise RemoteProtocolError("an archive that does not hold the segments it names")
        return raws

    def _open_untrusted(self, key: ContentKey) -> tuple[bytes, list[int], list[bytes]]:
        count = self.last - self.first + 1
        packed = copen(key, Tag.ARCHIVE, self.sealed, self.prefix)
        proofs, sizes, payloads = array(_unzip_untrusted(packed), 3, "archive")
        sizes = [number(size, 0, MAX_SEGMENT, "size") for size in many(sizes, count, "sizes")]
        payloads = [some_bytes(each, MAX_SEGMENT, "payload") for each in many(payloads, count, "payloads")]
        if len(sizes) != count or len(payloads) != count or sum(sizes) > MAX_UNPACKED:
            raise RemoteProtocolError("an archive that lacks segments, or unpacks to too much")
        if any(0 < size <= len(payload) for size, payload in zip(sizes, payloads, strict=True)):
            raise RemoteProtocolError("a payload without padding")
        return blob(proofs, count * _PROOF, "proofs"), sizes, payloads


def pack_archive(segments: Sequence[Segment], key: ContentKey, random: Random) -> Archive:
    """As many as fit of consecutive segments of one log: those of the epoch of the first, whose key this is.

    Raises:
        LocalProtocolError: not even the first fits.
    """
    first, room = segments[0], _ROOM
    parts: list[tuple[bytes, int, bytes]] = []
    for segment in segments[:MAX_SEGMENTS]:
        part = _part(segment, key)
        room -= _PROOF + len(part[2])
        if segment.epoch != first.epoch or (room < 0 and parts):
            break
        parts.append(part)
    last = segments[len(parts) - 1]
    fields = first.object, first.log, first.seq, last.seq, first.previous, last.id, first.epoch
    prefix = encode([VERSION, *fields])
    proofs, sizes, payloads = zip(*parts, strict=True)
    packed = zlib.compress(encode([b"".join(proofs), list(sizes), list(payloads)]), 9)
    raw = encode([prefix, cseal(key, Tag.ARCHIVE, packed, prefix, random)])
    if len(raw) > MAX_SEGMENT:
        raise LocalProtocolError("a segment that is too large for an archive")
    return Archive.parse_untrusted(raw)


def _part(segment: Segment, key: ContentKey) -> tuple[bytes, int, bytes]:
    """What a segment is made of, and its size: its proof, and its payload or, with size 0, all of it."""
    try:
        padded = segment.open_padded(key)
        proof, payload = segment.signature + segment.body[:_NONCE], unpad_untrusted(padded)
    except RemoteProtocolError:
        return bytes(_PROOF), 0, segment.raw
    if _again(segment.place, proof, len(padded), payload, key).raw != segment.raw:
        return bytes(_PROOF), 0, segment.raw
    return proof, len(padded), payload


def _again(place: SegmentPlace, proof: bytes, size: int, payload: bytes, key: ContentKey) -> Segment:
    return seal_again(place, pad(payload, size), proof[64:], proof[:64], key)


def _id_of_untrusted(place: SegmentPlace, raw: bytes) -> SegmentId:
    segment = Segment.parse_untrusted(raw)
    if segment.place != place:
        raise RemoteProtocolError("a segment that does not belong into its archive")
    return segment.id


def _unzip_untrusted(packed: bytes) -> Any:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(packed, MAX_UNPACKED)
    except zlib.error:
        raise RemoteProtocolError("an archive that does not unpack") from None
    if not unpacker.eof or unpacker.unused_data:
        raise RemoteProtocolError("an archive that unpacks to too much, or is cut short")
    return decode_untrusted(plain, MAX_UNPACKED)
