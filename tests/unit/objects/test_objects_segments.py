"""Segments: form, size, signature and seal."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.codec.sizes import padme
from peergos_collab.crypto import BadSignature, ContentKey, SigningKey
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.objects.segments import MAX_SEGMENT, MAX_SEQ, Segment, seal_segment
from peergos_collab.sync.frames import MAX_FRAME, Frame, encode_frame

RANDOM = random.Random(12).randbytes
OBJECT, EPOCH = ObjectId(RANDOM(32)), EpochId(RANDOM(32))
KEY, CONTENT = SigningKey.generate(RANDOM), ContentKey.generate(RANDOM)


def seal(payload: bytes, seq: int = 1, previous: bytes = b"") -> Segment:
    return seal_segment(OBJECT, KEY, seq, previous, EPOCH, payload, CONTENT, RANDOM)


@pytest.mark.parametrize("size", [0, 1, 50, 100, 250, 255, 256, 257, 4000, 65_400, 65_536, 70_000, 900_000])
def test_any_payload_comes_back(size: int) -> None:
    """Padded to an allowed size, sealed and signed; the bytes read back are the bytes made."""
    payload = RANDOM(size)
    made = seal(payload)
    read = Segment.parse_untrusted(made.raw).verify()

    assert read == made
    assert read.open(CONTENT) == payload
    assert len(made.raw) == padme(len(made.raw)) >= 256


@pytest.mark.parametrize(
    ("size", "length"),
    [(1, 1 << 10), (700, 1 << 10), (900, 1 << 12), (3_000, 1 << 12), (5_000, 1 << 14), (200_000, 1 << 18)],
)
def test_what_tells_of_its_author_takes_few_sizes(size: int, length: int) -> None:
    """Account logs of nearly all lengths make segments of equal length, which others read as any."""
    made = seal_segment(OBJECT, KEY, 1, b"", EPOCH, RANDOM(size), CONTENT, RANDOM, coarse=True)

    assert len(made.raw) == length
    assert Segment.parse_untrusted(made.raw).verify() == made


def test_a_long_one_takes_a_usual_size() -> None:
    """Beyond 256 KiB it is the content that is long."""
    made = seal_segment(OBJECT, KEY, 1, b"", EPOCH, RANDOM(300_000), CONTENT, RANDOM, coarse=True)

    assert len(made.raw) == padme(300_400)


def test_the_largest_fits_a_frame() -> None:
    """What cannot be sent is not made."""
    made = seal(RANDOM(MAX_SEGMENT - 400))

    assert len(made.raw) == MAX_SEGMENT
    assert len(encode_frame(Frame.SEGMENTS, OBJECT, [made.raw])) <= MAX_FRAME
    with pytest.raises(LocalProtocolError):
        seal(RANDOM(MAX_SEGMENT - 200))
    with pytest.raises(RemoteProtocolError):
        Segment.parse_untrusted(bytes(MAX_SEGMENT + 1))


def changed(prefix: dict[int, Any]) -> bytes:
    """A segment with other fields in its prefix; its size is made right again by the body."""
    fields = decode_untrusted(seal(b"x").prefix, 192)
    for at, value in prefix.items():
        fields[at] = value
    raw = encode([encode(fields), bytes(64), b""])
    return encode([encode(fields), bytes(64), bytes(256 - len(raw) - 1)])


def test_the_unchanged_form_is_accepted() -> None:
    """So that the refusals below are for the reason they name."""
    Segment.parse_untrusted(changed({}))


@pytest.mark.parametrize(
    "prefix",
    [
        {0: 2},
        {1: b"x"},
        {2: b"x"},
        {3: 0},
        {3: -1},
        {3: MAX_SEQ + 1, 4: bytes(32)},
        {3: 0, 4: bytes(32)},
        {3: 2},
        {4: bytes(32)},
        {5: b"x"},
        {6: 1},
    ],
)
def test_the_prefix_has_one_form(prefix: dict[int, Any]) -> None:
    """Version, ids, seq, previous (empty exactly for the first), epoch and flags."""
    with pytest.raises(RemoteProtocolError, match=r"segment|seq|id"):
        Segment.parse_untrusted(changed(prefix))


def test_other_sizes_are_refused() -> None:
    """A length that PADMÉ does not have would mark a segment."""
    made = decode_untrusted(seal(b"x").raw, MAX_SEGMENT)
    with pytest.raises(RemoteProtocolError, match="size"):
        Segment.parse_untrusted(encode([made[0], made[1], RANDOM(400)]))


def test_the_signature_covers_everything() -> None:
    """Prefix and body are in the id that the log signs."""
    prefix, signature, body = decode_untrusted(seal(b"x").raw, MAX_SEGMENT)
    other = decode_untrusted(prefix, 192)
    other[5] = RANDOM(32)
    for spoiled in (
        [encode(other), signature, body],
        [prefix, signature, bytes(len(body))],
        [prefix, bytes(64), body],
    ):
        with pytest.raises(RemoteProtocolError):
            Segment.parse_untrusted(encode(spoiled)).verify()


def test_one_is_covered_by_the_next_of_its_log_alone() -> None:
    """Whose signature is over its id; not by a later one, its own copy or another log's."""
    first = seal(b"x")
    second = seal(b"y", 2, first.id)
    third = seal(b"z", 3, second.id)
    foreign = seal_segment(OBJECT, SigningKey.generate(RANDOM), 2, first.id, EPOCH, b"", CONTENT, RANDOM)
    prefix, _, body = decode_untrusted(first.raw, MAX_SEGMENT)
    unsigned = Segment.parse_untrusted(encode([prefix, bytes(64), body]))

    assert unsigned.covered_by(second).open(CONTENT) == b"x"
    for other in (first, third, foreign):
        with pytest.raises(BadSignature):
            unsigned.covered_by(other)


def test_a_body_belongs_to_its_prefix() -> None:
    """It does not open under another seq, log or epoch, nor with another key."""
    made = seal(b"x")
    moved = seal(b"y", 2, made.id)
    mixed = Segment(
        made.id, made.object, made.log, made.seq, b"", made.epoch, made.prefix, moved.body, b"", b""
    )
    with pytest.raises(RemoteProtocolError):
        mixed.open(CONTENT)
    with pytest.raises(RemoteProtocolError):
        made.open(ContentKey.generate(RANDOM))
