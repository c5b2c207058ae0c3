"""The update firewall: reads a Yjs v1 update before the engine does, and lets only plain text edits pass.

The engine accepts much that harms: nested types that exhaust its stack, ranges that block a client
id for ever, structs with a gap, offsets that split a character. So this version of the format is
small: one root text, strings, and deleted ranges. Nested shared types, formats, embeds, maps, XML,
subdocuments, GC and Skip structs are refused, which leaves no depth to bound. The rules stand in
docs/spec/documents.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NoReturn

from ..errors import NotYet, Quarantined
from ..values import dataclass
from .halves import Halves, Id
from .varints import varint


@dataclass(frozen=True, slots=True)
class UpdateLimits:
    """How much one update may hold.

    Args:
        size: bytes.
        structs: items; a hostile order of many in one place takes the engine quadratic time.
        ranges: of its delete set; for many the engine copies its lists and long items again and again.
        clock: end of any client's clocks; the engine counts in 32 bits and wraps around.
    """

    size: int = 16 << 20
    structs: int = 5_000
    ranges: int = 20_000
    clock: int = (1 << 31) - 1


LIMITS: Final = UpdateLimits()
"""For a colleague's update."""
OWN_LIMITS: Final = UpdateLimits(size=1 << 30, structs=50_000_000, ranges=50_000_000)
"""For what this account's own devices have checked before: journals and checkpoints."""

