"""What two contacts have between them: a secret, daily mailboxes, and words to compare.

    shared       = K(X25519 of both user keys, with both public keys in it, the smaller first; "pair secret")
    mailbox      = Ed25519 pair from K(shared, "pair mailbox", receiver's account ‖ day (4))
    seal key     = K(shared, "pair seal", receiver's account ‖ day (4))
    words        = first 132 bits of a hash of both accounts' ids and user keys, as 12 words

Nobody else can tell that two of these mailboxes belong to the same pair, or to the same person.
"""

from __future__ import annotations

from typing import Final, Self

from ..codec.ids import AccountId
from ..codec.words import to_words
from ..crypto import PairSecret, SigningKey, SignSeed, Tag, WrapKey, derive, hash256
from ..values import dataclass
from .account import Account
from .credentials import UserPair

WORDS: Final = 12


@dataclass(frozen=True, slots=True)
class Pair:
    """This account and a contact. Both ends derive the same."""

    own: AccountId
    other: AccountId
    secret: PairSecret

    @classmethod
    def of(cls, own: AccountId, user: UserPair, other: Account) -> Self:
        """Raises RemoteProtocolError where the contact's user key is nobody's honest key."""
        theirs = other.user_key.box
        low, high = sorted((user.box.public_key, theirs), key=lambda key: key.public)
        agreed = user.box.agree(theirs, Tag.PAIR, low, high)
        return cls(own, other.id, derive(agreed, Tag.PAIR_SECRET, PairSecret))

    def inbox(self, day: int) -> PairMailbox:
        """What the contact writes to on a day."""
        return PairMailbox.of(self.secret, self.own, day)

    def outbox(self, day: int) -> PairMailbox:
        """What the contact reads of a day."""
        return PairMailbox.of(self.secret, self.other, day)


@dataclass(frozen=True, slots=True)
class PairMailbox:
    """The mailbox of one direction and day: ``key`` reads it, ``seal`` opens what is in it."""

    key: SigningKey
    seal: WrapKey

    @classmethod
    def of(cls, secret: PairSecret, receiver: AccountId, day: int) -> Self:
        context = receiver + day.to_bytes(4, "big")
        seed = derive(secret, Tag.PAIR_MAILBOX, SignSeed, context)
        return cls(SigningKey.from_seed(seed), derive(secret, Tag.PAIR_SEAL, WrapKey, context))


def fingerprint(account: Account) -> bytes:
    """32 bytes that change whenever the account's id or user key does."""
    user = account.user_key
    return hash256(Tag.CONTACT_KEYS, account.id + user.sign.public + user.box.public)


def comparison_words(one: Account, other: Account) -> list[str]:
    """12 words that both read to each other; equal only if both have the other's true keys."""
    both = b"".join(sorted((fingerprint(one), fingerprint(other))))
    return to_words(hash256(Tag.CONTACT_WORDS, both), WORDS)
