"""A text document: a Yjs text, its line index, and the firewall in front of both, always in step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Final, TypeVar

from ..errors import LocalProtocolError, Quarantined
from ..values import dataclass
from .anchors import END, anchor_at, offset_of, read_anchor_untrusted
from .difference import difference
from .edits import MOST_EDITS, Edit
from .firewall import LIMITS, OWN_LIMITS, UpdateSummary, check_untrusted, clients_of, halves_of
from .halves import Halves
from .lines import LineIndex
from .neighbours import Neighbours, prove
from .parts import FEW_RANGES, deleting_apart, parts_of
from .proof import Proof, proved_empty
from .replica import NOTHING, EngineFailed, Replica, Span
from .structure import structure

Unsubscribe = Callable[[], None]
PAUSE: Final = 500
"""Milliseconds without typing after which a new step of undo begins."""

_ASTRAL: Final = [
    re.compile(lead + rb"[\x80-\xbf]{3}") for lead in (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
]
"""What any character beyond U+FFFF looks like in an update; numbers in one rarely do. One pattern a lead
byte: what begins with one certain byte is sought several times as fast."""
_T = TypeVar("_T")


PIECE: Final = 32 << 10
"""Code points inserted by one transaction: at most 128 KiB, which fit in a segment as they are."""


@dataclass(frozen=True, slots=True)
class Change:
    """The text changed.

    Args:
        edits: (start, end, inserted) in code points, each relative to the text after the one before.
        local: made through this ``Document``, not received or replayed.
        undo: made by undo or redo.
    """

    edits: tuple[Edit, ...]
    local: bool
    undo: bool


@dataclass(frozen=True, slots=True)
class Became:
    """What came of another state.

    Args:
        changed: it is another one.
        refused: positions of own updates that cannot be applied to it.
        lost: what those had brought, as insertions that put it in anew: for ``edit_each``.
    """

    changed: bool
    refused: list[int]
    lost: list[Edit]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a state shows, kept beside it: the text, and the state vector."""

    text: str
    clocks: Mapping[int, int]


class NotTogether(Exception):
    """The engine does not take together what the firewall let pass. Give it to a new document, one by one."""


