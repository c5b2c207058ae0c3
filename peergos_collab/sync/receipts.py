"""Receipts: a node's signed word about one object: these heads are durable with it.

    receipt   = [object, number, heads, epochs, signature]
    signature over  tag "s receipt" ‖ object ‖ number (8) ‖ BLAKE2b-256(heads, tag "heads") ‖ epochs (32 each)

Numbers rise with everything a node signs, for whomever and across restarts. So of any two receipts it is
clear which the node signed later, whoever got them. One that names epochs is *whole*: its heads are all
that the node has in those epochs and in their past. What an earlier receipt names and a later whole one
lacks is lost or held back, and the two together prove it to everybody who knows the node's key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from typing import Any, Final, Self

from ..codec import encode
from ..codec.ids import EpochId, ObjectId
from ..codec.shape import array, blob, many, number
from ..crypto import SigningKey, Tag, VerifyKey
from ..errors import RemoteProtocolError
from ..values import dataclass
from .heads import Tip, heads_digest, tips_untrusted, tips_value

MAX_NUMBER: Final = 2**53

MAX_SHOWN: Final = 512
"""Receipts in one frame."""

MAX_EPOCHS: Final = 64
"""Newest epochs in which one session proved a key."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that ``key`` signed.

    Args:
        epochs: for which newest epochs ``tips`` are all there is; empty where they are only some.
    """

    key: bytes
    object: ObjectId
    number: int
    tips: tuple[Tip, ...]
    epochs: tuple[EpochId, ...]
    signature: bytes

    @property
    def whole(self) -> bool:
        return bool(self.epochs)

    @classmethod
    def issue(
        cls,
        key: SigningKey,
        object_id: ObjectId,
        number_: int,
        tips: Iterable[Tip],
        epochs: Iterable[EpochId] = (),
    ) -> Self:
        ordered, newest = tuple(sorted(tips)), tuple(sorted(epochs))
        signature = key.sign(Tag.SIGN_RECEIPT, _message(object_id, number_, ordered, newest))
        return cls(key.public, object_id, number_, ordered, newest, signature)

    @property
    def evidence(self) -> bytes:
        """To be shown to others: [1, key, object, number, heads, epochs, signature]."""
        return encode([1, self.key, *self.fields()])

    def fields(self) -> list[Any]:
        """What ``parse_untrusted`` takes. The key is not in it."""
        return [self.object, self.number, tips_value(self.tips), list(self.epochs), self.signature]

    @staticmethod
    def parse_untrusted(value: Any) -> UnverifiedReceipt:
        """Raises RemoteProtocolError."""
        object_id, number_, tips, epochs, signature = array(value, 5, "receipt")
        receipt = Receipt(
            b"",
            ObjectId(blob(object_id, 32, "object id")),
            number(number_, 1, MAX_NUMBER, "receipt number"),
            tuple(tips_untrusted(tips)),
            tuple(EpochId(blob(epoch, 32, "epoch id")) for epoch in many(epochs, MAX_EPOCHS, "epochs")),
            blob(signature, 64, "receipt"),
        )
        return UnverifiedReceipt(receipt)


@dataclass(frozen=True, slots=True)
class UnverifiedReceipt:
    """A receipt whose signature nobody has checked."""

    _receipt: Receipt = field(repr=False)

    @property
    def object(self) -> ObjectId:
        return self._receipt.object

    @property
    def number(self) -> int:
        """By which one that was verified before is known again."""
        return self._receipt.number

    def verify(self, key: VerifyKey) -> Receipt:
        """Raises RemoteProtocolError unless ``key`` signed it."""
        it = self._receipt
        key.verify(Tag.SIGN_RECEIPT, _message(it.object, it.number, it.tips, it.epochs), it.signature)
        return self.kept(key)

    def kept(self, key: VerifyKey) -> Receipt:
        """Without a check: for what this device verified before, and sealed with its own key since."""
        return replace(self._receipt, key=key.public)


def shown_untrusted(values: object, object_id: ObjectId) -> list[UnverifiedReceipt]:
    """Receipts for one object, as somebody else shows them.

    Raises:
        RemoteProtocolError: one of them is something else.
    """
    receipts = [Receipt.parse_untrusted(value) for value in many(values, MAX_SHOWN, "receipts")]
    if any(receipt.object != object_id for receipt in receipts):
        raise RemoteProtocolError("a receipt for another object")
    return receipts


def _message(object_id: ObjectId, number_: int, tips: Iterable[Tip], epochs: Iterable[EpochId]) -> bytes:
    return object_id + number_.to_bytes(8, "big") + heads_digest(tips) + b"".join(epochs)
