"""Who is in an object right now, where their cursors are, and the signals between their devices."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import field
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, PrincipalId, RunId
from ..codec.shape import array, some_bytes
from ..crypto import Tag, VerifyKey, keyed_hash
from ..errors import LocalProtocolError, NoAccess, RemoteProtocolError
from ..objects.bindings import NO_LOG, check_introduction_untrusted, introduce
from ..objects.ephemeral import (
    KEY_LENGTH,
    Ephemeral,
    EphemeralKind,
    UnverifiedEphemeral,
    open_ephemeral_untrusted,
    seal_ephemeral,
)
from ..objects.epoch_keys import Level
from ..ports import Clock, Random
from ..sync.session_events import EphemeralCame
from ..values import dataclass
from .live_object import LiveObject

UNSEEN: Final = (
    "this account has had so many changes of devices that others cannot be told that this one is here: they "
    "get what it writes, and do not see its cursor or connect to it directly"
)

HERE_SECONDS: Final = 7.0
HERE_SPREAD: Final = (0.7, 1.15)
GONE_SECONDS: Final = 25.0
"""Three missed greetings: whoever went without a word disappears."""

CURSOR_SECONDS: Final = 0.08
TYPING_SECONDS: Final = 4.0
MAX_ANCHOR: Final = 1024
MAX_PRESENT: Final = 512
MAX_PASSED_ON: Final = 40
"""Messages of one device in a second: twice what cursor and greetings need."""


@dataclass(slots=True)
class Present:
    """Another device in the object. Times are the loop's, in seconds; ``greeted`` is its own clock's.

    ``principal`` is as which member it is here: its account, or a link. ``name`` is its own word for itself.
    """

    device: DeviceId
    account: AccountId
    principal: PrincipalId
    run: RunId
    name: str
    key: VerifyKey
    webrtc: bool
    heard: float
    via: str
    anchor: bytes = b""
    head: bytes = b""
    typed: float = float("-inf")
    greeted: int = 0
    same_clock: bool = False
    _second: float = float("-inf")
    _passed_on: int = 0

    def may_be_passed_on(self, now: float) -> bool:
        """Whether one more of its messages is, in this second: a flood goes no further than one step."""
        if now - self._second >= 1:
            self._second, self._passed_on = now, 0
        self._passed_on += 1
        return self._passed_on <= MAX_PASSED_ON


@dataclass(frozen=True, slots=True)
class Signal:
    """Something one device tells another to open a direct connection; ``content`` is still untrusted."""

    sender: Present
    content: bytes = field(repr=False)
    time: int


@dataclass(slots=True)
class PresenceBook:
    """The participants of one object, and what this device says to them.

    Args:
        webrtc: whether this device takes direct connections.
        machine: names this machine since its last start; empty where the system has no such name.
        on_change: someone came, left, moved or typed.
        on_here: someone greeted.
        on_signal: a signal for this device and run came.
        on_removed: a device is no member's any more, or this one is not.
        on_receipts: somebody shows what a node signed to him; it is still untrusted.
    """

    live: LiveObject
    clock: Clock
    random: Random
    webrtc: bool = False
    machine: bytes = b""
    on_change: list[Callable[[], None]] = field(default_factory=list)
    on_here: list[Callable[[Present], None]] = field(default_factory=list)
    on_signal: list[Callable[[Signal], None]] = field(default_factory=list)
    on_removed: list[Callable[[DeviceId], None]] = field(default_factory=list)
    on_receipts: list[Callable[[bytes], None]] = field(default_factory=list)
    present: dict[DeviceId, Present] = field(default_factory=dict)
    _keys: dict[EphemeralKind, bytes] = field(default_factory=dict)
    _to_show: dict[bytes, bytes] = field(default_factory=dict)
    _counters: dict[bytes, int] = field(default_factory=dict)
    _counter: int = 0
    _cursor: tuple[bytes, bytes, bool] | None = None
    _cursor_timer: asyncio.TimerHandle | None = None
    _here_timer: asyncio.TimerHandle | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    # -- what this device says ------------------------------------------------------------------

    def start(self) -> None:
        """Greets now and again, as long as there is somebody to hear it."""
        self.stop()
        self._here()

    def stop(self) -> None:
        for timer in (self._here_timer, self._cursor_timer):
            if timer is not None:
                timer.cancel()
        self._here_timer = self._cursor_timer = None

    def leave(self) -> None:
        self.stop()
        if self._counter:  # else nobody was greeted
            self._send(EphemeralKind.LEFT, b"")

    def set_cursor(self, anchor: bytes, head: bytes, typing: bool) -> None:
        """Tells where this user's selection is; what comes within a moment is sent once."""
        self._cursor = (anchor, head, typing)
        if self._cursor_timer is None:
            self._cursor_timer = self._loop.call_later(CURSOR_SECONDS, self._send_cursor)

    def signal(self, content: bytes) -> None:
        self._send(EphemeralKind.SIGNAL, content)

    def show_receipts(self, content: bytes) -> None:
        """Shows to all who are here what a node signed; not if it is more than a message holds."""
        with contextlib.suppress(LocalProtocolError):
            self._send(EphemeralKind.RECEIPTS, content)

    def show_when_met(self, node: bytes, content: bytes) -> None:
        """The same behind the next greeting that somebody hears. Who greets later shows us what he has."""
        self._to_show[node] = content

    def _here(self) -> None:
        try:
            self._send(EphemeralKind.HERE, encode([self.webrtc, self._clock_name()]))
        except LocalProtocolError:
            # The account's log is longer than a greeting may be. Content goes on; nothing depends on this.
            if UNSEEN not in self.live.replica.problems:
                self.live.replica.problems.append(UNSEEN)
        if self.present:
            shown, self._to_show = self._to_show, {}
            for content in shown.values():
                self.show_receipts(content)
        if self._cursor is not None:
            self._send_cursor()
        self._drop_gone()
        # A fixed beat would be the same in all objects of an account, whichever session they are on.
        pause = HERE_SECONDS * random.uniform(*HERE_SPREAD)  # noqa: S311 - of no use to who guesses it
        self._here_timer = self._loop.call_later(pause, self._here)

    def _clock_name(self) -> bytes:
        """Equal on two devices only if they run on one machine, so that their times can be compared."""
        if not self.machine:
            return b""
        epoch = self.live.replica.seat.speaking_epoch()
        if epoch is None:
            return b""
        return keyed_hash(self.live.replica.keys[epoch].ephemeral, Tag.CLOCK_NAME, self.machine, 16)

    def _send_cursor(self) -> None:
        if self._cursor_timer is not None:
            self._cursor_timer.cancel()
            self._cursor_timer = None
        if self._cursor is not None:
            anchor, head, typing = self._cursor
            self._send(EphemeralKind.CURSOR, encode([anchor, head, typing]))
            self._cursor = (anchor, head, False)

    def _send(self, kind: EphemeralKind, content: bytes) -> None:
        if not self.live.links:
            return
        try:
            sealed, key = self._seal(kind, content)
        except NoAccess:
            return
        for session, _, flush in list(self.live.links.values()):
            channel = session.channels.get(self.live.id)
            if channel is not None and channel.live:
                session.send_ephemeral(self.live.id, key, self._counter, sealed)
                flush()

    def _seal(self, kind: EphemeralKind, content: bytes) -> tuple[bytes, bytes]:
        replica = self.live.replica
        epoch = replica.seat.speaking_epoch()
        if epoch is None:
            raise NoAccess
        key = self._keys.setdefault(kind, self.random(KEY_LENGTH))
        if kind in (EphemeralKind.SIGNAL, EphemeralKind.RECEIPTS):
            key = self.random(KEY_LENGTH)  # each of them counts: a newer one must not replace it
        self._counter += 1
        greets = kind is EphemeralKind.HERE
        introduction = introduce(self.live.id, epoch, NO_LOG, replica.actor) if greets else None
        sealed = seal_ephemeral(
            self.live.id,
            epoch,
            key,
            replica.run,
            self._counter,
            kind,
            self.clock(),
            content,
            introduction,
            replica.actor.device,
            replica.keys[epoch].ephemeral,
            self.random,
        )
        return sealed, key

    # -- what others say ------------------------------------------------------------------------

    def take_untrusted(self, event: EphemeralCame, via: str) -> None:
        """Takes an ephemeral message. What is malformed, false, old or by nobody known is dropped."""
        try:
            opened = self._open(event)
            if opened is None or opened.device == self.live.replica.actor.device.public:
                return
            verified = self._verify(opened, via)
            if verified is not None:
                message, sender = verified
                self._remember(message)
                self._pass_on(event, sender)
                self._apply(message, sender, via)
        except RemoteProtocolError:
            # A relay or a member sends nonsense; presence is best effort and nothing depends on it.
            return

    def _pass_on(self, event: EphemeralCame, sender: Present) -> None:
        """Where no node brings it to everybody, who has heard it first tells the others; once, so it ends."""
        if self.live.has_node() or len(self.live.links) < 2 or not sender.may_be_passed_on(self._loop.time()):
            return
        for session, _, flush in list(self.live.links.values()):
            channel = session.channels.get(self.live.id)
            if channel is not None and channel.live:
                session.send_ephemeral(self.live.id, event.key, event.counter, event.sealed)
                flush()

    def _open(self, event: EphemeralCame) -> UnverifiedEphemeral | None:
        if event.counter <= self._counters.get(event.key, -1):
            return None
        replica = self.live.replica
        for epoch in replica.seat.hearing_epochs():
            try:
                key = replica.keys[epoch].ephemeral
                message = open_ephemeral_untrusted(self.live.id, event.key, event.sealed, key)
            except RemoteProtocolError:
                continue  # of another epoch
            if message.counter == event.counter and message.epoch == epoch:
                return message
        return None

    def _verify(self, opened: UnverifiedEphemeral, via: str) -> tuple[Ephemeral, Present] | None:
        """The message and who sent it; None for who is not known and does not introduce himself now."""
        known = self.present.get(opened.device)
        if known is not None and known.run == opened.run:
            return opened.verify(known.key), known
        if opened.kind is not EphemeralKind.HERE:
            return None
        if known is not None and opened.time < known.greeted:
            return None  # a node repeats what an earlier process of this device said
        return self._greeted(opened, via)

    def _remember(self, message: Ephemeral) -> None:
        if len(self._counters) > 4 * MAX_PRESENT:
            self._counters.clear()
        self._counters[message.key] = message.counter

    def _greeted(self, opened: UnverifiedEphemeral, via: str) -> tuple[Ephemeral, Present] | None:
        introduced = check_introduction_untrusted(
            opened.introduction, self.live.id, opened.epoch, NO_LOG, self.live.replica.view, Level.READ
        )
        message = opened.verify(introduced.device_key)
        if len(self.present) >= MAX_PRESENT:
            return None
        author, key = introduced.author, introduced.device_key
        present = Present(
            message.device,
            author.account,
            author.principal,
            message.run,
            author.name,
            key,
            False,
            self._loop.time(),
            via,
        )
        return message, present

    def _apply(self, message: Ephemeral, sender: Present, via: str) -> None:
        sender.heard = self._loop.time()
        sender.via = via
        if message.kind is EphemeralKind.LEFT:
            self.present.pop(message.device, None)
        elif message.kind is EphemeralKind.RECEIPTS:
            for on_receipts in list(self.on_receipts):
                on_receipts(message.content)
            return
        elif message.kind is EphemeralKind.SIGNAL:
            for on_signal in list(self.on_signal):
                on_signal(Signal(sender, message.content, message.time))
            return
        elif message.kind is EphemeralKind.HERE:
            new = self.present.get(message.device) is not sender
            webrtc, clock = array(decode_untrusted(message.content, 64), 2, "greeting")
            sender.webrtc, sender.greeted = webrtc is True, message.time
            sender.same_clock = clock != b"" and clock == self._clock_name()
            self.present[message.device] = sender
            if new and self._here_timer is not None:
                self.start()  # answer at once, so that both know each other
            for on_here in list(self.on_here):
                on_here(sender)
        else:
            self._move(sender, array(decode_untrusted(message.content, 4096), 3, "cursor"))
        self._tell()

    def _move(self, sender: Present, fields: list[Any]) -> None:
        sender.anchor = some_bytes(fields[0], MAX_ANCHOR, "anchor")
        sender.head = some_bytes(fields[1], MAX_ANCHOR, "anchor")
        if fields[2] is True:
            sender.typed = self._loop.time()
            self._loop.call_later(TYPING_SECONDS + 0.1, self._tell)

    def typing(self, present: Present) -> bool:
        return self._loop.time() - present.typed < TYPING_SECONDS

    def _drop_gone(self) -> None:
        limit = self._loop.time() - GONE_SECONDS
        gone = [device for device, present in self.present.items() if present.heard < limit]
        for device in gone:
            del self.present[device]
        if gone:
            self._tell()

    def members_changed(self) -> None:
        """Forgets at once who is no member any more; everybody, where this device's own member is none."""
        replica = self.live.replica
        alone = replica.is_removed
        gone = [
            device
            for device, present in self.present.items()
            if alone or replica.view.level(present.principal) is None
        ]
        for device in gone:
            del self.present[device]
            for on_removed in list(self.on_removed):
                on_removed(device)
        if gone:
            self._tell()

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()
