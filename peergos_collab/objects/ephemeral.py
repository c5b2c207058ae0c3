"""Ephemeral messages: cursors, typing, who is here, and the offers that set up direct connections.

    message = [object, key, counter, sealed]                    as a node relays it
    sealed  = cseal(ephemeral key of the epoch, padded inner, ad = object ‖ key)
    inner   = [body, device signature]
    body    = [1, epoch, device, run, counter, kind, time, content, introduction]

Sealed for members and signed inside by the device. ``key`` is random per device, run and kind, so a
relay can keep the newest of each without knowing who or what it is. Replays are cut by the counter.
Readers may send them too: the introduction proves membership.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, EpochId, ObjectId, RunId
from ..codec.shape import array, blob, number, some_bytes
from ..codec.sizes import BUCKETS, SMALLEST_SEGMENT, pad, unpad_untrusted
from ..crypto import SEAL_OVERHEAD, BadSignature, EphemeralKey, SigningKey, Tag, VerifyKey, copen, cseal
from ..errors import LocalProtocolError
from ..ports import Random
from ..values import dataclass

VERSION: Final = 1
KEY_LENGTH: Final = 16
SIZES: Final = (SMALLEST_SEGMENT, *BUCKETS[:3])
"""Few, because a greeting holds its sender's account log, and would tell by its size who it is."""

MAX_EPHEMERAL: Final = SIZES[-1]


class EphemeralKind(enum.IntEnum):
    HERE = 0
    """I am in this object; introduces the device. Content: [name, capabilities]."""
    CURSOR = 1
    """Content: [anchor, head, typing] with sticky positions."""
    SIGNAL = 2
    """Content: [recipient device, offer or answer, …]: sets up a data channel."""
    LEFT = 3
    """I leave this object."""
    RECEIPTS = 4
    """Content: [node's name, its receipt key, [receipt …]]: what a node signed to me."""


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """An opened ephemeral message that its device signed."""

    key: bytes
    epoch: EpochId
    device: DeviceId
    run: RunId
    counter: int
    kind: EphemeralKind
    time: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnverifiedEphemeral:
    """An opened ephemeral message of which nobody has checked who signed it.

    It shows what finds the device's key, which is known or in the introduction, and no content.
    """

    introduction: Any
    _message: Ephemeral = field(repr=False)
    _body: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    @property
    def epoch(self) -> EpochId:
        return self._message.epoch

    @property
    def device(self) -> DeviceId:
        return self._message.device

    @property
    def run(self) -> RunId:
        return self._message.run

    @property
    def counter(self) -> int:
        return self._message.counter

    @property
    def kind(self) -> EphemeralKind:
        return self._message.kind

    @property
    def time(self) -> int:
        return self._message.time

    def verify(self, device_key: VerifyKey) -> Ephemeral:
        """Raises BadSignature unless it was signed by the device it names, which has this key."""
        if device_key.public != self._message.device:
            raise BadSignature
        device_key.verify(Tag.SIGN_EPHEMERAL, self._body, self._signature)
        return self._message


def seal_ephemeral(
    object_id: ObjectId,
    epoch: EpochId,
    key: bytes,
    run: RunId,
    counter: int,
    kind: EphemeralKind,
    time: int,
    content: bytes,
    introduction: Any,
    device: SigningKey,
    seal_key: EphemeralKey,
    random: Random,
) -> bytes:
    """The ``sealed`` part.

    Raises:
        LocalProtocolError: longer than others accept.
    """
    fields = [VERSION, epoch, device.public, run, counter, int(kind), time, content, introduction]
    body = encode(fields)
    inner = encode([body, device.sign(Tag.SIGN_EPHEMERAL, object_id + key + body)])
    least = len(inner) + 1 + SEAL_OVERHEAD
    size = next((allowed for allowed in SIZES if allowed >= least), 0)
    if not size:
        raise LocalProtocolError(f"an ephemeral message of {least} bytes, where {MAX_EPHEMERAL} are allowed")
    return cseal(seal_key, Tag.SEAL, pad(inner, size - SEAL_OVERHEAD), object_id + key, random)


def open_ephemeral_untrusted(
    object_id: ObjectId, key: bytes, sealed: bytes, seal_key: EphemeralKey
) -> UnverifiedEphemeral:
    """Raises RemoteProtocolError."""
    inner = unpad_untrusted(copen(seal_key, Tag.SEAL, sealed, object_id + key))
    body, signature = array(decode_untrusted(inner, MAX_EPHEMERAL), 2, "ephemeral message")
    body = some_bytes(body, MAX_EPHEMERAL, "ephemeral message")
    fields = array(decode_untrusted(body, MAX_EPHEMERAL), 9, "ephemeral message")
    number(fields[0], VERSION, VERSION, "ephemeral version")
    message = Ephemeral(
        key,
        EpochId(blob(fields[1], 32, "epoch id")),
        DeviceId(blob(fields[2], 32, "device id")),
        RunId(blob(fields[3], 16, "run")),
        number(fields[4], 0, 2**53, "counter"),
        EphemeralKind(number(fields[5], 0, max(EphemeralKind), "ephemeral kind")),
        number(fields[6], 0, 2**53, "time"),
        some_bytes(fields[7], MAX_EPHEMERAL, "ephemeral content"),
    )
    return UnverifiedEphemeral(fields[8], message, object_id + key + body, blob(signature, 64, "signature"))
