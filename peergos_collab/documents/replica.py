"""The Yjs document itself, in its own units: the one module that uses pycrdt.

Everything here counts UTF-8 bytes, as pycrdt does, and trusts its caller: an offset inside a
character corrupts the document silently. ``Document`` owns the offsets, the firewall the updates.

This module uses pycrdt's binding layer, not the classes above it: one transaction costs half as much,
and a broken one leaves no hidden state behind. pycrdt is pinned, and tests run each name used here. The
binding's stubs lack a few of them, hence the ignored types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .binding import Doc, Subscription, Text, TransactionEvent, UndoManager, merge_updates
from .binding import decode_sticky_index as _decode_sticky_index
from .own_edits import OwnEdits
from .varints import read_varints, varint

ROOT: Final = "text"
"""Name of the one root text. Any Yjs program finds the content there: ``doc.getText("text")``."""

NOTHING: Final = b"\x00\x00"
"""The update that changes nothing."""

_EMPTY_STATE: Final = b"\x00"
_LOCAL: Final = 1
"""Origin of the transactions that undo follows; all others are colleagues' or replayed."""
_STEP_GAP: Final = 1_000
_MERGE_AT_ONCE: Final = 16
"""Merging is quadratic in the number of updates merged in one call, so they are merged as a tree."""
_LEAST_TAIL: Final = 1 << 20
_TOGETHER: Final = 1 << 10
"""Bytes of updates that go into one transaction."""

Span = tuple[int, int, str]
"""(start, end, replacement) in bytes; in a list, each relative to the text after the one before."""


class EngineFailed(Exception):
    """pycrdt panicked or refused. The replica is as it was before the call."""


