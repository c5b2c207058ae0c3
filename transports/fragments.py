"""Whole messages in frames of at most 16 KiB, with credits: pure, bytes in and bytes out.

A frame is one data-channel message: one byte of kind, then

    0 PART    more of this message follows        payload
    1 LAST    the end of this message             payload
    2 PING    "I am alive"                        nothing
    3 CREDIT  the reader took so much             4 bytes, big-endian
    4 BYE     nothing follows                     nothing

Each PART or LAST uses up ``FRAME_COST`` + its payload of the receiver's window; CREDIT gives it
back once the message is taken. Without credits a slow reader's memory would have no bound, for
data channels have no back-pressure of their own.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import Final

from peergos_collab.errors import RemoteProtocolError

MAX_MESSAGE: Final = 1024 * 1024
MAX_FRAME: Final = 16 * 1024
FRAME_COST: Final = 64
"""So that a flood of empty messages uses up the window too."""
WINDOW: Final = MAX_MESSAGE + 512 * 1024
"""At least one whole message, the credits not yet told, and one frame; else both ends could wait."""
CREDIT_STEP: Final = 128 * 1024

_PAYLOAD: Final = MAX_FRAME - 1


class Kind(enum.IntEnum):
    PART = 0
    LAST = 1
    PING = 2
    CREDIT = 3
    BYE = 4


PING: Final = bytes([Kind.PING])
BYE: Final = bytes([Kind.BYE])


def credit_frame(amount: int) -> bytes:
    return bytes([Kind.CREDIT]) + amount.to_bytes(4, "big")


class Outbox:
    """Messages on their way out, in order."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._offset = 0
        self._in_flight = 0
        self.queued = 0

    def put(self, message: bytes) -> None:
        self._messages.append(message)
        self.queued += len(message)

    def next_frame(self) -> bytes | None:
        """The next frame; None if there is none, or the window is used up."""
        if not self._messages:
            return None
        message = self._messages[0]
        payload = message[self._offset : self._offset + _PAYLOAD]
        cost = len(payload) + FRAME_COST
        if self._in_flight + cost > WINDOW:
            return None
        self._in_flight += cost
        self._offset += len(payload)
        self.queued -= len(payload)
        if self._offset < len(message):
            return bytes([Kind.PART]) + payload
        self._messages.popleft()
        self._offset = 0
        return bytes([Kind.LAST]) + payload

    def credit_untrusted(self, payload: bytes) -> None:
        """Takes a CREDIT's payload. Raises ``RemoteProtocolError`` for more than was sent."""
        amount = int.from_bytes(payload, "big")
        if len(payload) != 4 or amount > self._in_flight:
            raise RemoteProtocolError("a credit for more than was sent")
        self._in_flight -= amount

    @property
    def empty(self) -> bool:
        return not self._messages


class Inbox:
    """Messages on their way in: holds at most ``WINDOW`` bytes, whatever the peer sends."""

    def __init__(self) -> None:
        self._messages: deque[tuple[bytes, int]] = deque()
        self._partial = bytearray()
        self._partial_cost = 0
        self._held = 0
        self._untold = 0

    def __len__(self) -> int:
        return len(self._messages)

    def fragment_untrusted(self, payload: bytes, *, last: bool) -> None:
        """Takes a PART's or LAST's payload.

        Raises:
            RemoteProtocolError: a message over 1 MiB, or more than the window allows.
        """
        cost = len(payload) + FRAME_COST
        self._held += cost
        if self._held + self._untold > WINDOW:
            raise RemoteProtocolError("more than the window allows")
        if len(self._partial) + len(payload) > MAX_MESSAGE:
            raise RemoteProtocolError("a message over 1 MiB")
        self._partial_cost += cost
        if last and not self._partial:
            self._messages.append((payload, self._partial_cost))
            self._partial_cost = 0
            return
        self._partial += payload
        if last:
            self._messages.append((bytes(self._partial), self._partial_cost))
            self._partial = bytearray()
            self._partial_cost = 0

    def take(self) -> tuple[bytes, int]:
        """The oldest message, and the credit to tell the peer now, or 0."""
        message, cost = self._messages.popleft()
        self._held -= cost
        self._untold += cost
        if self._untold < CREDIT_STEP:
            return message, 0
        credit, self._untold = self._untold, 0
        return message, credit

    def clear(self) -> None:
        self._messages.clear()
        self._partial = bytearray()
