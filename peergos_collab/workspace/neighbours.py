"""Devices that are connected directly whatever they share: two people paired them, or they are near.

Both say first who they are (``identity.greetings``). Then the connection carries one session, with every
object that both are in; and letters, so that sharing needs no node. What a neighbour may have of an object he
proves on it as on any other session.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..codec.ids import AccountId, DeviceId, ObjectId, PrincipalId
from ..errors import Offline, PeergosCollabError, RemoteProtocolError
from ..identity.greetings import Greeting
from ..objects.mail import Mail, mail_id
from ..ports import Connection
from ..sync.logbook import LogBook
from ..sync.session_events import MailKept, MailOffered, MailRefused, Opened, SessionEvent
from .api import Event
from .live_object import LiveObject
from .mail_session import ANSWER_SECONDS, MailRefusal
from .sync_link import SyncLink

if TYPE_CHECKING:
    from .engine import Engine

GREETING_SECONDS: Final = 10.0
MAX_NEIGHBOURS: Final = 64
"""Where all seats are taken, they are shared out by what led to each: whoever knows a secret can make up as
many devices as he likes."""

REFRESH_SECONDS: Final = 0.02
REST: Final = 10
"""Looking takes 5 us for each object in use: for so many times as long nobody looks again, however many are
taken into use one after the other."""

MAX_MAIL_AT_ONCE: Final = 4
"""Letters of one neighbour that are being worked off; more are refused, and come again."""


class NeighbourLink(SyncLink):
    """The session with a device that greeted.

    ``common``: objects that it showed to be in by itself. ``led``: what led to it, see ``Neighbours.serve``.
    """

    def __init__(
        self, engine: Engine, connection: Connection, met: Greeting, common: ObjectId | None, led: bytes
    ) -> None:
        super().__init__(connection, {}, engine.link_events, os.urandom, takes_mail=True, channel=met.channel)
        self.account = met.card.id
        self.common = {common} if common is not None else set()
        self.led = led
        self._engine = engine
        self._put: dict[bytes, asyncio.Future[None]] = {}
        self._taking: set[asyncio.Task[None]] = set()

    def _book(self, object_id: ObjectId) -> LogBook | None:
        """Of any object here: who came by a link is known to be in it by what he proves."""
        self._engine.waking.open_at_rest(object_id)
        opened = self._engine.objects.get(object_id)
        return opened.live.replica.book if opened is not None else None

    async def put(self, mail: Mail) -> None:
        """Returns once the neighbour has taken ``mail`` in. Raises MailRefusal, Offline."""
        self._check_open()
        answer = self._put[mail.id] = self._loop.create_future()
        self.session.put_mail(mail)
        self.flush()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await answer
        except TimeoutError:
            raise Offline("the neighbour does not answer; the letter is safe here") from None
        finally:
            self._put.pop(mail.id, None)

    async def run(self) -> None:
        """See ``SyncLink.run``."""
        try:
            await super().run()
        finally:
            for task in self._taking:
                task.cancel()
            for answer in self._put.values():
                if not answer.done():
                    answer.set_exception(Offline("the neighbour has gone; the letter is safe here"))

    def _introduce(self, live: LiveObject) -> None:
        """Who is in an object and does not have it yet opens it as soon as he has it."""
        if not live.replica.book.epochs:
            super()._introduce(live)

    def _handle(self, event: SessionEvent) -> None:
        match event:
            case MailOffered():
                self._offered(event.raw)
            case Opened() if event.object not in self._objects:
                self.common.add(event.object)
                self._engine.online.neighbours.refresh()
            case MailKept():
                self._answered_put(event.id, None)
            case MailRefused():
                self._answered_put(event.id, MailRefusal(event.reason, event.words))
            case _:
                super()._handle(event)

    def _answered_put(self, id_: bytes, error: PeergosCollabError | None) -> None:
        answer = self._put.get(id_)
        if answer is not None and not answer.done():
            answer.set_exception(error) if error else answer.set_result(None)

    def _offered(self, raw: bytes) -> None:
        if len(self._taking) >= MAX_MAIL_AT_ONCE:
            self.session.mail.refuse(mail_id(raw), "full", "one after the other")
            return
        task = self._loop.create_task(self._take_untrusted(raw))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take_untrusted(self, raw: bytes) -> None:
        words = "there is no room for it now"
        try:
            taken = await self._engine.mailroom.take_from_neighbour_untrusted(self.account, raw)
        except PeergosCollabError as error:
            taken, words = False, error.message
        if taken:
            self.session.mail.keep(mail_id(raw))
        else:
            self.session.mail.refuse(mail_id(raw), "refused", words)
        self.flush()


class Neighbours:
    """Those who are here now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._here: dict[DeviceId, NeighbourLink] = {}
        self._expected: dict[ObjectId, AccountId] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._planned: asyncio.TimerHandle | None = None
        self._pause = REFRESH_SECONDS

    def of(self, account: AccountId) -> NeighbourLink | None:
        """The session with a device of an account."""
        return next((link for link in self._here.values() if link.account == account), None)

    @property
    def here(self) -> bool:
        """Whether there are any."""
        return bool(self._here)

    def has(self, device: DeviceId) -> bool:
        return device in self._here

    def way(self, account: AccountId, object_id: ObjectId) -> SyncLink | None:
        """As ``sharing.Way``: what a device of ``account`` has. Raises Offline where none is here."""
        link = self.of(account)
        if link is None:
            raise Offline("whoever shared it is not connected any more; nothing was changed")
        return link

    @contextmanager
    def expecting(self, object_id: ObjectId, account: AccountId) -> Iterator[None]:
        """An object comes from an account, whose membership is not known here yet, while the block runs."""
        self._expected[object_id] = account
        try:
            yield
        finally:
            del self._expected[object_id]

    async def meet(self, connection: Connection, channel: bytes = b"") -> Greeting:
        """Exchanges greetings.

        Args:
            channel: what names both ends, where that of the connection does not.

        Raises:
            Offline, RemoteProtocolError: the connection is closed then.
        """
        engine, channel = self._engine, channel or connection.channel
        own = Greeting.make(engine.mailroom.card(), engine.keys.credentials.device_sign, channel)
        try:
            connection.send(own)
            async with asyncio.timeout(GREETING_SECONDS):
                met = Greeting.parse_untrusted(await connection.receive(), channel)
            if met.device == engine.keys.credentials.device_id:
                raise RemoteProtocolError("our own greeting came back")
            known = engine.accounts.of(met.card.id)
            if known is not None and met.device not in known.merge(met.card.account).devices:
                raise RemoteProtocolError("a device that was removed from its account")
        except TimeoutError:
            await connection.close()
            raise Offline("the other side did not say who it is") from None
        except BaseException:
            await connection.close()
            raise
        return met

    def serve(
        self, met: Greeting, connection: Connection, common: ObjectId | None = None, led: bytes = b""
    ) -> asyncio.Task[None]:
        """Syncs with a device in the background, until it goes or ``close``.

        Args:
            common: an object that it is in, as it showed already.
            led: names the secret by which it was recognised; empty where two people paired it.
        """
        task = asyncio.get_running_loop().create_task(self._serve(met, connection, common, led))
        self._keep(task)
        return task

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, met: Greeting, connection: Connection, common: ObjectId | None, led: bytes
    ) -> None:
        while (before := self._here.pop(met.device, None)) is not None:
            await before.close()  # the newer one works, and of the older one that is not known
        if len(self._here) >= MAX_NEIGHBOURS and not self._make_room(led):
            await connection.close()
            return
        link = self._here[met.device] = NeighbourLink(self._engine, connection, met, common, led)
        name = self._engine.mailroom.book.names().of(met.card.id, met.card.name).name
        self._engine.news.tell(Event("connected", author=name, via=link.via))
        try:
            link.set_objects(self._in_common(link))
            self._engine.waking.wake(self._engine.resting.shared_with(met.card.id))
            self._engine.mailroom.sender.look_again(met.card.id)
            self._engine.mailroom.accept_known({met.card.id})  # what he shared, and went before it was here
            await link.run()
        except Offline:
            pass
        except PeergosCollabError as error:
            words = f"the direct connection with {name} broke the rules ({error}); nothing of it was used"
            self._engine.on_problem(None, words)
        finally:
            if self._here.get(met.device) is link:
                del self._here[met.device]
            self._engine.news.tell(Event("disconnected", author=name, via=link.via))
            self._engine.news.pulse()

    def _make_room(self, led: bytes) -> bool:
        """The newest that the greediest secret led here goes, unless ``led`` has as many with one more."""
        seats = Counter(link.led for link in self._here.values())
        greediest, most = seats.most_common(1)[0]
        if most <= seats[led] + 1:
            return False
        device = next(device for device, link in reversed(self._here.items()) if link.led == greediest)
        self._keep(asyncio.get_running_loop().create_task(self._here.pop(device).close()))
        return True

    def refresh(self) -> None:
        """Objects, or who is in them, changed: soon that is looked at, with all that changes meanwhile."""
        if self._here and self._planned is None:
            self._planned = asyncio.get_running_loop().call_later(self._pause, self._refresh)

    def _refresh(self) -> None:
        self._planned, loop = None, asyncio.get_running_loop()
        begun = loop.time()
        for link in self._here.values():
            link.set_objects(self._in_common(link))
        self._pause = max(REFRESH_SECONDS, REST * (loop.time() - begun))

    def _in_common(self, link: NeighbourLink) -> dict[ObjectId, LiveObject]:
        account = link.account
        own = account == self._engine.keys.credentials.account_id

        def shared(object_id: ObjectId, live: LiveObject) -> bool:
            known = object_id in link.common or self._expected.get(object_id) == account
            return own or known or _takes_part(live, account)

        objects = self._engine.objects.items()
        return {object_id: opened.live for object_id, opened in objects if shared(object_id, opened.live)}

    async def close(self) -> None:
        """Ends all sessions; leaves no task."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _takes_part(live: LiveObject, account: AccountId) -> bool:
    """Whether an account is a member, or was seen to write by a link that still is one."""
    members = live.replica.view.members
    return PrincipalId(account) in members or any(
        writer.author.account == account and writer.author.principal in members
        for writer in live.replica.order.introductions.writers()
    )
