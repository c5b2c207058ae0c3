"""What tells an epoch with its history from the epoch alone, in slots of one size.

    x of a level  = K(its secret, "history secret", h)
    history seals = for read, write and (not in a neutral epoch) admin: sealed {secret (32), h (32)} under x

A slot holds 32 bytes: the secret of a level, for who gets what is written from this epoch on, or x, for who
gets what was written before, too. Whoever holds a secret and h can compute x, so he can hand on both; who
holds the secret alone cannot, and neither he nor a node can tell x from a secret.
"""

from __future__ import annotations

from typing import Final

from ..crypto import (
    HistoryKey,
    HistorySecret,
    SealBroken,
    Tag,
    WrapKey,
    derive,
    open_once,
    same,
    seal_once,
)
from ..errors import NoAccess, RemoteProtocolError
from .epoch_keys import EpochKeys, EpochPublic, Level

SEALED: Final = 32 + 32 + 16


def history_secret(keys: EpochKeys, level: Level) -> HistorySecret:
    """What gives the secret of ``level`` and the history. Raises NoAccess where one of them is not held."""
    secret = keys.secret(level)
    if keys.history is None:
        raise NoAccess("what was written before you were added is not yours to give; nothing was changed")
    return derive(secret, Tag.HISTORY_SECRET, HistorySecret, keys.history.expose())


def history_seals(keys: EpochKeys) -> bytes:
    """For the record of an epoch whose keys one has just made. Raises NoAccess."""
    return b"".join(_seal(keys, level) for level in Level if level <= keys.level)


def check_form(seals: bytes, public: EpochPublic) -> None:
    """Raises RemoteProtocolError unless there is one seal for each level that an epoch has."""
    if len(seals) != SEALED * len(public.sign):
        raise RemoteProtocolError("history seals of a size that is not allowed")


def open_with_history(level: Level, secret: bytes, seals: bytes) -> EpochKeys:
    """The keys that an ``x`` of an epoch gives.

    Raises:
        RemoteProtocolError: it opens to garbage.
    """
    given = HistorySecret(secret)
    start = SEALED * (level - 1)
    try:
        both = open_once(_key(given), seals[start : start + SEALED], b"")
    except SealBroken:
        raise RemoteProtocolError("a history seal opens to garbage") from None
    keys = EpochKeys(level, both[:32], HistoryKey(both[32:]))
    if not same(history_secret(keys, level).expose(), secret):
        raise RemoteProtocolError("a history seal that is not for what opens it")
    return keys


def check_history(keys: EpochKeys, seals: bytes) -> None:
    """Raises RemoteProtocolError unless the history key held is the one of this epoch."""
    if keys.history is not None:
        open_with_history(Level.READ, history_secret(keys, Level.READ).expose(), seals)


def _seal(keys: EpochKeys, level: Level) -> bytes:
    secret = history_secret(keys, level)
    assert keys.history is not None
    return seal_once(_key(secret), keys.secret(level).expose() + keys.history.expose(), b"")


def _key(secret: HistorySecret) -> WrapKey:
    return derive(secret, Tag.HISTORY_SEAL, WrapKey)
