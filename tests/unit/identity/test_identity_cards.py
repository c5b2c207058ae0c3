"""Contact cards: what a good one says, and why a bad one is refused."""

from __future__ import annotations

import base64
import random

import pytest

from peergos_collab.codec import decode_untrusted, encode, to_multibase
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.errors import BadCard, RemoteProtocolError
from peergos_collab.identity.cards import MAX_CARD, PREFIX, ContactCard, mailbox_key
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.recovery_code import RecoveryCode

RANDOM = random.Random(41).randbytes
ANA = Credentials.found("Ana", RecoveryCode.generate(RANDOM), RANDOM)
EVE = Credentials.found("Eve", RecoveryCode.generate(RANDOM), RANDOM)
NODE = f"pgc://{to_multibase(bytes(range(32)))}@node.example:8470"
CARD = ContactCard.make(ANA, (), 5)


def forged(at: int, value: object, key: SigningKey = ANA.user.sign) -> bytes:
    """Ana's card with one field of its body changed, signed with a key."""
    body, _, log = decode_untrusted(CARD.raw, MAX_CARD)
    fields = decode_untrusted(body, MAX_CARD)
    fields[at] = value
    body = encode(fields)
    return encode([body, key.sign(Tag.SIGN_CARD, body), log])


def as_text(raw: bytes) -> str:
    """With a checksum that holds."""
    return ContactCard(CARD.account, "", CARD.mailbox, (), 0, raw).text()


def test_a_card_says_who_and_where() -> None:
    """It comes back from its text, line breaks and all."""
    text = CARD.text()
    broken = "\n ".join(text[at : at + 70] for at in range(0, len(text), 70))

    assert ContactCard.read_untrusted(f"  {broken}\n") == CARD
    assert (CARD.id, CARD.name, CARD.nodes, CARD.made) == (ANA.account_id, "Ana", (), 5)
    assert CARD.mailbox == mailbox_key(ANA.user_seed).public


def test_every_truncation_is_told() -> None:
    """A cut card is incomplete, never false: nobody need think of a forger."""
    text = CARD.text()
    for length in range(len(text)):
        with pytest.raises(BadCard) as caught:
            ContactCard.read_untrusted(text[:length])
        assert "false" not in caught.value.message


def test_a_mistyped_character_is_told() -> None:
    """Wherever it stands."""
    text = CARD.text()
    for at in range(len(PREFIX), len(text) - 1, 7):
        other = "A" if text[at] != "A" else "B"
        with pytest.raises(BadCard, match="incomplete or mistyped"):
            ContactCard.read_untrusted(text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize("text", ["", "hello", "pgc://x", "PGC-CARD:AA", PREFIX, PREFIX + "AA", PREFIX + "é"])
def test_what_is_no_card(text: str) -> None:
    """Exit 2, with words that say what a card looks like."""
    with pytest.raises(BadCard) as caught:
        ContactCard.read_untrusted(text)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_too_long() -> None:
    """Refused before anything is decoded."""
    with pytest.raises(BadCard, match="incomplete"):
        ContactCard.read_untrusted(PREFIX + "A" * (3 * MAX_CARD))


FALSE = {
    "another name, signed by somebody else": forged(3, "Ana", EVE.user.sign),
    "another account": forged(1, EVE.account_id),
    "another head": forged(2, bytes(32)),
    "another version": forged(0, 2),
    "a mailbox that is no key": forged(4, bytes(31)),
    "a node that is no address": forged(5, ["http://x"]),
    "too many nodes": forged(5, [NODE] * 9),
    "a name that is too long": forged(3, "x" * 65),
    "a time before time": forged(6, -1),
    "no card at all": encode([b"", bytes(64), ANA.account.raw]),
    "another account's log": encode([*decode_untrusted(CARD.raw, MAX_CARD)[:2], EVE.account.raw]),
}


@pytest.mark.parametrize("raw", FALSE.values(), ids=FALSE.keys())
def test_false_cards_are_told_from_cut_ones(raw: bytes) -> None:
    """Their checksum holds, so somebody made them so: the words say that."""
    with pytest.raises(RemoteProtocolError):
        ContactCard.parse_untrusted(raw)
    with pytest.raises(BadCard, match="complete, but false"):
        ContactCard.read_untrusted(as_text(raw))


def test_good_fields() -> None:
    """What the refused ones were changed from is taken."""
    assert ContactCard.parse_untrusted(forged(5, [NODE] * 8)).nodes == (NODE,) * 8
    assert ContactCard.parse_untrusted(forged(3, "x" * 64)).name == "x" * 64


def test_other_base64_is_taken_or_refused_alike() -> None:
    """The checksum is over the bytes, so padding signs change nothing."""
    raw = base64.urlsafe_b64decode(CARD.text().removeprefix(PREFIX) + "==")
    assert ContactCard.read_untrusted(PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")) == CARD
