"""Allowed sizes of records, and padding to them."""

from __future__ import annotations

import itertools

import pytest

from peergos_collab.codec.sizes import BUCKETS, SMALLEST_SEGMENT, bucket, pad, padme, unpad_untrusted
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("length", "size"),
    [(0, 256), (1, 256), (256, 256), (257, 272), (300, 304), (1000, 1024), (100_000, 100_352)],
)
def test_padme_of_known_lengths(length: int, size: int) -> None:
    """PADMÉ of the paper, computed by hand, from 256 bytes on."""
    assert padme(length) == size


def test_padme_wastes_little_and_settles() -> None:
    """The size holds the record, wastes at most 12 %, never shrinks, and is itself an allowed size."""
    before = 0
    for length in range(1, 20_000):
        size = padme(length)
        assert max(length, SMALLEST_SEGMENT, before) <= size
        assert size == SMALLEST_SEGMENT or size <= length * 1.12
        assert padme(size) == size
        before = size


def test_padme_leaves_few_sizes() -> None:
    """All lengths up to 1 MiB fall on a few hundred sizes."""
    assert len({padme(length) for length in range(1 << 20)}) < 400


def test_buckets() -> None:
    """Each bucket holds up to its own length, and the next takes over."""
    for smaller, larger in itertools.pairwise(BUCKETS):
        assert bucket(smaller) == smaller
        assert bucket(smaller + 1) == larger
    assert bucket(0) == BUCKETS[0] == 1024


def test_beyond_the_largest_bucket() -> None:
    """More than 1 MiB has no bucket."""
    with pytest.raises(LocalProtocolError):
        bucket(BUCKETS[-1] + 1)


@pytest.mark.parametrize("payload", [b"", b"\0", b"\x80", b"a\x80\0\0", b"\0" * 50])
def test_padding_is_undone_exactly(payload: bytes) -> None:
    """Payloads that look like padding themselves come back unchanged."""
    for size in range(len(payload) + 1, len(payload) + 20):
        padded = pad(payload, size)
        assert len(padded) == size
        assert unpad_untrusted(padded) == payload


@pytest.mark.parametrize("size", [0, 3])
def test_no_room_for_the_marker(size: int) -> None:
    """A payload as long as the size has no room."""
    with pytest.raises(LocalProtocolError):
        pad(b"abc", size)


@pytest.mark.parametrize("padded", [b"", b"\0\0\0", b"abc", b"abc\0", b"\x80a\0"])
def test_missing_padding_is_refused(padded: bytes) -> None:
    """Bytes without a marker before the zeros are no padded payload."""
    with pytest.raises(RemoteProtocolError):
        unpad_untrusted(padded)
