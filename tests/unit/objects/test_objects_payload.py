"""Payloads: what is inside a segment, and the limits that keep it from doing harm."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, RunId, SegmentId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.payload import (
    MAX_CHANGES,
    MAX_CITES,
    MAX_CONTENT,
    MAX_PAYLOAD,
    Cite,
    Kind,
    Payload,
    decode_payload_untrusted,
    encode_payload,
)

RANDOM = random.Random(13).randbytes
CITE = Cite(RANDOM(8), 3, SegmentId(RANDOM(32)))
WHOLE = Payload(
    RunId(RANDOM(16)), 5, 2, (CITE,), (EpochId(RANDOM(32)),), Kind.CHAT, 1_700, b"content", ["introduction"]
)
FIELDS = decode_untrusted(encode_payload(WHOLE), MAX_PAYLOAD)


@pytest.mark.parametrize("content", [b"", b"short", b"long and alike " * 1000, RANDOM(5000)])
def test_a_payload_comes_back(content: bytes) -> None:
    """Packed where that makes it shorter."""
    payload = Payload(WHOLE.run, 1, 1, (), (), Kind.DOCUMENT, 0, content)
    raw = encode_payload(payload)

    assert decode_payload_untrusted(raw) == payload
    assert len(raw) < len(content) + 100
    assert decode_payload_untrusted(encode_payload(WHOLE)) == WHOLE


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (1, RANDOM(15)),
        (2, -1),
        (2, 2**53 + 1),
        (3, MAX_CHANGES + 1),
        (4, [[RANDOM(8), 1, RANDOM(32)]] * (MAX_CITES + 1)),
        (4, [[RANDOM(9), 1, RANDOM(32)]]),
        (4, [[RANDOM(8), 0, RANDOM(32)]]),
        (4, [[RANDOM(8), 1, RANDOM(31)]]),
        (4, [[RANDOM(8), 1]]),
        (5, [RANDOM(31)]),
        (5, [RANDOM(32)] * 65),
        (6, 99),
        (7, -1),
        (7, 2**53 + 1),
        (8, 0),
        (8, None),
        (9, "text"),
    ],
)
def test_each_field_has_its_limits(at: int, value: Any) -> None:
    """Counts, lengths and ranges."""
    fields = list(FIELDS)
    fields[at] = value
    with pytest.raises(RemoteProtocolError):
        decode_payload_untrusted(encode(fields))


def packed(content: bytes) -> bytes:
    return encode([*FIELDS[:8], True, content, None])


def zeros(mebibytes: int) -> bytes:
    """So many, compressed: a thousandth of their size."""
    packer = zlib.compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)) + packer.flush()


def test_a_bomb_does_not_go_off() -> None:
    """Content of 8 MiB unpacks, a byte more does not, and nothing larger is ever held."""
    assert len(decode_payload_untrusted(packed(zlib.compress(bytes(MAX_CONTENT)))).content) == MAX_CONTENT
    tracemalloc.start()
    try:
        for bomb in (zlib.compress(bytes(MAX_CONTENT + 1)), zeros(16 * MAX_CONTENT >> 20)):
            tracemalloc.reset_peak()
            with pytest.raises(RemoteProtocolError):
                decode_payload_untrusted(packed(bomb))
            assert tracemalloc.get_traced_memory()[1] < 3 * MAX_CONTENT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [b"", b"no zlib", zlib.compress(b"x")[:-1], zlib.compress(b"x") + b"y", zlib.compress(b"x") * 2],
)
def test_packed_content_is_one_whole_stream(content: bytes) -> None:
    """Neither cut short nor followed by anything."""
    with pytest.raises(RemoteProtocolError):
        decode_payload_untrusted(packed(content))


def test_a_payload_too_long_is_refused() -> None:
    """Before it is decoded."""
    with pytest.raises(RemoteProtocolError):
        decode_payload_untrusted(bytes(MAX_PAYLOAD + 1))
