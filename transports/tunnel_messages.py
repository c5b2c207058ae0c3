"""What a client and an entry node say before a tunnel is open: pure, bytes in and values out.

    ask      pad([32, 1, pin (32), host, port], 512)      the client's first message, in place of a HELLO
    answer   [33, code]

All requests have one length, so it does not tell which store is asked for.
"""

from __future__ import annotations

import enum
from typing import Final

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.shape import array, blob, number, string
from peergos_collab.codec.sizes import pad, unpad_untrusted
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports import Address

VERSION: Final = 1
ASK_LENGTH: Final = 512
"""Room for the longest DNS name, 253 characters."""

_ASK: Final = 32
_ANSWER: Final = 33
_ASK_START: Final = encode([_ASK, 0, 0, 0, 0])[:3]
_MAX_HOST: Final = 253
_MAX_ANSWER: Final = 16


class Answer(enum.IntEnum):
    OPEN = 0
    """What follows in both directions is the bytes of the tunnel."""
    NOT_ALLOWED = 1
    """The target is not in the public address space."""
    UNREACHABLE = 2
    """Nobody answers there, or it is no node."""
    WRONG_PIN = 3
    """Somebody answers there under another key."""
    BUSY = 4


def encode_ask(target: Address) -> bytes:
    return pad(encode([_ASK, VERSION, target.pin, target.host, target.port]), ASK_LENGTH)


def is_ask(message: bytes) -> bool:
    """Whether a client's first message asks for a tunnel."""
    return len(message) == ASK_LENGTH and message.startswith(_ASK_START)


def parse_ask_untrusted(message: bytes) -> Address:
    """The target a client asks for. Raises ``RemoteProtocolError``."""
    fields = array(decode_untrusted(unpad_untrusted(message), ASK_LENGTH), 5, "a request for a tunnel")
    number(fields[0], _ASK, _ASK, "request type")
    number(fields[1], VERSION, VERSION, "tunnel version")
    host = string(fields[3], _MAX_HOST, "host")
    if not host or not host.isascii() or not host.isprintable():
        raise RemoteProtocolError("a request for a tunnel to no host")
    return Address(pin=blob(fields[2], 32, "pin"), host=host, port=number(fields[4], 1, 65535, "port"))


def encode_answer(answer: Answer) -> bytes:
    return encode([_ANSWER, int(answer)])


def parse_answer_untrusted(message: bytes) -> Answer:
    """What an entry node answered. Raises ``RemoteProtocolError``."""
    fields = array(decode_untrusted(message, _MAX_ANSWER), 2, "an answer about a tunnel")
    number(fields[0], _ANSWER, _ANSWER, "answer type")
    return Answer(number(fields[1], min(Answer), max(Answer), "answer"))
