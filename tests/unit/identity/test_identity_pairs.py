"""What two contacts derive: the same at both ends, and nothing that links one mailbox to another."""

from __future__ import annotations

import itertools
import random

from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.pairs import Pair, comparison_words, fingerprint
from peergos_collab.identity.recovery_code import RecoveryCode

RANDOM = random.Random(42).randbytes
ANA, BEN, EVE = (
    Credentials.found(name, RecoveryCode.generate(RANDOM), RANDOM) for name in ("Ana", "Ben", "Eve")
)
DAY = 20_000


def pair(one: Credentials, other: Credentials) -> Pair:
    return Pair.of(one.account_id, one.user, other.account)


def test_what_one_writes_to_the_other_reads() -> None:
    """Per day and direction: the same keys at both ends."""
    ana, ben = pair(ANA, BEN), pair(BEN, ANA)
    for day in (DAY, DAY + 1):
        for writes, reads in ((ana, ben), (ben, ana)):
            out, inbox = writes.outbox(day), reads.inbox(day)
            assert (out.key.seed, out.seal) == (inbox.key.seed, inbox.seal)


def test_addresses_of_days_contacts_and_directions_are_all_different() -> None:
    """A year of three pairs: no address comes twice, so none tells of another."""
    pairs = [pair(one, other) for one, other in itertools.permutations((ANA, BEN, EVE), 2)]
    addresses = [each.inbox(day).key.public for each in pairs for day in range(DAY, DAY + 100)]

    assert len(set(addresses)) == len(addresses)


def test_somebody_else_derives_something_else() -> None:
    """Eve knows both accounts, and her own key: what she agrees with either is not theirs."""
    theirs = pair(ANA, BEN)
    for eves in (pair(EVE, ANA), pair(EVE, BEN)):
        assert eves.secret != theirs.secret
        assert eves.outbox(DAY).key.public != theirs.outbox(DAY).key.public


def test_words_are_the_same_on_both_sides() -> None:
    """Twelve, and others with anybody else."""
    words = comparison_words(ANA.account, BEN.account)
    assert words == comparison_words(BEN.account, ANA.account)
    assert len(words) == 12
    assert words != comparison_words(ANA.account, EVE.account)
    assert words != comparison_words(EVE.account, BEN.account)


def test_words_change_with_the_user_key() -> None:
    """The id alone is not what is compared."""
    from dataclasses import replace

    swapped = replace(BEN.account, standing=EVE.account.standing)
    assert fingerprint(swapped) != fingerprint(BEN.account)
    assert comparison_words(ANA.account, swapped) != comparison_words(ANA.account, BEN.account)
