"""A Yjs text and what is kept beside it, always in step: the text, its lines, the clocks of its writers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ..errors import Damaged, LocalProtocolError, Quarantined
from ..values import dataclass
from .anchors import END, anchor_at, offset_of, read_anchor_untrusted
from .edits import Edit
from .firewall import UpdateSummary, halves_of
from .halves import Halves
from .lines import LineIndex
from .replica import NOTHING, EngineFailed, Replica, Span
from .structure import is_part, structure

_UTF8_PARTS: Final = bytes(
    1 if 0x80 <= byte < 0xC0 else 4 if 0xF0 <= byte < 0xF5 else 0 for byte in range(256)
)
"""Of each byte what it may be in UTF-8: 1 goes on, 4 begins a character beyond U+FFFF."""

_ASTRAL: Final = b"\4\1\1\1"
"""What any such character looks like; numbers in an update rarely do."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a state shows, kept beside it: the text, and the state vector."""

    text: str
    clocks: Mapping[int, int]


State = bytes | Callable[[], bytes]
"""A trusted Yjs v1 update, such as an own checkpoint; or what reads it, each time that it is needed."""


class IndexedText:
    """A Yjs text with its line index.

    All offsets are code points.

    Args:
        client: the client id of this run (see ``client_id``).
        state: what it begins with.
        shown: what ``state`` shows, if that is known. Then the engine takes it in when it is first needed,
            and until then it is not even read: of a text that was long worked on, most of a state is where
            deleted text was.

    Raises:
        Quarantined: ``state`` is not an update.
    """

    def __init__(self, client: int, state: State | None = None, *, shown: Shown | None = None) -> None:
        self.client: Final = client
        """The client id of this run."""
        self._stored = state
        self._engine: Replica | None = None
        self._tracks_undo = False
        self._unread: list[bytes] = []
        if shown is None:
            engine = self._engine = self._engine_of_stored()
            shown = Shown(engine.text(), engine.clocks()) if state else Shown("", {})
        self._text: str | None = shown.text
        self.lines = LineIndex(self._text)
        """Rows, columns and bytes of the text; read it, never write it."""
        self._clocks = dict(shown.clocks)
        self._own_clock = self._clocks.get(client, 0)
        self._halves = Halves()

    def wake(self) -> None:
        """Has the engine take in the state that was given, if it has not yet.

        Raises:
            Quarantined: that is not an update, or does not show what was said to be shown.
            Damaged: what reads it says so.
        """
        if self._engine is not None:
            return
        engine = self._engine_of_stored()
        if (engine.text(), engine.clocks()) != (self.text, self._known()):
            raise Quarantined("The stored state does not show what was stored with it.")
        self._engine = engine
        if self._tracks_undo:
            engine.follow()

    @property
    def _replica(self) -> Replica:
        self.wake()
        assert self._engine is not None
        return self._engine

    # Reading

    @property
    def text(self) -> str:
        """The whole text; O(n) once after a change."""
        if self._text is None:
            self._text = self.lines.text()
        return self._text

    def __len__(self) -> int:
        return self.lines.length

    def state(self) -> bytes:
        """The whole state as a Yjs v1 update that any Yjs program reads."""
        return self._engine.state() if self._engine is not None else self._read_stored() or NOTHING

    def shown(self) -> Shown:
        """What ``state`` shows, to be kept beside it."""
        return Shown(self.text, self.clocks())

    def state_without_deleted(self) -> bytes:
        """The same for others: without the deleted text that is kept so that undo can bring it back."""
        if not self._tracks_undo:
            return self.state()
        return Replica(self.client, self.state()).state()

    def clocks(self) -> dict[int, int]:
        """The state vector: next clock of each client, in UTF-16 units."""
        return dict(self._known())

    def is_same(self, other: IndexedText) -> bool:
        """Whether another document shows the same text, after as much of each writer."""
        return self.clocks() == other.clocks() and self.text == other.text

    def is_same_throughout(self, other: IndexedText) -> bool:
        """Whether it also is so of the same characters by the same writers: dear, for a thread of its own."""
        return structure(self.state()) == structure(other.state())

    def is_part_of(self, other: IndexedText) -> bool:
        """Whether another document may be what became of it: dear, too."""
        return is_part(self.state(), other.state())

    def _known(self) -> dict[int, int]:
        if self._own_clock:
            self._clocks[self.client] = self._own_clock
        return self._clocks

    def knows(self, client: int, clock: int) -> bool:
        """Whether what a client wrote at a clock is here."""
        return self._known().get(client, 0) > clock

    # Positions

    def anchor(self, offset: int) -> bytes:
        """A position that stays with the character behind it, or with the end. Raises LocalProtocolError."""
        if not 0 <= offset <= self.lines.length:
            raise LocalProtocolError(f"The offset {offset} is not within 0–{self.lines.length}.")
        if offset == self.lines.length:
            return END
        return anchor_at(self._replica, self.lines, offset)

    def writer_at(self, offset: int) -> int:
        """The client id of the run in which the character at an offset was written.

        The time grows with the pieces of text before it: milliseconds after ten thousands of edits.

        Raises:
            LocalProtocolError: there is no character at that offset.
        """
        if not 0 <= offset < self.lines.length:
            raise LocalProtocolError(f"The offset {offset} is not within 0–{self.lines.length - 1}.")
        return self._replica.sticky(self.lines.byte_offset(offset))[0]

    def offset_untrusted(self, anchor: bytes) -> int | None:
        """Where an anchor is now; None where it is malformed or its character is not known here."""
        if anchor == END:
            return self.lines.length
        place = read_anchor_untrusted(anchor)
        if place is None:
            return None
        client, clock = place
        try:
            self._read_halves()
            if clock >= self._known().get(client, 0) or place in self._halves:
                return None
            return offset_of(self._replica, self.lines, client, clock)
        except (EngineFailed, ValueError, IndexError, Damaged):
            return None

    # In step with the engine

    def _take_engine(self, other: IndexedText) -> None:
        follows = self._tracks_undo
        self._engine, self._clocks, self._own_clock = other._replica, other._clocks, other._own_clock
        self._halves, self._unread = other._halves, other._unread
        if follows:
            self._replica.follow()

    def _count(self, summary: UpdateSummary, before: Mapping[int, int], *, recount: bool) -> None:
        for author, end in summary.ends.items():
            if end > before.get(author, 0):
                if not recount:
                    self._clocks[author] = end
                self._halves.take(summary.halves, author)
        self._own_clock = max(self._own_clock, self._clocks.get(self.client, 0))

    def _follow_deltas(self, deltas: Iterable[Span]) -> tuple[Edit, ...]:
        """Brings the index after the engine; returns the same edits in code points."""
        edits = []
        for first, last, replacement in deltas:
            start = self.lines.offset_of_byte(first)
            end = start if first == last else self.lines.offset_of_byte(last)
            self.lines.replace(start, end, replacement)
            edits.append((start, end, replacement))
        if edits:
            self._text = None
        return tuple(edits)

    def _read_halves(self) -> None:
        """Astral characters are rare, so where they lie is found out only once a colleague writes."""
        self.wake()
        for update in self._unread:
            if may_hold_astral(update):
                self._halves.take_all(halves_of(update))
        self._unread.clear()

    def _read_stored(self) -> bytes | None:
        return self._stored() if callable(self._stored) else self._stored

    def _engine_of_stored(self) -> Replica:
        state = self._read_stored()
        try:
            engine = Replica(self.client, state)
        except EngineFailed as problem:
            raise Quarantined(f"The stored state cannot be read: {problem}") from None
        self._unread = [state] if state else []
        return engine


def may_hold_astral(update: bytes) -> bool:
    """Whether a character beyond U+FFFF may be in an update."""
    return _ASTRAL in update.translate(_UTF8_PARTS)
