"""How devices that share a secret recognise each other in a local network, and nobody else does.

    day key      = K(secret, "lan day", day (4))            secret: of a pair of contacts, or of an object
    mark         = K(day key, "lan mark", pin)[:8]          pin: of a certificate that was made for the day
    caller proof = K(day key, "lan caller", pin of the called ‖ pin of the caller)
    called proof = K(day key, "lan called", the same)

All places of an announcement are filled, with noise where there are no marks, and sorted: nobody counts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..crypto import LanKey, SecretKey, Tag, derive, hash256, keyed_hash, same

MARK: Final = 8
PLACES: Final = 62
"""Fill two strings of DNS text with 248 bytes each."""

DAYS_AROUND: Final = (0, -1, 1)
"""For clocks that are apart, and around midnight."""


def day_keys(secret: SecretKey, day: int) -> list[LanKey]:
    """Of a day and of those beside it, its own first."""
    days = [(day + around).to_bytes(4, "big") for around in DAYS_AROUND]
    return [derive(secret, Tag.LAN_DAY, LanKey, each) for each in days]


def mark(key: LanKey, pin: bytes) -> bytes:
    return keyed_hash(key, Tag.LAN_MARK, pin, MARK)


def places(keys: Iterable[LanKey], pin: bytes, noise: bytes) -> list[bytes]:
    """What is announced.

    Args:
        keys: of today, the most wanted first; what finds no place is left out.
        noise: 32 secret random bytes, the same for as long as the pin is: so that a later look shows no more.
    """
    marks = list(dict.fromkeys(mark(key, pin) for key in keys))[:PLACES]
    fill = [hash256(Tag.LAN_NOISE, noise + bytes([at]))[:MARK] for at in range(PLACES - len(marks))]
    return sorted(marks + fill)


def recognises(keys: Iterable[LanKey], pin: bytes, announced: Iterable[bytes]) -> LanKey | None:
    """The key that one of the announced marks was made with."""
    found = frozenset(announced)
    return next((key for key in keys if mark(key, pin) in found), None)


def caller_proof(key: LanKey, called: bytes, caller: bytes) -> bytes:
    """Shows whom one calls that one knows the secret; it says nothing to anybody else, and not who one is."""
    return keyed_hash(key, Tag.LAN_CALLER, called + caller)


def called_proof(key: LanKey, called: bytes, caller: bytes) -> bytes:
    """The answer to it."""
    return keyed_hash(key, Tag.LAN_CALLED, called + caller)


def who_calls(keys: Iterable[LanKey], called: bytes, caller: bytes, proof: bytes) -> LanKey | None:
    """The key that a caller proved to know."""
    return next((key for key in keys if same(caller_proof(key, called, caller), proof)), None)
