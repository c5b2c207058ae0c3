"""Text forms of bytes: multibase base58btc (``z…``) for ids and keys, base64url for what is longer."""

from __future__ import annotations

import binascii
from typing import Final

from ..errors import RemoteProtocolError

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TO_URL: Final = str.maketrans("+/", "-_")
_FROM_URL: Final = str.maketrans("-_", "+/")
_PAIRS: Final = [high + low for high in _ALPHABET for low in _ALPHABET]
_PAIRS_AT_ONCE: Final = 5
_AT_ONCE: Final = len(_PAIRS) ** _PAIRS_AT_ONCE
"""What is divided by in one step: the division of the long number is what takes time."""
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}

MAX_TEXT: Final = 512
"""Longer base58 takes quadratic time and has no use here."""


def to_multibase(data: bytes) -> str:
    """``data`` as multibase base58btc; leading zero bytes become ``1``."""
    number = int.from_bytes(data, "big")
    pairs: list[str] = []
    while number:
        number, rest = divmod(number, _AT_ONCE)
        for _ in range(_PAIRS_AT_ONCE):
            rest, pair = divmod(rest, len(_PAIRS))
            pairs.append(_PAIRS[pair])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "z" + "1" * zeros + "".join(reversed(pairs)).lstrip("1")


def from_multibase_untrusted(text: str) -> bytes:
    """The bytes behind ``z…``.

    Raises:
        RemoteProtocolError: it does not start with ``z``, has other characters, or is too long.
    """
    if not text.startswith("z") or len(text) > MAX_TEXT:
        raise RemoteProtocolError("expected text in base58btc that starts with 'z'")
    body = text[1:]
    number = 0
    for character in body:
        value = _VALUES.get(character)
        if value is None:
            raise RemoteProtocolError(f"{character!r} is not a base58 character")
        number = number * 58 + value
    zeros = len(body) - len(body.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def to_base64url(data: bytes) -> str:
    """``data`` in base64url, without padding."""
    return binascii.b2a_base64(data, newline=False).decode().rstrip("=").translate(_TO_URL)


def from_base64url_untrusted(text: str, most: int) -> bytes:
    """The bytes behind base64url. Raises RemoteProtocolError; over ``most`` characters too."""
    if len(text) > most:
        raise RemoteProtocolError(f"at most {most} characters are expected")
    try:
        padded = text.translate(_FROM_URL) + "=" * (-len(text) % 4)
        return binascii.a2b_base64(padded, strict_mode=True)
    except ValueError:
        raise RemoteProtocolError("this is not base64url") from None
