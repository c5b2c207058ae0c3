"""What a state of a text is made of, in one form: to tell whether two states are one.

The engine cuts and joins the structs of a state as it likes, and which text they give does not tell who wrote
what, or between what: two that show the same may differ after the next edit. Here each run of characters that
one client wrote behind another, and that are all there or all deleted, is one struct.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from ..values import dataclass

_ORIGIN: Final = 0x80
_RIGHT_ORIGIN: Final = 0x40
_STRING: Final = 4
_ROOT: Final = len(b"\x01\x04text")
"""Bytes that name the root text, where a struct has no origin."""

Id = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Struct:
    """Characters of one client.

    Args:
        clock: of the first; ``length`` in UTF-16 units.
        left, right: between what they were written.
        text: None where they are deleted.
    """

    client: int
    clock: int
    length: int
    left: Id | None
    right: Id | None
    text: bytes | None


def structure(state: bytes) -> list[Struct]:
    """The structs of a state that the firewall let pass, in one form."""
    reader = UpdateReader(state)
    structs = reader.structs()
    deleted = reader.deleted()
    cut = [part for struct in structs for part in _cut(struct, deleted.get(struct.client, []))]
    cut.sort(key=lambda struct: (struct.client, struct.clock))
    return _joined(cut)


def is_part(one: bytes, whole: bytes) -> bool:
    """Whether a state may have become another: all that is in it is there between the same characters, and is
    the same or deleted by then."""
    by_client: dict[int, list[Struct]] = {}
    for struct in structure(whole):
        by_client.setdefault(struct.client, []).append(struct)
    return all(_is_within(struct, by_client.get(struct.client, [])) for struct in structure(one))


def _is_within(struct: Struct, others: list[Struct]) -> bool:
    """Whether a struct is there, in pieces that may be cut and joined otherwise."""
    at, end = struct.clock, struct.clock + struct.length
    place = bisect_right(others, at, key=lambda other: other.clock) - 1
    while at < end:
        other = others[place] if 0 <= place < len(others) else None
        if other is None or not other.clock <= at < other.clock + other.length:
            return False
        stop = min(end, other.clock + other.length)
        own, theirs = _stretch(struct, at, stop), _stretch(other, at, stop)
        if (own.left, own.right) != (theirs.left, theirs.right) or theirs.text not in {None, own.text}:
            return False
        at, place = stop, place + 1
    return True


def _stretch(struct: Struct, start: int, end: int) -> Struct:
    if (start, end) == (struct.clock, struct.clock + struct.length):
        return struct
    return _part(struct, start, end, there=struct.text is not None)


def structs_of(update: bytes) -> list[Struct]:
    """The structs of an update that the firewall let pass, as they are in it."""
    return UpdateReader(update).structs()


class UpdateReader:
    """Reads an update that the firewall let pass, from front to back."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def structs(self) -> list[Struct]:
        return [struct for _ in range(self.number()) for struct in self.section()]

    def section(self) -> list[Struct]:
        count, client, clock = self.number(), self.number(), self.number()
        structs = []
        for _ in range(count):
            structs.append(self.struct(client, clock))
            clock += structs[-1].length
        return structs

    def struct(self, client: int, clock: int) -> Struct:
        info = self.number_byte()
        left = (self.number(), self.number()) if info & _ORIGIN else None
        right = (self.number(), self.number()) if info & _RIGHT_ORIGIN else None
        if left is None and right is None:
            self.at += _ROOT
        length, text = self.number(), None
        if info & 0x1F == _STRING:
            text = self.data[self.at : self.at + length]
            self.at += length
            length = _units(text)
        return Struct(client, clock, length, left, right, text)

    def number_byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def deleted(self) -> dict[int, list[Id]]:
        """Per client, where what begins and ends that is deleted."""
        found: dict[int, list[Id]] = {}
        for _ in range(self.number()):
            client = self.number()
            ranges = [(self.number(), self.number()) for _ in range(self.number())]
            found[client] = sorted((start, start + length) for start, length in ranges)
        return found


def _units(text: bytes) -> int:
    return len(text) if text.isascii() else len(text.decode().encode("utf-16-le")) // 2


def _cut(struct: Struct, deleted: list[Id]) -> list[Struct]:
    """A struct in pieces that are there or deleted as a whole."""
    end = struct.clock + struct.length
    if struct.text is None:
        return [struct]
    parts, at = [], struct.clock
    for start, stop in deleted:
        if stop <= at or start >= end:
            continue
        if start > at:
            parts.append(_part(struct, at, start, there=True))
        at = max(at, start)
        parts.append(_part(struct, at, min(stop, end), there=False))
        at = min(stop, end)
    return [*parts, _part(struct, at, end, there=True)] if at < end else parts


def _part(struct: Struct, start: int, end: int, *, there: bool) -> Struct:
    left = struct.left if start == struct.clock else (struct.client, start - 1)
    text = None
    if there and struct.text is not None:
        wide = struct.text.decode().encode("utf-16-le")
        text = wide[2 * (start - struct.clock) : 2 * (end - struct.clock)].decode("utf-16-le").encode()
    return Struct(struct.client, start, end - start, left, struct.right, text)


def _joined(structs: list[Struct]) -> list[Struct]:
    joined: list[Struct] = []
    pieces: list[bytes] = []
    for struct in structs:
        last = joined[-1] if joined else None
        if last is not None and _goes_on(last, struct):
            if struct.text is not None:
                pieces.append(struct.text)
            joined[-1] = Struct(
                last.client, last.clock, last.length + struct.length, last.left, last.right, last.text
            )
            continue
        _close(joined, pieces)
        joined.append(struct)
        pieces = [struct.text] if struct.text is not None else []
    _close(joined, pieces)
    return joined


def _close(joined: list[Struct], pieces: list[bytes]) -> None:
    if joined and len(pieces) > 1:
        last = joined[-1]
        joined[-1] = Struct(last.client, last.clock, last.length, last.left, last.right, b"".join(pieces))


def _goes_on(one: Struct, other: Struct) -> bool:
    end = one.clock + one.length
    follows = other.client == one.client and other.clock == end and other.left == (one.client, end - 1)
    return follows and other.right == one.right and (other.text is None) == (one.text is None)
