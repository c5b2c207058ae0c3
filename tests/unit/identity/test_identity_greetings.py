"""Greetings: who is at the other end of a direct connection, and who only says so."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.greetings import Greeting
from peergos_collab.identity.recovery_code import RecoveryCode

RANDOM = random.Random(52).randbytes
ANA = Credentials.found("Ana", RecoveryCode.generate(RANDOM), RANDOM)
EVE = Credentials.found("Eve", RecoveryCode.generate(RANDOM), RANDOM)
CARD = ContactCard.make(ANA, (), 5)
CHANNEL = bytes(range(64))
RAW = Greeting.make(CARD, ANA.device_sign, CHANNEL)


def forged(at: int, value: object, key: SigningKey = ANA.device_sign) -> bytes:
    """Ana's greeting with one field of its body changed, signed with a key."""
    body, _, card = decode_untrusted(RAW, 1 << 16)
    fields = decode_untrusted(body, 1 << 16)
    fields[at] = value
    body = encode(fields)
    return encode([body, key.sign(Tag.SIGN_GREETING, body), card])


def test_a_greeting_says_who_is_there() -> None:
    """Account and device, both proved."""
    assert Greeting.parse_untrusted(RAW, CHANNEL) == Greeting(CARD, ANA.device_id, CHANNEL)


def test_it_is_good_on_its_own_connection_only() -> None:
    """Who was greeted cannot greet somebody else with that."""
    with pytest.raises(RemoteProtocolError, match="another connection"):
        Greeting.parse_untrusted(RAW, CHANNEL[::-1])


@pytest.mark.parametrize(
    "raw",
    [
        forged(0, 2),
        forged(2, EVE.account_id),
        forged(3, EVE.device_id),
        forged(3, EVE.device_id, EVE.device_sign),
        forged(1, CHANNEL, EVE.device_sign),
        Greeting.make(CARD, EVE.device_sign, CHANNEL),
        Greeting.make(ContactCard.make(EVE, (), 5), ANA.device_sign, CHANNEL),
    ],
    ids=["version", "account", "device", "a stranger's device", "signature", "her card", "her device"],
)
def test_nobody_greets_as_somebody_else(raw: bytes) -> None:
    """The account log in the card names the device, whose key signs."""
    with pytest.raises(RemoteProtocolError):
        Greeting.parse_untrusted(raw, CHANNEL)
