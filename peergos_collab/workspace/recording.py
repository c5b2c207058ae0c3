"""A document that keeps what each segment changed, what each builds on, and what versions are called."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import field
from itertools import islice
from typing import Final

from ..codec import encode, to_multibase
from ..codec.ids import AccountId, DeviceId, ObjectId, PrincipalId, RunId, SegmentId
from ..crypto import Tag, hash256
from ..documents import Change, Document, Past
from ..documents.version_names import NamedVersion, Naming, VersionNames, naming_in_untrusted
from ..errors import Quarantined
from ..objects.payload import Author, Delivery, Kind
from ..ports import Clock
from ..sync.bases import Base
from ..sync.journal import LocalChange
from ..values import dataclass
from .folds import DocumentFold

BEFORE: Final = Author(
    AccountId(bytes(32)), DeviceId(bytes(32)), PrincipalId(bytes(32)), "before you were added"
)
"""Stands for all who wrote what somebody was given with a document that was shared with him from now on."""

FORGOTTEN: Final = Author(AccountId(bytes(32)), DeviceId(bytes(32)), PrincipalId(bytes(32)), "forgotten")
"""Stands for all who wrote what is forgotten."""

ID_BYTES: Final = 8
_CLIENT: Final = 1
"""Of a text that nobody else ever sees."""


def change_id(device: DeviceId, run: RunId, number: int) -> str:
    return to_multibase(hash256(Tag.CHANGE_ID, encode([device, run, number]))[:ID_BYTES])


def named_id(version: NamedVersion) -> str:
    return to_multibase(hash256(Tag.CHANGE_ID, encode(version.fields()))[:ID_BYTES])


@dataclass(frozen=True, slots=True)
class Step:
    """An update that entered the document: of a segment, of a base, or a local change in no segment yet.

    Args:
        segment: None for the others.
        first, last: numbers, within the run, of the changes in it.
        after: how many segments had been delivered with it.
        place: how many steps had changed the text with it.
    """

    segment: SegmentId | None
    run: RunId
    first: int
    last: int
    author: Author
    time: int
    content: bytes = field(repr=False)
    after: int
    place: int

    @property
    def is_of_base(self) -> bool:
        """Whether it stands for what others wrote, who is not known."""
        return self.author in {BEFORE, FORGOTTEN}

    @property
    def id(self) -> str:
        """Names the version that ends with it."""
        return change_id(self.author.device, self.run, self.last)


class RecordingFold(DocumentFold):
    """See the module's text. All is delivered to it in canonical order."""

    def __init__(self, object_id: ObjectId, device: DeviceId, run: RunId, clock: Clock) -> None:
        super().__init__(object_id, device, run, clock)
        self.names = VersionNames()
        self.past = Past()
        self.forgotten: tuple[Author, int] | None = None
        """Who had forgotten how the text came about, and when, by his clock."""
        self.told: list[Step] = []
        """The steps that changed the text, one for each change in ``past``."""
        self._steps: list[Step] = []
        self._below: dict[SegmentId, tuple[SegmentId, ...]] = {}
        self._runs: dict[RunId, dict[DeviceId, list[Step]]] | None = None
        self._change: Change | None = None
        self.document.on_change(self._keep)

    def _keep(self, change: Change) -> None:
        self._change = change

    # -- as it is delivered ---------------------------------------------------------------------

    def take_untrusted(self, delivery: Delivery) -> None:
        if delivery.kind is Kind.NAME:
            naming = naming_in_untrusted(delivery)
            if not delivery.skip:
                self.names.take(naming, delivery.author, delivery.time)
            self.pass_by(delivery)
            return
        super().take_untrusted(delivery)
        self.pass_by(delivery)
        self._record(
            delivery.segment, delivery.run, delivery.first, delivery.count,
            delivery.author, delivery.time, delivery.content,
        )  # fmt: skip

    def pass_by(self, delivery: Delivery) -> None:
        previous = (delivery.previous,) if delivery.previous is not None else ()
        self._below[delivery.segment] = (*previous, *delivery.cites)

    def take_base_untrusted(self, base: Base, state: bytes) -> None:
        super().take_base_untrusted(base, state)
        if base.for_all:
            self.forgotten = base.author, base.time
        author = FORGOTTEN if base.for_all else BEFORE
        self._record(None, RunId(base.id[:16]), 0, 1, author, base.time, state)

    def take_unsealed(self, changes: Iterable[LocalChange], author: Author) -> None:
        """Takes local changes that are in no segment yet."""
        for change in changes:
            if change.kind is Kind.NAME:
                self.names.take(Naming.decode_untrusted(change.content), author, change.time)
                continue
            self.document.apply_own(change.content)
            self._record(None, change.run, change.number, 1, author, change.time, change.content)

    def _record(
        self,
        segment: SegmentId | None,
        run: RunId,
        first: int,
        count: int,
        author: Author,
        time: int,
        content: bytes,
    ) -> None:
        change, self._change = self._change, None
        if change is not None:
            self.past.add(change.edits)
        after, place = len(self._below), len(self.past)
        step = Step(segment, run, first, first + count - 1, author, time, content, after, place)
        self._steps.append(step)
        if change is not None:
            self.told.append(step)

    # -- versions that have a name --------------------------------------------------------------

    def find(self, version: NamedVersion) -> Step | None:
        """The last step in a version that has a name."""
        if self._runs is None:
            self._runs = {}
            for each in sorted(self._steps, key=lambda step: step.last):
                self._runs.setdefault(each.run, {}).setdefault(each.author.device, []).append(each)
        of_run = self._runs.get(version.run, {})
        of_device = (of_run[device] for device in of_run if version.device in (None, device))
        found = [step for steps in of_device if (step := _with_change(steps, version.number))]
        if len(found) > 1:  # somebody took another's run for his own
            inside = self._all_below(version.heads)
            found = [step for step in found if step.segment in inside]
        return max(found, key=lambda step: step.place, default=None)

    def version(self, place: int) -> NamedVersion:
        """What was delivered up to a place in the past, as others can be told it."""
        last = self.told[place - 1]
        after = last.after if place < len(self.told) else len(self._below)
        ids = list(islice(self._below, after))
        below = {each for id_ in ids for each in self._below[id_]}
        heads = tuple(sorted(id_ for id_ in ids if id_ not in below))
        return NamedVersion(heads, last.author.device if last.segment is None else None, last.run, last.last)

    def heads(self, place: int) -> set[SegmentId]:
        """The segments that had been delivered at a place in the past."""
        after = self.told[place - 1].after if 0 < place < len(self.told) else len(self._below) * bool(place)
        return set(islice(self._below, after))

    def of_version(self, version: NamedVersion) -> tuple[Past, list[Step]]:
        """The past of what has a name, as it was for whoever gave it, and its steps; as dear as the whole."""
        last = self.find(version)
        if last is None:
            return Past(), []
        inside = self._all_below(version.heads)
        if version.device is None and last.segment is not None:
            inside |= self._all_below([last.segment])  # else a liar's would not hold what it ends with
        document, past, told = Document(_CLIENT), Past(), []
        changes: list[Change] = []
        document.on_change(changes.append)
        on = True
        for step in self._steps:
            unsealed_then = on and step.author.device == version.device
            on &= step is not last
            if not (unsealed_then or step.segment in inside or step.is_of_base):
                continue
            try:
                document.apply_own(step.content)
            except Quarantined:
                continue  # it builds on what a liar left out
            for change in changes:
                past.add(change.edits)
                told.append(step)
            changes.clear()
        return past, told

    def _all_below(self, heads: Iterable[SegmentId]) -> set[SegmentId]:
        inside: set[SegmentId] = set()
        todo = list(heads)
        while todo:
            id_ = todo.pop()
            if id_ not in inside and id_ in self._below:
                inside.add(id_)
                todo += self._below[id_]
        return inside


def _with_change(steps: list[Step], number: int) -> Step | None:
    """The step of a run that holds a change."""
    at = bisect_left(steps, number, key=lambda step: step.last)
    return steps[at] if at < len(steps) and steps[at].first <= number else None
