"""Marks in a local network: recognised by who shares a secret, noise to everybody else."""

from __future__ import annotations

import random

from peergos_collab.crypto import PairSecret
from peergos_collab.identity.lan_marks import (
    MARK,
    PLACES,
    called_proof,
    caller_proof,
    day_keys,
    places,
    recognises,
    who_calls,
)

RANDOM = random.Random(53).randbytes
TODAY = 20_000
SECRETS = [PairSecret(RANDOM(32)) for _ in range(PLACES + 10)]
PIN, OTHER, NOISE = RANDOM(32), RANDOM(32), RANDOM(32)


def announced(count: int, *, pin: bytes = PIN, day: int = TODAY) -> list[bytes]:
    return places((day_keys(secret, day)[0] for secret in SECRETS[:count]), pin, NOISE)


def test_who_shares_a_secret_recognises_it() -> None:
    """Whichever of the secrets it is, and the key found is that of the announcer's day."""
    shown = announced(5)

    for secret in SECRETS[:5]:
        assert recognises(day_keys(secret, TODAY), PIN, shown) is not None
    assert recognises(day_keys(SECRETS[5], TODAY), PIN, shown) is None


def test_clocks_may_be_a_day_apart() -> None:
    """And no more: what was recorded is worth nothing the day after tomorrow."""
    for day, known in ((-2, False), (-1, True), (1, True), (2, False)):
        found = recognises(day_keys(SECRETS[0], TODAY), PIN, announced(1, day=TODAY + day))
        assert (found is not None) is known


def test_strangers_count_nothing_and_compare_nothing() -> None:
    """Always as many places, in an order that says nothing; other days and pins have nothing in common."""
    shown = announced(5)

    assert [len(announced(count)) for count in (0, 1, PLACES, PLACES + 10)] == [PLACES] * 4
    assert {len(each) for each in shown} == {MARK}
    assert shown == sorted(shown)
    assert not set(shown) & set(announced(5, pin=OTHER, day=TODAY)) - set(announced(0))
    assert not set(shown) & set(announced(5, day=TODAY + 1)) - set(announced(0))


def test_the_noise_stays() -> None:
    """A look at a later announcement of the same place shows no more than what is new in it."""
    assert len(set(announced(5)) - set(announced(6))) == 1
    assert len(set(announced(5)) & set(announced(6))) == PLACES - 1


def test_both_prove_that_they_know_it() -> None:
    """For these two pins only, and a caller's proof is no answer."""
    key, stranger = day_keys(SECRETS[0], TODAY)[0], day_keys(SECRETS[1], TODAY)[0]
    proof = caller_proof(key, PIN, OTHER)

    assert who_calls([stranger, key], PIN, OTHER, proof) is key
    assert who_calls([stranger], PIN, OTHER, proof) is None
    assert who_calls([key], OTHER, PIN, proof) is None
    assert who_calls([key], PIN, NOISE, proof) is None
    assert who_calls([key], NOISE, OTHER, proof) is None
    assert called_proof(key, PIN, OTHER) != proof
