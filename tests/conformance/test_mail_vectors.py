"""The examples of docs/spec/mail.md and contacts.md: what another implementation has to arrive at."""

from __future__ import annotations

from pathlib import Path

from peergos_collab.codec.ids import AccountId, MailAddress
from peergos_collab.crypto import PairSecret, UserSeed
from peergos_collab.identity.cards import mailbox_key
from peergos_collab.identity.pairs import PairMailbox
from peergos_collab.objects.mail import LEAST_WORK, Mail

SPEC = Path(__file__).parents[2] / "docs" / "spec"


def test_mail() -> None:
    """The search begins at nonce 0 where the random bytes are zeros, so it finds the first one."""
    mail = Mail.stamp(MailAddress(bytes(32)), bytes(1024), 20_000, bytes, LEAST_WORK)
    text = (SPEC / "mail.md").read_text(encoding="utf-8")

    assert mail.raw[-8:].hex() == "0000000000003778"
    assert mail.id.hex() in text
    assert mail.raw[-8:].hex() in text


def test_mailboxes() -> None:
    """Of a pair on a day, and of a card."""
    pair = PairMailbox.of(PairSecret(bytes(range(32))), AccountId(bytes(range(32, 64))), 20_000)
    card = mailbox_key(UserSeed(bytes(range(32))))
    text = (SPEC / "contacts.md").read_text(encoding="utf-8")

    assert pair.key.public.hex() in text
    assert pair.seal.expose().hex() in text
    assert card.public.hex() in text
