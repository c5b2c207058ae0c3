"""Which epochs a side of a session proves, and how.

The newest ones it holds, which is what counts; and a few older ones, for the other side may not have the
newest records yet and has to recognise something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..codec.ids import EpochId
from ..crypto import Tag
from ..objects.epoch_keys import EpochKeys, Level
from .logbook import LogBook
from .rights import MAX_PROOFS

OLDER: Final = 4
"""Older epochs that are proved: the first, and the ones 1, 2 and 4 before the last."""


def opening_proofs(book: LogBook, held: Mapping[EpochId, EpochKeys]) -> list[EpochId]:
    """The epochs to prove when an object is opened; any that are held while the book is empty."""
    newest = [epoch for epoch in _newest(book) if epoch in held]
    known = [epoch for epoch in book.epochs if epoch in held] or list(held)
    older = [known[at] for at in (0, -2, -3, -5) if -len(known) <= at < len(known)]
    return list(dict.fromkeys([*newest[-(MAX_PROOFS - OLDER) :], *older]))


def fresh_proofs(
    book: LogBook, held: Mapping[EpochId, EpochKeys], told: Mapping[EpochId, int]
) -> list[EpochId]:
    """The newest epochs held that the other side was not shown yet, or at a lower level."""
    newest = (epoch for epoch in _newest(book) if epoch in held)
    return [epoch for epoch in newest if _provable(held[epoch]) > told.get(epoch, 0)]


def prove(epoch: EpochId, keys: EpochKeys, claim: bytes) -> list[Any]:
    """A proof as a value for a frame, with the highest key that counts.

    Args:
        claim: what it is bound to: channel ‖ the other side's nonce ‖ object.
    """
    level = _provable(keys)
    return [epoch, int(level), keys.signing_key(level).sign(Tag.SIGN_PROOF, claim + epoch)]


def _newest(book: LogBook) -> dict[EpochId, None]:
    """As members see it and as nodes do."""
    return book.plain_graph.newest | book.graph.newest


def _provable(keys: EpochKeys) -> Level:
    return min(keys.level, Level.WRITE)
