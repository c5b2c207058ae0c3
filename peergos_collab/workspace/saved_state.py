"""Values of an object's local state in the store, sealed for this device alone.

value = cseal(local key, plaintext, ad = space ‖ key)
"""

from __future__ import annotations

from ..crypto import LocalKey, Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..ports import PutValue, Random, SegmentStore


def put_state(local: LocalKey, space: str, key: bytes, plaintext: bytes, random: Random) -> PutValue:
    """What stores it."""
    return PutValue(space, key, cseal(local, Tag.CHECKPOINT, plaintext, space.encode() + key, random))


def saved_state(store: SegmentStore, local: LocalKey, space: str, key: bytes) -> bytes | None:
    """As last stored; None if never. Raises Damaged."""
    sealed = store.value(space, key)
    if sealed is None:
        return None
    try:
        return copen(local, Tag.CHECKPOINT, sealed, space.encode() + key)
    except RemoteProtocolError as error:
        raise Damaged(f"what was saved of it on this disk is damaged ({error})") from None
