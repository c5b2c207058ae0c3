"""Whether a home's device may be announced in the local network: kept in the home, for every start.

A laptop goes to networks that a desktop never sees, so it is the device's own and not the account's.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ..ports import PutValue, SegmentStore

SETTINGS: Final = "settings"
FORBIDDEN: Final = b"no lan"
"""There while it may not; what it holds means nothing."""


def lan_allowed(store: SegmentStore) -> bool:
    return store.value(SETTINGS, FORBIDDEN) is None


async def allow_lan(store: SegmentStore, allowed: bool) -> None:
    """Returns once that is durable."""
    await asyncio.wrap_future(store.write([PutValue(SETTINGS, FORBIDDEN, None if allowed else b"\x01")]))
