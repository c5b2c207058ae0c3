"""The code that one device shows and another one reads, and the two mailboxes it leads both to.

    text    = "pgc-device://" ‖ node address without its scheme ‖ "/#" ‖ multibase(secret (10) ‖ check (3))
    words   = 88 bits: secret (10) ‖ H("device check", secret)[:1], as eight words; the node is told apart
    seed    = H("device code", secret)
    mailbox = Ed25519 pair from K(seed, "device mailbox", direction)
    seal    = K(seed, "device seal", direction)

The secret is good for one meeting, and only opens a door to it: what is said there is protected by the
comparison of a short code and by keys made for the occasion (``device_meeting``).
"""

from __future__ import annotations

from typing import Final, Self

from ..codec import from_multibase_untrusted, to_multibase
from ..codec.address import SCHEME, format_address, parse_address
from ..codec.ids import MailAddress
from ..codec.words import from_words_untrusted, to_words
from ..crypto import SecretKey, SigningKey, SignSeed, Tag, WrapKey, derive, hash256
from ..errors import BadCode, PeergosCollabError, RemoteProtocolError, UsageError
from ..ports import Address, Random
from ..values import dataclass

PREFIX: Final = "pgc-device://"
SECRET: Final = 10
WORDS: Final = 8
_CHECK: Final = 3


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One direction of a meeting: ``key`` reads the mailbox, ``seal`` what is in it."""

    key: SigningKey
    seal: WrapKey

    @property
    def address(self) -> MailAddress:
        return MailAddress(self.key.public)


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A one-time secret, and the node where the meeting is. ``repr`` hides the secret."""

    node: Address
    secret: bytes

    def __repr__(self) -> str:
        return f"<DeviceCode at {format_address(self.node)}>"

    @classmethod
    def generate(cls, node: Address, random: Random) -> Self:
        return cls(node, random(SECRET))

    def text(self) -> str:
        """One line, also for a QR code."""
        place = format_address(self.node).removeprefix(SCHEME)
        return f"{PREFIX}{place}/#{to_multibase(self.secret + self._check())}"

    def words(self) -> list[str]:
        """Eight words, for those who cannot copy or scan."""
        return to_words(self.secret + _word_check(self.secret), WORDS)

    @classmethod
    def read_untrusted(cls, text: str, node: Address | None = None) -> Self:
        """The code in a text, or eight words with the node they are for.

        Raises:
            BadCode: says what is wrong with it.
            UsageError: words without a node.
        """
        text = text.strip()
        return cls._from_text(text) if text.startswith(PREFIX) else cls._from_words(text, node)

    @classmethod
    def _from_text(cls, text: str) -> Self:
        place, found, secret = text.removeprefix(PREFIX).partition("/#")
        if not found:
            raise BadCode("the code ends before its secret part; nothing was changed")
        try:
            node, raw = parse_address(SCHEME + place), from_multibase_untrusted(secret)
        except PeergosCollabError as error:
            raise BadCode(f"the code is damaged: {error}; nothing was changed") from None
        code = cls(node, raw[:SECRET])
        if raw[SECRET:] != code._check():
            raise BadCode("the code is incomplete or mistyped; nothing was changed")
        return code

    @classmethod
    def _from_words(cls, text: str, node: Address | None) -> Self:
        words = text.replace("-", " ").replace(",", " ").split()
        if len(words) != WORDS:
            raise BadCode(
                f"a code is one line that begins with '{PREFIX}', or {WORDS} words; this is neither"
            )
        try:
            raw = from_words_untrusted(words).to_bytes(SECRET + 1, "big")
        except RemoteProtocolError as error:
            raise BadCode(f"{error}; nothing was changed") from None
        if raw[SECRET:] != _word_check(raw[:SECRET]):
            raise BadCode("one of the words is wrong, or their order is; nothing was changed")
        if node is None:
            raise UsageError(
                "Words alone do not say at which node the devices meet.",
                hint="Give its address with --node; the other device shows it beside the words.",
            )
        return cls(node, raw[:SECRET])

    def to_first(self) -> Mailbox:
        """What the device that has the account reads."""
        return self._mailbox(b"to first")

    def to_new(self) -> Mailbox:
        """What the new device reads."""
        return self._mailbox(b"to new")

    def _mailbox(self, direction: bytes) -> Mailbox:
        seed = SecretKey(hash256(Tag.DEVICE_CODE, self.secret))
        key = SigningKey.from_seed(derive(seed, Tag.DEVICE_MAILBOX, SignSeed, direction))
        return Mailbox(key, derive(seed, Tag.DEVICE_SEAL, WrapKey, direction))

    def _check(self) -> bytes:
        return hash256(Tag.DEVICE_CHECK, self.node.pin + self.secret)[:_CHECK]


def _word_check(secret: bytes) -> bytes:
    return hash256(Tag.DEVICE_CHECK, secret)[:1]
