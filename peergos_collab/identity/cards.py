"""Contact cards: what one person gives another, so that he can be written to and recognised.

    text = "pgc-card:" ‖ base64url(card ‖ checksum (4))
    card = [body, signature by the user key, account log]
    body = [1, account, account head, name, mailbox (32), [node address …], made]

The account log in it proves that the user key is that of the account. A cut or mistyped card fails its
checksum; one whose checksum holds and whose signatures do not was made up. A card has no end: it is
what people print and put on their door.
"""

from __future__ import annotations

from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.address import parse_address
from ..codec.bases import from_base64url_untrusted, to_base64url
from ..codec.ids import AccountId, MailAddress
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..crypto import SigningKey, SignSeed, Tag, UserSeed, derive, hash256
from ..errors import BadCard, RemoteProtocolError, UsageError
from ..values import dataclass
from .account import MAX_LOG, Account
from .credentials import Credentials

VERSION: Final = 1
PREFIX: Final = "pgc-card:"
MAX_BODY: Final = 6 << 10
MAX_CARD: Final = MAX_LOG + MAX_BODY + 256
MAX_NAME: Final = 64
"""Code points."""

MAX_NODES: Final = 8
MAX_NODE: Final = 400
_CHECKSUM: Final = 4


@dataclass(frozen=True, slots=True)
class ContactCard:
    """A verified card.

    Args:
        name: what its holder calls himself; to be shown escaped.
        mailbox: where strangers' mail for him goes.
        nodes: addresses of the nodes that keep it, best first.
        made: ms since 1970; of two cards of an account the later one counts.
        raw: the card as signed.
    """

    account: Account
    name: str
    mailbox: MailAddress
    nodes: tuple[str, ...]
    made: int
    raw: bytes

    @property
    def id(self) -> AccountId:
        return self.account.id

    @classmethod
    def make(cls, credentials: Credentials, nodes: tuple[str, ...], now: int) -> Self:
        """The card of this account."""
        account = credentials.account
        mailbox = mailbox_key(credentials.user_seed).public
        kept = list(nodes[:MAX_NODES])
        body = encode([VERSION, account.id, account.head, credentials.name[:MAX_NAME], mailbox, kept, now])
        signature = credentials.user.sign.sign(Tag.SIGN_CARD, body)
        return cls.parse_untrusted(encode([body, signature, account.raw]))

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Verifies the account log and the user key's signature. Raises RemoteProtocolError."""
        body, signature, log = array(decode_untrusted(raw, MAX_CARD), 3, "card")
        account = Account.parse_untrusted(some_bytes(log, MAX_LOG, "account log"))
        body = some_bytes(body, MAX_BODY, "card")
        account.user_key.sign.verify(Tag.SIGN_CARD, body, blob(signature, 64, "signature"))
        fields = array(decode_untrusted(body, MAX_BODY), 7, "card")
        number(fields[0], VERSION, VERSION, "card version")
        if fields[1:3] != [account.id, account.head]:
            raise RemoteProtocolError("a card for another account, or another state of it")
        nodes = tuple(_node(node) for node in many(fields[5], MAX_NODES, "nodes"))
        mailbox = MailAddress(blob(fields[4], 32, "mailbox"))
        name = string(fields[3], MAX_NAME, "name")
        return cls(account, name, mailbox, nodes, number(fields[6], 0, 2**53, "time"), raw)

    def text(self) -> str:
        """The card as people pass it on."""
        return PREFIX + to_base64url(self.raw + _checksum(self.raw))

    @classmethod
    def read_untrusted(cls, text: str) -> Self:
        """The card in a text, which may have been broken into lines. Raises BadCard."""
        text = "".join(text.split())
        if not text.startswith(PREFIX):
            raise BadCard("this is no contact card: those begin with 'pgc-card:'; nothing was changed")
        try:
            raw = from_base64url_untrusted(text.removeprefix(PREFIX), 2 * MAX_CARD)
        except RemoteProtocolError:
            raise BadCard("the card is incomplete or mistyped; nothing was changed") from None
        if len(raw) <= _CHECKSUM or _checksum(raw[:-_CHECKSUM]) != raw[-_CHECKSUM:]:
            raise BadCard("the card is incomplete or mistyped; nothing was changed")
        try:
            return cls.parse_untrusted(raw[:-_CHECKSUM])
        except RemoteProtocolError as error:
            raise BadCard(
                f"the card is complete, but false ({error}); nothing was changed",
                hint="Somebody made it up or changed it. Get the card from its owner by another way.",
            ) from None


def mailbox_key(seed: UserSeed) -> SigningKey:
    """The key of the mailbox that strangers write to; every device of the account has it."""
    return SigningKey.from_seed(derive(seed, Tag.MAILBOX, SignSeed))


def _node(value: object) -> str:
    text = string(value, MAX_NODE, "node address")
    try:
        parse_address(text)
    except UsageError:
        raise RemoteProtocolError("a card with an address that is none") from None
    return text


def _checksum(raw: bytes) -> bytes:
    return hash256(Tag.CARD_CHECK, raw)[:_CHECKSUM]
