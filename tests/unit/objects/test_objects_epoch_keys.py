"""The secrets of an epoch give exactly what their level allows."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.crypto import HistoryKey
from peergos_collab.errors import NoAccess, RemoteProtocolError
from peergos_collab.objects.epoch_keys import EpochKeys, EpochPublic, Level

RANDOM = random.Random(8).randbytes
ADMIN = EpochKeys.generate(RANDOM)


@pytest.mark.parametrize("level", list(Level))
def test_a_level_gives_those_below_it(level: Level) -> None:
    """And the same keys as the admin derives."""
    held = EpochKeys(level, ADMIN.secret(level).expose())

    for below in Level:
        if below <= level:
            assert held.signing_key(below).verify_key == ADMIN.public().sign[below]
            assert held.box_pair(below).public_key == ADMIN.public().box[below]
        else:
            with pytest.raises(NoAccess):
                held.secret(below)
    assert held.content == ADMIN.content
    assert held.ephemeral == ADMIN.ephemeral


def test_keys_of_another_epoch_are_found_out() -> None:
    """Whatever level is held."""
    other = EpochKeys.generate(RANDOM)
    for level in Level:
        EpochKeys(level, ADMIN.secret(level).expose()).check(ADMIN.public())
        with pytest.raises(RemoteProtocolError):
            EpochKeys(level, other.secret(level).expose()).check(ADMIN.public())


def test_key_pairs_of_the_same_secret_are_derived_once() -> None:
    """With its history it is the same secret; a lower level of it, or another one, is not."""
    ADMIN.check(ADMIN.public())
    again = EpochKeys(Level.ADMIN, ADMIN.secret(Level.ADMIN).expose(), HistoryKey.generate(RANDOM))
    again.share(ADMIN)
    bare = EpochKeys(Level.ADMIN, ADMIN.secret(Level.ADMIN).expose())
    bare.check(ADMIN.public())
    joined = bare.joined(ADMIN)
    assert joined.history is ADMIN.history
    for level in Level:
        assert again.signing_key(level) is ADMIN.signing_key(level)
        assert again.box_pair(level) is ADMIN.box_pair(level)
        assert joined.signing_key(level) is bare.signing_key(level)
    for level in Level:
        other = EpochKeys(level, RANDOM(32))
        other.share(ADMIN)
        with pytest.raises(RemoteProtocolError):
            other.check(ADMIN.public())


def test_keys_for_ops_are_checked() -> None:
    """Who gets o alone has to know the right one, so who gets more checks the hash of it."""
    other = EpochKeys.generate(RANDOM).public().ops
    with pytest.raises(RemoteProtocolError):
        ADMIN.check(replace(ADMIN.public(), ops=other))


def test_public_keys_come_back() -> None:
    """A neutral epoch has none for admins; half of a pair is refused."""
    public = ADMIN.public()
    fields = public.fields()
    neutral = [*fields[:2], b"", *fields[3:5], b"", fields[6]]

    assert EpochPublic.parse_untrusted(fields) == public
    assert list(EpochPublic.parse_untrusted(neutral).sign) == [Level.READ, Level.WRITE]
    assert EpochPublic.parse_untrusted(neutral).fields() == neutral
    for broken in (
        [*fields[:5], b"", fields[6]],
        [*fields[:2], b"", *fields[3:]],
        [b"", *fields[1:]],
        fields[:6],
        [*fields[:6], b""],
    ):
        with pytest.raises(RemoteProtocolError):
            EpochPublic.parse_untrusted(broken)


def test_no_secret_is_shown() -> None:
    """Only the level is."""
    assert repr(ADMIN) == "<EpochKeys ADMIN>"
