"""Wraps: those who are meant open theirs, nobody else sees who or how many they are."""

from __future__ import annotations

import random

import pytest

from peergos_collab.crypto import BoxPair, Tag, WrapKey, derive, seal_once
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.history_seals import SEALED, history_seals, history_secret, open_with_history
from peergos_collab.objects.wraps import MAX_SLOTS, SLOT, Recipient, check_form, unwrap_untrusted, wrap

RANDOM = random.Random(9).randbytes
KEYS = EpochKeys.generate(RANDOM)
SEALS = history_seals(KEYS)
PAIRS = [BoxPair.generate(RANDOM) for _ in range(5)]


def test_each_gets_his_level() -> None:
    """And nobody else's pair opens anything."""
    levels = [Level.READ, Level.WRITE, Level.ADMIN, Level.READ, Level.WRITE]
    recipients = [Recipient(p.public_key, level) for p, level in zip(PAIRS, levels, strict=True)]
    wraps = wrap(KEYS, recipients, RANDOM)

    for pair, level in zip(PAIRS, levels, strict=True):
        held = unwrap_untrusted(wraps, pair, SEALS)
        assert held is not None
        assert held.level is level
        held.check(KEYS.public())
    assert unwrap_untrusted(wraps, BoxPair.generate(RANDOM), SEALS) is None


@pytest.mark.parametrize("level", list(Level))
def test_a_slot_gives_the_history_or_not(level: Level) -> None:
    """Both kinds have one size, so nobody sees which is which; who has the secret alone cannot give more."""
    pair = PAIRS[0]
    whole, bare = (
        wrap(KEYS, [Recipient(pair.public_key, level, history)], RANDOM) for history in (True, False)
    )
    with_history, without = (unwrap_untrusted(wraps, pair, SEALS) for wraps in (whole, bare))

    assert len(whole) == len(bare)
    assert with_history is not None
    assert with_history.history == KEYS.history
    assert without is not None
    assert without.history is None
    assert with_history.level is without.level is level
    assert with_history.secret(level) == without.secret(level) == KEYS.secret(level)
    again = wrap(without, [Recipient(pair.public_key, level)], RANDOM)
    handed_on = unwrap_untrusted(again, pair, SEALS)
    assert handed_on is not None
    assert handed_on.history is None


def test_a_slot_for_other_history_seals_is_told() -> None:
    """What opens none of the epoch's seals is no secret of it."""
    pair, other = PAIRS[0], history_seals(EpochKeys.generate(RANDOM))
    wraps = wrap(KEYS, [Recipient(pair.public_key, Level.WRITE)], RANDOM)
    with pytest.raises(RemoteProtocolError, match="garbage"):
        unwrap_untrusted(wraps, pair, other)


def test_a_history_seal_holds_what_opens_it() -> None:
    """A hostile author could seal something else under what he hands out: nobody could hand that on."""
    given, foreign = history_secret(KEYS, Level.READ), EpochKeys.generate(RANDOM)
    assert foreign.history is not None
    content = foreign.read.expose() + foreign.history.expose()
    false = seal_once(derive(given, Tag.HISTORY_SEAL, WrapKey), content, b"")

    with pytest.raises(RemoteProtocolError, match="what opens it"):
        open_with_history(Level.READ, given.expose(), false + SEALS[SEALED:])


@pytest.mark.parametrize(("count", "slots"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 8)])
def test_the_number_is_hidden(count: int, slots: int) -> None:
    """Random slots fill up to a power of two."""
    wraps = wrap(KEYS, [Recipient(p.public_key, Level.READ) for p in PAIRS[:count]], RANDOM)

    assert len(wraps) == 32 + slots * SLOT


@pytest.mark.parametrize(
    "size", [0, 31, 32, 32 + SLOT, 32 + 3 * SLOT, 33 + 2 * SLOT, 32 + 2 * MAX_SLOTS * SLOT]
)
def test_other_sizes_are_refused(size: int) -> None:
    """One slot, three, none, too many, and parts of one."""
    with pytest.raises(RemoteProtocolError):
        check_form(bytes(size))
    with pytest.raises(RemoteProtocolError):
        unwrap_untrusted(bytes(size), PAIRS[0], SEALS)


@pytest.mark.parametrize("at", [8, 40, SLOT - 1])
def test_a_spoiled_slot_is_told(at: int) -> None:
    """A slot with our hint that does not open is an error, not silence."""
    pair = PAIRS[0]
    raw = wrap(KEYS, [Recipient(pair.public_key, Level.READ)], RANDOM)
    spoiled = []
    for start in (32, 32 + SLOT):
        copy = bytearray(raw)
        copy[start + at] ^= 1
        spoiled.append(bytes(copy))
    outcomes = []
    for copy in spoiled:
        try:
            outcomes.append(unwrap_untrusted(copy, pair, SEALS))
        except RemoteProtocolError as error:
            outcomes.append(str(error))

    assert "a wrapped key opens to garbage" in outcomes


def test_wraps_cut_short_are_refused() -> None:
    """They could hide the slot that is meant for us."""
    wraps = wrap(KEYS, [Recipient(PAIRS[0].public_key, Level.READ)] * 3, RANDOM)
    with pytest.raises(RemoteProtocolError, match="size"):
        unwrap_untrusted(wraps[:-SLOT], PAIRS[1], SEALS)


def test_a_low_order_sender_is_refused() -> None:
    """With such a key everybody would share one secret."""
    with pytest.raises(RemoteProtocolError):
        unwrap_untrusted(bytes(32 + 2 * SLOT), PAIRS[0], SEALS)


def test_one_cannot_wrap_what_one_does_not_hold() -> None:
    """A reader cannot hand out write access."""
    from peergos_collab.errors import NoAccess

    reader = EpochKeys(Level.READ, KEYS.read.expose())
    with pytest.raises(NoAccess):
        wrap(reader, [Recipient(PAIRS[0].public_key, Level.WRITE)], RANDOM)
