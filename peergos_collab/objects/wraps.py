"""Wraps: the secrets of an epoch for those who may have them, without naming them.

    wraps = ephemeral public key (32) ‖ N × slot
    slot  = hint (8) ‖ sealed {level (1), secret (32)} (49)        level + 4: with history, see history_seals

All slots have one size, their order is shuffled, and random slots fill up to a power of two, so a
reader of the record learns neither who is meant nor how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..crypto import BoxPair, BoxPublic, SealBroken, Tag, WrapKey, keyed_hash, open_once, same, seal_once
from ..errors import RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .epoch_keys import EpochKeys, Level
from .history_seals import history_secret, open_with_history
from .principals import Principal

_HINT: Final = 8
_WITH_HISTORY: Final = 4
SLOT: Final = _HINT + 33 + 16
MAX_SLOTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a slot.

    Args:
        history: with what opens the epochs before, as far as the author has that.
    """

    box: BoxPublic
    level: Level
    history: bool = True


def recipients_of(
    principal: Principal, level: Level, keys: EpochKeys, *, history: bool = True
) -> list[Recipient]:
    """To which keys the secrets for a member with the role of ``level`` are wrapped, as far as ``keys`` go.

    A neutral epoch has nothing above its write secret.
    """
    return [Recipient(box, at, history) for box, at in principal.boxes(min(level, keys.level))]


def wrap(keys: EpochKeys, recipients: Sequence[Recipient], random: Random) -> bytes:
    """Wraps to each recipient the secret of his level. Raises NoAccess where that is not held."""
    sender = BoxPair.generate(random)
    slots = [_slot(keys, recipient, sender) for recipient in recipients]
    size = 2
    while size < len(slots):
        size *= 2
    slots += [random(SLOT) for _ in range(size - len(slots))]
    slots.sort(key=lambda _: random(8))
    return sender.public_key.public + b"".join(slots)


def unwrap_untrusted(wraps: bytes, pair: BoxPair, seals: bytes) -> EpochKeys | None:
    """The keys wrapped to ``pair``, or None where there are none.

    Args:
        seals: the history seals of the epoch whose keys they are.

    Raises:
        RemoteProtocolError: the wraps have no valid form, or a slot for us opens to garbage.
    """
    check_form(wraps)
    sender = BoxPublic(wraps[:32])
    key = pair.agree(sender, Tag.WRAP, sender, pair.public_key)
    hint = keyed_hash(key, Tag.WRAP_HINT, b"", _HINT)
    for start in range(32, len(wraps), SLOT):
        if same(wraps[start : start + _HINT], hint):
            return _open(key, wraps[start + _HINT : start + SLOT], seals)
    return None


def check_form(wraps: bytes) -> None:
    """Raises RemoteProtocolError unless the length is that of 2, 4, 8 … slots."""
    count, rest = divmod(len(wraps) - 32, SLOT)
    if rest or not 2 <= count <= MAX_SLOTS or count & (count - 1):
        raise RemoteProtocolError("wraps of a size that is not allowed")


def _slot(keys: EpochKeys, recipient: Recipient, sender: BoxPair) -> bytes:
    key = sender.agree(recipient.box, Tag.WRAP, sender.public_key, recipient.box)
    level = recipient.level
    if recipient.history and keys.history is not None:
        content = bytes([level + _WITH_HISTORY]) + history_secret(keys, level).expose()
    else:
        content = bytes([level]) + keys.secret(level).expose()
    return keyed_hash(key, Tag.WRAP_HINT, b"", _HINT) + seal_once(key, content, b"")


def _open(key: WrapKey, sealed: bytes, seals: bytes) -> EpochKeys:
    try:
        content = open_once(key, sealed, b"")
        if content[0] > _WITH_HISTORY:
            return open_with_history(Level(content[0] - _WITH_HISTORY), content[1:], seals)
        return EpochKeys(Level(content[0]), content[1:])
    except (SealBroken, ValueError):
        raise RemoteProtocolError("a wrapped key opens to garbage") from None
