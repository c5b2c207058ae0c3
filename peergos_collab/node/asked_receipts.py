"""Whole receipts that clients ask for: one in each beat for each object on a session.

Each is a look through all logs of the object, a signature, and 70 bytes for each log: 7 ms where there are
1,000, for a question of 36 bytes. Who asks once has the answer at once.
"""

from __future__ import annotations

from ..codec.ids import ObjectId
from ..sync.session import Session


class AskedReceipts:
    """See the module's text."""

    def __init__(self) -> None:
        self._again: dict[int, dict[ObjectId, bool]] = {}
        """What was answered since the last beat, by session, and whether it was asked again."""

    def may_have(self, session: Session, object_id: ObjectId) -> bool:
        """Whether a question is to be answered at once; else it is with the next beat."""
        asked = self._again.setdefault(id(session), {})
        first = object_id not in asked
        asked[object_id] = not first
        return first

    @property
    def waits(self) -> bool:
        """Whether something is to be done with the next ``beat``."""
        return bool(self._again)

    def beat(self) -> list[tuple[int, ObjectId]]:
        """What is to be answered now: by ids of sessions."""
        due = [(key, each) for key, asked in self._again.items() for each, again in asked.items() if again]
        self._again = {}
        for key, object_id in due:
            self._again.setdefault(key, {})[object_id] = False
        return due

    def detach(self, session: Session) -> None:
        self._again.pop(id(session), None)
