"""Yjs client ids: each belongs to one device, one object and one process lifetime."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ..codec.ids import DeviceId, ObjectId, RunId
from ..crypto import Tag, hash256

_BITS: Final = 53
"""JavaScript keeps client ids in a double, which is exact up to here."""


@lru_cache(maxsize=1 << 10)  # asked for each segment that comes
def client_id(object_id: ObjectId, device: DeviceId, run: RunId) -> int:
    """The client id under which a run of a device may create structs in an object.

    It binds an author to what he may write: two runs of one device cannot clash, and a restored
    backup cannot give the same (client, clock) other content.

    Args:
        object_id: 32 bytes. device: 32 bytes. run: 16 bytes.

    Returns:
        1 to 2**53 - 1: the first 53 bits, big-endian, of a tagged hash of the three.
    """
    digest = hash256(Tag.CLIENT_ID, object_id + device + run)
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) or 1
