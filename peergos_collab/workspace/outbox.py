"""Letters that are to be sent, durable here until a node has said that it keeps them.

    value = cseal(local key, [1, time, account, kind, content, object or empty], ad = letter id)

They wait here while nobody is online, and survive a crash: an invitation is not lost.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import field
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, ObjectId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import LocalKey, Tag, copen, cseal, keyed_hash
from ..errors import Damaged, RemoteProtocolError
from ..objects.letters import ID_LENGTH, MAX_LETTER, LetterKind
from ..ports import PutValue, SegmentStore
from ..values import dataclass
from .machine import now_ms

VERSION: Final = 1
OUTBOX: Final = "outbox"
TOLD: Final = "told"


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
    content: bytes = field(repr=False)
    object: ObjectId


class Outbox:
    """See the module's text."""

    def __init__(self, store: SegmentStore, local: LocalKey) -> None:
        self._store = store
        self._local = local

    async def put(self, account: AccountId, kind: LetterKind, content: bytes, about: ObjectId) -> Waiting:
        """Returns once it is durable. It takes the place of what it says too: each letter brings the card."""
        letter = Waiting(os.urandom(ID_LENGTH), now_ms(), account, kind, content, about)
        old = [known for known in self.letters() if _says(letter, known)]
        raw = encode([VERSION, letter.time, account, int(kind), content, about])
        sealed = cseal(self._local, Tag.OUTBOX, raw, letter.id, os.urandom)
        removals = [PutValue(OUTBOX, known.id, None) for known in old]
        await asyncio.wrap_future(self._store.write([*removals, PutValue(OUTBOX, letter.id, sealed)]))
        return letter

    def drop(self, letter: Waiting) -> None:
        """A node keeps it, or it has no receiver any more."""
        self._store.write([PutValue(OUTBOX, letter.id, None)])

    def told(self, account: AccountId) -> bytes:
        """Which user key of this account a contact was told of in the mailbox on his card; empty for none."""
        try:
            sealed = self._store.value(TOLD, self._name(account))
            return b"" if sealed is None else copen(self._local, Tag.TOLD, sealed, account)
        except (Damaged, RemoteProtocolError):
            return b""  # he is told again

    def note_told(self, account: AccountId, generation: bytes) -> None:
        if self.told(account) != generation:
            sealed = cseal(self._local, Tag.TOLD, generation, account, os.urandom)
            self._store.write([PutValue(TOLD, self._name(account), sealed)])

    def _name(self, account: AccountId) -> bytes:
        """So that the store does not say whom one knows."""
        return keyed_hash(self._local, Tag.TOLD_NAME, account)

    def holds(self, letter: Waiting) -> bool:
        try:
            return self._store.value(OUTBOX, letter.id) is not None
        except Damaged:
            return False

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


def _says(letter: Waiting, other: Waiting) -> bool:
    """Whether ``letter`` tells its receiver everything that an older one would."""
    if letter.account != other.account:
        return False
    same = (letter.kind, letter.object or letter.content) == (other.kind, other.object or other.content)
    return same or other.kind is LetterKind.HELLO
