"""Anchors: positions that stay with their character, in the encoding of Yjs relative positions."""

from __future__ import annotations

from typing import Final

END: Final = b"\x01\x04text\x00"
"""The end of the root text, wherever it moves."""
_LONGEST: Final = 16


def read_anchor_untrusted(anchor: bytes) -> tuple[int, int] | None:
    """The (client, clock) that an anchor of a character names; None where it is anything else.

    Layout: 0, client as a varint, clock as a varint, 0 (it stays with the character behind it).
    """
    if len(anchor) > _LONGEST or anchor[:1] != b"\x00" or anchor[-1:] != b"\x00":
        return None
    numbers = []
    value = shift = 0
    for byte in anchor[1:-1]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if not byte and shift > 7:
                return None
            numbers.append(value)
            value = shift = 0
    if shift or len(numbers) != 2 or numbers[0] >> 53 or numbers[1] >> 31:
        return None
    return numbers[0], numbers[1]
