"""The recovery code: 160 random bits that a person writes on paper.

Eight groups of five characters of Crockford's base32 (no I, L, O, U). In each group the first four
carry 20 bits and the fifth checks them and the group's place:

    check = d1 + 2·d2 + 4·d3 + 8·d4 + 2^place        in GF(32) mod x^5 + x^2 + 1, 2 standing for x

so one wrong character, two exchanged neighbours, or two exchanged groups are always found, and the
group that is wrong can be named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NoReturn

from ..crypto import BoxPair, BoxSeed, LinkSeed, SecretKey, SignSeed, Tag, derive, hash256
from ..errors import LocalProtocolError, UsageError
from ..ports import Random

CODE_BYTES: Final = 20
GROUPS: Final = 8
_GROUP: Final = 5
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_POLYNOMIAL: Final = 0b100101


class RecoveryCode:
    """Opens the recovery slot of the key store, and holds the next root key. Never printed by ``repr``."""

    __slots__ = ("_code",)

    def __init__(self, code: bytes) -> None:
        if len(code) != CODE_BYTES:
            raise LocalProtocolError(f"a recovery code has {CODE_BYTES} bytes")
        self._code = code

    @classmethod
    def generate(cls, random: Random) -> RecoveryCode:
        return cls(random(CODE_BYTES))

    @classmethod
    def parse(cls, text: str) -> RecoveryCode:
        """Reads what a person typed; case, spaces and hyphens do not matter.

        Raises:
            UsageError: not a recovery code; the message names the group that looks wrong.
        """
        groups = _split(text)
        digits: list[int] = []
        for place, group in enumerate(groups):
            values = [_VALUES.get(character) for character in group]
            known = [value for value in values if value is not None]
            if len(known) != _GROUP or _check(known[:-1], place) != known[-1]:
                raise UsageError(
                    f"Group {place + 1} of the recovery code looks wrong.",
                    hint="Compare it with what you wrote down; the code has no I, L, O or U.",
                )
            digits += known[:-1]
        number = 0
        for digit in digits:
            number = number << 5 | digit
        return cls(number.to_bytes(CODE_BYTES, "big"))

    def show(self) -> str:
        """The code as a person writes it down: ``XXXXX-XXXXX-…``. Show it once."""
        number = int.from_bytes(self._code, "big")
        digits = [number >> shift & 31 for shift in range(155, -1, -5)]
        groups = [digits[start : start + 4] for start in range(0, len(digits), 4)]
        return "-".join(
            "".join(_ALPHABET[digit] for digit in [*group, _check(group, place)])
            for place, group in enumerate(groups)
        )

    def slot_pair(self) -> BoxPair:
        """The key pair of the recovery slot: its public half stays with the key store."""
        return BoxPair.from_seed(derive(self._seed(), Tag.RECOVERY_SLOT, BoxSeed))

    def seeds_pair(self) -> BoxPair:
        """The key pair that the account's user seeds are boxed to."""
        return BoxPair.from_seed(derive(self._seed(), Tag.RECOVERY_SEEDS, BoxSeed))

    def next_root(self) -> SignSeed:
        """The seed of the account's next root key."""
        return derive(self._seed(), Tag.NEXT_ROOT, SignSeed)

    def drop_seed(self) -> LinkSeed:
        """Leads, as a link's seed does, to the drop on a node that says where the account is."""
        return derive(self._seed(), Tag.RECOVERY_DROP, LinkSeed)

    def _seed(self) -> SecretKey:
        return SecretKey(hash256(Tag.RECOVERY_CODE, self._code))

    def __repr__(self) -> str:
        return "<RecoveryCode>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecoveryCode) and self._seed() == other._seed()

    def __hash__(self) -> int:
        raise TypeError("a recovery code is no dictionary key")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a recovery code is not pickled")


def _split(text: str) -> list[str]:
    """The eight groups as typed, or cut anew where the separators are missing or elsewhere."""
    groups = text.upper().replace("-", " ").split()
    if len(groups) != GROUPS:
        joined = "".join(groups)
        groups = [joined[start : start + _GROUP] for start in range(0, len(joined), _GROUP)]
    if len(groups) != GROUPS:
        typed = sum(map(len, groups))
        raise UsageError(
            f"A recovery code has {GROUPS} groups of {_GROUP} characters; this has {typed}.",
            hint="Compare it with what you wrote down.",
        )
    return groups


def _check(digits: Iterable[int], place: int) -> int:
    total = _times_x(1, place)
    for power, digit in enumerate(digits):
        total ^= _times_x(digit, power)
    return total


def _times_x(value: int, times: int) -> int:
    for _ in range(times):
        value <<= 1
        if value & 32:
            value ^= _POLYNOMIAL
    return value
