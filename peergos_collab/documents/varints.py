"""Numbers as Yjs writes them: seven bits a byte, lowest first."""

from __future__ import annotations

from collections.abc import Iterator


def varint(value: int) -> bytes:
    """One number, not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where it ends. Raises IndexError where it does not."""
    value = shift = 0
    while (byte := data[at]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def read_varints(data: bytes) -> Iterator[int]:
    """All numbers of a row of them."""
    at = 0
    while at < len(data):
        value, at = read_varint(data, at)
        yield value
