"""Whether all that is in a document was written where it could be: see ``neighbours``.

To find it out takes time in proportion to the document, so it is done in a pause, from a state. From then on
each update is looked at before it is taken. A document that is made anew from its whole history begins so.
"""

from __future__ import annotations

from typing import Final

from .neighbours import Neighbours
from .structure import structs_of

_MOST_WAITING: Final = 1_000
_MOST_AT_ONCE: Final = 500
"""Structs; a hostile order of many more takes seconds to look at one by one, and little in a state."""


class Proof:
    """What is known of one document. Nothing, to begin with.

    Args:
        puts_off: what takes long to look at comes in all the same, and leaves all in doubt again.
    """

    def __init__(self, *, puts_off: bool = True) -> None:
        self.puts_off = puts_off
        self._order: Neighbours | None = None
        self._waiting: list[bytes] | None = None
        self.has_unseen = False
        """Whether something came in that was not looked at yet. If it names no neighbours, what a state shows
        depends on the order in which the engine reads it."""

    @property
    def holds(self) -> bool:
        """Whether all that is in it is true."""
        return self._order is not None

    def begin(self) -> None:
        """From now on updates are kept until ``end``: a state as of now is looked at."""
        self._waiting = []

    def end(self, order: Neighbours | None) -> bool:
        """Takes the order of that state, and looks at what came meanwhile; False where something is false."""
        if self.holds or self._waiting is None:
            return True  # it was found out in another way, or has to be once more
        self._order = order
        if order is None or not self._place_waiting():
            self.drop()
            return False
        self.has_unseen = False
        return True

    def drop(self) -> None:
        """Nothing is known any more."""
        self._order = self._waiting = None

    def note(self, update: bytes) -> None:
        """Takes an update that was made here."""
        if self._waiting is not None:
            self._waiting.append(update)
            if self.holds and len(self._waiting) > _MOST_WAITING and not self._place_waiting():
                self.drop()

    def takes(self, update: bytes, structs: int) -> bool:
        """Whether an update of so many structs may come in from elsewhere: where nothing is known, it may."""
        long = self.puts_off and structs > _MOST_AT_ONCE
        if long or (self.holds and not self._place_waiting()):
            self.drop()  # what was made here is no reason to refuse what others made
        if self._order is None:
            self.has_unseen = True
            self.note(update)
            return True
        return self._order.place(structs_of(update))

    def _place_waiting(self) -> bool:
        waiting, self._waiting = self._waiting or [], []
        order = self._order
        return order is not None and all(order.place(structs_of(update)) for update in waiting)


def proved_empty() -> Proof:
    """The proof of a document in which nothing is, and in which nothing is put off."""
    proof = Proof(puts_off=False)
    proof.begin()
    proof.end(Neighbours())
    return proof
