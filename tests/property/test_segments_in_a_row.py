"""A segment is read behind the one it follows as it is by itself, whatever its bytes are."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from peergos_collab.codec import encode
from peergos_collab.codec.ids import EpochId, LogId, ObjectId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.segments import (
    MAX_SEGMENT,
    MAX_SEQ,
    Segment,
    SegmentPlace,
    UnverifiedSegment,
    put_together,
)

RANDOM = random.Random(7).randbytes
OBJECT, LOG, EPOCH = ObjectId(RANDOM(32)), LogId(RANDOM(32)), EpochId(RANDOM(32))
SIGNATURE = RANDOM(64)

SEQS = st.sampled_from([1, 2, 22, 23, 24, 254, 255, 256, 65_534, 65_535, 65_536, MAX_SEQ - 1, MAX_SEQ])
SIZES = st.sampled_from([256, 257, 272, 300, 480, 4_096, 65_536, 67_584, 131_072, MAX_SEGMENT, 1 << 20])
PLACES: list[dict[str, Any]] = [
    {"object": ObjectId(bytes(32))},
    {"log": LogId(bytes(32))},
    {"seq": 5},
    {"previous": bytes(32)},
    {"previous": b""},
    {"epoch": EpochId(bytes(32))},
]


def parsed(raw: bytes, after: UnverifiedSegment | None = None) -> UnverifiedSegment | str:
    try:
        return Segment.parse_untrusted(raw, after)
    except RemoteProtocolError as error:
        return str(error)


def before(seq: int) -> UnverifiedSegment:
    place = SegmentPlace(OBJECT, LOG, seq, bytes(32) if seq > 1 else b"", EPOCH)
    return UnverifiedSegment(put_together(place, bytes(100), SIGNATURE))


def behind(after: UnverifiedSegment, size: int, head: int = 0, **changed: Any) -> bytes:
    """What follows, of so many bytes.

    Args:
        head: bytes that say how long the body is; 0 for the form that is right.
    """
    place = replace(SegmentPlace(OBJECT, LOG, after.seq + 1, after.id, EPOCH), **changed)
    start = put_together(place, b"", SIGNATURE).raw[:-1]
    for width in (1, 2, 4, 8):
        length = size - len(start) - 1 - width
        if width == head or (not head and len(encode(bytes(length))) == 1 + width + length):
            first = 0x57 + (width).bit_length()
            return start + bytes((first,)) + (length % 256**width).to_bytes(width) + bytes(length)
    return start


@given(seq=SEQS, size=SIZES, head=st.sampled_from([0, 0, 1, 2, 4, 8]), changed=st.sampled_from([{}, *PLACES]))
@example(seq=23, size=256, head=0, changed={})
@example(seq=2, size=256, head=2, changed={})
@example(seq=2, size=300, head=0, changed={})
@example(seq=MAX_SEQ, size=256, head=0, changed={})
def test_it_is_the_same(seq: int, size: int, head: int, changed: dict[str, Any]) -> None:
    """In any log, at any place, and in any form: it comes out the same, or is refused for the same reason."""
    after = before(seq)
    raw = behind(after, size, head, **changed)

    assert parsed(raw, after) == parsed(raw)


@given(seq=SEQS, size=st.sampled_from([256, 272]), data=st.data())
def test_so_it_is_with_bytes_that_were_changed(seq: int, size: int, data: st.DataObject) -> None:
    """One bit, some bytes more, some less."""
    after = before(seq)
    raw = bytearray(behind(after, size))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    spoiled = bytes(raw) + data.draw(st.binary(max_size=16))

    assert parsed(spoiled, after) == parsed(spoiled)
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    assert parsed(cut, after) == parsed(cut)


def test_what_follows_is_accepted() -> None:
    """So that the tests above are of more than refusals."""
    for seq in (1, 2, 23, 255, 65_535, MAX_SEQ - 1):
        for size in (256, 65_536, MAX_SEGMENT):
            after = before(seq)
            read = parsed(behind(after, size), after)

            assert isinstance(read, UnverifiedSegment)
            assert read.place == SegmentPlace(OBJECT, LOG, seq + 1, after.id, EPOCH)
