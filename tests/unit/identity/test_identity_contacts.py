"""What is remembered of a contact, and what a new card of his changes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec import to_multibase
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.contacts import (
    ContactRecord,
    Standing,
    State,
    asking_entry_id,
    compare,
    contact_entry_id,
)
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery_code import RecoveryCode

RANDOM = random.Random(43).randbytes
ANA, EVE = (Credentials.found(name, RecoveryCode.generate(RANDOM), RANDOM) for name in ("Ana", "Eve"))
CARD = ContactCard.make(ANA, (), 5)


def rotated(credentials: Credentials) -> Credentials:
    """The same account with a new user key."""
    return credentials.rotate_user_key(RANDOM)


LATER = rotated(ANA)


def record(card: ContactCard = CARD) -> ContactRecord:
    return ContactRecord.new(card, State.ADDED, 20_000)


def test_a_record_comes_back() -> None:
    """With everything that was noted."""
    full = replace(record().verify(), newer=ContactCard.make(LATER, (), 9), via="Ben", state=State.MUTUAL)

    assert ContactRecord.decode_untrusted(full.encode()) == full
    assert ContactRecord.decode_untrusted(record().encode()) == record()


def test_verified_means_these_keys() -> None:
    """It counts for the keys that were compared, and says so when others are in use."""
    verified = record().verify()
    assert verified.is_verified
    assert not verified.changed
    later = verified.see(ContactCard.make(LATER, (), 9))
    assert later.changed
    assert later.card == CARD
    accepted = later.accept_keys()
    assert not accepted.is_verified
    assert accepted.changed
    assert accepted.verify().is_verified
    assert not accepted.verify().changed


def test_new_keys_are_never_taken_silently() -> None:
    """The card in use stays until a person accepts the newer one; not even a verified word helps it in."""
    later = ContactCard.make(LATER, (), 9)
    seen = record().see(later)

    assert (seen.card, seen.newer) == (CARD, later)
    assert seen.accept_keys().card == later


def test_a_later_card_with_the_same_keys_is_taken() -> None:
    """He moved to another node, or calls himself otherwise. An older one changes nothing."""
    moved = ContactCard.make(ANA, (f"pgc://{to_multibase(bytes(range(32)))}@node.example:1",), 6)
    assert record().see(moved).card == moved
    assert record(moved).see(CARD) == record(moved)


def test_an_old_card_does_not_bring_old_keys_back() -> None:
    """However late it says it was made: the account log knows better."""
    replayed = ContactCard.make(ANA, (), 99)
    current = record(ContactCard.make(LATER, (), 9))
    assert current.see(replayed) == current
    waiting = record().see(ContactCard.make(LATER, (), 9))
    assert waiting.see(replayed) == waiting


def test_contradicting_logs_are_an_alarm() -> None:
    """Two continuations of one log: somebody has a key he should not have."""
    with pytest.raises(RemoteProtocolError, match="contradicting"):
        record(ContactCard.make(LATER, (), 9)).see(ContactCard.make(rotated(ANA), (), 10))


def test_two_devices_may_act_at_once() -> None:
    """What each of them did has not seen the other: no alarm, and of two cards the one made later counts."""
    phone = DeviceSecrets.generate(RANDOM)
    both = ANA.add_device(phone.public)
    one, other = rotated(both), rotated(replace(both, device=phone))
    seen = record(ContactCard.make(one, (), 5)).see(ContactCard.make(other, (), 6))

    assert compare(one.account, other.account) is Standing.APART
    assert seen.newer == ContactCard.make(other, (), 6)
    assert seen.see(ContactCard.make(one, (), 5)) == seen


def test_standings() -> None:
    """Of two states of one log; logs of two accounts have none."""
    assert compare(ANA.account, ANA.account) is Standing.SAME
    assert compare(ANA.account, LATER.account) is Standing.NEWER
    assert compare(LATER.account, ANA.account) is Standing.OLDER
    assert compare(LATER.account, rotated(ANA).account) is Standing.FORKED
    with pytest.raises(RemoteProtocolError):
        compare(ANA.account, EVE.account)


def test_a_contact_has_one_id_everywhere() -> None:
    """So that two devices that add him at once have one contact, not two."""
    assert contact_entry_id(ANA.account_id) == contact_entry_id(LATER.account_id)
    assert contact_entry_id(ANA.account_id) != contact_entry_id(EVE.account_id)
    assert len(contact_entry_id(ANA.account_id)) == 16


def test_who_asks_has_another_id() -> None:
    """So that whoever has not heard of a contact yet cannot undo that he was accepted."""
    asking = ContactRecord.new(ContactCard.make(ANA, (), 5), State.PENDING, 20_000)
    accepted = replace(asking, state=State.MUTUAL)

    assert accepted.entry_id == contact_entry_id(ANA.account_id)
    assert asking.entry_id == asking_entry_id(ANA.account_id) != accepted.entry_id
