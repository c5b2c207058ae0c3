"""Greetings: who is at the other end of a direct connection that no common object led to.

    greeting = [body, signature by the device over body, the sender's card]
    body     = [1, channel, account, device]

The first message each way. The card holds the account log, which lists the device; the channel is that of
the connection, so nobody passes a greeting on as his own.
"""

from __future__ import annotations

from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import SigningKey, Tag
from ..errors import RemoteProtocolError
from ..values import dataclass
from .cards import MAX_CARD, ContactCard

VERSION: Final = 1
MAX_BODY: Final = 256


@dataclass(frozen=True, slots=True)
class Greeting:
    """A verified greeting: ``device``, one of the card's account, is at the other end of ``channel``."""

    card: ContactCard
    device: DeviceId
    channel: bytes

    @staticmethod
    def make(card: ContactCard, device: SigningKey, channel: bytes) -> bytes:
        body = encode([VERSION, channel, card.id, device.public])
        return encode([body, device.sign(Tag.SIGN_GREETING, body), card.raw])

    @classmethod
    def parse_untrusted(cls, raw: bytes, channel: bytes) -> Self:
        """Raises RemoteProtocolError unless a device of the card's account made it on this channel."""
        body, signature, card_raw = array(decode_untrusted(raw, MAX_CARD + 2 * MAX_BODY), 3, "greeting")
        card = ContactCard.parse_untrusted(some_bytes(card_raw, MAX_CARD, "card"))
        body = some_bytes(body, MAX_BODY, "greeting")
        fields = array(decode_untrusted(body, MAX_BODY), 4, "greeting")
        number(fields[0], VERSION, VERSION, "greeting version")
        device = card.account.devices.get(DeviceId(blob(fields[3], 32, "device id")))
        if device is None or fields[2] != card.id:
            raise RemoteProtocolError("a greeting by a device that its account does not list")
        device.sign.verify(Tag.SIGN_GREETING, body, blob(signature, 64, "signature"))
        if fields[1] != channel:
            raise RemoteProtocolError("a greeting of another connection")
        return cls(card, device.id, channel)
