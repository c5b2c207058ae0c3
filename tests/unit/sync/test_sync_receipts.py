"""Receipts: what is signed, and what their numbers and epochs are for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted
from peergos_collab.codec.ids import EpochId, LogId, ObjectId, SegmentId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.receipts import MAX_NUMBER, Receipt

RANDOM = random.Random(61).randbytes
KEY = SigningKey.generate(RANDOM)
OBJECT = ObjectId(RANDOM(32))
TIPS = [Tip(LogId(RANDOM(32)), number, SegmentId(RANDOM(32))) for number in (3, 1)]
EPOCHS = [EpochId(RANDOM(32)), EpochId(RANDOM(32))]


def test_a_receipt_is_read_as_it_was_signed() -> None:
    """Heads and epochs in one order, whoever gave them in which."""
    receipt = Receipt.issue(KEY, OBJECT, 5, TIPS, EPOCHS)
    again = Receipt.parse_untrusted(receipt.fields()).verify(KEY.verify_key)

    assert again == receipt == Receipt.issue(KEY, OBJECT, 5, reversed(TIPS), reversed(EPOCHS))
    assert receipt.whole
    assert not Receipt.issue(KEY, OBJECT, 5, TIPS).whole
    assert decode_untrusted(receipt.evidence, 1 << 20) == [1, KEY.public, *receipt.fields()]


@pytest.mark.parametrize(
    ("at", "value"),
    list(enumerate([bytes(32), 6, [], EPOCHS[:1], bytes(64)])),
    ids=["object", "number", "heads", "epochs", "signature"],
)
def test_everything_in_it_is_signed(at: int, value: Any) -> None:
    """Nothing of it can be changed, nor another key claimed."""
    fields = Receipt.issue(KEY, OBJECT, 5, TIPS, EPOCHS).fields()
    with pytest.raises(RemoteProtocolError):
        Receipt.parse_untrusted([*fields[:at], value, *fields[at + 1 :]]).verify(KEY.verify_key)
    with pytest.raises(RemoteProtocolError):
        Receipt.parse_untrusted(fields).verify(SigningKey.generate(RANDOM).verify_key)


@pytest.mark.parametrize("number", [0, -1, MAX_NUMBER + 1, True, b"1"])
def test_numbers_have_bounds(number: Any) -> None:
    """So that one always fits into what is signed."""
    fields = Receipt.issue(KEY, OBJECT, 5, TIPS).fields()
    with pytest.raises(RemoteProtocolError):
        Receipt.parse_untrusted([fields[0], number, *fields[2:]])
