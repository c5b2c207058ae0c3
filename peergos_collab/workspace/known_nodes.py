"""This account's nodes once more, beside the profile: where to fetch it again should it be damaged here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.shape import many, string
from ..crypto import Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..ports import PutValue, SegmentStore
from .home import HomeKeys

SPACE: Final = "nodes"
MAX_NODES: Final = 64


def remember_nodes(nodes: Iterable[str], keys: HomeKeys) -> PutValue:
    """What to store; sealed for this device."""
    raw = encode(list(nodes)[:MAX_NODES])
    return PutValue(
        SPACE, keys.profile, cseal(keys.credentials.local, Tag.LOCAL_NODES, raw, _ad(keys), os.urandom)
    )


def known_nodes(store: SegmentStore, keys: HomeKeys) -> tuple[str, ...]:
    """As last remembered; empty where that is damaged, too."""
    try:
        sealed = store.value(SPACE, keys.profile)
        if sealed is None:
            return ()
        raw = copen(keys.credentials.local, Tag.LOCAL_NODES, sealed, _ad(keys))
        return tuple(
            string(node, 512, "node") for node in many(decode_untrusted(raw, 1 << 16), MAX_NODES, "nodes")
        )
    except (Damaged, RemoteProtocolError):
        return ()


def _ad(keys: HomeKeys) -> bytes:
    return b"nodes" + keys.profile
