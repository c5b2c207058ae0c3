"""Devices in the local network: those that share a secret with this one find it, and are its neighbours.

    call   = [1, caller's pin, caller proof]      the first message of who connects
    answer = [1, called proof]                    then both greet (``identity.greetings``)

A stranger who connects gets no answer; so who is here he does not learn. What is announced is made anew each
day and at each start, and nobody but holders of a secret recognises it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, ObjectId
from ..codec.shape import array, blob, number
from ..crypto import LanKey, SecretKey, same
from ..errors import Offline, PeergosCollabError, RemoteProtocolError
from ..identity.lan_marks import (
    called_proof,
    caller_proof,
    day_keys,
    places,
    recognises,
    who_calls,
)
from ..objects.mail import DAY, day_of
from ..ports import Connection
from ..ports.lan import Announcement, LanPlace, LanTransport
from ..values import dataclass
from .by_chance import draw
from .machine import now_ms
from .network import circle_of
from .open_object import PROFILE_PATH

if TYPE_CHECKING:
    from .engine import Engine

VERSION: Final = 1
MAX_CALL: Final = 256
CALL_SECONDS: Final = 5.0
"""For a caller to say what shows that it knows a secret, and for the answer."""

LOOK_SECONDS: Final = (20.0, 40.0)
"""Between two tries to reach those who are recognised and not connected."""

SETTLE_SECONDS: Final = 0.5
"""What changes at once, as where many objects are taken into use, is looked at once."""

YIELD_SECONDS: Final = 3.0
"""Of two who see each other the one with the lower pin calls at once; the other one only if that fails."""

RETRY_SECONDS: Final = 60.0
"""After there was no network to look around in."""

MAX_SECRETS: Final = 256
"""By which others are recognised; those of what changed last."""

MAX_SEEN: Final = 128
MAX_CALLERS: Final = 16
"""Connections from outside that have shown nothing yet."""


@dataclass(frozen=True, slots=True)
class _Secret:
    """What this device and some others know.

    Args:
        of: the object whose members know it, or the contact who does.
        object: that object.
    """

    key: LanKey
    today: bool
    of: bytes
    object: ObjectId | None


class Near:
    """See the module's text."""

    def __init__(self, engine: Engine, lan: Callable[[], LanTransport]) -> None:
        self._engine = engine
        self._lan = lan
        self._seen: dict[bytes, Announcement] = {}
        self._devices: dict[bytes, DeviceId] = {}
        self._calls: dict[bytes, asyncio.Task[None]] = {}
        self._callers: deque[asyncio.Timeout] = deque()
        self._news = 0
        self._secrets: list[_Secret] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._place: LanPlace | None = None

    @property
    def announced(self) -> bool:
        return self._place is not None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Takes the announcement back, and leaves no task. Neighbours stay."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def refresh(self) -> None:
        """Objects, members or contacts changed."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._stay_until(now_ms() // DAY * DAY + DAY + int(draw((0.0, 600_000.0), os.urandom)))
            except PeergosCollabError as error:
                self._engine.on_problem(None, f"nobody is looked for in the local network: {error.message}")
                await asyncio.sleep(RETRY_SECONDS)

    async def _stay_until(self, end: int) -> None:
        """Is there under one pin until a time, ms since 1970."""
        self._place = place = await self._lan().open(self._called, self._found)
        noise, announced = os.urandom(32), list[bytes]()
        try:
            while now_ms() < end:
                self._changed.clear()
                self._news, self._secrets = 0, self._shared()
                marks = places((each.key for each in self._secrets if each.today), place.pin, noise)
                if marks != announced:
                    await place.announce(announced := marks)
                for announcement in list(self._seen.values()):
                    self._consider(announcement)
                    await asyncio.sleep(0)  # each costs as many hashes as there are secrets
                try:
                    async with asyncio.timeout(draw(LOOK_SECONDS, os.urandom)):
                        await self._changed.wait()
                        await asyncio.sleep(SETTLE_SECONDS)
                except TimeoutError:
                    continue
        finally:
            self._place = None
            calls = list(self._calls.values())
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            self._calls.clear()
            self._seen.clear()
            self._devices.clear()
            await place.close()

    # -- whom this device recognises --------------------------------------------------------------

    def _shared(self) -> list[_Secret]:
        """The most wanted first: own devices, then what changed last, one object for each circle."""
        today = day_of(now_ms())
        found = [*self._of_objects(), *self._of_contacts()]
        return [
            _Secret(key, at == 0, of, object_id)
            for secret, of, object_id in found[:MAX_SECRETS]
            for at, key in enumerate(day_keys(secret, today))
        ]

    def _of_objects(self) -> Iterable[tuple[SecretKey, bytes, ObjectId]]:
        engine, circles = self._engine, set()
        opened = sorted(
            engine.objects.values(), key=lambda one: (one.path != PROFILE_PATH, -one.live.modified)
        )
        for one in opened:
            replica, circle = one.live.replica, circle_of(one.live)
            others = engine.devices.all() if one.path == PROFILE_PATH else replica.view.members
            alone = len(others) < 2
            if alone or replica.is_removed or circle in circles:
                continue
            circles.add(circle)
            epochs = dict.fromkeys([replica.seat.speaking_epoch(), *replica.seat.hearing_epochs()])
            for epoch in epochs:
                if epoch is not None:
                    yield replica.keys[epoch].ephemeral, one.live.id, one.live.id

    def _of_contacts(self) -> Iterable[tuple[SecretKey, bytes, None]]:
        mailroom = self._engine.mailroom
        people = [known for known in mailroom.book.all().values() if known.accepted]
        people.sort(key=lambda known: known.entry.modified, reverse=True)
        for account, pairs in mailroom.reader.pairs(people[:MAX_SECRETS]).items():
            for pair in pairs:
                yield pair.secret, account, None

    def _found(self, announcement: Announcement) -> None:
        self._news += 1
        if self._news > MAX_SEEN:
            return  # until the next look: somebody floods the network
        if len(self._seen) >= MAX_SEEN and announcement.pin not in self._seen:
            del self._seen[next(iter(self._seen))]
        self._seen[announcement.pin] = announcement
        self._consider(announcement)

    def _consider(self, announcement: Announcement) -> None:
        """Calls who is recognised and not connected."""
        pin, place = announcement.pin, self._place
        if place is None or pin == place.pin or pin in self._calls or self._is_here(pin):
            return
        secret = self._recognised(announcement)
        if secret is not None:
            task = asyncio.get_running_loop().create_task(self._call(place, announcement, secret))
            self._calls[pin] = task
            task.add_done_callback(lambda _: self._calls.pop(pin, None))

    def _recognised(self, announcement: Announcement) -> _Secret | None:
        key = recognises((each.key for each in self._secrets), announcement.pin, announcement.marks)
        return next((each for each in self._secrets if each.key is key), None)

    def _is_here(self, pin: bytes) -> bool:
        device = self._devices.get(pin)
        return device is not None and self._engine.online.neighbours.has(device)

    # -- connecting -------------------------------------------------------------------------------

    async def _call(self, place: LanPlace, announcement: Announcement, secret: _Secret) -> None:
        pin = announcement.pin
        if pin < place.pin:
            await asyncio.sleep(YIELD_SECONDS)
            if self._is_here(pin):
                return
        try:
            connection = await place.connect(announcement)
            try:
                await self._introduce(connection, place.pin, pin, secret)
                self._devices[pin] = await self._meet(connection, pin + place.pin, secret)
            finally:
                await connection.close()
        except PeergosCollabError:
            return  # it is tried again, as long as it is announced

    async def _introduce(self, connection: Connection, own: bytes, pin: bytes, secret: _Secret) -> None:
        """Shows that this device knows the secret, and has the other one show it."""
        connection.send(encode([VERSION, own, caller_proof(secret.key, pin, own)]))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                fields = array(decode_untrusted(await connection.receive(), MAX_CALL), 2, "answer")
        except TimeoutError:
            raise Offline("no answer") from None
        number(fields[0], VERSION, VERSION, "version")
        if not same(blob(fields[1], 32, "proof"), called_proof(secret.key, pin, own)):
            raise RemoteProtocolError("an answer of somebody who does not know the secret")

    async def _called(self, connection: Connection) -> None:
        """Serves a connection from outside until it ends. Who shows nothing gets nothing."""
        place = self._place
        if place is None:
            return
        self._make_room()
        patience = asyncio.timeout(CALL_SECONDS)
        try:
            async with patience:
                self._callers.append(patience)
                pin, proof = _call_untrusted(await connection.receive())
        except TimeoutError:
            return
        finally:
            if patience in self._callers:
                self._callers.remove(patience)
        secrets = self._secrets
        key = who_calls((each.key for each in secrets), place.pin, pin, proof)
        if key is None:
            return
        connection.send(encode([VERSION, called_proof(key, place.pin, pin)]))
        await self._meet(connection, place.pin + pin, next(each for each in secrets if each.key is key))

    def _make_room(self) -> None:
        """Who knows a secret shows it at once: whoever has been silent for longest is waited for no more."""
        if len(self._callers) >= MAX_CALLERS:
            oldest = self._callers.popleft()
            if not oldest.expired():
                oldest.reschedule(asyncio.get_running_loop().time())

    async def _meet(self, connection: Connection, channel: bytes, secret: _Secret) -> DeviceId:
        """Greets, and syncs until the end; unless that device, which is returned, is a neighbour already.

        Args:
            channel: the called's pin and the caller's. By the first alone whom two call could pass the
                greeting of one on to the other.
        """
        neighbours = self._engine.online.neighbours
        met = await neighbours.meet(connection, channel)
        if not neighbours.has(met.device):
            await neighbours.serve(met, connection, secret.object, secret.of)
        return met.device


def _call_untrusted(raw: bytes) -> tuple[bytes, bytes]:
    """The caller's pin and proof. Raises RemoteProtocolError."""
    fields = array(decode_untrusted(raw, MAX_CALL), 3, "call")
    number(fields[0], VERSION, VERSION, "version")
    return blob(fields[1], 32, "pin"), blob(fields[2], 32, "proof")
