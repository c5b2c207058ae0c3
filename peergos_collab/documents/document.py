"""A text document as it is edited here: changes and undo, each told as an update for colleagues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..errors import LocalProtocolError
from .edits import MOST_EDITS, Change, Edit
from .firewall import LIMITS, OWN_LIMITS, check_untrusted
from .indexed_text import IndexedText, Shown, State, may_hold_astral
from .listeners import Unsubscribe, subscribe, tell_all
from .parts import parts_of
from .received_text import ReceivedText
from .replica import NOTHING, Span
from .typing_steps import TypingSteps

PIECE: Final = 32 << 10
"""Code points inserted by one transaction: at most 128 KiB, which fit in a segment as they are."""


class Document(ReceivedText):
    """One text document: a Yjs document with a root text called ``text``.

    All offsets are code points. Callbacks run synchronously once everything is in step; they must not
    change the document. An exception in one reaches the caller of the edit after all have run.

    Args:
        client, state, shown: as for ``IndexedText``.
        clock: milliseconds, for undo to tell pauses in typing; None leaves pauses out of account.

    Raises:
        Quarantined: ``state`` is not an update.
    """

    def __init__(
        self,
        client: int,
        state: State | None = None,
        *,
        clock: Callable[[], int] | None = None,
        shown: Shown | None = None,
    ) -> None:
        super().__init__(client, state, shown=shown)
        self._clock = clock
        self._on_update: list[Callable[[bytes], None]] = []
        self._typing = TypingSteps()
        self.before_edit: Callable[[], None] = _allowed
        """Called before each local edit, undo and redo; what it raises keeps the text as it is."""

    def on_update(self, callback: Callable[[bytes], None]) -> Unsubscribe:
        """Calls back with the Yjs v1 update of each local transaction, right after it."""
        return subscribe(self._on_update, callback)

    def fork(self, client: int) -> Document:
        """The same state under another client id, to be edited apart and merged back as an update."""
        return Document(client, self.state(), clock=self._clock)

    # Local changes

    def edit(self, start: int, end: int, replacement: str) -> None:
        """Replaces a range, as one transaction; a long text as several, each small enough for a segment.

        Raises:
            LocalProtocolError: the range lies outside of the text, or the replacement holds a lone
                surrogate or is too long; nothing was changed.
        """
        self.before_edit()
        lines = self.lines
        if not 0 <= start <= end <= lines.length:
            raise LocalProtocolError(f"The range {start}–{end} is not within 0–{lines.length}.")
        units = _units(replacement)
        if start == end and not replacement:
            return
        if self._replica.follows:
            self._typing_step(start, end, replacement)
        if len(replacement) <= PIECE:
            self._replace(start, end, replacement, units)
            return
        for at in range(0, len(replacement), PIECE):
            piece = replacement[at : at + PIECE]
            self._replace(start + at, start + at if at else end, piece, _units(piece))

    def _replace(self, start: int, end: int, replacement: str, units: int) -> None:
        lines = self.lines
        first = lines.byte_offset(start)
        last = first if start == end else lines.byte_offset(end)
        update = self._replica.edit(first, last, replacement)
        lines.replace(start, end, replacement)
        self._text = None
        self._own_clock += units
        if units != len(replacement):
            self._unread.append(update)
        self._tell(update, ((start, end, replacement),) if self._on_change else ())

    def edit_many(self, edits: Sequence[Edit]) -> None:
        """Replaces several ranges in one transaction.

        Args:
            edits: at most ``MOST_EDITS``, ascending and not overlapping; all offsets refer to the text
                before the call.

        Raises:
            LocalProtocolError: as for ``edit``; nothing was changed.
        """
        self.before_edit()
        if len(edits) > MOST_EDITS:
            raise LocalProtocolError(f"{len(edits):,} edits at once are more than {MOST_EDITS:,}.")
        units = self._check_many(edits)
        # From the last to the first, so that every offset still means what it meant before the call.
        backwards = tuple(edit for edit in reversed(edits) if edit[0] != edit[1] or edit[2])
        if not backwards:
            return
        byte = self.lines.byte_offset
        spans = [(byte(start), byte(end), replacement) for start, end, replacement in backwards]
        if self._replica.follows:
            self._replica.new_step()
            self._typing.forget()
        update = self._replica.edit_many(spans)
        for edit in backwards:
            self.lines.replace(*edit)
        self._text = None
        self._own_clock += units
        if may_hold_astral(update):
            self._unread.append(update)
        self._tell(update, backwards)

    def edit_each(self, edits: Sequence[Edit]) -> None:
        """Replaces several ranges in transactions of their own: any number, of any length.

        Args:
            edits: ascending and not overlapping; all offsets refer to the text before the call.
        """
        for start, end, replacement in reversed(edits):
            self.edit(start, end, replacement)

    def _check_many(self, edits: Sequence[Edit]) -> int:
        """Returns the UTF-16 units inserted in all."""
        before = size = units = 0
        for start, end, replacement in edits:
            if not before <= start <= end <= self.lines.length:
                raise LocalProtocolError("The edits overlap, descend or leave the text.")
            before = end
            units += _units(replacement)
            size += len(replacement)
        if size > PIECE:
            raise LocalProtocolError(f"{size:,} characters in one transaction are more than {PIECE:,}.")
        return units

    # Undo

    def track_undo(self) -> None:
        """Begins to remember local edits for ``undo``; what was edited before stays out of its reach.

        An editor calls this when it opens. Without it nothing is remembered: remembering slows edits
        by a third over a long history, and keeps deleted text in memory. Looking at ``can_undo`` or
        calling ``undo`` begins it as well.
        """
        self._tracks_undo = True
        if self._engine is not None:
            self._engine.follow()

    @property
    def can_undo(self) -> bool:
        """Whether a local edit can be taken back."""
        self.track_undo()
        return self._replica.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether an edit taken back can be made again."""
        self.track_undo()
        return self._replica.can_redo

    def undo(self) -> bool:
        """Takes back the last step of local edits, never anybody else's. Returns whether there was one."""
        self.before_edit()
        if not self.can_undo:
            return False
        self._travelled(*self._replica.undo())
        return True

    def redo(self) -> bool:
        """Makes the last step taken back again. Returns whether there was one."""
        self.before_edit()
        if not self.can_redo:
            return False
        self._travelled(*self._replica.redo())
        return True

    def _travelled(self, update: bytes, deltas: list[Span]) -> None:
        self._typing.forget()
        edits = self._follow_deltas(deltas)
        if update == NOTHING:
            return
        summary = check_untrusted(update, self.client, self._known(), OWN_LIMITS)
        self._own_clock = max(self._own_clock, summary.ends.get(self.client, 0))
        self._halves.take_all(summary.halves)
        self._tell(update, edits, undo=True)

    def _take_engine(self, other: IndexedText) -> None:
        super()._take_engine(other)
        self._typing.forget()

    def _typing_step(self, start: int, end: int, replacement: str) -> None:
        now = self._clock() if self._clock else None
        if not self._typing.goes_on(start, end, replacement, now):
            self._replica.new_step()

    def _tell(self, update: bytes, edits: tuple[Edit, ...], *, undo: bool = False) -> None:
        self.proof.note(update)
        try:
            for part in parts_of(update):
                tell_all(self._on_update, part)
        finally:
            if edits and self._on_change:
                tell_all(self._on_change, Change(edits, local=True, undo=undo))


def _allowed() -> None:
    """Nothing stands against an edit."""


_LONGEST: Final = LIMITS.size // 5
"""Characters of one local change: at 4 bytes each, colleagues still accept its update."""


def _units(text: str) -> int:
    """UTF-16 units of a text. Raises LocalProtocolError where it cannot be stored."""
    if text.isascii():
        units = len(text)
    else:
        try:
            units = len(text.encode("utf-16-le")) // 2
        except UnicodeEncodeError:
            raise LocalProtocolError("The text holds a lone surrogate, which UTF-8 cannot store.") from None
    if len(text) > _LONGEST:
        raise LocalProtocolError(f"{len(text):,} characters at once are more than {_LONGEST:,}.")
    return units
