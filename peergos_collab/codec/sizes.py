"""Allowed sizes of records as sent, so that a length tells an observer little.

Segments follow PADMÉ (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
Communication with PURBs", 2019): at most 12 % waste, and only O(log log n) bits of length leak.
Membership records and drops are rarer and smaller, and take one of six sizes.
"""

from __future__ import annotations

from typing import Final

from ..errors import LocalProtocolError, RemoteProtocolError

SMALLEST_SEGMENT: Final = 256
BUCKETS: Final = (1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20)


def padme(length: int) -> int:
    """The PADMÉ size for a record of ``length`` bytes, at least 256."""
    if length <= SMALLEST_SEGMENT:
        return SMALLEST_SEGMENT
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def bucket(length: int) -> int:
    """The allowed size for a membership or mailbox record of ``length`` bytes.

    Raises:
        LocalProtocolError: longer than 1 MiB.
    """
    for size in BUCKETS:
        if length <= size:
            return size
    raise LocalProtocolError(f"a record of {length} bytes is beyond the largest size, 1 MiB")


def pad(payload: bytes, size: int) -> bytes:
    """``payload`` and a marker byte, filled with zeros to ``size`` bytes; ``size`` > ``len(payload)``."""
    if size <= len(payload):
        raise LocalProtocolError("no room for padding")
    return payload + b"\x80" + bytes(size - len(payload) - 1)


def unpad_untrusted(padded: bytes) -> bytes:
    """Raises RemoteProtocolError where there is no padding."""
    payload = padded.rstrip(b"\0")
    if not payload.endswith(b"\x80"):
        raise RemoteProtocolError("a payload without padding")
    return payload[:-1]
