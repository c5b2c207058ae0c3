"""Letters that are to be sent, durable here until a node has said that it keeps them.

    value = cseal(local key, [1, time, account, kind, content, object or empty], ad = letter id)

They wait here while nobody is online, and survive a crash: an invitation is not lost.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, ObjectId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import LocalKey, Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..objects.letters import ID_LENGTH, MAX_LETTER, LetterKind
from ..ports import PutValue, SegmentStore
from .machine import now_ms

VERSION: Final = 1
OUTBOX: Final = "outbox"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A letter that waits.

    Args:
        id: the letter's.
        time: when it was written, ms since 1970.
        object: what has to be on a node before the letter makes sense; empty for nothing.
    """

    id: bytes
    time: int
    account: AccountId
    kind: LetterKind
    content: bytes
    object: ObjectId


class Outbox:
    """See the module's text."""

    def __init__(self, store: SegmentStore, local: LocalKey) -> None:
        self._store = store
        self._local = local

    async def put(self, account: AccountId, kind: LetterKind, content: bytes, about: ObjectId) -> Waiting:
        """Returns once it is durable. A letter of the same kind about the same thing takes its place."""
        letter = Waiting(os.urandom(ID_LENGTH), now_ms(), account, kind, content, about)
        old = [known for known in self.letters() if _about(known) == _about(letter)]
        raw = encode([VERSION, letter.time, account, int(kind), content, about])
        sealed = cseal(self._local, Tag.OUTBOX, raw, letter.id, os.urandom)
        removals = [PutValue(OUTBOX, known.id, None) for known in old]
        await asyncio.wrap_future(self._store.write([*removals, PutValue(OUTBOX, letter.id, sealed)]))
        return letter

    def drop(self, letter: Waiting) -> None:
        """A node keeps it, or it has no receiver any more."""
        self._store.write([PutValue(OUTBOX, letter.id, None)])

    def letters(self) -> list[Waiting]:
        """What waits, oldest first. What is damaged is gone: whoever shared sees that nobody came."""
        try:
            stored = list(self._store.values(OUTBOX))
        except Damaged:
            return []
        letters = [letter for id_, sealed in stored if (letter := self._open(id_, sealed)) is not None]
        return sorted(letters, key=lambda letter: letter.time)

    def _open(self, id_: bytes, sealed: bytes) -> Waiting | None:
        try:
            raw = copen(self._local, Tag.OUTBOX, sealed, id_)
            fields = array(decode_untrusted(raw, 2 * MAX_LETTER), 6, "letter")
            return Waiting(
                id_,
                number(fields[1], 0, 2**53, "time"),
                AccountId(blob(fields[2], 32, "account")),
                LetterKind(number(fields[3], min(LetterKind), max(LetterKind), "kind of letter")),
                some_bytes(fields[4], MAX_LETTER, "letter"),
                ObjectId(some_bytes(fields[5], 32, "object id")),
            )
        except RemoteProtocolError:
            return None


def _about(letter: Waiting) -> tuple[bytes, int, bytes]:
    return letter.account, letter.kind, letter.object or letter.content
