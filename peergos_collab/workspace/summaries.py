"""What a list shows of an object that is not open: saved with its local state.

summary = cseal(local key, [size, modified, level (0: removed)], ad = "summaries" ‖ object)
"""

from __future__ import annotations

from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import ObjectId
from ..codec.shape import array, number
from ..crypto import LocalKey
from ..errors import Damaged, RemoteProtocolError
from ..objects.epoch_keys import Level
from ..ports import SegmentStore
from ..values import dataclass
from .saved_state import saved_state

SUMMARIES: Final = "summaries"


@dataclass(frozen=True, slots=True)
class Summary:
    """Size in bytes; when it last changed, ms since 1970; this account's role, None once it was removed."""

    size: int
    modified: int
    level: Level | None

    def encode(self) -> bytes:
        return encode([self.size, self.modified, self.level or 0])


def stored_summary(store: SegmentStore, local: LocalKey, object_id: ObjectId) -> Summary | None:
    """As last saved; None if never, or where it is damaged."""
    try:
        raw = saved_state(store, local, SUMMARIES, object_id)
        if raw is None:
            return None
        size, modified, level = array(decode_untrusted(raw, 64), 3, "summary")
        size, modified = number(size, 0, 1 << 53, "size"), number(modified, 0, 1 << 53, "time")
        level = number(level, 0, max(Level), "level")
        return Summary(size, modified, Level(level) if level else None)
    except (Damaged, RemoteProtocolError):
        return None
