"""Anchors: positions that stay with their character, in the encoding of Yjs relative positions.

The engine's own sticky positions are wrong in a text that is not ASCII: it adds an offset in bytes to a
clock in UTF-16 units, and back. Both ends of that error lie within one block of the engine, so the start
of the block is searched, where the two agree, and the way from there is counted in the right unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .lines import LineIndex
from .replica import EngineFailed, Replica
from .varints import varint

END: Final = b"\x01\x04text\x00"
"""The end of the root text, wherever it moves."""
_LONGEST: Final = 16
_TRIES: Final = 32
_STEP_BY_STEP: Final = 48


def anchor_at(replica: Replica, lines: LineIndex, offset: int) -> bytes:
    """The anchor of the character at an offset in code points, before the end."""
    byte = lines.byte_offset(offset)
    client, clock = replica.sticky(byte)
    if lines.byte_length == lines.length:
        return _encode(client, clock)
    lowest = _block_start(byte, lambda at: replica.sticky(at) == (client, clock - (byte - at)))
    # Blocks may seem to continue one another where deleted text makes up for a difference of units, so a
    # clock counts once the way back from it leads here.
    first = lines.offset_of_byte(lowest)
    before = lines.slice(first, offset)
    starts = [0, *(i + 1 for i, character in enumerate(before) if not character.isascii())][:_TRIES]
    for start in starts:
        block = replica.sticky(lines.byte_offset(first + start))[1]
        found = block + len(before[start:].encode("utf-16-le")) // 2
        if _leads_to(replica, lines, client, found, offset):
            return _encode(client, found)
    return _encode(client, clock)


def offset_of(replica: Replica, lines: LineIndex, client: int, clock: int) -> int:
    """Where a known character is, or was before it was deleted, in code points.

    Raises:
        EngineFailed, ValueError, IndexError: no character begins there.
    """
    byte = replica.byte_of(client, clock)
    if lines.byte_length == lines.length:
        return byte
    start = _block_start(clock, lambda at: replica.byte_of(client, at) == byte - (clock - at))
    units = clock - start
    first = lines.offset_of_byte(byte - units)
    ahead = lines.slice(first, first + units).encode("utf-16-le")[: 2 * units]
    return first + len(ahead.decode("utf-16-le"))


def _leads_to(replica: Replica, lines: LineIndex, client: int, clock: int, offset: int) -> bool:
    try:
        return offset_of(replica, lines, client, clock) == offset
    except (EngineFailed, ValueError, IndexError):
        return False


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


def _block_start(at: int, in_block: Callable[[int], bool]) -> int:
    """The lowest place from which all places up to ``at`` are in its block.

    Step by step at first, which misses nothing in text that was typed; then by doubling, in pasted text.
    """
    inside, step = at, 1
    while inside and in_block(max(0, inside - step)):
        inside = max(0, inside - step)
        if at - inside >= _STEP_BY_STEP:
            step *= 2
    outside = inside - step if inside else -1
    while inside - outside > 1:
        middle = (inside + outside) // 2
        if in_block(max(0, middle)):
            inside = max(0, middle)
        else:
            outside = middle
    return inside


def _encode(client: int, clock: int) -> bytes:
    return b"\x00" + varint(client) + varint(clock) + b"\x00"
