"""Back-links: an epoch's own readers' key opens the readers' keys of epochs before it.

    back-link = [epoch, sealed r of it (48)]

Never w or a: who joined later reads what was written before, and writes nothing into it. Each is sealed
with a key of its own, and whoever opens one checks it against that epoch's public keys.
"""

from __future__ import annotations

from typing import Any, Final

from ..codec.ids import EpochId
from ..codec.shape import array, blob, many
from ..crypto import SealBroken, Tag, WrapKey, derive, open_once, seal_once
from ..errors import RemoteProtocolError
from .epoch_keys import EpochKeys, EpochPublic, Level

MAX_BACK_LINKS: Final = 64
_SEALED: Final = 48


def seal_back_link(keys: EpochKeys, epoch: EpochId, old: EpochKeys) -> list[bytes]:
    """The back-link from the epoch of ``keys`` to ``epoch``, whose keys are ``old``."""
    return [epoch, seal_once(_key(keys, epoch), old.read.expose(), b"")]


def open_back_link(keys: EpochKeys, epoch: EpochId, sealed: bytes, public: EpochPublic) -> EpochKeys:
    """What a reader of the linking epoch holds of ``epoch``.

    Raises:
        RemoteProtocolError: it opens to something that is not that epoch's key.
    """
    try:
        old = EpochKeys(Level.READ, open_once(_key(keys, epoch), sealed, b""))
    except SealBroken:
        raise RemoteProtocolError("a back-link opens to garbage") from None
    old.check(public)
    return old


def parse_back_links_untrusted(value: Any) -> dict[EpochId, bytes]:
    """Raises RemoteProtocolError."""
    links: dict[EpochId, bytes] = {}
    for item in many(value, MAX_BACK_LINKS, "back-links"):
        epoch, sealed = array(item, 2, "back-link")
        links[EpochId(blob(epoch, 32, "back-link"))] = blob(sealed, _SEALED, "back-link")
    return links


def _key(keys: EpochKeys, epoch: EpochId) -> WrapKey:
    return derive(keys.read, Tag.BACK_LINK, WrapKey, epoch)