_CLIENT_END: Final = 1 << 53
_CLIENT_BYTES: Final = 8
"""Of nearly all client ids."""
_DELETED: Final = 1
_STRING: Final = 4
_ORIGIN: Final = 0x80
_RIGHT_ORIGIN: Final = 0x40
_HAS_ORIGIN: Final = _ORIGIN | _RIGHT_ORIGIN
_NO_HALVES: Final = Halves()
_ROOT_PARENT: Final = b"\x01\x04text"
_CONTENT_NAMES: Final = {0: "a GC struct", 2: "JSON", 3: "binary content", 5: "an embed", 6: "formatting",
                         7: "a nested shared type", 8: "nested values", 9: "a subdocument",
                         10: "a Skip struct"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UpdateSummary:
    """What an update that passed holds.

    Args:
        ends: next clock of every client whose structs it holds, in UTF-16 units.
        halves: ids of the second UTF-16 unit of each astral character it inserts.
        structs, ranges: how many structs and deleted ranges it holds.
    """

    ends: Mapping[int, int]
    halves: Halves
    structs: int
    ranges: int


def check_untrusted(
    update: bytes,
    client: int | None,
    known: Mapping[int, int],
    limits: UpdateLimits = LIMITS,
    halves: Halves | None = None,
    *,
    overlap: bool = False,
) -> UpdateSummary:
    """Checks that an update is well-formed, within limits, and may be applied now.

    Args:
        update: Yjs v1 bytes.
        client: the only client id that may create structs. None for own, authenticated bytes: then
            any client may, and structs may begin within what is known already.
        known: state vector of the document it is for.
        halves: ids that lie inside a character of the document; nothing may refer to a split there.
        overlap: structs may begin within what is known already and go on beyond it.

    Raises:
        NotYet: it refers to what another client wrote and is not known here.
        Quarantined: with the reason.
    """
    if len(update) > limits.size:
        _refuse(f"it has {len(update):,} bytes, more than {limits.size:,}")
    reader = _Reader(update, client, known, limits, halves, overlap=overlap or client is None)
    try:
        return reader.read()
    except IndexError:
        _refuse("it ends too early")
    except UnicodeDecodeError:
        _refuse("a string in it is not UTF-8")


class _Reader:
    """One pass over one update. Reading past the end raises IndexError."""

    def __init__(
        self,
        update: bytes,
        client: int | None,
        known: Mapping[int, int],
        limits: UpdateLimits,
        halves: Halves | None,
        *,
        overlap: bool,
    ) -> None:
        self.data = update
        self.at = 0
        self.client = client
        self.known = known
        self.limits = limits
        self.old_halves = halves if halves is not None else _NO_HALVES
        self.overlap = overlap
        self.new_halves = _NO_HALVES
        self.ranges = 0
        self.ends: dict[int, int] = {}
        self.later: dict[int, int] = {}
        self.splits: list[Id] = []

    def read(self) -> UpdateSummary:
        data = self.data
        structs = 0
        for _ in range(self.number()):
            count, author, first = self.number(), self.client_id(), self.number()
            structs += count
            self.check_section(author, first, count, structs)
            self.ends[author] = self.structs(author, first, count)
        if data[self.at]:
            self.delete_set()
        else:
            self.at += 1
        if self.at != len(data):
            _refuse(f"{len(data) - self.at} bytes follow its end")
        self.check_references()
        return UpdateSummary(self.ends, self.new_halves, structs, self.ranges)

    def check_section(self, author: int, first: int, count: int, structs: int) -> None:
        if author in self.ends:
            _refuse("it lists one client twice")
        if not count:
            _refuse("it announces structs and has none")
        if structs > self.limits.structs:
            _refuse(f"it has more than {self.limits.structs:,} structs")
        if self.client is not None and author != self.client:
            _refuse("it creates structs under a client id of somebody else")
        if first > self.known.get(author, 0):
            _refuse("structs before it are missing")

    def structs(self, author: int, first: int, count: int) -> int:
        """Reads the structs of one client; returns the clock behind the last."""
        data = self.data
        clock = first
        limit = self.limits.clock
        for _ in range(count):
            info = data[self.at]
            self.at += 1
            if info & _HAS_ORIGIN:
                if info & _ORIGIN:
                    self.reference(author, clock, 1)
                if info & _RIGHT_ORIGIN:
                    self.reference(author, clock, 0)
            kind = info & ~_HAS_ORIGIN
            if kind not in {_STRING, _DELETED}:
                _refuse_kind(kind)
            if not info & _HAS_ORIGIN:
                self.parent()
            length = data[self.at]
            if length < 0x80:
                self.at += 1
            else:
                length = self.number()
            if not length:
                _refuse("it has a struct of no length")
            if kind == _STRING:
                length = self.string(length, author, clock)
            clock += length
            if clock > limit:
                _refuse("its clocks are too large")
        if not self.overlap and first < self.known.get(author, 0) < clock:
            _refuse("it repeats what is known and goes on beyond it")
        if first < self.known.get(author, 0) < clock:
            self.splits.append((author, self.known[author]))  # what is known is cut off there
        return clock

    def reference(self, author: int, clock: int, behind: int) -> None:
        """Reads an origin: it must exist already, and the item must not split a character there."""
        client = self.client_id()
        origin = self.data[self.at]
        if origin < 0x80:
            self.at += 1
        else:
            origin = self.number()
        if origin >= (clock if client == author else self.known.get(client, 0)):
            self.unknown(author, client, origin)
        self.splits.append((client, origin + behind))

    def client_id(self) -> int:
        """Reads one: they are long, and a few come again and again."""
        end = self.at + _CLIENT_BYTES
        client = _client_in(self.data[self.at : end])
        if client is None:
            return self.number(_CLIENT_END)
        self.at = end
        return client

    def unknown(self, author: int, client: int, clock: int) -> None:
        """A reference beyond what is known: own bytes may hold several clients, in any order."""
        unknown = "it refers to structs that are not known"
        if client == author:
            _refuse(unknown)
        if self.client is not None:
            raise NotYet(_refused(unknown), missing=(client, clock))
        self.later[client] = max(self.later.get(client, 0), clock)

    def parent(self) -> None:
        end = self.at + len(_ROOT_PARENT)
        if self.data[self.at : end] != _ROOT_PARENT:
            _refuse('it writes elsewhere than into the root text named "text"')
        self.at = end

    def string(self, size: int, author: int, clock: int) -> int:
        """Reads a string; returns its length in UTF-16 units, which is what clocks count."""
        raw = self.data[self.at : self.at + size]
        if len(raw) != size:
            raise IndexError
        self.at += size
        if raw.isascii():
            return size
        if self.new_halves is _NO_HALVES:
            self.new_halves = Halves()
        return self.new_halves.add_text(author, clock, raw.decode())

    def delete_set(self) -> None:
        """Ranges must rise within a client: overlapping ones would make the engine walk them all again."""
        characters = bool(self.old_halves) or bool(self.new_halves)
        seen = set()
        for _ in range(self.number()):
            client = self.client_id()
            if client in seen:
                _refuse("its delete set lists one client twice")
            seen.add(client)
            known = max(self.known.get(client, 0), self.ends.get(client, 0))
            end = 0
            count = self.number()
            self.ranges += count
            if self.ranges > self.limits.ranges:
                _refuse(f"it deletes more than {self.limits.ranges:,} ranges")
            for _ in range(count):
                start, length = self.number(), self.number()
                if start < end or not length:
                    _refuse("ranges of its delete set are empty or overlap")
                end = start + length
                if end > known:
                    self.deletes_unknown(client, end)
                if characters:
                    self.splits += ((client, start), (client, end))

    def deletes_unknown(self, client: int, end: int) -> None:
        unknown = "it deletes what is not known"
        if self.client is None or client == self.client:
            _refuse(unknown)
        raise NotYet(_refused(unknown), missing=(client, end - 1))

    def check_references(self) -> None:
        for client, clock in self.later.items():
            if clock >= max(self.known.get(client, 0), self.ends.get(client, 0)):
                _refuse("it refers to structs that are not known")
        if self.old_halves or self.new_halves:
            new = self.new_halves
            if any(place in self.old_halves or place in new for place in self.splits):
                _refuse("it splits a character")

    def number(self, end: int = 1 << 32) -> int:
        """A varint below ``end``, in its only shortest form."""
        data, at = self.data, self.at
        byte = data[at]
        if byte < 0x80:
            self.at = at + 1
            return byte
        second = data[at + 1]
        if 0 < second < 0x80:  # most clocks have two bytes or three: without the loop
            self.at = at + 2
            return byte & 0x7F | second << 7
        if second >= 0x80 and 0 < (third := data[at + 2]) < 0x80:
            self.at = at + 3
            return byte & 0x7F | (second & 0x7F) << 7 | third << 14
        value, shift = byte & 0x7F, 0
        while byte >= 0x80:
            shift += 7
            if shift > 63:
                _refuse("a number in it is too long")
            at += 1
            byte = data[at]
            value |= (byte & 0x7F) << shift
        self.at = at + 1
        if not byte:
            _refuse("a number in it is longer than needed")
        if value >= end:
            _refuse("a number in it is too large")
        return value


@lru_cache(maxsize=1 << 10)
def _client_in(raw: bytes) -> int | None:
    """The client id that so many bytes are, in its only form; None where they are less, or anything else."""
    value = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(raw))
    sound = len(raw) == _CLIENT_BYTES and varint(value) == raw and value < _CLIENT_END
    return value if sound else None


def halves_of(update: bytes) -> Halves:
    """Ids inside the astral characters of a trusted update.

    Raises:
        Quarantined: it is not of this format at all.
    """
    return check_untrusted(update, None, _Everything(), OWN_LIMITS).halves


def clients_of(update: bytes) -> tuple[int, ...]:
    """Whose structs a trusted update holds. Raises Quarantined."""
    return tuple(check_untrusted(update, None, _Everything(), OWN_LIMITS).ends)


class _Everything(dict[int, int]):
    """A state vector under which nothing is missing."""

    def get(self, _key: int, _default: object = None) -> int:
        return LIMITS.clock


def _refuse(reason: str) -> NoReturn:
    raise Quarantined(_refused(reason))


def _refused(reason: str) -> str:
    return f"The update was refused: {reason}."


def _refuse_kind(kind: int) -> NoReturn:
    if kind & 0x20:
        _refuse("it sets a key of a map")
    _refuse(f"it holds {_CONTENT_NAMES.get(kind, 'unknown content')}; this version keeps plain text only")
