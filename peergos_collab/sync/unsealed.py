"""This device's changes to one object that are in no segment yet: numbered, and in the journal as soon as
they are durable.

    submit ──► pending ──journal──► journaled
                  └──────take───────────┴────► a segment

A change keeps its number from the journal into its segment; what follows a gap in the numbers of a run
would wait for ever.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Final

from ..codec.ids import ObjectId, RunId
from ..crypto import LocalKey
from ..errors import Quarantined, RemoteProtocolError
from ..objects.payload import MAX_CHANGES, Kind
from ..ports import Batch, DropJournal, PutJournal, Random, SegmentStore
from .fold import Fold
from .journal import ENTRY_CHANGES, ENTRY_CONTENT, LocalChange, open_entry_untrusted, seal_entry

SITTING: Final = 5 * 60_000
"""Milliseconds without a change after which a new segment begins, for the history's sake: it has one time."""

SEGMENT_CONTENT: Final = 48 << 10
"""Bytes of changes merged into one segment: keeps single segments far below the largest size."""


class Unsealed:
    """See the module's text.

    Args:
        fold: holds what they changed.
        following: gives of a run of this device the number of the first change that is in no segment yet.
    """

    def __init__(
        self,
        object_id: ObjectId,
        store: SegmentStore,
        fold: Fold,
        local: LocalKey,
        random: Random,
        following: Callable[[RunId], int],
    ) -> None:
        self.journaled: deque[LocalChange] = deque()
        self.pending: deque[LocalChange] = deque()
        self._object = object_id
        self._store = store
        self._fold = fold
        self._local = local
        self._random = random
        self._following = following
        self.in_state = 0
        """The newest journal entry whose changes the fold has from its saved state."""
        self._damaged = 0
        """The newest entry that cannot be read."""
        self._refused = 0
        """The oldest entry of which the fold refused something: at the next start it may take that."""
        self._numbers: dict[RunId, int] = {}
        self._ends: set[tuple[RunId, int]] = set()

    def __len__(self) -> int:
        return len(self.journaled) + len(self.pending)

    def __iter__(self) -> Iterator[LocalChange]:
        """In the order in which they were made."""
        return chain(self.journaled, self.pending)

    @property
    def last_in_fold(self) -> int:
        """The newest journal entry that waits and is in the fold with all before it; 0 for none."""
        last = self.journaled[-1].entry if self.journaled else 0
        return min(last, self._refused - 1) if self._refused else last

    @property
    def is_lost(self) -> bool:
        """Whether the fold may have from its saved state what is in no entry that can be read: others will
        never get it, nor what was written on top of it, so nothing is sealed. ``renumber`` ends that."""
        return bool(self._damaged and self.in_state)

    def submit(self, run: RunId, time: int, kind: Kind, content: bytes) -> None:
        """Takes a change that was just made. ``time`` is in ms since 1970."""
        self._put(LocalChange(run, self._number(run), time, kind, content), self.pending)

    def _put(self, change: LocalChange, queue: deque[LocalChange]) -> None:
        if change.kind is Kind.NAME:
            self._ends.add(self._fold.last_named(change.content))
        queue.append(change)

    def end_here(self) -> None:
        """Somebody looks at what there is now: nothing that follows goes into a segment with it."""
        queue = self.pending or self.journaled
        if queue:
            self._ends.add((queue[-1].run, queue[-1].number))

    def _number(self, run: RunId) -> int:
        number = self._numbers.get(run) or self._following(run)
        self._numbers[run] = number + 1
        return number

    def journal(self) -> Batch:
        """Pending changes of one run and kind, as a journal entry to make durable."""
        if not self.pending:
            return []
        changes = _same_run(self.pending, ENTRY_CHANGES, ENTRY_CONTENT)
        number = self._store.next_journal()
        sealed = seal_entry(self._object, number, changes, self._local, self._random)
        for change in changes:
            self.pending.popleft()
            self.journaled.append(replace(change, entry=number))
        return [PutJournal(self._object, number, sealed)]

    def next(self) -> list[LocalChange]:
        """The changes that go into the next segment together; empty where nothing waits."""
        changes = _same_run(self.journaled or self.pending, MAX_CHANGES, SEGMENT_CONTENT)
        for count, change in enumerate(changes if self._ends else (), 1):
            if (change.run, change.number) in self._ends:
                return changes[:count]
        return changes

    def take(self, changes: list[LocalChange]) -> Batch:
        """``next`` gave them, and they are sealed: gives what frees the journal of them."""
        queue = self.journaled or self.pending
        for change in changes:
            queue.popleft()
            self._ends.discard((change.run, change.number))
        if not self:
            self._ends.clear()  # what was in a segment before it had a name was no end
        through = self._finished_entry(changes[-1])
        return [DropJournal(self._object, through)] if through else []

    def _finished_entry(self, last: LocalChange) -> int:
        """The newest journal entry all of whose changes are sealed once ``last`` is, or 0."""
        if not last.entry:
            return 0
        waiting = self.journaled[0].entry if self.journaled else 0
        return last.entry if waiting != last.entry else last.entry - 1

    def drop_sealed(self) -> int:
        """Forgets changes that turned out to be in a segment already (a restored backup's); says how many."""
        before = len(self.journaled)
        while self.journaled and self.journaled[0].number < self._following(self.journaled[0].run):
            self.journaled.popleft()
        return before - len(self.journaled)

    def has_gap(self) -> bool:
        """Whether numbers would not go on where a run ends: something of it does not count any more."""
        waiting = Counter(change.run for change in self)
        return any(number != self._following(run) + waiting[run] for run, number in self._numbers.items())

    def renumber(self, changes: list[LocalChange]) -> Batch:
        """These in place of all, without a gap, into the journal again."""
        through = max((self._damaged, *(change.entry for change in (*self, *changes))))
        self._damaged = 0
        self.journaled, self.pending, self._numbers, self._ends = deque(), deque(), {}, set()
        for change in changes:
            self._put(replace(change, number=self._number(change.run), entry=0), self.pending)
        batch: Batch = [DropJournal(self._object, through)] if through else []
        while entry := self.journal():
            batch += entry
        return batch

    def restore(self) -> tuple[list[str], list[str]]:
        """Takes back from the journal what is not in a segment yet, and gives the fold what it lacks of it.

        Returns:
            What is damaged on this disk, and what the fold refused, in words.
        """
        damaged, refused = [], []
        following = cache(self._following)
        for entry in self._store.journal(self._object):
            try:
                changes = open_entry_untrusted(self._object, entry.number, entry.raw, self._local)
            except RemoteProtocolError as error:
                damaged.append(f"an unsent local change is damaged on this disk ({error})")
                self._damaged = entry.number
                continue
            for change in changes:
                if change.number < following(change.run):
                    continue
                try:
                    if change.kind is self._fold.kind and entry.number > self.in_state:
                        self._fold.restore(change.content, change.time)
                    self._put(change, self.journaled)
                except (RemoteProtocolError, Quarantined) as error:
                    refused.append(f"an unsent local change cannot be taken back ({error})")
                    self._refused = self._refused or entry.number
        if not self.is_lost:
            self._close_gaps()
        return damaged, refused

    def _close_gaps(self) -> None:
        """Numbers restored changes anew where some before them are lost."""
        following: dict[RunId, int] = {}
        for change in self.journaled:
            if change.number != (following.get(change.run) or self._following(change.run)):
                self._store.write(self.renumber(list(self.journaled)))
                return
            following[change.run] = change.number + 1


def _same_run(queue: deque[LocalChange], most: int, most_bytes: int) -> list[LocalChange]:
    """The changes at the head of ``queue`` that may share a segment or entry."""
    changes: list[LocalChange] = []
    size = 0
    for change in queue:
        size += len(change.content)
        if changes and (
            (change.run, change.kind) != (changes[0].run, changes[0].kind)
            or change.kind is Kind.NAME  # what it names ends with the segment before it
            or len(changes) >= most
            or size > most_bytes
            or change.time - changes[-1].time >= SITTING
        ):
            break
        changes.append(change)
    return changes
