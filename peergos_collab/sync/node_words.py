"""What one node has signed about one object, and where that contradicts itself. No I/O, no clock.

A receipt is true for ever, so an older one is held against a newer one: what the node had, it has, or it
has lost it or holds it back. Which of these cannot be told from outside, and is not guessed at here. That
a node does not have something *yet* is no contradiction: only what it signed for counts. Members who meet
show each other what it signed to them: so it cannot say one thing to one of them and another to the other.

Kept are the newest whole receipt, for each branch the first receipt that reached as far as any, and a few
older ones: the sooner a receipt was signed, the more later ones it can be held against.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import field
from typing import Any, Final

from ..codec.ids import EpochId, LogId
from ..codec.shape import array, many
from ..values import dataclass
from .faults import MAX_PROOFS, Against, Fault, kept_fault, kept_receipt, receipt_value
from .heads import Tip
from .logbook import LogBook
from .receipts import Receipt

OLDER: Final = 6
"""Older receipts that are kept, the closer together the newer they are."""

SHOWN_BYTES: Final = 64 << 10
"""Of receipts shown to another member."""

MAX_SHOWN: Final = 64
"""Receipts shown by others that cannot be judged yet."""

MAX_SEEN: Final = 4_096
"""Receipts shown by others that were judged, and are known again."""

MAX_FAULTS: Final = 8
RECEIPT_BYTES: Final = 160
HEAD_BYTES: Final = 76

MAX_HEADS: Final = 20_000
"""Heads in all receipts that are kept. Beyond it the oldest go: a node could sign ever more."""


@dataclass(slots=True, eq=False)
class Word:
    """A receipt, and how far it reaches.

    Args:
        at: its place in the order of arrival.
        since: what has arrived up to there was here before the node was asked for this one.
        reach: branch number → seq up to which the receipt covers it.
        ahead: its heads that are not here yet.
        firsts: of how many branches it is the first that reached so far.
    """

    receipt: Receipt
    at: int
    reach: dict[int, int] = field(default_factory=dict)
    ahead: dict[LogId, set[Tip]] = field(default_factory=dict)
    firsts: int = 0
    since: int = 0

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
        self._shown: list[Word] = []
        self._seen: dict[tuple[bytes, int], None] = {}
        self._heads = 0

    @property
    def mark(self) -> int:
        """How much it has said so far; for ``take``, at the beginning of a session."""
        return self._arrived

    def take(self, receipt: Receipt, now: int, since: int = 0) -> Fault | None:
        """Takes what the node said to this device; gives what contradicts something it said before.

        Args:
            since: the mark when the session began on which it came. What another session brought meanwhile
                may have been signed later.
        """
        whole = self._whole if receipt.whole else None
        if whole is not None and whole.at > since and whole.receipt.number > receipt.number:
            return None
        word = self._enter(receipt)
        if not receipt.whole:
            return None
        word.since = since
        fault = self._judge(word, now)
        shown, self._shown = self._shown, []
        return self._judge_shown(shown, now) or fault

    def knows(self, key: bytes, number: int) -> bool:
        """Whether what it signed so was shown or said before: it need not even be verified once more."""
        return (key, number) in self._seen

    def take_shown(self, receipts: Iterable[Receipt], now: int) -> Fault | None:
        """Takes what the node said to another member, who shows it."""
        words = [Word(each, 0) for each in receipts if not self.knows(each.key, each.number)]
        for word in words:
            word.look_at(self._book, word.receipt.tips)
        return self._judge_shown(words, now)

    def to_show(self) -> list[Receipt]:
        """For another member: the newest whole receipt, what it does not say, and older ones that fit."""
        firsts = {word.at: word for word in self._first.values() if word is not self._whole}
        words = [*filter(None, [self._whole]), *firsts.values(), *reversed(self._older)]
        room = SHOWN_BYTES
        shown = []
        for word in dict.fromkeys(words):
            room -= RECEIPT_BYTES + HEAD_BYTES * len(word.receipt.tips)
            if room >= 0:
                shown.append(word.receipt)
        return shown

    @property
    def key(self) -> bytes:
        """What the node signs with, by its newest word to this device; empty before the first."""
        newest = self._whole or next(reversed(self._words.values()), None)
        return newest.receipt.key if newest is not None else b""

    @property
    def doubts(self) -> bool:
        """Whether it said to others what it has not said to this device yet: then it should be asked."""
        return any(self._is_open(word) for word in self._shown)

    def arrived(self, logs: Collection[LogId], now: int) -> Fault | None:
        """Segments of some logs came, or records: what is said of them counts from now on."""
        shown = [word for word in self._shown if self._may_be_judged(word, logs)]
        for word in shown:
            self._shown.remove(word)
            for log in [log for log in logs if log in word.ahead]:
                word.look_at(self._book, word.ahead.pop(log))
        fault = self._judge_shown(shown, now)
        reaching = [word for word in self._ahead if not word.ahead.keys().isdisjoint(logs)]
        for word in reaching:
            for log in [log for log in logs if log in word.ahead]:
                word.look_at(self._book, word.ahead.pop(log))
            if not word.ahead:
                self._ahead.remove(word)
            self._note(word)
        if reaching and self._whole is not None:
            fault = self._judge(self._whole, now) or fault
        return fault

    @property
    def covers_all(self) -> bool:
        """Whether everything that is here is saved there."""
        branches = self._book.numbered.values()
        return all(self.saved.get(branch.number, branch.first - 1) >= branch.tip for branch in branches)

    def has_again(self, fault: Fault) -> bool:
        """Whether the node says by now that it has what it lacked."""
        branches, saved = self._book.branches, self.saved
        return all(self._knows(epoch) for epoch in fault.epochs) and all(
            any(saved.get(each.number, 0) >= last for each in branches.get(log, ()))
            for log, _, last in fault.missing
        )

    def _knows(self, epoch: EpochId) -> bool:
        graph, known = self._book.plain_graph, self._book.epochs
        said = self._whole.receipt.epochs if self._whole is not None else ()
        return epoch in known and graph.covers(graph.past(each for each in said if each in known), epoch)

    # -- keeping --------------------------------------------------------------------------------

    def _enter(self, receipt: Receipt) -> Word:
        self._arrived += 1
        self._see(receipt)
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
        if self._heads > MAX_HEADS:
            self._forget(self._oldest())
        return word

    def _see(self, receipt: Receipt) -> None:
        self._seen[receipt.key, receipt.number] = None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def _oldest(self) -> list[Word]:
        """Words beyond what is kept, and some more: to forget is dear, and not done for each that comes."""
        oldest: list[Word] = []
        heads = self._heads
        for word in self._words.values():
            if heads <= MAX_HEADS - MAX_HEADS // 8:
                break
            if word is not self._whole:
                oldest.append(word)
                heads -= len(word.receipt.tips)
        return oldest

    def _grow_old(self, word: Word) -> None:
        """Makes room by the one whose neighbours are closest together, beside how long ago that was."""
        older = self._older = sorted([*self._older, word], key=lambda each: each.receipt.number)
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
                    if not first.firsts and first is not self._whole and first not in self._older:
                        self._grow_old(first)
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
        self._older = [word for word in self._older if word.at in self._words]
        self._ahead = [word for word in self._ahead if word.at in self._words]
        self._first = {}
        rest = list(self._words.values())
        for word in rest:
            word.firsts = 0
        for word in rest:
            self._note(word)

    # -- judging --------------------------------------------------------------------------------

    def _judge(self, whole: Word, now: int) -> Fault | None:
        """Holds against a whole word what the node said before; once, so what was held is forgotten."""
        before = [
            word
            for word in self._words.values()
            if word.at <= whole.since or (word.at < whole.at and word.receipt.number < whole.receipt.number)
        ]
        held, fault = self._compare(Against.HERE, before, whole, now)
        if fault is not None:
            self._forget(held)
        return fault

    def _judge_shown(self, words: Iterable[Word], now: int) -> Fault | None:
        """Holds words that others were given against those given here, both ways, by the node's numbers."""
        fault = None
        for word in words:
            for whole in (*self._older, *filter(None, [self._whole])):
                if whole.receipt.whole and _is_before(word, whole):
                    fault = self._compare(Against.HIDDEN, [word], whole, now)[1] or fault
            if word.receipt.whole:
                before = [own for own in self._words.values() if _is_before(own, word)]
                fault = self._compare(Against.ELSEWHERE, before, word, now)[1] or fault
            by_it = self.key in (b"", word.receipt.key)  # until it says a word, any key could be its own
            self._see(word.receipt)
            if by_it and (word.ahead or not self._knows_epochs(word) or self._is_open(word)):
                self._shown.append(word)
        for word in self._shown[:-MAX_SHOWN]:  # not judged, so they may come again
            self._seen.pop((word.receipt.key, word.receipt.number), None)
        self._shown = self._shown[-MAX_SHOWN:]
        return fault

    def _may_be_judged(self, word: Word, logs: Collection[LogId]) -> bool:
        return self._knows_epochs(word) if not word.ahead else not word.ahead.keys().isdisjoint(logs)

    def _knows_epochs(self, word: Word) -> bool:
        return all(epoch in self._book.epochs for epoch in word.receipt.epochs)

    def _is_open(self, word: Word) -> bool:
        """Whether a word given to somebody else says more than all that was said here, and is not older."""
        whole = self._whole
        if whole is None or word.receipt.number <= whole.receipt.number:
            return whole is None
        lacking = self._lacking(word, whole, self._within(whole)).items()
        return bool(word.ahead) or any(self.saved.get(branch, 0) < seq for branch, seq in lacking)

    def _compare(
        self, against: Against, before: Iterable[Word], whole: Word, now: int
    ) -> tuple[list[Word], Fault | None]:
        held, farthest, newest = [], dict[int, int](), dict[EpochId, None]()
        within = self._within(whole)
        for word in before:
            lacking, newer = self._lacking(word, whole, within), self._newer(word, whole)
            if lacking or newer:
                held.append(word)
                newest.update(dict.fromkeys(newer))
            for number_, seq in lacking.items():
                farthest[number_] = max(seq, farthest.get(number_, 0))
        runs = []
        for number_, seq in farthest.items():
            branch = self._book.numbered[number_]
            runs.append((branch.log, whole.reach.get(number_, branch.first - 1) + 1, seq))
        receipts = tuple(word.receipt for word in held[-MAX_PROOFS:])
        fault = Fault(against, now, receipts, whole.receipt, tuple(runs), tuple(newest))
        if not held or (against is not Against.HERE and self._is_told(fault)):
            return held, None
        self.faults = [*self.faults[: MAX_FAULTS - 1], fault]
        return held, fault

    def _is_told(self, fault: Fault) -> bool:
        """Whether all of it was found before: members tell each other the same from both sides."""
        runs = [run for told in self.faults for run in told.missing]
        epochs = {epoch for told in self.faults for epoch in told.epochs}
        return epochs.issuperset(fault.epochs) and all(
            any(log == known and seq <= last for known, _, last in runs) for log, _, seq in fault.missing
        )

    def _newer(self, had: Word, whole: Word) -> list[EpochId]:
        """The newest epochs of a word that follow one of which a whole word says that none follows it."""
        graph, known = self._book.plain_graph, self._book.epochs
        ends = [epoch for epoch in whole.receipt.epochs if epoch in known]
        return [
            epoch
            for epoch in had.receipt.epochs
            if epoch in known and any(end != epoch and graph.covers(graph.past([epoch]), end) for end in ends)
        ]

    def _within(self, whole: Word) -> int:
        book = self._book
        return book.plain_graph.past(epoch for epoch in whole.receipt.epochs if epoch in book.epochs)

    def _lacking(self, had: Word, whole: Word, within: int) -> dict[int, int]:
        """Branches into which one word reaches farther than a whole one, and how far.

        Args:
            within: the epochs for which it is whole, and their past.

        Of logs that the node might not show by what was proved to it nothing is said; nor of those of
        which it has something that is not here yet.
        """
        book = self._book
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
        words = [receipt_value(word.receipt) for word in self._words.values()]
        faults = [fault.value() for fault in self.faults]
        return [words, faults]

    def restore(self, value: object) -> None:
        """Raises RemoteProtocolError where it is not what ``stored`` gave. Signatures were checked before."""
        words, faults = array(value, 2, "node words")
        for each in many(words, MAX_HEADS, "receipts"):
            self._enter(kept_receipt(each))
        self.faults = [kept_fault(each) for each in many(faults, MAX_FAULTS, "faults")]


def _is_before(word: Word, whole: Word) -> bool:
    return word.receipt.number < whole.receipt.number and word.receipt.key == whole.receipt.key
