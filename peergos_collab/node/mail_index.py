"""Which mail a node keeps: by mailbox and by what its work is worth, in memory, as its keys in the store say.

key = address (32) ‖ number (8) ‖ rank (1) ‖ day (4) ‖ size (1) ‖ start of the mail's id (16)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Final, Self

from ..codec.ids import MailAddress
from ..objects.mail import SIZES, Mail
from ..values import dataclass

KEY_LENGTH: Final = 62
_ID: Final = 16


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept; the largest mail has 64 KiB."""

    mailbox_count: int = 256
    mailbox_bytes: int = 4 << 20
    all_count: int = 1 << 16
    all_bytes: int = 1 << 30


USUAL: Final = Bounds()


@dataclass(frozen=True, slots=True)
class KeptMail:
    """Mail that is here."""

    key: bytes
    address: MailAddress
    number: int
    rank: int
    day: int
    size: int
    id: bytes

    @classmethod
    def of(cls, mail: Mail, number: int) -> Self:
        id_ = mail.id[:_ID]
        place = number.to_bytes(8, "big") + bytes([mail.rank]) + mail.day.to_bytes(4, "big")
        key = mail.address + place + bytes([SIZES.index(len(mail.sealed))]) + id_
        return cls(key, mail.address, number, mail.rank, mail.day, len(mail.sealed), id_)

    @classmethod
    def read(cls, key: bytes) -> Self | None:
        """None for a key of another form."""
        if len(key) != KEY_LENGTH or key[45] >= len(SIZES):
            return None
        numbers = (key[32:40], key[40:41], key[41:45])
        number, rank, day = (int.from_bytes(part, "big") for part in numbers)
        return cls(key, MailAddress(key[:32]), number, rank, day, SIZES[key[45]], key[46:])


@dataclass(slots=True)
class MailIndex:
    """What is kept, by mailbox and by rank."""

    newest: int = 0
    _boxes: dict[MailAddress, dict[int, KeptMail]] = field(default_factory=dict)
    _ranks: dict[int, dict[bytes, KeptMail]] = field(default_factory=dict)
    _count: int = 0
    _bytes: int = 0

    def add(self, kept: KeptMail) -> None:
        self._boxes.setdefault(kept.address, {})[kept.number] = kept
        self._ranks.setdefault(kept.rank, {})[kept.key] = kept
        self._count += 1
        self._bytes += kept.size
        self.newest = max(self.newest, kept.number)

    def remove(self, kept: KeptMail) -> None:
        box = self._boxes[kept.address]
        del box[kept.number]
        if not box:
            del self._boxes[kept.address]
        del self._ranks[kept.rank][kept.key]
        self._count -= 1
        self._bytes -= kept.size

    def all(self) -> Iterator[KeptMail]:
        return (kept for box in self._boxes.values() for kept in box.values())

    def find(self, mail: Mail) -> KeptMail | None:
        """The same mail, if it is here."""
        box = self._boxes.get(mail.address, {})
        return next((kept for kept in box.values() if kept.id == mail.id[:_ID]), None)

    def after(self, address: MailAddress, number: int) -> list[KeptMail]:
        """Mail of a mailbox with higher numbers, in their order."""
        box = self._boxes.get(address, {})
        return [box[at] for at in sorted(box) if at > number]

    def numbered(self, address: MailAddress, numbers: Iterable[int]) -> list[KeptMail]:
        box = self._boxes.get(address, {})
        return [box[number] for number in numbers if number in box]

    def make_room(self, mail: Mail, bounds: Bounds) -> list[KeptMail] | None:
        """What has to go so that ``mail`` finds room; None if all that could go has done as much work."""
        box = self._boxes.get(mail.address, {}).values()
        count = len(box) + 1 - bounds.mailbox_count
        size = sum(kept.size for kept in box) + len(mail.sealed) - bounds.mailbox_bytes
        goes: list[KeptMail] = []
        if count > 0 or size > 0:
            least_first = sorted(box, key=lambda kept: (kept.rank, -kept.number))
            if not _choose(goes, least_first, mail.rank, count, size):
                return None
        count = self._count + 1 - len(goes) - bounds.all_count
        size = self._bytes + len(mail.sealed) - sum(kept.size for kept in goes) - bounds.all_bytes
        return goes if _choose(goes, self._least_first(), mail.rank, count, size) else None

    def _least_first(self) -> Iterator[KeptMail]:
        for rank in sorted(self._ranks):
            yield from reversed(self._ranks[rank].values())


def _choose(goes: list[KeptMail], least_first: Iterable[KeptMail], rank: int, count: int, size: int) -> bool:
    """Adds to ``goes``, of lower rank only, until so many and so many bytes are free; whether they are."""
    for kept in least_first:
        if count <= 0 and size <= 0:
            break
        if kept.rank >= rank:
            return False
        if kept not in goes:
            goes.append(kept)
            count -= 1
            size -= kept.size
    return count <= 0 and size <= 0
