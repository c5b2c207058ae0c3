"""Contacts as the account remembers them: a card, how far it is known, and what was compared.

    record = [1, state, card, newer card or empty, verified fingerprint or empty, via, since]

A record lives in the profile, so every device of the account has it.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId
from ..codec.shape import array, number, some_bytes, string
from ..crypto import Tag, hash256
from ..errors import RemoteProtocolError
from ..values import dataclass
from .account import Account
from .cards import MAX_CARD, ContactCard
from .pairs import fingerprint

VERSION: Final = 1
MAX_VIA: Final = 255
ENTRY_ID_LENGTH: Final = 16


class State(enum.IntEnum):
    PENDING = 0
    """He asked, or somebody introduced him; not accepted here."""
    ADDED = 1
    """Accepted here; whether he has this account's card is not known."""
    MUTUAL = 2
    """He has this account's card too: mail goes through mailboxes of the pair."""


class Standing(enum.Enum):
    """How one state of an account's log relates to another."""

    SAME = "same"
    OLDER = "older"
    NEWER = "newer"
    APART = "apart"
    """Each has what the other has not: two devices acted at once."""
    FORKED = "forked"
    """Together they hold what no honest account does: two histories of one device, or of the root."""


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """See the module's text.

    Args:
        card: the one in use.
        newer: a later card with another user key, which nobody here has accepted yet.
        verified: the fingerprint that was compared; empty if never.
        via: who introduced him; empty for nobody.
        since: day from which on mailboxes of the pair are read, in days since 1970.
    """

    state: State
    card: ContactCard
    newer: ContactCard | None
    verified: bytes
    via: str
    since: int

    @classmethod
    def new(cls, card: ContactCard, state: State, day: int, via: str = "") -> Self:
        return cls(state, card, None, b"", via[:MAX_VIA], day)

    @property
    def is_verified(self) -> bool:
        return self.verified == fingerprint(self.card.account)

    @property
    def changed(self) -> bool:
        """His keys are others than the ones in use here, or than the ones that were compared."""
        return self.newer is not None or bool(self.verified and not self.is_verified)

    @property
    def entry_id(self) -> bytes:
        """Under which the profile keeps it."""
        id_of = asking_entry_id if self.state is State.PENDING else contact_entry_id
        return id_of(self.card.id)

    def encode(self) -> bytes:
        newer = self.newer.raw if self.newer is not None else b""
        return encode([VERSION, int(self.state), self.card.raw, newer, self.verified, self.via, self.since])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, 3 * MAX_CARD), 7, "contact")
        number(fields[0], VERSION, VERSION, "contact version")
        newer = some_bytes(fields[3], MAX_CARD, "card")
        return cls(
            State(number(fields[1], min(State), max(State), "contact state")),
            ContactCard.parse_untrusted(some_bytes(fields[2], MAX_CARD, "card")),
            ContactCard.parse_untrusted(newer) if newer else None,
            some_bytes(fields[4], 32, "fingerprint"),
            string(fields[5], MAX_VIA, "name"),
            number(fields[6], 0, 2**32 - 1, "day"),
        )

    def verify(self) -> Self:
        """The words were equal: they were made from the keys of the card in use."""
        return replace(self, verified=fingerprint(self.card.account))

    def accept_keys(self) -> Self:
        """Takes the newer card into use; what was compared before no longer counts."""
        return replace(self, card=self.newer or self.card, newer=None)

    def see(self, card: ContactCard) -> Self:
        """The record after a card of this account came from its holder.

        A later card with the same keys replaces the one in use (he moved to other nodes). One with other
        keys is kept aside, for a person to decide.

        Raises:
            RemoteProtocolError: the account's log forked: two devices, or a thief, tell different stories.
        """
        known = self.newer or self.card
        standing = compare(known.account, card.account)
        if standing is Standing.FORKED:
            raise RemoteProtocolError("the account log of this contact has two contradicting versions")
        level = standing in (Standing.SAME, Standing.APART)
        if standing is Standing.OLDER or (level and card.made <= known.made):
            return self
        if fingerprint(card.account) == fingerprint(self.card.account):
            return replace(self, card=card, newer=None)
        return replace(self, newer=card)


def contact_entry_id(account: AccountId) -> bytes:
    """The same on every device, so that one contact added on two of them is one contact."""
    return hash256(Tag.CONTACT_ENTRY, account)[:ENTRY_ID_LENGTH]


def asking_entry_id(account: AccountId) -> bytes:
    """Of whoever asks to be a contact: another than the contact's, so that a device to which he is a
    stranger, because it has not heard yet that another accepted him, does not undo that."""
    return hash256(Tag.ASKING_ENTRY, account)[:ENTRY_ID_LENGTH]


def compare(known: Account, offered: Account) -> Standing:
    """How ``offered`` relates to ``known``, two verified states of one account's log.

    Raises:
        RemoteProtocolError: they are of two accounts.
    """
    if known.id != offered.id:
        raise RemoteProtocolError("logs of two accounts")
    ours, theirs = known.op_ids(), offered.op_ids()
    if ours == theirs:
        return Standing.SAME
    if ours < theirs:
        return Standing.NEWER
    if theirs < ours:
        return Standing.OLDER
    both = known.merge(offered).standing
    if both.root_forked:
        return Standing.FORKED
    ours_taken, theirs_taken = known.standing.root_generation, offered.standing.root_generation
    if ours_taken != theirs_taken:
        # The recovery code was used: whatever devices said beside that, and however often, is no matter.
        return Standing.NEWER if theirs_taken > ours_taken else Standing.OLDER
    return Standing.FORKED if both.forked else Standing.APART
