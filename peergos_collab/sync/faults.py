"""Faults: two words of a node that contradict each other, with the receipts that show it."""

from __future__ import annotations

import enum
from typing import Any, Final

from ..codec.ids import EpochId, LogId
from ..codec.shape import array, blob, many, number
from ..crypto import VerifyKey
from ..values import dataclass
from .heads import MAX_TIPS
from .receipts import Receipt

MAX_PROOFS: Final = 64
"""Receipts that are kept of one fault."""


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
        epochs: newest epochs that it knew of, where it later took older ones for the newest.
    """

    against: Against
    time: int
    had: tuple[Receipt, ...]
    lacks: Receipt
    missing: tuple[Run, ...]
    epochs: tuple[EpochId, ...] = ()

    @property
    def proved(self) -> bool:
        """Whether the node's own numbers say which is the later; if not, only this device knows it."""
        return all(had.number < self.lacks.number and had.key == self.lacks.key for had in self.had)

    def value(self) -> list[Any]:
        """For ``kept_fault``."""
        return [
            int(self.against),
            self.time,
            [receipt_value(had) for had in self.had],
            receipt_value(self.lacks),
            [list(run) for run in self.missing],
            list(self.epochs),
        ]


def receipt_value(receipt: Receipt) -> list[Any]:
    """For ``kept_receipt``."""
    return [receipt.key, receipt.fields()]


def kept_receipt(value: object) -> Receipt:
    """What this device verified before. Raises RemoteProtocolError where it is nothing like it."""
    key, fields = array(value, 2, "receipt")
    return Receipt.parse_untrusted(fields).kept(VerifyKey(blob(key, 32, "receipt key")))


def kept_fault(value: object) -> Fault:
    """The same for a fault."""
    against, time, had, lacks, missing, epochs = array(value, 6, "fault")
    runs = [array(run, 3, "run") for run in many(missing, MAX_TIPS, "runs")]
    return Fault(
        Against(number(against, 0, 2, "fault")),
        number(time, 0, 2**53, "time"),
        tuple(kept_receipt(each) for each in many(had, MAX_PROOFS, "receipts")),
        kept_receipt(lacks),
        tuple((LogId(log), first, last) for log, first, last in runs),
        tuple(EpochId(blob(epoch, 32, "epoch id")) for epoch in many(epochs, MAX_TIPS, "epochs")),
    )
