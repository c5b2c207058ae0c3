"""How two devices meet to link one to the other's account. Messages in and out, no network.

    new    ► first   [1, H("device promise", hello)]           a promise: which keys it will show
    first  ► new     [2, version, account, device, ephemeral key, nonce (16)]
    new    ► first   [3, signing key, box key, ephemeral key, nonce (16), device name]       its hello
             both show the same short code, made from all three; people compare
    new    ► first   [4]                                        its user said: the same
    first  ► new     [5, parcel sealed under the agreed ephemeral key]
    new    ► first   [6]                                        it is stored
    either ► other   [7]                                        a refusal, at any time

Somebody who has the code too (a photograph, a node that guesses) can stand in between. The new device
promises its keys before it sees the first one's nonce, so he has one chance in a million to make both show
the same digits, and is found out otherwise. A second promise in the mailbox means that two have the
code: the first device then refuses both.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId
from ..codec.shape import array, blob, number, some_bytes, string
from ..codec.sizes import BUCKETS, pad, unpad_untrusted
from ..crypto import (
    SEAL_OVERHEAD,
    BoxPair,
    BoxPublic,
    SealBroken,
    Tag,
    VerifyKey,
    WrapKey,
    copen,
    cseal,
    hash256,
)
from ..errors import LocalProtocolError, RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .account import DevicePublic
from .device_code import DeviceCode, Mailbox

VERSION: Final = 1
SIZES: Final = BUCKETS[:4]
"""What a sealed message may measure: those of mail."""

MAX_MESSAGE: Final = SIZES[-1]
MAX_NAME: Final = 64
"""Code points of a device's name."""

DIGITS: Final = 6
_NONCE: Final = 16


class Message(enum.IntEnum):
    PROMISE = 1
    OFFER = 2
    HELLO = 3
    SAME = 4
    PARCEL = 5
    DONE = 6
    REFUSAL = 7


class MeetingEnded(RemoteProtocolError):
    """The two devices did not come together; nothing was changed on either."""

    code = "not_linked"
    exit_code = 7
    hint = "Show a new code on the first device and begin again."


@dataclass(slots=True)
class Meeting:
    """What both sides keep of a meeting."""

    inbox: Mailbox
    outbox: Mailbox
    random: Random = field(repr=False)
    ephemeral: BoxPair = field(repr=False)
    transcript: list[bytes] = field(default_factory=list)
    shared: WrapKey | None = field(default=None, repr=False)

    def seal(self, kind: Message, *fields: Any) -> bytes:
        """A message for the other's mailbox. A parcel is always as long: it says how much an account has."""
        raw = encode([int(kind), *fields])
        sizes = SIZES[-1:] if kind is Message.PARCEL else SIZES
        size = next((size for size in sizes if size > len(raw) + SEAL_OVERHEAD), None)
        if size is None:
            raise LocalProtocolError("a message of two devices that is too long for mail")
        padded = pad(raw, size - SEAL_OVERHEAD)
        return cseal(self.outbox.seal, Tag.SEAL, padded, self.outbox.address, self.random)

    def open_untrusted(self, sealed: bytes) -> tuple[Message, list[Any]]:
        """A message from this side's mailbox. Raises RemoteProtocolError."""
        raw = unpad_untrusted(copen(self.inbox.seal, Tag.SEAL, sealed, self.inbox.address))
        fields = decode_untrusted(raw, MAX_MESSAGE)
        if type(fields) is not list or not fields:
            raise RemoteProtocolError("a message of two devices: expected an array")
        return Message(number(fields[0], 1, len(Message), "message of two devices")), fields[1:]

    def agree(self, other: BoxPublic, first: BoxPublic, new: BoxPublic) -> None:
        self.shared = self.ephemeral.agree(other, Tag.DEVICE_PARCEL, first, new)

    def bound(self) -> bytes:
        """Everything said so far: what the short code and the parcel are bound to."""
        return encode([VERSION, *self.transcript])

    def digits(self) -> str:
        """What both screens show."""
        number_ = int.from_bytes(hash256(Tag.DEVICE_COMPARE, self.bound())[:8], "big") % 10**DIGITS
        return f"{number_:0{DIGITS}d}"


@dataclass(frozen=True, slots=True)
class Joiner:
    """The device that wants in. ``name`` is what it says of itself; show it escaped."""

    device: DevicePublic
    name: str


