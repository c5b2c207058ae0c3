"""What a session tells its owner: each frame that means something to more than the session itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..codec.ids import ObjectId
from ..crypto import VerifyKey
from .heads import Tip


@dataclass(frozen=True, slots=True)
class Greeted:
    """The other side said hello. ``receipt_key`` is a node's; None for a peer."""

    receipt_key: VerifyKey | None


@dataclass(frozen=True, slots=True)
class Opened:
    """The other side opened an object, and proved that it may."""

    object: ObjectId


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The other side has sent everything it had when we opened the object."""

    object: ObjectId


@dataclass(frozen=True, slots=True)
class RecordsCame:
    object: ObjectId
    raws: list[bytes]


@dataclass(frozen=True, slots=True)
class SegmentsCame:
    """``size`` is what to give back with ``grant_credit`` once they are worked off."""

    object: ObjectId
    raws: list[bytes]
    size: int


@dataclass(frozen=True, slots=True)
class EphemeralCame:
    object: ObjectId
    key: bytes
    counter: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ReceiptCame:
    """A node's signed word that these heads are durable there; the signature is checked.

    ``whole`` says that these are all the heads it has, as after each opening.
    """

    object: ObjectId
    tips: list[Tip]
    whole: bool


@dataclass(frozen=True, slots=True)
class SnapshotCame:
    """The answer to ``get_snapshot``, not verified; ``raw`` is empty where it is not there."""

    object: ObjectId
    certificates: list[bytes]
    raw: bytes


@dataclass(frozen=True, slots=True)
class RefusedCame:
    object: ObjectId | None
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class DropOffered:
    raw: bytes


@dataclass(frozen=True, slots=True)
class DropWanted:
    public: bytes


@dataclass(frozen=True, slots=True)
class DropCame:
    """``raw`` is empty where there is no such drop."""

    public: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Ponged:
    number: int


SessionEvent = (
    Greeted
    | Opened
    | CaughtUp
    | RecordsCame
    | SegmentsCame
    | EphemeralCame
    | ReceiptCame
    | SnapshotCame
    | RefusedCame
    | DropOffered
    | DropWanted
    | DropCame
    | Ponged
)
