"""Letters: what one account tells another in mail, signed inside, sealed outside.

    body    = [1, id (16), time, account, device, receiver's account, kind, content]
    letter  = [body, device signature, the sender's card]
    to a stranger, sealed = ephemeral key (32) ‖ cseal(agreed key, padded letter, ad = mailbox)
    in a pair,     sealed = cseal(the pair's seal key of the day, padded letter, ad = mailbox)

The card holds the account log, which lists the device: so a letter proves by itself who wrote it.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, MailAddress
from ..codec.shape import array, blob, number, some_bytes
from ..codec.sizes import pad, unpad_untrusted
from ..crypto import SEAL_OVERHEAD, BoxPair, BoxPublic, SealBroken, SigningKey, Tag, WrapKey, copen, cseal
from ..errors import LocalProtocolError, RemoteProtocolError
from ..identity.cards import MAX_CARD, ContactCard
from ..ports import Random
from ..values import dataclass
from .mail import SIZES

VERSION: Final = 1
ID_LENGTH: Final = 16
MAX_LETTER: Final = SIZES[-1]
STRANGER_SIZES: Final = SIZES[2:]
"""A first letter has one size, unless the account log of its sender is very long."""

PAIR_SIZES: Final = SIZES[1:]
_EPHEMERAL: Final = 32


class LetterKind(enum.IntEnum):
    HELLO = 1
    """Here is my card: I would like to be your contact, or I am and something of mine changed. No content."""
    SHARE = 2
    """You are a member of an object. Content: a capability."""
    INTRODUCE = 3
    """You may want to know this person. Content: his card."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A verified letter: its device is one of the card's account, and it was meant for us.

    Args:
        id: 16 random bytes; the same letter may come more than once.
        time: ms since 1970, by its sender's clock.
    """

    id: bytes
    time: int
    card: ContactCard
    device: DeviceId
    kind: LetterKind
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes letters: a device of an account, with the account's card."""

    card: ContactCard
    device: SigningKey

    def write(self, receiver: AccountId, kind: LetterKind, content: bytes, *, id: bytes, time: int) -> bytes:
        """A signed letter, to be sealed."""
        head = [VERSION, id, time, self.card.id, self.device.public, receiver]
        body = encode([*head, int(kind), content])
        return encode([body, self.device.sign(Tag.SIGN_LETTER, body), self.card.raw])


def read_letter_untrusted(raw: bytes, receiver: AccountId) -> Letter:
    """Verifies who wrote it, and for whom.

    Raises:
        RemoteProtocolError: malformed, for somebody else, or not by a device of the account it names.
    """
    body, signature, card = array(decode_untrusted(raw, MAX_LETTER), 3, "letter")
    sender = ContactCard.parse_untrusted(some_bytes(card, MAX_CARD, "card"))
    body = some_bytes(body, MAX_LETTER, "letter")
    fields = array(decode_untrusted(body, MAX_LETTER), 8, "letter")
    number(fields[0], VERSION, VERSION, "letter version")
    device = sender.account.devices.get(DeviceId(blob(fields[4], 32, "device id")))
    if device is None or fields[3] != sender.id:
        raise RemoteProtocolError("a letter by a device that its account does not list")
    device.sign.verify(Tag.SIGN_LETTER, body, blob(signature, 64, "signature"))
    if fields[5] != receiver:
        raise RemoteProtocolError("a letter for somebody else")
    return _letter(fields, sender, device.id)


def _letter(fields: list[Any], sender: ContactCard, device: DeviceId) -> Letter:
    kind = LetterKind(number(fields[6], min(LetterKind), max(LetterKind), "kind of letter"))
    content = some_bytes(fields[7], MAX_LETTER, "letter")
    time = number(fields[2], 0, 2**53, "time")
    return Letter(blob(fields[1], ID_LENGTH, "letter id"), time, sender, device, kind, content)


def seal_to_stranger(letter: bytes, box: BoxPublic, mailbox: MailAddress, random: Random) -> bytes:
    """Seals a letter to a user key from a throw-away key. Raises LocalProtocolError where it is too long."""
    throw_away = BoxPair.generate(random)
    key = throw_away.agree(box, Tag.LETTER, throw_away.public_key, box)
    overhead = _EPHEMERAL + SEAL_OVERHEAD
    padded = pad(letter, _fitting(len(letter) + overhead, STRANGER_SIZES) - overhead)
    return throw_away.public_key.public + cseal(key, Tag.SEAL, padded, mailbox, random)


def open_from_stranger_untrusted(sealed: bytes, pair: BoxPair, mailbox: MailAddress) -> bytes:
    """The letter, not read yet. Raises RemoteProtocolError."""
    if len(sealed) not in STRANGER_SIZES:
        raise SealBroken("a first letter of a size that is not allowed")
    throw_away = BoxPublic(sealed[:_EPHEMERAL])
    key = pair.agree(throw_away, Tag.LETTER, throw_away, pair.public_key)
    return unpad_untrusted(copen(key, Tag.SEAL, sealed[_EPHEMERAL:], mailbox))


def seal_in_pair(letter: bytes, key: WrapKey, mailbox: MailAddress, random: Random) -> bytes:
    """Raises LocalProtocolError where the letter is too long."""
    padded = pad(letter, _fitting(len(letter) + SEAL_OVERHEAD, PAIR_SIZES) - SEAL_OVERHEAD)
    return cseal(key, Tag.SEAL, padded, mailbox, random)


def open_in_pair_untrusted(sealed: bytes, key: WrapKey, mailbox: MailAddress) -> bytes:
    """The letter, not read yet. Raises RemoteProtocolError."""
    if len(sealed) not in PAIR_SIZES:
        raise SealBroken("a letter of a size that is not allowed")
    return unpad_untrusted(copen(key, Tag.SEAL, sealed, mailbox))


def _fitting(length: int, sizes: tuple[int, ...]) -> int:
    """The smallest size above ``length``: a byte of padding always fits."""
    for size in sizes:
        if length < size:
            return size
    raise LocalProtocolError(f"a letter of {length} bytes; the longest has {sizes[-1]}")