class Offering:
    """The side that has the account.

    ``joiner`` is set once there is something to compare, ``same_there`` once the other's user agreed,
    ``done`` once the other device has everything.
    """

    def __init__(self, code: DeviceCode, account: AccountId, device: DeviceId, random: Random) -> None:
        self.meeting = Meeting(code.to_first(), code.to_new(), random, BoxPair.generate(random))
        self.joiner: Joiner | None = None
        self.same_there = False
        self.done = False
        self._account = account
        self._device = device
        self._promise = b""
        self._sent = False

    @property
    def digits(self) -> str:
        return self.meeting.digits()

    def take_untrusted(self, sealed: bytes) -> list[bytes]:
        """Takes a message from the mailbox in; returns what to put into the other's.

        Raises:
            MeetingEnded: the other refused, or two devices have the code. Nothing was given away.
            RemoteProtocolError: a message that breaks the rules; it may be somebody else's, go on.
        """
        kind, fields = self.meeting.open_untrusted(sealed)
        match kind:
            case Message.PROMISE:
                return self._take_promise(blob(array(fields, 1, "promise")[0], 32, "promise"))
            case Message.HELLO:
                self._take_hello(fields)
            case Message.SAME if self.joiner is not None:
                self.same_there = True
            case Message.DONE if self._sent:
                self.done = True
            case Message.REFUSAL:
                raise MeetingEnded("the other device did not go on; it was not linked")
            case _:
                raise RemoteProtocolError("a message of two devices out of turn")
        return []

    def _take_promise(self, promise: bytes) -> list[bytes]:
        if self._promise == promise:
            return []
        if self._promise:
            raise MeetingEnded("two devices came with one code: somebody else has seen it; none was linked")
        self._promise = promise
        key, nonce = self.meeting.ephemeral.public_key.public, self.meeting.random(_NONCE)
        fields = [VERSION, self._account, self._device, key, nonce]
        self.meeting.transcript += [promise, encode(fields)]
        return [self.meeting.seal(Message.OFFER, *fields)]

    def _take_hello(self, fields: list[Any]) -> None:
        hello = encode(fields)
        if not self._promise or self.joiner is not None:
            raise RemoteProtocolError("a message of two devices out of turn")
        if hash256(Tag.DEVICE_PROMISE, hello) != self._promise:
            raise MeetingEnded("the other device showed other keys than it had promised; it was not linked")
        sign, box, key, _, name = _read_hello(fields)
        own = self.meeting.ephemeral.public_key
        self.meeting.agree(key, own, key)
        self.meeting.transcript.append(hello)
        self.joiner = Joiner(DevicePublic(DeviceId(sign.public), sign, box), name)

    def parcel(self, contents: bytes) -> bytes:
        """What the other device gets once both users agreed: secret ``contents``, at most 60 KiB."""
        meeting = self.meeting
        if self.joiner is None or not self.same_there or meeting.shared is None:
            raise LocalProtocolError("nobody agreed to this yet")
        self._sent = True
        sealed = cseal(meeting.shared, Tag.SEAL, contents, meeting.bound(), meeting.random)
        return meeting.seal(Message.PARCEL, sealed)

    def refusal(self) -> bytes:
        return self.meeting.seal(Message.REFUSAL)


class Joining:
    """The side of the new device. ``ready`` once there is something to compare."""

    def __init__(self, code: DeviceCode, device: DevicePublic, name: str, random: Random) -> None:
        self.meeting = Meeting(code.to_new(), code.to_first(), random, BoxPair.generate(random))
        self.account: AccountId | None = None
        key, nonce = self.meeting.ephemeral.public_key.public, random(_NONCE)
        self._hello = [device.sign.public, device.box.public, key, nonce, name[:MAX_NAME]]
        self._agreed = False

    @property
    def ready(self) -> bool:
        return self.account is not None

    @property
    def digits(self) -> str:
        return self.meeting.digits()

    def begin(self) -> bytes:
        """The first message of all."""
        promise = hash256(Tag.DEVICE_PROMISE, encode(self._hello))
        self.meeting.transcript = [promise]
        return self.meeting.seal(Message.PROMISE, promise)

    def agree(self) -> bytes:
        """This user said that both show the same."""
        if not self.ready:
            raise LocalProtocolError("there is nothing to compare yet")
        self._agreed = True
        return self.meeting.seal(Message.SAME)

    def take_untrusted(self, sealed: bytes) -> tuple[list[bytes], bytes]:
        """Takes a message in; returns what to put into the other's mailbox, and the parcel's contents.

        Raises:
            MeetingEnded: the other refused.
            RemoteProtocolError: a message that breaks the rules; it may be somebody else's, go on.
        """
        kind, fields = self.meeting.open_untrusted(sealed)
        match kind:
            case Message.OFFER if not self.ready:
                return self._take_offer(fields), b""
            case Message.PARCEL if self._agreed:
                return [], self._open_parcel(fields)
            case Message.REFUSAL:
                raise MeetingEnded("the other device refused; this one was not linked")
        raise RemoteProtocolError("a message of two devices out of turn")

    def _take_offer(self, fields: list[Any]) -> list[bytes]:
        version, account, device, key, nonce = array(fields, 5, "offer")
        number(version, VERSION, VERSION, "version of the other device")
        blob(device, 32, "device id")
        blob(nonce, _NONCE, "nonce")
        other = BoxPublic(blob(key, 32, "key"))
        self.meeting.agree(other, other, self.meeting.ephemeral.public_key)
        self.meeting.transcript += [encode(fields), encode(self._hello)]
        self.account = AccountId(blob(account, 32, "account id"))
        return [self.meeting.seal(Message.HELLO, *self._hello)]

    def _open_parcel(self, fields: list[Any]) -> bytes:
        sealed = some_bytes(array(fields, 1, "parcel")[0], MAX_MESSAGE, "parcel")
        if self.meeting.shared is None:
            raise RemoteProtocolError("a message of two devices out of turn")
        try:
            return copen(self.meeting.shared, Tag.SEAL, sealed, self.meeting.bound())
        except SealBroken:
            raise MeetingEnded("what came is not from the device compared with; nothing was kept") from None

    def done(self) -> bytes:
        return self.meeting.seal(Message.DONE)

    def refusal(self) -> bytes:
        return self.meeting.seal(Message.REFUSAL)


def _read_hello(fields: list[Any]) -> tuple[VerifyKey, BoxPublic, BoxPublic, bytes, str]:
    sign, box, key, nonce, name = array(fields, 5, "hello")
    return (
        VerifyKey(blob(sign, 32, "device key")),
        BoxPublic(blob(box, 32, "device box key")),
        BoxPublic(blob(key, 32, "key")),
        blob(nonce, _NONCE, "nonce"),
        string(name, MAX_NAME, "device name"),
    )
