"""What a kind of object does with the payloads of its segments."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol, Self, TypeAlias

from ..codec.ids import DeviceId, RunId
from ..errors import Damaged
from ..objects.payload import Delivery, Kind
from .bases import Base

Missing: TypeAlias = tuple[int, int]
"""What a segment builds on and the fold lacks: a client id and a clock of a document."""


class StateDamaged(Damaged):
    """Of what was saved of a fold's state, a part cannot be read; the segments may be whole."""


class Fold(Protocol):
    """Folds payloads into state: a document, a timeline, a map of entries.

    ``take_untrusted`` is called in causal order, once per segment. A local change is in the state
    before the replica hears of it (documents) or enters it when its segment is sealed (the others).
    """

    @property
    def kind(self) -> Kind:
        """What its object is."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """What payloads it takes."""

    @property
    def has_unsealed(self) -> bool:
        """Whether local changes are in its state before they are in a segment."""

    @property
    def size(self) -> int:
        """Bytes of content a user would count; cheap."""

    @property
    def in_doubt(self) -> bool:
        """Whether it may hold what delivering all anew would refuse: it looks at some things only later."""

    def id_of(self, device: DeviceId, run: RunId) -> Hashable:
        """Under which id the state keeps what a run wrote: two runs may have one."""

    def begin_anew(self) -> None:
        """All is delivered to it once more, from the start: now nothing may wait to be looked at."""

    def take_untrusted(self, delivery: Delivery) -> None:
        """Takes a colleague's payload, of which ``delivery.skip`` changes are in the state already.

        Raises:
            NotYet: it builds on what is not here, though all that it cites is; nothing was changed.
            Quarantined: it breaks a rule; nothing was changed.
            StateDamaged: it cannot enter the state; nothing was changed.
        """

    def knows(self, missing: Missing) -> bool:
        """Whether what a NotYet of this fold named is here."""

    def take_own(self, delivery: Delivery) -> None:
        """Takes a segment this device has just sealed."""

    def take_base_untrusted(self, base: Base, state: bytes) -> None:
        """Takes the state of a base, of which it may know a part already.

        Raises:
            Quarantined: it breaks a rule, or this kind of object has none; nothing was changed.
        """

    def pass_by(self, delivery: Delivery) -> None:
        """A segment without content for this fold: only its place in the causal order counts."""

    def combine(self, changes: Sequence[bytes]) -> bytes:
        """One content from local changes of one run, in order."""

    def restore(self, change: bytes, time: int) -> None:
        """Takes a local change back from the journal; ``time`` is when it was made, ms since 1970."""

    def last_named(self, naming: bytes) -> tuple[RunId, int]:
        """The last change in what a local change of kind NAME names: a segment ends with it."""

    def forget(self, count: int) -> None:
        """The oldest ``count`` local changes turned out to be in a segment already."""

    def adopt(self, anew: Self, unsealed: Sequence[bytes]) -> list[int]:
        """Takes the state of another fold, to which everything sealed was delivered once more.

        Args:
            unsealed: local changes on top, in order.

        Returns:
            Which of those could not be kept, by position.
        """

    def snapshot_state(self) -> bytes | None:
        """The whole state for a snapshot; None for kinds that have none."""

    def dirty_state(self) -> Mapping[bytes, bytes | None]:
        """Parts of the state that changed since the last call, by key; secret bytes, to be sealed.

        None for one that is no more.
        """

    def load_state(self, load: Callable[[bytes], bytes | None]) -> bool:
        """Takes the state back; ``load`` gives a part by its key. False where none was saved."""