class Replica:
    """A Yjs document with one text.

    Args:
        client: id of the structs it creates.
        state: a trusted v1 update.
    """

    def __init__(self, client: int, state: bytes | None) -> None:
        self.client = client
        self._base = state or NOTHING
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._steps = _Steps()
        self._undo: UndoManager | None = None
        try:
            self._build()
        except BaseException as problem:  # noqa: BLE001 - panics are no Exception
            raise _engine_failure(problem) from None
        self._own = OwnEdits(client, self._size() if state else 0)

    def text(self) -> str:
        """The whole text; O(n)."""
        with self._reading() as transaction:
            return self._text.get_string(transaction)

    def _size(self) -> int:
        """Bytes of the text."""
        with self._reading() as transaction:
            return self._text.len(transaction)

    def state(self) -> bytes:
        """All of it as a v1 update."""
        with self._reading() as transaction:
            return self._doc.get_update(transaction, _EMPTY_STATE)

    def clocks(self) -> dict[int, int]:
        """The state vector."""
        with self._reading() as transaction:
            encoded = self._doc.get_state(transaction)
        numbers = read_varints(encoded)
        return {next(numbers): next(numbers) for _ in range(next(numbers))}

    def edit(self, start: int, end: int, replacement: str) -> bytes:
        """One replacement in one transaction; returns its update.

        Where ``OwnEdits`` knows the ids it takes O(log n); else the engine walks through the items before.
        """
        own = self._own
        if start == end:
            written = own.insertion(start, replacement)
            if written is None:
                update = self._edit_by_search(start, end, replacement)
                own.inserted(start, replacement, update)
                return update
        elif replacement:
            own.changed(((start, end, replacement),))
            return self._edit_by_search(start, end, replacement)
        else:
            written = own.deletion(start, end)
            if written is None:
                return self._edit_by_search(start, end, replacement)
        self._take_in(written)
        if self._last.update != written:
            # It never happened. If it does, the ids were wrong, and the engine may wait for others to come.
            self._build()
            self._own = OwnEdits(self.client, self._size())
            return self.edit(start, end, replacement)
        return self._take()

    def _take_in(self, update: bytes) -> None:
        """Applies an own edit that was written here."""
        transaction = self._doc.create_transaction_with_origin(_LOCAL)
        try:
            self._doc.apply_update(transaction, update)
            transaction.commit()
        finally:
            transaction.drop()

    def _edit_by_search(self, start: int, end: int, replacement: str) -> bytes:
        transaction = self._doc.create_transaction_with_origin(_LOCAL)
        try:
            if end > start:
                self._text.remove_range(transaction, start, end - start)
            if replacement:
                self._text.insert(transaction, start, replacement)
            transaction.commit()
        finally:
            transaction.drop()
        return self._take()

    def edit_many(self, spans: Sequence[Span]) -> bytes:
        """Several replacements in one transaction, each relative to the text after the one before."""
        self._own.changed(spans)
        transaction = self._doc.create_transaction_with_origin(_LOCAL)
        try:
            for start, end, replacement in spans:
                if end > start:
                    self._text.remove_range(transaction, start, end - start)
                if replacement:
                    self._text.insert(transaction, start, replacement)
            transaction.commit()
        finally:
            transaction.drop()
        return self._take()

    def apply(self, update: bytes) -> list[Span]:
        """Takes in a checked update; returns what it changed.

        Raises:
            EngineFailed: nothing was changed, but what could be undone no longer can.
        """
        deltas: list[Span] = []
        try:
            subscription = self._watch(deltas)
            transaction = self._doc.create_transaction()
            try:
                self._doc.apply_update(transaction, update)
                transaction.commit()
            finally:
                transaction.drop()
            subscription.drop()
        except BaseException as problem:  # noqa: BLE001 - panics are no Exception
            self._build()
            raise _engine_failure(problem) from None
        self._take()
        self._own.changed(deltas)
        return deltas

    def apply_together(self, updates: Sequence[bytes]) -> None:
        """Takes in checked updates, without an account of what they changed.

        Short ones together: a transaction takes as long as an edit. But in one, the engine takes quadratic
        time for a long history.

        Raises:
            EngineFailed: this replica is of no use any more.
        """
        for group in _groups(updates):
            try:
                transaction = self._doc.create_transaction()
                try:
                    for update in group:
                        self._doc.apply_update(transaction, update)
                    transaction.commit()
                finally:
                    transaction.drop()
            except BaseException as problem:  # noqa: BLE001 - panics are no Exception
                raise _engine_failure(problem) from None
            self._take()
        self._own = OwnEdits(self.client, self._size())

    # Undo

    def follow(self) -> None:
        """From now on local edits can be undone. It slows them, and keeps deleted text in memory."""
        if self._undo is None:
            self._undo = UndoManager(_STEP_GAP, self._steps.time, [], [])
            self._undo.expand_scope_text(self._doc, self._text)  # type: ignore[attr-defined]
            self._undo.include_origin(_LOCAL)

    def new_step(self) -> None:
        """The next edit is undone by itself, not with the one before."""
        self._steps.count += 1

    @property
    def follows(self) -> bool:
        """Whether local edits can be undone."""
        return self._undo is not None

    @property
    def can_undo(self) -> bool:
        return self._undo is not None and self._undo.can_undo()

    @property
    def can_redo(self) -> bool:
        return self._undo is not None and self._undo.can_redo()

    def undo(self) -> tuple[bytes, list[Span]]:
        """Takes back the last step; returns the update and what it changed."""
        return self._travel("undo")

    def redo(self) -> tuple[bytes, list[Span]]:
        return self._travel("redo")

    def _travel(self, direction: str) -> tuple[bytes, list[Span]]:
        if self._undo is None:
            return NOTHING, []
        self.new_step()
        deltas: list[Span] = []
        subscription = self._watch(deltas)
        try:
            getattr(self._undo, direction)()
        finally:
            subscription.drop()
        self.new_step()
        self._own.changed(deltas)
        return self._take(), deltas

    # Positions

    def sticky(self, byte: int) -> tuple[int, int]:
        """Client of the character at a byte before the end, and its clock if its block is ASCII so far.

        See ``anchors``: the engine adds bytes to clocks. Raises EngineFailed.
        """
        transaction = self._doc.create_transaction()
        try:
            sticky = self._text.sticky_index(transaction, byte, 0)  # type: ignore[attr-defined]
            _, client, clock, _ = read_varints(sticky.encode())
        except BaseException as problem:  # noqa: BLE001 - panics are no Exception
            raise _engine_failure(problem) from None
        finally:
            transaction.drop()
        return client, clock

    def byte_of(self, client: int, clock: int) -> int:
        """The byte where a known character's block begins, plus its clock within; where it was if deleted.

        Raises:
            EngineFailed: the engine knows no such place.
        """
        sticky = b"\x00" + varint(client) + varint(clock) + b"\x00"
        transaction = self._doc.create_transaction()
        try:
            return int(_decode_sticky_index(sticky).get_offset(transaction))
        except BaseException as problem:  # noqa: BLE001 - panics are no Exception
            raise _engine_failure(problem) from None
        finally:
            transaction.drop()

    # Inside

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A transaction that changes nothing."""
        transaction = self._doc.create_transaction()
        try:
            yield transaction
        finally:
            transaction.drop()

    def _build(self) -> None:
        self._last = last = _LastUpdate()
        self._undo = None
        self._doc = Doc(self.client, None, None)
        transaction = self._doc.create_transaction()
        try:
            self._text: Text = self._doc.get_or_insert_text(transaction, ROOT)
            for update in (self._base, *([merge(self._tail)] if self._tail else ())):
                if update != NOTHING:
                    self._doc.apply_update(transaction, update)
            transaction.commit()
        finally:
            transaction.drop()
        self._observed = self._doc.observe(last.note)

    def _take(self) -> bytes:
        """The update of the transaction just done, kept for a rebuild as well."""
        update, self._last.update = self._last.update, NOTHING
        self._tail.append(update)
        self._tail_size += len(update)
        # A tail as long as the base is folded into it, so keeping it costs O(1) per byte written.
        if self._tail_size > _LEAST_TAIL and self._tail_size > len(self._base):
            self._base, self._tail, self._tail_size = self.state(), [], 0
        return update

    def _watch(self, deltas: list[Span]) -> Subscription:
        # Text observers cost more than the edit itself, so they live for one call.
        return self._text.observe(lambda event: deltas.extend(_spans(event.delta)))  # type: ignore[attr-defined]


# What the engine calls knows nothing of the replica. It would keep it alive for ever: Python's collector does
# not see what the engine holds.


class _LastUpdate:
    """What the last transaction made."""

    __slots__ = ("update",)

    def __init__(self) -> None:
        self.update = NOTHING

    def note(self, event: TransactionEvent) -> None:
        self.update = event.update


class _Steps:
    """How many steps of undo there were, as times. pycrdt only compares them: a step ends where they jump."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 1

    def time(self) -> int:
        return self.count * _STEP_GAP


