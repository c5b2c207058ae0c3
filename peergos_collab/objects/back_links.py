"""Back-links: what the keys of an epoch open of the epochs before it.

    back-link = [epoch, sealed o of it (48), sealed {1 with h | 0, r, h | zeros} of it (81)]

o is sealed under the new epoch's o: every member opens the membership ops of all time. r is sealed under the
new epoch's h: only who has the history opens content of before. Never w or a: who joined later writes nothing
into what is old. Each is sealed with a key of its own, and whoever opens one checks it against that epoch.
"""

from __future__ import annotations

from typing import Any, Final

from ..codec.ids import EpochId
from ..codec.shape import array, blob, many
from ..crypto import HistoryKey, OpsSecret, SealBroken, Tag, WrapKey, derive, open_once, seal_once
from ..errors import RemoteProtocolError
from ..values import dataclass
from .epoch_keys import EpochKeys, EpochPublic, Level, ops_check
from .history_seals import check_history, history_secret

MAX_BACK_LINKS: Final = 64
_SEALED_OPS: Final = 32 + 16
_SEALED_KEYS: Final = 1 + 32 + 32 + 16


@dataclass(frozen=True, slots=True)
class BackLink:
    """One epoch before another, sealed."""

    ops: bytes
    keys: bytes


def seal_back_link(keys: EpochKeys, epoch: EpochId, old: EpochKeys) -> list[bytes]:
    """The back-link from the epoch of ``keys``, which its author has made, to ``epoch``.

    Args:
        old: what he holds of that.
    """
    history = old.history.expose() if old.history is not None else bytes(32)
    content = bytes([old.history is not None]) + old.read.expose() + history
    return [
        epoch,
        seal_once(_ops_key(keys.ops, epoch), old.ops.expose(), b""),
        seal_once(_history_key(keys, epoch), content, b""),
    ]


def open_ops_link(ops: OpsSecret, epoch: EpochId, link: BackLink, public: EpochPublic) -> OpsSecret:
    """What opens the ops of ``epoch``, for who opens those of the linking one.

    Raises:
        RemoteProtocolError: it opens to something that is not that epoch's.
    """
    try:
        old = OpsSecret(open_once(_ops_key(ops, epoch), link.ops, b""))
    except SealBroken:
        raise RemoteProtocolError("a back-link opens to garbage") from None
    if ops_check(old) != public.ops:
        raise RemoteProtocolError("the keys given for an epoch are not its keys")
    return old


def open_back_link(
    keys: EpochKeys, epoch: EpochId, link: BackLink, public: EpochPublic, seals: bytes
) -> EpochKeys:
    """What a reader of the linking epoch who has its history holds of ``epoch``.

    Args:
        seals: the history seals of ``epoch``.

    Raises:
        NoAccess: the linking epoch's history is not held.
        RemoteProtocolError: it opens to something that is not that epoch's key.
    """
    try:
        content = open_once(_history_key(keys, epoch), link.keys, b"")
    except SealBroken:
        raise RemoteProtocolError("a back-link opens to garbage") from None
    old = EpochKeys(Level.READ, content[1:33], HistoryKey(content[33:]) if content[0] else None)
    old.check(public)
    check_history(old, seals)
    return old


def parse_back_links_untrusted(value: Any) -> dict[EpochId, BackLink]:
    """Raises RemoteProtocolError."""
    links: dict[EpochId, BackLink] = {}
    for item in many(value, MAX_BACK_LINKS, "back-links"):
        epoch, ops, keys = array(item, 3, "back-link")
        sealed = BackLink(blob(ops, _SEALED_OPS, "back-link"), blob(keys, _SEALED_KEYS, "back-link"))
        links[EpochId(blob(epoch, 32, "back-link"))] = sealed
    return links


def _ops_key(ops: OpsSecret, epoch: EpochId) -> WrapKey:
    return derive(ops, Tag.OPS_LINK, WrapKey, epoch)


def _history_key(keys: EpochKeys, epoch: EpochId) -> WrapKey:
    # Bound to r, too: h comes from a slot, and nothing public says which one is right.
    return derive(history_secret(keys, Level.READ), Tag.BACK_LINK, WrapKey, epoch)
