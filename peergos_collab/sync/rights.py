"""What the other side of a session may have and give of one object, by the keys it proved.

    proof = signature, tag "s proof", over  channel ‖ our nonce ‖ object ‖ epoch

A proof of any epoch lets it have membership records, so that who was away catches up. Segments need a
proof of a *newest* epoch, one that no known epoch follows: it counts for that epoch and all before it.
So when a new epoch arrives, what was proved for its parents counts no more at that very moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..codec.ids import EpochId
from ..codec.shape import array, blob, many, number
from ..crypto import Tag
from ..errors import RemoteProtocolError
from ..objects.certificates import Certificate
from ..objects.epoch_keys import Level
from ..objects.records import Epoch
from ..values import dataclass
from .arrivals import Record
from .epoch_graph import EVERYTHING
from .logbook import LogBook

MAX_PROOFS: Final = 16
"""Proofs in one frame."""

MAX_WAITING: Final = 64
"""Proofs of epochs whose records are not here yet that are kept: all parents one epoch can name."""


@dataclass(frozen=True, slots=True)
class UnverifiedProof:
    """A claim to hold the read or write key of an epoch, which nobody has checked."""

    epoch: EpochId
    level: Level
    signature: bytes


def proofs_untrusted(value: object) -> list[UnverifiedProof]:
    """Raises RemoteProtocolError."""
    found = []
    for item in many(value, MAX_PROOFS, "proofs"):
        epoch, level, signature = array(item, 3, "proof")
        level = Level(number(level, Level.READ, Level.WRITE, "proof level"))
        found.append(
            UnverifiedProof(EpochId(blob(epoch, 32, "epoch id")), level, blob(signature, 64, "proof"))
        )
    return found


class Rights:
    """See the module's text.

    Args:
        claim: what a proof signs, up to the epoch.
        trusted: the other side is a node: it proves nothing, and is given nothing but ciphertext.
        to_give: the level at which it must have proved an epoch to give segments of it: a node wants
            writers, a member takes from any member what a writer signed.
    """

    def __init__(
        self, book: LogBook, claim: bytes, *, trusted: bool = False, to_give: Level = Level.READ
    ) -> None:
        self.proved: dict[EpochId, Level] = {}
        self._book = book
        self._claim = claim
        self._trusted = trusted
        self._to_give = to_give
        self._waiting: dict[EpochId, UnverifiedProof] = {}
        self._judged = -1
        self._have = self._give = EVERYTHING if trusted else 0

    @property
    def knows(self) -> bool:
        """Whether it may have membership records."""
        self._judge()
        return self._trusted or bool(self.proved)

    @property
    def have(self) -> int:
        """The epochs of which it may have segments."""
        self._judge()
        return self._have

    @property
    def give(self) -> int:
        """The epochs of which segments and certificates are taken from it."""
        self._judge()
        return self._give

    @property
    def newest(self) -> frozenset[EpochId]:
        """The newest epochs it proved: who shares one with another hears what the other says in passing."""
        return frozenset(self.proved.keys() & self._book.graph.newest.keys())

    def take_untrusted(self, proofs: Iterable[UnverifiedProof]) -> None:
        """Takes proofs; those of epochs that are not known here wait for the record.

        Raises:
            RemoteProtocolError: one of them is false.
        """
        for proof in proofs:
            if proof.epoch in self._book.epochs:
                self._check(proof)
            else:
                self._waiting.pop(proof.epoch, None)
                self._waiting[proof.epoch] = proof
                if len(self._waiting) > MAX_WAITING:
                    del self._waiting[next(iter(self._waiting))]

    @property
    def waits(self) -> bool:
        """Whether it proved something that could not be checked yet."""
        return bool(self._waiting)

    def admits(self, record: Record) -> bool:
        """Whether a record is taken from it.

        An epoch ends what its parents' proofs are worth, so who brings one has proved a read key of each
        of them: else an ex-member could make one that follows today's, and shut everybody out.
        """
        if self._trusted:
            return True
        self._judge()
        if isinstance(record, Epoch):
            return record.first or all(parent in self.proved for parent in record.parents)
        if isinstance(record, Certificate):
            return self._book.graph.covers(self._give, record.epoch)
        return record.epoch in self.proved

    def _check(self, proof: UnverifiedProof) -> None:
        keys = self._book.epochs[proof.epoch].keys
        keys.sign[proof.level].verify(Tag.SIGN_PROOF, self._claim + proof.epoch, proof.signature)
        self.proved[proof.epoch] = max(proof.level, self.proved.get(proof.epoch, proof.level))
        self._judged = -1

    def _judge(self) -> None:
        """Judges anew if an epoch or a proof came since the last time."""
        graph = self._book.graph
        if self._trusted or self._judged == graph.version:
            return
        for epoch in [epoch for epoch in self._waiting if epoch in self._book.epochs]:
            try:
                self._check(self._waiting.pop(epoch))
            except RemoteProtocolError:
                pass  # proves nothing
        newest = self.newest
        self._have = graph.past(newest)
        self._give = graph.past(epoch for epoch in newest if self.proved[epoch] >= self._to_give)
        self._judged = graph.version