def merge(updates: Sequence[bytes]) -> bytes:
    """One v1 update that does what all do in order; for thousands of updates of one run without a gap.

    It keeps deleted text: compaction goes through a ``Document`` and its ``state``.
    """
    if not updates:
        return NOTHING
    level = list(updates)
    while len(level) > 1:
        level = [
            merge_updates(tuple(level[i : i + _MERGE_AT_ONCE])) if i + 1 < len(level) else level[i]
            for i in range(0, len(level), _MERGE_AT_ONCE)
        ]
    return level[0]


def _groups(updates: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The same in order, short ones together."""
    group: list[bytes] = []
    size = 0
    for update in updates:
        if group and size + len(update) > _TOGETHER:
            yield group
            group, size = [], 0
        group.append(update)
        size += len(update)
    if group:
        yield group


def _spans(delta: Sequence[dict[str, Any]]) -> Iterator[Span]:
    """What a text event tells, as replacements that follow one another."""
    at = 0
    for part in delta:
        if "retain" in part:
            at += part["retain"]
        elif "delete" in part:
            yield at, at + part["delete"], ""
        else:
            yield at, at, part["insert"]
            at += len(part["insert"].encode())


def _engine_failure(problem: BaseException) -> BaseException:
    """What the engine raised, as EngineFailed; a KeyboardInterrupt and its like stay what they are.

    pyo3's PanicException is a BaseException, and cannot be imported by name.
    """
    if isinstance(problem, Exception) or type(problem).__name__ == "PanicException":
        return EngineFailed(str(problem))
    return problem
