"""What one node has signed about one object, and where that contradicts itself. No I/O, no clock.

A receipt is true for ever, so an older one is held against a newer one: what the node had, it has, or it
has lost it or holds it back. Which of these cannot be told from outside, and is not guessed at here. That
a node does not have something *yet* is no contradiction: only what it signed for counts.

Kept are the newest whole receipt, a few older ones, and for each branch the first receipt that reached as
far as any: the sooner a receipt was signed, the more later ones it can be held against.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any, Final

from ..codec.ids import LogId
from ..codec.shape import array, blob, many, number
from ..crypto import VerifyKey
from ..values import dataclass
from .heads import MAX_TIPS, Tip
from .logbook import LogBook
from .receipts import Receipt

OLDER: Final = 6
"""Older whole receipts that are kept, the closer together the newer they are."""

MAX_FAULTS: Final = 8
MAX_PROOFS: Final = 64
"""Receipts that are kept of one fault."""

MAX_HEADS: Final = 20_000
"""Heads in all receipts that are kept. Beyond it the oldest go: a node could sign ever more."""


class Against(enum.IntEnum):
    """Whose receipts contradict each other."""

    HERE = 0
    """Both came to this device."""
    HIDDEN = 1
    """The node signed to another member that it has what it signed to this device not to have."""
    ELSEWHERE = 2
    """It signed to another member not to have what it signed to this device to have."""


Run = tuple[LogId, int, int]
"""Segments of a log, from a seq to a seq."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A node said that it has something, and later that it has not.

    Args:
        time: when it was found, ms since 1970.
        had: receipts for what is missing.
        lacks: the whole receipt without it.
    """

    against: Against
    time: int
    had: tuple[Receipt, ...]
    lacks: Receipt
    missing: tuple[Run, ...]

    @property
    def proved(self) -> bool:
        """Whether the node's own numbers say which is the later; if not, only this device knows it."""
        return all(had.number < self.lacks.number and had.key == self.lacks.key for had in self.had)


@dataclass(slots=True, eq=False)
class Word:
    """A receipt, and how far it reaches.

    Args:
        at: its place in the order of arrival.
        reach: branch number → seq up to which the receipt covers it.
        ahead: its heads that are not here yet.
        firsts: of how many branches it is the first that reached so far.
    """

    receipt: Receipt
    at: int
    reach: dict[int, int] = field(default_factory=dict)
    ahead: dict[LogId, set[Tip]] = field(default_factory=dict)
    firsts: int = 0

    def look_at(self, book: LogBook, tips: Iterable[Tip]) -> None:
        for tip in tips:
            branch, seq = book.find(tip.log, tip.seq, tip.id), tip.seq
            if branch is None:
                self.ahead.setdefault(tip.log, set()).add(tip)
            while branch is not None and self.reach.get(branch.number, 0) < seq:
                self.reach[branch.number] = seq
                seq, branch = branch.first - 1, branch.base


