"""The past of a document: its versions, who wrote which part when, and what the text was at any of them.

All stored segments are delivered once more, apart and in canonical order, to a document that keeps what each
of them changed. So all members see the same past. A version is named by the last local change in it, of the
process that made it; what comes later, but stands before it in that order, comes into it as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..codec import encode, to_multibase
from ..codec.ids import AccountId, DeviceId, ObjectId, PrincipalId, RunId
from ..crypto import Tag, hash256
from ..documents import Change, Past
from ..errors import NotFound, UsageError
from ..objects.payload import Author, Delivery
from ..ports import Clock
from ..sync.bases import Base
from ..sync.journal import LocalChange
from ..sync.unsealed import SITTING
from ..values import dataclass
from .api import Passage, Version
from .called import Names
from .folds import DocumentFold

NOW: Final = "now"
"""Names the newest version, whichever that is."""
BEFORE: Final = Author(
    AccountId(bytes(32)), DeviceId(bytes(32)), PrincipalId(bytes(32)), "before you were added"
)
"""Stands for all who wrote what somebody was given with a document that was shared with him from now on."""

LEAST_PREFIX: Final = 6
_NAME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known beside its edits of a segment, or of a local change that is in none yet.

    Args:
        first, last: numbers, within the run, of the changes in it.
    """

    run: RunId
    first: int
    last: int
    author: Author
    time: int

    @property
    def id(self) -> str:
        return _name(self.run, self.last)


class RecordingFold(DocumentFold):
    """A document that keeps what each segment changed."""

    def __init__(self, object_id: ObjectId, device: DeviceId, run: RunId, clock: Clock) -> None:
        super().__init__(object_id, device, run, clock)
        self.past = Past()
        self.told: list[_Told] = []
        self._change: Change | None = None
        self.document.on_change(self._keep)

    def _keep(self, change: Change) -> None:
        self._change = change

    def take_untrusted(self, delivery: Delivery) -> None:
        super().take_untrusted(delivery)
        last = delivery.first + delivery.count - 1
        self._record(_Told(delivery.run, delivery.first, last, delivery.author, delivery.time))

    def take_base_untrusted(self, base: Base, state: bytes) -> None:
        super().take_base_untrusted(base, state)
        self._record(_Told(RunId(base.id[:16]), 0, 0, BEFORE, base.time))

    def take_unsealed(self, changes: Iterable[LocalChange], author: Author) -> None:
        """Takes local changes that are in no segment yet."""
        for change in changes:
            self.document.apply_own(change.content)
            self._record(_Told(change.run, change.number, change.number, author, change.time))

    def _record(self, told: _Told) -> None:
        change, self._change = self._change, None
        if change is not None:
            self.past.add(change.edits)
            self.told.append(told)


class DocumentPast:
    """What a ``RecordingFold`` kept, as people are shown it."""

    def __init__(self, recorded: RecordingFold, names: Names) -> None:
        self._past = recorded.past
        self._told = recorded.told
        self._names = names

    def versions(self) -> list[Version]:
        """The newest first."""
        return [self._version(start, stop) for start, stop in self._sittings()][::-1]

    def _sittings(self) -> Iterator[tuple[int, int]]:
        """Changes that belong together, as ranges of their numbers."""
        start = 0
        for number in range(1, len(self._told) + 1):
            if number == len(self._told) or not _together(self._told[number - 1], self._told[number]):
                yield start, number
                start = number

    def _version(self, start: int, stop: int) -> Version:
        last = self._told[stop - 1]
        added, removed = self._past.size(start, stop)
        called = self._names.of(last.author.account, last.author.name)
        return Version(
            last.id, last.time, called.name, to_multibase(last.author.account), added, removed,
            me=called.me, unverified=called.unverified,
        )  # fmt: skip

    def text(self, version: str) -> str:
        """What the text was. Raises NotFound, UsageError."""
        return self._past.text(self._find(version))

    def passages(self, version: str) -> list[Passage]:
        """Who wrote which part of a version's text, and when. Raises NotFound, UsageError."""
        passages = []
        for stretch in self._past.stretches(self._find(version)):
            told = self._told[stretch.change]
            called = self._names.of(told.author.account, told.author.name)
            passages.append(Passage(
                stretch.start, stretch.end, told.id, told.time, called.name,
                to_multibase(told.author.account), me=called.me, unverified=called.unverified,
            ))  # fmt: skip
        return passages

    def _find(self, version: str) -> int:
        """How many changes a version holds, by its name or the begin of it."""
        if version == NOW:
            return len(self._told)
        found = [number for number, told in enumerate(self._told, 1) if told.id.startswith(version)]
        # A name from before its change was sealed, together with later ones.
        found = found or [
            number
            for number, told in enumerate(self._told, 1)
            if any(_name(told.run, change).startswith(version) for change in range(told.first, told.last))
        ]
        if len(version) < LEAST_PREFIX or len(found) > 1:
            raise UsageError(
                f"{version!r} is too short to name one version; nothing was changed",
                hint="Write more of the name that 'pgc doc history --json' gives.",
            )
        if not found:
            raise NotFound(
                f"there is no version {version!r} here; nothing was changed",
                hint="'pgc doc history' shows those there are.",
            )
        return found[0]


def _together(one: _Told, two: _Told) -> bool:
    return one.run == two.run and abs(two.time - one.time) < SITTING


def _name(run: RunId, change: int) -> str:
    return to_multibase(hash256(Tag.CHANGE_ID, encode([run, change]))[:_NAME_BYTES])
