"""What a session tells its owner: each frame that means something to more than the session itself."""

from __future__ import annotations

from ..codec.ids import MailAddress, ObjectId, RecordId
from ..crypto import VerifyKey, Watchword
from ..objects.archives import Archive
from ..objects.mail import Mail
from ..values import dataclass
from .collections import Range
from .receipts import Receipt, UnverifiedReceipt


@dataclass(frozen=True, slots=True)
class Greeted:
    """The other side said hello. ``receipt_key`` is a node's; None for a peer."""

    receipt_key: VerifyKey | None


@dataclass(frozen=True, slots=True)
class Met:
    """The other side opened an object and proved a key of it, maybe only an old one."""

    object: ObjectId


@dataclass(frozen=True, slots=True)
class Closed:
    """The other side wants to hear no more of an object."""

    object: ObjectId


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
class ClosedArchiveCame:
    """An archive in place of segments, whose keys are not here, or a husk; ``size`` as of segments."""

    object: ObjectId
    archive: Archive
    size: int


@dataclass(frozen=True, slots=True)
class FalseArchiveCame:
    """An archive in place of segments that does not hold them; ``size`` as of segments."""

    object: ObjectId
    id: bytes
    words: str
    size: int


@dataclass(frozen=True, slots=True)
class ArchiveCame:
    """The answer to ``get_archive``; ``archive`` is None where there is none."""

    object: ObjectId
    id: bytes
    archive: Archive | None


@dataclass(frozen=True, slots=True)
class PruneTold:
    """A node has all archives that a prune record names; in how many hours it acts, or None: not at all."""

    object: ObjectId
    prune: RecordId
    hours: int | None


@dataclass(frozen=True, slots=True)
class EphemeralCame:
    object: ObjectId
    key: bytes
    counter: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ReceiptWanted:
    """For a node: somebody who opened an object asks for a whole receipt."""

    object: ObjectId


@dataclass(frozen=True, slots=True)
class ReceiptsShown:
    """What a node signed to another member, as he says; ``key`` may be another than the node's."""

    object: ObjectId
    node: bytes
    key: bytes
    receipts: list[UnverifiedReceipt]


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
class MailOffered:
    """For a node: mail to keep, not parsed yet."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class MailWanted:
    """For a node: the reader of a mailbox (that is proved) wants what came after a number, and what comes."""

    address: MailAddress
    after: int


@dataclass(frozen=True, slots=True)
class MailDropped:
    """For a node: the reader of a mailbox, which is proved, needs these no more."""

    address: MailAddress
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class MailCame:
    """Mail in a mailbox that is open here, by rising numbers; what is sealed in it is not checked.

    ``more`` says that the node has more, which has been asked for.
    """

    address: MailAddress
    items: list[tuple[int, Mail]]
    more: bool


@dataclass(frozen=True, slots=True)
class MailKept:
    """The node says that mail put on this session is durable there."""

    id: bytes


@dataclass(frozen=True, slots=True)
class MailRefused:
    """The node does not keep mail put on this session, and says why."""

    id: bytes
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class Ponged:
    number: int


@dataclass(frozen=True, slots=True)
class WatchwordCame:
    """By this word readers of an object's newest epoch are known; whether they proved to be such is open."""

    object: ObjectId
    word: Watchword


@dataclass(frozen=True, slots=True)
class CollectionOffered:
    """The objects of a collection, whose name was checked."""

    name: bytes
    objects: list[ObjectId]


@dataclass(frozen=True, slots=True)
class CollectionChanged:
    """How a collection comes from another: places taken out of that, and objects put in, in their order."""

    name: bytes
    before: bytes
    gone: list[int]
    new: list[ObjectId]


@dataclass(frozen=True, slots=True)
class CompareWanted:
    """The other side asks which of some ranges differ here, without the places ``left_out``."""

    name: bytes
    left_out: list[int]
    asked: list[tuple[Range, bytes]]


@dataclass(frozen=True, slots=True)
class CollectionCompared:
    """The answer to ``compare``: the objects of which the node has something else. All others are watched."""

    differ: list[ObjectId]


@dataclass(frozen=True, slots=True)
class Stirred:
    """Something came to an object that was the same when the collection was compared."""

    object: ObjectId


SessionEvent = (
    Greeted
    | Met
    | Closed
    | Opened
    | CaughtUp
    | RecordsCame
    | SegmentsCame
    | ClosedArchiveCame
    | FalseArchiveCame
    | ArchiveCame
    | PruneTold
    | EphemeralCame
    | Receipt
    | ReceiptWanted
    | ReceiptsShown
    | SnapshotCame
    | RefusedCame
    | DropOffered
    | DropWanted
    | DropCame
    | MailOffered
    | MailWanted
    | MailDropped
    | MailCame
    | MailKept
    | MailRefused
    | Ponged
    | WatchwordCame
    | CollectionOffered
    | CollectionChanged
    | CompareWanted
    | CollectionCompared
    | Stirred
)