class NodeWords:
    """See the module's text.

    Attributes:
        saved: branch number → seq up to which the node has it by its newest word.
        faults: what was found.
    """

    def __init__(self, book: LogBook) -> None:
        self.saved: dict[int, int] = {}
        self.faults: list[Fault] = []
        self._book = book
        self._words: dict[int, Word] = {}
        self._arrived = 0
        self._older: list[Word] = []
        self._whole: Word | None = None
        self._first: dict[int, Word] = {}
        self._ahead: list[Word] = []
        self._heads = 0

    def take(self, receipt: Receipt, now: int) -> Fault | None:
        """Takes what the node said to this device; gives what contradicts something it said before."""
        word = self._enter(receipt)
        return self._judge(word, now) if receipt.whole else None

    def arrived(self, logs: Iterable[LogId], now: int) -> Fault | None:
        """Segments came: what is said of them counts from now on."""
        fault = None
        for word in [word for word in self._ahead if not word.ahead.keys().isdisjoint(logs)]:
            for log in [log for log in logs if log in word.ahead]:
                word.look_at(self._book, word.ahead.pop(log))
            if not word.ahead:
                self._ahead.remove(word)
            self._note(word)
            if word is self._whole:
                fault = self._judge(word, now) or fault
        return fault

    @property
    def covers_all(self) -> bool:
        """Whether everything that is here is saved there."""
        branches = self._book.numbered.values()
        return all(self.saved.get(branch.number, branch.first - 1) >= branch.tip for branch in branches)

    def has(self, run: Run) -> bool:
        """Whether the node says by now that it has some segments."""
        log, _, last = run
        return any(self.saved.get(each.number, 0) >= last for each in self._book.branches.get(log, ()))

    # -- keeping --------------------------------------------------------------------------------

    def _enter(self, receipt: Receipt) -> Word:
        self._arrived += 1
        word = self._words[self._arrived] = Word(receipt, self._arrived)
        self._heads += len(receipt.tips)
        word.look_at(self._book, receipt.tips)
        if word.ahead:
            self._ahead.append(word)
        if receipt.whole:
            self.saved = {}
            before, self._whole = self._whole, word
            if before is not None:
                self._grow_old(before)
        self._note(word)
        while self._heads > MAX_HEADS and len(self._words) > 1:
            self._forget([next(each for each in self._words.values() if each is not self._whole)])
        return word

    def _grow_old(self, whole: Word) -> None:
        """Makes room by the one whose neighbours are closest together, beside how long ago that was."""
        older = self._older = [*self._older, whole]
        if len(older) > OLDER:
            numbers = [word.receipt.number for word in older]
            spare = min(
                range(1, OLDER),
                key=lambda at: (numbers[at + 1] - numbers[at - 1]) / max(1, numbers[-1] - numbers[at]),
            )
            self._drop_unless_needed(older.pop(spare))

    def _note(self, word: Word) -> None:
        """Counts how far a word reaches. It is kept while it is the first that reaches so far somewhere."""
        newest = self._whole is None or word.at >= self._whole.at
        for branch, seq in word.reach.items():
            if newest:
                self.saved[branch] = max(seq, self.saved.get(branch, 0))
            first = self._first.get(branch)
            if first is None or first.reach[branch] < seq:
                self._first[branch] = word
                word.firsts += 1
                if first is not None:
                    first.firsts -= 1
                    self._drop_unless_needed(first)
        self._drop_unless_needed(word)

    def _drop_unless_needed(self, word: Word) -> None:
        if word.firsts or word.ahead or word is self._whole or word in self._older:
            return
        if self._words.pop(word.at, None) is not None:
            self._heads -= len(word.receipt.tips)

    def _forget(self, words: Sequence[Word]) -> None:
        for word in words:
            del self._words[word.at]
            self._heads -= len(word.receipt.tips)
        self._older = [word for word in self._older if word not in words]
        self._ahead = [word for word in self._ahead if word not in words]
        self._first = {}
        rest = list(self._words.values())
        for word in rest:
            word.firsts = 0
        for word in rest:
            self._note(word)

    # -- judging --------------------------------------------------------------------------------

    def _judge(self, whole: Word, now: int) -> Fault | None:
        """Holds against a whole word what the node said before; once, so what was held is forgotten."""
        lacking = {word.at: self._lacking(word, whole) for word in self._words.values() if word.at < whole.at}
        held = [self._words[at] for at, branches in lacking.items() if branches]
        if not held:
            return None
        farthest: dict[int, int] = {}
        for word in held:
            for branch, seq in lacking[word.at].items():
                farthest[branch] = max(seq, farthest.get(branch, 0))
        fault = self._tell(Against.HERE, held, whole, farthest, now)
        self._forget(held)
        return fault

    def _tell(
        self, against: Against, had: Sequence[Word], lacks: Word, farthest: dict[int, int], now: int
    ) -> Fault:
        missing = []
        for number_, seq in farthest.items():
            branch = self._book.numbered[number_]
            missing.append((branch.log, lacks.reach.get(number_, branch.first - 1) + 1, seq))
        receipts = tuple(word.receipt for word in had[-MAX_PROOFS:])
        fault = Fault(against, now, receipts, lacks.receipt, tuple(missing))
        self.faults = [*self.faults[: MAX_FAULTS - 1], fault]
        return fault

    def _lacking(self, had: Word, whole: Word) -> dict[int, int]:
        """Branches into which one word reaches farther than a whole one, and how far.

        Of logs that the node might not show by what was proved to it nothing is said; nor of those of
        which it has something that is not here yet.
        """
        book = self._book
        within = book.plain_graph.past(epoch for epoch in whole.receipt.epochs if epoch in book.epochs)
        lacking: dict[int, int] = {}
        for number_, seq in had.reach.items():
            branch = book.numbered[number_]
            if whole.reach.get(number_, branch.first - 1) >= seq or branch.log in whole.ahead:
                continue
            certificates = book.certified.get(branch.log, ())
            if all(book.plain_graph.covers(within, each.epoch) for each in certificates):
                lacking[number_] = seq
        return lacking

    # -- stored ---------------------------------------------------------------------------------

    def stored(self) -> list[Any]:
        """As a value, for ``restore``."""
        words = [_receipt_value(word.receipt) for word in self._words.values()]
        faults = [
            [
                int(fault.against),
                fault.time,
                [_receipt_value(had) for had in fault.had],
                _receipt_value(fault.lacks),
                [list(run) for run in fault.missing],
            ]
            for fault in self.faults
        ]
        return [words, faults]

    def restore(self, value: object) -> None:
        """Raises RemoteProtocolError where it is not what ``stored`` gave. Signatures were checked before."""
        words, faults = array(value, 2, "node words")
        for each in many(words, MAX_HEADS, "receipts"):
            self._enter(_receipt(each))
        self.faults = [_fault(each) for each in many(faults, MAX_FAULTS, "faults")]


def _receipt_value(receipt: Receipt) -> list[Any]:
    return [receipt.key, receipt.fields()]


def _receipt(value: object) -> Receipt:
    key, fields = array(value, 2, "receipt")
    return Receipt.parse_untrusted(fields).kept(VerifyKey(blob(key, 32, "receipt key")))


def _fault(value: object) -> Fault:
    against, time, had, lacks, missing = array(value, 5, "fault")
    runs = [array(run, 3, "run") for run in many(missing, MAX_TIPS, "runs")]
    return Fault(
        Against(number(against, 0, 2, "fault")),
        number(time, 0, 2**53, "time"),
        tuple(_receipt(each) for each in many(had, MAX_PROOFS, "receipts")),
        _receipt(lacks),
        tuple((LogId(log), first, last) for log, first, last in runs),
    )