class Document:
    """One text document: a Yjs document with a root text called ``text``.

    All offsets are code points. Callbacks run synchronously once everything is in step; they must not
    change the document. An exception in one reaches the caller of the edit after all have run.

    Args:
        client: the client id of this run (see ``client_id``).
        state: a trusted Yjs v1 update, such as an own checkpoint.
        clock: milliseconds, for undo to tell pauses in typing; None leaves pauses out of account.
        shown: what ``state`` shows, if that is known. Then the engine takes it in when it is first needed:
            of a text that was long worked on, most of a state is where deleted text was.

    Raises:
        Quarantined: ``state`` is not an update.
    """

    def __init__(
        self,
        client: int,
        state: bytes | None = None,
        *,
        clock: Callable[[], int] | None = None,
        shown: Shown | None = None,
    ) -> None:
        self.client: Final = client
        """The client id of this run."""
        self._stored = state
        self._engine: Replica | None = None
        self._tracks_undo = False
        if shown is None:
            engine = self._engine = _engine_of(client, state)
            shown = Shown(engine.text(), engine.clocks()) if state else Shown("", {})
        self._clock = clock
        self._text: str | None = shown.text
        self.lines = LineIndex(self._text)
        """Rows, columns and bytes of the text; read it, never write it."""
        self._clocks = dict(shown.clocks)
        self._own_clock = self._clocks.get(client, 0)
        self._halves = Halves()
        self._unread = [state] if state else []
        self._gathered: list[bytes] | None = None
        self.proof = Proof()
        """Whether all that is in it was written where it could be."""
        self._on_update: list[Callable[[bytes], None]] = []
        self._on_change: list[Callable[[Change], None]] = []
        self._typing = _Typing()
        self.before_edit: Callable[[], None] = _allowed
        """Called before each local edit, undo and redo; what it raises keeps the text as it is."""

    def wake(self) -> None:
        """Has the engine take in the state that was given, if it has not yet.

        Raises:
            Quarantined: that is not an update, or does not show what was said to be shown.
        """
        if self._engine is not None:
            return
        engine = _engine_of(self.client, self._stored)
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
        return self._engine.state() if self._engine is not None else self._stored or NOTHING

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

    def is_same(self, other: Document) -> bool:
        """Whether another document shows the same text, after as much of each writer."""
        return self.clocks() == other.clocks() and self.text == other.text

    def is_same_throughout(self, other: Document) -> bool:
        """Whether it also is so of the same characters by the same writers: dear, for a thread of its own."""
        return structure(self.state()) == structure(other.state())

    def _known(self) -> dict[int, int]:
        if self._own_clock:
            self._clocks[self.client] = self._own_clock
        return self._clocks

    def fork(self, client: int) -> Document:
        """The same state under another client id, to be edited apart and merged back as an update."""
        return Document(client, self.state(), clock=self._clock)

    # Whether it is true

    @property
    def in_doubt(self) -> bool:
        """Whether several wrote it, and it is not known yet if all wrote where they could: see ``proof``."""
        return not self.proof.holds and len(self._known()) > 1

    def doubt_all(self) -> None:
        """From now on, while nothing is in it, no update is taken before that is known of it."""
        self.proof = proved_empty()

    def begin_proof(self) -> bytes:
        """The state to ``prove``, in a thread of its own; give what that gives to ``end_proof``."""
        self.proof.begin()
        return self.state()

    def end_proof(self, order: Neighbours | None) -> bool:
        """Whether that state and what came since is true; if not, deliver all anew."""
        return self.proof.end(order)

    def prove(self) -> bool:
        """Finds it out at once; O(n)."""
        return self.proof.holds or self.end_proof(prove(self.begin_proof()))

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
        if _may_hold_astral(update):
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
        self._own_clock = max(self._own_clock, summary.next_clock)
        self._halves.take_all(summary.halves)
        self._tell(update, edits, undo=True)

    def _typing_step(self, start: int, end: int, replacement: str) -> None:
        now = self._clock() if self._clock else None
        if not self._typing.goes_on(start, end, replacement, now):
            self._replica.new_step()

    # Changes from elsewhere

    def apply_untrusted(self, update: bytes, client: int, *, overlap: bool = False) -> None:
        """Takes in a colleague's update, after the firewall.

        What is known already changes nothing; anything else must continue exactly where the document
        ends for ``client``.

        Args:
            update: a Yjs v1 update.
            client: the only client id that may have created structs in it.
            overlap: it may begin within what is known already and go on beyond it, as an update does
                that was sealed a second time by a device restored from a backup.

        Raises:
            NotYet: it refers to what another client wrote and is not known here; nothing was changed.
            Quarantined: with the reason; nothing was changed.
        """
        self._read_halves()
        summary = check_untrusted(update, client, self._known(), LIMITS, self._halves, overlap=overlap)
        if client == self.client and summary.next_clock > self._own_clock:
            raise Quarantined("The update was refused: it goes on under the client id of this very run.")
        self._check_place(update, summary)
        self._apply(update, summary, recount=overlap)

    def apply_own(self, update: bytes) -> None:
        """Takes in an update that own devices have authenticated: a journal entry, a checkpoint.

        Any client id may have created structs in it, and it may overlap with what is known.

        Raises:
            Quarantined: it is malformed, or something before it is missing; nothing was changed.
        """
        summary = check_untrusted(update, None, self._known(), OWN_LIMITS)
        self._check_place(update, summary)
        self._apply(update, summary, recount=True)

    def _check_place(self, update: bytes, summary: UpdateSummary) -> None:
        if not self.proof.takes(update, summary.structs):
            raise Quarantined("The update was refused: it was written between what never stood side by side.")

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Within, what comes from elsewhere is checked at once, but enters the engine together at the end.

        For opening, while nobody looks on or edits: for its account of what one update changed the engine
        walks through the whole text. Until the end the text stays as it was; no callback is called.

        Raises:
            NotTogether: this document is of no use any more.
        """
        gathered = self._gathered = []
        yield
        self._gathered = None
        if not gathered:
            return
        try:
            self._replica.apply_together(gathered)
        except EngineFailed as problem:
            raise NotTogether(str(problem)) from None
        if self._replica.clocks() != self._known():
            raise NotTogether("the engine did not take all of it")
        self._text = self._replica.text()
        self.lines = LineIndex(self._text)

    def take_state_untrusted(self, state: bytes, guarded: Mapping[int, int]) -> None:
        """Takes in a whole state that a colleague made, of which a part may be known.

        Args:
            guarded: of client ids, a clock beyond which nothing that it says of them is true.

        Raises:
            Quarantined: with the reason; nothing was changed.
        """
        self._read_halves()
        summary = check_untrusted(state, None, self._known(), OWN_LIMITS, self._halves)
        for client, clock in (*guarded.items(), (self.client, self._own_clock)):
            if summary.ends.get(client, 0) > clock:
                raise Quarantined("The state was refused: it holds what this device never wrote.")
        self._check_place(state, summary)
        self._apply(state, summary, recount=True)

    def knows(self, client: int, clock: int) -> bool:
        """Whether what a client wrote at a clock is here."""
        return self._known().get(client, 0) > clock

    def become(self, state: bytes, own: Sequence[bytes], proof: Proof | None = None) -> Became:
        """Takes the state that the same history gave in another order, with own updates on top.

        Where that is no other state than this one, nothing happens. Else subscribers hear of one change, and
        what could be undone no longer can.

        Args:
            state: a trusted Yjs v1 update.
            own: updates that are not in the history yet, in order.
            proof: of that state; it goes on as that of this document.
        """
        other = Document(self.client, state, clock=self._clock)
        other.proof = proof or Proof()
        refused = [at for at, update in enumerate(own) if not other._takes(update)]
        self.proof = other.proof
        self.proof.puts_off = True
        if other.state() == self.state():
            return Became(False, refused, [])
        edits = difference(self.text, other.text)
        lost = self._words_of({client for at in refused for client in clients_of(own[at])}, edits)
        self._take_engine(other)
        backwards = tuple(reversed(edits))
        for edit in backwards:
            self.lines.replace(*edit)
        self._text = None
        if backwards:
            self._call(self._on_change, Change(backwards, local=False, undo=False))
        return Became(True, refused, lost)

    def _words_of(self, clients: AbstractSet[int], edits: Sequence[Edit]) -> list[Edit]:
        """What some clients wrote of the text that edits take away, as insertions after those edits."""
        words: list[Edit] = []
        shift = 0
        for start, end, replacement in edits if clients else ():
            theirs = [self.text[at] for at in range(start, end) if self.writer_at(at) in clients]
            if theirs:
                words.append((start + shift, start + shift, "".join(theirs)))
            shift += len(replacement) - (end - start)
        return words

    def _takes(self, update: bytes) -> bool:
        """Takes in an own update where it fits, with no character split."""
        self._read_halves()
        try:
            summary = check_untrusted(update, None, self._known(), OWN_LIMITS, self._halves)
            self._check_place(update, summary)
            self._apply(update, summary, recount=True)
        except Quarantined:
            return False
        return True

    def _take_engine(self, other: Document) -> None:
        follows = self._tracks_undo
        self._engine, self._clocks, self._own_clock = other._replica, other._clocks, other._own_clock
        self._halves, self._unread = other._halves, other._unread
        self._typing.forget()
        if follows:
            self._replica.follow()

    def _apply(self, update: bytes, summary: UpdateSummary, *, recount: bool) -> None:
        """``recount``: the update may overlap what is known, and only the engine knows what it took of it."""
        self.wake()  # it has to agree with what is counted here from the start
        parts = [update] if summary.ranges <= FEW_RANGES else deleting_apart(update)
        if self._gathered is not None:
            self._gathered += parts
            self._count(summary, self._clocks, recount=False)  # the engine's own count is compared later
            return
        try:
            deltas = [span for part in parts for span in self._replica.apply(part)]
        except EngineFailed as problem:
            # The replica was rebuilt from the same updates, so the text and the index still hold.
            self.proof.drop()
            raise Quarantined(f"The update was refused: the engine could not apply it ({problem}).") from None
        before = dict(self._clocks) if recount else self._clocks
        if recount:
            self._clocks = self._replica.clocks()
            if any(self._clocks.get(author, 0) < end for author, end in summary.ends.items()):
                self.proof.drop()  # the engine took less than was placed
        self._count(summary, before, recount=recount)
        edits = self._follow_deltas(deltas)
        if edits:
            self._call(self._on_change, Change(edits, local=False, undo=False))

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
        for update in self._unread:
            if _may_hold_astral(update):
                self._halves.take_all(halves_of(update))
        self._unread = []

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
        self._read_halves()
        if clock >= self._known().get(client, 0) or place in self._halves:
            return None
        try:
            return offset_of(self._replica, self.lines, client, clock)
        except (EngineFailed, ValueError, IndexError):
            return None

    # Subscriptions

    def on_update(self, callback: Callable[[bytes], None]) -> Unsubscribe:
        """Calls back with the Yjs v1 update of each local transaction, right after it."""
        return _subscribe(self._on_update, callback)

    def on_change(self, callback: Callable[[Change], None]) -> Unsubscribe:
        """Calls back after every change of the text, local or not."""
        return _subscribe(self._on_change, callback)

    def _tell(self, update: bytes, edits: tuple[Edit, ...], *, undo: bool = False) -> None:
        self.proof.note(update)
        try:
            for part in parts_of(update):
                self._call(self._on_update, part)
        finally:
            if edits and self._on_change:
                self._call(self._on_change, Change(edits, local=True, undo=undo))

    @staticmethod
    def _call(callbacks: list[Callable[[_T], None]], value: _T) -> None:
        """Calls all, though one raises: the journal must not miss what another callback choked on."""
        failed: Exception | None = None
        for callback in tuple(callbacks):
            try:
                callback(value)
            except Exception as problem:  # noqa: BLE001 - raised again below
                failed = failed or problem
        if failed is not None:
            raise failed


def _engine_of(client: int, state: bytes | None) -> Replica:
    try:
        return Replica(client, state)
    except EngineFailed as problem:
        raise Quarantined(f"The stored state cannot be read: {problem}") from None


def _may_hold_astral(update: bytes) -> bool:
    return any(pattern.search(update) for pattern in _ASTRAL)


def _allowed() -> None:
    """Nothing stands against an edit."""


class _Typing:
    """Tells which edits undo takes back together: a word typed, or a run of characters erased."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._inserts: bool | None = None
        self._at = 0
        self._time: int | None = None
        self._after_space = False

    def goes_on(self, start: int, end: int, replacement: str, now: int | None) -> bool:
        """Whether this edit belongs to the step of the one before."""
        inserts = bool(replacement)
        together = self._inserts is inserts and self._in_time(now)
        if inserts:
            single = start == end and len(replacement) == 1
            space = replacement.isspace()
            together = together and single and start == self._at and not (self._after_space and not space)
            self._at = start + len(replacement)
            self._after_space = space
        else:
            # Backspace ends where the last one began; the delete key begins there.
            together = together and self._at in {start, end}
            self._at = start
        self._inserts, self._time = inserts, now
        return together

    def _in_time(self, now: int | None) -> bool:
        return now is None or self._time is None or 0 <= now - self._time < PAUSE


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


def _subscribe(callbacks: list[_T], callback: _T) -> Unsubscribe:
    callbacks.append(callback)

    def unsubscribe() -> None:
        if callback in callbacks:
            callbacks.remove(callback)

    return unsubscribe
